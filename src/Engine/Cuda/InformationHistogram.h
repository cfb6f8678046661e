// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaInformationHistogram_h
#define itkEngineCudaInformationHistogram_h

#include "InformationAxis.h"
#include "InformationWindows.h"
#include "Reduce.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// The joint histogram in fixed point: integers add up to the same number in any order, so that atomic additions are
// deterministic, on any number of blocks. A block counts in shared memory, in 32-bit words of 2^-20 to 2^-22, and empties
// them into 64-bit words of global memory before they could overflow, however large the volume. Lanes count in copies of
// their own, each in its bank of the shared memory where there are 32 copies, so that the background of a head, half of the
// volume in one bin, is no queue. A histogram with few samples per bin needs more digits, since the gradient takes logarithms
// of single weights: there a second word holds the bits below 2^-20.
// A histogram that does not fit the shared memory of a block is cut into slices of fixed bins, and each slice reads the
// images again: 128 bins fit, 256 need 4 (8 with the second word).

constexpr int          LeastVoxelsPerThread = 16; ///< so that filling the counters costs more than emptying them
constexpr int          MostHistogramThreads = 1024;
constexpr int          SmallHistogramWords = 16384; ///< of shared memory: several blocks run on a multiprocessor
constexpr int          MostBlocksPerMultiprocessor = 3;
constexpr int          MostCoarseBits = 22;
constexpr int          LeastCoarseBits = 20;
constexpr int          MostFineBits = 20;
constexpr int          LeastVoxelsPerFlush = 20;
/** From here on one word is fine enough: with many copies, and with few, which have fewer bits. */
constexpr std::int64_t DenseSamplesPerBin = 512;
constexpr std::int64_t DenseSamplesPerSharedBin = 4096;
constexpr int          ManyCopies = 8;

using Counter = unsigned long long;

/** How a histogram is counted. What is counted depends on the sizes alone, where it is counted on the GPU as well. */
struct HistogramPlan
{
  int bins;
  int coarseBits; ///< binary digits of a weight in the first word
  int fineBits;   ///< and in the second; 0: there is none
  int words;
  int rows;       ///< fixed bins of a slice
  int slices;
  int copies;     ///< a power of two; without a second word 32, 8 or 1
  int threads;
  int quadsPerFlush; ///< of one thread

  /** `mostWords`: of 4 bytes that one block may have. `mostWeight`: of a voxel in a bin. */
  HistogramPlan(int numberOfBins, std::int64_t voxels, int mostWords, double mostWeight)
    : bins(numberOfBins)
    , coarseBits(LeastCoarseBits)
    , fineBits(0)
  {
    const bool many = ManyCopies * bins * bins <= mostWords;
    if (voxels < (many ? DenseSamplesPerBin : DenseSamplesPerSharedBin) * bins * bins)
    {
      // all voxels in one bin must fit 64 bits
      int bitsOfVoxels = 1;
      while ((std::int64_t{ 1 } << bitsOfVoxels) <= voxels)
      {
        ++bitsOfVoxels;
      }
      fineBits = std::max(0, std::min(MostFineBits, 63 - LeastCoarseBits - bitsOfVoxels));
    }
    words = fineBits > 0 ? 2 : 1;
    const int whole = words * bins * bins;
    copies = 1;
    while (copies < 32 && 2 * copies * whole <= mostWords)
    {
      copies *= 2;
    }
    if (words == 1)
    {
      copies = copies == 32 ? 32 : (copies >= ManyCopies ? ManyCopies : 1);
    }
    const bool large = copies >= ManyCopies;
    rows = large ? bins : std::min(bins, std::min(SmallHistogramWords, mostWords) / (bins * words));
    while (!large && copies > 1 && copies * rows * bins * words > SmallHistogramWords)
    {
      copies /= 2;
    }
    copies = large || rows == bins ? copies : 1;
    slices = (bins + rows - 1) / rows;
    threads = large ? MostHistogramThreads : 256;
    const auto voxelsPerFlush = [&](int bits) {
      // a second word may be full each time, however small the weight
      return static_cast<int>((std::exp2(32 - bits) - 1.0) / ((words == 1 ? mostWeight : 1.0) * (threads / copies)));
    };
    if (words == 1)
    {
      coarseBits = MostCoarseBits;
      while (coarseBits > LeastCoarseBits && voxelsPerFlush(coarseBits) < LeastVoxelsPerFlush)
      {
        --coarseBits;
      }
    }
    quadsPerFlush = std::max(1, voxelsPerFlush(coarseBits) / VoxelsPerQuad);
  }

