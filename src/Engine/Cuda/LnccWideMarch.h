// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaLnccWideMarch_h
#define itkEngineCudaLnccWideMarch_h

#include "LnccMarch.h"
#include "WideBoxMarch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// All other box windows of radius up to 15 along x and y. Included by Lncc.cu alone.
namespace
{
bool
CanMarchWide(const LnccParameters & parameters)
{
  return parameters.weights == LnccWeights::Box && std::max(parameters.radius[0], parameters.radius[1]) <= WideRadius;
}

template <bool masked, bool aligned>
__global__ void
__launch_bounds__(WideThreads) SumMomentsAlongZKernel(const __grid_constant__ MomentSource<float, masked, aligned> source,
                                                      const Extent                       extent,
                                                      const __grid_constant__ ColumnPlan plan,
                                                      int                                radiusZ,
                                                      float * __restrict__ sums)
{
  SumColumns<NumberOfMoments(masked), aligned>(plan, extent, radiusZ, source, sums);
}

template <int quantities, bool aligned>
__global__ void
__launch_bounds__(WideThreads)
  SumCoefficientsAlongZKernel(const __grid_constant__ CoefficientSource<quantities, aligned> source,
                              const Extent                                                   extent,
                              const __grid_constant__ ColumnPlan                             plan,
                              int                                                            radiusZ,
                              float * __restrict__ sums)
{
  SumColumns<quantities, aligned>(plan, extent, radiusZ, source, sums);
}

/** As WindowSink, for the voxels of a row. */
template <bool masked, bool aligned>
struct RowWindowSink
{
  const Extent &        extent;
  const WindowWeight &  weight;
  const Coefficients &  coefficients;
  const unsigned char * valid;
  double                energy = 0.0;
  std::int64_t          count = 0;

  __device__ __forceinline__ void
  Prepare(int, int, int, int)
  {}

  __device__ __forceinline__ void
  operator()(int x, int y, int z, int room, const float (&sums)[NumberOfMoments(masked)][MarchGroup])
  {
    constexpr int moments = NumberOfMoments(masked);
    const float   countYZ = static_cast<float>(WindowCount(y, extent.ny, weight.radius[1]) *
                                             WindowCount(z, extent.nz, weight.radius[2]));
    const std::int64_t offset = static_cast<std::int64_t>(z) * extent.PlaneSize() + (y * extent.nx + x);
    float              a[MarchGroup];
    float              b[MarchGroup];
    float              c[MarchGroup];
    float              fixedA[MarchGroup];
    float              fixedB[MarchGroup];
    float              correlation = 0.0f;
#pragma unroll
    for (int k = 0; k < MarchGroup; ++k)
    {
      LnccWindow window{ 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f };
      if (k < room && (!masked || valid[offset + k] != 0))
      {
        float sum[moments];
#pragma unroll
        for (int q = 0; q < moments; ++q)
        {
          sum[q] = sums[q][k];
        }
        const float windowCount =
          masked ? sum[moments - 1] : countYZ * static_cast<float>(WindowCount(x + k, extent.nx, weight.radius[0]));
        window = EvaluateWindow<masked ? Counting::Counted : Counting::ByPosition>(
          sum, windowCount, weight, weight.padded);
        correlation += window.correlation;
        ++count;
      }
      a[k] = window.a;
      b[k] = window.b;
      c[k] = window.c;
      fixedA[k] = window.fixedA;
      fixedB[k] = window.fixedB;
    }
    energy += correlation;
    if (coefficients.a)
    {
      StoreGroup<aligned>(coefficients.a + offset, room, a);
      StoreGroup<aligned>(coefficients.b + offset, room, b);
      StoreGroup<aligned>(coefficients.c + offset, room, c);
      if (coefficients.fixedA)
      {
        StoreGroup<aligned>(coefficients.fixedB + offset, room, fixedB);
        StoreGroup<aligned>(coefficients.fixedA + offset, room, fixedA);
      }
    }
  }
};

template <bool masked, bool aligned>
__global__ void
__launch_bounds__(WideThreads, WideBlocks) EvaluateWideBoxesKernel(const float * __restrict__ sums,
                                                                   const unsigned char * __restrict__ valid,
                                                                   const Extent                         extent,
                                                                   const __grid_constant__ RowPlan      plan,
                                                                   const __grid_constant__ WindowWeight weight,
                                                                   const __grid_constant__ Coefficients coefficients,
                                                                   double * __restrict__ partials)
{
  RowWindowSink<masked, aligned> sink{ extent, weight, coefficients, valid };
  MarchRows<NumberOfMoments(masked), aligned>(plan, extent, weight.radius[0], weight.radius[1], sums, sink);
  StoreBlockResult<Join::Sum, Join::Sum>(sink.energy, static_cast<double>(sink.count), partials);
}

/** As SlopeSink, for the voxels of a row. */
template <int quantities, bool aligned>
struct RowSlopeSink
{
  const Extent &             extent;
  const Images &             images;
  float                      scale;
  float *                    moving;
  float *                    fixed;
  PixelGroup<float, aligned> f;
  PixelGroup<float, aligned> m;

