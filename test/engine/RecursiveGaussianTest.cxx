// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/RecursiveGaussian.h"

#include "itkImage.h"
#include "itkImageRegionIterator.h"
#include "itkRecursiveGaussianImageFilter.h"

#include <cmath>
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
Filter(const HostField & input, const double (&sigma)[3], int derivativeAxis = -1)
{
  const DeviceFloats image(input);
  const DeviceFloats output(input.lattice);
  const DeviceFloats workspace(input.lattice);
  RecursiveGaussian(TestDevice(), sigma, derivativeAxis, image, output, workspace);
  return output.Download();
}

/** ITK's filter along each axis, in double. */
HostDoubles
FilterByItk(const HostField & input, const double (&sigma)[3], int derivativeAxis)
{
  using ImageType = Image<double, 3>;
  auto                  image = ImageType::New();
  ImageType::RegionType region;
  for (int d = 0; d < 3; ++d)
  {
    region.SetSize(d, input.lattice.size[d]);
  }
  image->SetRegions(region);
  image->Allocate();
  std::copy(input.values.begin(), input.values.end(), image->GetBufferPointer());
  for (unsigned int d = 0; d < 3; ++d)
  {
    if (input.lattice.size[d] > 1 && sigma[d] > 0.0)
    {
      auto filter = RecursiveGaussianImageFilter<ImageType, ImageType>::New();
      filter->SetInput(image);
      filter->SetDirection(d);
      filter->SetSigma(sigma[d]);
      static_cast<int>(d) == derivativeAxis ? filter->SetFirstOrder() : filter->SetZeroOrder();
      filter->Update();
      image = filter->GetOutput();
    }
  }
  HostDoubles result(input.lattice);
  std::copy_n(image->GetBufferPointer(), result.values.size(), result.values.begin());
  return result;
}
} // namespace

TEST(RecursiveGaussian, MatchesItk)
{
  const double sigmas[][3] = { { 1.0, 1.0, 1.0 }, { 0.5, 2.0, 4.0 }, { 3.0, 0.0, 0.7 } };
  for (const Lattice & lattice : { Lattice(37, 23, 1), Lattice(4, 5, 33), Lattice(33, 18, 17), Lattice(1, 40, 9) })
  {
    const HostField image = MakeNoise(lattice, 1, 3, 10.0, 12.0);
    for (const auto & sigma : sigmas)
    {
      for (int axis = -1; axis < 3; ++axis)
      {
        if (axis >= 0 && (lattice.size[axis] == 1 || sigma[axis] == 0.0))
        {
          continue;
        }
        SCOPED_TRACE(::testing::Message() << Describe(lattice) << " sigma " << sigma[0] << " axis " << axis);
        const HostField   actual = Filter(image, sigma, axis);
        const HostDoubles expected = FilterByItk(image, sigma, axis);
        // a derivative of 1 is what is left of an intensity of 12
        EXPECT_MAXIMUM_ERROR(actual, expected, axis < 0 ? 1e-5 : 2e-5);
      }
    }
  }
}

TEST(RecursiveGaussian, KeepsConstantsAndSlopes)
{
  const double sigma[3] = { 2.0, 2.0, 2.0 };
  HostField    ramp(Lattice(64, 40, 5));
  ForEachVoxel(ramp.lattice, [&](int x, int y, int z) { ramp(0, x, y, z) = static_cast<float>(3.0 * x - 2.0 * y); });
  const HostField slope = Filter(ramp, sigma, 0);
  const HostField other = Filter(ramp, sigma, 1);
  const HostField flat = Filter(ramp, sigma, 2);
  EXPECT_NEAR(slope(0, 32, 20, 2), 3.0, 1e-3);
  EXPECT_NEAR(other(0, 32, 20, 2), -2.0, 1e-3);
  EXPECT_NEAR(flat(0, 32, 20, 2), 0.0, 1e-3);
  const HostField constant = Filter(HostField(ramp.lattice, 1, 7.0f), sigma);
  for (const float value : constant.values)
  {
    EXPECT_NEAR(value, 7.0f, 1e-5f);
  }
}

TEST(RecursiveGaussian, LeavesAloneWhatIsNotSmoothed)
{
  const HostField image = MakeNoise(Lattice(3, 2, 1), 1, 4, -1.0, 1.0);
  const double    none[3] = { 0.0, 0.0, 2.0 };
  EXPECT_SAME_BITS(Filter(image, none), image);
  EXPECT_EQ(Norm(Filter(image, none, 2)), 0.0);
}

TEST(RecursiveGaussian, SpreadsWhatIsNoNumber)
{
  HostField image(Lattice(9, 8, 7), 1, 1.0f);
  image(0, 4, 4, 4) = std::numeric_limits<float>::quiet_NaN();
  const double sigma[3] = { 1.0, 1.0, 1.0 };
  EXPECT_TRUE(std::isnan(Filter(image, sigma)(0, 0, 0, 0)));
}

TEST(RecursiveGaussian, RejectsBadArguments)
{
  const HostField image(Lattice(9, 3, 7));
  const double    small[3] = { 1.0, 1.0, 1.0 };
  const double    negative[3] = { -1.0, 0.0, 0.0 };
  const double    infinite[3] = { std::numeric_limits<double>::infinity(), 0.0, 0.0 };
  const double    none[3] = { 0.0, 0.0, 1.0 };
  EXPECT_THROW(Filter(image, small), Error);
  EXPECT_THROW(Filter(image, negative), Error);
  EXPECT_THROW(Filter(image, infinite), Error);
  EXPECT_THROW(Filter(image, none, 0), Error);
  const DeviceFloats field(image);
  const DeviceFloats other(image);
  EXPECT_THROW(RecursiveGaussian(TestDevice(), none, -1, field, field, other), Error);
  EXPECT_THROW(RecursiveGaussian(TestDevice(), none, -1, field, other, other), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
