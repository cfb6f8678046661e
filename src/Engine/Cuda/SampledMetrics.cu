// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: the corners of both images in, 17 bytes out; per moment of the correlation three passes of 16 bytes,
// a window's other values coming from the caches; float64 arithmetic throughout.
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
template <typename T>
__global__ void
__launch_bounds__(VoxelThreads) SampleImagesKernel(const Extent                           extent,
                                                   const __grid_constant__ MetricSamples  samples,
                                                   const __grid_constant__ SampleImage<T> fixed,
                                                   const __grid_constant__ SampleImage<T> moving)
{
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t voxel) {
    const double place[3] = { double(x), double(y), double(z) };
    double       f[3];
    double       m[3];
    samples.fixedMap.Apply(samples.dimension, place, voxel, f);
    samples.movingMap.Apply(samples.dimension, place, voxel, m);
    const bool valid = (!samples.mask || samples.mask[voxel]) && fixed.IsInside(f) && moving.IsInside(m) &&
                       (!samples.movingMask.data || samples.movingMask.Contains(m));
    samples.valid[voxel] = valid ? 1 : 0;
    samples.fixed[voxel] = valid ? RoundSample(fixed.Interpolate(f, 0, nullptr), samples.fixedRounding) : 0.0;
    samples.moving[voxel] = valid ? RoundSample(moving.Interpolate(m, 0, nullptr), samples.movingRounding) : 0.0;
  });
}

template <typename T>
__global__ void
__launch_bounds__(VoxelThreads) MetricDerivativeKernel(const Extent                               extent,
                                                       const __grid_constant__ MetricSamples      samples,
                                                       const __grid_constant__ SampleImage<T>     moving,
                                                       const __grid_constant__ SampleGradientRule rule,
                                                       const double * __restrict__ slope,
                                                       double * __restrict__ local,
                                                       double * __restrict__ partials)
{
  const int    dimension = samples.dimension;
  double       sums[12] = {};
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t voxel) {
    const double place[4] = { double(x), double(y), double(z), 1.0 };
    double       g[3] = { 0.0, 0.0, 0.0 };
    const double s = slope[voxel];
    if (samples.valid[voxel] && s != 0.0)
    {
      const double point[3] = { place[0], place[1], place[2] };
      double       p[3];
      samples.movingMap.Apply(dimension, point, voxel, p);
      SampleMovingGradient(rule, moving, dimension, p, g);
      g[0] *= s;
      g[1] *= s;
      g[2] *= s;
    }
    for (int d = 0; local && d < dimension; ++d)
    {
      local[voxel * dimension + d] = g[d];
    }
    for (int i = 0; i < 12; ++i)
    {
      sums[i] += g[i / 4] * place[i % 4];
    }
  });
  if (partials)
  {
    const int block = blockIdx.x + gridDim.x * blockIdx.y;
    for (int i = 0; i < 12; i += 2)
    {
      JoinBlock<Join::Sum, Join::Sum>(sums[i], sums[i + 1]);
      if (threadIdx.x == 0 && threadIdx.y == 0)
      {
        partials[12 * block + i] = sums[i];
        partials[12 * block + i + 1] = sums[i + 1];
      }
      __syncthreads();
    }
  }
}

__global__ void
__launch_bounds__(FinishThreads) FinishDerivativeKernel(const double * partials, int blocks, double * sums)
{
  for (int i = 0; i < 12; i += 2)
  {
    double a = 0.0;
    double b = 0.0;
    for (int block = threadIdx.x; block < blocks; block += FinishThreads)
    {
      a += partials[12 * block + i];
      b += partials[12 * block + i + 1];
    }
    JoinBlock<Join::Sum, Join::Sum>(a, b);
    if (threadIdx.x == 0)
    {
      sums[i] = a;
      sums[i + 1] = b;
    }
    __syncthreads();
  }
}

template <typename T>
void
SampleImagesOf(const Device &         device,
               const MetricSamples &  samples,
               const SampleImage<T> & fixed,
               const SampleImage<T> & moving)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(samples.lattice);
  SampleImagesKernel<T><<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(extent, samples, fixed, moving);
  CheckLaunch(device, "SampleImages");
}

template <typename T>
void
MetricDerivativeOf(const Device &             device,
                   const MetricSamples &      samples,
                   const SampleImage<T> &     moving,
                   const SampleGradientRule & rule,
                   const double *             slope,
                   double *                   local,
                   double *                   sums,
                   double *                   scratch)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(samples.lattice);
  const dim3         grid = VoxelGrid(extent, ReductionBlocks);
  MetricDerivativeKernel<T>
    <<<grid, VoxelBlock(), 0, stream>>>(extent, samples, moving, rule, slope, local, sums ? scratch : nullptr);
  CheckLaunch(device, "MetricDerivative");
  if (sums)
  {
    FinishDerivativeKernel<<<1, FinishThreads, 0, stream>>>(scratch, static_cast<int>(grid.x * grid.y), sums);
    CheckLaunch(device, "MetricDerivative");
  }
}

