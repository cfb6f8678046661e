// SPDX-License-Identifier: Apache-2.0
// Four kernels. Bytes of DRAM per voxel, every value moved once, and flops, with Mattes' windows:
//   1 HistogramKernel    8 (the images in, for each slice of InformationHistogram.h)   about 40 and four atomic additions
//   2 InformationKernel  the histogram: a few microseconds up to 64 bins, some tens with 256
//   3 TableKernel        likewise
//   4 gradient          12 (images in, gradient out; 44 to the displacement)            about 25 (105)
// A mask adds 1 to kernels 1 and 4. The table that kernel 4 looks up is 16 bytes per bin: it stays in the L1 cache up to
// about 64 bins, in L2 beyond. The other windows cost an atomic addition and a look-up for each pair of bins that they cover.
#include "InformationHistogram.h"
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
  float4 *           polynomials;
  std::int64_t       floats;

  Pieces(float * workspace, int bins, int components)
    : floats(0)
  {
    const std::int64_t cells = static_cast<std::int64_t>(bins) * bins * components;
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
    polynomials = reinterpret_cast<float4 *>(take(sizeof(float4) * cells));
  }
};

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
    for (int f = threadIdx.x >> 5; f < bins; f += InformationThreads / 32)
    {
      Counter sum = 0;
      for (int m = lane; m < bins; m += 32)
      {
        sum += channel[f * bins + m];
      }
      for (int distance = 16; distance > 0; distance >>= 1)
      {
        sum += __shfl_down_sync(0xffffffffu, sum, distance);
      }
      if (lane == 0)
      {
        fixed[f] = static_cast<double>(sum);
      }
    }
    for (int m = threadIdx.x; m < bins; m += InformationThreads)
    {
      Counter sum = 0;
      for (int f = 0; f < bins; ++f)
      {
        sum += channel[f * bins + m];
      }
      moving[m] = static_cast<double>(sum);
    }
    __syncthreads();
    if (threadIdx.x == 0)
    {
      double total = 0.0;
      for (int f = 0; f < bins; ++f)
      {
        total += fixed[f];
      }
      toProbability[0] = total > 0.0 ? 1.0 / total : 0.0;
      marginals[MarginalSize(bins) * c + 2 * bins] = toProbability[0];
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

/** Kernel 3, a block per fixed bin (x) and channel (y), a thread per moving bin. */
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
  if (m < bins)
  {
    float c[3] = { 0.0f, 0.0f, 0.0f };
    if (m + 3 < bins)
    {
      CombineBSplineDerivatives(row[m], row[m + 1], row[m + 2], row[m + 3], scale, c);
    }
    polynomials[offset + m] = make_float4(c[0], c[1], c[2], 0.0f);
  }
}

enum class Derivative
{
  Moving,
  Fixed,
  Displacement
};

/** d loss / d intensity with Mattes' windows: a polynomial of the moving intensity within its bin. */
__device__ __forceinline__ float
MattesSlope(const InformationImages & images,
            const float4 * __restrict__ polynomials,
            int   bins,
            float fixed,
            float moving)
{
  const HistogramPosition f = images.fixedAxis.Locate(fixed);
  const HistogramPosition m = images.movingAxis.Locate(moving);
  if (!images.movingAxis.IsInside(moving))
  {
    return 0.0f;
  }
  const float4 c = __ldg(polynomials + (f.cell + HistogramPadding) * bins + m.cell + HistogramPadding - 1);
  return (c.z * m.fraction + c.y) * m.fraction + c.x;
}

template <bool toFixed>
__device__ __forceinline__ float
GeneralSlope(const InformationImages & images,
             const float * __restrict__ logarithms,
             int   bins,
             float scale,
             float fixed,
             float moving)
{
  if (!(toFixed ? images.fixedAxis.IsInside(fixed) : images.movingAxis.IsInside(moving)))
  {
    return 0.0f;
  }
  ParzenWeights inFixed;
  ParzenWeights inMoving;
  EvaluateParzenWindow(images.fixedShape, bins, images.fixedAxis.Locate(fixed), inFixed);
  EvaluateParzenWindow(images.movingShape, bins, images.movingAxis.Locate(moving), inMoving);
  float slope = 0.0f;
  for (int a = 0; a < inFixed.count; ++a)
  {
    const float * const row = logarithms + (inFixed.first + a) * bins + inMoving.first;
    float               sum = 0.0f;
    for (int b = 0; b < inMoving.count; ++b)
    {
      sum += (toFixed ? inMoving.weight[b] : inMoving.derivative[b]) * __ldg(row + b);
    }
    slope += (toFixed ? inFixed.derivative[a] : inFixed.weight[a]) * sum;
  }
  return scale * slope;
}

