// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"
#include "ReferenceFields.h"

#include "Operators/Compose.h"
#include "Operators/JacobianDeterminant.h"
#include "Solvers/Symmetric.h"
#include "Solvers/SymmetricLevel.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** A head: texture within an ellipsoid, 0 outside. `warp` moves it. */
HostField
MakeHead(const Lattice & lattice, double warp)
{
  HostField       head(lattice);
  const HostField u = MakeDisplacement(lattice, 11, warp, true);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const Vector3 v = VectorAt(u, x, y, z);
    double        radius = 0.0;
    double        value = 0.6;
    const double  p[3] = { x + v[0], y + v[1], z + v[2] };
    for (int d = 0; d < 3; ++d)
    {
      if (lattice.size[d] > 1)
      {
        radius += std::pow((p[d] - 0.5 * (lattice.size[d] - 1)) / (0.4 * lattice.size[d]), 2);
        value += 0.15 * std::sin(0.7 * p[d] + d) * std::cos(0.31 * p[(d + 1) % 3]);
      }
    }
    head(0, x, y, z) = radius < 1.0 ? static_cast<float>(value / (1.0 + std::exp(20.0 * (radius - 0.8)))) : 0.0f;
  });
  return head;
}

SymmetricParameters
MakeParameters(MetricKind metric, const std::vector<int> & factors, int iterations, bool flat)
{
  SymmetricParameters parameters;
  parameters.metric.kind = metric;
  parameters.metric.mutualInformation.numberOfBins = 16;
  for (int d = 0; d < 3; ++d)
  {
    parameters.metric.lncc.radius[d] = d == 2 && flat ? 0 : 2;
  }
  parameters.convergenceThreshold = -1e9;
  for (const int factor : factors)
  {
    SolverLevel level;
    for (int d = 0; d < (flat ? 2 : 3); ++d)
    {
      level.shrinkFactors[d] = factor;
      level.fixedVariance[d] = level.movingVariance[d] = 0.25 * (factor * factor - 1);
    }
    level.iterations = iterations;
    parameters.levels.push_back(level);
  }
  return parameters;
}

/** The faster variant. */
SymmetricParameters
MakeExact(SymmetricParameters parameters)
{
  parameters.derivative = MidpointDerivative::Exact;
  parameters.step = SymmetricStep::Rule;
  parameters.minimumJacobian = 0.1;
  return parameters;
}

struct Registration
{
  HostField       forward;
  HostField       inverse;
  HostField       fixedToMiddle;
  HostField       movingToMiddle;
  SymmetricReport report;
  std::size_t     requiredBytes;
  std::size_t     usedBytes;
  double          minimumJacobian;
};

Registration
Register(const HostField &                 fixedImage,
         const HostField &                 movingImage,
         const SymmetricParameters &       parameters,
         const SymmetricSolver::Callback & callback = SymmetricSolver::Callback(),
         const HostMask &                  mask = HostMask())
{
  const DeviceFloats fixed(fixedImage);
  const DeviceFloats moving(movingImage);
  const DeviceMask   fixedMask(mask.values.empty() ? HostMask(Lattice(1, 1, 1)) : mask);
  SymmetricProblem   problem;
  problem.fixed = fixed;
  problem.moving = moving;
  problem.fixedMask = mask.values.empty() ? ConstMask() : ConstMask(fixedMask);
  problem.dimension = fixedImage.lattice.size[2] == 1 ? 2 : 3;
  problem.fixedMean = problem.movingMean = 0.3f;
  SymmetricSolver   solver(TestDevice(), problem, parameters);
  const std::size_t before = TestDevice().BytesInUse();
  TestDevice().ResetPeak();
  Registration result;
  result.requiredBytes = solver.RequiredBytes();
  result.report = solver.Run(callback);
  result.usedBytes = TestDevice().PeakBytes() - before;
  const Lattice &     lattice = solver.State().geometry.lattice;
  const DeviceFloats  forward(lattice, 3);
  const DeviceFloats  inverse(lattice, 3);
  const DeviceScalars minimum(2);
  solver.WriteForward(forward);
  solver.WriteInverse(forward, inverse);
  JacobianDeterminant(TestDevice(), Matrix3(), forward, Field(), minimum.Data());
  result.forward = forward.Download();
  result.inverse = inverse.Download();
  for (const bool ofFixed : { true, false })
  {
    HostField & field = ofFixed ? result.fixedToMiddle : result.movingToMiddle;
    field = HostField(lattice, 3);
    const Field & from = ofFixed ? solver.State().FixedToMiddle() : solver.State().MovingToMiddle();
    TestDevice().CopyToHost(field.values.data(), from.data, field.values.size() * sizeof(float));
  }
  result.minimumJacobian = minimum.Download()[0];
  return result;
}

const Lattice plane(44, 40, 1);
const Lattice volume(26, 24, 22);
} // namespace

