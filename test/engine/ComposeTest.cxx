// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceFields.h"

#include "Operators/Compose.h"

#include "itkComposeDisplacementFieldsImageFilter.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
TEST(Compose, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField u = MakeDisplacement(lattice, 1, 2.5);
    const HostField v = MakeDisplacement(lattice, 2, 3.0);
    const HostMask  use = AwayFromBorder(lattice, v);
    for (const Outside outside : { Outside::Value, Outside::Clamp })
    {
      for (const bool addInner : { true, false })
      {
        ComposeParameters parameters;
        parameters.outside = outside;
        parameters.innerWeight = addInner ? 1.0f : 0.0f;
        const DeviceFloats output(lattice, 3);
        Compose(TestDevice(), parameters, DeviceFloats(u), DeviceFloats(v), output);
        const HostDoubles expected = ComposeInDouble(u, v, IdentityAffine(), outside == Outside::Clamp, addInner);
        EXPECT_RELATIVE_ERROR_WHERE(use, output.Download(), expected, 1e-5);
      }
    }
  }
}

// Checks u on a grid of its own behind an affine map.
TEST(Compose, AppliesTheAffineToTheGridPoint)
{
  const Lattice     lattice(37, 41, 29);
  const Lattice     outerLattice(21, 47, 31);
  const Matrix34    affine = MakeAffine(lattice, outerLattice, 3);
  const HostField   u = MakeDisplacement(outerLattice, 4, 2.5);
  const HostField   v = MakeDisplacement(lattice, 5, 2.0);
  ComposeParameters parameters;
  parameters.affine = ToAffineMap(affine);
  const DeviceFloats output(lattice, 3);
  Compose(TestDevice(), parameters, DeviceFloats(u), DeviceFloats(v), output);
  EXPECT_RELATIVE_ERROR_WHERE(
    AwayFromBorder(outerLattice, v, affine), output.Download(), ComposeInDouble(u, v, affine), 1e-5);

  // an absent inner field is zero
  const HostField zero(lattice, 3);
  parameters.outside = Outside::Clamp;
  Compose(TestDevice(), parameters, DeviceFloats(u), ConstField(), output);
  EXPECT_RELATIVE_ERROR(output.Download(), ComposeInDouble(u, zero, affine, true), 1e-5);
}

// Checks the scale that limits a step, with the norm on the host and on the device.
TEST(Compose, ScalesTheInnerField)
{
  const Lattice   lattice(13, 17, 11);
  const HostField u = MakeDisplacement(lattice, 6, 1.5);
  const HostField v = MakeDisplacement(lattice, 7, 4.0);
  for (const double maximum : { 0.0, 0.4, 1.0, 3.7 })
  {
    SCOPED_TRACE(maximum);
    const double      scale = 0.25 / std::max(1.0, maximum);
    const HostDoubles expected = ComposeInDouble(u, v, IdentityAffine(), true, true, scale);
    ComposeParameters parameters;
    parameters.outside = Outside::Clamp;
    parameters.innerScale = static_cast<float>(scale);
    const DeviceFloats output(lattice, 3);
    Compose(TestDevice(), parameters, DeviceFloats(u), DeviceFloats(v), output);
    EXPECT_RELATIVE_ERROR(output.Download(), expected, 1e-5);

    const Buffer<double> norm(TestDevice(), 1);
    TestDevice().CopyFromHost(norm.Data(), &maximum, sizeof(double));
    parameters.innerScale = 0.25f;
    parameters.innerMaximum = norm.Data();
    const DeviceFloats limited(lattice, 3);
    Compose(TestDevice(), parameters, DeviceFloats(u), DeviceFloats(v), limited);
    EXPECT_RELATIVE_ERROR(limited.Download(), expected, 1e-5);
  }
}

// Checks that scaling the outer field while it is sampled is the same as scaling it before.
TEST(Compose, ScalesTheOuterField)
{
  const Lattice   lattice(13, 17, 11);
  const HostField u = MakeDisplacement(lattice, 16, 4.0);
  const HostField v = MakeDisplacement(lattice, 17, 2.0);
  for (const double largest : { 0.0, 0.4, 3.7 })
  {
    for (const bool limitOnly : { false, true })
    {
      const double         n = limitOnly ? std::max(1.0, largest) : (largest > 0.0 ? largest : 1.0);
      const Buffer<double> norm(TestDevice(), 1);
      TestDevice().CopyFromHost(norm.Data(), &largest, sizeof(double));
      ComposeParameters parameters;
      parameters.outside = Outside::Clamp;
      parameters.outerScale.scale = 0.25f;
      parameters.outerScale.largest = norm.Data();
      parameters.outerScale.limitOnly = limitOnly;
      HostDoubles scaled = ToDoubles(u);
      for (double & value : scaled.values)
      {
        value *= 0.25 / n;
      }
      const DeviceFloats output(lattice, 3);
      Compose(TestDevice(), parameters, DeviceFloats(u), DeviceFloats(v), output);
      EXPECT_RELATIVE_ERROR(output.Download(), ComposeInDouble(ToFloats(scaled), v, IdentityAffine(), true), 1e-5);
    }
  }
}