__global__ void
__launch_bounds__(VoxelThreads) SampledMeanSquaresKernel(const Extent extent,
                                                         const double * __restrict__ fixed,
                                                         const double * __restrict__ moving,
                                                         const unsigned char * __restrict__ valid,
                                                         double * __restrict__ slope,
                                                         double * __restrict__ partials)
{
  double sum = 0.0;
  double count = 0.0;
  ForEachVoxel(extent, [&](int, int, int, std::int64_t voxel) {
    const double difference = valid[voxel] ? fixed[voxel] - moving[voxel] : 0.0;
    sum += difference * difference;
    count += valid[voxel];
    if (slope)
    {
      slope[voxel] = 2.0 * difference;
    }
  });
  StoreBlockResult<Join::Sum, Join::Sum>(sum, count, partials);
}

__global__ void
__launch_bounds__(VoxelThreads) CorrelationProductsKernel(const Extent              extent,
                                                          const CorrelationRounding rounding,
                                                          const double * __restrict__ fixed,
                                                          const double * __restrict__ moving,
                                                          const unsigned char * __restrict__ valid,
                                                          double * __restrict__ planes)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int, int, int, std::int64_t voxel) {
    const double f = fixed[voxel];
    const double m = moving[voxel];
    planes[voxel] = valid[voxel];
    planes[voxel + voxels] = f;
    planes[voxel + 2 * voxels] = m;
    planes[voxel + 3 * voxels] = CorrelationRounding::Round(f * f, rounding.fixed);
    planes[voxel + 4 * voxels] = CorrelationRounding::Round(f * m, rounding.fixed && rounding.moving);
    planes[voxel + 5 * voxels] = CorrelationRounding::Round(m * m, rounding.moving);
  });
}

template <int axis>
__global__ void
__launch_bounds__(VoxelThreads)
  SumWindowKernel(const Extent extent, int radius, const double * __restrict__ source, double * __restrict__ target)
{
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t voxel) {
    const int          n = axis == 0 ? extent.nx : (axis == 1 ? extent.ny : extent.nz);
    const int          center = axis == 0 ? x : (axis == 1 ? y : z);
    const std::int64_t stride = axis == 0 ? 1 : (axis == 1 ? extent.nx : extent.PlaneSize());
    const int          first = center > radius ? center - radius : 0;
    const int          last = n - 1 - center > radius ? center + radius : n - 1;
    double             sum = 0.0;
    for (int k = first; k <= last; ++k)
    {
      sum += source[voxel + (k - center) * stride];
    }
    target[voxel] = sum;
  });
}

/** target = window sums of plane along all axes; both are overwritten. */
void
SumWindows(const Device &        device,
           const MetricSamples & samples,
           const int (&radius)[3],
           double * plane,
           double * target)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(samples.lattice);
  const dim3         grid = VoxelGrid(extent);
  SumWindowKernel<0><<<grid, VoxelBlock(), 0, stream>>>(extent, radius[0], plane, target);
  CheckLaunch(device, "SampledCorrelation");
  SumWindowKernel<1><<<grid, VoxelBlock(), 0, stream>>>(extent, radius[1], target, plane);
  CheckLaunch(device, "SampledCorrelation");
  SumWindowKernel<2><<<grid, VoxelBlock(), 0, stream>>>(extent, radius[2], plane, target);
  CheckLaunch(device, "SampledCorrelation");
}

/** The terms of a voxel replace its first three sums. */
__global__ void
__launch_bounds__(VoxelThreads) CorrelationKernel(const Extent              extent,
                                                  double                    epsilon,
                                                  const CorrelationRounding rounding,
                                                  const double * __restrict__ fixed,
                                                  const double * __restrict__ moving,
                                                  const unsigned char * __restrict__ valid,
                                                  double * sums,
                                                  double * __restrict__ slope,
                                                  double * __restrict__ fixedSlope,
                                                  double * __restrict__ partials)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  double             sum = 0.0;
  double             count = 0.0;
  ForEachVoxel(extent, [&](int, int, int, std::int64_t voxel) {
    double * const   s = sums + voxel;
    CorrelationTerms terms = { 0.0, 0.0, 0.0, 0.0, 0.0, 0.0 };
    if (valid[voxel])
    {
      const CorrelationSums window = { s[0],          s[voxels],     s[2 * voxels],
                                       s[3 * voxels], s[4 * voxels], s[5 * voxels] };
      terms = ComputeCorrelationTerms(window, epsilon, rounding);
      count += 1.0;
    }
    sum += terms.cc;
    if (slope)
    {
      slope[voxel] = terms.a * fixed[voxel] - terms.b * moving[voxel] - terms.c;
    }
    if (fixedSlope)
    {
      fixedSlope[voxel] = terms.a * moving[voxel] - terms.fixedB * fixed[voxel] - terms.fixedC;
    }
    s[0] = terms.a;
    s[voxels] = terms.b;
    s[2 * voxels] = terms.c;
  });
  StoreBlockResult<Join::Sum, Join::Sum>(sum, count, partials);
}

