// SPDX-License-Identifier: Apache-2.0
#include "DeviceState.h"

#include "Memory.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace emulation
{
Runtime::Runtime()
{
  const char * const names = std::getenv("ITK_EMULATION_ORDERS");
  std::istringstream list(names ? names : "forward,reverse");
  for (std::string name; std::getline(list, name, ',');)
  {
    orders.push_back(name == "reverse" ? Order::Reverse
                                       : (name == "random" ? Order::Random : Order::Forward));
  }
}
Runtime &
TheRuntime()
{
  static Runtime * const runtime = new Runtime;
  return *runtime;
}

cudaError_t
Reject(cudaError_t error, const std::string & problem)
{
  Runtime & runtime = TheRuntime();
  runtime.last = error;
  runtime.problem = problem;
  return error;
}

void
FailOnStream(const std::string & problem)
{
  Runtime & runtime = TheRuntime();
  std::fprintf(stderr, "emulated device: %s\n", problem.c_str());
  ++runtime.failures;
  if (!runtime.failed)
  {
    runtime.failed = true;
    runtime.problem = problem;
  }
}

cudaError_t
Report()
{
  Runtime & runtime = TheRuntime();
  if (runtime.failed)
  {
    runtime.last = cudaErrorLaunchFailure;
    return cudaErrorLaunchFailure;
  }
  return cudaSuccess;
}

cudaStream_t
Find(cudaStream_t stream)
{
  Runtime & runtime = TheRuntime();
  stream = stream ? stream : &runtime.defaultStream;
  return runtime.streams.count(stream) ? stream : nullptr;
}

namespace
{
void
RunFront(cudaStream_t stream)
{
  const Work work = std::move(stream->queue.front());
  stream->queue.pop_front();
  work();
}

} // namespace

void
Drain(cudaStream_t stream)
{
  while (!stream->queue.empty())
  {
    RunFront(stream);
  }
}

void
Finish(cudaEvent_t event)
{
  while (event->pending > 0 && !event->stream->queue.empty())
  {
    RunFront(event->stream);
  }
}

void
LookAtRedZones()
{
  const std::string problem = CheckRedZones();
  if (!problem.empty() && !TheRuntime().failed)
  {
    FailOnStream(problem);
  }
}

void
DrainAll()
{
  for (const cudaStream_t stream : TheRuntime().streams)
  {
    Drain(stream);
  }
  LookAtRedZones();
}

bool
BreaksCapture()
{
  bool breaks = false;
  for (const cudaStream_t stream : TheRuntime().streams)
  {
    Capture * const capture = stream->capture.get();
    if (capture && (capture->mode == cudaStreamCaptureModeGlobal ||
                    (capture->mode == cudaStreamCaptureModeThreadLocal && capture->thread == std::this_thread::get_id())))
    {
      capture->invalidated = breaks = true;
    }
  }
  return breaks;
}

bool
BreaksCapture(cudaStream_t stream)
{
  if (stream && stream->capture)
  {
    stream->capture->invalidated = true;
    return true;
  }
  return false;
}

cudaError_t
Queue(cudaStream_t stream, Work && work)
{
  stream = Find(stream);
  if (!stream)
  {
    return Reject(cudaErrorInvalidResourceHandle, "this stream does not exist");
  }
  if (stream->capture)
  {
    if (stream->capture->invalidated)
    {
      return Reject(cudaErrorStreamCaptureInvalidated, "an earlier call broke the capture of this stream");
    }
    stream->capture->work.push_back(std::move(work));
    return cudaSuccess;
  }
  stream->queue.push_back(std::move(work));
  return Report();
}

namespace
{
void
Execute(const Launch & launch)
{
  const DeviceAccess access;
  const auto                    run = [&launch](Order order) {
    return [&launch, order] {
      const std::string problem = RunGrid(launch, order);
      if (!problem.empty())
      {
        FailOnStream(problem);
      }
    };
  };
  const auto &                       orders = TheRuntime().orders;
  std::vector<std::function<void()>> others;
  for (std::size_t i = 1; i < orders.size(); ++i)
  {
    others.emplace_back(run(orders[i]));
  }
  const std::string difference = CompareRuns(run(orders[0]), others);
  if (!difference.empty() && !TheRuntime().failed)
  {
    FailOnStream(Describe(launch) + ": " + difference);
  }
}

} // namespace

void
Enqueue(Launch && launch, cudaStream_t stream)
{
  ITK_EMULATION_LOCK;
  const dim3 &       block = launch.block;
  const dim3 &       grid = launch.grid;
  std::ostringstream problem;
  const auto         limit = TheRuntime().dynamicLimits.find(launch.kernel);
  const std::size_t  mostBytes =
    limit == TheRuntime().dynamicLimits.end() ? SharedBytesByDefault : static_cast<std::size_t>(limit->second);
  const std::uint64_t threads = std::uint64_t{ block.x } * block.y * block.z;
  if (threads == 0 || threads > MaximumThreads || block.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
      grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
  {
    problem << Describe(launch) << ": grid " << grid.x << 'x' << grid.y << 'x' << grid.z << " of blocks " << block.x
            << 'x' << block.y << 'x' << block.z;
    Reject(cudaErrorInvalidConfiguration, problem.str());
    return;
  }
  if (launch.dynamicBytes > mostBytes)
  {
    problem << Describe(launch) << ": " << launch.dynamicBytes << " bytes of shared memory, " << mostBytes
            << " allowed";
    Reject(cudaErrorInvalidValue, problem.str());
    return;
  }
  launch.mostSharedBytes =
    limit == TheRuntime().dynamicLimits.end() ? SharedBytesByDefault : SharedBytesOptIn;
  Queue(stream, [launch = std::move(launch)] { Execute(launch); });
}

cudaError_t
SetKernelAttribute(const void * kernel, cudaFuncAttribute attribute, int value)
{
  ITK_EMULATION_LOCK;
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize)
  {
    if (value < 0 || static_cast<std::size_t>(value) > SharedBytesOptIn)
    {
      return Reject(cudaErrorInvalidValue, std::to_string(value) + " bytes of shared memory");
    }
    TheRuntime().dynamicLimits[kernel] = value;
  }
  return cudaSuccess;
}

cudaError_t
GetKernelAttributes(cudaFuncAttributes * attributes, const void * kernel)
{
  ITK_EMULATION_LOCK;
  const auto limit = TheRuntime().dynamicLimits.find(kernel);
  attributes->sharedSizeBytes = 0;
  attributes->maxThreadsPerBlock = MaximumThreads;
  attributes->maxDynamicSharedSizeBytes =
    limit == TheRuntime().dynamicLimits.end() ? static_cast<int>(SharedBytesByDefault) : limit->second;
  return cudaSuccess;
}

cudaError_t
GetOccupancy(int * blocks, int blockSize, std::size_t dynamicBytes)
{
  const int byThreads = 2048 / std::max(blockSize, 1);
  const int byShared = static_cast<int>((std::size_t{ 228 } << 10) / (dynamicBytes + 1024));
  *blocks = std::min({ byThreads, byShared, 32 });
  return cudaSuccess;
}

cudaError_t
CopyToSymbol(void *       symbol,
             std::size_t  symbolBytes,
             const void * source,
             std::size_t  bytes,
             std::size_t  offset,
             cudaStream_t stream)
{
  ITK_EMULATION_LOCK;
  if (offset + bytes > symbolBytes)
  {
    return Reject(cudaErrorInvalidValue, "more bytes than the symbol has");
  }
  if (BreaksCapture(Find(stream)))
  {
    return Reject(cudaErrorStreamCaptureUnsupported, "pageable memory while the stream is captured");
  }
  const char * const begin = static_cast<const char *>(source);
  return Queue(stream, [=, values = std::vector<char>(begin, begin + bytes)] {
    std::memcpy(static_cast<char *>(symbol) + offset, values.data(), bytes);
  });
}

int
TakeFailures()
{
  ITK_EMULATION_LOCK;
  const int failures = TheRuntime().failures;
  TheRuntime().failures = 0;
  return failures;
}
} // namespace emulation

