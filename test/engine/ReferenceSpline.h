// SPDX-License-Identifier: Apache-2.0
#ifndef itkReferenceSpline_h
#define itkReferenceSpline_h

#include "EngineTesting.h"

#include <cmath>
#include <vector>

namespace itk
{
namespace engine
{
namespace test
{
/** The cubic B-spline through the samples, from a tridiagonal solve per line. */
inline HostDoubles
ReferenceCoefficients(const HostField & image)
{
  HostDoubles result = ToDoubles(image);
  const int * size = image.lattice.size;
  for (int axis = 0; axis < 3; ++axis)
  {
    const int n = size[axis];
    if (n == 1)
    {
      continue;
    }
    ForEachVoxel(image.lattice, [&](int x, int y, int z) {
      int at[3] = { x, y, z };
      if (at[axis] != 0)
      {
        return;
      }
      const auto value = [&](int i) -> double & {
        at[axis] = i;
        return result(0, at[0], at[1], at[2]);
      };
      // c[i-1] + 4 c[i] + c[i+1] = 6 f[i], with c[-1] = c[1] and c[n] = c[n-2]
      std::vector<double> upper(n);
      std::vector<double> right(n);
      for (int i = 0; i < n; ++i)
      {
        const double low = i == 0 ? 0.0 : (i == n - 1 ? 2.0 : 1.0);
        const double high = i == n - 1 ? 0.0 : (i == 0 ? 2.0 : 1.0);
        const double pivot = 4.0 - (i == 0 ? 0.0 : low * upper[i - 1]);
        upper[i] = high / pivot;
        right[i] = (6.0 * value(i) - (i == 0 ? 0.0 : low * right[i - 1])) / pivot;
      }
      value(n - 1) = right[n - 1];
      for (int i = n - 2; i >= 0; --i)
      {
        right[i] -= upper[i] * right[i + 1];
        value(i) = right[i];
      }
    });
  }
  return result;
}

inline double
CubicBSpline(double t)
{
  const double a = std::abs(t);
  return a < 1.0 ? 2.0 / 3.0 - a * a + 0.5 * a * a * a : (a < 2.0 ? (2.0 - a) * (2.0 - a) * (2.0 - a) / 6.0 : 0.0);
}

inline double
CubicBSplineSlope(double t)
{
  const double a = std::abs(t);
  const double slope = a < 1.0 ? -2.0 * a + 1.5 * a * a : (a < 2.0 ? -0.5 * (2.0 - a) * (2.0 - a) : 0.0);
  return t < 0.0 ? -slope : slope;
}

inline int
Mirror(int i, int n)
{
  while (n > 1 && (i < 0 || i >= n))
  {
    i = i < 0 ? -i : 2 * (n - 1) - i;
  }
  return n == 1 ? 0 : i;
}

/** Sum of coefficients times splines (`axis` < 0), or its derivative along an axis. Coefficients are mirrored at the
 * ends; with `clamp` the position is first moved to [0, size - 1]. */
inline double
EvaluateSpline(const HostDoubles & coefficients, const Vector3 & position, int axis, bool clamp = false)
{
  const int * size = coefficients.lattice.size;
  double      p[3];
  for (int d = 0; d < 3; ++d)
  {
    p[d] = position[d];
    if (clamp && (p[d] < 0.0 || p[d] >= size[d] - 1.0))
    {
      if (d == axis)
      {
        return 0.0;
      }
      p[d] = p[d] < 0.0 ? 0.0 : size[d] - 1.0;
    }
  }
  double sum = 0.0;
  for (int k = -1; k <= 2; ++k)
  {
    for (int j = -1; j <= 2; ++j)
    {
      for (int i = -1; i <= 2; ++i)
      {
        const int cell[3] = { int(std::floor(p[0])) + i, int(std::floor(p[1])) + j, int(std::floor(p[2])) + k };
        double    weight = 1.0;
        for (int d = 0; d < 3; ++d)
        {
          weight *= d == axis ? CubicBSplineSlope(p[d] - cell[d]) : CubicBSpline(p[d] - cell[d]);
        }
        sum += weight * coefficients(0, Mirror(cell[0], size[0]), Mirror(cell[1], size[1]), Mirror(cell[2], size[2]));
      }
    }
  }
  return sum;
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
