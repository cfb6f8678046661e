// SPDX-License-Identifier: Apache-2.0
#include "ReferenceSampling.h"

#include "Operators/Splat.h"

#include "itkMultiThreaderBase.h"

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
Evaluate(const ResampleParameters & parameters,
         const HostField &          value,
         const HostField &          displacement,
         const Lattice &            lattice)
{
  const DeviceFloats output(lattice, value.components);
  const Workspace    workspace(SplatWorkspace(TestDevice(), lattice));
  Splat(TestDevice(), parameters, DeviceFloats(value), DeviceFloats(displacement), output, workspace.Data());
  return output.Download();
}

HostDoubles
SplatInDouble(const SamplingCase & c, const HostField & value, Outside outside)
{
  HostDoubles output(c.moving.lattice, value.components);
  ForEachVoxel(value.lattice, [&](int x, int y, int z) {
    ForEachCorner(output.lattice, c.Position(x, y, z), outside, [&](int i, int j, int k, double weight) {
      for (int component = 0; component < value.components; ++component)
      {
        output(component, i, j, k) += weight * static_cast<double>(value(component, x, y, z));
      }
    });
  });
  return output;
}

/** A case, and values that are 0 where float32 cannot tell inside from outside. */
struct Input
{
  SamplingCase c;
  HostField    value;
};

Input
MakeInput(const Lattice & lattice, unsigned int seed, int components)
{
  Input input{ MakeSamplingCase(lattice, seed), MakeNoise(lattice, components, seed + 7, -1.0, 1.0) };
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    if (DistanceToDecision(input.c.moving.lattice, input.c.Position(x, y, z), true) < 2e-5)
    {
      for (int component = 0; component < components; ++component)
      {
        input.value(component, x, y, z) = 0.0f;
      }
    }
  });
  return input;
}
} // namespace

TEST(Splat, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    for (const int components : { 1, 3 })
    {
      const Input input = MakeInput(lattice, 11, components);
      for (const Outside outside : { Outside::Value, Outside::Clamp })
      {
        const HostField actual = Evaluate(input.c.Parameters(Interpolation::Linear, outside),
                                          input.value,
                                          input.c.displacement,
                                          input.c.moving.lattice);
        EXPECT_RELATIVE_ERROR(actual, SplatInDouble(input.c, input.value, outside), 1e-5);
      }
    }
  }
}

// Checks <Splat(value), I> = <value, Resample(I)>: the sums of the products are taken in double.
TEST(Splat, IsTheAdjointOfResample)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const Input     input = MakeInput(lattice, 21, 2);
    const Lattice & moving = input.c.moving.lattice;
    const HostField image = MakeNoise(moving, 2, 23, 0.5, 1.5);
    HostField       value = input.value;
    for (float & v : value.values)
    {
      v = v == 0.0f ? v : v + 1.5f; // no cancellation in the product
    }
    for (const Outside outside : { Outside::Value, Outside::Clamp })
    {
      const auto         parameters = input.c.Parameters(Interpolation::Linear, outside);
      const DeviceFloats sampled(lattice, 2);
      Resample(TestDevice(), parameters, DeviceFloats(image), DeviceFloats(input.c.displacement), sampled);
      const double expected = Dot(sampled.Download(), value);
      EXPECT_RELATIVE_NEAR(
        Dot(Evaluate(parameters, value, input.c.displacement, moving), image), expected, 1e-6);
    }
  }
}

