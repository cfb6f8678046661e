// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/ImportExport.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** What programs hold, in the device's memory. */
template <typename T>
class DevicePixels
{
public:
  DevicePixels(const std::vector<T> & values, const Lattice & lattice, int components)
    : m_Lattice(lattice)
    , m_Components(components)
    , m_Buffer(TestDevice(), static_cast<std::int64_t>(values.size()))
  {
    TestDevice().CopyFromHost(m_Buffer.Data(), values.data(), m_Buffer.Bytes());
  }

  Pixels
  View() const
  {
    return Pixels(m_Buffer.Data(), PixelTypeOf<T>(), m_Lattice, m_Components);
  }
  ConstPixels
  ConstView() const
  {
    return ConstPixels(m_Buffer.Data(), PixelTypeOf<T>(), m_Lattice, m_Components);
  }

  std::vector<T>
  Download() const
  {
    std::vector<T> values(static_cast<std::size_t>(m_Buffer.Count()));
    TestDevice().CopyToHost(values.data(), m_Buffer.Data(), m_Buffer.Bytes());
    return values;
  }

private:
  Lattice   m_Lattice;
  int       m_Components;
  Buffer<T> m_Buffer;
};

/** Numbers over the whole range of an integer type, or a wide one. */
template <typename T>
std::vector<T>
MakePixels(std::int64_t count, unsigned int seed)
{
  Random         random(seed);
  std::vector<T> pixels(static_cast<std::size_t>(count));
  const double   low = std::is_integral<T>::value ? static_cast<double>(std::numeric_limits<T>::lowest()) : -1e6;
  const double   high = std::is_integral<T>::value ? static_cast<double>(std::numeric_limits<T>::max()) : 1e6;
  for (T & pixel : pixels)
  {
    pixel = static_cast<T>(random.Uniform(low, high));
  }
  return pixels;
}

template <typename T>
void
CheckImport()
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const auto            pixels = MakePixels<T>(lattice.NumberOfVoxels(), 3);
    const DevicePixels<T> device(pixels, lattice, 1);
    const DeviceFloats    plain(lattice);
    ImportImage(TestDevice(), device.ConstView(), 0.0f, 1.0f, plain);
    const HostField imported = plain.Download();
    HostDoubles     scaled(lattice);
    bool            same = true;
    for (std::size_t i = 0; i < pixels.size(); ++i)
    {
      same = same && imported.values[i] == static_cast<float>(pixels[i]);
      scaled.values[i] = (static_cast<double>(pixels[i]) + 3.5) * 0.25;
    }
    EXPECT_TRUE(same);
    ImportImage(TestDevice(), device.ConstView(), -3.5f, 0.25f, plain);
    EXPECT_RELATIVE_ERROR(plain.Download(), scaled, 1e-6);
  }
}

template <typename T>
void
CheckExport()
{
  const Lattice whole(13, 17, 11);
  const Lattice block(5, 16, 3);
  const int     start[3] = { 7, 1, 8 };
  HostField     image = MakeNoise(whole, 1, 5, -300.0, 300.0);
  image.values[whole.Offset(7, 1, 8)] = 1e30f;
  image.values[whole.Offset(8, 1, 8)] = -1e30f;
  image.values[whole.Offset(9, 1, 8)] = 2.5f;
  image.values[whole.Offset(10, 1, 8)] = -0.5f;
  const DevicePixels<T> pixels(std::vector<T>(block.NumberOfVoxels()), block, 1);
  ExportImage(TestDevice(), DeviceFloats(image), start, pixels.View());
  const auto values = pixels.Download();
  ForEachVoxel(block, [&](int x, int y, int z) {
    const double value = image(0, x + start[0], y + start[1], z + start[2]);
    double       expected = value;
    if (std::is_integral<T>::value)
    {
      expected = std::floor(value + 0.5);
      expected = std::max(expected, static_cast<double>(std::numeric_limits<T>::lowest()));
      expected = std::min(expected, static_cast<double>(std::numeric_limits<T>::max()));
    }
    ASSERT_EQ(static_cast<double>(values[block.Offset(x, y, z)]), expected);
  });
}

/** Vectors of `components` components and back; each within float32 of the product in double. */
template <typename T>
void
CheckVectors(const Lattice & whole, const int (&start)[3], const Lattice & block, int components)
{
  SCOPED_TRACE(Describe(block) + ", " + std::to_string(components) + " components");
  DoubleMatrix matrix;
  Random       random(9);
  for (auto & row : matrix.m)
  {
    for (double & value : row)
    {
      value = random.Uniform(-2.0, 2.0);
    }
  }
  const auto multiply = [&](int i, const double * vector) {
    double sum = 0.0;
    for (int j = 0; j < components; ++j)
    {
      sum += matrix.m[i][j] * vector[j];
    }
    return sum;
  };
  std::vector<T> vectors(static_cast<std::size_t>(components * whole.NumberOfVoxels()));
  for (T & value : vectors)
  {
    value = static_cast<T>(random.Uniform(-5.0, 5.0));
  }
  const DevicePixels<T> device(vectors, whole, components);
  const DeviceFloats    planes(block, 3);
  ImportVectors(TestDevice(), matrix, device.ConstView(), start, planes);
  const HostField imported = planes.Download();
  HostDoubles     expected(block, 3);
  ForEachVoxel(block, [&](int x, int y, int z) {
    double vector[3] = {};
    for (int j = 0; j < components; ++j)
    {
      vector[j] = vectors[components * whole.Offset(x + start[0], y + start[1], z + start[2]) + j];
    }
    for (int i = 0; i < components; ++i)
    {
      expected(i, x, y, z) = multiply(i, vector);
    }
  });
  EXPECT_MAXIMUM_ERROR(imported, expected, 2e-6);

  const DevicePixels<T> target(std::vector<T>(components * block.NumberOfVoxels()), block, components);
  ExportVectors(TestDevice(), matrix, planes, target.View());
  const auto exported = target.Download();
  double     largest = 0.0;
  ForEachVoxel(block, [&](int x, int y, int z) {
    const double vector[3] = { imported(0, x, y, z), imported(1, x, y, z), imported(2, x, y, z) };
    for (int i = 0; i < components; ++i)
    {
      const double error = exported[components * block.Offset(x, y, z) + i] - multiply(i, vector);
      largest = std::max(largest, std::abs(error));
    }
  });
  EXPECT_LE(largest, sizeof(T) == 8 ? 1e-13 : 5e-6);
}
} // namespace

