// SPDX-License-Identifier: Apache-2.0
// Checks that the solver's replayed iterations are those that it would queue one by one.
#include "EngineTesting.h"

#include "Solvers/Greedy.h"

#include <algorithm>
#include <stdexcept>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
constexpr int Interval = GreedySolver::ReadInterval;

GreedyParameters
MakeParameters(int iterations)
{
  GreedyParameters parameters;
  parameters.metric.lncc.radius[0] = parameters.metric.lncc.radius[1] = parameters.metric.lncc.radius[2] = 1;
  parameters.convergenceThreshold = -1e9;
  GreedyLevel level;
  level.iterations = iterations;
  parameters.levels.push_back(level);
  return parameters;
}

struct Registration
{
  HostField           displacement;
  GreedyReport        report;
  std::vector<double> values; ///< of the first level
};

Registration
Register(const GreedyParameters & parameters, const GreedySolver::Callback & callback = GreedySolver::Callback())
{
  const Lattice       lattice(8, 7, 6);
  const DeviceFloats  fixed(MakeImage(lattice, 1));
  const DeviceFloats  moving(MakeImage(lattice, 2));
  const DeviceFloats  displacement(lattice, 3);
  RegistrationProblem problem;
  problem.fixed = fixed;
  problem.moving = moving;
  problem.fixedMean = problem.movingMean = 0.5f;
  Registration result;
  result.report = GreedySolver(TestDevice(), problem, parameters).Run(displacement, callback);
  result.values = result.report.levels[0].metricValues;
  result.displacement = displacement.Download();
  return result;
}

/** Of the first two intervals the second is replayed in the one run, as it is whole, and queued in the other. */
void
ExpectSameIterations(GreedyParameters parameters)
{
  parameters.levels[0].iterations = 2 * Interval - 1;
  const std::vector<double> queued = Register(parameters).values;
  parameters.levels[0].iterations = 2 * Interval + 2;
  const std::vector<double> replayed = Register(parameters).values;
  ASSERT_EQ(queued.size(), std::size_t{ 2 * Interval - 1 });
  ASSERT_EQ(replayed.size(), std::size_t{ 2 * Interval + 2 });
  for (std::size_t i = 0; i < queued.size(); ++i)
  {
    EXPECT_EQ(queued[i], replayed[i]) << "iteration " << i;
  }
}
} // namespace

TEST(GreedyReplay, Composition)
{
  ExpectSameIterations(MakeParameters(0));
}

TEST(GreedyReplay, VelocityWithoutMoments)
{
  GreedyParameters parameters = MakeParameters(0);
  parameters.parametrization = Parametrization::StationaryVelocity;
  parameters.squarings = 2;
  parameters.metric.kind = MetricKind::MeanSquares;
  parameters.stepRule.kind = StepRuleKind::NormalizedGradient;
  parameters.regularization.diffusion = 0.1f;
  ExpectSameIterations(parameters);
}

// Checks the rule that remembers the energy of the iteration before.
TEST(GreedyReplay, AdditionWithAdaptedDamping)
{
  GreedyParameters parameters = MakeParameters(0);
  parameters.parametrization = Parametrization::Additive;
  parameters.metric.kind = MetricKind::MutualInformation;
  parameters.metric.mutualInformation.numberOfBins = 8;
  parameters.stepRule.kind = StepRuleKind::Levenberg;
  parameters.regularization.volume = 0.1f;
  parameters.updateVariance = 0.0;
  ExpectSameIterations(parameters);
}

// Checks that shorter steps are recorded anew.
TEST(GreedyReplay, StepReductions)
{
  GreedyParameters parameters = MakeParameters(6 * Interval);
  parameters.convergenceThreshold = 1e9;
  // With a window of two intervals each kind of step is queued once and replayed once.
  parameters.convergenceWindow = 2 * Interval;
  parameters.stepReductions = 1;
  const Registration reduced = Register(parameters);
  ASSERT_EQ(reduced.values.size(), std::size_t{ 4 * Interval });
  EXPECT_TRUE(reduced.report.levels[0].converged);
  const std::vector<double> unreduced = Register(MakeParameters(2 * Interval + 2)).values;
  EXPECT_TRUE(std::equal(unreduced.begin(), unreduced.end() - 1, reduced.values.begin()));
  EXPECT_NE(unreduced.back(), reduced.values[2 * Interval + 1]);
  // One iteration less, and the last interval is queued.
  parameters.levels[0].iterations = 4 * Interval - 1;
  const Registration queued = Register(parameters);
  ASSERT_EQ(queued.values.size(), std::size_t{ 4 * Interval - 1 });
  EXPECT_TRUE(std::equal(queued.values.begin(), queued.values.end(), reduced.values.begin()));
}

// Checks that a level that converges within a replayed interval ends with it, at the field of its last iteration.
TEST(GreedyReplay, ConvergenceWithinAnInterval)
{
  GreedyParameters parameters = MakeParameters(5 * Interval);
  parameters.convergenceThreshold = 1e9;
  parameters.convergenceWindow = Interval + 2;
  const Registration converged = Register(parameters);
  EXPECT_TRUE(converged.report.levels[0].converged);
  ASSERT_EQ(converged.values.size(), std::size_t{ 2 * Interval });
  const Registration whole = Register(MakeParameters(2 * Interval));
  EXPECT_EQ(converged.values, whole.values);
  EXPECT_SAME_BITS(converged.displacement, whole.displacement);
}

TEST(GreedyReplay, OneIteration)
{
  const Registration one = Register(MakeParameters(1));
  ASSERT_EQ(one.values.size(), 1u);
  EXPECT_EQ(one.values[0], Register(MakeParameters(Interval)).values[0]);
  EXPECT_GT(Norm(one.displacement), 0.0);
}

TEST(GreedyReplay, CancelsFromTheCallback)
{
  const int          last = Interval + 3;
  const Registration cancelled = Register(MakeParameters(5 * Interval), [&](const GreedyProgress & progress) {
    return progress.startsLevel || progress.iteration < static_cast<unsigned int>(last);
  });
  EXPECT_TRUE(cancelled.report.cancelled);
  const Registration whole = Register(MakeParameters(2 * Interval));
  EXPECT_TRUE(std::equal(cancelled.values.begin(), cancelled.values.end(), whole.values.begin()));
  EXPECT_EQ(cancelled.values.size(), std::size_t{ last });
  EXPECT_SAME_BITS(cancelled.displacement, whole.displacement);
}

// Checks that an exception that leaves the solver between replays leaves the device in order.
TEST(GreedyReplay, ThrowsFromTheCallback)
{
  const auto fail = [](const GreedyProgress & progress) -> bool {
    if (progress.iteration > Interval)
    {
      throw std::runtime_error("enough");
    }
    return true;
  };
  EXPECT_THROW(Register(MakeParameters(5 * Interval), fail), std::runtime_error);
  EXPECT_EQ(Register(MakeParameters(1)).values.size(), 1u);
}
} // namespace test
} // namespace engine
} // namespace itk