  __host__ __device__ __forceinline__ int
  NumberOfCounters() const
  {
    return words * rows * bins * copies;
  }
};

/** The images of all channels and their windows; goes to kernels by value. */
struct InformationImages
{
  QuadImages  quads; ///< of the first channel
  CellAxis    fixedAxis;
  CellAxis    movingAxis;
  ParzenShape fixedShape;
  ParzenShape movingShape;

  InformationImages(const MutualInformationParameters & parameters,
                    const ConstField &                  fixed,
                    const ConstField &                  warped,
                    const ConstMask &                   mask)
    : quads(fixed.data, warped.data, mask.data, fixed.lattice.NumberOfVoxels())
    , fixedAxis(parameters.fixed, parameters.numberOfBins)
    , movingAxis(parameters.moving, parameters.numberOfBins)
    , fixedShape(parameters.fixed.window, parameters.fixed.sigma)
    , movingShape(parameters.moving.window, parameters.moving.sigma)
  {
    // all channels must lie as the first does
    quads.aligned = quads.aligned && (fixed.components == 1 || quads.voxels % VoxelsPerQuad == 0);
  }

  __device__ __forceinline__ QuadImages
  Channel(int component) const
  {
    QuadImages channel = quads;
    channel.fixed += component * quads.voxels;
    channel.warped += component * quads.voxels;
    return channel;
  }

  __host__ __device__ __forceinline__ int
  NumberOfBorders() const
  {
    return fixedAxis.NumberOfBorders() + movingAxis.NumberOfBorders();
  }
};

inline std::size_t
SharedBytes(const HistogramPlan & plan, const InformationImages & images)
{
  return sizeof(uint4) * ((plan.NumberOfCounters() + 3) / 4 + (images.NumberOfBorders() + 1) / 2) + GaussianFactorBytes;
}

/** What the counters of 32 copies, borders and factors may take, in words. */
inline int
MostHistogramWords(int sharedBytes)
{
  constexpr int besides = 2 * sizeof(CellBorder) * MaximumHistogramBins + static_cast<int>(GaussianFactorBytes) + 1024;
  return std::max(SmallHistogramWords / 2, (sharedBytes - besides) / static_cast<int>(sizeof(unsigned int)));
}

/** Adds the block's counters to the histogram and sets them to 0. All threads call it. */
template <bool fine>
__device__ __forceinline__ void
EmptyCounters(unsigned int * counters, const HistogramPlan & plan, int firstRow, Counter * histogram)
{
  __syncthreads();
  const int cells = plan.rows * plan.bins;
  for (int cell = threadIdx.x; cell < cells; cell += blockDim.x)
  {
    Counter sum = 0;
    if (!fine && plan.copies >= 8)
    {
      uint4 * const quads = reinterpret_cast<uint4 *>(counters + cell * plan.copies);
      const int     last = plan.copies / 4 - 1;
      for (int i = 0; i <= last; ++i)
      {
        // neighbouring threads begin at different copies, in different banks
        uint4 * const quad = quads + ((i + cell) & last);
        const uint4   four = *quad;
        *quad = make_uint4(0u, 0u, 0u, 0u);
        sum += (static_cast<Counter>(four.x) + four.y) + (static_cast<Counter>(four.z) + four.w);
      }
    }
    else
    {
      for (int copy = 0; copy < plan.copies; ++copy)
      {
        const int at = cell * plan.copies + ((copy + cell) & (plan.copies - 1));
        sum += static_cast<Counter>(counters[at]) << plan.fineBits;
        counters[at] = 0;
        if (fine)
        {
          sum += counters[at + cells * plan.copies];
          counters[at + cells * plan.copies] = 0;
        }
      }
    }
    if (sum != 0)
    {
      atomicAdd(histogram + firstRow * plan.bins + cell, sum);
    }
  }
  __syncthreads();
}

