// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceSpline.h"

#include "Operators/Resample.h"

#include "itkBSplineDecompositionImageFilter.h"

namespace itk
{
namespace engine
{
namespace test
{
TEST(BSplineCoefficients, MatchTridiagonalSolve)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField    image = MakeImage(lattice, 91, 0.0, 0.5);
    const DeviceFloats device(image);
    const DeviceFloats coefficients(lattice);
    BSplineCoefficients(TestDevice(), device, coefficients);
    EXPECT_RELATIVE_ERROR(coefficients.Download(), ReferenceCoefficients(image), 1e-5);
    BSplineCoefficients(TestDevice(), device, device);
    EXPECT_SAME_BITS(device.Download(), coefficients.Download());
  }
}

// Checks that the spline passes through the samples, large offset included.
TEST(BSplineCoefficients, SplineInterpolatesTheSamples)
{
  const Lattice      lattice(37, 41, 29);
  const HostField    image = MakeImage(lattice, 92, 1000.0, 0.5);
  const DeviceFloats coefficients(image);
  BSplineCoefficients(TestDevice(), coefficients, coefficients);
  ResampleParameters parameters;
  parameters.interpolation = Interpolation::CubicBSpline;
  const DeviceFloats output(lattice);
  Resample(TestDevice(), parameters, coefficients, ConstField(), output);
  EXPECT_MAXIMUM_ERROR(output.Download(), image, 1e-3);
}

TEST(BSplineCoefficients, MatchItkBSplineDecompositionImageFilter)
{
  using ImageType = Image<double, 3>;
  const Lattice   lattice(37, 41, 29);
  const HostField image = MakeImage(lattice, 93, 0.0, 0.5);
  auto            decompose = BSplineDecompositionImageFilter<ImageType, ImageType>::New();
  decompose->SetInput(ToItkImage(image, MakeGeometry<3>(1)));
  decompose->Update();
  const DeviceFloats coefficients(image);
  BSplineCoefficients(TestDevice(), coefficients, coefficients);
  EXPECT_MAXIMUM_ERROR(coefficients.Download(), FromItkImage<3>(decompose->GetOutput(), lattice), 1e-4);
}

TEST(BSplineCoefficients, TwoRunsGiveTheSameBits)
{
  const DeviceFloats image(MakeImage(Lattice(70, 35, 33), 94, 0.0, 0.5));
  const DeviceFloats first(Lattice(70, 35, 33));
  const DeviceFloats second(Lattice(70, 35, 33));
  BSplineCoefficients(TestDevice(), image, first);
  BSplineCoefficients(TestDevice(), image, second);
  EXPECT_SAME_BITS(first.Download(), second.Download());
}
} // namespace test
} // namespace engine
} // namespace itk
