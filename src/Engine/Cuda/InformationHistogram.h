// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaInformationHistogram_h
#define itkEngineCudaInformationHistogram_h

#include "../Math/MutualInformation.h"
#include "../Operators/MutualInformation.h"
#include "Reduce.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// The joint histogram in fixed point: integers add up to the same number in any order, so that atomic additions are
// deterministic. A block counts in shared memory, in 32-bit words of 2^-20, and empties them into 64-bit words of global
// memory before they could overflow, however large the volume. Neighbouring lanes count in copies of their own, so that the
// background of a head, half of the volume in one bin, is no queue. A histogram with few samples per bin needs more digits,
// since the gradient takes logarithms of single weights: there a second word holds the bits below 2^-20.
// A histogram that does not fit the shared memory of a block is cut into slices of fixed bins, and each slice reads the
// images again: 64 bins fit, 128 need up to 3 slices, 256 need 11 (6 without the second word).

constexpr int          HistogramThreads = 256;
constexpr int          HistogramBlocks = 512;
constexpr int          HistogramWords = 12288; ///< of shared memory, 48 KiB
constexpr int          CoarseBits = 20;
constexpr int          MostFineBits = 20;
constexpr std::int64_t DenseSamplesPerBin = 4096; ///< from here on 2^-20 is fine enough
/** Voxels that one copy may count before it is emptied: each adds at most 1 to a bin. */
constexpr int CopyCapacity = (1 << (32 - CoarseBits)) - 1;

using Counter = unsigned long long;

/** How a histogram is counted: a function of the sizes alone. */
struct HistogramPlan
{
  int bins;
  int fineBits; ///< bits below 2^-20 in the second word; 0: there is none
  int words;
  int rows;     ///< fixed bins of a slice
  int slices;
  int copies;   ///< a power of two
  int voxelsPerFlush; ///< of one thread

  HistogramPlan(int numberOfBins, std::int64_t voxels)
    : bins(numberOfBins)
    , fineBits(0)
  {
    if (voxels < DenseSamplesPerBin * bins * bins)
    {
      // all voxels in one bin must fit 64 bits
      int bitsOfVoxels = 1;
      while ((std::int64_t{ 1 } << bitsOfVoxels) <= voxels)
      {
        ++bitsOfVoxels;
      }
      fineBits = std::max(0, std::min(MostFineBits, 63 - CoarseBits - bitsOfVoxels));
    }
    words = fineBits > 0 ? 2 : 1;
    rows = std::min(bins, HistogramWords / (bins * words));
    slices = (bins + rows - 1) / rows;
    copies = 1;
    while (copies < 32 && 2 * copies * words * rows * bins <= HistogramWords)
    {
      copies *= 2;
    }
    voxelsPerFlush = CopyCapacity / (HistogramThreads / copies);
  }

  std::size_t
  SharedBytes() const
  {
    return sizeof(unsigned int) * words * rows * bins * copies;
  }

  double
  Unit() const
  {
    return 1.0 / static_cast<double>(std::int64_t{ 1 } << (CoarseBits + fineBits));
  }
};

/** One channel's images and their windows; goes to kernels by value. */
struct InformationImages
{
  const float *         fixed;
  const float *         warped;
  const unsigned char * valid;
  std::int64_t          voxels;
  HistogramAxis<float>  fixedAxis;
  HistogramAxis<float>  movingAxis;
  ParzenShape           fixedShape;
  ParzenShape           movingShape;

  InformationImages(const MutualInformationParameters & parameters,
                    const ConstField &                  fixedImage,
                    const ConstField &                  warpedImage,
                    const ConstMask &                   mask)
    : fixed(fixedImage.data)
    , warped(warpedImage.data)
    , valid(mask.data)
    , voxels(fixedImage.lattice.NumberOfVoxels())
    , fixedAxis(parameters.fixed.minimum, parameters.fixed.maximum, parameters.numberOfBins)
    , movingAxis(parameters.moving.minimum, parameters.moving.maximum, parameters.numberOfBins)
    , fixedShape(parameters.fixed.window, parameters.fixed.sigma)
    , movingShape(parameters.moving.window, parameters.moving.sigma)
  {}

  bool
  IsMattes() const
  {
    return fixedShape.window == ParzenWindow::ZeroOrder && movingShape.window == ParzenWindow::CubicBSpline;
  }
};

/** Adds a weight to a bin of the slice, in the copy of this lane. */
template <bool fine>
__device__ __forceinline__ void
Count(unsigned int * counters, const HistogramPlan & plan, int cell, int copy, float weight)
{
  unsigned int * const counter = counters + cell * plan.copies + copy;
  if (fine)
  {
    const auto bits =
      static_cast<Counter>(llrintf(weight * static_cast<float>(Counter{ 1 } << (CoarseBits + plan.fineBits))));
    atomicAdd(counter, static_cast<unsigned int>(bits >> plan.fineBits));
    atomicAdd(counter + plan.rows * plan.bins * plan.copies,
              static_cast<unsigned int>(bits & ((Counter{ 1 } << plan.fineBits) - 1)));
  }
  else
  {
    atomicAdd(counter, static_cast<unsigned int>(rintf(weight * static_cast<float>(1 << CoarseBits))));
  }
}

