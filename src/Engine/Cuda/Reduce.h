// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaReduce_h
#define itkEngineCudaReduce_h

#include "Launch.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace cuda
{
// Deterministic reductions of two numbers at once: every thread accumulates its voxels in order, JoinBlock joins a
// block in a fixed tree, each block stores a pair in the device's scratch memory, and one block joins the pairs. Which
// voxel belongs to which thread depends on the size alone, so that the bits do not depend on the GPU's scheduling.

enum class Join
{
  Sum,
  Minimum,
  Maximum
};

/** Most blocks of a reducing kernel. Bounded so that the last step stays short; the pairs take 64 KiB of scratch. */
constexpr int ReductionBlocks = 4096;
static_assert(ReductionBlocks * 2 * sizeof(double) <= Device::ScratchBytes, "pairs exceed the scratch memory");

template <Join operation>
__device__ __forceinline__ double
NeutralValue()
{
  return operation == Join::Sum ? 0.0 : (operation == Join::Minimum ? HUGE_VAL : -HUGE_VAL);
}

/** NaN wins in all three. */
template <Join operation>
__device__ __forceinline__ double
JoinValues(double a, double b)
{
  if (operation == Join::Sum)
  {
    return a + b;
  }
  if (operation == Join::Minimum)
  {
    return a < b || a != a ? a : b;
  }
  return a > b || a != a ? a : b;
}

/** Joins the values of a block; thread 0 holds the result. All threads of whole warps must call it, once. */
template <Join first, Join second>
__device__ __forceinline__ void
JoinBlock(double & a, double & b)
{
  __shared__ double warpResults[2][32];
  const int         thread = threadIdx.x + blockDim.x * threadIdx.y;
  const int         lane = thread & 31;
  const int         warp = thread >> 5;
  const int         warps = static_cast<int>(blockDim.x * blockDim.y) >> 5;
  for (int distance = 16; distance > 0; distance >>= 1)
  {
    a = JoinValues<first>(a, __shfl_down_sync(0xffffffffu, a, distance));
    b = JoinValues<second>(b, __shfl_down_sync(0xffffffffu, b, distance));
  }
  if (lane == 0)
  {
    warpResults[0][warp] = a;
    warpResults[1][warp] = b;
  }
  __syncthreads();
  if (warp == 0)
  {
    a = lane < warps ? warpResults[0][lane] : NeutralValue<first>();
    b = lane < warps ? warpResults[1][lane] : NeutralValue<second>();
    for (int distance = 16; distance > 0; distance >>= 1)
    {
      a = JoinValues<first>(a, __shfl_down_sync(0xffffffffu, a, distance));
      b = JoinValues<second>(b, __shfl_down_sync(0xffffffffu, b, distance));
    }
  }
}

/** The end of a reducing kernel: joins the block and stores its pair. */
template <Join first, Join second>
__device__ __forceinline__ void
StoreBlockResult(double a, double b, double * partials)
{
  JoinBlock<first, second>(a, b);
  if (threadIdx.x == 0 && threadIdx.y == 0)
  {
    const int block = blockIdx.x + gridDim.x * blockIdx.y;
    partials[2 * block] = a;
    partials[2 * block + 1] = b;
  }
}

constexpr int FinishThreads = 1024;

/** Joins the pairs of a kernel before. All threads of one block, whole warps along x, call it. */
template <Join first, Join second>
__device__ __forceinline__ void
FinishBlockResults(const double * partials, int blocks, double * result, int numberOfResults = 2)
{
  double a = NeutralValue<first>();
  double b = NeutralValue<second>();
  for (int block = threadIdx.x; block < blocks; block += blockDim.x)
  {
    a = JoinValues<first>(a, partials[2 * block]);
    b = JoinValues<second>(b, partials[2 * block + 1]);
  }
  JoinBlock<first, second>(a, b);
  if (threadIdx.x == 0)
  {
    result[0] = a;
    if (numberOfResults > 1)
    {
      result[1] = b;
    }
  }
}

template <Join first, Join second>
__global__ void
__launch_bounds__(FinishThreads)
  FinishReductionKernel(const double * partials, int blocks, double * result, int numberOfResults)
{
  FinishBlockResults<first, second>(partials, blocks, result, numberOfResults);
}

inline double *
Partials(const Device & device)
{
  return static_cast<double *>(device.Scratch());
}

/** Queues the last step after a kernel of this grid that ended with StoreBlockResult on Partials(device). */
template <Join first, Join second>
void
FinishReduction(const Device & device, cudaStream_t stream, const dim3 & grid, double * result, int numberOfResults = 2)
{
  const int blocks = static_cast<int>(grid.x * grid.y);
  FinishReductionKernel<first, second>
    <<<1, FinishThreads, 0, stream>>>(Partials(device), blocks, result, numberOfResults);
  CheckLaunch(device, "FinishReduction");
}
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
