// SPDX-License-Identifier: Apache-2.0
// Floor: 12 bytes in, 4 out per voxel; the guard reads 12 and writes a byte where nothing folds.
#include "../Operators/JacobianDeterminant.h"

#include "../Math/Jacobian.h"
#include "Parallel.h"

#include <algorithm>
#include <limits>

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
/** The rows around one row of the field: [component][axis][previous, next]. */
struct Neighbours
{
  const float * row[3];
  const float * next[3][2];
  const float * previous[3][2];
};

Neighbours
FindNeighbours(const ConstField & field, int y, int z)
{
  const Lattice & lattice = field.lattice;
  const int       ny = lattice.own.size[1];
  const int       nz = lattice.own.size[2];
  Neighbours      rows;
  for (int c = 0; c < 3; ++c)
  {
    const float * const plane = field.Component(c);
    rows.row[c] = plane + lattice.Offset(0, y, z);
    rows.next[c][0] = plane + lattice.Offset(0, std::min(y + 1, ny - 1), z);
    rows.previous[c][0] = plane + lattice.Offset(0, std::max(y - 1, 0), z);
    rows.next[c][1] = plane + lattice.Offset(0, y, std::min(z + 1, nz - 1));
    rows.previous[c][1] = plane + lattice.Offset(0, y, std::max(z - 1, 0));
  }
  return rows;
}

ITK_ENGINE_ROW void
DeterminantRow(const Neighbours & rows, const Matrix3 & toIndex, float * determinant, int count)
{
  for (int x = 0; x < count; ++x)
  {
    const int next = x + 1 < count ? x + 1 : x;
    const int previous = x > 0 ? x - 1 : x;
    float     j[3][3];
    for (int axis = 0; axis < 3; ++axis)
    {
      float difference[3];
      for (int c = 0; c < 3; ++c)
      {
        const float high = axis == 0 ? rows.row[c][next] : rows.next[c][axis == 2][x];
        const float low = axis == 0 ? rows.row[c][previous] : rows.previous[c][axis == 2][x];
        difference[c] = 0.5f * (high - low);
      }
      float column[3];
      toIndex.Multiply(difference, column);
      for (int c = 0; c < 3; ++c)
      {
        j[c][axis] = column[c] + (c == axis ? 1.0f : 0.0f);
      }
    }
    determinant[x] = Determinant(j);
  }
}

/** Flags, too, where a one-sided determinant is below the limit. */
ITK_ENGINE_ROW void
FlagOneSidedRow(const Neighbours & rows, float limit, unsigned char * flags, int count)
{
  for (int x = 0; x < count; ++x)
  {
    const int next = x + 1 < count ? x + 1 : x;
    const int previous = x > 0 ? x - 1 : x;
    float     differences[2][3][3];
    for (int axis = 0; axis < 3; ++axis)
    {
      for (int c = 0; c < 3; ++c)
      {
        const float here = rows.row[c][x];
        differences[0][c][axis] = here - (axis == 0 ? rows.row[c][previous] : rows.previous[c][axis == 2][x]);
        differences[1][c][axis] = (axis == 0 ? rows.row[c][next] : rows.next[c][axis == 2][x]) - here;
      }
    }
    flags[x] = static_cast<unsigned char>(flags[x] | !OneSidedDeterminantsReach(differences, limit));
  }
}

bool
HasFlagNearby(const ConstMask & flags, int x, int y, int z)
{
  const Lattice & lattice = flags.lattice;
  for (int k = std::max(z - 1, 0); k <= std::min(z + 1, lattice.own.size[2] - 1); ++k)
  {
    for (int j = std::max(y - 1, 0); j <= std::min(y + 1, lattice.own.size[1] - 1); ++j)
    {
      for (int i = std::max(x - 1, 0); i <= std::min(x + 1, lattice.own.size[0] - 1); ++i)
      {
        if (flags.data[lattice.Offset(i, j, k)])
        {
          return true;
        }
      }
    }
  }
  return false;
}

float
NeighbourhoodMean(const float * plane, const Lattice & lattice, int x, int y, int z)
{
  float sum = 0.0f;
  for (int k = -1; k <= 1; ++k)
  {
    for (int j = -1; j <= 1; ++j)
    {
      for (int i = -1; i <= 1; ++i)
      {
        sum += plane[lattice.Offset(std::min(std::max(x + i, 0), lattice.own.size[0] - 1),
                                    std::min(std::max(y + j, 0), lattice.own.size[1] - 1),
                                    std::min(std::max(z + k, 0), lattice.own.size[2] - 1))];
      }
    }
  }
  return sum * (1.0f / 27.0f);
}
} // namespace

