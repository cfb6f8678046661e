// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 16 bytes for the determinant (field in once through the caches, scalar out), 13 for a pass of the
// folding guard without folds (field in, a byte out), about 60 flops.
#include "../Operators/JacobianDeterminant.h"

#include "../Math/Interpolation.h"
#include "../Math/Jacobian.h"
#include "FieldComponents.h"
#include "Reduce.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
/** T times the derivative of u, for the matrix 1 + T du/dx. */
__device__ __forceinline__ void
MultiplyDerivative(const Matrix3 & toIndex, float (&j)[3][3])
{
#pragma unroll
  for (int axis = 0; axis < 3; ++axis)
  {
    float derivative[3];
    float column[3];
#pragma unroll
    for (int c = 0; c < 3; ++c)
    {
      derivative[c] = j[c][axis];
    }
    toIndex.Multiply(derivative, column);
#pragma unroll
    for (int c = 0; c < 3; ++c)
    {
      j[c][axis] = column[c];
    }
  }
}

/** Minima in float32, exact as they are, and whole numbers in 32 bits: a thread does not convert per voxel. */
template <typename TOffset, bool identity>
__global__ void
__launch_bounds__(VoxelThreads, 4) DeterminantKernel(const __grid_constant__ Matrix3                      toIndex,
                                                     const Extent                                         extent,
                                                     const __grid_constant__ FieldComponents<const float> displacement,
                                                     float * __restrict__ output,
                                                     double * __restrict__ partials)
{
  float minimum = HUGE_VALF;
  int   folded = 0;
  ForEachNeighbourhood<TOffset>(extent, displacement, [&](int, int, int, TOffset offset, const Neighbourhood & u) {
    float j[3][3];
    u.Derivative(j);
    if (!identity)
    {
      MultiplyDerivative(toIndex, j);
    }
    AddIdentity(j);
    const float determinant = Determinant(j);
    if (output)
    {
      output[offset] = determinant;
    }
    // NaN wins
    minimum = minimum < determinant || minimum != minimum ? minimum : determinant;
    folded += determinant > 0.0f ? 0 : 1;
  });
  if (partials)
  {
    StoreBlockResult<Join::Minimum, Join::Sum>(minimum, folded, partials);
  }
}

/** Tiles of the folding guard: a byte says whether one or a neighbour holds a fold, so that those far from folds cost next
 * to nothing. */
struct FoldTiles
{
  static constexpr int Planes = 8;

  unsigned char * nearFold;
  int             nx;
  int             ny;
  int             nz;

  /** The bytes lie behind the reduction's in the device's scratch memory. */
  FoldTiles(const Device & device, const Extent & extent)
    : nearFold(static_cast<unsigned char *>(device.Scratch()) + ReductionBlocks * 2 * sizeof(double))
    , nx((extent.nx + VoxelBlockX - 1) / VoxelBlockX)
    , ny((extent.ny + VoxelBlockY - 1) / VoxelBlockY)
    , nz((extent.nz + Planes - 1) / Planes)
  {
    constexpr std::size_t room = Device::ScratchBytes - ReductionBlocks * 2 * sizeof(double);
    if (Bytes() > room)
    {
      ThrowError("the folding guard takes at most ", room * VoxelThreads * Planes, " voxels");
    }
  }

  std::size_t
  Bytes() const
  {
    return static_cast<std::size_t>(nx) * ny * nz;
  }

  dim3
  Grid() const
  {
    return dim3(static_cast<unsigned int>(nx * ny), static_cast<unsigned int>(std::min(nz, 65535)));
  }

  /** The tiles that the 26 neighbours of a voxel lie in, and its own. */
  __device__ __forceinline__ void
  Mark(int x, int y, int z) const
  {
    for (int k = max(z - 1, 0) / Planes; k <= min((z + 1) / Planes, nz - 1); ++k)
    {
      for (int j = max(y - 1, 0) / VoxelBlockY; j <= min((y + 1) / VoxelBlockY, ny - 1); ++j)
      {
        for (int i = max(x - 1, 0) / VoxelBlockX; i <= min((x + 1) / VoxelBlockX, nx - 1); ++i)
        {
          nearFold[(k * ny + j) * nx + i] = 1;
        }
      }
    }
  }