TEST(Compose, OutputMayBeTheInnerField)
{
  const Lattice      lattice(37, 41, 29);
  const DeviceFloats u(MakeDisplacement(lattice, 8, 1.5));
  const DeviceFloats v(MakeDisplacement(lattice, 9, 2.0));
  const DeviceFloats output(lattice, 3);
  Compose(TestDevice(), ComposeParameters(), u, v, output);
  Compose(TestDevice(), ComposeParameters(), u, v, v);
  EXPECT_SAME_BITS(v.Download(), output.Download());
}

// Checks that both identities are exact: 0 after v is v, u after 0 is u.
TEST(Compose, ZeroIsNeutral)
{
  const Lattice      lattice(13, 17, 11);
  const HostField    v = MakeDisplacement(lattice, 10, 2.0);
  const HostField    zero(lattice, 3);
  const DeviceFloats output(lattice, 3);
  Compose(TestDevice(), ComposeParameters(), DeviceFloats(zero), DeviceFloats(v), output);
  EXPECT_MAXIMUM_ERROR(output.Download(), v, 0.0);
  Compose(TestDevice(), ComposeParameters(), DeviceFloats(v), DeviceFloats(zero), output);
  EXPECT_MAXIMUM_ERROR(output.Download(), v, 0.0);
}

TEST(Compose, NotANumberLandsOutside)
{
  const Lattice   lattice(13, 17, 11);
  const HostField u(lattice, 3, 1.0f);
  HostField       v(lattice, 3);
  v(1, 3, 3, 3) = std::numeric_limits<float>::quiet_NaN();
  v(0, 4, 3, 3) = 1e12f;
  ComposeParameters parameters;
  parameters.innerWeight = 0.0f;
  for (const Outside outside : { Outside::Value, Outside::Clamp })
  {
    parameters.outside = outside;
    const DeviceFloats output(lattice, 3);
    Compose(TestDevice(), parameters, DeviceFloats(u), DeviceFloats(v), output);
    const HostField actual = output.Download();
    EXPECT_EQ(actual(0, 3, 3, 3), outside == Outside::Value ? 0.0f : 1.0f);
    EXPECT_EQ(actual(0, 4, 3, 3), outside == Outside::Value ? 0.0f : 1.0f);
    EXPECT_EQ(actual(0, 5, 3, 3), 1.0f);
  }
}

TEST(Compose, TwoRunsGiveTheSameBits)
{
  const Lattice      lattice(70, 35, 33);
  const DeviceFloats u(MakeDisplacement(lattice, 11, 1.5));
  const DeviceFloats v(MakeDisplacement(lattice, 12, 2.0));
  const DeviceFloats first(lattice, 3);
  const DeviceFloats second(lattice, 3);
  Compose(TestDevice(), ComposeParameters(), u, v, first);
  Compose(TestDevice(), ComposeParameters(), u, v, second);
  EXPECT_SAME_BITS(first.Download(), second.Download());
}

namespace
{
template <unsigned int VDimension>
void
CompareWithItk(const Lattice & lattice)
{
  const auto      geometry = MakeGeometry<VDimension>(21);
  const HostField u = MakeDisplacement(lattice, 22, 2.5);
  const HostField v = MakeDisplacement(lattice, 23, 3.0);
  auto            compose = ComposeDisplacementFieldsImageFilter<ItkDisplacement<VDimension>>::New();
  compose->SetDisplacementField(ToItkDisplacement(u, geometry));
  compose->SetWarpingField(ToItkDisplacement(v, geometry));
  compose->Update();
  const DeviceFloats output(lattice, 3);
  Compose(TestDevice(), ComposeParameters(), DeviceFloats(u), DeviceFloats(v), output);
  const HostDoubles expected = FromItkDisplacement<VDimension>(compose->GetOutput(), lattice, geometry);
  EXPECT_LE(MaximumError(output.Download(), expected, AwayFromBorder(lattice, v)), 1e-4);
}
} // namespace

TEST(Compose, MatchesItkComposeDisplacementFieldsImageFilter)
{
  CompareWithItk<3>(Lattice(37, 41, 29));
  CompareWithItk<2>(Lattice(37, 41, 1));
}
} // namespace test
} // namespace engine
} // namespace itk
