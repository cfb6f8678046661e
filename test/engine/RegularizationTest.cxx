// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/Regularization.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** The definition, word for word. */
double
EnergyInDouble(const RegularizationParameters & parameters, const HostDoubles & u)
{
  const Lattice & lattice = u.lattice;
  double          energy = 0.0;
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const int at[3] = { x, y, z };
    double    j[3][3];
    for (int axis = 0; axis < 3; ++axis)
    {
      const int e[3] = { axis == 0, axis == 1, axis == 2 };
      for (int c = 0; c < 3; ++c)
      {
        const double next = u.Clamped(c, x + e[0], y + e[1], z + e[2]);
        const double previous = u.Clamped(c, x - e[0], y - e[1], z - e[2]);
        j[c][axis] = (c == axis ? 1.0 : 0.0) + 0.5 * (next - previous);
        if (at[axis] + 1 < lattice.size[axis])
        {
          energy += 0.5 * parameters.diffusion * std::pow(next - u(c, x, y, z), 2);
        }
      }
    }
    const double determinant = j[0][0] * (j[1][1] * j[2][2] - j[1][2] * j[2][1]) -
                               j[0][1] * (j[1][0] * j[2][2] - j[1][2] * j[2][0]) +
                               j[0][2] * (j[1][0] * j[2][1] - j[1][1] * j[2][0]);
    energy += 0.5 * parameters.volume * std::pow(std::log(std::max(determinant, 0.01)), 2);
  });
  return energy;
}

/** Its gradient by finite differences, at every `stride`-th value; `use` says where. */
HostDoubles
GradientByDifferences(const RegularizationParameters & parameters, const HostField & u, std::size_t stride)
{
  HostDoubles gradient(u.lattice, 3);
  HostDoubles moved = ToDoubles(u);
  for (std::size_t i = 0; i < moved.values.size(); i += stride)
  {
    constexpr double h = 1e-5;
    const double     centre = moved.values[i];
    moved.values[i] = centre + h;
    const double high = EnergyInDouble(parameters, moved);
    moved.values[i] = centre - h;
    const double low = EnergyInDouble(parameters, moved);
    moved.values[i] = centre;
    gradient.values[i] = (high - low) / (2.0 * h);
  }
  return gradient;
}

struct Evaluation
{
  double    energy;
  HostField gradient;
};

/** `before`: what the gradient held. */
Evaluation
Evaluate(const RegularizationParameters & parameters, const HostField & u, float before = 0.0f)
{
  const DeviceFloats  field(u);
  const DeviceFloats  gradient(HostField(u.lattice, 3, before));
  const DeviceScalars energy(1);
  AddRegularization(TestDevice(), parameters, field, energy.Data(), gradient);
  return Evaluation{ energy.Download()[0], gradient.Download() };
}

const std::vector<std::pair<float, float>> weights = { { 0.7f, 0.0f }, { 0.0f, 1.3f }, { 0.4f, 0.6f } };
} // namespace

TEST(Regularization, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    const HostField u = MakeDisplacement(lattice, 1, 1.5);
    for (const auto & weight : weights)
    {
      SCOPED_TRACE(::testing::Message() << Describe(lattice) << " weights " << weight.first << ' ' << weight.second);
      RegularizationParameters parameters;
      parameters.diffusion = weight.first;
      parameters.volume = weight.second;
      const double expected = EnergyInDouble(parameters, ToDoubles(u));
      EXPECT_NEAR(Evaluate(parameters, u).energy, expected, 1e-5 * expected + 1e-12 * lattice.NumberOfVoxels());
    }
  }
}

TEST(Regularization, GradientMatchesFiniteDifferences)
{
  for (const Lattice & lattice : { Lattice(9, 7, 6), Lattice(13, 11, 1), Lattice(1, 2, 5), Lattice(1, 1, 1) })
  {
    const HostField u = MakeNoise(lattice, 3, 2, -0.2, 0.2);
    for (const auto & weight : weights)
    {
      SCOPED_TRACE(::testing::Message() << Describe(lattice) << " weights " << weight.first << ' ' << weight.second);
      RegularizationParameters parameters;
      parameters.diffusion = weight.first;
      parameters.volume = weight.second;
      EXPECT_RELATIVE_ERROR(Evaluate(parameters, u).gradient, GradientByDifferences(parameters, u, 1), 1e-4);
    }
  }
}

// Checks that the gradient is added, that a composed step has (1 + du/dx)^T of it, and that folds have no slope.
TEST(Regularization, AddsToTheGradient)
{
  const Lattice            lattice(13, 11, 9);
  const HostField          u = MakeDisplacement(lattice, 3, 1.0);
  RegularizationParameters parameters;
  parameters.diffusion = 0.5f;
  parameters.volume = 0.25f;
  const HostField plain = Evaluate(parameters, u).gradient;
  HostDoubles     expected = ToDoubles(plain);
  for (double & value : expected.values)
  {
    value += 2.0;
  }
  EXPECT_RELATIVE_ERROR(Evaluate(parameters, u, 2.0f).gradient, expected, 1e-6);

  parameters.composedStep = true;
  HostDoubles pulledBack = ToDoubles(plain);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    for (int axis = 0; axis < 3; ++axis)
    {
      const int e[3] = { axis == 0, axis == 1, axis == 2 };
      for (int c = 0; c < 3; ++c)
      {
        const double next = u.Clamped(c, x + e[0], y + e[1], z + e[2]);
        const double previous = u.Clamped(c, x - e[0], y - e[1], z - e[2]);
        pulledBack(axis, x, y, z) += 0.5 * (next - previous) * plain(c, x, y, z);
      }
    }
  });
  EXPECT_RELATIVE_ERROR(Evaluate(parameters, u).gradient, pulledBack, 1e-5);
}

TEST(Regularization, FoldsHaveNoSlopeAndNoInfinity)
{
  const Lattice            lattice(9, 8, 7);
  RegularizationParameters parameters;
  parameters.volume = 1.0f;
  HostField u(lattice, 3);
  ForEachVoxel(lattice, [&](int x, int y, int z) { u(0, x, y, z) = -2.0f * x; });
  const Evaluation actual = Evaluate(parameters, u);
  EXPECT_TRUE(std::isfinite(actual.energy));
  EXPECT_GT(actual.energy, 0.0);
  for (const float value : actual.gradient.values)
  {
    EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(Regularization, RefusesNegativeWeights)
{
  const HostField          u(Lattice(3, 3, 3), 3);
  RegularizationParameters parameters;
  parameters.diffusion = -1.0f;
  EXPECT_THROW(Evaluate(parameters, u), Error);
  parameters.diffusion = 0.0f;
  parameters.volume = std::nanf("");
  EXPECT_THROW(Evaluate(parameters, u), Error);
}

TEST(Regularization, TwoRunsGiveTheSameBits)
{
  const HostField          u = MakeDisplacement(Lattice(70, 35, 33), 4, 2.0);
  RegularizationParameters parameters;
  parameters.diffusion = 0.5f;
  parameters.volume = 0.5f;
  const Evaluation first = Evaluate(parameters, u);
  const Evaluation second = Evaluate(parameters, u);
  EXPECT_EQ(first.energy, second.energy);
  EXPECT_SAME_BITS(first.gradient, second.gradient);
}
} // namespace test
} // namespace engine
} // namespace itk
