// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineAffine_h
#define itkEngineAffine_h

#include "../Core/HostDevice.h"

namespace itk
{
namespace engine
{
/** A 3x3 matrix, row-major. */
struct Matrix3
{
  float m[3][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };

  bool
  IsIdentity() const
  {
    bool is = true;
    for (int i = 0; i < 9; ++i)
    {
      is = is && m[i / 3][i % 3] == (i % 4 == 0 ? 1.0f : 0.0f);
    }
    return is;
  }

  ITK_ENGINE_HOST_DEVICE void
  Multiply(const float (&v)[3], float (&out)[3]) const
  {
    for (int i = 0; i < 3; ++i)
    {
      out[i] = m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
    }
  }

  /** transpose(m) v: how a gradient travels back through v -> m v. */
  ITK_ENGINE_HOST_DEVICE void
  MultiplyTransposed(const float (&v)[3], float (&out)[3]) const
  {
    for (int i = 0; i < 3; ++i)
    {
      out[i] = m[0][i] * v[0] + m[1][i] * v[1] + m[2][i] * v[2];
    }
  }
};

/** x -> A x + b, stored as the displacement (A - 1) x + b.
 *
 * A sampling position is an integer grid point plus a displacement of a few voxels; kept apart, float32 loses no
 * digits of the displacement, however large the grid (a position near 1000 alone would cost 6e-5 voxel). */
struct AffineMap
{
  float displacement[3][4] = { { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, { 0, 0, 0, 0 } };

  AffineMap() = default;

  /** From the rows [A | b], in double. */
  explicit AffineMap(const double (&rows)[3][4])
  {
    for (int i = 0; i < 3; ++i)
    {
      for (int j = 0; j < 4; ++j)
      {
        displacement[i][j] = static_cast<float>(rows[i][j] - (i == j ? 1.0 : 0.0));
      }
    }
  }

  ITK_ENGINE_HOST_DEVICE void
  Displacement(int x, int y, int z, float (&d)[3]) const
  {
    for (int i = 0; i < 3; ++i)
    {
      d[i] = displacement[i][0] * x + displacement[i][1] * y + displacement[i][2] * z + displacement[i][3];
    }
  }
};
} // namespace engine
} // namespace itk

#endif
