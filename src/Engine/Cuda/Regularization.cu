// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 36 bytes (field in once through the caches, gradient in and out); about 30 flops for the diffusion, 600
// for the volume, whose seven determinants per voxel are computed instead of kept.
#include "../Operators/Regularization.h"

#include "../Math/Regularization.h"
#include "Reduce.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
__global__ void
__launch_bounds__(VoxelThreads) RegularizationKernel(const RegularizationParameters  parameters,
                                                     const __grid_constant__ Lattice lattice,
                                                     const Extent                    extent,
                                                     const float * __restrict__ displacement,
                                                     float * __restrict__ gradient,
                                                     double * __restrict__ partials)
{
  const std::int64_t plane = extent.NumberOfVoxels();
  double             sum = 0.0;
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    float g[3];
    sum += RegularizationAt(displacement, lattice, parameters.diffusion, parameters.volume, x, y, z, g);
    if (parameters.composedStep)
    {
      MultiplyTransposedJacobianAt(displacement, plane, lattice.own.size, x, y, z, g);
    }
    for (int c = 0; c < 3; ++c)
    {
      gradient[offset + c * plane] += g[c];
    }
  });
  StoreBlockResult<Join::Sum, Join::Sum>(sum, 0.0, partials);
}
} // namespace

void
AddRegularization(const Device &                   device,
                  const RegularizationParameters & parameters,
                  const ConstField &               displacement,
                  double *                         energy,
                  const Field &                    gradient)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(displacement.lattice);
  const dim3         grid = VoxelGrid(extent, ReductionBlocks);
  RegularizationKernel<<<grid, VoxelBlock(), 0, stream>>>(
    parameters, displacement.lattice, extent, displacement.data, gradient.data, Partials(device));
  CheckLaunch(device, "AddRegularization");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, energy, 1);
}
} // namespace cuda
} // namespace engine
} // namespace itk
