// SPDX-License-Identifier: Apache-2.0
#include "Grid.h"

#include "Stack.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <sstream>
#include <vector>

uint3 threadIdx;
uint3 blockIdx;
dim3  blockDim;
dim3  gridDim;

namespace emulation
{
namespace
{
/** Runs threads one after another, each until it ends or waits. */
struct Fiber
{
  Stack stack;
  int   thread = -1;
};

enum class State
{
  Fresh,
  Ready,
  AtBlock,
  AtWarp,
  Done
};

struct Thread
{
  State         state = State::Fresh;
  Fiber *       fiber = nullptr;
  const char *  function = ""; ///< where it waits
  unsigned int  mask = 0;      ///< of the lanes it waits for
  std::uint64_t value = 0;     ///< that it brought
  int           sourceLane = 0;
  WarpResult    result{ 0, 0 };
};

/** Sets of lanes. */
struct Warp
{
  unsigned int waiting = 0; ///< for others of the warp
  unsigned int gone = 0;    ///< have ended, or the block does not have them
};

/** The one block that runs. */
struct Block
{
  const Launch *                      launch = nullptr;
  Order                               order = Order::Forward;
  int                                 size = 0;
  std::vector<Thread>                 threads;
  std::vector<uint3>                  places; ///< of the threads
  int                                 thread = 0; ///< that runs
  int                                 done = 0;
  std::vector<Warp>                   warps;
  int                                 atBlock = 0; ///< threads that wait for all
  bool                                newInterval = false; ///< all threads have just reached a barrier
  int                                 count = 0;   ///< of their predicates
  int                                 countOfAll = 0;
  std::vector<int>                    sequence; ///< of the threads, in this pass
  std::size_t                         position = 0;
  std::mt19937                        random;
  std::string                         problem;
  std::int64_t                        serial = 0;
  std::size_t                         staticBytes = 0;
  void *                              dynamic = nullptr;
  std::size_t                         dynamicBytes = 0;
  std::size_t                         mostSharedBytes = 0;
  Stack                               program;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber *>                idle;
};

/** Never destroyed: what the program opened may be closed after its end. */
Block * const theBlock = new Block;

Block &
TheBlock()
{
  return *theBlock;
}

/** At least 1 byte, so that the address is one of its own. */
void *
AllocateExactly(std::size_t bytes)
{
  void * memory = nullptr;
  if (posix_memalign(&memory, 128, std::max<std::size_t>(bytes, 1)) != 0)
  {
    throw std::bad_alloc();
  }
  return memory;
}

/** Leaves the thread for good if it is one that runs. */
[[noreturn]] void
Fail(const std::string & problem)
{
  Block & block = TheBlock();
  std::ostringstream message;
  message << Describe(*block.launch) << ", block (" << blockIdx.x << ',' << blockIdx.y << ',' << blockIdx.z
          << "), thread (" << threadIdx.x << ',' << threadIdx.y << ',' << threadIdx.z << "): " << problem;
  block.problem = message.str();
  Stack::Switch(block.threads[block.thread].fiber->stack, block.program);
  std::abort();
}

/** The next thread of the pass that can run, or -1. */
int
FindRunnable()
{
  Block & block = TheBlock();
  for (; block.position < block.sequence.size(); ++block.position)
  {
    const int   candidate = block.sequence[block.position];
    const State state = block.threads[candidate].state;
    if (state == State::Fresh || state == State::Ready)
    {
      return candidate;
    }
  }
  return -1;
}

void
BeginPass()
{
  Block & block = TheBlock();
  block.position = 0;
  if (block.order == Order::Random)
  {
    std::shuffle(block.sequence.begin(), block.sequence.end(), block.random);
  }
}

void
MakeCurrent(int thread)
{
  Block & block = TheBlock();
  block.thread = thread;
  ++block.position;
  threadIdx = block.places[thread];
}

/** Releases the lanes of `mask` in a warp if all of them wait for each other. Those that are gone are not waited for. */
void
ReleaseWarp(int warpIndex, unsigned int mask)
{
  Block &            block = TheBlock();
  Warp &             warp = block.warps[warpIndex];
  Thread * const     lanes = &block.threads[32 * warpIndex];
  const unsigned int present = mask & ~warp.gone;
  if ((warp.waiting & present) != present)
  {
    return;
  }
  unsigned int ballot = 0;
  const char * function = nullptr;
  for (int lane = 0; lane < 32; ++lane)
  {
    if (present >> lane & 1u)
    {
      const Thread & thread = lanes[lane];
      if (thread.mask != mask)
      {
        return;
      }
      if (function && function != thread.function && std::strcmp(function, thread.function) != 0)
      {
        Fail(std::string("lanes of one warp meet in ") + function + " and in " + thread.function);
      }
      function = thread.function;
      ballot |= static_cast<unsigned int>(thread.value != 0) << lane;
    }
  }
  for (int lane = 0; lane < 32; ++lane)
  {
    if (present >> lane & 1u)
    {
      Thread &   thread = lanes[lane];
      const bool taken = thread.sourceLane >= 0 && thread.sourceLane < 32 && (present >> thread.sourceLane & 1u);
      thread.result.value = taken ? lanes[thread.sourceLane].value : ~std::uint64_t{ 0 };
      thread.result.ballot = ballot;
      thread.state = State::Ready;
    }
  }
  warp.waiting &= ~present;
}

void
RunThreads();

/** The stack to go on with: that of the next thread of the pass, which becomes the one that runs, or the program's if the
 * pass is over. */
Stack &
BeginNext()
{
  Block &   block = TheBlock();
  const int next = block.newInterval ? -1 : FindRunnable();
  if (next < 0)
  {
    return block.program;
  }
  Thread & thread = block.threads[next];
  if (thread.state == State::Fresh)
  {
    if (block.idle.empty())
    {
      block.fibers.push_back(std::make_unique<Fiber>());
      block.fibers.back()->stack.Prepare(RunThreads);
      block.idle.push_back(block.fibers.back().get());
    }
    thread.fiber = block.idle.back();
    block.idle.pop_back();
  }
  MakeCurrent(next);
  return thread.fiber->stack;
}

/** What all fibers do: run fresh threads to their ends, one after another, so that kernels without barriers need no
 * switch, and give way where a waiting one can go on. */
void
RunThreads()
{
  Block & block = TheBlock();
  Stack::Arrive();
  Fiber * const fiber = block.threads[block.thread].fiber;
  for (;;)
  {
    block.launch->thread();
    Thread & ended = block.threads[block.thread];
    ended.state = State::Done;
    ++block.done;
    const int warpIndex = block.thread / 32;
    Warp &    warp = block.warps[warpIndex];
    warp.gone |= 1u << Lane();
    for (int lane = 0; lane < 32 && warp.waiting != 0; ++lane)
    {
      if (warp.waiting >> lane & 1u)
      {
        ReleaseWarp(warpIndex, block.threads[32 * warpIndex + lane].mask);
      }
    }
    ended.fiber = nullptr;
    const int next = FindRunnable();
    if (next >= 0 && block.threads[next].state == State::Fresh)
    {
      MakeCurrent(next);
      block.threads[next].fiber = fiber;
      continue;
    }
    block.idle.push_back(fiber);
    Stack::Switch(fiber->stack, BeginNext());
  }
}

void
Wait(Thread & thread, State state, const char * function)
{
  Block & block = TheBlock();
  const int self = block.thread;
  thread.function = function;
  thread.state = state;
  if (state == State::AtBlock && block.atBlock == block.size)
  {
    for (Thread & waiting : block.threads)
    {
      waiting.state = State::Ready;
    }
    block.countOfAll = block.count;
    block.atBlock = block.count = 0;
    block.newInterval = true;
  }
  if (state == State::AtWarp)
  {
    block.warps[self / 32].waiting |= 1u << (self & 31);
    ReleaseWarp(self / 32, thread.mask);
  }
  Stack::Switch(thread.fiber->stack, BeginNext());
}

/** "threads 0-31 wait at __syncthreads, 32-63 have ended". */
std::string
DescribeThreads()
{
  const Block &      block = TheBlock();
  std::ostringstream text;
  const auto         describe = [&](int i) {
    const Thread &     thread = block.threads[i];
    std::ostringstream what;
    if (thread.state == State::Done)
    {
      what << "ended";
    }
    else
    {
      what << "waits at " << thread.function;
      if (thread.state == State::AtWarp)
      {
        what << " with mask 0x" << std::hex << thread.mask;
      }
    }
    return what.str();
  };
  for (int begin = 0; begin < block.size;)
  {
    int end = begin + 1;
    while (end < block.size && describe(end) == describe(begin))
    {
      ++end;
    }
    text << (begin == 0 ? "thread " : "; ") << begin;
    if (end > begin + 1)
    {
      text << '-' << end - 1;
    }
    text << ' ' << describe(begin);
    begin = end;
  }
  return text.str();
}

/** Forgets what runs on the fibers of a block that failed. */
void
AbandonThreads()
{
  for (Thread & thread : TheBlock().threads)
  {
    if (thread.fiber)
    {
      thread.fiber->stack.Prepare(RunThreads);
      TheBlock().idle.push_back(thread.fiber);
      thread.fiber = nullptr;
    }
  }
}

void
RunBlock()
{
  Block & block = TheBlock();
  ++block.serial;
  block.staticBytes = 0;
  std::memset(block.dynamic, 0xff, block.dynamicBytes);
  std::fill(block.threads.begin(), block.threads.end(), Thread());
  std::fill(block.warps.begin(), block.warps.end(), Warp());
  if (block.size % 32 != 0)
  {
    block.warps.back().gone = ~0u << block.size % 32;
  }
  block.done = block.atBlock = block.count = 0;
  while (block.done < block.size)
  {
    BeginPass();
    block.newInterval = false;
    Stack & first = BeginNext();
    if (&first == &block.program)
    {
      std::ostringstream message;
      message << Describe(*block.launch) << ", block (" << blockIdx.x << ',' << blockIdx.y << ',' << blockIdx.z
              << "): threads wait for others that never come: " << DescribeThreads();
      block.problem = message.str();
      return;
    }
    Stack::Switch(block.program, first);
    if (!block.problem.empty())
    {
      return;
    }
  }
}
} // namespace

std::string
Describe(const Launch & launch)
{
  std::string name = "kernel";
#if defined(ITK_EMULATION_SANITIZED)
  char symbol[256] = "";
  // It takes addresses for those that calls return to, which are behind what they belong to.
  __sanitizer_symbolize_pc(const_cast<char *>(static_cast<const char *>(launch.kernel)) + 1, "%f", symbol, sizeof(symbol));
  name = symbol;
  name = name.substr(0, name.find('('));
#endif
  const std::string file = launch.file;
  return name + " (" + file.substr(file.rfind('/') + 1) + ':' + std::to_string(launch.line) + ')';
}

std::string
RunGrid(const Launch & launch, Order order)
{
  Block & block = TheBlock();
  block.launch = &launch;
  block.order = order;
  block.size = static_cast<int>(launch.block.x * launch.block.y * launch.block.z);
  block.threads.resize(block.size);
  block.warps.resize((block.size + 31) / 32);
  block.places.clear();
  for (unsigned int z = 0; z < launch.block.z; ++z)
  {
    for (unsigned int y = 0; y < launch.block.y; ++y)
    {
      for (unsigned int x = 0; x < launch.block.x; ++x)
      {
        block.places.push_back(uint3{ x, y, z });
      }
    }
  }
  block.sequence.resize(block.size);
  std::iota(block.sequence.begin(), block.sequence.end(), 0);
  block.random.seed(20);
  if (order == Order::Reverse)
  {
    std::reverse(block.sequence.begin(), block.sequence.end());
  }
  if (!block.dynamic || block.dynamicBytes != launch.dynamicBytes)
  {
    std::free(block.dynamic);
    block.dynamic = AllocateExactly(launch.dynamicBytes);
    block.dynamicBytes = launch.dynamicBytes;
  }
  block.mostSharedBytes = launch.mostSharedBytes;
  block.problem.clear();
  blockDim = launch.block;
  gridDim = launch.grid;
  const std::int64_t plane = static_cast<std::int64_t>(gridDim.x) * gridDim.y;
  const std::int64_t blocks = plane * gridDim.z;
  for (std::int64_t i = 0; i < blocks && block.problem.empty(); ++i)
  {
    const std::int64_t at = order == Order::Reverse ? blocks - 1 - i : i;
    blockIdx.x = static_cast<unsigned int>(at % gridDim.x);
    blockIdx.y = static_cast<unsigned int>(at % plane / gridDim.x);
    blockIdx.z = static_cast<unsigned int>(at / plane);
    RunBlock();
  }
  if (!block.problem.empty())
  {
    AbandonThreads();
  }
  return block.problem;
}

int
Lane()
{
  return TheBlock().thread & 31;
}

int
WaitForBlock(const char * function, int predicate)
{
  Block &  block = TheBlock();
  Thread & thread = block.threads[block.thread];
  ++block.atBlock;
  block.count += predicate != 0;
  Wait(thread, State::AtBlock, function);
  return block.countOfAll;
}

WarpResult
WaitForWarp(const char * function, unsigned int mask, std::uint64_t value, int sourceLane)
{
  Block &  block = TheBlock();
  Thread & thread = block.threads[block.thread];
  if ((mask >> Lane() & 1u) == 0)
  {
    Fail(std::string(function) + " with a mask that leaves the calling lane out");
  }
  thread.mask = mask;
  thread.value = value;
  thread.sourceLane = sourceLane;
  Wait(thread, State::AtWarp, function);
  return thread.result;
}

void *
DynamicShared()
{
  return TheBlock().dynamic;
}

std::int64_t
BlockSerial()
{
  return TheBlock().serial;
}

void *
FillShared(void * memory, std::size_t bytes)
{
  Block & block = TheBlock();
  block.staticBytes += bytes;
  if (block.staticBytes > SharedBytesByDefault || block.staticBytes + block.dynamicBytes > block.mostSharedBytes)
  {
    Fail("more shared memory than a block can have");
  }
  memory = memory ? memory : AllocateExactly(bytes);
  std::memset(memory, 0xff, bytes);
  return memory;
}
} // namespace emulation
