// SPDX-License-Identifier: Apache-2.0
// Per voxel: 24 bytes of the displacement and its tangent in; per component 16 gathered corners, and 4 bytes out.
#include "../Operators/ResampleTangent.h"

#include "LinearSampling.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
using Row = float[SamplingBlock::Capacity];

/** to = B from. */
ITK_ENGINE_ROW void
MultiplyRow(const Matrix3 & matrix, const float * const (&from)[3], Row (&to)[3], int count)
{
  for (int i = 0; i < count; ++i)
  {
    const float d[3] = { from[0][i], from[1][i], from[2][i] };
    float       v[3];
    matrix.Multiply(d, v);
    to[0][i] = v[0];
    to[1][i] = v[1];
    to[2][i] = v[2];
  }
}

/** values += gradient . direction. */
ITK_ENGINE_ROW void
AddDerivative(const Row (&gradient)[3], const Row (&direction)[3], float * values, int count)
{
  for (int i = 0; i < count; ++i)
  {
    values[i] += gradient[0][i] * direction[0][i] + gradient[1][i] * direction[1][i] + gradient[2][i] * direction[2][i];
  }
}

ITK_ENGINE_ROW void
StoreRow(const float * values, const float * weight, bool accumulate, float * output, int count)
{
  for (int i = 0; i < count; ++i)
  {
    const float value = weight ? weight[i] * values[i] : values[i];
    output[i] = accumulate ? output[i] + value : value;
  }
}
} // namespace

void
ResampleTangent(const Device &,
                const ResampleParameters & parameters,
                const ConstField &         moving,
                const ConstField &         displacement,
                const ResampleDirections & directions,
                const Field &              output)
{
  RequireSamplingSize(moving.lattice);
  const Lattice & domain = output.lattice;
  const bool      clamp = parameters.outside == Outside::Clamp;
  const int       nx = domain.size[0];
  ParallelForRows(domain, [&](int y, int z, std::int64_t) {
    SamplingBlock block;
    Row           tangent;
    Row           sampled[3];
    Row           direction[3];
    float * const sampledRows[3] = { sampled[0], sampled[1], sampled[2] };
    for (int x = 0; x < nx; x += SamplingBlock::Capacity)
    {
      const int          count = std::min(SamplingBlock::Capacity, nx - x);
      const std::int64_t offset = domain.Offset(x, y, z);
      const float *      u[3] = {};
      const float *      du[3] = {};
      for (int c = 0; c < 3; ++c)
      {
        u[c] = displacement ? displacement.Component(c) + offset : nullptr;
        du[c] = directions.displacement ? directions.displacement.Component(c) + offset : nullptr;
      }
      Locate(block, parameters.affine, &parameters.displacementMatrix, u, 1.0f, moving.lattice.size, x, y, z, count);
      if (directions.displacement)
      {
        MultiplyRow(parameters.displacementMatrix, du, direction, count);
      }
      for (int c = 0; c < moving.components; ++c)
      {
        if (directions.moving)
        {
          SampleValues(block, directions.moving.Component(c), clamp, 0.0f, tangent);
        }
        else
        {
          std::fill_n(tangent, count, 0.0f);
        }
        if (directions.displacement)
        {
          SampleGradients(block, moving.Component(c), clamp, sampledRows);
          AddDerivative(sampled, direction, tangent, count);
        }
        const float * const weight = directions.weight ? directions.weight.Component(c) + offset : nullptr;
        StoreRow(tangent, weight, parameters.accumulate, output.Component(c) + offset, count);
      }
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
