// SPDX-License-Identifier: Apache-2.0
// Per voxel and iteration: 24 bytes of v and e in, 24 out, and three times eight gathered corners that the cache mostly
// holds. The gathers take most of the time, so e is stored where the GPU takes it again in the rows that it needs.
#include "../Operators/Invert.h"

#include "LinearSampling.h"
#include "Parallel.h"
#include "Rows.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
constexpr int Capacity = SamplingBlock::Capacity;

ITK_ENGINE_HOST_DEVICE float
Norm(float x, float y, float z)
{
  return std::sqrt(x * x + y * y + z * z);
}

/** norm[i] = |e[i]|; returns the largest. That of a NaN does not count. */
ITK_ENGINE_ROW float
NormRow(const float * const (&e)[3], float * norm, int count)
{
  for (int i = 0; i < count; ++i)
  {
    norm[i] = Norm(e[0][i], e[1][i], e[2][i]);
  }
  constexpr int lanes = 16;
  float         largest[lanes] = {};
  int           i = 0;
  for (; i + lanes <= count; i += lanes)
  {
    for (int lane = 0; lane < lanes; ++lane)
    {
      largest[lane] = norm[i + lane] > largest[lane] ? norm[i + lane] : largest[lane];
    }
  }
  for (; i < count; ++i)
  {
    largest[0] = norm[i] > largest[0] ? norm[i] : largest[0];
  }
  return *std::max_element(largest, largest + lanes);
}

/** v -= step clip(e). */
ITK_ENGINE_ROW void
StepRow(const float * const (&e)[3], float * const (&v)[3], float step, float limit, int count)
{
#pragma GCC ivdep
  for (int i = 0; i < count; ++i)
  {
    const float scale = InvertStepScale(step, Norm(e[0][i], e[1][i], e[2][i]), limit);
    for (int c = 0; c < 3; ++c)
    {
      v[c][i] -= scale * e[c][i];
    }
  }
}

/** Zero on the boundary along the first `axes` axes, for a piece of a row from x on. */
void
ZeroBoundaryOfRow(const int (&size)[3], int axes, int x, int y, int z, int count, float * row)
{
  if ((axes > 1 && (y == 0 || y == size[1] - 1)) || (axes > 2 && (z == 0 || z == size[2] - 1)))
  {
    std::fill_n(row, count, 0.0f);
  }
  else if (axes > 0)
  {
    row[0] = x == 0 ? 0.0f : row[0];
    row[count - 1] = x + count == size[0] ? 0.0f : row[count - 1];
  }
}

} // namespace

InvertState
Invert(const Device &,
       const InvertParameters & parameters,
       const InvertStopping &   stopping,
       const ConstField &       displacement,
       const Field &            inverse,
       const Field &            workspace)
{
  RequireSamplingSize(displacement.lattice);
  const Lattice &       lattice = inverse.lattice;
  const int(&size)[3] = lattice.own.size;
  const Matrix3 * const matrix = parameters.toIndex.IsIdentity() ? nullptr : &parameters.toIndex;
  const bool            clamp = parameters.outside == Outside::Clamp;
  const std::size_t     piecesOfRow = (size[0] + Capacity - 1) / Capacity;
  std::vector<double>   sums(piecesOfRow * size[1] * size[2]);
  std::vector<float>    maxima(sums.size());
  InvertState           state;

  // The step after the last residual, and the residual of what it gives, one of them or both.
  const auto pass = [&](bool takesStep, bool takesResidual) {
    const float step = InvertStepLength(state.residual);
    const float limit = step * static_cast<float>(state.norms[1]);
    ParallelForRows(lattice, [&](int y, int z, std::int64_t) {
      std::size_t piece = piecesOfRow * (static_cast<std::size_t>(z) * size[1] + y);
      for (int x = 0; x < size[0]; x += Capacity, ++piece)
      {
        const int           count = std::min(Capacity, size[0] - x);
        const std::int64_t  offset = lattice.Offset(x, y, z);
        float * const       v[3] = { inverse.Component(0) + offset,
                                     inverse.Component(1) + offset,
                                     inverse.Component(2) + offset };
        float * const       e[3] = { workspace.Component(0) + offset,
                                     workspace.Component(1) + offset,
                                     workspace.Component(2) + offset };
        const float * const constV[3] = { v[0], v[1], v[2] };
        const float * const constE[3] = { e[0], e[1], e[2] };
        if (takesStep)
        {
          StepRow(constE, v, step, limit, count);
          for (float * const row : v)
          {
            ZeroBoundaryOfRow(size, parameters.zeroBoundaryAxes, x, y, z, count, row);
          }
        }
        if (takesResidual)
        {
          SamplingBlock block;
          float         norm[Capacity];
          Locate(block, AffineMap(), matrix, constV, 1.0f, displacement.lattice.own.size, x, y, z, count);
          for (int c = 0; c < 3; ++c)
          {
            SampleValues(block, displacement.Component(c), clamp, 0.0f, e[c]);
            AddScaledRow(v[c], 1.0f, e[c], count);
          }
          maxima[piece] = NormRow(constE, norm, count);
          sums[piece] = SumRow(norm, count);
        }
      }
    });
  };
  for (bool isFirst = true; !state.isFinished; isFirst = false)
  {
    pass(!isFirst, true);
    state.residual += isFirst ? 0 : 1;
    state.norms[0] = state.norms[1] = 0.0;
    for (std::size_t piece = 0; piece < sums.size(); ++piece)
    {
      state.norms[0] += sums[piece];
      state.norms[1] = std::max<double>(state.norms[1], maxima[piece]);
    }
    state.isFinished = stopping.IsReached(state);
  }
  if (parameters.stepAfterTolerance)
  {
    pass(true, false);
  }
  return state;
}

void
ZeroBoundary(const Device &, int axes, const Field & field)
{
  const int nx = field.lattice.own.size[0];
  ParallelForRows(field.lattice, [&](int y, int z, std::int64_t) {
    for (int c = 0; c < field.components; ++c)
    {
      ZeroBoundaryOfRow(
        field.lattice.own.size, axes, 0, y, z, nx, field.Component(c) + field.lattice.Offset(0, y, z));
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