  __device__ __forceinline__ void
  Prepare(int x, int y, int z, int room)
  {
    const std::int64_t offset = static_cast<std::int64_t>(z) * extent.PlaneSize() + (y * extent.nx + x);
    f.Load(images.fixed + offset, room);
    m.Load(images.warped + offset, room);
  }

  __device__ __forceinline__ void
  operator()(int x, int y, int z, int room, const float (&sums)[quantities][MarchGroup])
  {
    const std::int64_t offset = static_cast<std::int64_t>(z) * extent.PlaneSize() + (y * extent.nx + x);
    float              toMoving[MarchGroup];
    float              toFixed[MarchGroup];
#pragma unroll
    for (int k = 0; k < MarchGroup; ++k)
    {
      const bool  counts = !images.valid || (k < room && images.valid[offset + k] != 0);
      const float inFixed = f.Get(k) - images.fixedShift;
      const float inMoving = m.Get(k) - images.movingShift;
      toMoving[k] = counts ? scale * (sums[0][k] + 2.0f * inMoving * sums[1][k] + inFixed * sums[2][k]) : 0.0f;
      toFixed[k] = counts ? scale * (sums[quantities - 1][k] + 2.0f * inFixed * sums[quantities - 2][k] +
                                     inMoving * sums[2][k])
                          : 0.0f;
    }
    StoreGroup<aligned>(moving + offset, room, toMoving);
    if (quantities == NumberOfCoefficientsForBoth)
    {
      StoreGroup<aligned>(fixed + offset, room, toFixed);
    }
  }
};

template <int quantities, bool aligned>
__global__ void
__launch_bounds__(WideThreads, WideBlocks) FinishWideGradientKernel(const float * __restrict__ sums,
                                                                    const __grid_constant__ Images  images,
                                                                    const Extent                    extent,
                                                                    const __grid_constant__ RowPlan plan,
                                                                    const __grid_constant__ WindowWeight weight,
                                                                    float                                scale,
                                                                    float *                              moving,
                                                                    float *                              fixed)
{
  RowSlopeSink<quantities, aligned> sink{ extent, images, scale, moving, fixed, {}, {} };
  MarchRows<quantities, aligned>(plan, extent, weight.radius[0], weight.radius[1], sums, sink);
}

/** As EvaluateBoxes. `sums` takes the moments' sums along z. */
template <bool masked, bool aligned>
dim3
EvaluateWideBoxes(const Device &       device,
                  cudaStream_t         stream,
                  const Images &       images,
                  const Extent &       extent,
                  const WindowWeight & weight,
                  float *              sums,
                  const Coefficients & coefficients)
{
  constexpr int    moments = NumberOfMoments(masked);
  const ColumnPlan columns(extent, weight.radius[2]);
  SumMomentsAlongZKernel<masked, aligned><<<columns.Grid(extent), WideThreads, 0, stream>>>(
    MomentSource<float, masked, aligned>{ images, images.fixedShift, images.movingShift },
    extent,
    columns,
    weight.radius[2],
    sums);
  CheckLaunch(device, "Lncc: sum moments along z");
  const RowPlan     rows(extent, weight.radius[0], weight.radius[1]);
  const std::size_t bytes = rows.SharedBytes<moments>();
  const dim3        grid(std::min(rows.steps, ReductionBlocks));
  const auto        kernel = EvaluateWideBoxesKernel<masked, aligned>;
  AllowSharedMemory(device, kernel, bytes);
  kernel<<<grid, rows.threads, bytes, stream>>>(
    sums, images.valid, extent, rows, weight, coefficients, Partials(device));
  CheckLaunch(device, "Lncc: evaluate wide boxes");
  return grid;
}

/** As SumCoefficients. `sums` takes the coefficients' sums along z; the gradients may lie where the coefficients do. */
template <int quantities, bool aligned>
void
SumWideCoefficients(const Device &       device,
                    cudaStream_t         stream,
                    const Images &       images,
                    const Extent &       extent,
                    const WindowWeight & weight,
                    float                scale,
                    const Coefficients & coefficients,
                    float *              sums,
                    float *              moving,
                    float *              fixed)
{
  const ColumnPlan columns(extent, weight.radius[2]);
  SumCoefficientsAlongZKernel<quantities, aligned><<<columns.Grid(extent), WideThreads, 0, stream>>>(
    MakeCoefficientSource<quantities, aligned>(coefficients), extent, columns, weight.radius[2], sums);
  CheckLaunch(device, "Lncc: sum coefficients along z");
  const RowPlan     rows(extent, weight.radius[0], weight.radius[1]);
  const std::size_t bytes = rows.SharedBytes<quantities>();
  const auto        kernel = FinishWideGradientKernel<quantities, aligned>;
  AllowSharedMemory(device, kernel, bytes);
  kernel<<<dim3(rows.steps), rows.threads, bytes, stream>>>(
    sums, images, extent, rows, weight, scale, moving, fixed);
  CheckLaunch(device, "Lncc: finish wide gradient");
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
