// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaLnccColumns_h
#define itkEngineCudaLnccColumns_h

#include "../Math/Lncc.h"

#include "LnccPlaneSums.h"
#include "Reduce.h"

#include <algorithm>

namespace itk
{
namespace engine
{
namespace cuda
{
// The other half of what LnccPlaneSums.h begins: sums along z, and what they amount to. Included by Lncc.cu alone.
namespace
{
// Kernels 2 and 4: a thread walks along z through a segment of a column. Sums start anew in each segment, which bounds
// both the rounding error that sliding accumulates and the work of a block.
constexpr int ColumnThreads = 256;
constexpr int LongestSegment = 32;
constexpr int ShortestSegment = 8;

/** How kernels 2 and 4 cut a volume into columns. A function of the size alone, as the energy's order of summation. */
struct Columns
{
  int          segment;
  int          tilesPerPlane;
  std::int64_t tiles;

  explicit Columns(const Extent & extent)
    : segment(LongestSegment)
    , tilesPerPlane((extent.PlaneSize() + ColumnThreads - 1) / ColumnThreads)
  {
    // Small volumes in shorter pieces, so that they still reach every multiprocessor.
    constexpr std::int64_t enoughTiles = 1024;
    Count(extent);
    while (tiles < enoughTiles && segment > ShortestSegment)
    {
      segment /= 2;
      Count(extent);
    }
  }

