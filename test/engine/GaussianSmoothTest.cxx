// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceOperators.h"

#include "Operators/GaussianSmooth.h"

#include "itkDiscreteGaussianImageFilter.h"
#include "itkGaussianOperator.h"

#include <algorithm>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
SymmetricKernel
MakeRandomKernel(int radius, unsigned int seed)
{
  Random          random(seed);
  SymmetricKernel kernel;
  kernel.radius = radius;
  for (int k = 0; k <= radius; ++k)
  {
    kernel.weight[k] = static_cast<float>(random.Uniform(-0.2, 1.0) / (radius + 1));
  }
  return kernel;
}

HostField
Smooth(const SymmetricKernel (&kernels)[3], SmoothBoundary boundary, const HostField & input)
{
  const DeviceFloats device(input);
  const DeviceFloats output(input.lattice, input.components);
  const DeviceFloats workspace(input.lattice, input.components);
  GaussianSmooth(TestDevice(), kernels, boundary, device, output, workspace);
  return output.Download();
}
} // namespace

TEST(GaussianSmooth, MatchesDouble)
{
  const int radii[][3] = { { 1, 1, 1 }, { 0, 0, 0 },    { 0, 3, 0 },    { 5, 0, 2 },
                           { 4, 4, 4 }, { 16, 16, 16 }, { 60, 45, 100 } };
  for (const Lattice & lattice : EdgeLattices())
  {
    for (const auto & radius : radii)
    {
      SCOPED_TRACE(Describe(lattice) + " radius " + std::to_string(radius[0]) + ' ' + std::to_string(radius[1]) + ' ' +
                   std::to_string(radius[2]));
      const SymmetricKernel kernels[3] = { MakeRandomKernel(radius[0], 1),
                                           MakeRandomKernel(radius[1], 2),
                                           MakeRandomKernel(radius[2], 3) };
      const bool            large = lattice.NumberOfVoxels() > 50000;
      const HostField       input = MakeNoise(lattice, large ? 1 : 3, 4, -1.0, 1.0);
      for (const SmoothBoundary boundary : { SmoothBoundary::ZeroFlux, SmoothBoundary::Zero })
      {
        EXPECT_RELATIVE_ERROR(Smooth(kernels, boundary, input), ConvolveInDouble(kernels, boundary, input), 1e-5);
      }
    }
  }
}

TEST(GaussianSmooth, OutputMayBeTheInput)
{
  const Lattice         lattice(37, 41, 29);
  const HostField       input = MakeNoise(lattice, 3, 5, -1.0, 1.0);
  const SymmetricKernel kernels[3] = { MakeRandomKernel(3, 1), MakeRandomKernel(0, 2), MakeRandomKernel(5, 3) };
  const DeviceFloats    field(input);
  const DeviceFloats    workspace(lattice, 3);
  GaussianSmooth(TestDevice(), kernels, SmoothBoundary::ZeroFlux, field, field, workspace);
  EXPECT_SAME_BITS(field.Download(), Smooth(kernels, SmoothBoundary::ZeroFlux, input));
}

TEST(GaussianSmooth, WorkspaceMayBeTheInput)
{
  const Lattice   lattice(37, 41, 29);
  const HostField input = MakeNoise(lattice, 3, 5, -1.0, 1.0);
  for (const int radius : { 0, 4, 11, 30 })
  {
    SCOPED_TRACE(radius);
    const SymmetricKernel kernels[3] = { MakeRandomKernel(radius, 1),
                                         MakeRandomKernel(2, 2),
                                         MakeRandomKernel(5, 3) };
    const DeviceFloats    field(input);
    const DeviceFloats    output(lattice, 3);
    GaussianSmooth(TestDevice(), kernels, SmoothBoundary::ZeroFlux, field, output, field);
    EXPECT_SAME_BITS(output.Download(), Smooth(kernels, SmoothBoundary::ZeroFlux, input));
  }
}