  /** Calls function(x, y, z, offset) for the voxels of this thread in tiles near folds. */
  template <typename TFunction>
  __device__ __forceinline__ void
  ForEachVoxelNearFolds(const Extent & extent, const TFunction & function) const
  {
    const int tileX = static_cast<int>(blockIdx.x) % nx;
    const int tileY = static_cast<int>(blockIdx.x) / nx;
    const int x = tileX * VoxelBlockX + static_cast<int>(threadIdx.x);
    const int y = tileY * VoxelBlockY + static_cast<int>(threadIdx.y);
    if (x >= extent.nx || y >= extent.ny)
    {
      return;
    }
    for (int tileZ = blockIdx.y; tileZ < nz; tileZ += gridDim.y)
    {
      if (nearFold[(tileZ * ny + tileY) * nx + tileX] != 0)
      {
        const int end = min((tileZ + 1) * Planes, extent.nz);
        for (int z = tileZ * Planes; z < end; ++z)
        {
          function(x, y, z, static_cast<std::int64_t>(z) * extent.PlaneSize() + (y * extent.nx + x));
        }
      }
    }
  }
};

template <typename TOffset, bool oneSided>
__global__ void
__launch_bounds__(VoxelThreads, 4) MarkFoldsKernel(const FoldLimits                                     limits,
                                                   const FoldTiles                                      tiles,
                                                   const Extent                                         extent,
                                                   const __grid_constant__ FieldComponents<const float> displacement,
                                                   unsigned char * __restrict__ flags,
                                                   double * __restrict__ partials)
{
  int count = 0;
  ForEachNeighbourhood<TOffset>(extent, displacement, [&](int x, int y, int z, TOffset offset, const Neighbourhood & u) {
    float j[3][3];
    u.Derivative(j);
    AddIdentity(j);
    int fold = Determinant(j) >= limits.central ? 0 : 1;
    if (oneSided)
    {
      float differences[2][3][3];
      u.OneSided(differences);
      fold |= OneSidedDeterminantsReach(differences, limits.oneSided) ? 0 : 1;
    }
    flags[offset] = static_cast<unsigned char>(fold);
    count += fold;
    if (fold)
    {
      tiles.Mark(x, y, z);
    }
  });
  StoreBlockResult<Join::Sum, Join::Sum>(count, 0.0, partials);
}

/** True if a voxel or one of its 26 neighbours is flagged. */
__device__ __forceinline__ bool
IsNearFold(const unsigned char * flags, const Extent & extent, int x, int y, int z)
{
  for (int k = max(z - 1, 0); k <= min(z + 1, extent.nz - 1); ++k)
  {
    for (int j = max(y - 1, 0); j <= min(y + 1, extent.ny - 1); ++j)
    {
      const unsigned char * row = flags + static_cast<std::int64_t>(k) * extent.PlaneSize() + j * extent.nx;
      for (int i = max(x - 1, 0); i <= min(x + 1, extent.nx - 1); ++i)
      {
        if (row[i] != 0)
        {
          return true;
        }
      }
    }
  }
  return false;
}

