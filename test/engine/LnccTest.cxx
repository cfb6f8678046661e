// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceMetrics.h"

#include "Operators/Lncc.h"

#include "itkANTSNeighborhoodCorrelationImageToImageMetricv4.h"
#include "itkIdentityTransform.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
LnccParameters
MakeParameters(const int (&radius)[3], double offset = 0.0)
{
  LnccParameters parameters;
  std::copy_n(radius, 3, parameters.radius);
  parameters.fixedShift = parameters.movingShift = static_cast<float>(0.5 + offset);
  return parameters;
}

struct Evaluation
{
  std::vector<double> energy;
  HostField           gradient;
};

Evaluation
Evaluate(const LnccParameters & parameters, const HostField & fixed, const HostField & moving, const HostMask & valid)
{
  const DeviceMask    mask(valid.values.empty() ? HostMask(Lattice(1, 1, 1)) : valid);
  const DeviceFloats  deviceFixed(fixed);
  const DeviceFloats  deviceMoving(moving);
  const DeviceFloats  gradient(fixed.lattice);
  const DeviceScalars energy(2);
  const Workspace     workspace(LnccWorkspace(TestDevice(), fixed.lattice));
  Lncc(TestDevice(),
       parameters,
       deviceFixed,
       deviceMoving,
       valid.values.empty() ? ConstMask() : ConstMask(mask),
       energy.Data(),
       gradient,
       workspace.Data());
  const Evaluation result{ energy.Download(), gradient.Download() };
  // the value alone is the same value
  const DeviceScalars alone(2);
  Lncc(TestDevice(),
       parameters,
       deviceFixed,
       deviceMoving,
       valid.values.empty() ? ConstMask() : ConstMask(mask),
       alone.Data(),
       Field(),
       workspace.Data());
  EXPECT_RELATIVE_NEAR(alone.Download()[0], result.energy[0], 1e-6);
  EXPECT_EQ(alone.Download()[1], result.energy[1]);
  return result;
}

Evaluation
EvaluateOnProblem(const LnccParameters & parameters, const MetricProblem & problem)
{
  const DeviceMetricProblem device(problem);
  const DeviceFloats        gradient(problem.fixed.lattice, 3);
  const DeviceScalars       energy(2);
  const Workspace           workspace(LnccToDisplacementWorkspace(TestDevice(), device.inputs));
  LnccToDisplacement(TestDevice(), parameters, device.inputs, energy.Data(), gradient, workspace.Data());
  const Evaluation    result{ energy.Download(), gradient.Download() };
  const DeviceScalars alone(2);
  LnccToDisplacement(TestDevice(), parameters, device.inputs, alone.Data(), Field(), workspace.Data());
  EXPECT_RELATIVE_NEAR(alone.Download()[0], result.energy[0], 1e-6);
  EXPECT_EQ(alone.Download()[1], result.energy[1]);
  return result;
}

/** sum of cc by brute force over every window, the definition word for word. */
double
BruteForceSum(const HostField &   fixed,
              const HostDoubles & moving,
              const HostMask &    valid,
              const int (&radius)[3],
              double floor)
{
  const Lattice & lattice = fixed.lattice;
  double          total = 0.0;
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    if (!valid.values.empty() && valid(0, x, y, z) == 0)
    {
      return;
    }
    std::vector<std::array<double, 2>> window;
    for (int k = z - radius[2]; k <= z + radius[2]; ++k)
    {
      for (int j = y - radius[1]; j <= y + radius[1]; ++j)
      {
        for (int i = x - radius[0]; i <= x + radius[0]; ++i)
        {
          const bool inside =
            i >= 0 && j >= 0 && k >= 0 && i < lattice.size[0] && j < lattice.size[1] && k < lattice.size[2];
          if (inside && (valid.values.empty() || valid(0, i, j, k) != 0))
          {
            window.push_back({ { fixed(0, i, j, k), moving(0, i, j, k) } });
          }
        }
      }
    }
    double mean[2] = { 0.0, 0.0 };
    for (const auto & pair : window)
    {
      mean[0] += pair[0] / window.size();
      mean[1] += pair[1] / window.size();
    }
    double ff = 0.0;
    double mm = 0.0;
    double fm = 0.0;
    for (const auto & pair : window)
    {
      ff += (pair[0] - mean[0]) * (pair[0] - mean[0]) / window.size();
      mm += (pair[1] - mean[1]) * (pair[1] - mean[1]) / window.size();
      fm += (pair[0] - mean[0]) * (pair[1] - mean[1]) / window.size();
    }
    total += fm * fm / (ff * mm + floor);
  });
  return total;
}