/** Adds a weight to a bin of the slice, in both words of this lane's copy. */
__device__ __forceinline__ void
CountFinely(unsigned int * counters, const HistogramPlan & plan, int cell, float weight)
{
  unsigned int * const counter = counters + cell * plan.copies;
  const auto           bits =
    static_cast<Counter>(llrintf(weight * static_cast<float>(Counter{ 1 } << (plan.coarseBits + plan.fineBits))));
  atomicAdd(counter, static_cast<unsigned int>(bits >> plan.fineBits));
  atomicAdd(counter + plan.rows * plan.bins * plan.copies,
            static_cast<unsigned int>(bits & ((Counter{ 1 } << plan.fineBits) - 1)));
}

/** What one thread counts with. */
struct HistogramPlace
{
  unsigned int *     counters; ///< those of this lane's copy
  const CellBorder * fixedBorders;
  const CellBorder * movingBorders;
  const float4 *     factors;
  Counter *          histogram; ///< of the channel
  float              unit;
  int                firstRow;
};

/** One voxel with Mattes' windows: four bins. */
template <int copies, bool fine>
__device__ __forceinline__ void
CountMattes(const InformationImages & images, const HistogramPlan & plan, const HistogramPlace & place, float fixed, float warped)
{
  const int row = images.fixedAxis.Locate(fixed, place.fixedBorders).cell + HistogramPadding - place.firstRow;
  const HistogramPosition m = images.movingAxis.Locate(warped, place.movingBorders);
  if (copies <= 1 && (row < 0 || row >= plan.rows))
  {
    return;
  }
  const int cell = row * plan.bins + m.cell + HistogramPadding - 1;
  if (fine)
  {
    float weight[4];
    float derivative[4];
    CubicBSplineWeights(m.fraction, weight, derivative);
#pragma unroll
    for (int i = 0; i < 4; ++i)
    {
      CountFinely(place.counters, plan, cell + i, weight[i]);
    }
    return;
  }
  unsigned int weight[4];
  FixedPointBSpline(m.fraction, place.unit, 1u << plan.coarseBits, weight);
  unsigned int * const counter = place.counters + cell * copies;
#pragma unroll
  for (int i = 0; i < 4; ++i)
  {
    atomicAdd(counter + i * copies, weight[i]);
  }
}

/** One voxel with two windows of at most `taps` bins each. */
template <int taps, int copies>
__device__ __forceinline__ void
CountTaps(const InformationImages & images, const HistogramPlan & plan, const HistogramPlace & place, float fixed, float warped)
{
  WindowTaps<taps> f;
  WindowTaps<taps> m;
  f.Evaluate(
    images.fixedShape, plan.bins, images.fixedAxis.Locate(fixed, place.fixedBorders), place.factors, FixedPointFactor);
  m.Evaluate(images.movingShape,
             plan.bins,
             images.movingAxis.Locate(warped, place.movingBorders),
             place.factors + GaussianFactorQuads,
             place.unit);
  const int            row = f.first - place.firstRow;
  unsigned int * const counter = place.counters + (row * plan.bins + m.first) * copies;
#pragma unroll
  for (int a = 0; a < taps; ++a)
  {
    if (copies > 1 || (row + a >= 0 && row + a < plan.rows))
    {
#pragma unroll
      for (int b = 0; b < taps; ++b)
      {
        atomicAdd(counter + (a * plan.bins + b) * copies, FixedPointProduct(f.weight[a], m.weight[b]));
      }
    }
  }
}

