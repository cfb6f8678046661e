// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineGaussNewtonTesting_h
#define itkEngineGaussNewtonTesting_h

#include "EngineTesting.h"

#include "Solvers/GaussNewton.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace test
{
constexpr double TwoPi = 6.283185307179586;

/** A point of the domain (0, 2 pi)^3, and a velocity there. */
using VelocityFunction = std::function<Vector3(const Vector3 &)>;

/** CLAIRE's template: (sin^2 x + sin^2 y + sin^2 z) / 3. */
inline double
SinusoidalTemplate(const Vector3 & x)
{
  double sum = 0.0;
  for (const double value : x)
  {
    sum += std::sin(value) * std::sin(value);
  }
  return sum / 3.0;
}

/** CLAIRE's velocity, times `amplitude`. */
inline Vector3
SinusoidalVelocity(const Vector3 & x, double amplitude)
{
  return Vector3{ { amplitude * std::sin(x[2]) * std::cos(x[1]) * std::sin(x[1]),
                    amplitude * std::sin(x[0]) * std::cos(x[2]) * std::sin(x[2]),
                    amplitude * std::sin(x[1]) * std::cos(x[0]) * std::sin(x[0]) } };
}

/** Where the characteristic through (1, x) comes from: dx/dt = v backwards, by Runge and Kutta's rule of fourth order. */
inline Vector3
TraceBack(const VelocityFunction & velocity, Vector3 x, int steps = 32)
{
  const double h = -1.0 / steps;
  const auto   at = [](const Vector3 & a, double s, const Vector3 & b) {
    return Vector3{ { a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2] } };
  };
  for (int i = 0; i < steps; ++i)
  {
    const Vector3 k1 = velocity(x);
    const Vector3 k2 = velocity(at(x, 0.5 * h, k1));
    const Vector3 k3 = velocity(at(x, 0.5 * h, k2));
    const Vector3 k4 = velocity(at(x, h, k3));
    x = at(at(at(at(x, h / 6.0, k1), h / 3.0, k2), h / 3.0, k3), h / 6.0, k4);
  }
  return x;
}

/** CLAIRE's synthetic problem: the template and what a known velocity makes of it. The fixed grid is one period; the
 * moving image goes an eighth of it beyond on every side, as points near the border come from there. */
struct SyntheticProblem
{
  SyntheticProblem(int n, double amplitude)
    : fixed(Lattice(n, n, n))
    , margin(n / 8)
  {
    const int m = n + 2 * margin;
    moving = HostField(Lattice(m, m, m));
    const double h = TwoPi / n;
    ForEachVoxel(fixed.lattice, [&](int x, int y, int z) {
      const VelocityFunction velocity = [&](const Vector3 & p) { return SinusoidalVelocity(p, amplitude); };
      fixed(0, x, y, z) = static_cast<float>(SinusoidalTemplate(TraceBack(velocity, Vector3{ { h * x, h * y, h * z } }, 16)));
    });
    ForEachVoxel(moving.lattice, [&](int x, int y, int z) {
      moving(0, x, y, z) =
        static_cast<float>(SinusoidalTemplate(Vector3{ { h * (x - margin), h * (y - margin), h * (z - margin) } }));
    });
  }

  HostField fixed;
  HostField moving;
  int       margin;
};

/** Device copies of two images and the problem that they make. */
struct DeviceProblem
{
  DeviceProblem(const HostField & fixedImage, const HostField & movingImage, int shift = 0)
    : fixed(fixedImage)
    , moving(movingImage)
  {
    problem.fixed = fixed;
    problem.moving = moving;
    problem.fixedMean = problem.movingMean = 0.5f;
    for (int d = 0; d < 3; ++d)
    {
      problem.affine[d][3] = shift;
    }
  }

  DeviceFloats        fixed;
  DeviceFloats        moving;
  RegistrationProblem problem;
};

/** Levels that shrink the grid by these factors, smoothed by one voxel of the level but for the first factor 1. */
inline GaussNewtonParameters
MakeGaussNewtonParameters(const std::vector<int> & factors, bool flat = false)
{
  GaussNewtonParameters parameters;
  parameters.metric.kind = MetricKind::MeanSquares;
  for (const int factor : factors)
  {
    GaussNewtonLevel level;
    for (int d = 0; d < (flat ? 2 : 3); ++d)
    {
      level.shrinkFactors[d] = factor;
      level.fixedVariance[d] = level.movingVariance[d] = factor > 1 ? 0.25 * factor * factor : 0.0;
    }
    parameters.levels.push_back(level);
  }
  return parameters;
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
