// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaLnccPlaneSums_h
#define itkEngineCudaLnccPlaneSums_h

#include "Launch.h"
#include "LnccWindows.h"

#include <algorithm>

namespace itk
{
namespace engine
{
namespace cuda
{
// Sums over x and y of box windows too wide for the marching kernels: one quantity at a time, first along x (directly,
// through the L1 cache), then along y (sliding), through one plane of intermediate results. float64, since a sum may have
// thousands of terms. Included by Lncc.cu alone.
namespace
{
/** Calls function(offset) for the voxels of a row within `radius` of x, which lies at `offset`.
 * Counts from an unsigned trip number: from `for (k = max(-radius, -x); k <= min(radius, size - 1 - x); ++k)` ptxas 13.0
 * made an unrolled loop that ran past the end of short windows. */
template <typename TFunction>
__device__ __forceinline__ void
ForEachInWindow(int x, int size, int radius, std::int64_t offset, const TFunction & function)
{
  const int          first = x < radius ? 0 : x - radius;
  const unsigned int count = static_cast<unsigned int>(WindowCount(x, size, radius));
#pragma unroll 1
  for (unsigned int k = 0; k < count; ++k)
  {
    function(offset - x + first + static_cast<int>(k));
  }
}

/** Sums of products along x; `moment` says which product. */
__global__ void
__launch_bounds__(VoxelThreads) SumProductsAlongXKernel(const Images images,
                                                        const Extent extent,
                                                        int          radius,
                                                        int          moment,
                                                        float * __restrict__ output)
{
  ForEachVoxel(extent, [&](int x, int, int, std::int64_t offset) {
    double sum = 0.0;
    ForEachInWindow(x, extent.nx, radius, offset, [&](std::int64_t neighbor) {
      if (images.valid && images.valid[neighbor] == 0)
      {
        return;
      }
      const double f = images.fixed[neighbor] - images.fixedShift;
      const double m = images.warped[neighbor] - images.movingShift;
      const double left = moment == MomentCount ? 1.0 : (moment == MomentM || moment == MomentMM ? m : f);
      const double right = moment == MomentFF ? f : (moment == MomentMM || moment == MomentFM ? m : 1.0);
      sum += left * right;
    });
    output[offset] = static_cast<float>(sum);
  });
}

__global__ void
__launch_bounds__(VoxelThreads)
  SumAlongXKernel(const float * __restrict__ input, const Extent extent, int radius, float * __restrict__ output)
{
  ForEachVoxel(extent, [&](int x, int, int, std::int64_t offset) {
    double sum = 0.0;
    ForEachInWindow(x, extent.nx, radius, offset, [&](std::int64_t neighbor) { sum += input[neighbor]; });
    output[offset] = static_cast<float>(sum);
  });
}

/** Rows of one thread: its sliding sum starts anew in each. */
constexpr int RowsPerSegment = 32;

/** `segments` has one y for every RowsPerSegment rows of `extent`. */
__global__ void
__launch_bounds__(VoxelThreads) SumAlongYKernel(const float * __restrict__ input,
                                                const Extent segments,
                                                const Extent extent,
                                                int          radius,
                                                float * __restrict__ output)
{
  ForEachVoxel(segments, [&](int x, int segment, int z, std::int64_t) {
    const std::int64_t  start = static_cast<std::int64_t>(z) * extent.PlaneSize() + x;
    const float * const line = input + start;
    const int           begin = segment * RowsPerSegment;
    const int           end = min(begin + RowsPerSegment, extent.ny);
    double              sum = 0.0;
    for (int y = max(begin - radius, 0); y < min(begin + radius, extent.ny); ++y)
    {
      sum += line[y * extent.nx];
    }
    for (int y = begin; y < end; ++y)
    {
      if (y + radius < extent.ny)
      {
        sum += line[(y + radius) * extent.nx];
      }
      output[start + y * extent.nx] = static_cast<float>(sum);
      if (y - radius >= 0)
      {
        sum -= line[(y - radius) * extent.nx];
      }
    }
  });
}

void
SumAlongY(const Device & device,
          cudaStream_t   stream,
          const float *  input,
          const Extent & extent,
          int            radius,
          float *        output)
{
  const Extent segments(extent.nx, (extent.ny + RowsPerSegment - 1) / RowsPerSegment, extent.nz);
  SumAlongYKernel<<<VoxelGrid(segments), VoxelBlock(), 0, stream>>>(input, segments, extent, radius, output);
  CheckLaunch(device, "Lncc: sum along y");
}

/** Box sums over x and y of the images' products into planes of `sums`; `spare` is a plane of scratch. */
void
SumProductsInPlane(const Device & device,
                   cudaStream_t   stream,
                   const Images & images,
                   const Extent & extent,
                   const int (&radius)[3],
                   float * sums,
                   float * spare)
{
  const bool masked = images.valid != nullptr;
  for (int moment = 0; moment < NumberOfMoments(masked); ++moment)
  {
    SumProductsAlongXKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(images, extent, radius[0], moment, spare);
    CheckLaunch(device, "Lncc: sum products along x");
    SumAlongY(device, stream, spare, extent, radius[1], sums + moment * extent.NumberOfVoxels());
  }
}

/** The same of the coefficients, into the first three planes of `sums`, or five. */
void
SumInPlane(const Device &       device,
           cudaStream_t         stream,
           const Coefficients & coefficients,
           const Extent &       extent,
           const int (&radius)[3],
           float * sums,
           float * spare)
{
  const int quantities = coefficients.fixedA ? NumberOfCoefficientsForBoth : NumberOfCoefficients;
  const float * const planes[NumberOfCoefficientsForBoth] = {
    coefficients.a, coefficients.b, coefficients.c, coefficients.fixedB, coefficients.fixedA
  };
  for (int q = 0; q < quantities; ++q)
  {
    SumAlongXKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(planes[q], extent, radius[0], spare);
    CheckLaunch(device, "Lncc: sum along x");
    SumAlongY(device, stream, spare, extent, radius[1], sums + q * extent.NumberOfVoxels());
  }
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
