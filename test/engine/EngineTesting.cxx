// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
constexpr double pi = 3.14159265358979323846;

std::unique_ptr<Device> g_Device;

double
Clamp(double value, double low, double high)
{
  return value < low ? low : (value > high ? high : value);
}

/** Fades from 0 at both ends of an axis to 1 a quarter of its length inside. */
double
Fade(int i, int size)
{
  if (size == 1)
  {
    return 1.0;
  }
  const double edge = std::min(i, size - 1 - i) / std::max(1.0, 0.25 * (size - 1));
  return edge >= 1.0 ? 1.0 : 0.5 - 0.5 * std::cos(pi * edge);
}
} // namespace

void
OpenTestDevice(const std::string & name)
{
  g_Device = std::make_unique<Device>(Device::Open(name));
}

const Device &
TestDevice()
{
  if (!g_Device)
  {
    ThrowError("no device was opened");
  }
  return *g_Device;
}

DeviceScalars::DeviceScalars(int count)
  : m_Buffer(TestDevice(), count)
{
  const std::vector<double> unset(count, std::numeric_limits<double>::quiet_NaN());
  TestDevice().CopyFromHost(m_Buffer.Data(), unset.data(), m_Buffer.Bytes());
}

std::vector<double>
DeviceScalars::Download() const
{
  std::vector<double> values(static_cast<std::size_t>(m_Buffer.Count()));
  TestDevice().CopyToHost(values.data(), m_Buffer.Data(), m_Buffer.Bytes());
  return values;
}

Workspace::Workspace(std::int64_t count)
  : m_Buffer(TestDevice(), std::max<std::int64_t>(count, 1))
{
  const std::vector<float> unset(static_cast<std::size_t>(m_Buffer.Count()), std::numeric_limits<float>::quiet_NaN());
  TestDevice().CopyFromHost(m_Buffer.Data(), unset.data(), m_Buffer.Bytes());
}

std::vector<Lattice>
EdgeLattices()
{
  return { Lattice(1, 1, 1),    Lattice(2, 3, 1),    Lattice(17, 13, 1),  Lattice(6, 6, 6),
           Lattice(13, 17, 11), Lattice(37, 41, 29), Lattice(70, 35, 33), Lattice(1, 9, 40) };
}

std::string
Describe(const Lattice & lattice)
{
  return std::to_string(lattice.size[0]) + 'x' + std::to_string(lattice.size[1]) + 'x' +
         std::to_string(lattice.size[2]);
}

HostField
MakeImage(const Lattice & lattice, unsigned int seed, double offset, double noise)
{
  constexpr int waves = 6;
  Random        random(seed);
  double        frequency[waves][3];
  double        phase[waves];
  for (int w = 0; w < waves; ++w)
  {
    for (double & f : frequency[w])
    {
      f = random.Uniform(-0.7, 0.7);
    }
    phase[w] = random.Uniform(0.0, 2.0 * pi);
  }
  HostField image(lattice);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    double sum = 0.0;
    for (int w = 0; w < waves; ++w)
    {
      sum += std::sin(frequency[w][0] * x + frequency[w][1] * y + frequency[w][2] * z + phase[w]);
    }
    const double value = 0.5 + 0.5 * (1.0 - noise) * sum / waves + 0.5 * noise * random.Uniform(-1.0, 1.0);
    image(0, x, y, z) = static_cast<float>(offset + value);
  });
  return image;
}