/** Adds the block's counters to the histogram and sets them to 0. All threads call it. */
template <bool fine>
__device__ __forceinline__ void
EmptyCounters(unsigned int * counters, const HistogramPlan & plan, int firstRow, Counter * histogram)
{
  __syncthreads();
  const int cells = plan.rows * plan.bins;
  for (int cell = threadIdx.x; cell < cells; cell += HistogramThreads)
  {
    Counter sum = 0;
    for (int copy = 0; copy < plan.copies; ++copy)
    {
      // neighbouring threads begin at different copies, in different banks
      const int      at = cell * plan.copies + ((copy + cell) & (plan.copies - 1));
      const Counter high = counters[at];
      counters[at] = 0;
      if (fine)
      {
        const int low = at + cells * plan.copies;
        sum += (high << plan.fineBits) + counters[low];
        counters[low] = 0;
      }
      else
      {
        sum += high;
      }
    }
    if (sum != 0)
    {
      atomicAdd(histogram + firstRow * plan.bins + cell, sum);
    }
  }
  __syncthreads();
}

/** Grid: x over the voxels, y over the slices, z over the channels. `histogram` and `number` begin at 0. */
template <bool mattes, bool fine>
__global__ void
__launch_bounds__(HistogramThreads) HistogramKernel(const __grid_constant__ InformationImages images,
                                                    const __grid_constant__ HistogramPlan     plan,
                                                    Counter * __restrict__ histogram,
                                                    Counter * __restrict__ number)
{
  extern __shared__ unsigned int counters[];
  const int                      words = plan.words * plan.rows * plan.bins * plan.copies;
  for (int i = threadIdx.x; i < words; i += HistogramThreads)
  {
    counters[i] = 0;
  }
  __syncthreads();
  const int           firstRow = blockIdx.y * plan.rows;
  const int           rows = min(plan.rows, plan.bins - firstRow);
  const int           copy = threadIdx.x & (plan.copies - 1);
  const float * const fixed = images.fixed + blockIdx.z * images.voxels;
  const float * const warped = images.warped + blockIdx.z * images.voxels;
  Counter * const     channel = histogram + static_cast<std::int64_t>(blockIdx.z) * plan.bins * plan.bins;
  const std::int64_t  stride = static_cast<std::int64_t>(gridDim.x) * HistogramThreads;
  int                 sinceFlush = 0;
  double              count = 0.0;
  for (std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * HistogramThreads; begin < images.voxels; begin += stride)
  {
    const std::int64_t offset = begin + threadIdx.x;
    if (offset < images.voxels && (!images.valid || images.valid[offset] != 0))
    {
      count += 1.0;
      const HistogramPosition f = images.fixedAxis.Locate(fixed[offset]);
      const HistogramPosition m = images.movingAxis.Locate(warped[offset]);
      if (mattes)
      {
        const int row = f.cell + HistogramPadding - firstRow;
        if (row >= 0 && row < rows)
        {
          float weight[4];
          float derivative[4];
          CubicBSplineWeights(m.fraction, weight, derivative);
          const int cell = row * plan.bins + m.cell + HistogramPadding - 1;
#pragma unroll
          for (int i = 0; i < 4; ++i)
          {
            Count<fine>(counters, plan, cell + i, copy, weight[i]);
          }
        }
      }
      else
      {
        ParzenWeights inFixed;
        ParzenWeights inMoving;
        EvaluateParzenWindow(images.fixedShape, plan.bins, f, inFixed);
        EvaluateParzenWindow(images.movingShape, plan.bins, m, inMoving);
        for (int a = 0; a < inFixed.count; ++a)
        {
          const int row = inFixed.first + a - firstRow;
          for (int b = 0; row >= 0 && row < rows && b < inMoving.count; ++b)
          {
            Count<fine>(
              counters, plan, row * plan.bins + inMoving.first + b, copy, inFixed.weight[a] * inMoving.weight[b]);
          }
        }
      }
    }
    if (++sinceFlush == plan.voxelsPerFlush)
    {
      EmptyCounters<fine>(counters, plan, firstRow, channel);
      sinceFlush = 0;
    }
  }
  EmptyCounters<fine>(counters, plan, firstRow, channel);
  double unused = 0.0;
  JoinBlock<Join::Sum, Join::Sum>(count, unused);
  if (threadIdx.x == 0 && blockIdx.y == 0 && blockIdx.z == 0)
  {
    atomicAdd(number, static_cast<Counter>(count));
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
