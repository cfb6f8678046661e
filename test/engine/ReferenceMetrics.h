// SPDX-License-Identifier: Apache-2.0
#ifndef itkReferenceMetrics_h
#define itkReferenceMetrics_h

#include "EngineTesting.h"

#include "Operators/MetricInputs.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace test
{
struct MetricReference
{
  double      sum = 0.0;
  double      count = 0.0;
  HostDoubles gradient;
};

/** Sum of squared differences and its derivative to M. */
inline MetricReference
MeanSquaresInDouble(const HostField & fixed, const HostDoubles & moving, const HostMask & valid)
{
  MetricReference result;
  result.gradient = HostDoubles(fixed.lattice);
  for (std::size_t i = 0; i < fixed.values.size(); ++i)
  {
    if (valid.values.empty() || valid.values[i] != 0)
    {
      const double difference = moving.values[i] - fixed.values[i];
      result.sum += difference * difference;
      result.count += 1.0;
      result.gradient.values[i] = 2.0 * difference;
    }
  }
  return result;
}

/** What a metric is evaluated on when it warps the moving image itself. */
struct MetricProblem
{
  HostField fixed;
  HostField moving;
  HostField displacement;
  Matrix34  affine = IdentityAffine();
  Matrix33  matrix = LinearPart(IdentityAffine());
  HostMask  fixedMask;
  HostMask  movingMask;
  bool      ignoreOutside = false;
  double    outsideValue = 0.0;
};

inline MetricProblem
MakeMetricProblem(const Lattice & lattice, const Lattice & movingLattice, unsigned int seed)
{
  MetricProblem problem;
  problem.fixed = MakeImage(lattice, seed, 0.0, 0.3);
  problem.moving = MakeImage(movingLattice, seed + 1, 0.0, 0.3);
  problem.displacement = MakeDisplacement(lattice, seed + 2, 1.7);
  problem.affine = MakeAffine(lattice, movingLattice, seed + 3);
  problem.matrix = LinearPart(problem.affine);
  return problem;
}

struct WarpedReference
{
  HostDoubles image;
  HostDoubles gradient; ///< B^T grad M
  HostMask    valid;    ///< empty: all
  HostMask    smooth;   ///< 1 where the gradient is decided in float32
};

/** M(A x + B (u + step direction)), its derivative to u, and which points count. */
inline WarpedReference
WarpInDouble(const MetricProblem & problem, double step = 0.0, const HostField & direction = HostField())
{
  const Lattice & lattice = problem.fixed.lattice;
  const Lattice & movingLattice = problem.moving.lattice;
  WarpedReference result;
  result.image = HostDoubles(lattice);
  result.gradient = HostDoubles(lattice, 3);
  result.smooth = HostMask(lattice);
  // either mask implies it
  const bool ignore = problem.ignoreOutside || !problem.movingMask.values.empty() || !problem.fixedMask.values.empty();
  if (ignore)
  {
    result.valid = HostMask(lattice, 1, 1);
  }
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    Vector3 u = VectorAt(problem.displacement, x, y, z);
    for (int d = 0; step != 0.0 && d < 3; ++d)
    {
      u[d] += step * direction(d, x, y, z);
    }
    const Vector3 p = MapPoint(problem.affine, problem.matrix, Vector3{ { double(x), double(y), double(z) } }, u);
    const bool    inside = IsInside(movingLattice, p);
    result.image(0, x, y, z) = inside ? InterpolateLinear(problem.moving, 0, p) : problem.outsideValue;
    const Vector3 gradient = inside ? GradientLinear(problem.moving, 0, p) : Vector3{};
    for (int d = 0; d < 3; ++d)
    {
      for (int k = 0; k < 3; ++k)
      {
        result.gradient(d, x, y, z) += problem.matrix[k][d] * gradient[k];
      }
    }
    result.smooth(0, x, y, z) =
      DistanceToDecision(movingLattice, p, false) > 2e-5 && DistanceToDecision(movingLattice, p, true) > 2e-5;
    if (!result.valid.values.empty())
    {
      bool counts = problem.fixedMask.values.empty() || problem.fixedMask(0, x, y, z) != 0;
      counts = counts && (!ignore || inside);
      if (counts && !problem.movingMask.values.empty())
      {
        counts = problem.movingMask.Clamped(0,
                                            static_cast<int>(std::floor(p[0] + 0.5)),
                                            static_cast<int>(std::floor(p[1] + 0.5)),
                                            static_cast<int>(std::floor(p[2] + 0.5))) != 0;
      }
      result.valid(0, x, y, z) = counts;
    }
  });
  return result;
}

/** The chain rule: d/du from d/dM. */
inline HostDoubles
ChainInDouble(const HostDoubles & scalar, const HostDoubles & warpedGradient)
{
  HostDoubles       result = warpedGradient;
  const std::size_t voxels = scalar.values.size();
  for (std::size_t i = 0; i < result.values.size(); ++i)
  {
    result.values[i] *= scalar.values[i % voxels];
  }
  return result;
}

/** The same problem in the device's memory. */
class DeviceMetricProblem
{
public:
  explicit DeviceMetricProblem(const MetricProblem & problem)
    : m_Fixed(problem.fixed)
    , m_Moving(problem.moving)
    , m_Displacement(problem.displacement)
    , m_FixedMask(problem.fixedMask.values.empty() ? HostMask(Lattice(1, 1, 1)) : problem.fixedMask)
    , m_MovingMask(problem.movingMask.values.empty() ? HostMask(Lattice(1, 1, 1)) : problem.movingMask)
  {
    inputs.fixed = m_Fixed;
    inputs.moving = m_Moving;
    inputs.displacement = m_Displacement;
    inputs.sampling.affine = ToAffineMap(problem.affine);
    inputs.sampling.displacementMatrix = ToMatrix3(problem.matrix);
    inputs.sampling.outsideValue = static_cast<float>(problem.outsideValue);
    inputs.ignoreOutside = problem.ignoreOutside;
    if (!problem.fixedMask.values.empty())
    {
      inputs.fixedMask = m_FixedMask;
    }
    if (!problem.movingMask.values.empty())
    {
      inputs.movingMask = m_MovingMask;
    }
  }

  MetricInputs inputs;

private:
  DeviceFloats m_Fixed;
  DeviceFloats m_Moving;
  DeviceFloats m_Displacement;
  DeviceMask   m_FixedMask;
  DeviceMask   m_MovingMask;
};

/** Every combination of masks that a metric has to take. */
inline std::vector<MetricProblem>
WithAllMasks(const MetricProblem & plain, unsigned int seed)
{
  std::vector<MetricProblem> problems(5, plain);
  const HostMask             fixedMask = MakeMask(plain.fixed.lattice, seed, 0.4);
  const HostMask             movingMask = MakeMask(plain.moving.lattice, seed + 1, 0.3);
  problems[1].fixedMask = fixedMask;
  problems[2].movingMask = movingMask;
  problems[3].ignoreOutside = true;
  problems[4].fixedMask = fixedMask;
  problems[4].movingMask = movingMask;
  return problems;
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
