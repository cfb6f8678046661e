// SPDX-License-Identifier: Apache-2.0
// Four kernels. Bytes of DRAM per voxel, every value moved once, and instructions for each voxel, with Mattes' windows:
//   1 HistogramKernel    8 (the images in, for each slice of InformationHistogram.h)   about 60, of which 4 atomic additions
//   2 InformationKernel  the histogram: a few microseconds up to 64 bins, some tens with 256
//   3 TableKernel        likewise
//   4 gradient          12 (images in, gradient out; 44 to the displacement)            about 50
// A mask adds 1 to kernels 1 and 4. Kernel 4 looks up 16 bytes for each voxel, in shared memory up to 64 bins.
// Gaussians of eight bins or fewer, and the other short windows, cost kernel 1 two instructions for each pair of bins that
// they cover, and about 200 for the weights, but in a constant background; kernel 4 looks up 64 bytes of the table of
// InformationSlope.h, which two small kernels make before. Longer Gaussians, and pairs of different kinds, take the sum over
// all pairs of bins in both.
#include "InformationHistogram.h"
#include "InformationSlope.h"
#include "Sample.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
constexpr int InformationThreads = 1024;

std::int64_t
RoundedFloats(std::int64_t bytes)
{
  return (bytes + 255) / 256 * 64;
}

__host__ __device__ __forceinline__ int
MarginalSize(int bins)
{
  return 2 * bins + 1;
}

/** The workspace, cut up; of several channels one after another. */
struct Pieces
{
  Counter *          histogram;
  Counter *          number;    ///< of valid voxels; follows the histogram, so that one call sets both to 0
  InformationTerms * terms;
  double *           marginals; ///< of the fixed bins, of the moving bins, and what turns counts into probabilities
  float *            logarithms;
  float4 *           polynomials; ///< Mattes': of all channels; others: of one after another
  double *           nodes;
  std::int64_t       floats;

  Pieces(float * workspace, const MutualInformationParameters & parameters, int components)
    : floats(0)
  {
    const int          bins = parameters.numberOfBins;
    const std::int64_t cells = static_cast<std::int64_t>(bins) * bins * components;
    const SlopePlan    slopes(parameters, std::numeric_limits<std::int64_t>::max(), false);
    const auto         take = [&](std::int64_t bytes) {
      float * const piece = workspace ? workspace + floats : nullptr;
      floats += RoundedFloats(bytes);
      return piece;
    };
    histogram = reinterpret_cast<Counter *>(take(sizeof(Counter) * (cells + 1)));
    number = workspace ? histogram + cells : nullptr;
    terms = reinterpret_cast<InformationTerms *>(take(sizeof(InformationTerms) * components));
    marginals = reinterpret_cast<double *>(take(sizeof(double) * MarginalSize(bins) * components));
    logarithms = take(sizeof(float) * cells);
    polynomials = reinterpret_cast<float4 *>(
      take(sizeof(float4) * (SlopePlan::IsMattes(parameters) ? cells : slopes.TableQuads())));
    nodes = reinterpret_cast<double *>(take(sizeof(double) * NodeDoubles(slopes)));
  }
};

/** Sum of `count` numbers so far apart; lane 0 holds it. */
__device__ __forceinline__ Counter
SumOverWarp(const Counter * first, int distance, int count)
{
  Counter sum = 0;
  for (int i = threadIdx.x & 31; i < count; i += 32)
  {
    sum += first[i * distance];
  }
  for (int shift = 16; shift > 0; shift >>= 1)
  {
    sum += __shfl_down_sync(0xffffffffu, sum, shift);
  }
  return sum;
}

