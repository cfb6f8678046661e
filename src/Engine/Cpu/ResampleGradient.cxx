// SPDX-License-Identifier: Apache-2.0
// Per voxel: 12 bytes of displacement, 4 of slope and eight gathered corners per component in; 12 bytes out.
#include "../Operators/ResampleGradient.h"

#include "LinearSampling.h"
#include "Parallel.h"
#include "Rows.h"

#include <array>

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
constexpr int numberOfSums = 21; ///< 12 of [A | b], then 9 of B
using Sums = std::array<double, numberOfSums>;

/** q += slope times the sampled gradient. */
ITK_ENGINE_ROW void
AddProducts(const float * slope, const float * sampled, float * q, int count)
{
  for (int i = 0; i < count; ++i)
  {
    q[i] += slope[i] * sampled[i];
  }
}

/** to = B^T q, or its sum with what is there. */
ITK_ENGINE_ROW void
StoreGradient(const Matrix3 & matrix,
              const float *   q0,
              const float *   q1,
              const float *   q2,
              float           direct,
              const float *   s0,
              const float *   s1,
              const float *   s2,
              bool            accumulate,
              float *         to0,
              float *         to1,
              float *         to2,
              int             count)
{
#pragma GCC ivdep
  for (int i = 0; i < count; ++i)
  {
    const float q[3] = { q0[i], q1[i], q2[i] };
    float       g[3];
    matrix.MultiplyTransposed(q, g);
    if (direct != 0.0f)
    {
      g[0] += direct * s0[i];
      g[1] += direct * s1[i];
      g[2] += direct * s2[i];
    }
    to0[i] = accumulate ? to0[i] + g[0] : g[0];
    to1[i] = accumulate ? to1[i] + g[1] : g[1];
    to2[i] = accumulate ? to2[i] + g[2] : g[2];
  }
}

/** What a row adds to the 21 sums: it has one y and one z. */
void
AddSums(const float (&q)[3][SamplingBlock::Capacity],
        const float * const (&u)[3],
        int    x0,
        int    y,
        int    z,
        int    count,
        bool   matrix,
        Sums & sums)
{
  for (int d = 0; d < 3; ++d)
  {
    double plain = 0.0;
    double timesX = 0.0;
    for (int i = 0; i < count; ++i)
    {
      plain += q[d][i];
      timesX += static_cast<double>(q[d][i]) * (x0 + i);
    }
    sums[4 * d] += timesX;
    sums[4 * d + 1] += y * plain;
    sums[4 * d + 2] += z * plain;
    sums[4 * d + 3] += plain;
    for (int e = 0; matrix && u[0] && e < 3; ++e)
    {
      double timesU = 0.0;
      for (int i = 0; i < count; ++i)
      {
        timesU += static_cast<double>(q[d][i]) * u[e][i];
      }
      sums[12 + 3 * d + e] += timesU;
    }
  }
}
} // namespace

void
PositionGradient(const Device &,
                 const ResampleParameters & parameters,
                 const ConstField &         moving,
                 const ConstField &         displacement,
                 const ConstField &         slope,
                 float                      scale,
                 float                      direct,
                 const ResampleGradients &  gradients)
{
  RequireSamplingSize(moving.lattice);
  const Lattice &   domain = slope.lattice;
  const bool        clamp = parameters.outside == Outside::Clamp;
  const bool        wantsSums = gradients.affine || gradients.matrix;
  const Field &     to = gradients.displacement;
  const int         nx = domain.size[0];
  std::vector<Sums> sums(wantsSums ? NumberOfTiles(domain) : 0, Sums{});
  ParallelForRows(domain, [&](int y, int z, std::int64_t tile) {
    SamplingBlock block;
    float         sampled[3][SamplingBlock::Capacity];
    float         q[3][SamplingBlock::Capacity];
    float * const sampledRows[3] = { sampled[0], sampled[1], sampled[2] };
    for (int x = 0; x < nx; x += SamplingBlock::Capacity)
    {
      const int          count = std::min(SamplingBlock::Capacity, nx - x);
      const std::int64_t offset = domain.Offset(x, y, z);
      const float *      u[3] = {};
      for (int c = 0; displacement && c < 3; ++c)
      {
        u[c] = displacement.Component(c) + offset;
      }
      Locate(block, parameters.affine, &parameters.displacementMatrix, u, 1.0f, moving.lattice.size, x, y, z, count);
      for (auto & row : q)
      {
        std::fill_n(row, count, 0.0f);
      }
      for (int c = 0; c < moving.components; ++c)
      {
        SampleGradients(block, moving.Component(c), clamp, sampledRows);
        for (int d = 0; d < 3; ++d)
        {
          AddProducts(slope.Component(c) + offset, sampled[d], q[d], count);
        }
      }
      for (int d = 0; scale != 1.0f && d < 3; ++d)
      {
        ScaleRow(q[d], scale, q[d], count);
      }
      if (wantsSums)
      {
        AddSums(q, u, x, y, z, count, gradients.matrix != nullptr, sums[tile]);
      }
      if (to)
      {
        const bool hasDirect = direct != 0.0f;
        StoreGradient(parameters.displacementMatrix,
                      q[0],
                      q[1],
                      q[2],
                      direct,
                      hasDirect ? slope.Component(0) + offset : nullptr,
                      hasDirect ? slope.Component(1) + offset : nullptr,
                      hasDirect ? slope.Component(2) + offset : nullptr,
                      parameters.accumulate,
                      to.Component(0) + offset,
                      to.Component(1) + offset,
                      to.Component(2) + offset,
                      count);
      }
    }
  });
  if (!wantsSums)
  {
    return;
  }
  Sums total{};
  for (const Sums & each : sums)
  {
    for (int k = 0; k < numberOfSums; ++k)
    {
      total[k] += each[k];
    }
  }
  for (int k = 0; gradients.affine && k < 12; ++k)
  {
    gradients.affine[k] = (parameters.accumulate ? gradients.affine[k] : 0.0) + total[k];
  }
  for (int k = 0; gradients.matrix && k < 9; ++k)
  {
    gradients.matrix[k] = (parameters.accumulate ? gradients.matrix[k] : 0.0) + total[12 + k];
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
