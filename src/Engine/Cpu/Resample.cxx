// SPDX-License-Identifier: Apache-2.0
// Per voxel: 12 bytes of displacement in, 4 out, and eight gathered corners that the cache mostly holds.
#include "../Operators/Resample.h"

#include "../Math/Interpolation.h"
#include "../Operators/MetricInputs.h"
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
/** One row of the output: where it starts and what it reads and writes. */
struct Row
{
  int                   count;
  int                   y;
  int                   z;
  const float *         displacement[3]; ///< null: none
  int                   size[3];         ///< of the moving image
  int                   components;
  std::int64_t          movingVoxels; ///< from one component to the next
  std::int64_t          outputVoxels; ///< likewise
  const float *         moving;
  float *               output;      ///< null: none
  float *               gradient[3]; ///< null: none
  const unsigned char * mask;        ///< null: none
  unsigned char *       inside;      ///< null: none
};

/** Where a row samples the moving image. */
ITK_ENGINE_HOST_DEVICE void
LocateVoxel(const ResampleParameters & parameters, const Row & row, int x, AxisPosition (&p)[3])
{
  float d[3];
  parameters.affine.Displacement(x, row.y, row.z, d);
  if (row.displacement[0])
  {
    const float u[3] = { row.displacement[0][x], row.displacement[1][x], row.displacement[2][x] };
    float       v[3];
    parameters.displacementMatrix.Multiply(u, v);
    d[0] += v[0];
    d[1] += v[1];
    d[2] += v[2];
  }
  p[0] = LocateOnAxis(x, d[0]);
  p[1] = LocateOnAxis(row.y, d[1]);
  p[2] = LocateOnAxis(row.z, d[2]);
}

ITK_ENGINE_HOST_DEVICE bool
IsInside(const AxisPosition (&p)[3], const int (&size)[3])
{
  return IsInsideAxis(p[0], size[0]) & IsInsideAxis(p[1], size[1]) & IsInsideAxis(p[2], size[2]);
}

/** Where the voxel of a block is nearest to, as an offset; meaningful where it is inside, and clamped elsewhere. */
ITK_ENGINE_HOST_DEVICE int
NearestOffset(const SamplingBlock & block, int i)
{
  int offset = block.offset[i];
  for (int d = 0; d < 3; ++d)
  {
    offset += block.weight[d][i] >= 0.5f ? block.step[d][i] : 0;
  }
  return offset;
}

ITK_ENGINE_ROW void
SampleNearest(const SamplingBlock & block, const float * volume, bool clamp, float outsideValue, float * values)
{
  for (int i = 0; i < block.count; ++i)
  {
    const float value = volume[NearestOffset(block, i)];
    values[i] = clamp | (block.inside[i] != 0) ? value : outsideValue;
  }
}

ITK_ENGINE_ROW void
MarkInside(const SamplingBlock & block, const unsigned char * mask, unsigned char * inside)
{
  for (int i = 0; i < block.count; ++i)
  {
    inside[i] = static_cast<unsigned char>(block.inside[i]);
  }
  for (int i = 0; mask && i < block.count; ++i)
  {
    inside[i] = inside[i] != 0 && mask[NearestOffset(block, i)] != 0 ? 1 : 0;
  }
}

/** Whichever of values, gradients and inside flags the row wants, by linear or nearest neighbour interpolation. */
void
SampleRow(const ResampleParameters & parameters, const Row & row)
{
  const bool    clamp = parameters.outside == Outside::Clamp;
  const bool    linear = parameters.interpolation == Interpolation::Linear;
  SamplingBlock block;
  for (int x = 0; x < row.count; x += SamplingBlock::Capacity)
  {
    const int     count = std::min(SamplingBlock::Capacity, row.count - x);
    const float * u[3] = {};
    float *       gradient[3] = {};
    for (int c = 0; c < 3; ++c)
    {
      u[c] = row.displacement[c] ? row.displacement[c] + x : nullptr;
      gradient[c] = row.gradient[c] ? row.gradient[c] + x : nullptr;
    }
    Locate(block, parameters.affine, &parameters.displacementMatrix, u, 1.0f, row.size, x, row.y, row.z, count);
    for (int c = 0; row.output && c < row.components; ++c)
    {
      const float * const from = row.moving + c * row.movingVoxels;
      float * const       to = row.output + c * row.outputVoxels + x;
      float               sum[SamplingBlock::Capacity];
      float * const       values = parameters.accumulate ? sum : to;
      linear ? SampleValues(block, from, clamp, parameters.outsideValue, values)
             : SampleNearest(block, from, clamp, parameters.outsideValue, values);
      if (parameters.accumulate)
      {
        AddScaledRow(sum, 1.0f, to, count);
      }
    }
    if (gradient[0] && linear)
    {
      SampleGradients(block, row.moving, clamp, gradient);
    }
    for (int c = 0; gradient[0] && !linear && c < 3; ++c)
    {
      std::fill_n(gradient[c], count, 0.0f);
    }
    if (row.inside)
    {
      MarkInside(block, row.mask, row.inside + x);
    }
  }
}

