// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"
#include "ReferenceFields.h"

#include "Operators/JacobianDeterminant.h"
#include "Solvers/Greedy.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** Bright and dark blobs of several sizes, as organs are: unlike waves they match in one place only. */
HostField
MakeBlobs(const Lattice & lattice, unsigned int seed)
{
  Random      random(seed);
  HostDoubles image(lattice, 1, 0.5);
  const int   count = static_cast<int>(lattice.NumberOfVoxels() / (lattice.size[2] == 1 ? 60 : 250));
  for (int n = 0; n < count; ++n)
  {
    double       centre[3];
    const double sigma = random.Uniform(1.5, 5.0);
    const double height = random.Uniform(-0.3, 0.3);
    int          low[3];
    int          high[3];
    for (int d = 0; d < 3; ++d)
    {
      centre[d] = random.Uniform(0.0, lattice.size[d] - 1.0);
      low[d] = std::max(0, static_cast<int>(centre[d] - 4 * sigma));
      high[d] = std::min(lattice.size[d] - 1, static_cast<int>(centre[d] + 4 * sigma));
    }
    for (int z = low[2]; z <= high[2]; ++z)
    {
      for (int y = low[1]; y <= high[1]; ++y)
      {
        for (int x = low[0]; x <= high[0]; ++x)
        {
          const double square =
            (x - centre[0]) * (x - centre[0]) + (y - centre[1]) * (y - centre[1]) + (z - centre[2]) * (z - centre[2]);
          image(0, x, y, z) += height * std::exp(-0.5 * square / (sigma * sigma));
        }
      }
    }
  }
  return ToFloats(image);
}

/** A moving image, an affine map and a displacement, and the fixed image that they give. */
struct Synthetic
{
  HostField moving;
  HostField fixed;
  HostField truth;
  Matrix34  affine;
  HostMask  fixedMask;
  HostMask  movingMask;
};

Synthetic
MakeSynthetic(const Lattice & lattice, const Lattice & movingLattice, double amplitude, unsigned int seed)
{
  Synthetic s;
  s.moving = MakeBlobs(movingLattice, seed);
  s.truth = MakeDisplacement(lattice, seed + 1, amplitude, true);
  s.affine = MakeAffine(lattice, movingLattice, seed + 2);
  // the fixed grid lies inside the moving one
  for (int i = 0; i < 3; ++i)
  {
    const double centre = 0.5 * (movingLattice.size[i] - 1);
    for (int j = 0; movingLattice.size[i] > 1 && j < 4; ++j)
    {
      s.affine[i][j] = 0.75 * (s.affine[i][j] - (j == 3 ? centre : 0.0)) + (j == 3 ? centre : 0.0);
    }
  }
  s.fixed = HostField(lattice);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const Vector3 p = MapPoint(
      s.affine, LinearPart(s.affine), Vector3{ { double(x), double(y), double(z) } }, VectorAt(s.truth, x, y, z));
    s.fixed(0, x, y, z) = static_cast<float>(IsInside(movingLattice, p) ? InterpolateLinear(s.moving, 0, p) : 0.0);
  });
  return s;
}

