// SPDX-License-Identifier: Apache-2.0
#include "Chain.h"

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