// Checks narrow kernels on grids of more than one tile: rows that are a multiple of four and not, columns that are cut
// into pieces.
TEST(GaussianSmooth, ManyTilesMatchDouble)
{
  const int     radii[][3] = { { 1, 2, 1 }, { 3, 3, 3 }, { 4, 2, 4 }, { 6, 5, 1 }, { 2, 8, 7 }, { 2, 1, 0 } };
  const Lattice lattices[] = { Lattice(132, 70, 7), Lattice(67, 37, 13), Lattice(64, 32, 20), Lattice(200, 65, 1) };
  for (const Lattice & lattice : lattices)
  {
    for (const auto & radius : radii)
    {
      SCOPED_TRACE(Describe(lattice) + " radius " + std::to_string(radius[0]) + ' ' + std::to_string(radius[1]) + ' ' +
                   std::to_string(radius[2]));
      const SymmetricKernel kernels[3] = { MakeRandomKernel(radius[0], 1),
                                           MakeRandomKernel(radius[1], 2),
                                           MakeRandomKernel(radius[2], 3) };
      const HostField       input = MakeNoise(lattice, 2, 4, -1.0, 1.0);
      for (const SmoothBoundary boundary : { SmoothBoundary::ZeroFlux, SmoothBoundary::Zero })
      {
        EXPECT_RELATIVE_ERROR(Smooth(kernels, boundary, input), ConvolveInDouble(kernels, boundary, input), 1e-5);
      }
    }
  }
}

TEST(GaussianSmooth, RadiusZeroIsTheIdentity)
{
  const HostField       input = MakeNoise(Lattice(13, 17, 11), 3, 6, -1.0, 1.0);
  const SymmetricKernel kernels[3];
  EXPECT_SAME_BITS(Smooth(kernels, SmoothBoundary::ZeroFlux, input), input);
  EXPECT_SAME_BITS(Smooth(kernels, SmoothBoundary::Zero, input), input);
}

TEST(GaussianSmooth, KeepsConstants)
{
  const HostField       input(Lattice(37, 41, 29), 1, 1000.0f);
  const SymmetricKernel kernel = MakeGaussianKernel(3.0);
  const SymmetricKernel kernels[3] = { kernel, kernel, kernel };
  EXPECT_RELATIVE_ERROR(Smooth(kernels, SmoothBoundary::ZeroFlux, input), input, 1e-6);
}

TEST(GaussianSmooth, IsLinear)
{
  const Lattice         lattice(37, 41, 29);
  const SymmetricKernel kernel = MakeGaussianKernel(2.0);
  const SymmetricKernel kernels[3] = { kernel, kernel, kernel };
  const HostField       a = MakeNoise(lattice, 1, 7, -1.0, 1.0);
  const HostField       b = MakeNoise(lattice, 1, 8, -1.0, 1.0);
  HostField             sum(lattice);
  HostDoubles           expected(lattice);
  const HostField       smoothA = Smooth(kernels, SmoothBoundary::ZeroFlux, a);
  const HostField       smoothB = Smooth(kernels, SmoothBoundary::ZeroFlux, b);
  for (std::size_t i = 0; i < sum.values.size(); ++i)
  {
    sum.values[i] = 2.0f * a.values[i] - 0.5f * b.values[i];
    expected.values[i] = 2.0 * smoothA.values[i] - 0.5 * smoothB.values[i];
  }
  EXPECT_RELATIVE_ERROR(Smooth(kernels, SmoothBoundary::ZeroFlux, sum), expected, 1e-5);
}

// Checks that with zeros outside the operator is its own adjoint.
TEST(GaussianSmooth, ZeroBoundaryIsSelfAdjoint)
{
  const Lattice         lattice(37, 41, 29);
  const SymmetricKernel kernels[3] = { MakeGaussianKernel(2.0), MakeGaussianKernel(0.7), MakeGaussianKernel(5.0) };
  const HostField       a = MakeNoise(lattice, 3, 9, -1.0, 1.0);
  const HostField       b = MakeNoise(lattice, 3, 10, -1.0, 1.0);
  const double          left = Dot(Smooth(kernels, SmoothBoundary::Zero, a), b);
  const double          right = Dot(a, Smooth(kernels, SmoothBoundary::Zero, b));
  EXPECT_NEAR(left, right, 1e-6 * Norm(a) * Norm(b));
}

TEST(GaussianSmooth, TwoRunsGiveTheSameBits)
{
  const HostField       input = MakeNoise(Lattice(70, 35, 33), 3, 11, -1.0, 1.0);
  const SymmetricKernel kernel = MakeGaussianKernel(3.0);
  const SymmetricKernel kernels[3] = { kernel, kernel, kernel };
  EXPECT_SAME_BITS(Smooth(kernels, SmoothBoundary::ZeroFlux, input), Smooth(kernels, SmoothBoundary::ZeroFlux, input));
}