GreedyParameters
MakeGreedyParameters(MetricKind metric, const std::vector<int> & factors, int iterations, bool flat = false)
{
  GreedyParameters parameters;
  parameters.metric.kind = metric;
  parameters.metric.lncc.radius[0] = parameters.metric.lncc.radius[1] = 3;
  parameters.metric.lncc.radius[2] = flat ? 0 : 3;
  parameters.totalVariance = 0.5;
  // the blobs are smooth: with a higher floor their windows count as flat, and more contrast as a better match
  parameters.metric.lncc.varianceFloor = 1e-8f;
  parameters.learningRate = 0.25;
  parameters.stepRule.epsilon = 1e-3;
  parameters.convergenceThreshold = -1e9;
  for (const int factor : factors)
  {
    GreedyLevel level;
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

struct Registration
{
  HostField    displacement;
  GreedyReport report;
  std::size_t  requiredBytes;
  std::size_t  usedBytes;
};

Registration
Register(const Synthetic &              s,
         const GreedyParameters &       parameters,
         const GreedySolver::Callback & callback = GreedySolver::Callback())
{
  const DeviceFloats  fixed(s.fixed);
  const DeviceFloats  moving(s.moving);
  const DeviceMask    fixedMask(s.fixedMask.values.empty() ? HostMask(Lattice(1, 1, 1)) : s.fixedMask);
  const DeviceMask    movingMask(s.movingMask.values.empty() ? HostMask(Lattice(1, 1, 1)) : s.movingMask);
  const DeviceFloats  displacement(s.fixed.lattice, 3);
  RegistrationProblem problem;
  problem.fixed = fixed;
  problem.moving = moving;
  problem.fixedMask = s.fixedMask.values.empty() ? ConstMask() : ConstMask(fixedMask);
  problem.movingMask = s.movingMask.values.empty() ? ConstMask() : ConstMask(movingMask);
  problem.fixedMean = problem.movingMean = 0.5f;
  for (int i = 0; i < 3; ++i)
  {
    std::copy(s.affine[i].begin(), s.affine[i].end(), problem.affine[i]);
  }
  GreedySolver      solver(TestDevice(), problem, parameters);
  const std::size_t before = TestDevice().BytesInUse();
  TestDevice().ResetPeak();
  Registration result;
  result.requiredBytes = solver.RequiredBytes();
  result.report = solver.Run(displacement, callback);
  result.usedBytes = TestDevice().PeakBytes() - before;
  result.displacement = displacement.Download();
  return result;
}

/** Mean and maximum distance to the true displacement, away from the borders. */
std::array<double, 2>
DistanceToTruth(const HostField & u, const HostField & truth, int margin)
{
  const Lattice & lattice = u.lattice;
  double          sum = 0.0;
  double          maximum = 0.0;
  int             count = 0;
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const int at[3] = { x, y, z };
    for (int d = 0; d < 3; ++d)
    {
      if (lattice.size[d] > 1 && (at[d] < margin || at[d] >= lattice.size[d] - margin))
      {
        return;
      }
    }
    double square = 0.0;
    for (int d = 0; d < 3; ++d)
    {
      const double difference = static_cast<double>(u(d, x, y, z)) - truth(d, x, y, z);
      square += difference * difference;
    }
    sum += std::sqrt(square);
    maximum = std::max(maximum, std::sqrt(square));
    ++count;
  });
  return { { sum / count, maximum } };
}
} // namespace

