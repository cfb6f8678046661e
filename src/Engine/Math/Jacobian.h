// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineJacobianMath_h
#define itkEngineJacobianMath_h

#include "Affine.h"

#include "../Core/Lattice.h"

namespace itk
{
namespace engine
{
ITK_ENGINE_HOST_DEVICE float
Determinant(const float (&j)[3][3])
{
  return j[0][0] * (j[1][1] * j[2][2] - j[1][2] * j[2][1]) - j[0][1] * (j[1][0] * j[2][2] - j[1][2] * j[2][0]) +
         j[0][2] * (j[1][0] * j[2][1] - j[1][1] * j[2][0]);
}

ITK_ENGINE_HOST_DEVICE void
AddIdentity(float (&j)[3][3])
{
  for (int c = 0; c < 3; ++c)
  {
    j[c][c] += 1.0f;
  }
}

/** 1 + toIndex du/dx at a grid point, j[component][axis]: central differences, the missing neighbour at a border replaced
 * by the point itself (zero flux, as ITK's DisplacementFieldJacobianDeterminantFilter). */
ITK_ENGINE_HOST_DEVICE void
JacobianAt(const float *   u,
           const Lattice & lattice,
           const Matrix3 & toIndex,
           int             x,
           int             y,
           int             z,
           float (&j)[3][3])
{
  const std::int64_t plane = lattice.NumberOfVoxels();
  const int          p[3] = { x, y, z };
  const std::int64_t stride[3] = { 1,
                                   lattice.own.size[0],
                                   static_cast<std::int64_t>(lattice.own.size[0]) * lattice.own.size[1] };
  const std::int64_t offset = lattice.Offset(x, y, z);
  for (int axis = 0; axis < 3; ++axis)
  {
    const std::int64_t next = offset + (p[axis] + 1 < lattice.own.size[axis] ? stride[axis] : 0);
    const std::int64_t previous = offset - (p[axis] > 0 ? stride[axis] : 0);
    float              difference[3];
    float              column[3];
    for (int c = 0; c < 3; ++c)
    {
      difference[c] = 0.5f * (u[next + c * plane] - u[previous + c * plane]);
    }
    toIndex.Multiply(difference, column);
    for (int c = 0; c < 3; ++c)
    {
      j[c][axis] = column[c] + (c == axis ? 1.0f : 0.0f);
    }
  }
}

/** Its determinant. */
ITK_ENGINE_HOST_DEVICE float
JacobianDeterminantAt(const float *   u,
                      const Lattice & lattice,
                      const Matrix3 & toIndex,
                      int             x,
                      int             y,
                      int             z)
{
  float j[3][3];
  JacobianAt(u, lattice, toIndex, x, y, z, j);
  return Determinant(j);
}

/** Whether all eight determinants with one column of each of differences[side][component][axis] + 1 reach the limit. The
 * sides are the differences to the previous and to the next grid point. False if one of them is not a number. */
ITK_ENGINE_HOST_DEVICE bool
OneSidedDeterminantsReach(float (&differences)[2][3][3], float limit)
{
  for (int c = 0; c < 3; ++c)
  {
    differences[0][c][c] += 1.0f;
    differences[1][c][c] += 1.0f;
  }
  bool reach = true;
  for (int side = 0; side < 4; ++side)
  {
    const float(&y)[3][3] = differences[side % 2];
    const float(&z)[3][3] = differences[side / 2];
    const float cross[3] = { y[1][1] * z[2][2] - y[2][1] * z[1][2],
                             y[2][1] * z[0][2] - y[0][1] * z[2][2],
                             y[0][1] * z[1][2] - y[1][1] * z[0][2] };
    for (int xSide = 0; xSide < 2; ++xSide)
    {
      const float(&x)[3][3] = differences[xSide];
      reach = reach & (x[0][0] * cross[0] + x[1][0] * cross[1] + x[2][0] * cross[2] >= limit);
    }
  }
  return reach;
}

/** (1 + du/dx)^T g with the derivative at a grid point, derivative[component][axis]. */
ITK_ENGINE_HOST_DEVICE void
MultiplyTransposedJacobian(const float (&derivative)[3][3], float (&g)[3])
{
  float product[3];
  for (int axis = 0; axis < 3; ++axis)
  {
    product[axis] = g[axis];
    for (int c = 0; c < 3; ++c)
    {
      product[axis] += derivative[c][axis] * g[c];
    }
  }
  for (int axis = 0; axis < 3; ++axis)
  {
    g[axis] = product[axis];
  }
}

/** (1 + du/dx)^T g at a grid point, with the same differences.
 *
 * \param u         at the point, its components `plane` apart.
 * \param next, previous distances in memory to the neighbours along each axis; 0 where there is none. */
ITK_ENGINE_HOST_DEVICE void
MultiplyTransposedJacobian(const float * u,
                           std::int64_t  plane,
                           const std::int64_t (&next)[3],
                           const std::int64_t (&previous)[3],
                           float (&g)[3])
{
  float product[3];
  for (int axis = 0; axis < 3; ++axis)
  {
    product[axis] = g[axis];
    for (int c = 0; c < 3; ++c)
    {
      product[axis] += 0.5f * (u[c * plane + next[axis]] - u[c * plane - previous[axis]]) * g[c];
    }
  }
  for (int axis = 0; axis < 3; ++axis)
  {
    g[axis] = product[axis];
  }
}

/** The same from the start of the field. */
ITK_ENGINE_HOST_DEVICE void
MultiplyTransposedJacobianAt(const float * u, std::int64_t plane, const int (&size)[3], int x, int y, int z, float (&g)[3])
{
  const std::int64_t row = size[0];
  const std::int64_t slice = row * size[1];
  const std::int64_t next[3] = { x + 1 < size[0] ? 1 : 0, y + 1 < size[1] ? row : 0, z + 1 < size[2] ? slice : 0 };
  const std::int64_t previous[3] = { x > 0 ? 1 : 0, y > 0 ? row : 0, z > 0 ? slice : 0 };
  MultiplyTransposedJacobian(u + slice * z + row * y + x, plane, next, previous, g);
}
} // namespace engine
} // namespace itk

#endif