void
BSplineRow(const ResampleParameters & parameters, const Row & row)
{
  const bool clamp = parameters.outside == Outside::Clamp;
  for (int x = 0; x < row.count; ++x)
  {
    AxisPosition p[3];
    LocateVoxel(parameters, row, x, p);
    const bool inside = IsInside(p, row.size);
    float      w[3][4];
    float      dw[3][4];
    int        index[3][4];
    for (int d = 0; d < 3; ++d)
    {
      bool clamped = false;
      if (clamp && (p[d].cell < 0 || p[d].cell >= row.size[d] - 1))
      {
        p[d].cell = ClampIndex(p[d].cell, row.size[d]);
        p[d].fraction = 0.0f;
        clamped = true;
      }
      CubicBSplineWeights(p[d].fraction, w[d], dw[d]);
      for (int k = 0; k < 4; ++k)
      {
        index[d][k] = MirrorIndex(p[d].cell - 1 + k, row.size[d]);
        dw[d][k] = clamped ? 0.0f : dw[d][k];
      }
      if (row.size[d] == 1)
      {
        for (int k = 0; k < 4; ++k)
        {
          w[d][k] = k == 1 ? 1.0f : 0.0f;
          dw[d][k] = 0.0f;
        }
      }
    }
    float value = 0.0f;
    float gradient[3] = { 0.0f, 0.0f, 0.0f };
    if (inside || clamp)
    {
      for (int k = 0; k < 4; ++k)
      {
        for (int j = 0; j < 4; ++j)
        {
          const float * line =
            row.moving + (static_cast<std::int64_t>(index[2][k]) * row.size[1] + index[1][j]) * row.size[0];
          float sum = 0.0f;
          float slope = 0.0f;
          for (int i = 0; i < 4; ++i)
          {
            sum += w[0][i] * line[index[0][i]];
            slope += dw[0][i] * line[index[0][i]];
          }
          value += w[1][j] * w[2][k] * sum;
          gradient[0] += w[1][j] * w[2][k] * slope;
          gradient[1] += dw[1][j] * w[2][k] * sum;
          gradient[2] += w[1][j] * dw[2][k] * sum;
        }
      }
    }
    else
    {
      value = parameters.outsideValue;
    }
    if (row.output)
    {
      row.output[x] = parameters.accumulate ? row.output[x] + value : value;
    }
    for (int c = 0; row.gradient[0] && c < 3; ++c)
    {
      row.gradient[c][x] = gradient[c];
    }
  }
}

} // namespace

void
Resample(const Device &,
         const ResampleParameters & parameters,
         const ConstField &         moving,
         const ConstField &         displacement,
         const Field &              output,
         const Field &              gradient,
         const ConstMask &          movingMask,
         const Mask &               inside)
{
  RequireSamplingSize(moving.lattice);
  const Lattice & domain = output ? output.lattice : (gradient ? gradient.lattice : inside.lattice);
  const int       nx = domain.own.size[0];
  ParallelForRows(domain, [&](int y, int z, std::int64_t) {
    const std::int64_t offset = domain.Offset(0, y, z);
    Row                row{};
    row.count = nx;
    row.y = y;
    row.z = z;
    for (int c = 0; c < 3; ++c)
    {
      row.displacement[c] = displacement ? displacement.Component(c) + offset : nullptr;
      row.gradient[c] = gradient ? gradient.Component(c) + offset : nullptr;
      row.size[c] = moving.lattice.own.size[c];
    }
    row.components = moving.components;
    row.movingVoxels = moving.lattice.NumberOfVoxels();
    row.outputVoxels = domain.NumberOfVoxels();
    row.moving = moving.data;
    row.output = output ? output.data + offset : nullptr;
    row.mask = movingMask.data;
    row.inside = inside ? inside.data + offset : nullptr;
    if (parameters.interpolation != Interpolation::CubicBSpline)
    {
      SampleRow(parameters, row);
      return;
    }
    for (int c = 0; (output || gradient) && c < moving.components; ++c)
    {
      Row one = row;
      one.moving = moving.Component(c);
      one.output = output ? output.Component(c) + offset : nullptr;
      BSplineRow(parameters, one);
    }
    if (inside)
    {
      row.output = nullptr;
      row.gradient[0] = nullptr;
      SampleRow(parameters, row);
    }
  });
}

void
IntersectMasks(const Device &, const ConstMask & mask, const Mask & valid)
{
  ParallelForPieces(valid.NumberOfValues(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    for (std::int64_t i = begin; i < end; ++i)
    {
      valid.data[i] = valid.data[i] != 0 && mask.data[i] != 0 ? 1 : 0;
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