/** Kernel 2, one block: marginals, entropies, energy. */
__global__ void
__launch_bounds__(InformationThreads) InformationKernel(const Counter * __restrict__ histogram,
                                                        const Counter * __restrict__ number,
                                                        int    bins,
                                                        int    components,
                                                        bool   normalized,
                                                        double * __restrict__ marginals,
                                                        InformationTerms * __restrict__ terms,
                                                        double * __restrict__ energy)
{
  __shared__ double fixed[MaximumHistogramBins];
  __shared__ double moving[MaximumHistogramBins];
  __shared__ double toProbability[1]; // what turns counts into probabilities
  const int         lane = threadIdx.x & 31;
  double            information = 0.0;
  for (int c = 0; c < components; ++c)
  {
    const Counter * const channel = histogram + static_cast<std::int64_t>(c) * bins * bins;
    // a warp for each row, and for each column
    for (int line = threadIdx.x >> 5; line < 2 * bins; line += InformationThreads / 32)
    {
      const bool      isRow = line < bins;
      const Counter * first = isRow ? channel + line * bins : channel + line - bins;
      const Counter   sum = SumOverWarp(first, isRow ? 1 : bins, bins);
      if (lane == 0)
      {
        (isRow ? fixed[line] : moving[line - bins]) = static_cast<double>(sum);
      }
    }
    __syncthreads();
    if (threadIdx.x < 32)
    {
      double total = 0.0;
      for (int f = lane; f < bins; f += 32)
      {
        total += fixed[f];
      }
      for (int distance = 16; distance > 0; distance >>= 1)
      {
        total += __shfl_down_sync(0xffffffffu, total, distance);
      }
      if (lane == 0)
      {
        toProbability[0] = total > 0.0 ? 1.0 / total : 0.0;
        marginals[MarginalSize(bins) * c + 2 * bins] = toProbability[0];
      }
    }
    __syncthreads();
    double entropyF = 0.0;
    double entropyM = 0.0;
    if (static_cast<int>(threadIdx.x) < bins)
    {
      fixed[threadIdx.x] *= toProbability[0];
      moving[threadIdx.x] *= toProbability[0];
      marginals[MarginalSize(bins) * c + threadIdx.x] = fixed[threadIdx.x];
      marginals[MarginalSize(bins) * c + bins + threadIdx.x] = moving[threadIdx.x];
      entropyF = EntropyTerm(fixed[threadIdx.x]);
      entropyM = EntropyTerm(moving[threadIdx.x]);
    }
    JoinBlock<Join::Sum, Join::Sum>(entropyF, entropyM);
    __syncthreads();
    double entropy = 0.0;
    double unused = 0.0;
    for (int i = threadIdx.x; i < bins * bins; i += InformationThreads)
    {
      entropy += EntropyTerm(static_cast<double>(channel[i]) * toProbability[0]);
    }
    JoinBlock<Join::Sum, Join::Sum>(entropy, unused);
    if (threadIdx.x == 0)
    {
      terms[c] = CombineEntropies(entropyF, entropyM, entropy, normalized);
      information += terms[c].value;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0)
  {
    const auto count = static_cast<double>(*number);
    energy[0] = count > 0.0 ? count * (information / components) : 0.0;
    energy[1] = count;
  }
}

/** Kernel 3, a block per fixed bin (x) and channel (y), a thread per moving bin. `polynomials` of Mattes' windows, or null. */
__global__ void
__launch_bounds__(MaximumHistogramBins) TableKernel(const Counter * __restrict__ histogram,
                                                    const double * __restrict__ marginals,
                                                    const InformationTerms * __restrict__ terms,
                                                    int    bins,
                                                    double scale,
                                                    float * __restrict__ logarithms,
                                                    float4 * __restrict__ polynomials)
{
  __shared__ double   row[MaximumHistogramBins];
  const int           f = blockIdx.x;
  const int           m = threadIdx.x;
  const std::int64_t  offset = (static_cast<std::int64_t>(blockIdx.y) * bins + f) * bins;
  const double * const fixed = marginals + MarginalSize(bins) * blockIdx.y;
  const double * const moving = fixed + bins;
  if (m < bins)
  {
    const double p = static_cast<double>(histogram[offset + m]) * fixed[2 * bins];
    row[m] = LogarithmTerm(terms[blockIdx.y], p, fixed[f], moving[m]);
    logarithms[offset + m] = static_cast<float>(row[m]);
  }
  __syncthreads();
  if (polynomials && m < bins)
  {
    float c[3] = { 0.0f, 0.0f, 0.0f };
    if (m + 3 < bins)
    {
      CombineBSplineDerivatives(row[m], row[m + 1], row[m + 2], row[m + 3], scale, c);
    }
    polynomials[offset + m] = make_float4(c[0], c[1], c[2], 0.0f);
  }
}

constexpr int         GradientThreads = 512;
constexpr std::size_t MostSharedTableBytes = std::size_t{ 64 } << 10; ///< Mattes' table up to 64 bins
constexpr std::int64_t MostDisplacementBlocks = 4096; ///< each tabulates the borders of the bins

/** Where the tables of one channel lie. */
struct SlopeTables
{
  const float *  logarithms;
  const float4 * polynomials;
  float          scale;
};

/** That run on a multiprocessor. */
constexpr int
GradientBlocks(SlopeShape shape)
{
  return shape == SlopeShape::Mattes ? 3 : 2;
}

/** Kernel 4 to an intensity; any grid. */
template <SlopeShape shape, bool toFixed, bool inShared>
__global__ void
__launch_bounds__(GradientThreads, GradientBlocks(shape))
  InformationGradientKernel(const __grid_constant__ SlopePlan   plan,
                            const __grid_constant__ QuadImages  images,
                            const __grid_constant__ SlopeTables tables,
                            float * __restrict__ gradient)
{
  extern __shared__ float4 memory[];
  const int                tableQuads = inShared ? plan.bins * plan.bins : 0;
  CellBorder * const       fixedBorders = reinterpret_cast<CellBorder *>(memory + tableQuads);
  CellBorder * const       movingBorders = fixedBorders + plan.fixedAxis.NumberOfBorders();
  for (int i = threadIdx.x; i < tableQuads; i += GradientThreads)
  {
    memory[i] = __ldg(tables.polynomials + i);
  }
  plan.fixedAxis.Tabulate(fixedBorders, threadIdx.x, GradientThreads);
  plan.movingAxis.Tabulate(movingBorders, threadIdx.x, GradientThreads);
  __syncthreads();
  SlopePlace place;
  place.fixedBorders = fixedBorders;
  place.movingBorders = movingBorders;
  place.table = inShared ? memory : tables.polynomials;
  place.logarithms = tables.logarithms;
  place.scale = tables.scale;
  const bool         aligned = reinterpret_cast<std::uintptr_t>(gradient) % 16 == 0;
  const std::int64_t stride = static_cast<std::int64_t>(VoxelsPerQuad) * gridDim.x * GradientThreads;
  const std::int64_t begin = static_cast<std::int64_t>(VoxelsPerQuad) * (blockIdx.x * GradientThreads + threadIdx.x);
  QuadImages         rest = images;
  rest.Advance(begin);
  gradient += begin;
  for (; rest.voxels > 0; rest.Advance(stride), gradient += stride)
  {
    const VoxelQuad quad = rest.Load();
    float           slope[VoxelsPerQuad];
#pragma unroll
    for (int k = 0; k < VoxelsPerQuad; ++k)
    {
      slope[k] = EvaluateSlope<shape, toFixed, inShared>(plan, place, quad.fixed[k], quad.warped[k]);
      slope[k] = quad.valid >> k & 1u ? slope[k] : 0.0f;
    }
    if (aligned && rest.voxels >= VoxelsPerQuad)
    {
      *reinterpret_cast<float4 *>(gradient) = make_float4(slope[0], slope[1], slope[2], slope[3]);
    }
    else
    {
#pragma unroll
      for (int k = 0; k < VoxelsPerQuad; ++k)
      {
        if (k < rest.voxels)
        {
          gradient[k] = slope[k];
        }
      }
    }
  }
}

/** Kernel 4 to the displacement; any grid. */
template <SlopeShape shape>
__global__ void
__launch_bounds__(VoxelThreads) InformationDisplacementKernel(const __grid_constant__ SlopePlan   plan,
                                                              const __grid_constant__ QuadImages  images,
                                                              const __grid_constant__ SlopeTables tables,
                                                              const __grid_constant__ ChainRule   chain,
                                                              const Extent                        extent,
                                                              float * __restrict__ gradient)
{
  extern __shared__ float4 memory[];
  CellBorder * const       fixedBorders = reinterpret_cast<CellBorder *>(memory);
  CellBorder * const       movingBorders = fixedBorders + plan.fixedAxis.NumberOfBorders();
  const int                thread = threadIdx.x + VoxelBlockX * threadIdx.y;
  plan.fixedAxis.Tabulate(fixedBorders, thread, VoxelThreads);
  plan.movingAxis.Tabulate(movingBorders, thread, VoxelThreads);
  __syncthreads();
  SlopePlace place;
  place.fixedBorders = fixedBorders;
  place.movingBorders = movingBorders;
  place.table = tables.polynomials;
  place.logarithms = tables.logarithms;
  place.scale = tables.scale;
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    float slope = 0.0f;
    if (!images.valid || images.valid[offset] != 0)
    {
      slope = EvaluateSlope<shape, false, false>(plan, place, images.fixed[offset], images.warped[offset]);
    }
    float g[3];
    chain.Apply(slope, x, y, z, offset, g);
    gradient[offset] = g[0];
    gradient[offset + images.voxels] = g[1];
    gradient[offset + 2 * images.voxels] = g[2];
  });
}