TEST(Symmetric, ImprovesEveryMetricBothWays)
{
  for (const Lattice & lattice : { plane, volume })
  {
    const HostField fixed = MakeHead(lattice, 1.5);
    const HostField moving = MakeHead(lattice, -1.0);
    for (const MetricKind metric : { MetricKind::Lncc, MetricKind::MeanSquares, MetricKind::MutualInformation })
    {
      for (const bool exact : { false, true })
      {
        SCOPED_TRACE(::testing::Message() << Describe(lattice) << " metric " << static_cast<int>(metric)
                                          << (exact ? " exact" : ""));
        const auto   parameters = MakeParameters(metric, { 2, 1 }, 15, lattice.size[2] == 1);
        const auto   result = Register(fixed, moving, exact ? MakeExact(parameters) : parameters);
        const auto & values = result.report.levels[1].metricValues;
        ASSERT_EQ(values.size(), 15u);
        EXPECT_LT(values.back(), values.front());
        const auto & coarse = result.report.levels[0].metricValues;
        EXPECT_LT(coarse.back(), coarse.front() * (metric == MetricKind::MeanSquares ? 0.5 : 1.0));
        EXPECT_GT(result.minimumJacobian, 0.0);
        // 1 is what both maps together give
        const DeviceFloats forward(result.forward);
        const DeviceFloats inverse(result.inverse);
        const DeviceFloats both(lattice, 3);
        Compose(TestDevice(), ComposeParameters(), forward, inverse, both);
        EXPECT_LT(MaximumError(both.Download(), HostField(lattice, 3)), 0.35);
        EXPECT_LT(Norm(both.Download()) / Norm(result.forward), 0.05);
      }
    }
  }
}

TEST(Symmetric, ExchangedImagesGiveTheInverse)
{
  const HostField a = MakeHead(plane, 1.5);
  const HostField b = MakeHead(plane, -1.0);
  for (const MetricKind metric : { MetricKind::Lncc, MetricKind::MeanSquares, MetricKind::MutualInformation })
  {
    for (const bool exact : { false, true })
    {
      SCOPED_TRACE(::testing::Message() << "metric " << static_cast<int>(metric) << (exact ? " exact" : ""));
      auto parameters = MakeParameters(metric, { 2, 1 }, 6, true);
      parameters = exact ? MakeExact(parameters) : parameters;
      const auto there = Register(a, b, parameters);
      const auto back = Register(b, a, parameters);
      EXPECT_GT(Norm(there.forward), 1.0);
      EXPECT_RELATIVE_ERROR(back.movingToMiddle, there.fixedToMiddle, 1e-3);
      EXPECT_RELATIVE_ERROR(back.fixedToMiddle, there.movingToMiddle, 1e-3);
      if (!exact)
      {
        EXPECT_RELATIVE_ERROR(back.inverse, there.forward, 1e-3);
        EXPECT_RELATIVE_ERROR(back.forward, there.inverse, 1e-3);
      }
    }
  }
}

// Checks that the iterations that a level replays are those that a shorter one queues.
TEST(Symmetric, ReplaysItsIterations)
{
  constexpr int   queued = SymmetricLevel::IterationsToRecord - 1;
  const Lattice   lattice(12, 10, 7);
  const HostField a = MakeHead(lattice, 1.0);
  const HostField b = MakeHead(lattice, -1.0);
  for (const MetricKind metric : { MetricKind::Lncc, MetricKind::MeanSquares })
  {
    for (const bool average : { false, true })
    {
      std::vector<double> values[2];
      for (int i = 0; i < 2; ++i)
      {
        auto parameters = MakeExact(MakeParameters(metric, { 1 }, queued + 3 * i, false));
        parameters.averageMidPointGradients = average;
        values[i] = Register(a, b, parameters).report.levels[0].metricValues;
      }
      ASSERT_EQ(values[0].size(), std::size_t{ queued });
      ASSERT_EQ(values[1].size(), std::size_t{ queued + 3 });
      EXPECT_TRUE(std::equal(values[0].begin(), values[0].end(), values[1].begin()));
      EXPECT_NE(values[1][queued + 2], values[1][queued + 1]);
    }
  }
}

TEST(Symmetric, IdenticalConstantAndNoIterationsStay)
{
  const HostField head = MakeHead(plane, 0.0);
  const HostField constant(plane, 1, 0.5f);
  for (const MetricKind metric : { MetricKind::Lncc, MetricKind::MeanSquares })
  {
    const auto parameters = MakeParameters(metric, { 2, 1 }, 3, true);
    EXPECT_EQ(Norm(Register(head, head, parameters).forward), 0.0);
    EXPECT_EQ(Norm(Register(constant, constant, parameters).forward), 0.0);
    const auto none = Register(head, MakeHead(plane, 1.5), MakeParameters(metric, { 2, 1 }, 0, true));
    EXPECT_EQ(Norm(none.forward), 0.0);
    EXPECT_EQ(Norm(none.inverse), 0.0);
  }
}

