// SPDX-License-Identifier: Apache-2.0
// The emulated device itself: that it computes what a GPU does, and that it finds each kind of mistake.
#include "../engine/EngineTesting.h"

#include "DeviceState.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
__global__ void
ShuffleKernel(int * output)
{
  const int lane = threadIdx.x % 32;
  int *     values = output + 6 * threadIdx.x;
  values[0] = __shfl_down_sync(0xffffffffu, lane, 5);
  values[1] = __shfl_up_sync(0xffffffffu, lane, 3, 16);
  values[2] = static_cast<int>(__shfl_xor_sync(0xffffffffu, 1.0 + lane, 9));
  values[3] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 3 == 0));
  values[4] = __shfl_sync(lane < 16 ? 0xffffu : 0xffff0000u, lane, lane < 16 ? 7 : 21);
  values[5] = __syncthreads_count(threadIdx.x < 40);
}

/** Sums the neighbours' values; `barrier` false leaves the barrier out. */
template <bool barrier>
__global__ void
NeighbourKernel(int * output)
{
  __shared__ int values[64];
  values[threadIdx.x] = threadIdx.x;
  if (barrier)
  {
    __syncthreads();
  }
  output[threadIdx.x] = values[(threadIdx.x + 1) % 64] + values[(threadIdx.x + 63) % 64];
}

__global__ void
UnsetSharedKernel(float * output)
{
  extern __shared__ float dynamic[];
  __shared__ float        fixed[32];
  if (threadIdx.x % 2 == 0)
  {
    dynamic[threadIdx.x] = fixed[threadIdx.x] = 1.0f;
  }
  __syncthreads();
  output[threadIdx.x] = dynamic[threadIdx.x] + fixed[threadIdx.x];
}

__global__ void
DivergentBarrierKernel()
{
  if (threadIdx.x >= 32)
  {
    return;
  }
  __syncthreads();
}

__global__ void
MissingLaneKernel(int * output)
{
  if (threadIdx.x != 7)
  {
    output[threadIdx.x] = __shfl_down_sync(0xffffffffu, 1, 1);
  }
  __syncthreads();
}

__global__ void
StoreKernel(int * output, int index)
{
  output[index] = 1;
}

__global__ void
StoreSharedKernel(int index)
{
  extern __shared__ float dynamic[];
  dynamic[index] = 1.0f;
}

__global__ void
IncrementKernel(int * value, int by)
{
  atomicAdd(value, by);
}

constexpr int Count = 6 * 64;

/** Waits, and expects that the device found something that has `text` in it. */
void
ExpectFailure(const std::string & text)
{
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  EXPECT_NE(std::string(cudaGetErrorString(cudaErrorLaunchFailure)).find(text), std::string::npos)
    << cudaGetErrorString(cudaErrorLaunchFailure);
  static_cast<void>(cudaGetLastError());
  EXPECT_GT(emulation::TakeFailures(), 0);
}

std::vector<int>
Download(const Buffer<int> & buffer)
{
  std::vector<int> values(static_cast<std::size_t>(buffer.Count()));
  EXPECT_EQ(cudaMemcpy(values.data(), buffer.Data(), buffer.Bytes(), cudaMemcpyDeviceToHost), cudaSuccess);
  return values;
}
} // namespace

TEST(Emulation, LanesOfAWarpExchangeValues)
{
  const Buffer<int> output(TestDevice(), Count);
  ShuffleKernel<<<1, 64>>>(output.Data());
  const std::vector<int> values = Download(output);
  for (int i = 0; i < 64; ++i)
  {
    const int lane = i % 32;
    EXPECT_EQ(values[6 * i], lane + 5 < 32 ? lane + 5 : lane);
    EXPECT_EQ(values[6 * i + 1], lane % 16 < 3 ? lane : lane - 3);
    EXPECT_EQ(values[6 * i + 2], 1 + (lane ^ 9));
    EXPECT_EQ(values[6 * i + 3], 0x49249249);
    EXPECT_EQ(values[6 * i + 4], lane < 16 ? 7 : 21);
    EXPECT_EQ(values[6 * i + 5], 40);
  }
}

