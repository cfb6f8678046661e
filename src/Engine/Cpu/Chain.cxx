// SPDX-License-Identifier: Apache-2.0
#include "Chain.h"

#include "../Math/Jacobian.h"
#include "LinearSampling.h"
#include "Parallel.h"
#include "Rows.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
ITK_ENGINE_ROW void
MultiplyRow(const Matrix3 & matrix, const float * slope, float * g0, float * g1, float * g2, int count)
{
  for (int i = 0; i < count; ++i)
  {
    const float sampled[3] = { g0[i], g1[i], g2[i] };
    float       gradient[3];
    matrix.MultiplyTransposed(sampled, gradient);
    g0[i] = slope[i] * gradient[0];
    g1[i] = slope[i] * gradient[1];
    g2[i] = slope[i] * gradient[2];
  }
}

/** Voxels of one row that have the same neighbours. `u` is at the first of them. */
ITK_ENGINE_ROW void
PullBackRow(const float * u,
            std::int64_t  plane,
            const std::int64_t (&next)[3],
            const std::int64_t (&previous)[3],
            float * g0,
            float * g1,
            float * g2,
            int     count)
{
  for (int i = 0; i < count; ++i)
  {
    float g[3] = { g0[i], g1[i], g2[i] };
    MultiplyTransposedJacobian(u + i, plane, next, previous, g);
    g0[i] = g[0];
    g1[i] = g[1];
    g2[i] = g[2];
  }
}

/** From the gradient with respect to u to the one with respect to a composed step, for voxels x .. x + count of a row. */
void
PullBack(const ConstField & u, int x, int y, int z, float * const (&g)[3], int count)
{
  const int (&size)[3] = u.lattice.own.size;
  const std::int64_t rowLength = size[0];
  const std::int64_t sliceLength = rowLength * size[1];
  const int          end = x + count;
  for (int begin = x; begin < end;)
  {
    const bool         hasPrevious = begin > 0;
    const int          stop = !hasPrevious ? 1 : (begin < size[0] - 1 ? std::min(end, size[0] - 1) : size[0]);
    const std::int64_t next[3] = { stop < size[0] ? 1 : 0, y + 1 < size[1] ? rowLength : 0, z + 1 < size[2] ? sliceLength : 0 };
    const std::int64_t previous[3] = { hasPrevious ? 1 : 0, y > 0 ? rowLength : 0, z > 0 ? sliceLength : 0 };
    PullBackRow(u.data + u.lattice.Offset(begin, y, z),
                u.lattice.NumberOfVoxels(),
                next,
                previous,
                g[0] + begin - x,
                g[1] + begin - x,
                g[2] + begin - x,
                stop - begin);
    begin = stop;
  }
}
} // namespace

void
ChainRow(const MetricInputs & inputs, int y, int z, const float * slope, const Field & gradient, bool accumulate)
{
  const std::int64_t offset = gradient.lattice.Offset(0, y, z);
  const int          count = gradient.lattice.own.size[0];
  // The background of a head is half of the volume and has no slope: skip the ends of the row.
  int begin = 0;
  int end = count;
  while (begin < count && slope[begin] == 0.0f)
  {
    ++begin;
  }
  while (end > begin && slope[end - 1] == 0.0f)
  {
    --end;
  }
  for (int c = 0; !accumulate && c < 3; ++c)
  {
    float * const row = gradient.Component(c) + offset;
    std::fill(row, row + begin, 0.0f);
    std::fill(row + end, row + count, 0.0f);
  }
  const bool    clamp = inputs.sampling.outside == Outside::Clamp;
  SamplingBlock block;
  float         sampled[3][SamplingBlock::Capacity];
  for (int x = begin; x < end; x += SamplingBlock::Capacity)
  {
    const int     length = std::min(SamplingBlock::Capacity, end - x);
    const float * u[3] = {};
    float *       g[3];
    for (int c = 0; c < 3; ++c)
    {
      u[c] = inputs.displacement ? inputs.displacement.Component(c) + offset + x : nullptr;
      g[c] = accumulate || inputs.movingGradient ? sampled[c] : gradient.Component(c) + offset + x;
    }
    if (inputs.movingGradient)
    {
      for (int c = 0; c < 3; ++c)
      {
        std::copy_n(inputs.movingGradient.Component(c) + offset + x, length, g[c]);
      }
    }
    else
    {
      Locate(block,
             inputs.sampling.affine,
             &inputs.sampling.displacementMatrix,
             u,
             1.0f,
             inputs.moving.lattice.own.size,
             x,
             y,
             z,
             length);
      SampleGradients(block, inputs.moving.data, clamp, g);
    }
    MultiplyRow(inputs.sampling.displacementMatrix, slope + x, g[0], g[1], g[2], length);
    if (inputs.composedStep && inputs.displacement)
    {
      PullBack(inputs.displacement, x, y, z, g, length);
    }
    for (int c = 0; g[0] == sampled[0] && c < 3; ++c)
    {
      float * const target = gradient.Component(c) + offset + x;
      if (accumulate)
      {
        AddScaledRow(g[c], 1.0f, target, length);
      }
      else
      {
        std::copy_n(g[c], length, target);
      }
    }
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
