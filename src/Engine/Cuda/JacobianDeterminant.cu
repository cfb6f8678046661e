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
  ForEachNeighbourhood<TOffset>(extent, displacement, [&](TOffset offset, const Neighbourhood & u) {
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

template <typename TOffset>
__global__ void
__launch_bounds__(VoxelThreads, 4) MarkFoldsKernel(float                                                threshold,
                                                   const Extent                                         extent,
                                                   const __grid_constant__ FieldComponents<const float> displacement,
                                                   unsigned char * __restrict__ flags,
                                                   double * __restrict__ partials)
{
  int count = 0;
  ForEachNeighbourhood<TOffset>(extent, displacement, [&](TOffset offset, const Neighbourhood & u) {
    float j[3][3];
    u.Derivative(j);
    AddIdentity(j);
    const int fold = Determinant(j) >= threshold ? 0 : 1;
    flags[offset] = static_cast<unsigned char>(fold);
    count += fold;
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
__launch_bounds__(VoxelThreads, 4) AverageNearFoldsKernel(const Extent extent,
                                                          const double * __restrict__ count,
                                                          const unsigned char * __restrict__ flags,
                                                          const float * __restrict__ displacement,
                                                          float * __restrict__ average)
{
  if (*count == 0.0)
  {
    return;
  }
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
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
__launch_bounds__(VoxelThreads) ReplaceNearFoldsKernel(const Extent extent,
                                                       const double * __restrict__ count,
                                                       const unsigned char * __restrict__ flags,
                                                       const float * __restrict__ average,
                                                       float * __restrict__ displacement)
{
  if (*count == 0.0)
  {
    return;
  }
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
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
RelaxFolds(const Device & device,
           float          threshold,
           const Field &  displacement,
           double *       count,
           const Mask &   flags,
           const Field &  workspace)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(displacement.lattice);
  // The bounded grid also keeps a pass without folds cheap: few blocks start only to return.
  const dim3 grid = VoxelGrid(extent, ReductionBlocks);
  const auto mark = IsSmall(displacement.lattice) ? MarkFoldsKernel<int> : MarkFoldsKernel<std::int64_t>;
  mark<<<grid, VoxelBlock(), 0, stream>>>(
    threshold, extent, FieldComponents<const float>(ConstField(displacement)), flags.data, Partials(device));
  CheckLaunch(device, "RelaxFolds: mark");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, count, 1);
  AverageNearFoldsKernel<<<grid, VoxelBlock(), 0, stream>>>(
    extent, count, flags.data, displacement.data, workspace.data);
  CheckLaunch(device, "RelaxFolds: average");
  ReplaceNearFoldsKernel<<<grid, VoxelBlock(), 0, stream>>>(
    extent, count, flags.data, workspace.data, displacement.data);
  CheckLaunch(device, "RelaxFolds: replace");
}
} // namespace cuda
} // namespace engine
} // namespace itk
