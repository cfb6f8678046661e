// SPDX-License-Identifier: Apache-2.0
#include "LinearSampling.h"

#include "../Math/Interpolation.h"
#include "Parallel.h"
#include "Rows.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
ITK_ENGINE_ROW void
SetAffineRow(const AffineMap & affine, float * d0, float * d1, float * d2, int x0, int y, int z, int count)
{
  for (int i = 0; i < count; ++i)
  {
    float d[3];
    affine.Displacement(x0 + i, y, z, d);
    d0[i] = d[0];
    d1[i] = d[1];
    d2[i] = d[2];
  }
}

ITK_ENGINE_ROW void
AddMatrixRow(const Matrix3 & matrix, const float * u0, const float * u1, const float * u2, float * d0, float * d1, float * d2, int count)
{
  for (int i = 0; i < count; ++i)
  {
    const float u[3] = { u0[i], u1[i], u2[i] };
    float       v[3];
    matrix.Multiply(u, v);
    d0[i] += v[0];
    d1[i] += v[1];
    d2[i] += v[2];
  }
}

/** One axis of the positions: adds the cell's part of the offset, keeps step and weight, narrows `inside`. */
ITK_ENGINE_ROW void
LocateAxis(const float * displacement,
           int           first,
           int           increment,
           int           size,
           int           stride,
           int *         offset,
           int *         step,
           float *       weight,
           int *         inside,
           int           count)
{
  for (int i = 0; i < count; ++i)
  {
    const AxisPosition p = LocateOnAxis(first + increment * i, displacement[i]);
    const LinearAxis   axis = ClampLinearAxis(p, size);
    offset[i] += axis.lower * stride;
    step[i] = (axis.upper - axis.lower) * stride;
    weight[i] = axis.weight;
    inside[i] &= IsInsideAxis(p, size) ? 1 : 0;
  }
}

ITK_ENGINE_ROW void
GatherValues(const float * volume,
             const int *   offset,
             const int *   stepX,
             const int *   stepY,
             const int *   stepZ,
             const float * weightX,
             const float * weightY,
             const float * weightZ,
             float *       values,
             int           count)
{
#pragma GCC ivdep
  for (int i = 0; i < count; ++i)
  {
    const int   o = offset[i];
    const int   sx = stepX[i];
    const int   sy = stepY[i];
    const int   sz = stepZ[i];
    const float low = Mix(Mix(volume[o], volume[o + sx], weightX[i]),
                          Mix(volume[o + sy], volume[o + sy + sx], weightX[i]),
                          weightY[i]);
    const float high = Mix(Mix(volume[o + sz], volume[o + sz + sx], weightX[i]),
                           Mix(volume[o + sz + sy], volume[o + sz + sy + sx], weightX[i]),
                           weightY[i]);
    values[i] = Mix(low, high, weightZ[i]);
  }
}

ITK_ENGINE_ROW void
GatherGradients(const float * volume,
                const int *   offset,
                const int *   stepX,
                const int *   stepY,
                const int *   stepZ,
                const float * weightX,
                const float * weightY,
                const float * weightZ,
                float *       gradientX,
                float *       gradientY,
                float *       gradientZ,
                int           count)
{
#pragma GCC ivdep
  for (int i = 0; i < count; ++i)
  {
    const int     o = offset[i];
    const int     sx = stepX[i];
    const int     sy = stepY[i];
    const int     sz = stepZ[i];
    LinearCorners c;
    c.v[0] = volume[o];
    c.v[1] = volume[o + sx];
    c.v[2] = volume[o + sy];
    c.v[3] = volume[o + sy + sx];
    c.v[4] = volume[o + sz];
    c.v[5] = volume[o + sz + sx];
    c.v[6] = volume[o + sz + sy];
    c.v[7] = volume[o + sz + sy + sx];
    const LinearAxis x{ 0, 0, weightX[i] };
    const LinearAxis y{ 0, 0, weightY[i] };
    const LinearAxis z{ 0, 0, weightZ[i] };
    float            gradient[3];
    LinearGradient(c, x, y, z, gradient);
    gradientX[i] = gradient[0];
    gradientY[i] = gradient[1];
    gradientZ[i] = gradient[2];
  }
}

ITK_ENGINE_ROW void
ReplaceOutside(const int * inside, float outsideValue, float * values, int count)
{
  for (int i = 0; i < count; ++i)
  {
    values[i] = inside[i] ? values[i] : outsideValue;
  }
}
} // namespace

void
RequireSamplingSize(const Lattice & lattice)
{
  if (lattice.NumberOfVoxels() > std::numeric_limits<int>::max())
  {
    ThrowError("a volume of ", lattice.size[0], 'x', lattice.size[1], 'x', lattice.size[2],
               " is too large for the CPU: it takes up to 2^31 - 1 voxels");
  }
}

void
SetDisplacements(SamplingBlock &       block,
                 const AffineMap &     affine,
                 const Matrix3 *       matrix,
                 const float * const (&u)[3],
                 float                 scale,
                 int                   x0,
                 int                   y,
                 int                   z,
                 int                   count)
{
  block.count = count;
  SetAffineRow(affine, block.displacement[0], block.displacement[1], block.displacement[2], x0, y, z, count);
  if (u[0] && matrix)
  {
    AddMatrixRow(
      *matrix, u[0], u[1], u[2], block.displacement[0], block.displacement[1], block.displacement[2], count);
  }
  for (int c = 0; u[0] && !matrix && c < 3; ++c)
  {
    AddScaledRow(u[c], scale, block.displacement[c], count);
  }
}

void
Locate(SamplingBlock & block, const int (&size)[3], int x0, int y, int z)
{
  const int strides[3] = { 1, size[0], size[0] * size[1] };
  const int first[3] = { x0, y, z };
  std::fill_n(block.offset, block.count, 0);
  std::fill_n(block.inside, block.count, 1);
  for (int d = 0; d < 3; ++d)
  {
    LocateAxis(block.displacement[d],
               first[d],
               d == 0 ? 1 : 0,
               size[d],
               strides[d],
               block.offset,
               block.step[d],
               block.weight[d],
               block.inside,
               block.count);
  }
}

void
SampleValues(const SamplingBlock & block, const float * volume, bool clamp, float outsideValue, float * values)
{
  GatherValues(volume,
               block.offset,
               block.step[0],
               block.step[1],
               block.step[2],
               block.weight[0],
               block.weight[1],
               block.weight[2],
               values,
               block.count);
  if (!clamp)
  {
    ReplaceOutside(block.inside, outsideValue, values, block.count);
  }
}

void
SampleGradients(const SamplingBlock & block, const float * volume, bool clamp, float * const (&gradient)[3])
{
  GatherGradients(volume,
                  block.offset,
                  block.step[0],
                  block.step[1],
                  block.step[2],
                  block.weight[0],
                  block.weight[1],
                  block.weight[2],
                  gradient[0],
                  gradient[1],
                  gradient[2],
                  block.count);
  for (int c = 0; !clamp && c < 3; ++c)
  {
    ReplaceOutside(block.inside, 0.0f, gradient[c], block.count);
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
