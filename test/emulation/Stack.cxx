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
constexpr std::size_t StackBytes = std::size_t{ 256 } << 10;
constexpr std::size_t GuardBytes = std::size_t{ 16 } << 10;

[[noreturn]] ITK_EMULATION_PLAIN void
Jump(void ** buffer)
{
  __builtin_longjmp(buffer, 1);
}
} // namespace

Stack::~Stack()
{
  if (m_Memory)
  {
    munmap(m_Memory, StackBytes);
  }
}

void
Stack::Prepare(void (*entry)())
{
  if (!m_Memory)
  {
    m_Memory = mmap(nullptr, StackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m_Memory == MAP_FAILED)
    {
      m_Memory = nullptr;
      throw std::bad_alloc();
    }
    mprotect(m_Memory, GuardBytes, PROT_NONE);
  }
  char * const bottom = static_cast<char *>(m_Memory) + GuardBytes;
  m_Bottom = bottom;
  m_Size = StackBytes - GuardBytes;
#if defined(ITK_EMULATION_SANITIZED)
  __asan_unpoison_memory_region(bottom, m_Size);
#endif
  getcontext(&m_Context);
  m_Context.uc_stack.ss_sp = bottom;
  m_Context.uc_stack.ss_size = m_Size;
  m_Context.uc_link = nullptr;
  makecontext(&m_Context, entry, 0);
  m_Started = false;
}

ITK_EMULATION_PLAIN void
Stack::Switch(Stack & from, Stack & to)
{
#if defined(ITK_EMULATION_SANITIZED)
  __sanitizer_start_switch_fiber(&from.m_Fake, to.m_Bottom, to.m_Size);
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
  // Back on a fiber's stack: the one that was left is the program's, whose bounds are known no other way.
  const void * bottom = nullptr;
  std::size_t  size = 0;
  __sanitizer_finish_switch_fiber(from.m_Fake, &bottom, &size);
  if (from.m_Memory)
  {
    to.m_Bottom = bottom;
    to.m_Size = size;
  }
#endif
}

void
Stack::Arrive(Stack & from)
{
#if defined(ITK_EMULATION_SANITIZED)
  __sanitizer_finish_switch_fiber(nullptr, &from.m_Bottom, &from.m_Size);
#else
  static_cast<void>(from);
#endif
}
} // namespace emulation
