// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/Intensities.h"

#include <algorithm>
#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
ConstPixels
ToPixels(const DeviceFloats & image)
{
  const Field view = image;
  return ConstPixels(view.data, PixelType::Float32, view.lattice);
}

std::vector<unsigned long long>
Count(const DeviceFloats & image, const ConstMask & mask, const IntensityBinning & binning)
{
  const Buffer<unsigned long long> counts(TestDevice(), IntensityBins);
  CountIntensities(TestDevice(), ToPixels(image), mask, binning, counts.Data());
  std::vector<unsigned long long> result(IntensityBins);
  TestDevice().CopyToHost(result.data(), counts.Data(), counts.Bytes());
  return result;
}

std::string
MessageOf(const HostField & image, const ConstMask & mask = ConstMask())
{
  try
  {
    FindIntensityRange(TestDevice(), ToPixels(DeviceFloats(image)), mask, "the image");
  }
  catch (const Error & error)
  {
    return error.what();
  }
  return "no error";
}
} // namespace

TEST(Intensities, MeasureAndCountMatchTheHost)
{
  std::vector<Lattice> lattices = EdgeLattices();
  lattices.emplace_back(61, 47, 29);
  for (const Lattice & lattice : lattices)
  {
    const HostField    image = MakeNoise(lattice, 1, 3, -20.0, 70.0);
    const HostMask     mask = MakeMask(lattice, 4, 0.4);
    const DeviceFloats device(image);
    const DeviceMask   deviceMask(mask);
    for (const bool masked : { false, true })
    {
      SCOPED_TRACE(Describe(lattice) + (masked ? ", masked" : ""));
      const ConstMask                 view = masked ? ConstMask(deviceMask) : ConstMask();
      double                          low = std::numeric_limits<double>::infinity();
      double                          high = -low;
      double                          used = 0.0;
      std::vector<unsigned long long> counts(IntensityBins);
      const IntensityBinning          binning{ -20.0, IntensityBins / 80.0 };
      for (std::size_t i = 0; i < image.values.size(); ++i)
      {
        if (!masked || mask.values[i] != 0)
        {
          const double value = image.values[i];
          low = std::min(low, value);
          high = std::max(high, value);
          used += 1.0;
          ++counts[std::min(IntensityBins - 1, static_cast<int>((value + 20.0) * binning.toBin))];
        }
      }
      const DeviceScalars result(4);
      MeasureIntensities(TestDevice(), ToPixels(device), view, result.Data());
      const auto measured = result.Download();
      EXPECT_EQ(measured[0], low);
      EXPECT_EQ(measured[1], high);
      EXPECT_EQ(measured[2], used);
      EXPECT_EQ(measured[3], std::numeric_limits<double>::infinity());
      EXPECT_EQ(Count(device, view, binning), counts);
    }
  }
}

TEST(Intensities, FirstVoxelThatIsNotFiniteIsFound)
{
  const Lattice lattice(67, 71, 31);
  HostField     image = MakeNoise(lattice, 1, 3, 0.0, 1.0);
  image.values[70001] = std::numeric_limits<float>::infinity();
  image.values[140000] = std::numeric_limits<float>::quiet_NaN();
  HostMask mask(lattice, 1, 1);
  mask.values[70001] = 0;
  const DeviceScalars result(4);
  MeasureIntensities(TestDevice(), ToPixels(DeviceFloats(image)), DeviceMask(mask), result.Data());
  EXPECT_EQ(result.Download()[3], 70001.0);
  EXPECT_EQ(result.Download()[2], static_cast<double>(lattice.NumberOfVoxels() - 1));
  EXPECT_LE(result.Download()[1], 1.0);
  EXPECT_NE(MessageOf(image).find("voxel 70001"), std::string::npos);
}

// Checks the quantiles against a sorted copy, within a bin.
TEST(Intensities, RangeIsThatOfTheQuantiles)
{
  const Lattice   lattice(40, 25, 30);
  const HostField image = MakeNoise(lattice, 1, 8, 100.0, 900.0);
  auto            sorted = image.values;
  std::sort(sorted.begin(), sorted.end());
  const auto   range = FindIntensityRange(TestDevice(), ToPixels(DeviceFloats(image)), ConstMask(), "the image");
  const double low = sorted[sorted.size() / 1000];
  const double high = sorted[sorted.size() - 1 - sorted.size() / 1000];
  const double bin = 1.01 * 800.0 / IntensityBins;
  EXPECT_NEAR(range.shift, low, bin);
  EXPECT_NEAR(range.shift + 1.0 / range.scale, high, bin);
  EXPECT_NEAR(range.mean, 0.5, 0.01);

  // a few bright voxels in a background are the signal
  HostField sparse(lattice, 1, 5.0f);
  sparse.values[77] = 25.0f;
  const auto wide = FindIntensityRange(TestDevice(), ToPixels(DeviceFloats(sparse)), ConstMask(), "the image");
  EXPECT_EQ(wide.shift, 5.0f);
  EXPECT_NEAR(1.0 / wide.scale, 20.0, 1e-5);
}

TEST(Intensities, IntegersCountAsTheFloatsTheyAre)
{
  const Lattice             lattice(31, 17, 5);
  const HostField           noise = MakeNoise(lattice, 1, 8, -3000.0, 3000.0);
  HostField                 image(lattice);
  std::vector<std::int16_t> pixels(noise.values.size());
  for (std::size_t i = 0; i < pixels.size(); ++i)
  {
    pixels[i] = static_cast<std::int16_t>(noise.values[i]);
    image.values[i] = pixels[i];
  }
  const Buffer<std::int16_t> buffer(TestDevice(), lattice.NumberOfVoxels());
  TestDevice().CopyFromHost(buffer.Data(), pixels.data(), buffer.Bytes());
  const ConstPixels view(buffer.Data(), PixelType::Int16, lattice);
  const auto        a = FindIntensityRange(TestDevice(), view, ConstMask(), "the image");
  const auto b = FindIntensityRange(TestDevice(), ToPixels(DeviceFloats(image)), ConstMask(), "the image");
  EXPECT_EQ(a.shift, b.shift);
  EXPECT_EQ(a.scale, b.scale);
  EXPECT_EQ(a.mean, b.mean);
}

TEST(Intensities, BadImagesThrow)
{
  const Lattice    lattice(7, 5, 3);
  const DeviceMask empty(HostMask(lattice, 1, 0));
  const HostField  image = MakeNoise(lattice, 1, 8, 0.0, 1.0);
  EXPECT_NE(MessageOf(image, empty).find("mask of the image is empty"), std::string::npos);
  EXPECT_NE(MessageOf(HostField(lattice, 1, 4.0f)).find("constant (4)"), std::string::npos);
  HostMask one(lattice, 1, 0);
  one.values[9] = 1;
  EXPECT_NE(MessageOf(image, DeviceMask(one)).find("inside its mask"), std::string::npos);
  EXPECT_NE(MessageOf(image, DeviceMask(HostMask(Lattice(7, 5, 4), 1, 1))).find("7x5x4"), std::string::npos);
  EXPECT_THROW(Count(DeviceFloats(image), ConstMask(), IntensityBinning{ 0.0, 0.0 }), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
