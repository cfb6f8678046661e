// SPDX-License-Identifier: Apache-2.0
#include "Stack.h"

#include <cstdlib>
#include <new>

#include <sys/mman.h>

// Contexts make the stacks, and jumps switch them: swapcontext asks the kernel for the signal mask each time, which
// costs a hundred times as much. The builtins, as AddressSanitizer takes longjmp for the end of the frames it leaves.
#define ITK_EMULATION_PLAIN __attribute__((noinline, no_sanitize("address", "undefined")))

namespace emulation
{
namespace
{
/** Virtual: only touched pages cost. */
constexpr std::size_t StackBytes = std::size_t{ 512 } << 10;
constexpr std::size_t GuardBytes = std::size_t{ 16 } << 10;
constexpr std::size_t MostStacks = 1024; ///< threads of a block

/** Stacks begin at different places of their pages: at the same ones the frames of all fibers would want the same few
 * sets of the caches. */
constexpr std::size_t ColourBytes = std::size_t{ 128 } << 10;
constexpr std::size_t ColourStep = 17 * 64;

/** All stacks of fibers lie side by side, so that AddressSanitizer can take them for one, and need not hear of switches
 * among them, which would cost more than those themselves. */
struct Fibers
{
  char *      memory = nullptr;
  std::size_t count = 0;

  char *
  Take()
  {
    if (!memory)
    {
      void * const all = mmap(
        nullptr, MostStacks * StackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (all == MAP_FAILED)
      {
        throw std::bad_alloc();
      }
      memory = static_cast<char *>(all);
    }
    if (count == MostStacks)
    {
      throw std::bad_alloc();
    }
    char * const stack = memory + count++ * StackBytes;
    mprotect(stack, GuardBytes, PROT_NONE);
    return stack;
  }
};
Fibers fibers;

#if defined(ITK_EMULATION_SANITIZED)
const void * programBottom = nullptr;
std::size_t  programSize = 0;
void *       programFake = nullptr;
void *       fibersFake = nullptr;
bool         entering = false; ///< the program has switched to a fiber
#endif

[[noreturn]] ITK_EMULATION_PLAIN void
Jump(void ** buffer)
{
  __builtin_longjmp(buffer, 1);
}
} // namespace

void
Stack::Prepare(void (*entry)())
{
  m_Memory = m_Memory ? m_Memory : fibers.Take();
#if defined(ITK_EMULATION_SANITIZED)
  __asan_unpoison_memory_region(m_Memory + GuardBytes, StackBytes - GuardBytes);
#endif
  const std::size_t index = static_cast<std::size_t>(m_Memory - fibers.memory) / StackBytes;
  getcontext(&m_Context);
  m_Context.uc_stack.ss_sp = m_Memory + GuardBytes;
  m_Context.uc_stack.ss_size = StackBytes - GuardBytes - index * ColourStep % ColourBytes;
  m_Context.uc_link = nullptr;
  makecontext(&m_Context, entry, 0);
  m_Started = false;
}

ITK_EMULATION_PLAIN void
Stack::Switch(Stack & from, Stack & to)
{
#if defined(ITK_EMULATION_SANITIZED)
  if (!from.m_Memory)
  {
    entering = true;
    __sanitizer_start_switch_fiber(&programFake, fibers.memory, MostStacks * StackBytes);
  }
  else if (!to.m_Memory)
  {
    __sanitizer_start_switch_fiber(&fibersFake, programBottom, programSize);
  }
#endif
  if (__builtin_setjmp(from.m_Jump) == 0)
  {
    if (to.m_Started)
    {
      Jump(to.m_Jump);
    }
    to.m_Started = true;
    setcontext(&to.m_Context);
    std::abort();
  }
#if defined(ITK_EMULATION_SANITIZED)
  if (!from.m_Memory)
  {
    __sanitizer_finish_switch_fiber(programFake, nullptr, nullptr);
  }
#endif
  Arrive();
}

ITK_EMULATION_PLAIN void
Stack::Arrive()
{
#if defined(ITK_EMULATION_SANITIZED)
  if (entering)
  {
    entering = false;
    // the program's stack, whose bounds are known no other way
    __sanitizer_finish_switch_fiber(fibersFake, &programBottom, &programSize);
  }
#endif
}
} // namespace emulation