const int radii[][3] = { { 3, 3, 3 }, { 0, 0, 0 }, { 1, 1, 1 },    { 2, 2, 2 },  { 4, 4, 4 },
                         { 5, 5, 5 }, { 1, 3, 0 }, { 16, 16, 16 }, { 5, 0, 100 } };
} // namespace

// Checks the reference itself: window sums against brute force, its gradient against finite differences.
TEST(Lncc, ReferenceIsRight)
{
  const Lattice     lattice(7, 6, 5);
  const HostField   fixed = MakeImage(lattice, 1, 3.0, 0.5);
  const HostDoubles moving = ToDoubles(MakeImage(lattice, 2, 0.0, 0.5));
  for (const HostMask & valid : { HostMask(), MakeMask(lattice, 3, 0.4) })
  {
    for (const int r : { 0, 1, 2, 9 })
    {
      const int             radius[3] = { r, std::max(0, r - 1), r };
      const MetricReference reference = LnccInDouble(fixed, moving, valid, radius, 1e-5);
      EXPECT_NEAR(reference.sum, BruteForceSum(fixed, moving, valid, radius, 1e-5), 1e-9);
      HostDoubles expected(lattice);
      for (std::size_t i = 0; i < moving.values.size(); ++i)
      {
        constexpr double h = 1e-5;
        HostDoubles      low = moving;
        HostDoubles      high = moving;
        low.values[i] -= h;
        high.values[i] += h;
        expected.values[i] =
          -(BruteForceSum(fixed, high, valid, radius, 1e-5) - BruteForceSum(fixed, low, valid, radius, 1e-5)) / (2 * h);
      }
      EXPECT_RELATIVE_ERROR(reference.gradient, expected, 1e-6);
    }
  }
}

TEST(Lncc, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    const HostField fixed = MakeImage(lattice, 4, 0.0, 0.3);
    const HostField moving = MakeImage(lattice, 5, 0.0, 0.3);
    for (const auto & radius : radii)
    {
      for (const HostMask & valid : { HostMask(), MakeMask(lattice, 6, 0.4) })
      {
        SCOPED_TRACE(::testing::Message() << Describe(lattice) << " radius " << radius[0] << ' ' << radius[1] << ' '
                                          << radius[2] << (valid.values.empty() ? "" : " masked"));
        const LnccParameters  parameters = MakeParameters(radius);
        const MetricReference expected =
          LnccInDouble(fixed, ToDoubles(moving), valid, radius, parameters.varianceFloor);
        const Evaluation actual = Evaluate(parameters, fixed, moving, valid);
        EXPECT_EQ(actual.energy[1], expected.count);
        EXPECT_NEAR(actual.energy[0], expected.sum, 1e-5 * expected.count);
        // windows of one or two voxels are flat or correlate perfectly: what is left of the gradient is rounding
        const double norm = Norm(expected.gradient);
        EXPECT_LE(RelativeError(actual.gradient, expected.gradient) * (norm > 0.0 ? norm : 1.0),
                  1e-5 * norm + 5e-6 * std::sqrt(expected.count));
      }
    }
  }
}

// Checks that with shifts near the means an offset of 1000 costs no digits but those of the images themselves.
TEST(Lncc, OffsetOfAThousandCostsNoDigits)
{
  const Lattice   lattice(37, 41, 29);
  const int       radius[3] = { 3, 3, 3 };
  const HostField fixed = MakeImage(lattice, 7, 1000.0, 0.3);
  const HostField moving = MakeImage(lattice, 8, -1000.0, 0.3);
  LnccParameters  parameters = MakeParameters(radius);
  parameters.fixedShift = 1000.4f;
  parameters.movingShift = -999.6f;
  const MetricReference expected = LnccInDouble(fixed, ToDoubles(moving), HostMask(), radius, parameters.varianceFloor);
  const Evaluation      actual = Evaluate(parameters, fixed, moving, HostMask());
  EXPECT_RELATIVE_NEAR(actual.energy[0], expected.sum, 1e-5);
  EXPECT_RELATIVE_ERROR(actual.gradient, expected.gradient, 1e-5);
}