/** One voxel with any windows. */
template <bool fine>
__device__ __forceinline__ void
CountWindows(const InformationImages & images, const HistogramPlan & plan, const HistogramPlace & place, float fixed, float warped)
{
  ParzenWeights f;
  ParzenWeights m;
  EvaluateParzenWindow(images.fixedShape, plan.bins, images.fixedAxis.Locate(fixed, place.fixedBorders), f);
  EvaluateParzenWindow(images.movingShape, plan.bins, images.movingAxis.Locate(warped, place.movingBorders), m);
  for (int a = 0; a < f.count; ++a)
  {
    const int row = f.first + a - place.firstRow;
    for (int b = 0; row >= 0 && row < plan.rows && b < m.count; ++b)
    {
      const int   cell = row * plan.bins + m.first + b;
      const float weight = f.weight[a] * m.weight[b];
      if (fine)
      {
        CountFinely(place.counters, plan, cell, weight);
      }
      else
      {
        atomicAdd(place.counters + cell * plan.copies,
                  static_cast<unsigned int>(__float2int_rn(weight * static_cast<float>(1u << plan.coarseBits))));
      }
    }
  }
}

/** Voxels one after another with the very same two intensities, as in a background: counted once, by the whole warp. */
template <int taps>
struct RepeatedVoxels
{
  float        fixed = 0.0f;
  float        warped = 0.0f;
  unsigned int number = 0;

  /** Adds number times their weights to the histogram. All lanes call it. */
  __device__ __forceinline__ void
  Empty(const InformationImages & images, const HistogramPlan & plan, const HistogramPlace & place)
  {
    if (number > 0)
    {
      WindowTaps<taps> f;
      WindowTaps<taps> m;
      f.Evaluate(
        images.fixedShape, plan.bins, images.fixedAxis.Locate(fixed, place.fixedBorders), place.factors, FixedPointFactor);
      m.Evaluate(images.movingShape,
                 plan.bins,
                 images.movingAxis.Locate(warped, place.movingBorders),
                 place.factors + GaussianFactorQuads,
                 place.unit);
      // a lane takes every (32 / taps)-th row of one column
      const int    lane = threadIdx.x & 31;
      const int    column = lane % taps;
      const float  inColumn = m.Select(column);
      for (int a = lane / taps; a < taps; a += 32 / taps)
      {
        const int row = f.first + a - place.firstRow;
        if (row >= 0 && row < plan.rows)
        {
          atomicAdd(place.histogram + static_cast<std::int64_t>(f.first + a) * plan.bins + m.first + column,
                    static_cast<Counter>(number) * FixedPointProduct(f.Select(a), inColumn));
        }
      }
      number = 0;
    }
  }

  /** Whether the four voxels of all lanes are alike; then they are taken. All lanes call it. */
  __device__ __forceinline__ bool
  Take(const InformationImages & images, const HistogramPlan & plan, const HistogramPlace & place, const VoxelQuad & quad)
  {
    const float f = __shfl_sync(0xffffffffu, quad.fixed[0], 0);
    const float m = __shfl_sync(0xffffffffu, quad.warped[0], 0);
    const bool  alike = quad.valid == 15u && quad.fixed[0] == f && quad.fixed[1] == f && quad.fixed[2] == f &&
                       quad.fixed[3] == f && quad.warped[0] == m && quad.warped[1] == m && quad.warped[2] == m &&
                       quad.warped[3] == m;
    if (!__all_sync(0xffffffffu, alike))
    {
      return false;
    }
    if (f != fixed || m != warped || number > (1u << 30))
    {
      Empty(images, plan, place);
      fixed = f;
      warped = m;
    }
    number += 32 * VoxelsPerQuad;
    return true;
  }
};

enum class Counting
{
  Mattes,
  FourTaps,
  EightTaps,
  AnyWindows
};

/** Grid: x over the voxels, y over the slices, z over the channels. `histogram` and `number` begin at 0.
 * `copies`: those of the plan, or 0 for any number with fine or AnyWindows. */
