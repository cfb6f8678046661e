// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 24 bytes (displacement and its tangent in) and per component 12 (image and its tangent in, output out),
// 4 more of a weight. 16 gathered corners of one cell per component.
#include "../Operators/ResampleTangent.h"

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
struct TangentArguments
{
  SamplingMap                  map;
  const float *                moving;
  const float *                movingTangent; ///< null: 0
  std::int64_t                 movingVoxels;
  int                          components;
  FieldComponents<const float> displacementTangent;
  const float *                weight; ///< null: 1
  float *                      output;
  bool                         clamp;
  bool                         accumulate;
};

struct VectorPair
{
  Vector3 displacement;
  Vector3 tangent;
};

template <typename TOffset>
__global__ void
__launch_bounds__(VoxelThreads) ResampleTangentKernel(const __grid_constant__ TangentArguments arguments, const Extent extent)
{
  const SamplingMap & map = arguments.map;
  const auto          load = [&](TOffset offset) {
    return VectorPair{ LoadVectorIfAny(map.field, offset), LoadVectorIfAny(arguments.displacementTangent, offset) };
  };
  ForEachVoxelAhead<TOffset>(extent, load, [&](int x, int y, int z, TOffset offset, const VectorPair & at) {
    AxisPosition p[3];
    map.Locate(x, y, z, at.displacement, p);
    const bool                reaches = arguments.clamp || map.IsInside(p);
    const LinearCell<TOffset> cell(p, map.size);
    float                     direction[3] = { at.tangent.v[0], at.tangent.v[1], at.tangent.v[2] };
    if (!map.isMatrixIdentity)
    {
      map.displacementMatrix.Multiply(at.tangent.v, direction);
    }
#pragma unroll 1
    for (int c = 0; c < arguments.components; ++c)
    {
      float tangent = 0.0f;
      float corners[8];
      if (reaches && arguments.movingTangent)
      {
        cell.Load(arguments.movingTangent + c * arguments.movingVoxels, corners);
        tangent = cell.Value(corners);
      }
      if (reaches && arguments.displacementTangent)
      {
        float gradient[3];
        cell.Load(arguments.moving + c * arguments.movingVoxels, corners);
        cell.Gradient(corners, gradient);
        tangent += gradient[0] * direction[0] + gradient[1] * direction[1] + gradient[2] * direction[2];
      }
      const std::int64_t to = c * map.plane + offset;
      if (arguments.weight)
      {
        tangent *= arguments.weight[to];
      }
      arguments.output[to] = arguments.accumulate ? arguments.output[to] + tangent : tangent;
    }
  });
}
} // namespace

void
ResampleTangent(const Device &             device,
                const ResampleParameters & parameters,
                const ConstField &         moving,
                const ConstField &         displacement,
                const ResampleDirections & directions,
                const Field &              output)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(output.lattice);
  TangentArguments   arguments{};
  arguments.map = SamplingMap(parameters, displacement, extent.NumberOfVoxels(), moving.lattice);
  arguments.moving = moving.data;
  arguments.movingTangent = directions.moving.data;
  arguments.movingVoxels = moving.lattice.NumberOfVoxels();
  arguments.components = moving.components;
  arguments.displacementTangent = FieldComponents<const float>(directions.displacement);
  arguments.weight = directions.weight.data;
  arguments.output = output.data;
  arguments.clamp = parameters.outside == Outside::Clamp;
  arguments.accumulate = parameters.accumulate;
  const auto kernel = arguments.map.isSmall ? ResampleTangentKernel<int> : ResampleTangentKernel<std::int64_t>;
  kernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(arguments, extent);
  CheckLaunch(device, "ResampleTangent");
}
} // namespace cuda
} // namespace engine
} // namespace itk
