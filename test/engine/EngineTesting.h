// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineTesting_h
#define itkEngineTesting_h

#include "Core/Buffer.h"
#include "Core/Device.h"
#include "Core/Field.h"
#include "Math/Affine.h"

// The benchmark takes its double references from here, and needs no GoogleTest.
#if __has_include(<gtest/gtest.h>)
#  include <gtest/gtest.h>
#endif

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

// Helpers of the engine's tests: fields in host memory, generated images and displacements, and interpolation in
// double that shares no code with Engine/Math.
namespace itk
{
namespace engine
{
namespace test
{
using Vector3 = std::array<double, 3>;
using Matrix33 = std::array<std::array<double, 3>, 3>;
using Matrix34 = std::array<std::array<double, 4>, 3>;

/** The device of this run, opened once from `--device`. */
const Device &
TestDevice();
/** Opens it; throws Error when there is none. */
void
OpenTestDevice(const std::string & name);

/** A field in host memory, laid out as the engine's: planes of components, x fastest. */
template <typename T>
struct HostFieldOf
{
  Lattice        lattice;
  int            components = 1;
  std::vector<T> values;

  HostFieldOf() = default;
  explicit HostFieldOf(const Lattice & grid, int numberOfComponents = 1, T value = T())
    : lattice(grid)
    , components(numberOfComponents)
    , values(static_cast<std::size_t>(grid.NumberOfVoxels() * numberOfComponents), value)
  {}

  T &
  operator()(int c, int x, int y, int z)
  {
    return values[static_cast<std::size_t>(c * lattice.NumberOfVoxels() + lattice.Offset(x, y, z))];
  }
  const T &
  operator()(int c, int x, int y, int z) const
  {
    return values[static_cast<std::size_t>(c * lattice.NumberOfVoxels() + lattice.Offset(x, y, z))];
  }
  /** The value at the nearest grid point. */
  const T &
  Clamped(int c, int x, int y, int z) const
  {
    const auto clamp = [](int i, int n) { return i < 0 ? 0 : (i >= n ? n - 1 : i); };
    return (*this)(c, clamp(x, lattice.size[0]), clamp(y, lattice.size[1]), clamp(z, lattice.size[2]));
  }
};
using HostField = HostFieldOf<float>;
using HostDoubles = HostFieldOf<double>;
using HostMask = HostFieldOf<unsigned char>;

/** Calls function(x, y, z) for every grid point, x fastest. */
template <typename TFunction>
void
ForEachVoxel(const Lattice & lattice, const TFunction & function)
{
  for (int z = 0; z < lattice.size[2]; ++z)
  {
    for (int y = 0; y < lattice.size[1]; ++y)
    {
      for (int x = 0; x < lattice.size[0]; ++x)
      {
        function(x, y, z);
      }
    }
  }
}

/** A field in the device's memory. Without initial values it is filled with 0xff bytes (NaN for floats), so that
 * whatever an operator leaves unwritten shows. */
template <typename T>
class DeviceField
{
public:
  explicit DeviceField(const Lattice & lattice, int components = 1)
    : m_Lattice(lattice)
    , m_Components(components)
    , m_Buffer(TestDevice(), lattice.NumberOfVoxels() * components)
  {
    const std::vector<unsigned char> unset(m_Buffer.Bytes(), 0xff);
    TestDevice().CopyFromHost(m_Buffer.Data(), unset.data(), m_Buffer.Bytes());
  }
  explicit DeviceField(const HostFieldOf<T> & host)
    : m_Lattice(host.lattice)
    , m_Components(host.components)
    , m_Buffer(TestDevice(), static_cast<std::int64_t>(host.values.size()))
  {
    TestDevice().CopyFromHost(m_Buffer.Data(), host.values.data(), m_Buffer.Bytes());
  }

  FieldView<T>
  View() const
  {
    return FieldView<T>(m_Buffer.Data(), m_Lattice, m_Components);
  }
  operator FieldView<T>() const { return View(); }
  operator FieldView<const T>() const { return View(); }