int
Attribute(const Device & device, cudaDeviceAttr attribute)
{
  int value = 0;
  Check(cudaDeviceGetAttribute(&value, attribute, device.Ordinal()), "cudaDeviceGetAttribute", device.Ordinal());
  return value;
}

using HistogramFunction = void (*)(InformationImages, HistogramPlan, Counter *, Counter *);

template <Counting counting>
HistogramFunction
SelectCopies(int copies)
{
  return copies == 32  ? HistogramKernel<counting, 32, false>
         : copies == 8 ? HistogramKernel<counting, 8, false>
                       : HistogramKernel<counting, 1, false>;
}

HistogramFunction
SelectHistogramKernel(const MutualInformationParameters & parameters, const InformationImages & images, const HistogramPlan & plan)
{
  const bool fine = plan.fineBits > 0;
  if (SlopePlan::IsMattes(parameters))
  {
    return fine ? HistogramKernel<Counting::Mattes, 0, true> : SelectCopies<Counting::Mattes>(plan.copies);
  }
  if (!fine && IsShortSpline(images.fixedShape) && IsShortSpline(images.movingShape))
  {
    return SelectCopies<Counting::FourTaps>(plan.copies);
  }
  if (!fine && IsShortGaussian(images.fixedShape) && IsShortGaussian(images.movingShape))
  {
    return SelectCopies<Counting::EightTaps>(plan.copies);
  }
  return fine ? HistogramKernel<Counting::AnyWindows, 0, true> : HistogramKernel<Counting::AnyWindows, 0, false>;
}