template <Counting counting, int copies, bool fine>
__global__ void
__launch_bounds__(MostHistogramThreads) HistogramKernel(const __grid_constant__ InformationImages images,
                                                        const __grid_constant__ HistogramPlan     plan,
                                                        Counter * __restrict__ histogram,
                                                        Counter * __restrict__ number)
{
  extern __shared__ uint4 memory[];
  unsigned int * const    counters = reinterpret_cast<unsigned int *>(memory);
  const int               words = plan.NumberOfCounters();
  CellBorder * const      fixedBorders = reinterpret_cast<CellBorder *>(memory + (words + 3) / 4);
  CellBorder * const      movingBorders = fixedBorders + images.fixedAxis.NumberOfBorders();
  float4 * const          factors = reinterpret_cast<float4 *>(fixedBorders + (images.NumberOfBorders() + 1) / 2 * 2);
  for (int i = threadIdx.x; i < words; i += blockDim.x)
  {
    counters[i] = 0;
  }
  images.fixedAxis.Tabulate(fixedBorders, threadIdx.x, blockDim.x);
  images.movingAxis.Tabulate(movingBorders, threadIdx.x, blockDim.x);
  if (counting == Counting::EightTaps)
  {
    TabulateGaussian(images.fixedShape, factors, threadIdx.x, blockDim.x);
    TabulateGaussian(images.movingShape, factors + GaussianFactorQuads, threadIdx.x, blockDim.x);
  }
  __syncthreads();
  constexpr bool   repeats = counting == Counting::FourTaps || counting == Counting::EightTaps;
  constexpr int    taps = counting == Counting::EightTaps ? 8 : 4;
  QuadImages       channel = images.Channel(blockIdx.z);
  HistogramPlace   place;
  place.counters = counters + (threadIdx.x & (plan.copies - 1));
  place.fixedBorders = fixedBorders;
  place.movingBorders = movingBorders;
  place.factors = factors;
  place.histogram = histogram + static_cast<std::int64_t>(blockIdx.z) * plan.bins * plan.bins;
  place.unit = FixedPointUnit(plan.coarseBits);
  place.firstRow = blockIdx.y * plan.rows;

  const std::int64_t   quads = channel.NumberOfQuads();
  const std::int64_t   stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  std::int64_t         begin = static_cast<std::int64_t>(blockIdx.x) * blockDim.x;
  unsigned int         count = 0;
  int                  sinceFlush = 0;
  RepeatedVoxels<taps> repeated;
  channel.Advance(VoxelsPerQuad * (begin + threadIdx.x));
  VoxelQuad next = channel.Load();
  for (; begin < quads; begin += stride)
  {
    VoxelQuad quad = next;
    channel.Advance(VoxelsPerQuad * stride);
    next = channel.Load();
    count += __popc(quad.valid);
    if (counting == Counting::Mattes)
    {
      if (quad.valid == 15u)
      {
#pragma unroll
        for (int k = 0; k < VoxelsPerQuad; ++k)
        {
          CountMattes<copies, fine>(images, plan, place, quad.fixed[k], quad.warped[k]);
        }
        quad.valid = 0u;
      }
    }
    else if (repeats && repeated.Take(images, plan, place, quad))
    {
      quad.valid = 0u;
    }
    // one after another, as the code of many bins is long
#pragma unroll 1
    for (; quad.valid != 0u; quad.valid >>= 1)
    {
      if (quad.valid & 1u)
      {
        if (counting == Counting::Mattes)
        {
          CountMattes<copies, fine>(images, plan, place, quad.fixed[0], quad.warped[0]);
        }
        else if (repeats)
        {
          CountTaps<taps, copies>(images, plan, place, quad.fixed[0], quad.warped[0]);
        }
        else
        {
          CountWindows<fine>(images, plan, place, quad.fixed[0], quad.warped[0]);
        }
      }
#pragma unroll
      for (int k = 1; k < VoxelsPerQuad; ++k)
      {
        quad.fixed[k - 1] = quad.fixed[k];
        quad.warped[k - 1] = quad.warped[k];
      }
    }
    // counted for the whole block alike, taken or not
    if (++sinceFlush == plan.quadsPerFlush)
    {
      EmptyCounters<fine>(counters, plan, place.firstRow, place.histogram);
      sinceFlush = 0;
    }
  }
  if (repeats)
  {
    repeated.Empty(images, plan, place);
  }
  EmptyCounters<fine>(counters, plan, place.firstRow, place.histogram);
  if (blockIdx.y == 0 && blockIdx.z == 0)
  {
    double sum = count;
    double unused = 0.0;
    JoinBlock<Join::Sum, Join::Sum>(sum, unused);
    if (threadIdx.x == 0)
    {
      atomicAdd(number, static_cast<Counter>(sum));
    }
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
