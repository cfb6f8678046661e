// SPDX-License-Identifier: Apache-2.0
// Floor: 24 bytes in, 12 out per voxel.
#include "../Operators/Invert.h"

#include "Parallel.h"

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
ITK_ENGINE_ROW void
UpdateRow(const float * const (&error)[3], float * const (&inverse)[3], float step, float bound, std::int64_t count)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    const float norm =
      std::sqrt(error[0][i] * error[0][i] + error[1][i] * error[1][i] + error[2][i] * error[2][i]);
    const float scale = norm > bound ? step * bound / norm : step;
    for (int c = 0; c < 3; ++c)
    {
      inverse[c][i] -= scale * error[c][i];
    }
  }
}
} // namespace

void
InvertUpdate(const Device &, float step, const ConstField & error, const double * norms, const Field & inverse)
{
  const float bound = step * static_cast<float>(norms[1]);
  ParallelForPieces(inverse.lattice.NumberOfVoxels(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    const float * const from[3] = { error.Component(0) + begin, error.Component(1) + begin, error.Component(2) + begin };
    float * const to[3] = { inverse.Component(0) + begin, inverse.Component(1) + begin, inverse.Component(2) + begin };
    UpdateRow(from, to, step, bound, end - begin);
  });
}

void
ZeroBoundary(const Device &, int axes, const Field & field)
{
  const int * const size = field.lattice.own.size;
  ParallelForRows(field.lattice, [&](int y, int z, std::int64_t) {
    const bool whole = (axes > 1 && (y == 0 || y == size[1] - 1)) || (axes > 2 && (z == 0 || z == size[2] - 1));
    for (int c = 0; c < field.components; ++c)
    {
      float * const row = field.Component(c) + field.lattice.Offset(0, y, z);
      if (whole)
      {
        std::fill_n(row, size[0], 0.0f);
      }
      else if (axes > 0)
      {
        row[0] = row[size[0] - 1] = 0.0f;
      }
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