  HostFieldOf<T>
  Download() const
  {
    HostFieldOf<T> host(m_Lattice, m_Components);
    TestDevice().CopyToHost(host.values.data(), m_Buffer.Data(), m_Buffer.Bytes());
    return host;
  }

private:
  Lattice   m_Lattice;
  int       m_Components;
  Buffer<T> m_Buffer;
};
using DeviceFloats = DeviceField<float>;
using DeviceMask = DeviceField<unsigned char>;

/** A few doubles in the device's memory, filled with NaN. */
class DeviceScalars
{
public:
  explicit DeviceScalars(int count);
  double *
  Data() const
  {
    return m_Buffer.Data();
  }
  std::vector<double>
  Download() const;

private:
  Buffer<double> m_Buffer;
};

/** Floats of workspace, filled with NaN. */
class Workspace
{
public:
  explicit Workspace(std::int64_t count);
  float *
  Data() const
  {
    return m_Buffer.Data();
  }

private:
  Buffer<float> m_Buffer;
};

/** Numbers that are the same on every platform. */
class Random
{
public:
  explicit Random(unsigned int seed)
    : m_Engine(seed)
  {}
  /** In [low, high). */
  double
  Uniform(double low, double high)
  {
    return low + (high - low) * (m_Engine() / 4294967296.0);
  }

private:
  std::mt19937 m_Engine;
};

/** The sizes where kernels break: a single voxel, thin, 2D, smaller than a window, primes, above a tile. */
std::vector<Lattice>
EdgeLattices();
/** "13x17x11", for SCOPED_TRACE. */
std::string
Describe(const Lattice & lattice);

/** Waves of a few voxels' length plus `noise`, within [0, 1] + offset. */
HostField
MakeImage(const Lattice & lattice, unsigned int seed, double offset = 0.0, double noise = 0.1);
/** Smooth displacement of at most `amplitude` voxels per component, wavelengths of the grid's extent; along axes of
 * one voxel it is 0. `zeroAtBorder`: fades to 0 over a quarter of the grid. */
HostField
MakeDisplacement(const Lattice & lattice, unsigned int seed, double amplitude, bool zeroAtBorder = false);
/** Values in [low, high) without any smoothness. */
HostField
MakeNoise(const Lattice & lattice, int components, unsigned int seed, double low, double high);
/** About `fraction` of the voxels are 0, in blobs and specks; the others have the values 1 to 3. */
HostMask
MakeMask(const Lattice & lattice, unsigned int seed, double fraction);

/** A rotation by a few degrees with scaling about the grid's centre, plus a shift; 2D grids stay in their plane. */
Matrix34
MakeAffine(const Lattice & from, const Lattice & to, unsigned int seed);
Matrix34
IdentityAffine();
AffineMap
ToAffineMap(const Matrix34 & rows);
Matrix33
LinearPart(const Matrix34 & rows);
Matrix3
ToMatrix3(const Matrix33 & matrix);
Vector3
Multiply(const Matrix33 & matrix, const Vector3 & vector);
/** A x + b + B u. */
Vector3
MapPoint(const Matrix34 & affine, const Matrix33 & matrix, const Vector3 & index, const Vector3 & u);
/** The three components of a field at a grid point. */
template <typename T>
Vector3
VectorAt(const HostFieldOf<T> & field, int x, int y, int z)
{
  return Vector3{ { static_cast<double>(field(0, x, y, z)),
                    static_cast<double>(field(1, x, y, z)),
                    static_cast<double>(field(2, x, y, z)) } };
}

/** -0.5 <= p < size - 0.5 on every axis. */
bool
IsInside(const Lattice & lattice, const Vector3 & p);
/** How far p is from the next half-integer (`half`) or integer position along any axis longer than one voxel: below
 * float32's resolution a nearest neighbour, a gradient or an inside test may fall to either side. */
double
DistanceToDecision(const Lattice & lattice, const Vector3 & p, bool half);

/** Multilinear interpolation, clamped to the edges. */
template <typename T>
double
InterpolateLinear(const HostFieldOf<T> & field, int component, const Vector3 & p);
/** Its derivative; 0 along clamped axes. */
template <typename T>
Vector3
GradientLinear(const HostFieldOf<T> & field, int component, const Vector3 & p);

HostDoubles
ToDoubles(const HostField & field);
HostField
ToFloats(const HostDoubles & field);

/** |a - b| / |b| over all values, or over those whose `use` is not 0 (one flag per voxel). */
template <typename TA, typename TB>
double
RelativeError(const HostFieldOf<TA> & a, const HostFieldOf<TB> & b, const HostMask & use = HostMask())
{
  const std::size_t voxels = static_cast<std::size_t>(b.lattice.NumberOfVoxels());
  double            difference = 0.0;
  double            norm = 0.0;
  for (std::size_t i = 0; i < b.values.size(); ++i)
  {
    if (use.values.empty() || use.values[i % voxels] != 0)
    {
      const double expected = static_cast<double>(b.values[i]);
      const double error = static_cast<double>(a.values.at(i)) - expected;
      difference += error * error;
      norm += expected * expected;
    }
  }
  return norm > 0.0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

template <typename TA, typename TB>
double
MaximumError(const HostFieldOf<TA> & a, const HostFieldOf<TB> & b, const HostMask & use = HostMask())
{
  const std::size_t voxels = static_cast<std::size_t>(b.lattice.NumberOfVoxels());
  double            maximum = 0.0;
  for (std::size_t i = 0; i < b.values.size(); ++i)
  {
    if (use.values.empty() || use.values[i % voxels] != 0)
    {
      const double error = std::abs(static_cast<double>(a.values.at(i)) - static_cast<double>(b.values[i]));
      // written so that NaN is an error
      maximum = error <= maximum ? maximum : error;
    }
  }
  return maximum;
}

template <typename T>
bool
SameBits(const HostFieldOf<T> & a, const HostFieldOf<T> & b)
{
  return a.values.size() == b.values.size() &&
         std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(T)) == 0;
}

template <typename T>
double
Norm(const HostFieldOf<T> & field)
{
  double sum = 0.0;
  for (const T value : field.values)
  {
    sum += static_cast<double>(value) * static_cast<double>(value);
  }
  return std::sqrt(sum);
}

/** Sum of products. */
template <typename TA, typename TB>
double
Dot(const HostFieldOf<TA> & a, const HostFieldOf<TB> & b)
{
  double sum = 0.0;
  for (std::size_t i = 0; i < a.values.size(); ++i)
  {
    sum += static_cast<double>(a.values[i]) * static_cast<double>(b.values.at(i));
  }
  return sum;
}
} // namespace test
} // namespace engine
} // namespace itk

#define EXPECT_RELATIVE_ERROR(actual, expected, tolerance)                                                             \
  EXPECT_LE(::itk::engine::test::RelativeError(actual, expected), tolerance)
#define EXPECT_RELATIVE_ERROR_WHERE(use, actual, expected, tolerance)                                                  \
  EXPECT_LE(::itk::engine::test::RelativeError(actual, expected, use), tolerance)
#define EXPECT_MAXIMUM_ERROR(actual, expected, tolerance)                                                              \
  EXPECT_LE(::itk::engine::test::MaximumError(actual, expected), tolerance)
#define EXPECT_SAME_BITS(a, b) EXPECT_TRUE(::itk::engine::test::SameBits(a, b))
/** Two numbers agree to a relative tolerance. */
#define EXPECT_RELATIVE_NEAR(actual, expected, tolerance)                                                              \
  EXPECT_NEAR(actual, expected, (tolerance)*std::abs(static_cast<double>(expected)) + 1e-300)

#endif
