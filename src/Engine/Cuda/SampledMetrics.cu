// SPDX-License-Identifier: Apache-2.0
// Per voxel: the corners of both images in, 17 bytes out (8 in where the grid is the images' own). Correlation: 17 bytes in
// and 48 out for the window sums of six moments along x and y, 48 + 17 in and 16 out for those along z and what follows from
// them: 146, a window's other values coming from the caches. With the slopes of all windows 96 more along z, 40 for the terms
// and 9 passes of 16 over them. float64 arithmetic throughout, with a radius of 3 about 180 operations and 70 conversions to
// float32 and back in the first of the two kernels, 70 operations and the divisions in the second.
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

/** The same where AreSamplesVoxels. */
template <typename T>
__global__ void
__launch_bounds__(StreamThreads) TakeVoxelsKernel(const __grid_constant__ MetricSamples samples,
                                                  const std::int64_t                    voxels,
                                                  const T * __restrict__ fixed,
                                                  const T * __restrict__ moving)
{
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < voxels; i += stride)
  {
    const bool valid = !samples.mask || samples.mask[i];
    samples.valid[i] = valid ? 1 : 0;
    samples.fixed[i] = valid ? RoundSample(fixed[i], samples.fixedRounding) : 0.0;
    samples.moving[i] = valid ? RoundSample(moving[i], samples.movingRounding) : 0.0;
  }
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
  if (AreSamplesVoxels(samples, fixed, moving))
  {
    const std::int64_t voxels = extent.NumberOfVoxels();
    TakeVoxelsKernel<T><<<StreamGrid(voxels), StreamThreads, 0, stream>>>(samples, voxels, fixed.data, moving.data);
    CheckLaunch(device, "SampleImages");
    return;
  }
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

constexpr int ColumnThreads = 128;

/** Calls add(c) for those of `count` places from `begin` on, one per c, whose windows hold place k. */
template <int count, typename TAdd>
__device__ __forceinline__ void
ForWindowsThatHold(int k, int begin, int radius, const TAdd & add)
{
#pragma unroll
  for (int c = 0; c < count; ++c)
  {
    const int distance = k - begin - c;
    if (distance <= radius && -distance <= radius)
    {
      add(c);
    }
  }
}

/** Sums of the moments over windows along x, and of those along y. A thread has so many rows of a column: the sums along x
 * that they share are taken once, (rows + 2 radius) / rows times as many as there are voxels. */