HostField
MakeDisplacement(const Lattice & lattice, unsigned int seed, double amplitude, bool zeroAtBorder)
{
  constexpr int waves = 3;
  Random        random(seed);
  HostField     field(lattice, 3);
  for (int c = 0; c < 3; ++c)
  {
    double frequency[waves][3];
    double phase[waves];
    for (int w = 0; w < waves; ++w)
    {
      for (int d = 0; d < 3; ++d)
      {
        frequency[w][d] = random.Uniform(-2.0, 2.0) * pi / std::max(lattice.size[d], 8);
      }
      phase[w] = random.Uniform(0.0, 2.0 * pi);
    }
    if (lattice.size[c] == 1)
    {
      continue;
    }
    ForEachVoxel(lattice, [&](int x, int y, int z) {
      double sum = 0.0;
      for (int w = 0; w < waves; ++w)
      {
        sum += std::sin(frequency[w][0] * x + frequency[w][1] * y + frequency[w][2] * z + phase[w]);
      }
      if (zeroAtBorder)
      {
        sum *= Fade(x, lattice.size[0]) * Fade(y, lattice.size[1]) * Fade(z, lattice.size[2]);
      }
      field(c, x, y, z) = static_cast<float>(amplitude * sum / waves);
    });
  }
  return field;
}

HostField
MakeNoise(const Lattice & lattice, int components, unsigned int seed, double low, double high)
{
  Random    random(seed);
  HostField field(lattice, components);
  for (float & value : field.values)
  {
    value = static_cast<float>(random.Uniform(low, high));
  }
  return field;
}

HostMask
MakeMask(const Lattice & lattice, unsigned int seed, double fraction)
{
  Random       random(seed);
  HostMask     mask(lattice);
  const double phase = random.Uniform(0.0, 6.0);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const double blob = std::sin(0.4 * x + phase) * std::cos(0.3 * y) * std::cos(0.35 * z);
    const bool   out = blob > 1.0 - 0.75 * fraction || random.Uniform(0.0, 1.0) < 0.5 * fraction;
    mask(0, x, y, z) = static_cast<unsigned char>(out ? 0 : 1 + (x + y + z) % 3);
  });
  return mask;
}

Matrix34
MakeAffine(const Lattice & from, const Lattice & to, unsigned int seed)
{
  Random     random(seed);
  const bool flat = from.size[2] == 1 || to.size[2] == 1;
  double     angle[3];
  for (int d = 0; d < 3; ++d)
  {
    angle[d] = (flat && d < 2) ? 0.0 : random.Uniform(-0.2, 0.2);
  }
  Matrix33 matrix{ { { { 1, 0, 0 } }, { { 0, 1, 0 } }, { { 0, 0, 1 } } } };
  for (int d = 0; d < 3; ++d)
  {
    const int    i = (d + 1) % 3;
    const int    j = (d + 2) % 3;
    const double c = std::cos(angle[d]);
    const double s = std::sin(angle[d]);
    for (auto & row : matrix)
    {
      const double vi = row[i];
      const double vj = row[j];
      row[i] = c * vi + s * vj;
      row[j] = -s * vi + c * vj;
    }
  }
  Matrix34 rows{};
  for (int i = 0; i < 3; ++i)
  {
    const double scale =
      (flat && i == 2) ? 1.0 : static_cast<double>(to.size[i]) / from.size[i] * random.Uniform(0.9, 1.1);
    rows[i][3] = 0.5 * (to.size[i] - 1) + ((flat && i == 2) ? 0.0 : random.Uniform(-0.7, 0.7));
    for (int j = 0; j < 3; ++j)
    {
      rows[i][j] = scale * matrix[i][j];
      rows[i][3] -= rows[i][j] * 0.5 * (from.size[j] - 1);
    }
  }
  return rows;
}

Matrix34
IdentityAffine()
{
  return Matrix34{ { { { 1, 0, 0, 0 } }, { { 0, 1, 0, 0 } }, { { 0, 0, 1, 0 } } } };
}

AffineMap
ToAffineMap(const Matrix34 & rows)
{
  double plain[3][4];
  for (int i = 0; i < 3; ++i)
  {
    std::copy(rows[i].begin(), rows[i].end(), plain[i]);
  }
  return AffineMap(plain);
}

Matrix33
LinearPart(const Matrix34 & rows)
{
  Matrix33 matrix{};
  for (int i = 0; i < 3; ++i)
  {
    std::copy(rows[i].begin(), rows[i].begin() + 3, matrix[i].begin());
  }
  return matrix;
}

