// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/Reductions.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
TEST(Reductions, MatchDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    for (const int components : { 1, 2, 3 })
    {
      const HostField field = MakeNoise(lattice, components, 7, -1.0, 3.0);
      double          sum = 0.0;
      double          absolute = 0.0;
      double          normSum = 0.0;
      double          normMaximum = 0.0;
      for (const float value : field.values)
      {
        sum += value;
        absolute += std::abs(value);
      }
      ForEachVoxel(lattice, [&](int x, int y, int z) {
        double square = 0.0;
        for (int c = 0; c < components; ++c)
        {
          square += static_cast<double>(field(c, x, y, z)) * field(c, x, y, z);
        }
        normSum += std::sqrt(square);
        normMaximum = std::max(normMaximum, std::sqrt(square));
      });

      const DeviceFloats  device(field);
      const DeviceScalars result(2);
      Sum(TestDevice(), device, result.Data());
      EXPECT_NEAR(result.Download()[0], sum, 1e-12 * absolute);
      Norms(TestDevice(), device, result.Data());
      // a norm may be taken in float32
      EXPECT_RELATIVE_NEAR(result.Download()[0], normSum, 1e-6);
      EXPECT_RELATIVE_NEAR(result.Download()[1], normMaximum, 1e-6);
      MinimumMaximum(TestDevice(), device, result.Data());
      EXPECT_EQ(result.Download()[0], *std::min_element(field.values.begin(), field.values.end()));
      EXPECT_EQ(result.Download()[1], *std::max_element(field.values.begin(), field.values.end()));

      const HostField other = MakeNoise(lattice, components, 8, -2.0, 1.0);
      InnerProduct(TestDevice(), device, DeviceFloats(other), result.Data());
      EXPECT_NEAR(result.Download()[0], Dot(field, other), 1e-12 * Norm(field) * Norm(other));
      EXPECT_RELATIVE_NEAR(result.Download()[1], Dot(field, field), 1e-12);
    }
  }
}

// Checks float64 accumulation: in float32 a million times 0.1 after 1e8 is lost.
TEST(Reductions, SumKeepsSmallValues)
{
  HostField field(Lattice(100, 100, 100), 1, 0.1f);
  field.values[0] = 1e8f;
  const DeviceScalars result(1);
  Sum(TestDevice(), DeviceFloats(field), result.Data());
  const double expected = 1e8 + 999999.0 * static_cast<double>(0.1f);
  EXPECT_RELATIVE_NEAR(result.Download()[0], expected, 1e-10);
}

// Checks that the extreme values are found wherever they are, first and last voxel included.
TEST(Reductions, ExtremesAreFoundAnywhere)
{
  const Lattice lattice(37, 41, 29);
  for (const std::int64_t at : { std::int64_t{ 0 }, lattice.NumberOfVoxels() - 1, lattice.NumberOfVoxels() / 2 + 1 })
  {
    HostField field(lattice, 1, 2.0f);
    field.values[at] = -5.0f;
    const DeviceScalars result(2);
    MinimumMaximum(TestDevice(), DeviceFloats(field), result.Data());
    EXPECT_EQ(result.Download(), (std::vector<double>{ -5.0, 2.0 }));
    Norms(TestDevice(), DeviceFloats(field), result.Data());
    EXPECT_EQ(result.Download()[1], 5.0);
    field.values[at] = 9.0f;
    MinimumMaximum(TestDevice(), DeviceFloats(field), result.Data());
    EXPECT_EQ(result.Download(), (std::vector<double>{ 2.0, 9.0 }));
  }
}

TEST(Reductions, AMaskLeavesExtremesOut)
{
  const Lattice       lattice(37, 41, 29);
  HostField           field = MakeNoise(lattice, 1, 6, -1.0, 1.0);
  HostMask            mask = MakeMask(lattice, 7, 0.5);
  const DeviceScalars result(2);
  mask.values[5] = mask.values[9000] = 0;
  field.values[5] = 9.0f;
  field.values[9000] = std::numeric_limits<float>::quiet_NaN();
  float low = 2.0f;
  float high = -2.0f;
  for (std::size_t i = 0; i < field.values.size(); ++i)
  {
    low = mask.values[i] ? std::min(low, field.values[i]) : low;
    high = mask.values[i] ? std::max(high, field.values[i]) : high;
  }
  MinimumMaximum(TestDevice(), DeviceFloats(field), result.Data(), DeviceMask(mask));
  EXPECT_EQ(result.Download(), (std::vector<double>{ low, high }));
}

TEST(Reductions, NotANumberShows)
{
  for (const Lattice & lattice : { Lattice(1, 1, 1), Lattice(37, 41, 29) })
  {
    for (const std::int64_t at : { std::int64_t{ 0 }, lattice.NumberOfVoxels() - 1, lattice.NumberOfVoxels() / 2 })
    {
      HostField field = MakeNoise(lattice, 3, 5, -1.0, 1.0);
      field.values[at] = std::numeric_limits<float>::quiet_NaN();
      const DeviceFloats  device(field);
      const DeviceScalars result(2);
      Sum(TestDevice(), device, result.Data());
      EXPECT_TRUE(std::isnan(result.Download()[0]));
      Norms(TestDevice(), device, result.Data());
      EXPECT_TRUE(std::isnan(result.Download()[0]));
      EXPECT_TRUE(std::isnan(result.Download()[1]));
      MinimumMaximum(TestDevice(), device, result.Data());
      EXPECT_TRUE(std::isnan(result.Download()[0]));
      EXPECT_TRUE(std::isnan(result.Download()[1]));
      InnerProduct(TestDevice(), device, device, result.Data());
      EXPECT_TRUE(std::isnan(result.Download()[0]));
      EXPECT_TRUE(std::isnan(result.Download()[1]));
    }
  }
}

TEST(Reductions, TwoRunsGiveTheSameBits)
{
  const DeviceFloats  device(MakeNoise(Lattice(70, 35, 33), 3, 3, -1.0, 1.0));
  const DeviceScalars first(2);
  const DeviceScalars second(2);
  Sum(TestDevice(), device, first.Data());
  Sum(TestDevice(), device, second.Data());
  EXPECT_EQ(first.Download()[0], second.Download()[0]);
  Norms(TestDevice(), device, first.Data());
  Norms(TestDevice(), device, second.Data());
  EXPECT_EQ(first.Download(), second.Download());
}
} // namespace test
} // namespace engine
} // namespace itk