TEST(Lncc, GradientMatchesFiniteDifferences)
{
  const Lattice        lattice(13, 17, 11);
  const int            radius[3] = { 2, 1, 3 };
  const HostField      fixed = MakeImage(lattice, 9, 0.0, 0.3);
  const HostField      moving = MakeImage(lattice, 10, 0.0, 0.3);
  const HostMask       valid = MakeMask(lattice, 11, 0.3);
  const LnccParameters parameters = MakeParameters(radius);
  const Evaluation     actual = Evaluate(parameters, fixed, moving, valid);
  HostDoubles          expected(lattice);
  HostMask             use(lattice);
  for (std::size_t i = 0; i < use.values.size(); i += 23)
  {
    constexpr double h = 1e-5;
    HostDoubles      low = ToDoubles(moving);
    HostDoubles      high = low;
    low.values[i] -= h;
    high.values[i] += h;
    use.values[i] = 1;
    expected.values[i] = -(LnccInDouble(fixed, high, valid, radius, parameters.varianceFloor).sum -
                           LnccInDouble(fixed, low, valid, radius, parameters.varianceFloor).sum) /
                         (2 * h);
  }
  EXPECT_RELATIVE_ERROR_WHERE(use, actual.gradient, expected, 1e-3);
}

// Checks that flat images count as uncorrelated, without a division by zero.
TEST(Lncc, ConstantImagesAreUncorrelated)
{
  const Lattice   lattice(13, 17, 11);
  const int       radius[3] = { 3, 3, 3 };
  const HostField texture = MakeImage(lattice, 12);
  for (const float value : { 0.0f, 0.7f, 1000.0f })
  {
    const HostField flat(lattice, 1, value);
    LnccParameters  parameters = MakeParameters(radius);
    parameters.fixedShift = parameters.movingShift = value;
    for (const auto & pair :
         { std::make_pair(flat, flat), std::make_pair(texture, flat), std::make_pair(flat, texture) })
    {
      parameters.fixedShift = pair.first.values[0];
      parameters.movingShift = pair.second.values[0];
      const Evaluation actual = Evaluate(parameters, pair.first, pair.second, HostMask());
      EXPECT_NEAR(actual.energy[0], 0.0, 1e-6 * lattice.NumberOfVoxels());
      EXPECT_EQ(actual.energy[1], lattice.NumberOfVoxels());
      EXPECT_LE(MaximumError(actual.gradient, HostDoubles(lattice)), 1e-5);
    }
  }
}

// Checks the meaning: 1 for images that are linear functions of each other, of either sign, and no gradient there.
TEST(Lncc, LinearlyRelatedImagesCorrelate)
{
  const Lattice   lattice(37, 41, 29);
  const int       radius[3] = { 3, 3, 3 };
  const HostField fixed = MakeImage(lattice, 13, 0.0, 0.5);
  for (const float slope : { 1.0f, -1.0f })
  {
    HostField moving(lattice);
    for (std::size_t i = 0; i < moving.values.size(); ++i)
    {
      moving.values[i] = 0.5f + slope * (fixed.values[i] - 0.5f);
    }
    LnccParameters parameters = MakeParameters(radius);
    parameters.varianceFloor = 1e-12f;
    const Evaluation actual = Evaluate(parameters, fixed, moving, HostMask());
    EXPECT_RELATIVE_NEAR(actual.energy[0], lattice.NumberOfVoxels(), 1e-4);
    EXPECT_LE(MaximumError(actual.gradient, HostDoubles(lattice)), 1e-3);
  }
}

TEST(Lncc, EmptyMaskGivesZero)
{
  const Lattice    lattice(13, 17, 11);
  const int        radius[3] = { 2, 2, 2 };
  const Evaluation actual =
    Evaluate(MakeParameters(radius), MakeImage(lattice, 14), MakeImage(lattice, 15), HostMask(lattice));
  EXPECT_EQ(actual.energy, (std::vector<double>{ 0.0, 0.0 }));
  EXPECT_EQ(Norm(actual.gradient), 0.0);
}