// Checks that what reaches the grid is what was inside, to the last bit where the weights are exact.
TEST(Splat, HalfVoxelRimGoesToTheEdge)
{
  const Lattice lattice(6, 5, 4);
  HostField     displacement(lattice, 3);
  std::fill_n(displacement.values.begin(), lattice.NumberOfVoxels(), 0.5f);
  const HostField value(lattice, 1, 1.0f);
  const HostField dropped = Evaluate(ResampleParameters(), value, displacement, lattice);
  ResampleParameters parameters;
  parameters.outside = Outside::Clamp;
  const HostField kept = Evaluate(parameters, value, displacement, lattice);
  std::fill_n(displacement.values.begin(), lattice.NumberOfVoxels(), -0.5f);
  const HostField low = Evaluate(ResampleParameters(), value, displacement, lattice);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    // 5.5 is outside of [-0.5, 5.5), -0.5 is inside
    EXPECT_EQ(dropped(0, x, y, z), x == 0 || x == 5 ? 0.5f : 1.0f);
    EXPECT_EQ(kept(0, x, y, z), x == 0 ? 0.5f : (x == 5 ? 1.5f : 1.0f));
    EXPECT_EQ(low(0, x, y, z), x == 0 ? 1.5f : (x == 5 ? 0.5f : 1.0f));
  });
}

// Checks sums of many points in one voxel: exactly, far beyond what float32 could count one by one.
TEST(Splat, AllPointsInOneVoxel)
{
  const Lattice lattice(70, 35, 33);
  const Lattice target(3, 3, 3);
  Matrix34      affine{};
  affine[0][3] = affine[1][3] = affine[2][3] = 1.0;
  ResampleParameters parameters;
  parameters.affine = ToAffineMap(affine);
  HostField value(lattice, 1, 1.0f);
  value(0, 3, 4, 5) = 1e7f;
  value(0, 4, 4, 5) = -1e7f;
  HostField expected(target);
  expected(0, 1, 1, 1) = static_cast<float>(lattice.NumberOfVoxels() - 2);
  const HostField still(lattice, 3);
  EXPECT_MAXIMUM_ERROR(Evaluate(parameters, value, still, target), expected, 0.0);
  // the largest numbers of float32 do not overflow the sum
  value = HostField(lattice, 1, 3e38f);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    if ((x + y + z) % 2 != 0)
    {
      value(0, x, y, z) = -3e38f;
    }
  });
  const HostField large = Evaluate(parameters, value, still, target);
  const int       odd = static_cast<int>(lattice.NumberOfVoxels() % 2);
  EXPECT_FLOAT_EQ(large(0, 1, 1, 1), odd != 0 ? 3e38f : 0.0f);
}

// Checks that the unit follows the data: neither tiny nor huge values lose digits.
TEST(Splat, ScalesWithTheValues)
{
  const Input     input = MakeInput(Lattice(13, 17, 11), 31, 1);
  const auto      parameters = input.c.Parameters(Interpolation::Linear, Outside::Value);
  const HostField plain = Evaluate(parameters, input.value, input.c.displacement, input.c.moving.lattice);
  for (const int exponent : { -110, -30, 40, 110 })
  {
    SCOPED_TRACE(exponent);
    HostField scaled = input.value;
    for (float & value : scaled.values)
    {
      value = std::ldexp(value, exponent);
    }
    HostField expected = plain;
    for (float & value : expected.values)
    {
      value = std::ldexp(value, exponent);
    }
    const HostField actual = Evaluate(parameters, scaled, input.c.displacement, input.c.moving.lattice);
    EXPECT_SAME_BITS(actual, expected);
  }
  const HostField zero = Evaluate(parameters, HostField(input.value.lattice), input.c.displacement, Lattice(5, 4, 3));
  EXPECT_EQ(Norm(zero), 0.0);
}

TEST(Splat, Accumulates)
{
  const Input        input = MakeInput(Lattice(37, 41, 29), 41, 2);
  ResampleParameters parameters = input.c.Parameters(Interpolation::Linear, Outside::Clamp);
  const Lattice &    moving = input.c.moving.lattice;
  HostDoubles        expected = SplatInDouble(input.c, input.value, Outside::Clamp);
  const HostField    before = MakeNoise(moving, 2, 42, -1.0, 1.0);
  for (std::size_t i = 0; i < expected.values.size(); ++i)
  {
    expected.values[i] += before.values[i];
  }
  const DeviceFloats output(before);
  const Workspace    workspace(SplatWorkspace(TestDevice(), moving));
  parameters.accumulate = true;
  Splat(TestDevice(),
        parameters,
        DeviceFloats(input.value),
        DeviceFloats(input.c.displacement),
        output,
        workspace.Data());
  EXPECT_RELATIVE_ERROR(output.Download(), expected, 1e-5);
}

