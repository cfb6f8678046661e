// SPDX-License-Identifier: Apache-2.0
#include "ReferenceSampling.h"
#include "ReferenceTangent.h"

#include "Operators/ComposeGradient.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** ComposeGradient with a plan and without. */
class Planned
{
public:
  Planned(const ComposeParameters & parameters, const HostField & u, const HostField & v)
    : m_Parameters(parameters)
    , m_Outer(u)
    , m_Inner(v)
    , m_Plan(std::max<std::int64_t>(1, ComposeGradientPlan(TestDevice(), v.lattice)))
  {
    PlanComposeGradient(TestDevice(), parameters, u.lattice, m_Inner, m_Plan.Data());
  }

  HostField
  Outer(const HostField & slope, const HostField * addTo = nullptr) const
  {
    const DeviceFloats outer = addTo ? DeviceFloats(*addTo) : DeviceFloats(m_Outer.View().lattice, 3);
    ComposeGradients   gradients;
    gradients.outer = outer;
    Call(slope, gradients, addTo != nullptr, m_Plan.Data(), nullptr);
    return outer.Download();
  }
  /** dL/du + dL/dv. */
  HostField
  Sum(const HostField & slope, bool isPlanned, const HostField * addTo = nullptr) const
  {
    const DeviceFloats sum = addTo ? DeviceFloats(*addTo) : DeviceFloats(m_Outer.View().lattice, 3);
    ComposeGradients   gradients;
    gradients.outer = gradients.inner = sum;
    const Workspace workspace(ComposeGradientWorkspace(TestDevice(), m_Outer.View().lattice, gradients));
    Call(slope, gradients, addTo != nullptr, isPlanned ? m_Plan.Data() : nullptr, workspace.Data());
    return sum.Download();
  }

private:
  void
  Call(const HostField & slope, const ComposeGradients & gradients, bool accumulate, float * plan, float * workspace) const
  {
    ComposeGradient(
      TestDevice(), m_Parameters, m_Outer, m_Inner, DeviceFloats(slope), gradients, accumulate, workspace, plan);
  }

  ComposeParameters m_Parameters;
  DeviceFloats      m_Outer;
  DeviceFloats      m_Inner;
  Workspace         m_Plan;
};

ComposeParameters
Parameters(Outside outside, const Matrix34 & affine = IdentityAffine())
{
  ComposeParameters parameters;
  parameters.affine = ToAffineMap(affine);
  parameters.outside = outside;
  parameters.innerScale = 0.75f;
  parameters.outerScale.scale = -1.5f;
  return parameters;
}

/** Where a voxel samples u. */
Vector3
PositionAt(const HostField & v, const Matrix34 & affine, int x, int y, int z)
{
  Vector3 inner = VectorAt(v, x, y, z);
  for (double & component : inner)
  {
    component *= 0.75;
  }
  return MapPoint(affine, LinearPart(IdentityAffine()), Vector3{ { double(x), double(y), double(z) } }, inner);
}

HostDoubles
SplatInDouble(const HostField & v,
              const HostField & slope,
              const Lattice &   lattice,
              Outside           outside,
              const Matrix34 &  affine = IdentityAffine())
{
  HostDoubles output(lattice, 3);
  ForEachVoxel(v.lattice, [&](int x, int y, int z) {
    ForEachCorner(lattice, PositionAt(v, affine, x, y, z), outside, [&](int i, int j, int k, double weight) {
      for (int c = 0; c < 3; ++c)
      {
        output(c, i, j, k) -= 1.5 * weight * static_cast<double>(slope(c, x, y, z));
      }
    });
  });
  return output;
}

/** Noise that is 0 where float32 cannot tell inside from outside. */
HostField
MakeSlope(const HostField & v, const Lattice & lattice, const Matrix34 & affine, unsigned int seed)
{
  HostField slope = MakeNoise(v.lattice, 3, seed, -1.0, 1.0);
  ForEachVoxel(v.lattice, [&](int x, int y, int z) {
    for (int c = 0; c < 3 && DistanceToDecision(lattice, PositionAt(v, affine, x, y, z), true) < 2e-5; ++c)
    {
      slope(c, x, y, z) = 0.0f;
    }
  });
  return slope;
}
} // namespace

// Checks against the definition: small displacements, and ones beyond the grid, for grids of their own.
TEST(VectorSplat, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    for (const double amplitude : { 2.0, 50.0 })
    {
      SCOPED_TRACE(testing::Message() << Describe(lattice) << ", " << amplitude << " voxels");
      if (amplitude > 2.0 && lattice.NumberOfVoxels() > 50000)
      {
        continue; // takes long
      }
      const Lattice   outer = MovingLattice(lattice);
      const Matrix34  affine = MakeAffine(lattice, outer, 13);
      const HostField v = MakeDisplacement(lattice, 11, amplitude);
      const HostField slope = MakeSlope(v, outer, affine, 12);
      for (const Outside outside : { Outside::Value, Outside::Clamp })
      {
        const Planned planned(Parameters(outside, affine), HostField(outer, 3), v);
        EXPECT_RELATIVE_ERROR(planned.Outer(slope), SplatInDouble(v, slope, outer, outside, affine), 1e-5);
      }
    }
  }
}