/** Means go to the workspace first: they are those of the field before the pass. */
__global__ void
__launch_bounds__(VoxelThreads, 4) AverageNearFoldsKernel(const Extent    extent,
                                                          const FoldTiles tiles,
                                                          const unsigned char * __restrict__ flags,
                                                          const float * __restrict__ displacement,
                                                          float * __restrict__ average)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  tiles.ForEachVoxelNearFolds(extent, [&](int x, int y, int z, std::int64_t offset) {
    if (!IsNearFold(flags, extent, x, y, z))
    {
      return;
    }
    for (int c = 0; c < 3; ++c)
    {
      const float * const field = displacement + c * voxels;
      float               sum = 0.0f;
      for (int k = -1; k <= 1; ++k)
      {
        for (int j = -1; j <= 1; ++j)
        {
          const float * const row =
            field + static_cast<std::int64_t>(ClampIndex(z + k, extent.nz)) * extent.PlaneSize() +
            ClampIndex(y + j, extent.ny) * extent.nx;
          for (int i = -1; i <= 1; ++i)
          {
            sum += row[ClampIndex(x + i, extent.nx)];
          }
        }
      }
      average[offset + c * voxels] = sum * (1.0f / 27.0f);
    }
  });
}

__global__ void
__launch_bounds__(VoxelThreads) ReplaceNearFoldsKernel(const Extent    extent,
                                                       const FoldTiles tiles,
                                                       const unsigned char * __restrict__ flags,
                                                       const float * __restrict__ average,
                                                       float * __restrict__ displacement)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  tiles.ForEachVoxelNearFolds(extent, [&](int x, int y, int z, std::int64_t offset) {
    if (IsNearFold(flags, extent, x, y, z))
    {
      for (int c = 0; c < 3; ++c)
      {
        displacement[offset + c * voxels] = average[offset + c * voxels];
      }
    }
  });
}
} // namespace

void
JacobianDeterminant(const Device &     device,
                    const Matrix3 &    toIndex,
                    const ConstField & displacement,
                    const Field &      output,
                    double *           minimum)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(displacement.lattice);
  const dim3         grid = VoxelGrid(extent, ReductionBlocks);
  const bool         isSmall = IsSmall(displacement.lattice);
  const auto         kernel = toIndex.IsIdentity()
                                ? (isSmall ? DeterminantKernel<int, true> : DeterminantKernel<std::int64_t, true>)
                                : (isSmall ? DeterminantKernel<int, false> : DeterminantKernel<std::int64_t, false>);
  kernel<<<grid, VoxelBlock(), 0, stream>>>(toIndex,
                                            extent,
                                            FieldComponents<const float>(displacement),
                                            output.data,
                                            minimum ? Partials(device) : nullptr);
  CheckLaunch(device, "JacobianDeterminant");
  if (minimum)
  {
    FinishReduction<Join::Minimum, Join::Sum>(device, stream, grid, minimum);
  }
}

void
RelaxFolds(const Device &     device,
           const FoldLimits & limits,
           const Field &      displacement,
           double *           count,
           const Mask &       flags,
           const Field &      workspace)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(displacement.lattice);
  const FoldTiles    tiles(device, extent);
  const dim3         grid = VoxelGrid(extent, ReductionBlocks);
  device.SetZero(tiles.nearFold, tiles.Bytes());
  const bool isSmall = IsSmall(displacement.lattice);
  const auto mark = limits.oneSided > -std::numeric_limits<float>::infinity()
                      ? (isSmall ? MarkFoldsKernel<int, true> : MarkFoldsKernel<std::int64_t, true>)
                      : (isSmall ? MarkFoldsKernel<int, false> : MarkFoldsKernel<std::int64_t, false>);
  mark<<<grid, VoxelBlock(), 0, stream>>>(
    limits, tiles, extent, FieldComponents<const float>(ConstField(displacement)), flags.data, Partials(device));
  CheckLaunch(device, "RelaxFolds: mark");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, count, 1);
  AverageNearFoldsKernel<<<tiles.Grid(), VoxelBlock(), 0, stream>>>(
    extent, tiles, flags.data, displacement.data, workspace.data);
  CheckLaunch(device, "RelaxFolds: average");
  ReplaceNearFoldsKernel<<<tiles.Grid(), VoxelBlock(), 0, stream>>>(
    extent, tiles, flags.data, workspace.data, displacement.data);
  CheckLaunch(device, "RelaxFolds: replace");
}
} // namespace cuda
} // namespace engine
} // namespace itk
