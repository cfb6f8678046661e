// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/Arithmetic.h"
#include "Operators/GradientDirection.h"

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
HostField
Apply(const DirectionParameters & parameters, const HostField & gradient)
{
  const DeviceFloats direction(gradient);
  GradientDirection(TestDevice(), parameters, direction);
  return direction.Download();
}

/** One or more numbers in the device's memory. */
DeviceScalars
Upload(const std::vector<double> & values)
{
  DeviceScalars scalars(static_cast<int>(values.size()));
  TestDevice().CopyFromHost(scalars.Data(), values.data(), values.size() * sizeof(double));
  return scalars;
}

double
Adapted(double sign, const std::vector<double> & previousEnergy, const std::vector<double> & energy, double damping)
{
  const DeviceScalars before = Upload(previousEnergy);
  const DeviceScalars now = Upload(energy);
  const DeviceScalars adapted = Upload({ damping });
  AdaptDamping(TestDevice(), sign, before.Data(), now.Data(), adapted.Data());
  return adapted.Download()[0];
}
} // namespace

TEST(GradientDirection, MatchesDouble)
{
  const DeviceScalars damping = Upload({ 0.02 });
  for (const Lattice & lattice : EdgeLattices())
  {
    for (const DirectionRule rule : { DirectionRule::Normalized, DirectionRule::Levenberg })
    {
      SCOPED_TRACE(::testing::Message() << Describe(lattice) << " rule " << static_cast<int>(rule));
      DirectionParameters parameters;
      parameters.rule = rule;
      parameters.floor = 0.5f;
      parameters.damping = damping.Data();
      const HostField    gradient = MakeNoise(lattice, 3, 1, -1.0, 1.0);
      const std::int64_t voxels = lattice.NumberOfVoxels();
      HostDoubles        expected(lattice, 3);
      for (std::int64_t i = 0; i < voxels; ++i)
      {
        double square = 0.0;
        for (int c = 0; c < 3; ++c)
        {
          square += std::pow(static_cast<double>(gradient.values[i + c * voxels]), 2);
        }
        const double divisor =
          rule == DirectionRule::Normalized ? std::max(0.5, std::sqrt(square)) : square + 0.02;
        for (int c = 0; c < 3; ++c)
        {
          expected.values[i + c * voxels] = -gradient.values[i + c * voxels] / divisor;
        }
      }
      EXPECT_RELATIVE_ERROR(Apply(parameters, gradient), expected, 1e-6);
    }
  }
}

TEST(GradientDirection, ZeroGradientGivesNoStep)
{
  const DeviceScalars damping = Upload({ 0.02 });
  const HostField     zero(Lattice(13, 17, 11), 3);
  for (const DirectionRule rule : { DirectionRule::Normalized, DirectionRule::Levenberg })
  {
    DirectionParameters parameters;
    parameters.rule = rule;
    parameters.damping = damping.Data();
    EXPECT_EQ(Norm(Apply(parameters, zero)), 0.0);
  }
}

// Checks both signs of a metric, means of unlike counts, and that a NaN is no progress.
TEST(GradientDirection, DampingGrowsWithTheLoss)
{
  EXPECT_DOUBLE_EQ(Adapted(1.0, { 10.0, 2.0 }, { 9.0, 2.0 }, 0.1), 0.1 * 0.975);
  EXPECT_DOUBLE_EQ(Adapted(1.0, { 10.0, 2.0 }, { 9.0, 1.0 }, 0.1), 0.1 * 1.5);
  EXPECT_DOUBLE_EQ(Adapted(-1.0, { 10.0, 2.0 }, { 9.0, 2.0 }, 0.1), 0.1 * 1.5);
  EXPECT_DOUBLE_EQ(Adapted(-1.0, { 10.0, 2.0 }, { 11.0, 2.0 }, 0.1), 0.1 * 0.975);
  EXPECT_DOUBLE_EQ(Adapted(1.0, { 10.0, 2.0 }, { std::numeric_limits<double>::quiet_NaN(), 2.0 }, 0.1), 0.1 * 1.5);
}

TEST(GradientDirection, RefusesWhatMakesNoSense)
{
  const DeviceFloats  gradient(HostField(Lattice(3, 3, 3), 3));
  DirectionParameters parameters;
  parameters.floor = 0.0f;
  EXPECT_THROW(GradientDirection(TestDevice(), parameters, gradient), Error);
  parameters.rule = DirectionRule::Levenberg;
  EXPECT_THROW(GradientDirection(TestDevice(), parameters, gradient), Error);
  EXPECT_THROW(GradientDirection(TestDevice(), DirectionParameters(), DeviceFloats(Lattice(3, 3, 3))), Error);
}

// Checks the limit of a step's length that additive updates share with composition.
TEST(LinearCombination, LimitsTheSecondTerm)
{
  const Lattice      lattice(13, 17, 11);
  const HostField    x = MakeNoise(lattice, 3, 2, -1.0, 1.0);
  const HostField    y = MakeNoise(lattice, 3, 3, -1.0, 1.0);
  const DeviceFloats deviceX(x);
  const DeviceFloats deviceY(y);
  const DeviceFloats output(lattice, 3);
  for (const double largest : { 0.5, 4.0 })
  {
    const DeviceScalars norm = Upload({ largest });
    LinearCombination(TestDevice(), 1.0f, deviceX, 0.25f, deviceY, output, norm.Data());
    HostDoubles expected(lattice, 3);
    for (std::size_t i = 0; i < x.values.size(); ++i)
    {
      expected.values[i] = x.values[i] + 0.25 / std::max(1.0, largest) * y.values[i];
    }
    EXPECT_RELATIVE_ERROR(output.Download(), expected, 1e-6);
  }
}
} // namespace test
} // namespace engine
} // namespace itk