TEST(Symmetric, CancelledRunsHoldTheLastIteration)
{
  const HostField a = MakeHead(plane, 1.5);
  const HostField b = MakeHead(plane, -1.0);
  int             calls = 0;
  const auto      stopped =
    Register(a, b, MakeParameters(MetricKind::Lncc, { 1 }, 9, true), [&calls](const SolverProgress & progress) {
      return progress.startsLevel || ++calls < 4;
    });
  const auto four = Register(a, b, MakeParameters(MetricKind::Lncc, { 1 }, 4, true));
  EXPECT_TRUE(stopped.report.cancelled);
  EXPECT_FALSE(four.report.cancelled);
  EXPECT_SAME_BITS(stopped.forward, four.forward);
  EXPECT_SAME_BITS(stopped.inverse, four.inverse);
}

TEST(Symmetric, AMaskHidesWhatItCovers)
{
  const HostField a = MakeHead(plane, 1.5);
  HostField       b = MakeHead(plane, 1.5);
  HostMask        mask(plane, 1, 1);
  ForEachVoxel(plane, [&](int x, int y, int z) {
    if (x >= 20)
    {
      mask(0, x, y, z) = 0;
      b(0, std::min(x + 4, 43), y, z) += 0.4f;
    }
  });
  const auto parameters = MakeParameters(MetricKind::MeanSquares, { 1 }, 3, true);
  EXPECT_EQ(Norm(Register(a, b, parameters, SymmetricSolver::Callback(), mask).forward), 0.0);
  EXPECT_GT(Norm(Register(a, b, parameters).forward), 1.0);
}

TEST(Symmetric, EndsWhereTheMetricConverges)
{
  auto parameters = MakeParameters(MetricKind::Lncc, { 1 }, 60, true);
  parameters.convergenceThreshold = 1e-2;
  parameters.convergenceWindow = 5;
  const auto result = Register(MakeHead(plane, 1.5), MakeHead(plane, -1.0), parameters);
  EXPECT_TRUE(result.report.levels[0].converged);
  EXPECT_LT(result.report.levels[0].metricValues.size(), 60u);
  EXPECT_GE(result.report.levels[0].metricValues.size(), 5u);
}

TEST(Symmetric, NeedsWhatItSaysItNeeds)
{
  const HostField a = MakeHead(volume, 1.0);
  for (const bool exact : { false, true })
  {
    for (const MetricKind metric : { MetricKind::Lncc, MetricKind::MeanSquares, MetricKind::MutualInformation })
    {
      auto parameters = MakeParameters(metric, { 2, 1 }, 1, false);
      parameters.gradientFilter = true;
      const auto result = Register(
        a, MakeHead(volume, -1.0), exact ? MakeExact(parameters) : parameters, SymmetricSolver::Callback(), HostMask(volume, 1, 1));
      EXPECT_LE(result.usedBytes, result.requiredBytes);
      EXPECT_GE(result.usedBytes, result.requiredBytes / 2);
    }
  }
}

TEST(Symmetric, NumbersThatAreNoneAreErrors)
{
  HostField a = MakeHead(plane, 1.5);
  a(0, 20, 20, 0) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(Register(a, MakeHead(plane, -1.0), MakeParameters(MetricKind::MeanSquares, { 1 }, 3, true)), Error);
}

TEST(Symmetric, RejectsBadArguments)
{
  const HostField a = MakeHead(plane, 1.5);
  const auto      expect = [&](const std::function<void(SymmetricParameters &)> & spoil) {
    auto parameters = MakeParameters(MetricKind::Lncc, { 1 }, 1, true);
    spoil(parameters);
    EXPECT_THROW(Register(a, a, parameters), Error);
  };
  expect([](SymmetricParameters & p) { p.levels.clear(); });
  expect([](SymmetricParameters & p) { p.levels[0].iterations = -1; });
  expect([](SymmetricParameters & p) { p.levels[0].shrinkFactors[0] = 0; });
  expect([](SymmetricParameters & p) { p.learningRate = 0.0; });
  expect([](SymmetricParameters & p) { p.updateVariance = -1.0; });
  expect([](SymmetricParameters & p) { p.totalVariance = std::numeric_limits<double>::quiet_NaN(); });
  expect([](SymmetricParameters & p) { p.minimumJacobian = 1.0; });
  expect([](SymmetricParameters & p) { p.step = SymmetricStep::Rule; });
  expect([](SymmetricParameters & p) {
    p.derivative = MidpointDerivative::Exact;
    p.step = SymmetricStep::Rule;
    p.stepRule.kind = StepRuleKind::Levenberg;
  });
}

TEST(Symmetric, TwoRunsGiveTheSameBits)
{
  const HostField a = MakeHead(volume, 1.0);
  const HostField b = MakeHead(volume, -1.0);
  const auto      parameters = MakeParameters(MetricKind::Lncc, { 2, 1 }, 4, false);
  EXPECT_SAME_BITS(Register(a, b, parameters).forward, Register(a, b, parameters).forward);
}
} // namespace test
} // namespace engine
} // namespace itk