TEST(Splat, AbsentDisplacementIsZero)
{
  const Input        input = MakeInput(Lattice(13, 17, 11), 51, 1);
  const auto         parameters = input.c.Parameters(Interpolation::Linear, Outside::Value);
  const Lattice &    moving = input.c.moving.lattice;
  const DeviceFloats output(moving);
  const Workspace    workspace(SplatWorkspace(TestDevice(), moving));
  Splat(TestDevice(), parameters, DeviceFloats(input.value), ConstField(), output, workspace.Data());
  EXPECT_SAME_BITS(output.Download(),
                   Evaluate(parameters, input.value, HostField(input.value.lattice, 3), moving));
}

// Checks that a value that is not a number shows, and that one at a far position is harmless only if it is a number.
TEST(Splat, NotANumberShows)
{
  const Lattice lattice(13, 17, 11);
  HostField     displacement(lattice, 3);
  HostField     value(lattice, 1, 1.0f);
  displacement(1, 2, 2, 2) = std::numeric_limits<float>::quiet_NaN();
  displacement(0, 3, 3, 3) = 1e30f;
  const HostField fine = Evaluate(ResampleParameters(), value, displacement, lattice);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    EXPECT_EQ(fine(0, x, y, z), (x == 2 && y == 2 && z == 2) || (x == 3 && y == 3 && z == 3) ? 0.0f : 1.0f);
  });
  for (const float bad : { std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity() })
  {
    value(0, 6, 7, 8) = bad;
    EXPECT_FALSE(std::isfinite(Evaluate(ResampleParameters(), value, displacement, lattice)(0, 6, 7, 8)));
  }
}

TEST(Splat, SameBitsForAnyNumberOfThreads)
{
  const Input     input = MakeInput(Lattice(37, 41, 29), 61, 3);
  const auto      parameters = input.c.Parameters(Interpolation::Linear, Outside::Clamp);
  const HostField first = Evaluate(parameters, input.value, input.c.displacement, input.c.moving.lattice);
  const auto      threads = MultiThreaderBase::GetGlobalDefaultNumberOfThreads();
  MultiThreaderBase::SetGlobalDefaultNumberOfThreads(threads == 1 ? 3 : 1);
  const HostField second = Evaluate(parameters, input.value, input.c.displacement, input.c.moving.lattice);
  MultiThreaderBase::SetGlobalDefaultNumberOfThreads(threads);
  EXPECT_SAME_BITS(first, second);
}

TEST(Splat, RefusesWhatDoesNotFit)
{
  const Lattice      lattice(6, 5, 4);
  const DeviceFloats value(lattice, 2);
  const DeviceFloats output(lattice, 2);
  const DeviceFloats one(lattice);
  const Workspace    workspace(SplatWorkspace(TestDevice(), lattice));
  ResampleParameters parameters;
  const auto         splat = [&](const ConstField & v, const ConstField & u, const Field & to) {
    Splat(TestDevice(), parameters, v, u, to, workspace.Data());
  };
  EXPECT_THROW(splat(value, ConstField(), one), Error);
  EXPECT_THROW(splat(value, one, output), Error);
  EXPECT_THROW(splat(value, ConstField(), value), Error);
  EXPECT_THROW(splat(ConstField(), ConstField(), output), Error);
  parameters.interpolation = Interpolation::Nearest;
  EXPECT_THROW(splat(value, ConstField(), output), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