TEST(Greedy, RecoversAKnownWarp)
{
  const Synthetic volume = MakeSynthetic(Lattice(48, 44, 40), Lattice(44, 48, 42), 2.5, 1);
  const Synthetic plane = MakeSynthetic(Lattice(80, 70, 1), Lattice(76, 77, 1), 2.5, 2);
  const auto      invert = [](Synthetic s) {
    for (float & value : s.fixed.values)
    {
      value = 1.0f - value;
    }
    return s;
  };
  const Synthetic invertedVolume = invert(volume);
  const Synthetic invertedPlane = invert(MakeSynthetic(Lattice(200, 190, 1), Lattice(196, 203, 1), 3.0, 2));
  for (const MetricKind metric : { MetricKind::Lncc, MetricKind::MeanSquares, MetricKind::MutualInformation })
  {
    const bool information = metric == MetricKind::MutualInformation;
    for (const Synthetic * s : { information ? &invertedVolume : &volume, information ? &invertedPlane : &plane })
    {
      const bool flat = s->fixed.lattice.size[2] == 1;
      SCOPED_TRACE(::testing::Message() << (flat ? "2D" : "3D") << " metric " << static_cast<int>(metric));
      auto parameters = MakeGreedyParameters(metric, { 2, 1 }, 40, flat);
      if (information)
      {
        // where few samples fill the bins, noise is informative too: fewer bins, smoother steps
        parameters.metric.mutualInformation.numberOfBins = 16;
        parameters.stepRule.epsilon = 0.3;
        parameters.updateVariance = 8.0;
        parameters.totalVariance = 1.0;
      }
      const Registration result = Register(*s, parameters);
      const auto         before = DistanceToTruth(HostField(s->truth.lattice, 3), s->truth, 6);
      const auto         after = DistanceToTruth(result.displacement, s->truth, 6);
      EXPECT_GT(before[0], 0.5);
      // the correlation of small windows leaves more freedom in 2D, and mutual information everywhere
      EXPECT_LT(after[0], (information ? 0.5 : flat && metric == MetricKind::Lncc ? 0.6 : 0.3) * before[0]);
      EXPECT_LT(result.report.finalMetricValue, result.report.initialMetricValue);
      EXPECT_GT(result.report.minimumJacobian, 0.0);
      EXPECT_EQ(result.report.foldedVoxels, 0);
      EXPECT_FALSE(result.report.cancelled);
      ASSERT_EQ(result.report.levels.size(), 2u);
      EXPECT_EQ(result.report.levels[0].lattice.size[0], s->fixed.lattice.size[0] / 2);
      EXPECT_EQ(result.report.levels[1].lattice.size[0], s->fixed.lattice.size[0]);
      for (const GreedyLevelReport & level : result.report.levels)
      {
        EXPECT_EQ(level.metricValues.size(), 40u);
        EXPECT_LT(level.metricValues.back(), level.metricValues.front());
      }
      if (flat)
      {
        for (std::int64_t i = 0; i < s->fixed.lattice.NumberOfVoxels(); ++i)
        {
          ASSERT_EQ(result.displacement.values[i + 2 * s->fixed.lattice.NumberOfVoxels()], 0.0f);
        }
      }
    }
  }
}

// Checks that the other step rules and parametrisations find the same warp.
TEST(Greedy, EveryStepRuleRecoversAKnownWarp)
{
  const Synthetic s = MakeSynthetic(Lattice(48, 44, 40), Lattice(44, 48, 42), 2.5, 1);
  const double    before = DistanceToTruth(HostField(s.truth.lattice, 3), s.truth, 6)[0];
  for (const StepRuleKind rule : { StepRuleKind::Adam, StepRuleKind::NormalizedGradient, StepRuleKind::Levenberg })
  {
    for (const Parametrization parametrization :
         { Parametrization::Compositive, Parametrization::StationaryVelocity, Parametrization::Additive })
    {
      SCOPED_TRACE(::testing::Message() << "rule " << static_cast<int>(rule) << " parametrization "
                                        << static_cast<int>(parametrization));
      auto parameters = MakeGreedyParameters(MetricKind::Lncc, { 2, 1 }, 40);
      parameters.stepRule.kind = rule;
      parameters.parametrization = parametrization;
      parameters.updateVariance = rule == StepRuleKind::Adam ? parameters.updateVariance : 4.0;
      const Registration result = Register(s, parameters);
      EXPECT_LT(DistanceToTruth(result.displacement, s.truth, 6)[0], 0.35 * before);
      EXPECT_EQ(result.report.foldedVoxels, 0);
    }
  }
}

// Checks that the penalties bring what they ask for, and that the reported values hold them.
TEST(Greedy, PenaltiesGiveSmootherMaps)
{
  const Synthetic  s = MakeSynthetic(Lattice(37, 41, 29), Lattice(37, 41, 29), 3.0, 3);
  GreedyParameters parameters = MakeGreedyParameters(MetricKind::Lncc, { 2, 1 }, 30);
  parameters.totalVariance = 0.0;
  const auto roughness = [](const HostField & u) {
    double sum = 0.0;
    for (int c = 0; c < 3; ++c)
    {
      ForEachVoxel(u.lattice, [&](int x, int y, int z) {
        sum += std::pow(u.Clamped(c, x + 1, y, z) - u(c, x, y, z), 2) + std::pow(u.Clamped(c, x, y + 1, z) - u(c, x, y, z), 2) +
               std::pow(u.Clamped(c, x, y, z + 1) - u(c, x, y, z), 2);
      });
    }
    return sum;
  };
  const Registration free = Register(s, parameters);
  parameters.regularization.diffusion = 0.3f;
  const Registration smooth = Register(s, parameters);
  EXPECT_LT(roughness(smooth.displacement), 0.8 * roughness(free.displacement));
  EXPECT_GT(smooth.report.levels[1].metricValues.back(), smooth.report.finalMetricValue);
  parameters.regularization.diffusion = 0.0f;
  parameters.regularization.volume = 1.0f;
  EXPECT_GT(Register(s, parameters).report.minimumJacobian, free.report.minimumJacobian + 0.05);
}