TEST(GaussianSmooth, KernelMatchesItkGaussianOperator)
{
  for (const double variance : { 0.05, 0.25, 0.5, 1.0, 1.7, 3.0, 9.0, 40.0 })
  {
    for (const double error : { 0.001, 0.01 })
    {
      for (const int width : { 5, 9, 32, 65, 200 })
      {
        SCOPED_TRACE(::testing::Message() << "variance " << variance << " error " << error << " width " << width);
        GaussianOperator<double, 1> reference;
        reference.SetVariance(variance);
        reference.SetMaximumError(error);
        reference.SetMaximumKernelWidth(width);
        reference.SetDirection(0);
        const bool warnings = Object::GetGlobalWarningDisplay();
        Object::SetGlobalWarningDisplay(false);
        reference.CreateDirectional();
        Object::SetGlobalWarningDisplay(warnings);
        const SymmetricKernel kernel = MakeGaussianKernel(variance, error, width);
        const int             radius = static_cast<int>(reference.GetRadius(0));
        ASSERT_EQ(kernel.radius, radius);
        double sum = kernel.weight[0];
        for (int k = 0; k <= radius; ++k)
        {
          EXPECT_NEAR(kernel.weight[k], reference[radius + k], 1e-6);
          sum += k > 0 ? 2.0 * kernel.weight[k] : 0.0;
        }
        EXPECT_NEAR(sum, 1.0, 1e-6);
      }
    }
  }
  EXPECT_EQ(MakeGaussianKernel(0.0).radius, 0);
  EXPECT_EQ(MakeGaussianKernel(0.0).weight[0], 1.0f);
}

// Checks wide kernels, which ITK's operator cannot make: normalised, of the wanted variance, within their table.
TEST(GaussianSmooth, WideKernelsKeepTheirVariance)
{
  for (const double variance : { 90.0, 101.0, 150.0, 200.0, 400.0, 900.0, 1800.0 })
  {
    SCOPED_TRACE(variance);
    const SymmetricKernel kernel = MakeGaussianKernel(variance);
    ASSERT_LE(kernel.radius, SymmetricKernel::MaximumRadius);
    EXPECT_LE(kernel.radius, 6.0 * std::sqrt(variance));
    double sum = kernel.weight[0];
    double moment = 0.0;
    for (int k = 1; k <= kernel.radius; ++k)
    {
      EXPECT_LT(kernel.weight[k], kernel.weight[k - 1]);
      sum += 2.0 * kernel.weight[k];
      moment += 2.0 * k * k * kernel.weight[k];
    }
    EXPECT_NEAR(sum, 1.0, 1e-5);
    EXPECT_NEAR(moment, variance, 0.02 * variance);
  }
  EXPECT_EQ(MakeGaussianKernel(400.0, 0.001, 9).radius, 9);
  EXPECT_THROW(MakeGaussianKernel(1e6), Error);
  EXPECT_THROW(MakeGaussianKernel(-1.0), Error);
  EXPECT_THROW(MakeGaussianKernel(std::nan("")), Error);
}

namespace
{
template <unsigned int VDimension>
void
CompareWithItk(const Lattice & lattice)
{
  using ImageType = Image<double, VDimension>;
  const double    variance[3] = { 3.0, 0.5, 1.3 };
  const HostField input = MakeImage(lattice, 12, 0.0, 0.5);
  auto            filter = DiscreteGaussianImageFilter<ImageType, ImageType>::New();
  typename DiscreteGaussianImageFilter<ImageType, ImageType>::ArrayType variances;
  std::copy_n(variance, VDimension, variances.Begin());
  filter->SetVariance(variances);
  filter->SetMaximumError(0.001);
  filter->SetMaximumKernelWidth(65);
  filter->SetUseImageSpacing(false);
  filter->SetInput(ToItkImage(input, MakeGeometry<VDimension>(13)));
  filter->Update();
  const SymmetricKernel kernels[3] = { MakeGaussianKernel(variance[0]),
                                       MakeGaussianKernel(variance[1]),
                                       MakeGaussianKernel(variance[2]) };
  EXPECT_MAXIMUM_ERROR(
    Smooth(kernels, SmoothBoundary::ZeroFlux, input), FromItkImage<VDimension>(filter->GetOutput(), lattice), 1e-4);
}
} // namespace

TEST(GaussianSmooth, MatchesItkDiscreteGaussianImageFilter)
{
  CompareWithItk<3>(Lattice(37, 41, 29));
  CompareWithItk<2>(Lattice(37, 41, 1));
}
} // namespace test
} // namespace engine
} // namespace itk