TEST(Emulation, MissingBarrierIsFound)
{
  const Buffer<int> output(TestDevice(), Count);
  NeighbourKernel<true><<<1, 64>>>(output.Data());
  const std::vector<int> values = Download(output);
  EXPECT_EQ(values[0], 64);
  EXPECT_EQ(values[10], 20);
  NeighbourKernel<false><<<1, 64>>>(output.Data());
  ExpectFailure("order of the threads");
}

TEST(Emulation, UnsetSharedMemoryIsNotANumber)
{
  const Buffer<float> output(TestDevice(), 32);
  UnsetSharedKernel<<<1, 32, 32 * sizeof(float)>>>(output.Data());
  std::vector<float> values(32);
  EXPECT_EQ(cudaMemcpy(values.data(), output.Data(), output.Bytes(), cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(values[4], 2.0f);
  EXPECT_TRUE(std::isnan(values[5]));
}

TEST(Emulation, BarriersThatNotAllReachAreFound)
{
  DivergentBarrierKernel<<<2, 64>>>();
  ExpectFailure("thread 0-31 waits at __syncthreads; 32-63 ended");
  const Buffer<int> output(TestDevice(), Count);
  MissingLaneKernel<<<1, 32>>>(output.Data());
  ExpectFailure("7 waits at __syncthreads;");
  // the device still works
  NeighbourKernel<true><<<1, 64>>>(output.Data());
  EXPECT_EQ(Download(output)[1], 2);
}

TEST(Emulation, LimitsOfLaunchesAreChecked)
{
  const Buffer<int> output(TestDevice(), Count);
  const dim3        grids[] = { dim3(0), dim3(1, 65536), dim3(1, 1, 65536), dim3(1) };
  for (const dim3 & grid : grids)
  {
    StoreKernel<<<grid, grid.x == 1 && grid.y == 1 && grid.z == 1 ? 1025 : 1>>>(output.Data(), 0);
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  }
  constexpr int bytes = 100 << 10;
  StoreSharedKernel<<<1, 1, bytes>>>(bytes / 4 - 1);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(StoreSharedKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 << 10),
            cudaErrorInvalidValue);
  static_cast<void>(cudaGetLastError());
  EXPECT_EQ(cudaFuncSetAttribute(StoreSharedKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes), cudaSuccess);
  StoreSharedKernel<<<1, 1, bytes>>>(bytes / 4 - 1);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST(Emulation, WorkRunsWhenItIsWaitedFor)
{
  const Buffer<int> value(TestDevice(), 1);
  void *            pinned = nullptr;
  EXPECT_EQ(cudaHostAlloc(&pinned, sizeof(int), cudaHostAllocDefault), cudaSuccess);
  int * const  number = static_cast<int *>(pinned);
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaStreamCreate(&stream), cudaSuccess);
  cudaGraph_t     graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  EXPECT_EQ(cudaMemsetAsync(value.Data(), 0, sizeof(int), stream), cudaSuccess);
  EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
  IncrementKernel<<<1, 10, 0, stream>>>(value.Data(), 1);
  EXPECT_EQ(cudaMemcpyAsync(number, value.Data(), sizeof(int), cudaMemcpyDeviceToHost, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  EXPECT_EQ(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  *number = -1;
  for (int launches = 1; launches <= 2; ++launches)
  {
    EXPECT_EQ(cudaGraphLaunch(executable, stream), cudaSuccess);
    EXPECT_EQ(*number, launches == 1 ? -1 : 10);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    EXPECT_EQ(*number, 10 * launches);
  }
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
  static_cast<void>(cudaGetLastError());
}

TEST(Emulation, CapturesEndWithWhatTheyCannotHold)
{
  const Buffer<int> value(TestDevice(), 1);
  cudaStream_t      stream = nullptr;
  cudaEvent_t       event = nullptr;
  EXPECT_EQ(cudaStreamCreate(&stream), cudaSuccess);
  EXPECT_EQ(cudaEventCreate(&event), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(value.Data(), 0, sizeof(int), stream), cudaSuccess);
  void *                                         memory = nullptr;
  int                                            number = 0;
  const std::vector<std::function<cudaError_t()>> calls = {
    [&] { return cudaMalloc(&memory, 4); },
    [&] { return cudaFree(value.Data()); },
    [&] { return cudaHostAlloc(&memory, 4, cudaHostAllocDefault); },
    [&] { return cudaMemcpy(&number, value.Data(), sizeof(int), cudaMemcpyDeviceToHost); },
    [&] { return cudaMemcpyAsync(&number, value.Data(), sizeof(int), cudaMemcpyDeviceToHost, stream); },
    [&] { return cudaMemcpyAsync(value.Data(), &number, sizeof(int), cudaMemcpyHostToDevice, stream); },
    [&] { return cudaStreamSynchronize(stream); },
    [&] { return cudaStreamQuery(stream); },
    [&] { return cudaDeviceSynchronize(); },
    [&] { return cudaEventSynchronize(event); },
  };
  cudaGraph_t             graph = nullptr;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  for (std::size_t i = 0; i < calls.size(); ++i)
  {
    SCOPED_TRACE(i);
    EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_EQ(calls[i](), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(cudaStreamIsCapturing(stream, &status), cudaSuccess);
    EXPECT_EQ(status, cudaStreamCaptureStatusInvalidated);
    EXPECT_EQ(cudaMemsetAsync(value.Data(), 1, sizeof(int), stream), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
  }
  // where nothing else is forbidden, waiting for the stream is
  EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&memory, 4), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  // an event of a capture never comes
  EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaErrorIllegalState);
  EXPECT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorIllegalState);
  EXPECT_EQ(cudaEventQuery(event), cudaErrorCapturedEvent);
  // another thread's capture forbids nothing here, unless it is a global one
  for (const auto mode : { cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeGlobal })
  {
    std::thread([&] { EXPECT_EQ(cudaStreamBeginCapture(stream, mode), cudaSuccess); }).join();
    const bool isGlobal = mode == cudaStreamCaptureModeGlobal;
    EXPECT_EQ(cudaDeviceSynchronize(), isGlobal ? cudaErrorStreamCaptureUnsupported : cudaSuccess);
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureWrongThread);
    std::thread([&] {
      EXPECT_EQ(cudaStreamEndCapture(stream, &graph), isGlobal ? cudaErrorStreamCaptureInvalidated : cudaSuccess);
    }).join();
    if (graph)
    {
      EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    }
  }
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  static_cast<void>(cudaGetLastError());
  EXPECT_EQ(Download(value)[0], 0);
}

TEST(Emulation, AccessesOutOfBoundsAreFound)
{
  const Buffer<int> output(TestDevice(), 70);
#if defined(ITK_EMULATION_SANITIZED)
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto run = [&output](int index, bool shared) {
    if (shared)
    {
      StoreSharedKernel<<<1, 1, 70 * sizeof(float)>>>(index);
    }
    else
    {
      StoreKernel<<<1, 1>>>(output.Data(), index);
    }
    static_cast<void>(cudaDeviceSynchronize());
  };
  EXPECT_DEATH(run(70, false), "AddressSanitizer.*\n.*WRITE of size 4");
  EXPECT_DEATH(run(-1, false), "AddressSanitizer.*\n.*WRITE of size 4");
  EXPECT_DEATH(run(70, true), "AddressSanitizer.*\n.*WRITE of size 4");
  // the host has no business there either
  EXPECT_DEATH(std::printf("%d", *const_cast<volatile int *>(output.Data())), "AddressSanitizer");
#else
  StoreKernel<<<1, 1>>>(output.Data(), 70);
  ExpectFailure("allocation of 280 bytes");
#endif
}
} // namespace test
} // namespace engine
} // namespace itk
