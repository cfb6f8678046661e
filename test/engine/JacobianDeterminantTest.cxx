// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceOperators.h"

#include "Operators/JacobianDeterminant.h"
#include "Operators/RefineInverse.h"
#include "Solvers/RemoveFolds.h"

#include "itkDisplacementFieldJacobianDeterminantFilter.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
const Matrix33 identity = LinearPart(IdentityAffine());

struct Determinants
{
  HostField           field;
  std::vector<double> minimum;
};

Determinants
Evaluate(const HostField & u, const Matrix33 & toIndex = identity)
{
  const DeviceFloats  displacement(u);
  const DeviceFloats  output(u.lattice);
  const DeviceScalars minimum(2);
  JacobianDeterminant(TestDevice(), ToMatrix3(toIndex), displacement, output, minimum.Data());
  return Determinants{ output.Download(), minimum.Download() };
}
} // namespace

TEST(JacobianDeterminant, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    for (const Matrix33 & toIndex :
         { identity, Matrix33{ { { { 0.8, 0.3, -0.2 } }, { { -0.1, 1.4, 0.2 } }, { { 0.3, 0.1, 0.6 } } } } })
    {
      const HostField    u = MakeNoise(lattice, 3, 1, -0.4, 0.4);
      const HostDoubles  expected = DeterminantInDouble(u, toIndex);
      const Determinants actual = Evaluate(u, toIndex);
      EXPECT_RELATIVE_ERROR(actual.field, expected, 1e-5);
      double minimum = std::numeric_limits<double>::max();
      double folded = 0.0;
      for (const double value : expected.values)
      {
        minimum = std::min(minimum, value);
        folded += value <= 0.0;
      }
      EXPECT_NEAR(actual.minimum[0], minimum, 1e-5);
      EXPECT_EQ(actual.minimum[1], folded);

      // the minimum alone, and the field alone
      const DeviceScalars alone(2);
      JacobianDeterminant(TestDevice(), ToMatrix3(toIndex), DeviceFloats(u), Field(), alone.Data());
      EXPECT_EQ(alone.Download(), actual.minimum);
      const DeviceFloats output(lattice);
      JacobianDeterminant(TestDevice(), ToMatrix3(toIndex), DeviceFloats(u), output);
      EXPECT_SAME_BITS(output.Download(), actual.field);
    }
  }
}

TEST(JacobianDeterminant, OfKnownMaps)
{
  const Lattice lattice(9, 8, 7);
  HostField     scaling(lattice, 3);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    scaling(0, x, y, z) = 0.5f * x;
    scaling(1, x, y, z) = -0.25f * y;
    scaling(2, x, y, z) = 1.0f * z;
  });
  const HostField inner = Evaluate(scaling).field;
  EXPECT_FLOAT_EQ(inner(0, 4, 4, 3), 1.5f * 0.75f * 2.0f);
  // one-sided half differences at the border
  EXPECT_FLOAT_EQ(inner(0, 0, 4, 3), 1.25f * 0.75f * 2.0f);

  const Determinants translation = Evaluate(HostField(lattice, 3, 2.5f));
  EXPECT_MAXIMUM_ERROR(translation.field, HostField(lattice, 1, 1.0f), 0.0);
  EXPECT_EQ(translation.minimum, (std::vector<double>{ 1.0, 0.0 }));

  // a reflection folds everywhere inside
  HostField reflection(lattice, 3);
  ForEachVoxel(lattice, [&](int x, int y, int z) { reflection(0, x, y, z) = -3.0f * x; });
  const Determinants folded = Evaluate(reflection);
  EXPECT_EQ(folded.minimum[0], -2.0);
  EXPECT_EQ(folded.minimum[1], lattice.NumberOfVoxels());
}

TEST(JacobianDeterminant, NotANumberCountsAsFolded)
{
  HostField u(Lattice(13, 17, 11), 3);
  u(1, 6, 6, 6) = std::numeric_limits<float>::quiet_NaN();
  // the six neighbours use it in their differences, the voxel itself does not
  EXPECT_EQ(Evaluate(u).minimum[1], 6.0);
}

TEST(JacobianDeterminant, TwoRunsGiveTheSameBits)
{
  const HostField u = MakeNoise(Lattice(70, 35, 33), 3, 2, -0.4, 0.4);
  EXPECT_SAME_BITS(Evaluate(u).field, Evaluate(u).field);
  EXPECT_EQ(Evaluate(u).minimum, Evaluate(u).minimum);
}