// Checks both parts of the gradient in one field, of two fields and of a field with itself.
TEST(VectorSplat, SumMatchesThePartsWithoutAPlan)
{
  for (const Lattice & lattice : { Lattice(35, 18, 17), Lattice(17, 13, 1), Lattice(1, 1, 1) })
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField v = MakeDisplacement(lattice, 21, 3.0);
    const HostField slope = MakeNoise(lattice, 3, 22, -1.0, 1.0);
    const HostField before = MakeNoise(lattice, 3, 23, -1.0, 1.0);
    for (const Outside outside : { Outside::Value, Outside::Clamp })
    {
      for (const HostField & u : { v, MakeNoise(lattice, 3, 24, -1.5, 1.5) })
      {
        const Planned planned(Parameters(outside), u, v);
        EXPECT_RELATIVE_ERROR(planned.Sum(slope, true), planned.Sum(slope, false), 1e-6);
        EXPECT_RELATIVE_ERROR(planned.Sum(slope, true, &before), planned.Sum(slope, false, &before), 1e-6);
      }
    }
  }
}

TEST(VectorSplat, Accumulates)
{
  const Lattice   lattice(35, 18, 19);
  const HostField v = MakeDisplacement(lattice, 31, 3.0);
  const HostField slope = MakeSlope(v, lattice, IdentityAffine(), 32);
  const HostField before = MakeNoise(lattice, 3, 33, -1.0, 1.0);
  HostDoubles     expected = SplatInDouble(v, slope, lattice, Outside::Value);
  for (std::size_t i = 0; i < expected.values.size(); ++i)
  {
    expected.values[i] += before.values[i];
  }
  const Planned planned(Parameters(Outside::Value), HostField(lattice, 3), v);
  EXPECT_RELATIVE_ERROR(planned.Outer(slope, &before), expected, 1e-5);
}

// Checks that no sum overflows when everything meets in one voxel, with equal signs and with exact cancellation.
TEST(VectorSplat, AllPointsInOneVoxel)
{
  const Lattice lattice(40, 17, 33);
  HostField     v(lattice, 3);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const int at[3] = { x, y, z };
    for (int c = 0; c < 3; ++c)
    {
      v(c, x, y, z) = static_cast<float>(4 - at[c]) / 0.75f;
    }
  });
  HostField slope(lattice, 3, 1.0f);
  ForEachVoxel(lattice, [&](int x, int y, int z) { slope(1, x, y, z) = (x + y + z) % 2 != 0 ? -3e38f : 3e38f; });
  const Planned   planned(Parameters(Outside::Clamp), HostField(lattice, 3), v);
  const double    points = static_cast<double>(lattice.NumberOfVoxels());
  HostField       ones(lattice, 3, 1.0f);
  const HostField actual = planned.Outer(ones);
  EXPECT_NEAR(actual(0, 4, 4, 4), -1.5 * points, 0.01 * points);
  double sum = 0.0;
  for (const float value : actual.values)
  {
    sum += value;
  }
  EXPECT_NEAR(sum, -4.5 * points, 1e-3 * points);
  EXPECT_TRUE(std::isfinite(planned.Outer(slope)(1, 4, 4, 4)));
  EXPECT_NEAR(planned.Outer(slope)(1, 4, 4, 4) / 3e38, 0.0, 2.0);
}

// Checks the promised precision where one value is far larger than all others.
TEST(VectorSplat, ErrorIsOfTheLargestValue)
{
  const Lattice lattice(33, 20, 18);
  HostField     v = MakeDisplacement(lattice, 41, 1.0);
  HostField     slope = MakeSlope(v, lattice, IdentityAffine(), 42);
  for (const double factor : { 1e-30, 1.0, 1e30 })
  {
    HostField scaled = slope;
    for (float & value : scaled.values)
    {
      value = static_cast<float>(value * factor);
    }
    scaled(0, 16, 10, 9) = static_cast<float>(1e4 * factor);
    const Planned planned(Parameters(Outside::Value), HostField(lattice, 3), v);
    EXPECT_MAXIMUM_ERROR(
      planned.Outer(scaled), SplatInDouble(v, scaled, lattice, Outside::Value), 1.5e4 * factor * 3e-7);
  }
  const Planned planned(Parameters(Outside::Value), HostField(lattice, 3), v);
  EXPECT_EQ(Norm(planned.Outer(HostField(lattice, 3))), 0.0);
}

TEST(VectorSplat, NotANumberShows)
{
  const Lattice lattice(13, 17, 11);
  HostField     v(lattice, 3);
  HostField     slope(lattice, 3, 1.0f);
  v(1, 2, 2, 2) = std::numeric_limits<float>::quiet_NaN();
  v(0, 3, 3, 3) = 1e30f;
  const Planned   planned(Parameters(Outside::Value), HostField(lattice, 3), v);
  const HostField fine = planned.Outer(slope);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    EXPECT_EQ(fine(0, x, y, z), (x == 2 && y == 2 && z == 2) || (x == 3 && y == 3 && z == 3) ? 0.0f : -1.5f);
  });
  for (const float bad : { std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity() })
  {
    slope(0, 6, 7, 8) = bad;
    EXPECT_FALSE(std::isfinite(planned.Outer(slope)(0, 6, 7, 8)));
  }
}

// Checks that points which all lie outside leave nothing behind.
TEST(VectorSplat, NothingInside)
{
  const Lattice lattice(35, 17, 9);
  HostField     v(lattice, 3, 500.0f);
  const Planned planned(Parameters(Outside::Value), HostField(lattice, 3), v);
  EXPECT_EQ(Norm(planned.Outer(HostField(lattice, 3, 1.0f))), 0.0);
}
} // namespace test
} // namespace engine
} // namespace itk