TEST(ImportExport, ImagesOfEveryTypeBecomeFloats)
{
  CheckImport<std::int8_t>();
  CheckImport<std::uint8_t>();
  CheckImport<std::int16_t>();
  CheckImport<std::uint16_t>();
  CheckImport<std::int32_t>();
  CheckImport<std::uint32_t>();
  CheckImport<std::int64_t>();
  CheckImport<std::uint64_t>();
  CheckImport<float>();
  CheckImport<double>();
  EXPECT_EQ(PixelTypeOf<long long>(), PixelType::Int64);
  EXPECT_EQ(PixelTypeOf<unsigned char>(), PixelType::UInt8);
  EXPECT_EQ(BytesOf(PixelType::UInt16), 2u);
}

// Checks rounding, the ends of the types, and a block of a larger image.
TEST(ImportExport, FloatsBecomeImagesOfEveryType)
{
  CheckExport<std::int8_t>();
  CheckExport<std::uint8_t>();
  CheckExport<std::int16_t>();
  CheckExport<std::uint16_t>();
  CheckExport<std::int32_t>();
  CheckExport<std::uint32_t>();
  CheckExport<std::int64_t>();
  CheckExport<std::uint64_t>();
  CheckExport<float>();
  CheckExport<double>();

  const Lattice                  lattice(2, 1, 1);
  const HostField                nothing(lattice, 1, std::numeric_limits<float>::quiet_NaN());
  const DevicePixels<std::int8_t> pixels(std::vector<std::int8_t>(2), lattice, 1);
  const int                      origin[3] = { 0, 0, 0 };
  ExportImage(TestDevice(), DeviceFloats(nothing), origin, pixels.View());
  EXPECT_EQ(pixels.Download(), std::vector<std::int8_t>(2, -128));
}

TEST(ImportExport, VectorsMatchDouble)
{
  const int origin[3] = { 0, 0, 0 };
  for (const Lattice & lattice : EdgeLattices())
  {
    CheckVectors<float>(lattice, origin, lattice, 3);
    CheckVectors<double>(lattice, origin, lattice, 3);
    CheckVectors<double>(lattice, origin, lattice, 2);
  }
  CheckVectors<float>(Lattice(31, 1, 1), origin, Lattice(31, 1, 1), 2);
  const int start[3] = { 3, 0, 5 };
  CheckVectors<float>(Lattice(13, 17, 11), start, Lattice(10, 9, 2), 3);
  CheckVectors<double>(Lattice(13, 17, 11), start, Lattice(1, 17, 6), 2);
}

TEST(ImportExport, BadInputThrows)
{
  const Lattice              lattice(4, 3, 2);
  const int                  origin[3] = { 0, 0, 0 };
  const int                  beyond[3] = { 0, 1, 0 };
  const DevicePixels<float>  vectors(std::vector<float>(72), lattice, 3);
  const DevicePixels<float>  scalars(std::vector<float>(24), lattice, 1);
  const DevicePixels<short>  shorts(std::vector<short>(72), lattice, 3);
  const DeviceFloats         planes(lattice, 3);
  const DeviceFloats         plane(lattice, 1);
  const DoubleMatrix         matrix;
  const Device &             device = TestDevice();
  EXPECT_THROW(ImportImage(device, vectors.ConstView(), 0.0f, 1.0f, plane), Error);
  EXPECT_THROW(ImportImage(device, scalars.ConstView(), 0.0f, 1.0f, DeviceFloats(Lattice(4, 3, 3))), Error);
  EXPECT_THROW(ImportImage(device, ConstPixels(), 0.0f, 1.0f, plane), Error);
  EXPECT_THROW(ExportImage(device, plane, beyond, scalars.View()), Error);
  EXPECT_THROW(ExportImage(device, planes, origin, scalars.View()), Error);
  EXPECT_THROW(ImportVectors(device, matrix, shorts.ConstView(), origin, planes), Error);
  EXPECT_THROW(ImportVectors(device, matrix, scalars.ConstView(), origin, planes), Error);
  EXPECT_THROW(ImportVectors(device, matrix, vectors.ConstView(), beyond, planes), Error);
  EXPECT_THROW(ExportVectors(device, matrix, plane, vectors.View()), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
