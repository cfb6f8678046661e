// SPDX-License-Identifier: Apache-2.0
// Floor: 17 bytes in per voxel and pass, 8 out with the slope, and four atomic additions, which stay in the second-level
// cache. In fixed point they give the same sum in any order; a bin's step is 2^-62 times a power of two above the number
// of voxels, about 1e-12 of a voxel at 256^3.
#include "../Operators/SampledMetrics.h"

#include "Reduce.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
using FixedPoint = unsigned long long;

__global__ void
__launch_bounds__(VoxelThreads) MattesHistogramKernel(const __grid_constant__ MattesBins bins,
                                                      const Extent                       extent,
                                                      double                             scale,
                                                      const double * __restrict__ fixed,
                                                      const double * __restrict__ moving,
                                                      const unsigned char * __restrict__ valid,
                                                      FixedPoint * __restrict__ histograms,
                                                      double * __restrict__ partials)
{
  const std::int64_t size = static_cast<std::int64_t>(bins.numberOfBins) * bins.numberOfBins;
  const int          block = blockIdx.x + gridDim.x * blockIdx.y;
  FixedPoint * const histogram = histograms + block % MattesReplicas * size;
  double             count = 0.0;
  double             unused = 0.0;
  ForEachVoxel(extent, [&](int, int, int, std::int64_t voxel) {
    if (valid[voxel] && bins.Counts(moving[voxel]))
    {
      const double       term = bins.MovingTerm(moving[voxel]);
      const int          first = bins.Clamp(term) - 1;
      FixedPoint * const row = histogram + static_cast<std::int64_t>(bins.FixedBin(fixed[voxel])) * bins.numberOfBins;
      for (int bin = first; bin < first + 4; ++bin)
      {
        atomicAdd(row + bin, static_cast<FixedPoint>(CubicBSplineInDouble(bin - term) * scale + 0.5));
      }
      count += 1.0;
    }
  });
  StoreBlockResult<Join::Sum, Join::Sum>(count, unused, partials);
}

/** Joins the copies: sums[i] = counts of bin i, in voxels. */
__global__ void
__launch_bounds__(StreamThreads)
  MattesJoinKernel(const FixedPoint * histograms, std::int64_t size, double scale, double * sums)
{
  for (std::int64_t i = blockIdx.x * std::int64_t{ blockDim.x } + threadIdx.x; i < size;
       i += std::int64_t{ gridDim.x } * blockDim.x)
  {
    FixedPoint sum = 0;
    for (int replica = 0; replica < MattesReplicas; ++replica)
    {
      sum += histograms[replica * size + i];
    }
    sums[i] = static_cast<double>(sum) / scale;
  }
}

/** One block: normalises, sums the marginals, and replaces each bin by ln(p / pM). The number of voxels comes in energy[0]. */
__global__ void
__launch_bounds__(FinishThreads) MattesInformationKernel(int n, double * table, double * marginals, double * energy)
{
  const std::int64_t size = static_cast<std::int64_t>(n) * n;
  const int          thread = threadIdx.x;
  __shared__ double  total;
  double             sum = 0.0;
  double             unused = 0.0;
  for (std::int64_t i = thread; i < size; i += FinishThreads)
  {
    sum += table[i];
  }
  JoinBlock<Join::Sum, Join::Sum>(sum, unused);
  if (thread == 0)
  {
    total = sum;
    energy[1] = energy[0];
  }
  __syncthreads();
  for (std::int64_t i = thread; i < size; i += FinishThreads)
  {
    table[i] = total > 0.0 ? table[i] / total : 0.0;
  }
  __syncthreads();
  for (int i = thread; i < 2 * n; i += FinishThreads)
  {
    double marginal = 0.0;
    for (int k = 0; k < n; ++k)
    {
      marginal += i < n ? table[static_cast<std::int64_t>(i) * n + k] : table[static_cast<std::int64_t>(k) * n + i - n];
    }
    marginals[i] = marginal;
  }
  __syncthreads();
  double information = 0.0;
  unused = 0.0;
  for (std::int64_t i = thread; i < size; i += FinishThreads)
  {
    double logRatio;
    information += MattesBinInformation(table[i], marginals[i / n], marginals[n + i % n], logRatio);
    table[i] = logRatio;
  }
  JoinBlock<Join::Sum, Join::Sum>(information, unused);
  if (thread == 0)
  {
    energy[0] = information;
  }
}

__global__ void
__launch_bounds__(VoxelThreads) MattesSlopeKernel(const __grid_constant__ MattesBins bins,
                                                  const Extent                       extent,
                                                  const double * __restrict__ fixed,
                                                  const double * __restrict__ moving,
                                                  const unsigned char * __restrict__ valid,
                                                  const double * __restrict__ logRatios,
                                                  const double * __restrict__ energy,
                                                  double * __restrict__ slope)
{
  ForEachVoxel(extent, [&](int, int, int, std::int64_t voxel) {
    const bool counting = valid[voxel] && bins.Counts(moving[voxel]);
    slope[voxel] =
      counting ? MattesSlope(bins, logRatios, fixed[voxel], moving[voxel]) / (bins.movingBinSize * energy[1]) : 0.0;
  });
}
} // namespace

void
SampledMattes(const Device &        device,
              const MattesBins &    bins,
              const MetricSamples & samples,
              double *              energy,
              double *              slope,
              double *              workspace)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(samples.lattice);
  const int          n = bins.numberOfBins;
  const std::int64_t size = static_cast<std::int64_t>(n) * n;
  auto * const       histograms = reinterpret_cast<FixedPoint *>(workspace);
  double * const     table = workspace + MattesReplicas * size;
  double             scale = 4611686018427387904.0; // 2^62
  for (std::int64_t count = 1; count < extent.NumberOfVoxels(); count *= 2)
  {
    scale *= 0.5;
  }
  device.SetZero(histograms, static_cast<std::size_t>(MattesReplicas * size) * sizeof(FixedPoint));
  const dim3 grid = VoxelGrid(extent, ReductionBlocks);
  MattesHistogramKernel<<<grid, VoxelBlock(), 0, stream>>>(
    bins, extent, scale, samples.fixed, samples.moving, samples.valid, histograms, Partials(device));
  CheckLaunch(device, "SampledMattes");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, energy);
  MattesJoinKernel<<<StreamGrid(size), StreamThreads, 0, stream>>>(histograms, size, scale, table);
  CheckLaunch(device, "SampledMattes");
  MattesInformationKernel<<<1, FinishThreads, 0, stream>>>(n, table, table + size, energy);
  CheckLaunch(device, "SampledMattes");
  if (slope)
  {
    MattesSlopeKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(
      bins, extent, samples.fixed, samples.moving, samples.valid, table, energy, slope);
    CheckLaunch(device, "SampledMattes");
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
