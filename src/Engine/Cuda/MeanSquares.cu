// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 8 bytes for the value, 12 with the scalar gradient, 36 with the gradient to the displacement
// (displacement and moving image in, three planes out); 5 to 60 flops.
#include "../Operators/MeanSquares.h"

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
enum class Derivative
{
  None,
  Intensity,
  Displacement
};

template <Derivative derivative>
__global__ void
__launch_bounds__(VoxelThreads) MeanSquaresKernel(const __grid_constant__ ChainRule chain,
                                                  const Extent                      extent,
                                                  const float * __restrict__ fixed,
                                                  const float * __restrict__ warped,
                                                  const unsigned char * __restrict__ valid,
                                                  float * __restrict__ gradient,
                                                  double * __restrict__ partials)
{
  double             sum = 0.0;
  double             count = 0.0;
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    float slope = 0.0f;
    // A voxel that does not count may hold anything, NaN included: not even its product with 0 is taken.
    if (!valid || valid[offset] != 0)
    {
      const float difference = warped[offset] - fixed[offset];
      sum += static_cast<double>(difference) * difference;
      count += 1.0;
      slope = 2.0f * difference;
    }
    if (derivative == Derivative::Intensity)
    {
      gradient[offset] = slope;
    }
    else if (derivative == Derivative::Displacement)
    {
      float g[3];
      chain.Apply(slope, x, y, z, offset, g);
      gradient[offset] = g[0];
      gradient[offset + voxels] = g[1];
      gradient[offset + 2 * voxels] = g[2];
    }
  });
  StoreBlockResult<Join::Sum, Join::Sum>(sum, count, partials);
}
} // namespace

void
MeanSquares(const Device &       device,
            const ConstField &   fixed,
            const ConstField &   warped,
            const ConstMask &    valid,
            double *             energy,
            const Field &        gradient,
            const MetricInputs * chain)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(fixed.lattice);
  const dim3         grid = VoxelGrid(extent, ReductionBlocks);
  const auto         kernel = !gradient ? MeanSquaresKernel<Derivative::None>
                                        : (chain ? MeanSquaresKernel<Derivative::Displacement>
                                                 : MeanSquaresKernel<Derivative::Intensity>);
  kernel<<<grid, VoxelBlock(), 0, stream>>>(chain ? ChainRule(*chain) : ChainRule(),
                                            extent,
                                            fixed.data,
                                            warped.data,
                                            valid.data,
                                            gradient.data,
                                            Partials(device));
  CheckLaunch(device, "MeanSquares");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, energy);
}
} // namespace cuda
} // namespace engine
} // namespace itk
