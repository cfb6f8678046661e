// SPDX-License-Identifier: Apache-2.0
// Four kernels; the adjoint of a box sum is the same box sum, so that the gradient costs a second pair like the first.
// Bytes of DRAM per voxel, every value moved once, and flops with sliding sums:
//   1 SumProductsInPlane  28 (images in, five box sums over x and y out)                about 60
//   2 EvaluateWindows     32 (five sums in, coefficients A, B, C out; 20 without)       about 60
//   3 SumInPlane          24 (coefficients in, their box sums over x and y out)         about 20
//   4 FinishGradient      24 (three sums and the images in, gradient out; 56 by chain)  about 20 (100)
// A mask adds 5 to kernels 1 and 2 and 1 to kernel 4. Halos are read again, from the L2 cache mostly.
#include "../Operators/Lncc.h"

#include "../Math/Lncc.h"
#include "LnccPlaneSums.h"
#include "Reduce.h"
#include "Sample.h"

namespace itk
{
namespace engine
{
namespace cuda
{
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
template <bool masked>
__global__ void
__launch_bounds__(ColumnThreads) EvaluateWindowsKernel(const float * __restrict__ planeSums,
                                                       const unsigned char * __restrict__ valid,
                                                       const Extent                         extent,
                                                       const __grid_constant__ Columns      columns,
                                                       int                                  radiusX,
                                                       int                                  radiusY,
                                                       int                                  radiusZ,
                                                       float                                varianceFloor,
                                                       const __grid_constant__ Coefficients coefficients,
                                                       double * __restrict__ partials)
{
  constexpr int      moments = NumberOfMoments(masked);
  const std::int64_t voxels = extent.NumberOfVoxels();
  const std::int64_t planeSize = extent.PlaneSize();
  double             energy = 0.0;
  double             count = 0.0;
  ForEachColumn(columns, extent, [&](int inPlane, int begin, int end) {
    const float         countInPlane = static_cast<float>(WindowCount(inPlane % extent.nx, extent.nx, radiusX)) *
                               static_cast<float>(WindowCount(inPlane / extent.nx, extent.ny, radiusY));
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
      LnccWindow         window{ 0.0f, 0.0f, 0.0f, 0.0f };
      if (!masked || valid[offset] != 0)
      {
        const float windowCount =
          masked ? sum[moments - 1] : countInPlane * static_cast<float>(WindowCount(z, extent.nz, radiusZ));
        window = EvaluateLnccWindow(sum[MomentF],
                                    sum[MomentM],
                                    sum[MomentFF],
                                    sum[MomentMM],
                                    sum[MomentFM],
                                    windowCount,
                                    varianceFloor);
        energy += window.correlation;
        count += 1.0;
      }
      if (coefficients.a)
      {
        coefficients.a[offset] = window.a;
        coefficients.b[offset] = window.b;
        coefficients.c[offset] = window.c;
      }
      if (z - radiusZ >= 0)
      {
        Slide<moments, -1>(sum, column + (z - radiusZ) * planeSize, voxels);
      }
    }
  });
  StoreBlockResult<Join::Sum, Join::Sum>(energy, count, partials);
}

/** Kernel 4: sums of the coefficients along z, gradient. Reads the workspace and the images, not the coefficients. */
template <bool chained>
__global__ void
__launch_bounds__(ColumnThreads) FinishGradientKernel(const float * __restrict__ planeSums,
                                                      const __grid_constant__ Images    images,
                                                      const Extent                      extent,
                                                      const __grid_constant__ Columns   columns,
                                                      int                               radiusZ,
                                                      const __grid_constant__ ChainRule chain,
                                                      float * __restrict__ gradient)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  const std::int64_t planeSize = extent.PlaneSize();
  ForEachColumn(columns, extent, [&](int inPlane, int begin, int end) {
    const int           x = inPlane % extent.nx;
    const int           y = inPlane / extent.nx;
    const float * const column = planeSums + inPlane;
    float               sum[3] = {};
    for (int z = max(begin - radiusZ, 0); z < min(begin + radiusZ, extent.nz); ++z)
    {
      Slide<3, 1>(sum, column + z * planeSize, voxels);
    }
    for (int z = begin; z < end; ++z)
    {
      if (z + radiusZ < extent.nz)
      {
        Slide<3, 1>(sum, column + (z + radiusZ) * planeSize, voxels);
      }
      const std::int64_t offset = z * planeSize + inPlane;
      float              slope = 0.0f;
      if (!images.valid || images.valid[offset] != 0)
      {
        const float f = images.fixed[offset] - images.fixedShift;
        const float m = images.warped[offset] - images.movingShift;
        slope = -(sum[0] + 2.0f * m * sum[1] + f * sum[2]);
      }
      if (chained)
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
      if (z - radiusZ >= 0)
      {
        Slide<3, -1>(sum, column + (z - radiusZ) * planeSize, voxels);
      }
    }
  });
}

} // namespace

// Workspace, in planes of one float per voxel: 0-5 box sums of the moments, of which 0-2 take those of the coefficients
// later; 6 and 7 two of the coefficients when the gradient has room for only one. A spare plane for large windows is 6
// while there are no coefficients yet, and 3 when the moments are no longer needed.
std::int64_t
LnccWorkspace(const Lattice & lattice)
{
  return 8 * lattice.NumberOfVoxels();
}

void
Lncc(const Device &         device,
     const LnccParameters & parameters,
     const ConstField &     fixed,
     const ConstField &     warped,
     const ConstMask &      valid,
     double *               energy,
     const Field &          gradient,
     const MetricInputs *   chain,
     float *                workspace)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(fixed.lattice);
  const std::int64_t voxels = extent.NumberOfVoxels();
  const Columns      columns(extent);
  const Images images{ fixed.data, warped.data, valid.data, parameters.fixedShift, parameters.movingShift };
  // A window that covers an axis does not change when it grows.
  int radius[3];
  for (int axis = 0; axis < 3; ++axis)
  {
    radius[axis] = std::min(parameters.radius[axis], fixed.lattice.own.size[axis] - 1);
  }
  Coefficients coefficients{ nullptr, nullptr, nullptr };
  if (gradient)
  {
    const bool roomy = gradient.components == 3;
    coefficients.a = gradient.data;
    coefficients.b = roomy ? gradient.Component(1) : workspace + 6 * voxels;
    coefficients.c = roomy ? gradient.Component(2) : workspace + 7 * voxels;
  }

  SumProductsInPlane(device, stream, images, extent, radius, workspace, workspace + 6 * voxels);

  const auto evaluate = valid ? EvaluateWindowsKernel<true> : EvaluateWindowsKernel<false>;
  evaluate<<<columns.Grid(), ColumnThreads, 0, stream>>>(workspace,
                                                         valid.data,
                                                         extent,
                                                         columns,
                                                         radius[0],
                                                         radius[1],
                                                         radius[2],
                                                         parameters.varianceFloor,
                                                         coefficients,
                                                         Partials(device));
  CheckLaunch(device, "Lncc: evaluate windows");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, columns.Grid(), energy);
  if (!gradient)
  {
    return;
  }

  SumInPlane(device, stream, coefficients, extent, radius, workspace, workspace + 3 * voxels);

  const auto finish = chain ? FinishGradientKernel<true> : FinishGradientKernel<false>;
  finish<<<columns.Grid(), ColumnThreads, 0, stream>>>(
    workspace, images, extent, columns, radius[2], chain ? ChainRule(*chain) : ChainRule(), gradient.data);
  CheckLaunch(device, "Lncc: finish gradient");
}
} // namespace cuda
} // namespace engine
} // namespace itk