// Checks that a level goes on with shorter steps where it would have ended, and gets lower.
TEST(Greedy, StepReductionsGoLower)
{
  const Synthetic  s = MakeSynthetic(Lattice(25, 23, 21), Lattice(25, 23, 21), 1.5, 10);
  GreedyParameters parameters = MakeGreedyParameters(MetricKind::Lncc, { 1 }, 200);
  parameters.convergenceThreshold = 1e-3;
  const GreedyReport once = Register(s, parameters).report;
  parameters.stepReductions = 2;
  const GreedyReport reduced = Register(s, parameters).report;
  EXPECT_GT(reduced.levels[0].metricValues.size(), once.levels[0].metricValues.size());
  EXPECT_LT(reduced.finalMetricValue, once.finalMetricValue);
}

// Checks that the report's Jacobian is that of the returned field.
TEST(Greedy, ReportsTheJacobianOfItsResult)
{
  const Synthetic     s = MakeSynthetic(Lattice(37, 41, 29), Lattice(37, 41, 29), 3.0, 3);
  const Registration  result = Register(s, MakeGreedyParameters(MetricKind::Lncc, { 2, 1 }, 15));
  const DeviceScalars minimum(2);
  JacobianDeterminant(TestDevice(), Matrix3(), DeviceFloats(result.displacement), Field(), minimum.Data());
  EXPECT_EQ(result.report.minimumJacobian, minimum.Download()[0]);
  EXPECT_EQ(result.report.foldedVoxels, minimum.Download()[1]);
}

// Checks that one iteration without smoothing moves no voxel by more than the learning rate, and some by that much.
TEST(Greedy, LearningRateBoundsAStep)
{
  const Synthetic  s = MakeSynthetic(Lattice(37, 41, 29), Lattice(37, 41, 29), 2.0, 4);
  GreedyParameters parameters = MakeGreedyParameters(MetricKind::Lncc, { 1 }, 1);
  parameters.updateVariance = 0.0;
  parameters.totalVariance = 0.0;
  parameters.minimumJacobian = 0.0;
  parameters.learningRate = 0.2;
  const double largest = MaximumAndMeanNorm(Register(s, parameters).displacement)[0];
  EXPECT_LE(largest, 0.2 * (1.0 + 1e-5));
  EXPECT_GT(largest, 0.1);
}

// Checks that the guard keeps every determinant positive where steps without smoothing would fold.
TEST(Greedy, FoldingGuardKeepsTheMapInvertible)
{
  Synthetic s = MakeSynthetic(Lattice(37, 41, 29), Lattice(37, 41, 29), 0.5, 5);
  s.moving = MakeImage(s.moving.lattice, 6, 0.0, 0.5);
  GreedyParameters parameters = MakeGreedyParameters(MetricKind::Lncc, { 1 }, 20);
  parameters.updateVariance = 0.0;
  parameters.totalVariance = 0.0;
  parameters.learningRate = 0.5;
  parameters.minimumJacobian = 0.0;
  const Registration free = Register(s, parameters);
  EXPECT_GT(free.report.foldedVoxels, 0);
  parameters.minimumJacobian = 0.1;
  const Registration guarded = Register(s, parameters);
  EXPECT_EQ(guarded.report.foldedVoxels, 0);
  EXPECT_GT(guarded.report.minimumJacobian, 0.0);
}