namespace
{
/** ITK's filter knows the spacing but not the direction: it gets the vectors rotated into the grid's axes, which leaves
 * the determinant of the physical map as it is. */
template <unsigned int VDimension>
void
CompareWithItk(const Lattice & lattice)
{
  auto            geometry = MakeGeometry<VDimension>(51);
  const HostField u = MakeDisplacement(lattice, 52, 4.0);
  // stored vectors are physical
  HostField      physical(lattice, 3);
  const Matrix33 toPhysical = LinearPart(geometry.ToPhysical());
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const Vector3 v = Multiply(toPhysical, VectorAt(u, x, y, z));
    for (int d = 0; d < 3; ++d)
    {
      physical(d, x, y, z) = static_cast<float>(v[d]);
    }
  });
  const HostField actual = Evaluate(physical, LinearPart(Inverse(geometry.ToPhysical()))).field;

  geometry.direction.SetIdentity();
  auto filter =
    DisplacementFieldJacobianDeterminantFilter<ItkDisplacement<VDimension>, double, Image<double, VDimension>>::New();
  filter->SetInput(ToItkDisplacement(u, geometry));
  filter->Update();
  EXPECT_MAXIMUM_ERROR(actual, FromItkImage<VDimension>(filter->GetOutput(), lattice), 1e-4);
}
} // namespace

TEST(JacobianDeterminant, MatchesItkDisplacementFieldJacobianDeterminantFilter)
{
  CompareWithItk<3>(Lattice(37, 41, 29));
  CompareWithItk<2>(Lattice(37, 41, 1));
}

namespace
{
double
MinimumOf(const HostDoubles & field)
{
  return *std::min_element(field.values.begin(), field.values.end());
}

struct Relaxed
{
  HostField field;
  double    count;
};

Relaxed
Relax(const FoldLimits & limits, const HostField & u)
{
  const DeviceFloats  displacement(u);
  const DeviceScalars count(1);
  const DeviceMask    flags(u.lattice);
  const DeviceFloats  workspace(u.lattice, 3);
  RelaxFolds(TestDevice(), limits, displacement, count.Data(), flags, workspace);
  return Relaxed{ displacement.Download(), count.Download()[0] };
}
/** Checks a pass against its definition: averaged around folds, untouched elsewhere to the bit. */
void
CheckPass(const FoldLimits & limits, const Lattice & lattice)
{
  HostField u = MakeDisplacement(lattice, 3, 0.5);
  // a few steep spots
  Random random(4);
  for (int n = 0; n < 12; ++n)
  {
    const std::int64_t voxel = static_cast<std::int64_t>(random.Uniform(0.0, 1.0) * lattice.NumberOfVoxels());
    u.values[voxel + static_cast<int>(random.Uniform(0.0, 3.0)) * lattice.NumberOfVoxels()] += 2.5f;
  }
  const HostDoubles central = DeterminantInDouble(u, identity);
  const HostDoubles oneSided = OneSidedDeterminantInDouble(u);
  HostMask          touched(lattice);
  double            count = 0.0;
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    ASSERT_GT(std::abs(central(0, x, y, z) - limits.central), 1e-6) << "choose another seed";
    ASSERT_GT(std::abs(oneSided(0, x, y, z) - limits.oneSided), 1e-6) << "choose another seed";
    if (central(0, x, y, z) < limits.central || oneSided(0, x, y, z) < limits.oneSided)
    {
      count += 1.0;
      for (int k = std::max(0, z - 1); k <= std::min(lattice.size[2] - 1, z + 1); ++k)
      {
        for (int j = std::max(0, y - 1); j <= std::min(lattice.size[1] - 1, y + 1); ++j)
        {
          for (int i = std::max(0, x - 1); i <= std::min(lattice.size[0] - 1, x + 1); ++i)
          {
            touched(0, i, j, k) = 1;
          }
        }
      }
    }
  });
  HostDoubles expected = ToDoubles(u);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    for (int c = 0; touched(0, x, y, z) && c < 3; ++c)
    {
      double sum = 0.0;
      for (int n = 0; n < 27; ++n)
      {
        sum += u.Clamped(c, x + n % 3 - 1, y + n / 3 % 3 - 1, z + n / 9 - 1);
      }
      expected(c, x, y, z) = sum / 27.0;
    }
  });
  const Relaxed actual = Relax(limits, u);
  EXPECT_EQ(actual.count, count);
  EXPECT_RELATIVE_ERROR(actual.field, expected, 1e-5);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    for (int c = 0; !touched(0, x, y, z) && c < 3; ++c)
    {
      ASSERT_EQ(actual.field(c, x, y, z), u(c, x, y, z));
    }
  });
}
} // namespace

TEST(RelaxFolds, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    CheckPass({ 0.3f }, lattice);
    CheckPass({ 0.3f, 0.2f }, lattice);
    // the mean of the one-sided ones is never below the smallest: they decide alone
    CheckPass({ 0.2f, 0.3f }, lattice);
  }
}

