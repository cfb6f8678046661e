// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 36 bytes (displacement in once through the caches, inverse in and out); about 200 flops and 24 gathered
// corners per iteration, of which a voxel takes as many as it needs.
#include "../Operators/RefineInverse.h"

#include "../Math/RefineInverse.h"
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
struct RefineArguments
{
  FieldComponents<const float> displacement;
  FieldComponents<float>       inverse;
  int                          size[3];
  float                        tolerance;
  int                          maximumIterations;
  int                          maximumCells;
  bool                         clamp;
};

template <typename TOffset>
__global__ void
__launch_bounds__(VoxelThreads) RefineInverseKernel(const __grid_constant__ RefineArguments arguments,
                                                    const Extent                            extent,
                                                    double * __restrict__ partials)
{
  double sum = 0.0;
  double maximum = 0.0;
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    const auto sample = [&](const float(&v)[3], float(&u)[3], float(&g)[3][3]) {
      const AxisPosition p[3] = { LocateOnAxis(x, v[0]), LocateOnAxis(y, v[1]), LocateOnAxis(z, v[2]) };
      if (!arguments.clamp && !IsInside(p, arguments.size))
      {
#pragma unroll
        for (int c = 0; c < 3; ++c)
        {
          u[c] = g[c][0] = g[c][1] = g[c][2] = 0.0f;
        }
        return;
      }
      const LinearCell<TOffset> cell(p, arguments.size);
#pragma unroll
      for (int c = 0; c < 3; ++c)
      {
        float corners[8];
        cell.Load(arguments.displacement.component[c], corners);
        u[c] = cell.Value(corners);
        cell.Gradient(corners, g[c]);
      }
    };
    float v[3] = { arguments.inverse.component[0][offset],
                   arguments.inverse.component[1][offset],
                   arguments.inverse.component[2][offset] };
    const double residual =
      RefineInverseAt(sample, arguments.tolerance, arguments.maximumIterations, arguments.maximumCells, v);
#pragma unroll
    for (int c = 0; c < 3; ++c)
    {
      arguments.inverse.component[c][offset] = v[c];
    }
    sum += residual;
    maximum = JoinValues<Join::Maximum>(maximum, residual);
  });
  StoreBlockResult<Join::Sum, Join::Maximum>(sum, maximum, partials);
}
} // namespace

void
RefineInverse(const Device &                  device,
              const RefineInverseParameters & parameters,
              const ConstField &              displacement,
              const Field &                   inverse,
              double *                        residuals)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(inverse.lattice);
  RefineArguments    arguments{};
  arguments.displacement = FieldComponents<const float>(displacement);
  arguments.inverse = FieldComponents<float>(inverse);
  std::copy(displacement.lattice.own.size, displacement.lattice.own.size + 3, arguments.size);
  arguments.tolerance = parameters.tolerance;
  arguments.maximumIterations = parameters.maximumIterations;
  arguments.maximumCells = parameters.maximumCells;
  arguments.clamp = parameters.outside == Outside::Clamp;
  const dim3 grid = VoxelGrid(extent, ReductionBlocks);
  const auto kernel = IsSmall(displacement.lattice) ? RefineInverseKernel<int> : RefineInverseKernel<std::int64_t>;
  kernel<<<grid, VoxelBlock(), 0, stream>>>(arguments, extent, Partials(device));
  CheckLaunch(device, "RefineInverse");
  FinishReduction<Join::Sum, Join::Maximum>(device, stream, grid, residuals);
}
} // namespace cuda
} // namespace engine
} // namespace itk