/** Kernel 4, for the channel that `component` counts from the start of the images. */
template <bool mattes, Derivative derivative>
__global__ void
__launch_bounds__(VoxelThreads) InformationGradientKernel(const __grid_constant__ InformationImages images,
                                                          const __grid_constant__ ChainRule         chain,
                                                          const Extent                              extent,
                                                          int                                       component,
                                                          int                                       bins,
                                                          float                                     scale,
                                                          const float * __restrict__ logarithms,
                                                          const float4 * __restrict__ polynomials,
                                                          float * __restrict__ gradient)
{
  const std::int64_t  voxels = extent.NumberOfVoxels();
  const float * const fixed = images.fixed + component * voxels;
  const float * const warped = images.warped + component * voxels;
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    float slope = 0.0f;
    if (!images.valid || images.valid[offset] != 0)
    {
      slope = mattes ? MattesSlope(images, polynomials, bins, fixed[offset], warped[offset])
                     : GeneralSlope<derivative == Derivative::Fixed>(
                         images, logarithms, bins, scale, fixed[offset], warped[offset]);
    }
    if (derivative == Derivative::Displacement)
    {
      float g[3];
      chain.Apply(slope, x, y, z, offset, g);
      gradient[offset] = g[0];
      gradient[offset + voxels] = g[1];
      gradient[offset + 2 * voxels] = g[2];
    }
    else
    {
      gradient[offset] = slope;
    }
  });
}
} // namespace

std::int64_t
MutualInformationWorkspace(const MutualInformationParameters & parameters, const Lattice &, int components)
{
  return Pieces(nullptr, parameters.numberOfBins, components).floats;
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
  const Pieces            pieces(workspace, bins, components);
  const InformationImages images(parameters, fixed, warped, valid);
  const HistogramPlan     plan(bins, images.voxels);

  device.SetZero(pieces.histogram, sizeof(Counter) * (cells * components + 1));
  const bool mattes = images.IsMattes();
  const bool fine = plan.fineBits > 0;
  const auto count = mattes ? (fine ? HistogramKernel<true, true> : HistogramKernel<true, false>)
                            : (fine ? HistogramKernel<false, true> : HistogramKernel<false, false>);
  constexpr int voxelsPerBlock = HistogramThreads * LeastVoxelsPerThread;
  const auto    blocks = static_cast<unsigned int>(
    std::min<std::int64_t>(MostHistogramBlocks, (images.voxels + voxelsPerBlock - 1) / voxelsPerBlock));
  const dim3 grid(blocks, static_cast<unsigned int>(plan.slices), static_cast<unsigned int>(components));
  AllowSharedMemory(device, count, plan.SharedBytes());
  count<<<grid, HistogramThreads, plan.SharedBytes(), stream>>>(images, plan, pieces.histogram, pieces.number);
  CheckLaunch(device, "MutualInformation: histogram");

  InformationKernel<<<1, InformationThreads, 0, stream>>>(
    pieces.histogram, pieces.number, bins, components, parameters.normalized, pieces.marginals, pieces.terms, energy);
  CheckLaunch(device, "MutualInformation: entropies");
  if (!gradient && !fixedGradient)
  {
    return;
  }

  const double toMoving = -(static_cast<double>(images.movingAxis.scale) + images.movingAxis.scaleRest) / components;
  const double toFixed = -(static_cast<double>(images.fixedAxis.scale) + images.fixedAxis.scaleRest) / components;
  const dim3   tableGrid(static_cast<unsigned int>(bins), static_cast<unsigned int>(components));
  TableKernel<<<tableGrid, (bins + 31) / 32 * 32, 0, stream>>>(
    pieces.histogram, pieces.marginals, pieces.terms, bins, toMoving, pieces.logarithms, pieces.polynomials);
  CheckLaunch(device, "MutualInformation: table");

  const auto differentiate = [&](auto kernel, int component, double scale, float * output) {
    kernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(images,
                                                           chain ? ChainRule(*chain) : ChainRule(),
                                                           extent,
                                                           component,
                                                           bins,
                                                           static_cast<float>(scale),
                                                           pieces.logarithms + component * cells,
                                                           pieces.polynomials + component * cells,
                                                           output);
    CheckLaunch(device, "MutualInformation: gradient");
  };
  for (int c = 0; c < components; ++c)
  {
    if (gradient && chain)
    {
      differentiate(mattes ? InformationGradientKernel<true, Derivative::Displacement>
                           : InformationGradientKernel<false, Derivative::Displacement>,
                    c,
                    toMoving,
                    gradient.data);
    }
    else if (gradient)
    {
      differentiate(mattes ? InformationGradientKernel<true, Derivative::Moving>
                           : InformationGradientKernel<false, Derivative::Moving>,
                    c,
                    toMoving,
                    gradient.Component(c));
    }
    if (fixedGradient)
    {
      differentiate(
        InformationGradientKernel<false, Derivative::Fixed>, c, toFixed, fixedGradient.Component(c));
    }
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