// Checks that voxels outside the mask have no say, whatever they hold.
TEST(Lncc, MaskedVoxelsHaveNoInfluence)
{
  const Lattice   lattice(37, 41, 29);
  const int       radius[3] = { 3, 3, 3 };
  const HostMask  valid = MakeMask(lattice, 16, 0.4);
  const HostField fixed = MakeImage(lattice, 17, 0.0, 0.3);
  const HostField moving = MakeImage(lattice, 18, 0.0, 0.3);
  HostField       changed = moving;
  for (std::size_t i = 0; i < changed.values.size(); ++i)
  {
    changed.values[i] = valid.values[i] ? changed.values[i] : 1e4f;
  }
  const Evaluation before = Evaluate(MakeParameters(radius), fixed, moving, valid);
  const Evaluation after = Evaluate(MakeParameters(radius), fixed, changed, valid);
  EXPECT_EQ(before.energy, after.energy);
  EXPECT_SAME_BITS(before.gradient, after.gradient);
}

TEST(Lncc, TwoRunsGiveTheSameBits)
{
  const Lattice       lattice(70, 35, 33);
  const MetricProblem problem = MakeMetricProblem(lattice, Lattice(61, 40, 37), 19);
  const Evaluation    first = EvaluateOnProblem(LnccParameters(), problem);
  const Evaluation    second = EvaluateOnProblem(LnccParameters(), problem);
  EXPECT_EQ(first.energy, second.energy);
  EXPECT_SAME_BITS(first.gradient, second.gradient);
}

TEST(LnccToDisplacement, MatchesDouble)
{
  const std::pair<Lattice, Lattice> grids[] = { { Lattice(37, 41, 29), Lattice(41, 33, 35) },
                                                { Lattice(70, 35, 33), Lattice(70, 35, 33) },
                                                { Lattice(13, 17, 11), Lattice(11, 19, 12) },
                                                { Lattice(17, 13, 1), Lattice(21, 12, 1) },
                                                { Lattice(2, 3, 1), Lattice(4, 2, 1) } };
  const int                         radius[3] = { 3, 2, 4 };
  for (const auto & grid : grids)
  {
    int number = 0;
    for (const MetricProblem & problem : WithAllMasks(MakeMetricProblem(grid.first, grid.second, 20), 21))
    {
      SCOPED_TRACE(::testing::Message() << Describe(grid.first) << " masks " << number++);
      const LnccParameters  parameters = MakeParameters(radius);
      const WarpedReference warped = WarpInDouble(problem);
      const MetricReference expected =
        LnccInDouble(problem.fixed, warped.image, warped.valid, radius, parameters.varianceFloor);
      const Evaluation actual = EvaluateOnProblem(parameters, problem);
      EXPECT_EQ(actual.energy[1], expected.count);
      EXPECT_NEAR(actual.energy[0], expected.sum, 1e-5 * expected.count);
      EXPECT_RELATIVE_ERROR_WHERE(
        warped.smooth, actual.gradient, ChainInDouble(expected.gradient, warped.gradient), 1e-5);
    }
  }
}

// Checks <gradient, direction> against the change of the energy in that direction.
TEST(LnccToDisplacement, GradientMatchesDirectionalDerivative)
{
  const int radius[3] = { 2, 2, 2 };
  for (const auto & grid : { std::make_pair(Lattice(13, 17, 11), Lattice(15, 16, 12)),
                             std::make_pair(Lattice(37, 41, 1), Lattice(35, 44, 1)) })
  {
    for (const MetricProblem & problem : WithAllMasks(MakeMetricProblem(grid.first, grid.second, 22), 23))
    {
      const LnccParameters parameters = MakeParameters(radius);
      const Evaluation     actual = EvaluateOnProblem(parameters, problem);
      for (const unsigned int seed : { 24u, 25u })
      {
        // a smooth and a rough direction
        const HostField direction =
          seed == 24u ? MakeDisplacement(grid.first, seed, 1.0) : MakeNoise(grid.first, 3, seed, -1.0, 1.0);
        constexpr double h = 1e-6;
        double           energy[2];
        for (int side = 0; side < 2; ++side)
        {
          const WarpedReference warped = WarpInDouble(problem, side == 0 ? -h : h, direction);
          energy[side] = LnccInDouble(problem.fixed, warped.image, warped.valid, radius, parameters.varianceFloor).sum;
        }
        EXPECT_RELATIVE_NEAR(Dot(actual.gradient, direction), -(energy[1] - energy[0]) / (2 * h), 1e-3);
      }
    }
  }
}