using namespace emulation;

cudaError_t
cudaPeekAtLastError()
{
  ITK_EMULATION_LOCK;
  return TheRuntime().last;
}
cudaError_t
cudaGetLastError()
{
  ITK_EMULATION_LOCK;
  Runtime &         runtime = TheRuntime();
  const cudaError_t last = runtime.last;
  runtime.last = cudaSuccess;
  // A failure on a stream stays until a call has said it.
  runtime.failed = runtime.failed && last != cudaErrorLaunchFailure;
  return last;
}
const char *
cudaGetErrorString(cudaError_t error)
{
  ITK_EMULATION_LOCK;
  static std::string text;
  text = "error " + std::to_string(static_cast<int>(error));
  if (error == cudaSuccess)
  {
    text = "no error";
  }
  else if (error == cudaErrorMemoryAllocation)
  {
    text = "out of memory";
  }
  else if (!TheRuntime().problem.empty())
  {
    text += ": " + TheRuntime().problem;
  }
  return text.c_str();
}

cudaError_t
cudaGetDeviceCount(int * count)
{
  *count = 1;
  return cudaSuccess;
}
cudaError_t
cudaSetDevice(int device)
{
  ITK_EMULATION_LOCK;
  return device == 0 ? cudaSuccess : Reject(cudaErrorInvalidDevice, "there is only device 0");
}
cudaError_t
cudaGetDevice(int * device)
{
  *device = 0;
  return cudaSuccess;
}
cudaError_t
cudaGetDeviceProperties(cudaDeviceProp * properties, int device)
{
  *properties = cudaDeviceProp{};
  std::strcpy(properties->name, "emulated on the CPU");
  properties->totalGlobalMem = emulation::DeviceBytes;
  properties->sharedMemPerBlock = emulation::SharedBytesByDefault;
  properties->sharedMemPerBlockOptin = emulation::SharedBytesOptIn;
  properties->sharedMemPerMultiprocessor = std::size_t{ 228 } << 10;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = MaximumThreads;
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->maxGridSize[0] = 0x7fffffff;
  properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
  properties->multiProcessorCount = 4;
  properties->l2CacheSize = 1 << 20;
  properties->major = 9;
  return cudaSetDevice(device);
}
cudaError_t
cudaDeviceGetAttribute(int * value, cudaDeviceAttr attribute, int device)
{
  const std::map<cudaDeviceAttr, int> values{
    { cudaDevAttrMaxThreadsPerBlock, MaximumThreads },
    { cudaDevAttrWarpSize, 32 },
    { cudaDevAttrMultiProcessorCount, 4 },
    { cudaDevAttrMaxSharedMemoryPerMultiprocessor, 228 << 10 },
    { cudaDevAttrComputeCapabilityMajor, 9 },
    { cudaDevAttrComputeCapabilityMinor, 0 },
    { cudaDevAttrMaxSharedMemoryPerBlockOptin, static_cast<int>(emulation::SharedBytesOptIn) }
  };
  *value = values.at(attribute);
  return cudaSetDevice(device);
}
cudaError_t
cudaDeviceSynchronize()
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  DrainAll();
  return Report();
}