TEST(RelaxFolds, LeavesGoodFieldsAlone)
{
  const HostField u = MakeDisplacement(Lattice(37, 41, 29), 5, 2.0);
  ASSERT_GT(Evaluate(u).minimum[0], 0.2);
  const Relaxed actual = Relax(FoldLimits(), u);
  EXPECT_EQ(actual.count, 0.0);
  EXPECT_SAME_BITS(actual.field, u);
}

TEST(RelaxFolds, RepeatedPassesUnfold)
{
  for (const Lattice & lattice : { Lattice(37, 41, 29), Lattice(37, 41, 1) })
  {
    HostField u = MakeDisplacement(lattice, 6, 1.0);
    for (int d = 0; d < 2; ++d)
    {
      for (int y = 15; y < 21; ++y)
      {
        for (int x = 15; x < 21; ++x)
        {
          u(d, x, y, lattice.size[2] / 2) += 4.0f;
        }
      }
    }
    ASSERT_LT(Evaluate(u).minimum[0], 0.0);
    int passes = 0;
    for (double count = 1.0; count > 0.0 && passes < 200; ++passes)
    {
      const Relaxed relaxed = Relax(FoldLimits(), u);
      u = relaxed.field;
      count = relaxed.count;
    }
    EXPECT_LT(passes, 100);
    EXPECT_GE(Evaluate(u).minimum[0], 0.1 - 1e-6);
  }
}

TEST(RelaxFolds, CountsNotANumber)
{
  HostField u(Lattice(13, 17, 11), 3);
  u(2, 6, 6, 6) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(Relax(FoldLimits(), u).count, 6.0);
  // one-sided differences use the voxel itself, too
  EXPECT_EQ(Relax({ 0.1f, 0.01f }, u).count, 7.0);
}

TEST(RelaxFolds, OneSidedDeterminantsHaveTheCentralOneAsMean)
{
  const Lattice     lattice(9, 8, 7);
  const HostField   u = MakeNoise(lattice, 3, 8, -0.1, 0.1);
  const HostDoubles central = DeterminantInDouble(u, identity);
  const HostDoubles smallest = OneSidedDeterminantInDouble(u);
  for (std::size_t i = 0; i < central.values.size(); ++i)
  {
    EXPECT_LE(smallest.values[i], central.values[i]);
  }
}

// Checks that folds inside of cells, which central differences do not see, are found and removed, and that the map then
// has an inverse everywhere.
TEST(RemoveFolds, UnfoldsInsideOfCells)
{
  for (const Lattice & lattice : { Lattice(29, 23, 17), Lattice(29, 23, 1) })
  {
    SCOPED_TRACE(Describe(lattice));
    HostField u = MakeDisplacement(lattice, 9, 0.4);
    // Points that change places with their neighbour along an axis: -0.4 between the two, 0.3 and more about each of them.
    const int z = lattice.size[2] / 2;
    for (int d = 0; d < 2; ++d)
    {
      const int x = 8 + 10 * d;
      u(d, x, 11, z) += 0.7f;
      u(d, x + (d == 0), 11 + (d == 1), z) -= 0.7f;
    }
    u(0, 0, 3, z) += 0.7f; // at the border
    u(0, 1, 3, z) -= 0.7f;
    EXPECT_GT(Evaluate(u).minimum[0], 0.1);
    EXPECT_EQ(Relax({ 0.1f }, u).count, 0.0);
    EXPECT_LT(MinimumOf(OneSidedDeterminantInDouble(u)), -0.1);

    const DeviceFloats displacement(u);
    const DeviceFloats workspace(lattice, 3);
    RemoveFolds(TestDevice(), 0.1, displacement, DeviceMask(lattice), workspace);
    const HostField unfolded = displacement.Download();
    EXPECT_GE(MinimumOf(OneSidedDeterminantInDouble(unfolded)), 0.01 - 1e-6);
    EXPECT_GE(MinimumOf(DeterminantInDouble(unfolded, identity)), 0.1 - 1e-6);

    const DeviceFloats      inverse(lattice, 3);
    const DeviceScalars     scalars(2);
    RefineInverseParameters inversion;
    inversion.outside = Outside::Clamp;
    EXPECT_LE(
      InvertByNewton(TestDevice(), inversion, displacement, inverse, workspace, scalars.Data()).maximumResidual, 1.1e-3);
  }
}

TEST(RelaxFolds, TwoRunsGiveTheSameBits)
{
  const HostField u = MakeNoise(Lattice(70, 35, 33), 3, 7, -1.0, 1.0);
  EXPECT_SAME_BITS(Relax(FoldLimits(), u).field, Relax(FoldLimits(), u).field);
}
} // namespace test
} // namespace engine
} // namespace itk