Matrix3
ToMatrix3(const Matrix33 & matrix)
{
  Matrix3 result;
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      result.m[i][j] = static_cast<float>(matrix[i][j]);
    }
  }
  return result;
}

Vector3
Multiply(const Matrix33 & matrix, const Vector3 & vector)
{
  Vector3 result{};
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      result[i] += matrix[i][j] * vector[j];
    }
  }
  return result;
}

Vector3
MapPoint(const Matrix34 & affine, const Matrix33 & matrix, const Vector3 & index, const Vector3 & u)
{
  Vector3 p = Multiply(matrix, u);
  for (int i = 0; i < 3; ++i)
  {
    p[i] += affine[i][0] * index[0] + affine[i][1] * index[1] + affine[i][2] * index[2] + affine[i][3];
  }
  return p;
}

bool
IsInside(const Lattice & lattice, const Vector3 & p)
{
  bool inside = true;
  for (int d = 0; d < 3; ++d)
  {
    inside = inside && p[d] >= -0.5 && p[d] < lattice.size[d] - 0.5;
  }
  return inside;
}

double
DistanceToDecision(const Lattice & lattice, const Vector3 & p, bool half)
{
  double distance = 1.0;
  for (int d = 0; d < 3; ++d)
  {
    if (lattice.size[d] > 1)
    {
      const double shifted = p[d] + (half ? 0.5 : 0.0);
      distance = std::min(distance, std::abs(shifted - std::round(shifted)));
    }
  }
  return distance;
}

template <typename T>
double
InterpolateLinear(const HostFieldOf<T> & field, int component, const Vector3 & p)
{
  double q[3];
  int    first[3];
  for (int d = 0; d < 3; ++d)
  {
    q[d] = Clamp(p[d], 0.0, field.lattice.size[d] - 1.0);
    first[d] = static_cast<int>(std::floor(q[d]));
  }
  double value = 0.0;
  for (int k = 0; k < 8; ++k)
  {
    double weight = 1.0;
    int    i[3];
    for (int d = 0; d < 3; ++d)
    {
      i[d] = first[d] + ((k >> d) & 1);
      weight *= 1.0 - std::abs(q[d] - i[d]);
    }
    if (weight > 0.0)
    {
      value += weight * static_cast<double>(field.Clamped(component, i[0], i[1], i[2]));
    }
  }
  return value;
}

template <typename T>
Vector3
GradientLinear(const HostFieldOf<T> & field, int component, const Vector3 & p)
{
  Vector3 gradient{};
  for (int axis = 0; axis < 3; ++axis)
  {
    if (p[axis] < 0.0 || p[axis] >= field.lattice.size[axis] - 1.0)
    {
      continue;
    }
    Vector3 low = p;
    Vector3 high = p;
    low[axis] = std::floor(p[axis]);
    high[axis] = low[axis] + 1.0;
    gradient[axis] = InterpolateLinear(field, component, high) - InterpolateLinear(field, component, low);
  }
  return gradient;
}

template double
InterpolateLinear(const HostField &, int, const Vector3 &);
template double
InterpolateLinear(const HostDoubles &, int, const Vector3 &);
template Vector3
GradientLinear(const HostField &, int, const Vector3 &);
template Vector3
GradientLinear(const HostDoubles &, int, const Vector3 &);

HostDoubles
ToDoubles(const HostField & field)
{
  HostDoubles result(field.lattice, field.components);
  std::copy(field.values.begin(), field.values.end(), result.values.begin());
  return result;
}

HostField
ToFloats(const HostDoubles & field)
{
  HostField result(field.lattice, field.components);
  std::transform(field.values.begin(), field.values.end(), result.values.begin(), [](double value) {
    return static_cast<float>(value);
  });
  return result;
}
} // namespace test
} // namespace engine
} // namespace itk