using GradientFunction = void (*)(SlopePlan, QuadImages, SlopeTables, float *);

template <bool toFixed>
GradientFunction
SelectGradientKernel(SlopeShape shape, bool inShared)
{
  switch (shape)
  {
    case SlopeShape::Mattes:
      return inShared ? InformationGradientKernel<SlopeShape::Mattes, false, true>
                      : InformationGradientKernel<SlopeShape::Mattes, false, false>;
    case SlopeShape::Splines:
      return InformationGradientKernel<SlopeShape::Splines, toFixed, false>;
    case SlopeShape::Gaussians:
      return InformationGradientKernel<SlopeShape::Gaussians, toFixed, false>;
    default:
      return InformationGradientKernel<SlopeShape::Windows, toFixed, false>;
  }
}

using DisplacementFunction = void (*)(SlopePlan, QuadImages, SlopeTables, ChainRule, Extent, float *);

DisplacementFunction
SelectDisplacementKernel(SlopeShape shape)
{
  switch (shape)
  {
    case SlopeShape::Mattes:
      return InformationDisplacementKernel<SlopeShape::Mattes>;
    case SlopeShape::Splines:
      return InformationDisplacementKernel<SlopeShape::Splines>;
    case SlopeShape::Gaussians:
      return InformationDisplacementKernel<SlopeShape::Gaussians>;
    default:
      return InformationDisplacementKernel<SlopeShape::Windows>;
  }
}
} // namespace