TEST(Greedy, IdenticalImagesStayWhereTheyAre)
{
  Synthetic s = MakeSynthetic(Lattice(37, 41, 29), Lattice(37, 41, 29), 0.0, 7);
  s.affine = IdentityAffine();
  s.fixed = s.moving;
  const Registration result = Register(s, MakeGreedyParameters(MetricKind::MeanSquares, { 2, 1 }, 10));
  EXPECT_LE(MaximumAndMeanNorm(result.displacement)[0], 0.02);
}

TEST(Greedy, ConstantImagesGiveNoDisplacement)
{
  Synthetic s = MakeSynthetic(Lattice(17, 13, 11), Lattice(17, 13, 11), 0.0, 8);
  s.affine = IdentityAffine();
  s.fixed = HostField(s.fixed.lattice, 1, 0.5f);
  s.moving = s.fixed;
  const Registration result = Register(s, MakeGreedyParameters(MetricKind::Lncc, { 1 }, 5));
  EXPECT_LE(MaximumAndMeanNorm(result.displacement)[0], 1e-3);
}

// Checks that the callback sees every level's start and every iteration in order, and can stop the run.
TEST(Greedy, CallsBackInOrderAndCancels)
{
  const Synthetic  s = MakeSynthetic(Lattice(25, 23, 21), Lattice(25, 23, 21), 1.5, 9);
  const auto       parameters = MakeGreedyParameters(MetricKind::Lncc, { 2, 1 }, 7);
  std::vector<int> seen;
  const auto       collect = [&seen](const GreedyProgress & progress) {
    seen.push_back(progress.startsLevel ? -1 - static_cast<int>(progress.level) : static_cast<int>(progress.iteration));
    EXPECT_EQ(progress.startsLevel || progress.iterationsOfLevel == 7u, true);
    return true;
  };
  const Registration result = Register(s, parameters, collect);
  EXPECT_EQ(seen, (std::vector<int>{ -1, 1, 2, 3, 4, 5, 6, 7, -2, 1, 2, 3, 4, 5, 6, 7 }));
  EXPECT_FALSE(result.report.cancelled);

  int                calls = 0;
  const Registration cancelled =
    Register(s, parameters, [&calls](const GreedyProgress & progress) { return progress.startsLevel || ++calls < 3; });
  EXPECT_TRUE(cancelled.report.cancelled);
  EXPECT_LE(calls, 3);
}

TEST(Greedy, ConvergenceEndsALevel)
{
  const Synthetic  s = MakeSynthetic(Lattice(25, 23, 21), Lattice(25, 23, 21), 1.5, 10);
  GreedyParameters parameters = MakeGreedyParameters(MetricKind::Lncc, { 1 }, 200);
  parameters.convergenceThreshold = 1e-3;
  parameters.convergenceWindow = 10;
  const Registration result = Register(s, parameters);
  EXPECT_TRUE(result.report.levels[0].converged);
  EXPECT_LT(result.report.levels[0].metricValues.size(), 200u);
  EXPECT_GE(result.report.levels[0].metricValues.size(), 10u);
}

// Checks that what lies outside the masks has no say.
TEST(Greedy, MasksHideWhatTheyCover)
{
  Synthetic       s = MakeSynthetic(Lattice(37, 41, 29), Lattice(37, 41, 29), 1.5, 11);
  const HostField clean = s.fixed;
  s.fixedMask = HostMask(s.fixed.lattice, 1, 1);
  for (int z = 8; z < 18; ++z)
  {
    for (int y = 8; y < 18; ++y)
    {
      for (int x = 8; x < 18; ++x)
      {
        s.fixedMask(0, x, y, z) = 0;
      }
    }
  }
  // one level: smoothing in the pyramid would carry the hidden values out
  const auto         parameters = MakeGreedyParameters(MetricKind::Lncc, { 1 }, 10);
  const Registration expected = Register(s, parameters);
  for (std::size_t i = 0; i < clean.values.size(); ++i)
  {
    s.fixed.values[i] = s.fixedMask.values[i] ? clean.values[i] : 1.0f;
  }
  EXPECT_SAME_BITS(Register(s, parameters).displacement, expected.displacement);
}

