// SPDX-License-Identifier: Apache-2.0
// Floor per component and voxel: 16 bytes of displacement and value in, 16 for clearing and reading the sums, 4 out; and
// eight 64-bit atomic additions in the L2 cache, of which neighbours in a row that
// share corners save up to four.
#include "../Operators/Splat.h"

#include "../Math/FixedPoint.h"
#include "../Operators/Reductions.h"
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
/** Floats of the workspace before the sums: the smallest and the largest value, as doubles. */
constexpr std::int64_t headFloats = 64;

using Integer = unsigned long long;
constexpr unsigned int allLanes = 0xffffffffu;

/** Enough blocks to fill a GPU some times over; each thread works out the unit once and then takes several planes. */
constexpr std::int64_t scatterBlocks = 4096;

/** Scatters one component. A lane passes the contributions to its four upper corners to the lane on its right where
 * those are that lane's lower corners, which is the rule in a smooth field. */
__global__ void
__launch_bounds__(VoxelThreads) SplatKernel(const __grid_constant__ SamplingMap map,
                                            const Extent                        extent,
                                            const float * __restrict__ value,
                                            const double * __restrict__ bounds,
                                            int  bits,
                                            bool clamp,
                                            Integer * __restrict__ sums)
{
  const FixedPoint fixedPoint(bounds[0], bounds[1], bits);
  const int        tilesX = (extent.nx + VoxelBlockX - 1) / VoxelBlockX;
  const int        tiles = tilesX * ((extent.ny + VoxelBlockY - 1) / VoxelBlockY);
  const int        lane = threadIdx.x;
  for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x)
  {
    const int x = tile % tilesX * VoxelBlockX + lane;
    const int y = tile / tilesX * VoxelBlockY + threadIdx.y;
    for (int z = blockIdx.y; z < extent.nz; z += gridDim.y)
    {
      bool         use = x < extent.nx && y < extent.ny;
      LinearAxis   axes[3] = {};
      float        v = 0.0f;
      if (use)
      {
        const std::int64_t offset = static_cast<std::int64_t>(z) * extent.PlaneSize() + y * extent.nx + x;
        AxisPosition       p[3];
        map.Locate(x, y, z, offset, p);
        use = clamp || map.IsInside(p);
        for (int d = 0; d < 3; ++d)
        {
          axes[d] = ClampLinearAxis(p[d], map.size[d]);
        }
        v = value[offset] * fixedPoint.normalise;
      }
      const std::int64_t stepY = static_cast<std::int64_t>(axes[1].upper - axes[1].lower) * map.size[0];
      const std::int64_t stepZ =
        static_cast<std::int64_t>(axes[2].upper - axes[2].lower) * map.size[0] * map.size[1];
      const std::int64_t corner =
        (static_cast<std::int64_t>(axes[2].lower) * map.size[1] + axes[1].lower) * map.size[0] + axes[0].lower;
      const int stepX = axes[0].upper - axes[0].lower;

      // Equal keys: the same four rows and the same place in them.
      const long long shape = (stepY != 0 ? 1 : 0) + (stepZ != 0 ? 2 : 0);
      const long long taken = use ? corner * 4 + shape : -1;
      const long long given = use && stepX != 0 ? (corner + 1) * 4 + shape : -2;
      const bool      gives = __shfl_down_sync(allLanes, taken, 1) == given && lane < 31;
      const bool      takes = __shfl_up_sync(allLanes, given, 1) == taken && lane > 0;

      const float wx = axes[0].weight;
      for (int k = 0; k < 4; ++k)
      {
        const float     weightY = (k & 1) != 0 ? axes[1].weight : 1.0f - axes[1].weight;
        const float     weightZ = (k & 2) != 0 ? axes[2].weight : 1.0f - axes[2].weight;
        const float     part = v * weightY * weightZ;
        const long long upper = fixedPoint.FromNormalised(part * wx);
        const long long lower = fixedPoint.FromNormalised(part * (1.0f - wx));
        const long long left = __shfl_up_sync(allLanes, upper, 1);
        if (use)
        {
          Integer * const row = sums + corner + ((k & 1) != 0 ? stepY : 0) + ((k & 2) != 0 ? stepZ : 0);
          atomicAdd(row, static_cast<Integer>(takes ? lower + left : lower));
          if (!gives)
          {
            atomicAdd(row + stepX, static_cast<Integer>(upper));
          }
        }
      }
    }
  }
}

__global__ void
__launch_bounds__(StreamThreads) RoundSumsKernel(const Integer * __restrict__ sums,
                                                 const double * __restrict__ bounds,
                                                 int   bits,
                                                 float scale,
                                                 bool  accumulate,
                                                 float * __restrict__ output,
                                                 std::int64_t count)
{
  const double       unit = scale * FixedPoint(bounds[0], bounds[1], bits).unit;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < count; i += stride)
  {
    const double sum = static_cast<double>(static_cast<long long>(sums[i])) * unit;
    output[i] = static_cast<float>(accumulate ? output[i] + sum : sum);
  }
}
} // namespace

void
Splat(const Device &             device,
      const ResampleParameters & parameters,
      const ConstField &         value,
      const ConstField &         displacement,
      float                      scale,
      const Field &              output,
      float *                    workspace)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(value.lattice);
  const std::int64_t points = value.lattice.NumberOfVoxels();
  const std::int64_t voxels = output.lattice.NumberOfVoxels();
  const SamplingMap  map(parameters, displacement, points, output.lattice);
  double * const     bounds = reinterpret_cast<double *>(workspace);
  Integer * const    sums = reinterpret_cast<Integer *>(workspace + headFloats);
  const int          bits = FixedPoint::BitsOfOne(points);
  cuda::MinimumMaximum(device, value, bounds, ConstMask());
  for (int c = 0; c < value.components; ++c)
  {
    Check(cudaMemsetAsync(sums, 0, sizeof(Integer) * voxels, stream), "cudaMemsetAsync", device.Ordinal());
    SplatKernel<<<VoxelGrid(extent, scatterBlocks), VoxelBlock(), 0, stream>>>(
      map, extent, value.Component(c), bounds, bits, parameters.outside == Outside::Clamp, sums);
    CheckLaunch(device, "Splat");
    RoundSumsKernel<<<StreamGrid(voxels), StreamThreads, 0, stream>>>(
      sums, bounds, bits, scale, parameters.accumulate, output.Component(c), voxels);
    CheckLaunch(device, "RoundSums");
  }
}

std::int64_t
SplatWorkspace(const Lattice & outputLattice)
{
  return headFloats + 2 * outputLattice.NumberOfVoxels();
}
} // namespace cuda
} // namespace engine
} // namespace itk
