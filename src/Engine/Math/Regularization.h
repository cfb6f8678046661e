// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineRegularizationMath_h
#define itkEngineRegularizationMath_h

#include "Jacobian.h"

#include <cmath>

namespace itk
{
namespace engine
{
/** Determinants below this count as this in the volume term, which has no slope there: folds are the guard's to mend. */
constexpr float LeastVolume = 0.01f;

/** log det(j) and, if wanted, its derivative with respect to j times the logarithm itself, stress[component][axis]; 0
 * where the determinant is below LeastVolume. */
ITK_ENGINE_HOST_DEVICE float
LogVolume(const float (&j)[3][3], float (*stress)[3])
{
  const float determinant = Determinant(j);
  const bool  isLeast = !(determinant > LeastVolume);
  const float logarithm = logf(isLeast ? LeastVolume : determinant);
  if (stress)
  {
    const float scale = isLeast ? 0.0f : logarithm / determinant;
    for (int c = 0; c < 3; ++c)
    {
      const int c1 = c == 2 ? 0 : c + 1;
      const int c2 = c == 0 ? 2 : c - 1;
      for (int a = 0; a < 3; ++a)
      {
        const int a1 = a == 2 ? 0 : a + 1;
        const int a2 = a == 0 ? 2 : a - 1;
        stress[c][a] = scale * (j[c1][a1] * j[c2][a2] - j[c1][a2] * j[c2][a1]);
      }
    }
  }
  return logarithm;
}

/** The same of j = 1 + du/dx at a grid point. */
ITK_ENGINE_HOST_DEVICE float
LogVolumeAt(const float * u, const Lattice & lattice, int x, int y, int z, float (*stress)[3])
{
  float j[3][3];
  JacobianAt(u, lattice, Matrix3(), x, y, z, j);
  return LogVolume(j, stress);
}

/** The part of the penalties that belongs to one grid point, and their gradient with respect to u there. */
ITK_ENGINE_HOST_DEVICE float
RegularizationAt(const float *   u,
                 const Lattice & lattice,
                 float           diffusion,
                 float           volume,
                 int             x,
                 int             y,
                 int             z,
                 float (&gradient)[3])
{
  const std::int64_t plane = lattice.NumberOfVoxels();
  const std::int64_t offset = lattice.Offset(x, y, z);
  const int          p[3] = { x, y, z };
  const std::int64_t stride[3] = { 1,
                                   lattice.own.size[0],
                                   static_cast<std::int64_t>(lattice.own.size[0]) * lattice.own.size[1] };
  float              energy = 0.0f;
  for (int c = 0; c < 3; ++c)
  {
    gradient[c] = 0.0f;
  }
  for (int axis = 0; axis < 3 && diffusion != 0.0f; ++axis)
  {
    for (int c = 0; c < 3; ++c)
    {
      const float * const centre = u + offset + c * plane;
      if (p[axis] + 1 < lattice.own.size[axis])
      {
        const float difference = centre[stride[axis]] - *centre;
        energy += 0.5f * diffusion * difference * difference;
        gradient[c] -= diffusion * difference;
      }
      if (p[axis] > 0)
      {
        gradient[c] += diffusion * (*centre - centre[-stride[axis]]);
      }
    }
  }
  if (volume != 0.0f)
  {
    const float logarithm = LogVolumeAt(u, lattice, x, y, z, nullptr);
    energy += 0.5f * volume * logarithm * logarithm;
    // The point takes part in the differences of its neighbours, and at a border in its own.
    for (int axis = 0; axis < 3; ++axis)
    {
      for (int side = -1; side <= 1; side += 2)
      {
        int        q[3] = { x, y, z };
        const bool hasNeighbour = side < 0 ? p[axis] > 0 : p[axis] + 1 < lattice.own.size[axis];
        q[axis] += hasNeighbour ? side : 0;
        float stress[3][3];
        LogVolumeAt(u, lattice, q[0], q[1], q[2], stress);
        // to the lower neighbour, and at the lower border to itself, the point is the one before or the one after
        const float sign = hasNeighbour ? -0.5f * side : 0.5f * side;
        for (int c = 0; c < 3; ++c)
        {
          gradient[c] += volume * sign * stress[c][axis];
        }
      }
    }
  }
  return energy;
}
} // namespace engine
} // namespace itk

#endif