TEST(Greedy, NeedsWhatItSaysItNeeds)
{
  const Synthetic    s = MakeSynthetic(Lattice(70, 65, 60), Lattice(70, 65, 60), 1.5, 12);
  const Registration result = Register(s, MakeGreedyParameters(MetricKind::Lncc, { 2, 1 }, 2));
  EXPECT_LE(result.usedBytes, result.requiredBytes + Device::ScratchBytes);
  EXPECT_GE(result.usedBytes, result.requiredBytes / 2);
  // images and the result besides: 20 of the 90 bytes per voxel that a registration may take
  EXPECT_LE(result.requiredBytes / static_cast<double>(s.fixed.lattice.NumberOfVoxels()), 70.0);
}

TEST(Greedy, ComponentsCountByTheirWeights)
{
  const auto stack = [](const HostField & a, const HostField & b) {
    HostField both(a.lattice, 2);
    std::copy(a.values.begin(), a.values.end(), both.values.begin());
    std::copy(b.values.begin(), b.values.end(), both.values.begin() + a.values.size());
    return both;
  };
  const Synthetic a = MakeSynthetic(Lattice(31, 27, 23), Lattice(29, 30, 25), 2.0, 14);
  Synthetic       b = a; // another pair under the same map
  b.moving = MakeBlobs(a.moving.lattice, 99);
  b.fixed = MakeBlobs(a.fixed.lattice, 98);
  for (const MetricKind kind : { MetricKind::Lncc, MetricKind::MeanSquares, MetricKind::MutualInformation })
  {
    SCOPED_TRACE(static_cast<int>(kind));
    auto               parameters = MakeGreedyParameters(kind, { 2, 1 }, 5);
    const Registration alone = Register(a, parameters);
    const Registration other = Register(b, parameters);

    Synthetic twice = a;
    twice.fixed = stack(a.fixed, a.fixed);
    twice.moving = stack(a.moving, a.moving);
    parameters.metric.weights = { 2.0, 2.0 };
    const Registration doubled = Register(twice, parameters);
    EXPECT_SAME_BITS(doubled.displacement, alone.displacement);
    EXPECT_EQ(doubled.report.finalMetricValue, alone.report.finalMetricValue);
    EXPECT_LE(doubled.usedBytes, doubled.requiredBytes + Device::ScratchBytes);

    Synthetic both = a;
    both.fixed = stack(a.fixed, b.fixed);
    both.moving = stack(a.moving, b.moving);
    parameters.metric.weights = { 3.0, 1.0 };
    const double expected = 0.75 * alone.report.initialMetricValue + 0.25 * other.report.initialMetricValue;
    EXPECT_NEAR(Register(both, parameters).report.initialMetricValue, expected, 1e-6 * std::abs(expected));
    parameters.metric.weights = { 1.0, 1e-12 };
    const auto shift = DistanceToTruth(Register(both, parameters).displacement, alone.displacement, 0);
    EXPECT_LT(shift[1], 1e-3);
    for (const std::vector<double> & bad : { std::vector<double>{ 1.0, 0.0 }, { 1.0, -1.0 }, { 1.0 }, { 1.0, 1.0, 1.0 } })
    {
      parameters.metric.weights = bad;
      EXPECT_THROW(Register(both, parameters), Error);
    }
  }
}

TEST(Greedy, TwoRunsGiveTheSameBits)
{
  const Synthetic    s = MakeSynthetic(Lattice(37, 41, 29), Lattice(33, 40, 31), 2.0, 13);
  const auto         parameters = MakeGreedyParameters(MetricKind::Lncc, { 2, 1 }, 10);
  const Registration first = Register(s, parameters);
  const Registration second = Register(s, parameters);
  EXPECT_SAME_BITS(first.displacement, second.displacement);
  EXPECT_EQ(first.report.levels[1].metricValues, second.report.levels[1].metricValues);
  EXPECT_EQ(first.report.finalMetricValue, second.report.finalMetricValue);
}
} // namespace test
} // namespace engine
} // namespace itk