constexpr int RowsPerThread = 8;
__global__ void
__launch_bounds__(ColumnThreads, 3) CorrelationPlaneSumsKernel(const Extent              extent,
                                                            int                       radiusX,
                                                            int                       radiusY,
                                                            const CorrelationRounding rounding,
                                                            const double * __restrict__ fixed,
                                                            const double * __restrict__ moving,
                                                            const unsigned char * __restrict__ valid,
                                                            double * __restrict__ planes)
{
  const int          pieces = (extent.ny + RowsPerThread - 1) / RowsPerThread;
  const std::int64_t number = static_cast<std::int64_t>(blockIdx.x) * ColumnThreads + threadIdx.x;
  const std::int64_t row = number / extent.nx;
  const int          x = static_cast<int>(number - row * extent.nx);
  const int          z = static_cast<int>(row / pieces);
  const int          begin = static_cast<int>(row - static_cast<std::int64_t>(z) * pieces) * RowsPerThread;
  if (z >= extent.nz)
  {
    return;
  }
  const int          end = min(begin + RowsPerThread, extent.ny);
  const int          firstX = max(x - radiusX, 0);
  const int          lastX = min(x + radiusX, extent.nx - 1);
  const std::int64_t plane = static_cast<std::int64_t>(z) * extent.PlaneSize();
  double             sums[RowsPerThread][CorrelationPlanes] = {};
#pragma unroll 1
  for (int y = max(begin - radiusY, 0); y <= min(end - 1 + radiusY, extent.ny - 1); ++y)
  {
    const std::int64_t offset = plane + static_cast<std::int64_t>(y) * extent.nx;
    int                count = 0;
    double             s[CorrelationPlanes] = {};
    for (int k = firstX; k <= lastX; ++k)
    {
      const double f = fixed[offset + k];
      const double m = moving[offset + k];
      count += valid[offset + k];
      s[1] += f;
      s[2] += m;
      s[3] += CorrelationRounding::Round(f * f, rounding.fixed);
      s[4] += CorrelationRounding::Round(f * m, rounding.fixed && rounding.moving);
      s[5] += CorrelationRounding::Round(m * m, rounding.moving);
    }
    s[0] = count;
    ForWindowsThatHold<RowsPerThread>(y, begin, radiusY, [&](int c) {
#pragma unroll
      for (int i = 0; i < CorrelationPlanes; ++i)
      {
        sums[c][i] += s[i];
      }
    });
  }
  const std::int64_t voxels = extent.NumberOfVoxels();
#pragma unroll
  for (int c = 0; c < RowsPerThread; ++c)
  {
    const std::int64_t voxel = plane + static_cast<std::int64_t>(begin + c) * extent.nx + x;
    if (begin + c < end)
    {
#pragma unroll
      for (int i = 0; i < CorrelationPlanes; ++i)
      {
        planes[voxel + i * voxels] = sums[c][i];
      }
    }
  }
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

/** What the window sums of the voxels give. */
struct CorrelationOutput
{
  double                epsilon;
  CorrelationRounding   rounding;
  const double *        fixed;
  const double *        moving;
  const unsigned char * valid;
  double *              slope;
  double *              fixedSlope;

  /** Adds a voxel to the sum and the number. */
  __device__ __forceinline__ CorrelationTerms
  Store(std::int64_t voxel, const CorrelationSums & window, double & sum, double & count) const
  {
    CorrelationTerms terms = { 0.0, 0.0, 0.0, 0.0, 0.0, 0.0 };
    if (valid[voxel])
    {
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
    return terms;
  }
};

/** Takes sums of planes along z and what follows from them, so many planes per thread: each sum is read (planes + 2 radius) /
 * planes times, most of them from the caches. */
constexpr int PlanesPerColumn = 4;
__global__ void
__launch_bounds__(ColumnThreads) CorrelationColumnsKernel(const Extent                              extent,
                                                          int                                       radius,
                                                          const __grid_constant__ CorrelationOutput output,
                                                          const double * __restrict__ planeSums,
                                                          double * __restrict__ partials)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  const std::int64_t planeSize = extent.PlaneSize();
  const std::int64_t items = planeSize * ((extent.nz + PlanesPerColumn - 1) / PlanesPerColumn);
  double             sum = 0.0;
  double             count = 0.0;
  for (std::int64_t item = static_cast<std::int64_t>(blockIdx.x) * ColumnThreads + threadIdx.x; item < items;
       item += static_cast<std::int64_t>(gridDim.x) * ColumnThreads)
  {
    const int            begin = static_cast<int>(item / planeSize) * PlanesPerColumn;
    const int            end = min(begin + PlanesPerColumn, extent.nz);
    const std::int64_t   place = item - begin / PlanesPerColumn * planeSize;
    const int            first = max(begin - radius, 0);
    const int            last = min(end - 1 + radius, extent.nz - 1);
    double               sums[PlanesPerColumn][CorrelationPlanes] = {};
    // The sums inside the planes, and no unrolling: with the loops exchanged nvcc 13.0 gives all sums of a single plane
    // that of the first.
    const double * source = planeSums + place + first * planeSize;
#pragma unroll 1
    for (int k = first; k <= last; ++k, source += planeSize)
    {
      double values[CorrelationPlanes];
#pragma unroll
      for (int i = 0; i < CorrelationPlanes; ++i)
      {
        values[i] = source[i * voxels];
      }
      ForWindowsThatHold<PlanesPerColumn>(k, begin, radius, [&](int c) {
#pragma unroll
        for (int i = 0; i < CorrelationPlanes; ++i)
        {
          sums[c][i] += values[i];
        }
      });
    }
#pragma unroll
    for (int c = 0; c < PlanesPerColumn; ++c)
    {
      if (begin + c < end)
      {
        const double(&s)[CorrelationPlanes] = sums[c];
        output.Store(place + (begin + c) * planeSize, { s[0], s[1], s[2], s[3], s[4], s[5] }, sum, count);
      }
    }
  }
  StoreBlockResult<Join::Sum, Join::Sum>(sum, count, partials);
}

/** The terms of a voxel replace its first three sums. */
__global__ void
__launch_bounds__(VoxelThreads) CorrelationKernel(const Extent                              extent,
                                                  const __grid_constant__ CorrelationOutput output,
                                                  double *                                  sums,
                                                  double * __restrict__ partials)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  double             sum = 0.0;
  double             count = 0.0;
  ForEachVoxel(extent, [&](int, int, int, std::int64_t voxel) {
    double * const         s = sums + voxel;
    const CorrelationTerms terms = output.Store(
      voxel, { s[0], s[voxels], s[2 * voxels], s[3 * voxels], s[4 * voxels], s[5 * voxels] }, sum, count);
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
  // Windows that go beyond the grid on both sides are the same as longer ones.
  int radius[3];
  for (int d = 0; d < 3; ++d)
  {
    radius[d] = std::min(parameters.radius[d], samples.lattice.own.size[d]);
  }
  const std::int64_t columns = std::int64_t{ extent.nx } * DivideUp(extent.ny, RowsPerThread) * extent.nz;
  const auto         blocks = static_cast<unsigned int>(DivideUp(columns, ColumnThreads));
  CorrelationPlaneSumsKernel<<<blocks, ColumnThreads, 0, stream>>>(extent,
                                                                   radius[0],
                                                                   radius[1],
                                                                   GetCorrelationRounding(samples),
                                                                   samples.fixed,
                                                                   samples.moving,
                                                                   samples.valid,
                                                                   workspace);
  CheckLaunch(device, "SampledCorrelation");
  const CorrelationOutput output{ parameters.epsilon, GetCorrelationRounding(samples), samples.fixed, samples.moving,
                                  samples.valid,      slope,                           fixedSlope };
  if (!slope || !parameters.allWindows)
  {
    const std::int64_t items = std::int64_t{ extent.PlaneSize() } * DivideUp(extent.nz, PlanesPerColumn);
    const dim3         grid(static_cast<unsigned int>(
      std::min<std::int64_t>(DivideUp(items, ColumnThreads), ReductionBlocks)));
    CorrelationColumnsKernel<<<grid, ColumnThreads, 0, stream>>>(extent, radius[2], output, workspace, Partials(device));
    CheckLaunch(device, "SampledCorrelation");
    FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, energy);
    return;
  }
  // Each plane moves by one place when its windows are summed, from the last to the first: the free plane is the last.
  const dim3 grid = VoxelGrid(extent, ReductionBlocks);
  for (int i = CorrelationPlanes - 1; i >= 0; --i)
  {
    SumWindowKernel<2><<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(
      extent, radius[2], workspace + i * voxels, workspace + (i + 1) * voxels);
    CheckLaunch(device, "SampledCorrelation");
  }
  double * const sums = workspace + voxels;
  CorrelationKernel<<<grid, VoxelBlock(), 0, stream>>>(extent, output, sums, Partials(device));
  CheckLaunch(device, "SampledCorrelation");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, energy);
  for (int i = 0; i < 3; ++i)
  {
    SumWindows(device, samples, radius, sums + i * voxels, workspace + i * voxels);
  }
  CorrelationSlopeKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(
    extent, samples.fixed, samples.moving, samples.valid, workspace, slope);
  CheckLaunch(device, "SampledCorrelation");
}
} // namespace cuda
} // namespace engine
} // namespace itk
