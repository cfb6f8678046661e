// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/FiniteDifference8.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
const double pi = std::acos(-1.0);

std::vector<Lattice>
Lattices()
{
  std::vector<Lattice> lattices = EdgeLattices();
  for (const Lattice & lattice :
       { Lattice(3, 4, 5), Lattice(7, 8, 9), Lattice(2, 2, 70), Lattice(33, 9, 67), Lattice(1, 1, 3) })
  {
    lattices.push_back(lattice);
  }
  return lattices;
}

/** The formula, word for word. */
double
DerivativeInDouble(const HostField & field, int c, int axis, int x, int y, int z)
{
  const double weights[4] = { 4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0 };
  const int    n = field.lattice.size[axis];
  double       sum = 0.0;
  for (int j = 1; j <= 4; ++j)
  {
    int       ahead[3] = { x, y, z };
    int       behind[3] = { x, y, z };
    const int here = ahead[axis];
    ahead[axis] = (here + j) % n;
    behind[axis] = (here - j + 4 * n) % n;
    sum += weights[j - 1] * (static_cast<double>(field(c, ahead[0], ahead[1], ahead[2])) -
                             static_cast<double>(field(c, behind[0], behind[1], behind[2])));
  }
  return sum;
}

HostField
Gradient(const HostField & field)
{
  const DeviceFloats input(field);
  const DeviceFloats gradient(field.lattice, 3);
  DifferenceGradient(TestDevice(), input, gradient);
  return gradient.Download();
}

HostField
Divergence(const HostField & field)
{
  const DeviceFloats input(field);
  const DeviceFloats divergence(field.lattice);
  DifferenceDivergence(TestDevice(), input, divergence);
  return divergence.Download();
}

/** Largest error of the derivative along `axis` of a wave of that many voxels, relative to it. */
double
ErrorOfWave(int axis, int voxelsPerWave)
{
  int size[3] = { 5, 6, 7 };
  size[axis] = 2 * voxelsPerWave;
  HostField    field(Lattice(size[0], size[1], size[2]));
  const double k = 2.0 * pi / voxelsPerWave;
  const auto   phase = [&](int x, int y, int z) { return k * (axis == 0 ? x : (axis == 1 ? y : z)) + 0.2; };
  ForEachVoxel(field.lattice, [&](int x, int y, int z) {
    field(0, x, y, z) = static_cast<float>(std::sin(phase(x, y, z)));
  });
  const HostField gradient = Gradient(field);
  double          error = 0.0;
  ForEachVoxel(field.lattice, [&](int x, int y, int z) {
    error = std::max(error, std::abs(gradient(axis, x, y, z) - k * std::cos(phase(x, y, z))) / k);
    for (int other = 1; other < 3; ++other)
    {
      EXPECT_EQ(gradient((axis + other) % 3, x, y, z), 0.0f);
    }
  });
  return error;
}
} // namespace

TEST(FiniteDifference8, MatchesDouble)
{
  for (const Lattice & lattice : Lattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField field = MakeNoise(lattice, 3, 1, -1.0, 3.0);
    HostField       scalar(lattice);
    std::copy_n(field.values.begin(), scalar.values.size(), scalar.values.begin());
    HostDoubles gradient(lattice, 3);
    HostDoubles divergence(lattice);
    ForEachVoxel(lattice, [&](int x, int y, int z) {
      for (int axis = 0; axis < 3; ++axis)
      {
        gradient(axis, x, y, z) = DerivativeInDouble(scalar, 0, axis, x, y, z);
        divergence(0, x, y, z) += DerivativeInDouble(field, axis, axis, x, y, z);
      }
    });
    EXPECT_LE(MaximumError(Gradient(scalar), gradient), 1e-6);
    EXPECT_LE(MaximumError(Divergence(field), divergence), 2e-6);
  }
}

// Checks that half the spacing makes the error 2^8 times less, along every axis.
TEST(FiniteDifference8, HasOrderEight)
{
  for (int axis = 0; axis < 3; ++axis)
  {
    const double coarse = ErrorOfWave(axis, 6);
    const double fine = ErrorOfWave(axis, 12);
    EXPECT_NEAR(std::log2(coarse / fine), 8.0, 0.5) << "axis " << axis << ": " << coarse << ' ' << fine;
    const double k = pi / 6.0;
    EXPECT_NEAR(fine, std::pow(k, 8) / 630.0, 0.3 * fine);
  }
}

TEST(FiniteDifference8, AreMinusEachOthersTranspose)
{
  for (const Lattice & lattice : { Lattice(33, 9, 37), Lattice(3, 5, 6), Lattice(16, 7, 1) })
  {
    const HostField f = MakeNoise(lattice, 1, 2, -1.0, 1.0);
    const HostField v = MakeNoise(lattice, 3, 3, -1.0, 1.0);
    EXPECT_NEAR(Dot(Gradient(f), v), -Dot(f, Divergence(v)), 1e-6 * Norm(f) * Norm(v));
  }
}

// Checks that the difference of equal values is nothing, whatever they are, and that NaN reaches no further than the stencil.
TEST(FiniteDifference8, ConstantsAndNaN)
{
  HostField field(Lattice(20, 11, 12), 1, 1000.25f);
  for (const float value : Gradient(field).values)
  {
    EXPECT_EQ(value, 0.0f);
  }
  field(0, 10, 5, 6) = std::nanf("");
  const HostField gradient = Gradient(field);
  EXPECT_TRUE(std::isnan(gradient(0, 14, 5, 6)));
  EXPECT_EQ(gradient(0, 15, 5, 6), 0.0f);
  EXPECT_EQ(gradient(0, 14, 6, 6), 0.0f);
  EXPECT_TRUE(std::isnan(gradient(1, 10, 1, 6)));
  EXPECT_TRUE(std::isnan(gradient(2, 10, 5, 10)));
  EXPECT_EQ(gradient(2, 10, 5, 11), 0.0f);
}

TEST(FiniteDifference8, BadArgumentsAreNamed)
{
  const Lattice      lattice(6, 5, 4);
  const DeviceFloats scalar(lattice);
  const DeviceFloats vector(lattice, 3);
  const DeviceFloats other(Lattice(6, 5, 3), 3);
  EXPECT_THROW(DifferenceGradient(TestDevice(), vector, vector), Error);
  EXPECT_THROW(DifferenceGradient(TestDevice(), scalar, other), Error);
  EXPECT_THROW(DifferenceDivergence(TestDevice(), scalar, scalar), Error);
  const Field inside(vector.View().Component(1), lattice);
  EXPECT_THROW(DifferenceGradient(TestDevice(), inside, vector), Error);
  EXPECT_THROW(DifferenceDivergence(TestDevice(), vector, inside), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
