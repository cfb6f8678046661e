// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 20 bytes (displacement in, labels in once through the caches, labels out), 4 more for the weight;
// about 40 operations inside a region and 200 at a border.
#include "../Operators/ResampleLabels.h"

#include "../Math/LabelVote.h"
#include "Launch.h"
#include "Sample.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
__global__ void
__launch_bounds__(VoxelThreads) ResampleLabelsKernel(const __grid_constant__ SamplingMap map,
                                                     const Extent                        extent,
                                                     const std::int32_t * __restrict__ moving,
                                                     bool         clamp,
                                                     std::int32_t outsideLabel,
                                                     std::int32_t * __restrict__ output,
                                                     float * __restrict__ weight)
{
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    AxisPosition p[3];
    map.Locate(x, y, z, offset, p);
    LabelVote vote{ outsideLabel, 0.0f };
    if (clamp || map.IsInside(p))
    {
      const LinearAxis ax = ClampLinearAxis(p[0], map.size[0]);
      const LinearAxis ay = ClampLinearAxis(p[1], map.size[1]);
      const LinearAxis az = ClampLinearAxis(p[2], map.size[2]);
      std::int32_t     corners[8];
#pragma unroll
      for (int k = 0; k < 4; ++k)
      {
        const int          j = (k & 1) != 0 ? ay.upper : ay.lower;
        const int          i = (k & 2) != 0 ? az.upper : az.lower;
        const std::int64_t row = (static_cast<std::int64_t>(i) * map.size[1] + j) * map.size[0];
        corners[2 * k] = moving[row + ax.lower];
        corners[2 * k + 1] = moving[row + ax.upper];
      }
      vote = Vote(corners, ax.weight, ay.weight, az.weight);
    }
    output[offset] = vote.label;
    if (weight)
    {
      weight[offset] = vote.weight;
    }
  });
}
} // namespace

void
ResampleLabels(const Device &             device,
               const ResampleParameters & parameters,
               const ConstLabels &        moving,
               const ConstField &         displacement,
               std::int32_t               outsideLabel,
               const Labels &             output,
               const Field &              weight)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(output.lattice);
  const SamplingMap  map(parameters, displacement, extent.NumberOfVoxels(), moving.lattice);
  ResampleLabelsKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(
    map, extent, moving.data, parameters.outside == Outside::Clamp, outsideLabel, output.data, weight.data);
  CheckLaunch(device, "ResampleLabels");
}
} // namespace cuda
} // namespace engine
} // namespace itk
