// SPDX-License-Identifier: Apache-2.0
// The gradients of the metrics with respect to a step that is composed with the displacement.
#include "ReferenceMetrics.h"

#include "Operators/Lncc.h"
#include "Operators/MeanSquares.h"
#include "Operators/MutualInformation.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** The gradient of each metric in turn. */
std::vector<HostField>
EvaluateAll(const MetricInputs & inputs)
{
  std::vector<HostField>            gradients;
  const LnccParameters              lncc;
  const MutualInformationParameters information;
  const DeviceScalars               energy(2);
  const DeviceFloats                gradient(inputs.fixed.lattice, 3);
  {
    const Workspace workspace(MeanSquaresToDisplacementWorkspace(inputs));
    MeanSquaresToDisplacement(TestDevice(), inputs, energy.Data(), gradient, workspace.Data());
    gradients.push_back(gradient.Download());
  }
  {
    const Workspace workspace(LnccToDisplacementWorkspace(TestDevice(), lncc, inputs));
    LnccToDisplacement(TestDevice(), lncc, inputs, energy.Data(), gradient, workspace.Data());
    gradients.push_back(gradient.Download());
  }
  {
    const Workspace workspace(MutualInformationToDisplacementWorkspace(TestDevice(), information, inputs));
    MutualInformationToDisplacement(TestDevice(), information, inputs, energy.Data(), gradient, workspace.Data());
    gradients.push_back(gradient.Download());
  }
  return gradients;
}

/** (1 + du/dx)^T g, central differences, u continuing with its edge values. */
HostDoubles
PullBack(const HostField & g, const HostField & u)
{
  HostDoubles result = ToDoubles(g);
  ForEachVoxel(g.lattice, [&](int x, int y, int z) {
    for (int axis = 0; axis < 3; ++axis)
    {
      const int e[3] = { axis == 0, axis == 1, axis == 2 };
      for (int c = 0; c < 3; ++c)
      {
        const double next = u.Clamped(c, x + e[0], y + e[1], z + e[2]);
        const double previous = u.Clamped(c, x - e[0], y - e[1], z - e[2]);
        result(axis, x, y, z) += 0.5 * (next - previous) * g(c, x, y, z);
      }
    }
  });
  return result;
}

/** How u changes with a step h d that is composed with it, per h: (h d + u o (1 + h d) - u) / h, u continuing with its
 * edge values. */
HostField
ChangeAlongStep(const HostField & u, const HostField & d, double h)
{
  HostField result(u.lattice, 3);
  ForEachVoxel(u.lattice, [&](int x, int y, int z) {
    const Vector3 step = VectorAt(d, x, y, z);
    const Vector3 p{ { x + h * step[0], y + h * step[1], z + h * step[2] } };
    for (int c = 0; c < 3; ++c)
    {
      result(c, x, y, z) = static_cast<float>(step[c] + (InterpolateLinear(u, c, p) - u(c, x, y, z)) / h);
    }
  });
  return result;
}
} // namespace

TEST(ComposedStep, IsTheGradientTimesTheTransposedJacobian)
{
  const std::pair<Lattice, Lattice> grids[] = { { Lattice(37, 21, 19), Lattice(41, 23, 25) },
                                                { Lattice(33, 35, 1), Lattice(35, 33, 1) },
                                                { Lattice(2, 3, 1), Lattice(4, 2, 1) },
                                                { Lattice(1, 2, 9), Lattice(1, 3, 11) } };
  for (const auto & grid : grids)
  {
    const MetricProblem       problem = MakeMetricProblem(grid.first, grid.second, 1);
    const DeviceMetricProblem device(problem);
    MetricInputs              inputs = device.inputs;
    const auto                plain = EvaluateAll(inputs);
    inputs.composedStep = true;
    const auto composed = EvaluateAll(inputs);
    for (std::size_t metric = 0; metric < plain.size(); ++metric)
    {
      SCOPED_TRACE(::testing::Message() << Describe(grid.first) << " metric " << metric);
      EXPECT_RELATIVE_ERROR(composed[metric], PullBack(plain[metric], problem.displacement), 1e-5);
    }
    // without a displacement there is no difference
    inputs.displacement = ConstField();
    const auto still = EvaluateAll(inputs);
    inputs.composedStep = false;
    const auto same = EvaluateAll(inputs);
    for (std::size_t metric = 0; metric < still.size(); ++metric)
    {
      EXPECT_SAME_BITS(still[metric], same[metric]);
    }
  }
}

// Checks <gradient, step> against the change of the sum of squares when the step is composed with the displacement.
TEST(ComposedStep, MatchesTheDerivativeAlongAStep)
{
  const Lattice       lattice(37, 21, 19);
  const MetricProblem problem = MakeMetricProblem(lattice, Lattice(41, 23, 25), 2);
  const HostField     step = MakeDisplacement(lattice, 3, 1.0);
  DeviceMetricProblem device(problem);
  device.inputs.composedStep = true;
  const HostField gradient = EvaluateAll(device.inputs)[0];

  constexpr double h = 1e-6;
  double           energy[2];
  for (int side = 0; side < 2; ++side)
  {
    const double          signedStep = side == 0 ? -h : h;
    const HostField       change = ChangeAlongStep(problem.displacement, step, signedStep);
    const WarpedReference warped = WarpInDouble(problem, signedStep, change);
    energy[side] = 0.0;
    for (std::size_t i = 0; i < warped.image.values.size(); ++i)
    {
      energy[side] += std::pow(warped.image.values[i] - problem.fixed.values[i], 2);
    }
  }
  EXPECT_RELATIVE_NEAR(Dot(gradient, step), (energy[1] - energy[0]) / (2.0 * h), 1e-3);
}
} // namespace test
} // namespace engine
} // namespace itk
