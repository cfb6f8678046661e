// SPDX-License-Identifier: Apache-2.0
#include "ReferenceOperators.h"

#include "Operators/ExponentialGradient.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
HostField
Evaluate(const HostField & velocity,
         const HostField & slope,
         int               squarings,
         float             scale,
         Outside           outside = Outside::Value)
{
  ExponentialParameters parameters;
  parameters.outside = outside;
  parameters.squarings = squarings;
  parameters.scale = scale;
  const DeviceFloats gradient(velocity.lattice, 3);
  const Workspace    workspace(ExponentialGradientWorkspace(TestDevice(), velocity.lattice, squarings));
  ExponentialGradient(
    TestDevice(), parameters, DeviceFloats(velocity), DeviceFloats(slope), gradient, workspace.Data());
  return gradient.Download();
}

} // namespace

// Checks against the definition, for odd and even numbers of squarings.
TEST(ExponentialGradient, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    // fades to 0 at the border and is bounded: positions are inside; off the grid points almost everywhere
    const HostField velocity = MakeDisplacement(lattice, 1, 2.5, true);
    const HostField slope = MakeNoise(lattice, 3, 2, -1.0, 1.0);
    for (const int squarings : { 0, 1, 2, 5 })
    {
      if (squarings != 2 && lattice.NumberOfVoxels() > 40000)
      {
        continue; // takes long
      }
      SCOPED_TRACE(squarings);
      EXPECT_RELATIVE_ERROR(
        Evaluate(velocity, slope, squarings, -0.5f), ExponentialGradientInDouble(velocity, slope, squarings, -0.5), 1e-5);
    }
  }
}

// Checks the gradient against differences of the double chain along random directions. A chain of interpolations bends
// wherever one of its positions crosses a grid plane, so the step is far below the distance that most positions keep.
// With Outside::Clamp the fields are large at the border.
TEST(ExponentialGradient, MatchesFiniteDifferences)
{
  const Lattice   lattice(13, 17, 11);
  const HostField slope = MakeNoise(lattice, 3, 12, -1.0, 1.0);
  for (const Outside outside : { Outside::Value, Outside::Clamp })
  {
    const bool clamp = outside == Outside::Clamp;
    const bool fade = !clamp;
    HostField  velocity = MakeDisplacement(lattice, 11, 1.5, fade);
    for (float & value : velocity.values)
    {
      value += value == 0.0f ? 0.0f : 0.03f; // away from still points
    }
    for (const int squarings : { 0, 1, 3, 6 })
    {
      SCOPED_TRACE(squarings);
      const HostField gradient = Evaluate(velocity, slope, squarings, 1.0f, outside);
      for (unsigned int seed = 21; seed < 24; ++seed)
      {
        const HostField  direction = MakeDisplacement(lattice, seed, 1.0, fade);
        constexpr double h = 1e-7;
        HostDoubles      low = ToDoubles(velocity);
        HostDoubles      high = low;
        for (std::size_t i = 0; i < low.values.size(); ++i)
        {
          low.values[i] -= h * direction.values[i];
          high.values[i] += h * direction.values[i];
        }
        const double above = Dot(ExponentialChainInDouble(high, squarings, 1.0, clamp).back(), slope);
        const double below = Dot(ExponentialChainInDouble(low, squarings, 1.0, clamp).back(), slope);
        const double difference = (above - below) / (2 * h);
        EXPECT_NEAR(Dot(gradient, direction), difference, 1e-4 * Norm(gradient) * Norm(direction));
        EXPECT_NEAR(Dot(gradient, direction), difference, 1e-3 * std::abs(difference));
      }
    }
  }
}

TEST(ExponentialGradient, TwoRunsGiveTheSameBits)
{
  const HostField velocity = MakeDisplacement(Lattice(35, 17, 9), 31, 3.0);
  const HostField slope = MakeNoise(velocity.lattice, 3, 32, -1.0, 1.0);
  EXPECT_SAME_BITS(Evaluate(velocity, slope, 4, 1.0f), Evaluate(velocity, slope, 4, 1.0f));
}

TEST(ExponentialGradient, RefusesWhatDoesNotFit)
{
  const Lattice         lattice(6, 5, 4);
  const DeviceFloats    velocity(lattice, 3);
  const DeviceFloats    slope(lattice, 3);
  const DeviceFloats    gradient(lattice, 3);
  const Workspace       workspace(ExponentialGradientWorkspace(TestDevice(), lattice, 2));
  ExponentialParameters parameters;
  const auto            call = [&](const ConstField & g, const Field & to) {
    ExponentialGradient(TestDevice(), parameters, velocity, g, to, workspace.Data());
  };
  EXPECT_THROW(call(slope, gradient), Error); // the number of squarings is not given
  parameters.squarings = 2;
  EXPECT_NO_THROW(call(slope, gradient));
  EXPECT_THROW(call(slope, slope), Error);
  EXPECT_THROW(call(DeviceFloats(lattice), gradient), Error);
  EXPECT_THROW(ExponentialGradient(TestDevice(), parameters, velocity, slope, gradient, nullptr), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
