// SPDX-License-Identifier: Apache-2.0
// Per voxel: 12 bytes of displacement in, 4 out, and eight gathered corners that the cache mostly holds.
#include "../Operators/Resample.h"

#include "../Math/Interpolation.h"
#include "../Operators/MetricInputs.h"
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
/** One row of the output: where it starts and what it reads and writes. */
struct Row
{
  int             count;
  int             y;
  int             z;
  const float *   displacement[3]; ///< null: none
  int             size[3];         ///< of the moving image
  const float *   moving;
  float *         output;      ///< null: none
  float *         gradient[3]; ///< null: none
  unsigned char * inside;      ///< null: none
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

/** Values, gradients and inside flags of a row by linear interpolation; whichever of them the row wants. */
void
LinearRow(const ResampleParameters & parameters, const Row & row)
{
  const bool    clamp = parameters.outside == Outside::Clamp;
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
    SetDisplacements(block, parameters.affine, &parameters.displacementMatrix, u, 1.0f, x, row.y, row.z, count);
    Locate(block, row.size, x, row.y, row.z);
    Sample(block, row.moving, clamp, parameters.outsideValue, row.output ? row.output + x : nullptr, gradient);
  }
}

ITK_ENGINE_ROW void
NearestRow(const ResampleParameters & parameters, const Row & row)
{
  const bool clamp = parameters.outside == Outside::Clamp;
  for (int x = 0; x < row.count; ++x)
  {
    AxisPosition p[3];
    LocateVoxel(parameters, row, x, p);
    int i[3];
    for (int d = 0; d < 3; ++d)
    {
      i[d] = ClampIndex(p[d].cell + (p[d].fraction >= 0.5f ? 1 : 0), row.size[d]);
    }
    const bool use = clamp | IsInside(p, row.size);
    row.output[x] = use ? row.moving[(static_cast<std::int64_t>(i[2]) * row.size[1] + i[1]) * row.size[0] + i[0]]
                        : parameters.outsideValue;
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
      row.output[x] = value;
    }
    for (int c = 0; row.gradient[0] && c < 3; ++c)
    {
      row.gradient[c][x] = gradient[c];
    }
  }
}

ITK_ENGINE_ROW void
InsideRow(const ResampleParameters & parameters, const Row & row)
{
  for (int x = 0; x < row.count; ++x)
  {
    AxisPosition p[3];
    LocateVoxel(parameters, row, x, p);
    row.inside[x] = IsInside(p, row.size) ? 1 : 0;
  }
}

void
MaskRow(const ResampleParameters & parameters, const Row & row, const unsigned char * mask)
{
  for (int x = 0; x < row.count; ++x)
  {
    AxisPosition p[3];
    LocateVoxel(parameters, row, x, p);
    int i[3];
    for (int d = 0; d < 3; ++d)
    {
      i[d] = ClampIndex(p[d].cell + (p[d].fraction >= 0.5f ? 1 : 0), row.size[d]);
    }
    const bool in = IsInside(p, row.size) &&
                    mask[(static_cast<std::int64_t>(i[2]) * row.size[1] + i[1]) * row.size[0] + i[0]] != 0;
    row.inside[x] = in ? 1 : 0;
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
  const int       ny = domain.own.size[1];
  ParallelFor(domain.own.size[2], [&](std::int64_t z) {
    for (int y = 0; y < ny; ++y)
    {
      const std::int64_t offset = domain.Offset(0, y, static_cast<int>(z));
      Row                row{};
      row.count = nx;
      row.y = y;
      row.z = static_cast<int>(z);
      for (int c = 0; c < 3; ++c)
      {
        row.displacement[c] = displacement ? displacement.Component(c) + offset : nullptr;
        row.gradient[c] = gradient ? gradient.Component(c) + offset : nullptr;
        row.size[c] = moving.lattice.own.size[c];
      }
      for (int c = 0; c < moving.components; ++c)
      {
        row.moving = moving.Component(c);
        row.output = output ? output.Component(c) + offset : nullptr;
        if (parameters.interpolation == Interpolation::CubicBSpline)
        {
          BSplineRow(parameters, row);
          continue;
        }
        if (parameters.interpolation == Interpolation::Linear)
        {
          LinearRow(parameters, row);
          continue;
        }
        if (row.output)
        {
          NearestRow(parameters, row);
        }
        for (int g = 0; gradient && g < 3; ++g)
        {
          std::fill_n(row.gradient[g], nx, 0.0f);
        }
      }
      if (inside)
      {
        row.inside = inside.data + offset;
        movingMask ? MaskRow(parameters, row, movingMask.data) : InsideRow(parameters, row);
      }
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
