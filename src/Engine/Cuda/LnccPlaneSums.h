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
// The half of Lncc.cu that sums over x and y: kernels 1 and 3 of its list, and their slower twins for windows too large
// for a tile. Included by Lncc.cu alone.
namespace
{
// Kernels 1 and 3: a block sums a tile of one plane. A thread makes four neighbouring sums along x, then four along y,
// each sum from the one before by what enters and what leaves the window. Four is few enough to lose no digits.
constexpr int TileX = 32;
constexpr int TileY = 16;
constexpr int Run = 4;
constexpr int TileThreads = TileX * (TileY / Run);
constexpr int TileWarps = TileThreads / 32;
constexpr int RunsPerRow = TileX / Run;
/** Rows of sums in shared memory: an odd pitch, because eight runs of four rows are written by a warp at once. */
constexpr int SumPitch = TileX + 1;
/** Windows this narrow along y are summed anew at each step: hardly more work, and their few terms leave no room for the
 * rounding of a running sum. */
constexpr int NarrowRadius = 1;
/** Larger radii along x or y take the path without shared memory. */
constexpr int MaximumTileRadius = 15;

/** Rows of values in shared memory. A warp reads eight runs of four rows at once, words 4 g + row * pitch: with a pitch
 * of 1 modulo 4 no two of them share a bank. */
__host__ __device__ constexpr int
ValuePitch(int radius)
{
  return TileX + 2 * radius + (radius % 2 == 0 ? 1 : 3);
}

/** Shared memory of a tile kernel: values to sum, and sums along x. */
std::size_t
TileBytes(int values, int sums, int radiusX, int radiusY)
{
  const std::size_t rows = TileY + 2 * radiusY;
  return rows * (values * ValuePitch(radiusX) + sums * SumPitch) * sizeof(float);
}

/** Second half of kernels 1 and 3: from sums along x in shared memory to box sums in global memory. */
template <int quantities>
__device__ __forceinline__ void
StoreSumsAlongY(const float *  sums,
                int            radius,
                const Extent & extent,
                int            firstX,
                int            firstY,
                int            z,
                float * __restrict__ output)
{
  const int column = threadIdx.x % TileX;
  const int firstRow = threadIdx.x / TileX * Run;
  const int x = firstX + column;
  const int y = firstY + firstRow;
  if (x >= extent.nx)
  {
    return;
  }
  const std::int64_t voxels = extent.NumberOfVoxels();
  const int          quantitySize = (TileY + 2 * radius) * SumPitch;
  float *            target = output + static_cast<std::int64_t>(z) * extent.PlaneSize() + (y * extent.nx + x);
#pragma unroll
  for (int q = 0; q < quantities; ++q)
  {
    const float * const line = sums + q * quantitySize + firstRow * SumPitch + column;
    float               sum = 0.0f;
#pragma unroll
    for (int j = 0; j < Run; ++j)
    {
      if (j == 0 || radius <= NarrowRadius)
      {
        sum = 0.0f;
        for (int k = 0; k <= 2 * radius; ++k)
        {
          sum += line[(k + j) * SumPitch];
        }
      }
      else
      {
        sum += line[(2 * radius + j) * SumPitch] - line[(j - 1) * SumPitch];
      }
      if (y + j < extent.ny)
      {
        target[j * extent.nx] = sum;
      }
    }
    target += voxels;
  }
}

/** Kernel 1. The second launch bound leaves room for registers: shared memory limits the blocks anyway.
 * Voxels outside the image or the mask enter as zeros, and count as none. */
template <bool masked>
__global__ void
__launch_bounds__(TileThreads, 8) SumProductsInPlaneKernel(const Images images,
                                                           const Extent extent,
                                                           int          radiusX,
                                                           int          radiusY,
                                                           float * __restrict__ output)
{
  extern __shared__ float shared[];
  constexpr int           moments = NumberOfMoments(masked);
  const int               pitch = ValuePitch(radiusX);
  const int               rows = TileY + 2 * radiusY;
  float * const           fixed = shared;
  float * const           warped = fixed + rows * pitch;
  float * const           counts = warped + rows * pitch;
  float * const           sums = counts + (masked ? rows * pitch : 0);
  const int               firstX = blockIdx.x * TileX;
  const int               firstY = blockIdx.y * TileY;
  const int               z = blockIdx.z;
  const std::int64_t      plane = static_cast<std::int64_t>(z) * extent.PlaneSize();

  for (int row = threadIdx.x / 32; row < rows; row += TileWarps)
  {
    const int  y = firstY + row - radiusY;
    const bool rowInside = y >= 0 && y < extent.ny;
    for (int column = threadIdx.x % 32; column < TileX + 2 * radiusX; column += 32)
    {
      const int  x = firstX + column - radiusX;
      const bool inside = rowInside && x >= 0 && x < extent.nx;
      const int  inPlane = inside ? y * extent.nx + x : 0;
      const bool included = inside && (!masked || images.valid[plane + inPlane] != 0);
      fixed[row * pitch + column] = included ? images.fixed[plane + inPlane] - images.fixedShift : 0.0f;
      warped[row * pitch + column] = included ? images.warped[plane + inPlane] - images.movingShift : 0.0f;
      if (masked)
      {
        counts[row * pitch + column] = included ? 1.0f : 0.0f;
      }
    }
  }
  __syncthreads();

  for (int item = threadIdx.x; item < rows * RunsPerRow; item += TileThreads)
  {
    const int           row = item / RunsPerRow;
    const int           firstColumn = item % RunsPerRow * Run;
    const float * const f = fixed + row * pitch + firstColumn;
    const float * const m = warped + row * pitch + firstColumn;
    const float * const n = counts + row * pitch + firstColumn;
    float               sum[moments] = {};
    for (int k = 0; k <= 2 * radiusX; ++k)
    {
      sum[MomentF] += f[k];
      sum[MomentM] += m[k];
      sum[MomentFF] += f[k] * f[k];
      sum[MomentMM] += m[k] * m[k];
      sum[MomentFM] += f[k] * m[k];
      if (masked)
      {
        sum[moments - 1] += n[k];
      }
    }
#pragma unroll
    for (int j = 0; j < Run; ++j)
    {
      if (j > 0)
      {
        const float enteringF = f[2 * radiusX + j];
        const float enteringM = m[2 * radiusX + j];
        const float leavingF = f[j - 1];
        const float leavingM = m[j - 1];
        sum[MomentF] += enteringF - leavingF;
        sum[MomentM] += enteringM - leavingM;
        sum[MomentFF] += (enteringF - leavingF) * (enteringF + leavingF);
        sum[MomentMM] += (enteringM - leavingM) * (enteringM + leavingM);
        sum[MomentFM] += enteringF * enteringM - leavingF * leavingM;
        if (masked)
        {
          sum[moments - 1] += n[2 * radiusX + j] - n[j - 1];
        }
      }
#pragma unroll
      for (int q = 0; q < moments; ++q)
      {
        sums[(q * rows + row) * SumPitch + firstColumn + j] = sum[q];
      }
    }
  }
  __syncthreads();

  StoreSumsAlongY<moments>(sums, radiusY, extent, firstX, firstY, z, output);
}

/** Kernel 3. */
template <int quantities>
__global__ void
__launch_bounds__(TileThreads) SumInPlaneKernel(const Coefficients coefficients,
                                                const Extent       extent,
                                                int                radiusX,
                                                int                radiusY,
                                                float * __restrict__ output)
{
  extern __shared__ float shared[];
  const int               pitch = ValuePitch(radiusX);
  const int               rows = TileY + 2 * radiusY;
  float * const           sums = shared + quantities * rows * pitch;
  const int               firstX = blockIdx.x * TileX;
  const int               firstY = blockIdx.y * TileY;
  const int               z = blockIdx.z;
  const std::int64_t      plane = static_cast<std::int64_t>(z) * extent.PlaneSize();

  for (int row = threadIdx.x / 32; row < rows; row += TileWarps)
  {
    const int  y = firstY + row - radiusY;
    const bool rowInside = y >= 0 && y < extent.ny;
    for (int column = threadIdx.x % 32; column < TileX + 2 * radiusX; column += 32)
    {
      const int          x = firstX + column - radiusX;
      const bool         inside = rowInside && x >= 0 && x < extent.nx;
      const std::int64_t offset = plane + (inside ? y * extent.nx + x : 0);
      float * const      value = shared + row * pitch + column;
      value[0] = inside ? coefficients.a[offset] : 0.0f;
      value[rows * pitch] = inside ? coefficients.b[offset] : 0.0f;
      value[2 * rows * pitch] = inside ? coefficients.c[offset] : 0.0f;
      if (quantities == NumberOfCoefficientsForBoth)
      {
        value[3 * rows * pitch] = inside ? coefficients.fixedB[offset] : 0.0f;
        value[4 * rows * pitch] = inside ? coefficients.fixedA[offset] : 0.0f;
      }
    }
  }
  __syncthreads();

  for (int item = threadIdx.x; item < rows * RunsPerRow; item += TileThreads)
  {
    const int row = item / RunsPerRow;
    const int firstColumn = item % RunsPerRow * Run;
#pragma unroll
    for (int q = 0; q < quantities; ++q)
    {
      const float * const value = shared + (q * rows + row) * pitch + firstColumn;
      float * const       target = sums + (q * rows + row) * SumPitch + firstColumn;
      float               sum = 0.0f;
      for (int k = 0; k <= 2 * radiusX; ++k)
      {
        sum += value[k];
      }
      target[0] = sum;
#pragma unroll
      for (int j = 1; j < Run; ++j)
      {
        sum += value[2 * radiusX + j] - value[j - 1];
        target[j] = sum;
      }
    }
  }
  __syncthreads();

  StoreSumsAlongY<quantities>(sums, radiusY, extent, firstX, firstY, z, output);
}

// For windows too large for a tile: one quantity at a time, first along x (directly, through the L1 cache), then along
// y (sliding), through one plane of intermediate results. float64, since a sum may have thousands of terms.

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

dim3
TileGrid(const Extent & extent)
{
  return dim3((extent.nx + TileX - 1) / TileX, (extent.ny + TileY - 1) / TileY, extent.nz);
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
  if (std::max(radius[0], radius[1]) <= MaximumTileRadius)
  {
    const auto        kernel = masked ? SumProductsInPlaneKernel<true> : SumProductsInPlaneKernel<false>;
    const std::size_t bytes = TileBytes(masked ? 3 : 2, NumberOfMoments(masked), radius[0], radius[1]);
    AllowSharedMemory(device, kernel, bytes);
    kernel<<<TileGrid(extent), TileThreads, bytes, stream>>>(images, extent, radius[0], radius[1], sums);
    CheckLaunch(device, "Lncc: sum products in plane");
    return;
  }
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
  if (std::max(radius[0], radius[1]) <= MaximumTileRadius)
  {
    const auto        kernel = coefficients.fixedA ? SumInPlaneKernel<NumberOfCoefficientsForBoth>
                                                   : SumInPlaneKernel<NumberOfCoefficients>;
    const std::size_t bytes = TileBytes(quantities, quantities, radius[0], radius[1]);
    AllowSharedMemory(device, kernel, bytes);
    kernel<<<TileGrid(extent), TileThreads, bytes, stream>>>(coefficients, extent, radius[0], radius[1], sums);
    CheckLaunch(device, "Lncc: sum in plane");
    return;
  }
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