TEST(LnccToDisplacement, AbsentDisplacementIsZero)
{
  MetricProblem problem = MakeMetricProblem(Lattice(13, 17, 11), Lattice(15, 16, 12), 26);
  problem.displacement = HostField(problem.fixed.lattice, 3);
  const Evaluation    expected = EvaluateOnProblem(LnccParameters(), problem);
  DeviceMetricProblem device(problem);
  device.inputs.displacement = ConstField();
  const DeviceFloats  gradient(problem.fixed.lattice, 3);
  const DeviceScalars energy(2);
  const Workspace     workspace(LnccToDisplacementWorkspace(TestDevice(), device.inputs));
  LnccToDisplacement(TestDevice(), LnccParameters(), device.inputs, energy.Data(), gradient, workspace.Data());
  EXPECT_EQ(energy.Download(), expected.energy);
  EXPECT_SAME_BITS(gradient.Download(), expected.gradient);
}

// Checks that a point that maps nowhere has the outside value, or does not count.
TEST(LnccToDisplacement, NotANumberLandsOutside)
{
  MetricProblem problem = MakeMetricProblem(Lattice(13, 17, 11), Lattice(15, 16, 12), 27);
  MetricProblem far = problem;
  for (const int c : { 0, 1, 2 })
  {
    problem.displacement(c, 6, 6, 6) = std::numeric_limits<float>::quiet_NaN();
    far.displacement(c, 6, 6, 6) = 1e6f;
  }
  for (const bool ignore : { false, true })
  {
    problem.ignoreOutside = far.ignoreOutside = ignore;
    const Evaluation actual = EvaluateOnProblem(LnccParameters(), problem);
    const Evaluation expected = EvaluateOnProblem(LnccParameters(), far);
    EXPECT_EQ(actual.energy, expected.energy);
    EXPECT_SAME_BITS(actual.gradient, expected.gradient);
  }
}

namespace
{
template <unsigned int VDimension>
void
CompareWithItk(const Lattice & lattice, int r)
{
  using ImageType = Image<double, VDimension>;
  using MetricType = ANTSNeighborhoodCorrelationImageToImageMetricv4<ImageType, ImageType>;
  const auto      geometry = MakeGeometry<VDimension>(28);
  const HostField fixed = MakeImage(lattice, 29, 0.0, 0.5);
  const HostField moving = MakeImage(lattice, 30, 0.0, 0.5);
  auto            metric = MetricType::New();
  metric->SetFixedImage(ToItkImage(fixed, geometry));
  metric->SetMovingImage(ToItkImage(moving, geometry));
  metric->SetFixedTransform(IdentityTransform<double, VDimension>::New());
  metric->SetMovingTransform(IdentityTransform<double, VDimension>::New());
  typename MetricType::RadiusType radiusOfMetric;
  radiusOfMetric.Fill(r);
  metric->SetRadius(radiusOfMetric);
  metric->SetUseFixedImageGradientFilter(false);
  metric->SetUseMovingImageGradientFilter(false);
  metric->Initialize();
  const int      radius[3] = { r, r, r };
  LnccParameters parameters = MakeParameters(radius);
  parameters.varianceFloor = 1e-12f;
  const Evaluation actual = Evaluate(parameters, fixed, moving, HostMask());
  EXPECT_NEAR(-actual.energy[0] / actual.energy[1], metric->GetValue(), 1e-4);
}
} // namespace

TEST(Lncc, ValueMatchesItkANTSNeighborhoodCorrelation)
{
  for (const int r : { 1, 2, 4 })
  {
    CompareWithItk<3>(Lattice(37, 41, 29), r);
    CompareWithItk<2>(Lattice(37, 41, 1), r);
  }
}
} // namespace test
} // namespace engine
} // namespace itk