__global__ void
__launch_bounds__(VoxelThreads) CorrelationSlopeKernel(const Extent extent,
                                                       const double * __restrict__ fixed,
                                                       const double * __restrict__ moving,
                                                       const unsigned char * __restrict__ valid,
                                                       const double * __restrict__ terms,
                                                       double * __restrict__ slope)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int, int, int, std::int64_t voxel) {
    slope[voxel] = valid[voxel] ? terms[voxel] * fixed[voxel] - terms[voxel + voxels] * moving[voxel] -
                                    terms[voxel + 2 * voxels]
                                : 0.0;
  });
}
} // namespace

#define ITK_ENGINE_SAMPLING(T)                                                                    \
  void SampleImages(const Device &         device,                                                \
                    const MetricSamples &  samples,                                               \
                    const SampleImage<T> & fixed,                                                 \
                    const SampleImage<T> & moving)                                                \
  {                                                                                               \
    SampleImagesOf(device, samples, fixed, moving);                                               \
  }                                                                                               \
  void MetricDerivative(const Device &             device,                                        \
                        const MetricSamples &      samples,                                       \
                        const SampleImage<T> &     moving,                                        \
                        const SampleGradientRule & rule,                                          \
                        const double *             slope,                                         \
                        double *                   local,                                         \
                        double *                   sums,                                          \
                        double *                   scratch)                                       \
  {                                                                                               \
    MetricDerivativeOf(device, samples, moving, rule, slope, local, sums, scratch);               \
  }
ITK_ENGINE_SAMPLING(float)
ITK_ENGINE_SAMPLING(double)
#undef ITK_ENGINE_SAMPLING

void
SampledMeanSquares(const Device & device, const MetricSamples & samples, double * energy, double * slope)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(samples.lattice);
  const dim3         grid = VoxelGrid(extent, ReductionBlocks);
  SampledMeanSquaresKernel<<<grid, VoxelBlock(), 0, stream>>>(
    extent, samples.fixed, samples.moving, samples.valid, slope, Partials(device));
  CheckLaunch(device, "SampledMeanSquares");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, energy);
}

void
SampledCorrelation(const Device &                       device,
                   const SampledCorrelationParameters & parameters,
                   const MetricSamples &                samples,
                   double *                             energy,
                   double *                             slope,
                   double *                             workspace,
                   double *                             fixedSlope)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(samples.lattice);
  const std::int64_t voxels = extent.NumberOfVoxels();
  // Each plane moves by one place when its windows are summed, from the last to the first: the free plane is the last.
  CorrelationProductsKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(
    extent, GetCorrelationRounding(samples), samples.fixed, samples.moving, samples.valid, workspace);
  CheckLaunch(device, "SampledCorrelation");
  for (int i = CorrelationPlanes - 1; i >= 0; --i)
  {
    SumWindows(device, samples, parameters.radius, workspace + i * voxels, workspace + (i + 1) * voxels);
  }
  const dim3     grid = VoxelGrid(extent, ReductionBlocks);
  double * const sums = workspace + voxels;
  CorrelationKernel<<<grid, VoxelBlock(), 0, stream>>>(extent,
                                                       parameters.epsilon,
                                                       GetCorrelationRounding(samples),
                                                       samples.fixed,
                                                       samples.moving,
                                                       samples.valid,
                                                       sums,
                                                       slope,
                                                       fixedSlope,
                                                       Partials(device));
  CheckLaunch(device, "SampledCorrelation");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, energy);
  if (!slope || !parameters.allWindows)
  {
    return;
  }
  for (int i = 0; i < 3; ++i)
  {
    SumWindows(device, samples, parameters.radius, sums + i * voxels, workspace + i * voxels);
  }
  CorrelationSlopeKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(
    extent, samples.fixed, samples.moving, samples.valid, workspace, slope);
  CheckLaunch(device, "SampledCorrelation");
}
} // namespace cuda
} // namespace engine
} // namespace itk