  dim3
  Grid() const
  {
    return dim3(static_cast<unsigned int>(std::min<std::int64_t>(tiles, ReductionBlocks)));
  }

private:
  void
  Count(const Extent & extent)
  {
    tiles = static_cast<std::int64_t>(tilesPerPlane) * ((extent.nz + segment - 1) / segment);
  }
};

/** Calls function(inPlane, firstZ, endZ) for the column segments of this thread. */
template <typename TFunction>
__device__ __forceinline__ void
ForEachColumn(const Columns & columns, const Extent & extent, const TFunction & function)
{
  for (std::int64_t tile = blockIdx.x; tile < columns.tiles; tile += gridDim.x)
  {
    const int segment = static_cast<int>(tile / columns.tilesPerPlane);
    const int tileInPlane = static_cast<int>(tile - static_cast<std::int64_t>(segment) * columns.tilesPerPlane);
    const int inPlane = tileInPlane * ColumnThreads + static_cast<int>(threadIdx.x);
    if (inPlane < extent.PlaneSize())
    {
      const int begin = segment * columns.segment;
      function(inPlane, begin, min(begin + columns.segment, extent.nz));
    }
  }
}

/** Adds (sign 1) or subtracts (sign -1) one plane's values of all quantities. */
template <int quantities, int sign>
__device__ __forceinline__ void
Slide(float (&sum)[quantities], const float * __restrict__ values, std::int64_t voxels)
{
  float value[quantities];
#pragma unroll
  for (int q = 0; q < quantities; ++q)
  {
    value[q] = values[q * voxels];
  }
#pragma unroll
  for (int q = 0; q < quantities; ++q)
  {
    sum[q] = sign > 0 ? sum[q] + value[q] : sum[q] - value[q];
  }
}

/** Kernel 2: sums along z, correlation, coefficients. Centres that do not count give zeros. */
template <Counting counting, bool padded, bool both>
__global__ void
__launch_bounds__(ColumnThreads, both ? 4 : 6) EvaluateWindowsKernel(const float * __restrict__ planeSums,
                                                       const unsigned char * __restrict__ valid,
                                                       const Extent                         extent,
                                                       const __grid_constant__ Columns      columns,
                                                       const __grid_constant__ WindowWeight weight,
                                                       int                                  radiusZ,
                                                       const __grid_constant__ Coefficients coefficients,
                                                       double * __restrict__ partials)
{
  constexpr bool     counted = counting != Counting::ByPosition;
  constexpr int      moments = NumberOfMoments(counted);
  const std::int64_t voxels = extent.NumberOfVoxels();
  const std::int64_t planeSize = extent.PlaneSize();
  double             energy = 0.0;
  double             count = 0.0;
  ForEachColumn(columns, extent, [&](int inPlane, int begin, int end) {
    const float         countInPlane = static_cast<float>(WindowCount(inPlane % extent.nx, extent.nx, weight.radius[0])) *
                               static_cast<float>(WindowCount(inPlane / extent.nx, extent.ny, weight.radius[1]));
    const float * const column = planeSums + inPlane;
    float               sum[moments] = {};
    for (int z = max(begin - radiusZ, 0); z < min(begin + radiusZ, extent.nz); ++z)
    {
      Slide<moments, 1>(sum, column + z * planeSize, voxels);
    }
    for (int z = begin; z < end; ++z)
    {
      if (z + radiusZ < extent.nz)
      {
        Slide<moments, 1>(sum, column + (z + radiusZ) * planeSize, voxels);
      }
      const std::int64_t offset = z * planeSize + inPlane;
      LnccWindow         window{ 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f };
      if (!counted || !valid || valid[offset] != 0)
      {
        const float windowCount =
          counted ? sum[moments - 1]
                  : countInPlane * static_cast<float>(WindowCount(z, extent.nz, weight.radius[2]));
        window = EvaluateWindow<counting>(sum, windowCount, weight, padded);
        energy += window.correlation;
        count += 1.0;
      }
      if (coefficients.a)
      {
        coefficients.a[offset] = window.a;
        coefficients.b[offset] = window.b;
        coefficients.c[offset] = window.c;
        if (both)
        {
          coefficients.fixedB[offset] = window.fixedB;
          coefficients.fixedA[offset] = window.fixedA;
        }
      }
      if (z - radiusZ >= 0)
      {
        Slide<moments, -1>(sum, column + (z - radiusZ) * planeSize, voxels);
      }
    }
  });
  StoreBlockResult<Join::Sum, Join::Sum>(energy, count, partials);
}

/** Kernel 4: sums of the coefficients along z, derivative to the intensity of the image that `images` calls warped: for the
 * fixed one the two change places. The planes of A, B and C are `stride` apart. Reads the workspace and the images, not
 * the coefficients. `scale` is minus the component's share. */
__global__ void
__launch_bounds__(ColumnThreads) FinishGradientKernel(const float * __restrict__ planeSums,
                                                      std::int64_t                      stride,
                                                      const __grid_constant__ Images    images,
                                                      const Extent                      extent,
                                                      const __grid_constant__ Columns   columns,
                                                      int                               radiusZ,
                                                      float                             scale,
                                                      float * __restrict__ slopes)
{
  const std::int64_t planeSize = extent.PlaneSize();
  ForEachColumn(columns, extent, [&](int inPlane, int begin, int end) {
    const float * const column = planeSums + inPlane;
    float               sum[3] = {};
    for (int z = max(begin - radiusZ, 0); z < min(begin + radiusZ, extent.nz); ++z)
    {
      Slide<3, 1>(sum, column + z * planeSize, stride);
    }
    for (int z = begin; z < end; ++z)
    {
      if (z + radiusZ < extent.nz)
      {
        Slide<3, 1>(sum, column + (z + radiusZ) * planeSize, stride);
      }
      const std::int64_t offset = z * planeSize + inPlane;
      float              slope = 0.0f;
      if (!images.valid || images.valid[offset] != 0)
      {
        const float f = images.fixed[offset] - images.fixedShift;
        const float m = images.warped[offset] - images.movingShift;
        slope = scale * (sum[0] + 2.0f * m * sum[1] + f * sum[2]);
      }
      slopes[offset] = slope;
      if (z - radiusZ >= 0)
      {
        Slide<3, -1>(sum, column + (z - radiusZ) * planeSize, stride);
      }
    }
  });
}

using EvaluateWindowsFunction = decltype(&EvaluateWindowsKernel<Counting::ByPosition, false, false>);

template <Counting counting>
EvaluateWindowsFunction
ChooseEvaluation(bool padded, bool both)
{
  if (padded)
  {
    return both ? EvaluateWindowsKernel<counting, true, true> : EvaluateWindowsKernel<counting, true, false>;
  }
  return both ? EvaluateWindowsKernel<counting, false, true> : EvaluateWindowsKernel<counting, false, false>;
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