void
JacobianDeterminant(const Device &,
                    const Matrix3 &    toIndex,
                    const ConstField & displacement,
                    const Field &      output,
                    double *           minimum)
{
  const Lattice &           lattice = displacement.lattice;
  const int                 nx = lattice.own.size[0];
  const int                 nz = lattice.own.size[2];
  std::vector<float>        smallest(nz);
  std::vector<std::int64_t> folded(nz);
  ParallelFor(nz, [&](std::int64_t z) {
    float * const scratch = ThreadScratch<float>(nx);
    float         low = std::numeric_limits<float>::infinity();
    bool          isNumber = true;
    std::int64_t  count = 0;
    for (int y = 0; y < lattice.own.size[1]; ++y)
    {
      const Neighbours rows = FindNeighbours(displacement, y, static_cast<int>(z));
      float * const    determinant = output ? output.data + lattice.Offset(0, y, static_cast<int>(z)) : scratch;
      DeterminantRow(rows, toIndex, determinant, nx);
      for (int x = 0; x < nx; ++x)
      {
        low = determinant[x] < low ? determinant[x] : low;
        isNumber = isNumber && determinant[x] == determinant[x];
        count += determinant[x] > 0.0f ? 0 : 1;
      }
    }
    smallest[z] = isNumber ? low : std::numeric_limits<float>::quiet_NaN();
    folded[z] = count;
  });
  if (minimum)
  {
    float        low = smallest[0];
    std::int64_t count = 0;
    for (int z = 0; z < nz; ++z)
    {
      low = smallest[z] >= low || low != low ? low : smallest[z];
      count += folded[z];
    }
    minimum[0] = low;
    minimum[1] = static_cast<double>(count);
  }
}

void
RelaxFolds(const Device &,
           const FoldLimits & limits,
           const Field &      displacement,
           double *           count,
           const Mask &       flags,
           const Field &      workspace)
{
  const Lattice &           lattice = displacement.lattice;
  const int                 nx = lattice.own.size[0];
  const int                 ny = lattice.own.size[1];
  const int                 nz = lattice.own.size[2];
  const bool                oneSided = limits.oneSided > -std::numeric_limits<float>::infinity();
  std::vector<std::int64_t> marked(nz);
  ParallelFor(nz, [&](std::int64_t z) {
    float * const determinant = ThreadScratch<float>(nx);
    std::int64_t  number = 0;
    for (int y = 0; y < ny; ++y)
    {
      const Neighbours      rows = FindNeighbours(displacement, y, static_cast<int>(z));
      unsigned char * const row = flags.data + lattice.Offset(0, y, static_cast<int>(z));
      DeterminantRow(rows, Matrix3(), determinant, nx);
      for (int x = 0; x < nx; ++x)
      {
        row[x] = determinant[x] >= limits.central ? 0 : 1;
      }
      if (oneSided)
      {
        FlagOneSidedRow(rows, limits.oneSided, row, nx);
      }
      number += std::count(row, row + nx, 1);
    }
    marked[z] = number;
  });
  std::int64_t total = 0;
  for (const std::int64_t number : marked)
  {
    total += number;
  }
  *count = static_cast<double>(total);
  if (total == 0)
  {
    return;
  }
  // Planes with no flag in or next to them have nothing to do.
  const auto visit = [&](const auto & change) {
    ParallelFor(nz, [&](std::int64_t slice) {
      const int z = static_cast<int>(slice);
      if (marked[z] == 0 && (z == 0 || marked[z - 1] == 0) && (z + 1 == nz || marked[z + 1] == 0))
      {
        return;
      }
      for (int y = 0; y < ny; ++y)
      {
        for (int x = 0; x < nx; ++x)
        {
          if (HasFlagNearby(flags, x, y, z))
          {
            for (int c = 0; c < 3; ++c)
            {
              change(c, x, y, z);
            }
          }
        }
      }
    });
  };
  visit([&](int c, int x, int y, int z) {
    workspace.Component(c)[lattice.Offset(x, y, z)] = NeighbourhoodMean(displacement.Component(c), lattice, x, y, z);
  });
  visit([&](int c, int x, int y, int z) {
    displacement.Component(c)[lattice.Offset(x, y, z)] = workspace.Component(c)[lattice.Offset(x, y, z)];
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
