// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 16 bytes, 33 flops. Whole rows at a time: along x shifted views of a row that is continued at both ends,
// along y and z the rows around, which stay in the second-level cache within a tile.
#include "../Operators/FiniteDifference8.h"

#include "../Math/FiniteDifference8.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
/** The rows, or the views of one row, that the stencil takes. */
struct StencilRows
{
  const float * ahead[DifferenceRadius];
  const float * behind[DifferenceRadius];
};

template <bool accumulate>
ITK_ENGINE_HOST_DEVICE void
DifferenceRowInto(const StencilRows & rows, float * __restrict__ output, int count)
{
  for (int x = 0; x < count; ++x)
  {
    const float ahead[DifferenceRadius] = { rows.ahead[0][x], rows.ahead[1][x], rows.ahead[2][x], rows.ahead[3][x] };
    const float behind[DifferenceRadius] = { rows.behind[0][x], rows.behind[1][x], rows.behind[2][x], rows.behind[3][x] };
    output[x] = (accumulate ? output[x] : 0.0f) + Difference8(ahead, behind);
  }
}

ITK_ENGINE_ROW void
DifferenceRow(const StencilRows & rows, float * output, int count, bool accumulate)
{
  if (accumulate)
  {
    DifferenceRowInto<true>(rows, output, count);
  }
  else
  {
    DifferenceRowInto<false>(rows, output, count);
  }
}

/** Along x; `padded` is scratch memory of count + 2 DifferenceRadius values. */
StencilRows
RowsAlongX(const float * row, int count, float * padded)
{
  std::copy_n(row, count, padded + DifferenceRadius);
  for (int i = 0; i < DifferenceRadius; ++i)
  {
    padded[i] = row[WrapIndex(i - DifferenceRadius, count)];
    padded[count + DifferenceRadius + i] = row[WrapIndex(i, count)];
  }
  StencilRows rows;
  for (int i = 0; i < DifferenceRadius; ++i)
  {
    rows.ahead[i] = padded + DifferenceRadius + (i + 1);
    rows.behind[i] = padded + DifferenceRadius - (i + 1);
  }
  return rows;
}

/** Along an axis whose places are `stride` apart; `first` is the row at its place 0. */
StencilRows
RowsAcross(const float * first, int place, int size, std::int64_t stride)
{
  StencilRows rows;
  for (int i = 0; i < DifferenceRadius; ++i)
  {
    rows.ahead[i] = first + WrapIndex(place + i + 1, size) * stride;
    rows.behind[i] = first + WrapIndex(place - i - 1, size) * stride;
  }
  return rows;
}

/** Calls task(axis, offset of the row, its stencil) of the components along x, y and z. */
template <typename TTask>
void
ForEachStencilRow(const Lattice & lattice, const float * const (&component)[3], const TTask & task)
{
  const int (&size)[3] = lattice.own.size;
  const std::int64_t plane = static_cast<std::int64_t>(size[0]) * size[1];
  ParallelForRows(lattice, [&](int y, int z, std::int64_t) {
    const std::int64_t offset = lattice.Offset(0, y, z);
    float * const      padded = ThreadScratch<float>(static_cast<std::size_t>(size[0] + 2 * DifferenceRadius));
    task(0, offset, RowsAlongX(component[0] + offset, size[0], padded));
    task(1, offset, RowsAcross(component[1] + lattice.Offset(0, 0, z), y, size[1], size[0]));
    task(2, offset, RowsAcross(component[2] + lattice.Offset(0, y, 0), z, size[2], plane));
  });
}
} // namespace

void
DifferenceGradient(const Device &, const ConstField & input, const Field & gradient)
{
  ForEachStencilRow(
    input.lattice, { input.data, input.data, input.data }, [&](int axis, std::int64_t offset, const StencilRows & rows) {
      DifferenceRow(rows, gradient.Component(axis) + offset, input.lattice.own.size[0], false);
    });
}

void
DifferenceDivergence(const Device &, const ConstField & vector, const Field & divergence)
{
  ForEachStencilRow(vector.lattice,
                    { vector.Component(0), vector.Component(1), vector.Component(2) },
                    [&](int axis, std::int64_t offset, const StencilRows & rows) {
                      DifferenceRow(rows, divergence.data + offset, vector.lattice.own.size[0], axis > 0);
                    });
}
} // namespace cpu
} // namespace engine
} // namespace itk
