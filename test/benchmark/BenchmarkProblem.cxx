// SPDX-License-Identifier: Apache-2.0
#include "Benchmark.h"

#include <cmath>

namespace benchmark
{
namespace
{
/** sin(a i + phase) for i in [0, size). */
std::vector<double>
Waves(int size, double a, double phase)
{
  std::vector<double> values(static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i)
  {
    values[i] = std::sin(a * i + phase);
  }
  return values;
}

/** Noise in [-1, 1) from the position alone. */
double
Noise(std::uint64_t position, std::uint64_t seed)
{
  std::uint64_t bits = (position + 1) * 0x9e3779b97f4a7c15u + seed * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 31)) * 0x94d049bb133111ebu;
  return static_cast<double>((bits ^ (bits >> 29)) >> 11) * 0x1.0p-52 - 1.0;
}

constexpr double quarter = 1.5707963267948966;

HostField
MakePhantom(const Lattice & lattice, double phase)
{
  const auto waveX = Waves(lattice.size[0], 0.31, phase);
  const auto waveY = Waves(lattice.size[1], 0.23, quarter);
  const auto waveZ = Waves(lattice.size[2], 0.27, 0.0);
  HostField  image(lattice);
  test::ForEachVoxel(lattice, [&](int x, int y, int z) {
    const double a = 2.2 * x / lattice.size[0] - 1.1;
    const double b = 2.2 * y / lattice.size[1] - 1.1;
    const double c = 2.2 * z / lattice.size[2] - 1.1;
    const bool   inside = a * a + b * b + c * c < 0.85;
    const double noise = 0.05 * Noise(static_cast<std::uint64_t>(lattice.Offset(x, y, z)), phase > 0.0 ? 1 : 0);
    image(0, x, y, z) = inside ? static_cast<float>(0.5 + 0.3 * waveX[x] * waveY[y] * waveZ[z] + noise) : 0.0f;
  });
  return image;
}

/** Component c is sin(a i + b j) of the two other axes i, j, times the amplitude. */
HostField
MakeWaves(const Lattice & lattice, double amplitude)
{
  const double        a[3] = { 0.05, 0.06, 0.04 };
  const double        b[3] = { 0.04, -0.03, 0.05 };
  HostField           field(lattice, 3);
  std::vector<double> sineI[3], cosineI[3], sineJ[3], cosineJ[3];
  for (int c = 0; c < 3; ++c)
  {
    const int i = c == 0 ? 1 : 0;
    const int j = c == 2 ? 1 : 2;
    sineI[c] = Waves(lattice.size[i], a[c], 0.3 * c);
    cosineI[c] = Waves(lattice.size[i], a[c], 0.3 * c + quarter);
    // never exactly 0 on a plane of voxels, where the derivative of a sample would be a matter of rounding
    sineJ[c] = Waves(lattice.size[j], b[c], 0.17);
    cosineJ[c] = Waves(lattice.size[j], b[c], 0.17 + quarter);
  }
  test::ForEachVoxel(lattice, [&](int x, int y, int z) {
    const int at[3] = { x, y, z };
    for (int c = 0; c < 3; ++c)
    {
      const int i = at[c == 0 ? 1 : 0];
      const int j = at[c == 2 ? 1 : 2];
      field(c, x, y, z) = static_cast<float>(amplitude * (sineI[c][i] * cosineJ[c][j] + cosineI[c][i] * sineJ[c][j]));
    }
  });
  return field;
}
} // namespace

Problem::Problem(const Device & anyDevice, const Lattice & grid, SharedWorkspace & sharedWorkspace)
  : device(anyDevice)
  , lattice(grid)
  , workspace(sharedWorkspace)
  , m_Numbers(anyDevice, 64)
{
  const auto upload = [&](const HostField & host) {
    m_Fields.emplace_back(device, static_cast<std::int64_t>(host.values.size()));
    device.CopyFromHost(m_Fields.back().Data(), host.values.data(), m_Fields.back().Bytes());
    return Field(m_Fields.back().Data(), host.lattice, host.components);
  };
  fixed = upload(MakePhantom(lattice, 0.0));
  moving = upload(MakePhantom(lattice, 0.4));
  const HostField waves = MakeWaves(lattice, 1.5);
  displacement = upload(waves);
  small = upload(MakeWaves(lattice, 0.2));
  slope = upload(MakeWaves(lattice, 0.5));
  slopeImage = ConstField(slope.data, lattice);
  for (Field & field : vector)
  {
    field = upload(waves);
  }
  for (Field & field : scalar)
  {
    field = upload(HostField(lattice));
  }
  numbers = m_Numbers.Data();
  device.SetZero(numbers, m_Numbers.Bytes());
}

HostField
Problem::Download(const ConstField & field) const
{
  HostField host(field.lattice, field.components);
  device.CopyToHost(host.values.data(), field.data, sizeof(float) * host.values.size());
  return host;
}

double
Problem::Number(int index) const
{
  double value = 0.0;
  device.CopyToHost(&value, numbers + index, sizeof(value));
  return value;
}
} // namespace benchmark
