// SPDX-License-Identifier: Apache-2.0
#ifndef itkEmulationDeviceState_h
#define itkEmulationDeviceState_h

#include "Grid.h"

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

// What the files that emulate the runtime's calls share. Work is queued on streams and runs as late as the rules allow:
// when the host waits for it, or another stream does. So a missing wait shows.

using Work = std::function<void()>;

struct CUgraph_st
{
  std::vector<Work> work;
};
struct CUgraphExec_st
{
  std::vector<Work> work;
};
/** What is queued on a stream between cudaStreamBeginCapture and cudaStreamEndCapture. */
struct Capture
{
  cudaStreamCaptureMode mode;
  std::thread::id       thread;
  std::vector<Work>     work;
  bool                  invalidated = false; ///< by a call that is not allowed meanwhile
};
struct CUstream_st
{
  std::deque<Work>         queue;
  std::unique_ptr<Capture> capture;
};
struct CUevent_st
{
  int                                   pending = 0; ///< records that have not run yet
  cudaStream_t                          stream = nullptr;
  bool                                  recorded = false;
  bool                                  captured = false; ///< the last record was
  std::chrono::steady_clock::time_point time;
};

namespace emulation
{
constexpr int MaximumThreads = 1024;

/** The state of the device. The order of the threads comes from the environment variable ITK_EMULATION_ORDERS, a list
 * of forward, reverse and random; by default every launch runs forward, then again in reverse, and the results must
 * have the same bits. */
struct Runtime
{
  std::recursive_mutex          mutex;
  CUstream_st                   defaultStream;
  std::set<cudaStream_t>        streams{ &defaultStream };
  std::map<void *, std::size_t> pinned;
  std::map<const void *, int>   dynamicLimits; ///< by kernel
  cudaError_t                   last = cudaSuccess;
  bool                          failed = false; ///< work on a stream, and no call has said so yet
  std::string                   problem;
  int                           failures = 0;
  std::vector<Order>            orders;

  /** The program will end with exit code 1 if anything goes wrong that no test takes for expected. */
  Runtime();
};

/** Never destroyed: what the program opened may be closed after its end. */
Runtime &
TheRuntime();

/** The caller is told at once. */
cudaError_t
Reject(cudaError_t error, const std::string & problem);

/** What goes wrong on a stream is said by the next call that may say it, and by the exit code of the program. */
void
FailOnStream(const std::string & problem);

/** Every call that waits or queues ends with it. */
cudaError_t
Report();

/** The stream itself, the default one for null; null if there is none. */
cudaStream_t
Find(cudaStream_t stream);
cudaError_t
Queue(cudaStream_t stream, Work && work);

void
Drain(cudaStream_t stream);
/** All streams; then the red zones are looked at. */
void
DrainAll();
/** Runs what is before the event. */
void
Finish(cudaEvent_t event);
void
LookAtRedZones();

/** Whether a capture forbids the calling thread what does not go through a stream, or makes the host wait; if so, that
 * capture comes to nothing. */
bool
BreaksCapture();
/** The same for a wait for this stream, which no mode of capture allows. */
bool
BreaksCapture(cudaStream_t stream);

/** Number of failures so far, which are forgotten: a test expected them. */
int
TakeFailures();
} // namespace emulation

#define ITK_EMULATION_LOCK const std::lock_guard<std::recursive_mutex> lock(emulation::TheRuntime().mutex)
#define ITK_EMULATION_NOT_IN_CAPTURE                                                                       \
  ITK_EMULATION_LOCK;                                                                                      \
  if (emulation::BreaksCapture())                                                                          \
  {                                                                                                        \
    return emulation::Reject(cudaErrorStreamCaptureUnsupported, "not allowed while a stream is captured"); \
  }

#endif