std::int64_t
MutualInformationWorkspace(const MutualInformationParameters & parameters, const Lattice &, int components)
{
  return Pieces(nullptr, parameters, components).floats;
}

void
MutualInformation(const Device &                      device,
                  const MutualInformationParameters & parameters,
                  const ConstField &                  fixed,
                  const ConstField &                  warped,
                  const ConstMask &                   valid,
                  double *                            energy,
                  const Field &                       gradient,
                  const Field &                       fixedGradient,
                  const MetricInputs *                chain,
                  float *                             workspace)
{
  const cudaStream_t      stream = Enter(device);
  const Extent            extent(fixed.lattice);
  const int               bins = parameters.numberOfBins;
  const int               components = fixed.components;
  const std::int64_t      cells = static_cast<std::int64_t>(bins) * bins;
  const Pieces            pieces(workspace, parameters, components);
  const InformationImages images(parameters, fixed, warped, valid);
  const std::int64_t      voxels = images.quads.voxels;
  const int               multiprocessors = Attribute(device, cudaDevAttrMultiProcessorCount);
  const HistogramPlan     plan(bins,
                           voxels,
                           MostHistogramWords(Attribute(device, cudaDevAttrMaxSharedMemoryPerBlockOptin)),
                           MostWeight(images.fixedShape) * MostWeight(images.movingShape));

  device.SetZero(pieces.histogram, sizeof(Counter) * (cells * components + 1));
  const HistogramFunction count = SelectHistogramKernel(parameters, images, plan);
  const std::int64_t      voxelsPerBlock = static_cast<std::int64_t>(plan.threads) * LeastVoxelsPerThread;
  const std::int64_t      mostBlocks =
    static_cast<std::int64_t>(multiprocessors) * (plan.threads == MostHistogramThreads ? 1 : MostBlocksPerMultiprocessor);
  const dim3 grid(static_cast<unsigned int>(std::min(mostBlocks, (voxels + voxelsPerBlock - 1) / voxelsPerBlock)),
                  static_cast<unsigned int>(plan.slices),
                  static_cast<unsigned int>(components));
  const std::size_t histogramBytes = SharedBytes(plan, images);
  AllowSharedMemory(device, count, histogramBytes);
  count<<<grid, plan.threads, histogramBytes, stream>>>(images, plan, pieces.histogram, pieces.number);
  CheckLaunch(device, "MutualInformation: histogram");

  InformationKernel<<<1, InformationThreads, 0, stream>>>(
    pieces.histogram, pieces.number, bins, components, parameters.normalized, pieces.marginals, pieces.terms, energy);
  CheckLaunch(device, "MutualInformation: entropies");
  if (!gradient && !fixedGradient)
  {
    return;
  }

  const double toMoving = -images.movingAxis.exactScale / components;
  const double toFixed = -images.fixedAxis.exactScale / components;
  const dim3   tableGrid(static_cast<unsigned int>(bins), static_cast<unsigned int>(components));
  TableKernel<<<tableGrid, (bins + 31) / 32 * 32, 0, stream>>>(pieces.histogram,
                                                               pieces.marginals,
                                                               pieces.terms,
                                                               bins,
                                                               toMoving,
                                                               pieces.logarithms,
                                                               SlopePlan::IsMattes(parameters) ? pieces.polynomials : nullptr);
  CheckLaunch(device, "MutualInformation: table");

  const auto prepare = [&](const SlopePlan & slopes, int component, bool ofFixed) {
    const double      scale = ofFixed ? toFixed : toMoving;
    const SlopeTables tables{ pieces.logarithms + component * cells,
                              pieces.polynomials + (slopes.shape == SlopeShape::Mattes ? component * cells : 0),
                              static_cast<float>(scale) };
    if (slopes.HasTable())
    {
      const auto blocks = [](int items) {
        return static_cast<unsigned int>((items + NodeTableThreads - 1) / NodeTableThreads);
      };
      const dim3 nodeGrid(blocks(std::max(slopes.fixedAxis.cells, slopes.movingAxis.cells)), 2, SlopeNodes);
      NodeTableKernel<<<nodeGrid, NodeTableThreads, 0, stream>>>(slopes, ofFixed, pieces.nodes);
      CheckLaunch(device, "MutualInformation: nodes");
      const dim3 slopeGrid(blocks(slopes.movingAxis.cells), static_cast<unsigned int>(slopes.fixedAxis.cells));
      SlopeTableKernel<<<slopeGrid, NodeTableThreads, 0, stream>>>(
        slopes, ofFixed, scale, pieces.nodes, tables.logarithms, pieces.polynomials);
      CheckLaunch(device, "MutualInformation: slopes");
    }
    return tables;
  };
  const auto channelImages = [&](int component) {
    return QuadImages(fixed.Component(component), warped.Component(component), valid.data, voxels);
  };
  const auto differentiate = [&](int component, bool ofFixed, float * output) {
    const SlopePlan   slopes(parameters, voxels, ofFixed);
    const SlopeTables tables = prepare(slopes, component, ofFixed);
    const bool        inShared = slopes.shape == SlopeShape::Mattes && sizeof(float4) * cells <= MostSharedTableBytes;
    const std::size_t bytes = slopes.BorderBytes() + (inShared ? sizeof(float4) * cells : 0);
    const auto        kernel = ofFixed ? SelectGradientKernel<true>(slopes.shape, inShared)
                                       : SelectGradientKernel<false>(slopes.shape, inShared);
    const std::int64_t needed = (voxels + GradientThreads * VoxelsPerQuad - 1) / (GradientThreads * VoxelsPerQuad);
    const int          blocks = static_cast<int>(
      std::min<std::int64_t>(static_cast<std::int64_t>(multiprocessors) * GradientBlocks(slopes.shape), needed));
    AllowSharedMemory(device, kernel, bytes);
    kernel<<<blocks, GradientThreads, bytes, stream>>>(slopes, channelImages(component), tables, output);
    CheckLaunch(device, "MutualInformation: gradient");
  };
  for (int c = 0; c < components; ++c)
  {
    if (gradient && chain)
    {
      const SlopePlan   slopes(parameters, voxels, false);
      const SlopeTables tables = prepare(slopes, c, false);
      const auto        kernel = SelectDisplacementKernel(slopes.shape);
      kernel<<<VoxelGrid(extent, MostDisplacementBlocks), VoxelBlock(), slopes.BorderBytes(), stream>>>(
        slopes, channelImages(c), tables, ChainRule(*chain), extent, gradient.data);
      CheckLaunch(device, "MutualInformation: gradient");
    }
    else if (gradient)
    {
      differentiate(c, false, gradient.Component(c));
    }
    if (fixedGradient)
    {
      differentiate(c, true, fixedGradient.Component(c));
    }
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
