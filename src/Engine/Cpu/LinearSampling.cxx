// SPDX-License-Identifier: Apache-2.0
#include "LinearSampling.h"

#include "../Math/Interpolation.h"
#include "Parallel.h"
#include "Rows.h"

#include <cstring>
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

/** Corners of up to Capacity voxels: x neighbours side by side, one row for each pair of y and z. */
struct CornerPairs
{
  static constexpr int Capacity = 64;
  float                rows[4][2 * Capacity];
};

/** One load for two corners. Not a row function: gathers, which the compiler would use there, cost as much per corner. */
void
LoadPairs(const float * volume, const SamplingBlock & block, int first, int count, CornerPairs & pairs)
{
  for (int i = 0; i < count; ++i)
  {
    const float * const corner = volume + block.offset[first + i];
    const int           stepY = block.step[1][first + i];
    const int           stepZ = block.step[2][first + i];
    std::memcpy(&pairs.rows[0][2 * i], corner, 2 * sizeof(float));
    std::memcpy(&pairs.rows[1][2 * i], corner + stepY, 2 * sizeof(float));
    std::memcpy(&pairs.rows[2][2 * i], corner + stepZ, 2 * sizeof(float));
    std::memcpy(&pairs.rows[3][2 * i], corner + stepZ + stepY, 2 * sizeof(float));
    if (block.step[0][first + i] == 0)
    {
      for (auto & row : pairs.rows)
      {
        row[2 * i + 1] = row[2 * i];
      }
    }
  }
}

/** The same where the upper neighbour of a clamped voxel would lie behind the end of the volume. */
void
LoadSeparately(const float * volume, const SamplingBlock & block, int first, int count, CornerPairs & pairs)
{
  for (int i = 0; i < count; ++i)
  {
    for (int row = 0; row < 4; ++row)
    {
      const float * const corner = volume + block.offset[first + i] + (row & 1 ? block.step[1][first + i] : 0) +
                                   (row & 2 ? block.step[2][first + i] : 0);
      pairs.rows[row][2 * i] = corner[0];
      pairs.rows[row][2 * i + 1] = corner[block.step[0][first + i]];
    }
  }
}

ITK_ENGINE_HOST_DEVICE LinearCorners
TakeCorners(const CornerPairs & pairs, int i)
{
  return LinearCorners{ { pairs.rows[0][2 * i],
                          pairs.rows[0][2 * i + 1],
                          pairs.rows[1][2 * i],
                          pairs.rows[1][2 * i + 1],
                          pairs.rows[2][2 * i],
                          pairs.rows[2][2 * i + 1],
                          pairs.rows[3][2 * i],
                          pairs.rows[3][2 * i + 1] } };
}

ITK_ENGINE_ROW void
InterpolateValues(const CornerPairs & pairs,
                  const float *       weightX,
                  const float *       weightY,
                  const float *       weightZ,
                  float *             values,
                  int                 count)
{
#pragma GCC ivdep
  for (int i = 0; i < count; ++i)
  {
    const LinearCorners c = TakeCorners(pairs, i);
    values[i] = LinearValue(c, { 0, 0, weightX[i] }, { 0, 0, weightY[i] }, { 0, 0, weightZ[i] });
  }
}

ITK_ENGINE_ROW void
InterpolateGradients(const CornerPairs & pairs,
                     const float *       weightX,
                     const float *       weightY,
                     const float *       weightZ,
                     float *             gradientX,
                     float *             gradientY,
                     float *             gradientZ,
                     int                 count)
{
#pragma GCC ivdep
  for (int i = 0; i < count; ++i)
  {
    const LinearCorners c = TakeCorners(pairs, i);
    float               gradient[3];
    LinearGradient(c, { 0, 0, weightX[i] }, { 0, 0, weightY[i] }, { 0, 0, weightZ[i] }, gradient);
    gradientX[i] = gradient[0];
    gradientY[i] = gradient[1];
    gradientZ[i] = gradient[2];
  }
}

/** The highest offset of a block's corners at the lower end of x. */
ITK_ENGINE_ROW int
MaximumOffset(const int * offset, const int * stepY, const int * stepZ, int count)
{
  int maximum = 0;
  for (int i = 0; i < count; ++i)
  {
    const int highest = offset[i] + stepY[i] + stepZ[i];
    maximum = std::max(maximum, highest);
  }
  return maximum;
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
  block.atEnd = MaximumOffset(block.offset, block.step[1], block.step[2], block.count) + 1 >= strides[2] * size[2];
}

void
Sample(const SamplingBlock & block,
       const float *         volume,
       bool                  clamp,
       float                 outsideValue,
       float *               values,
       float * const (&gradient)[3])
{
  CornerPairs pairs;
  for (int first = 0; first < block.count; first += CornerPairs::Capacity)
  {
    const int           count = std::min(CornerPairs::Capacity, block.count - first);
    const float * const weight[3] = { block.weight[0] + first, block.weight[1] + first, block.weight[2] + first };
    if (block.atEnd)
    {
      LoadSeparately(volume, block, first, count, pairs);
    }
    else
    {
      LoadPairs(volume, block, first, count, pairs);
    }
    if (values)
    {
      InterpolateValues(pairs, weight[0], weight[1], weight[2], values + first, count);
    }
    if (gradient[0])
    {
      InterpolateGradients(pairs,
                           weight[0],
                           weight[1],
                           weight[2],
                           gradient[0] + first,
                           gradient[1] + first,
                           gradient[2] + first,
                           count);
    }
  }
  if (values && !clamp)
  {
    ReplaceOutside(block.inside, outsideValue, values, block.count);
  }
  for (int c = 0; gradient[0] && !clamp && c < 3; ++c)
  {
    ReplaceOutside(block.inside, 0.0f, gradient[c], block.count);
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
