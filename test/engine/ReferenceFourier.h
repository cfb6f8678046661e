// SPDX-License-Identifier: Apache-2.0
#ifndef itkReferenceFourier_h
#define itkReferenceFourier_h

#include "EngineTesting.h"

#include "Operators/FourierTransform.h"

#include <complex>

namespace itk
{
namespace engine
{
namespace test
{
/** All coefficients of a field, those of negative frequencies too, laid out like the field. */
using HostSpectrum = HostFieldOf<std::complex<double>>;

/** A sum of n terms along one axis after another, in double; `sign` is that of the exponent. Not normalised. */
inline HostSpectrum
TransformInDouble(HostSpectrum values, int sign)
{
  const double pi = std::acos(-1.0);
  for (int axis = 0; axis < 3; ++axis)
  {
    const int n = values.lattice.size[axis];
    std::vector<std::complex<double>> root(static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i)
    {
      root[i] = std::polar(1.0, sign * 2.0 * pi * i / n);
    }
    const HostSpectrum before = values;
    for (int c = 0; c < values.components; ++c)
    {
      ForEachVoxel(values.lattice, [&](int x, int y, int z) {
        int                  at[3] = { x, y, z };
        const int            k = at[axis];
        std::complex<double> sum = 0.0;
        for (int i = 0; i < n; ++i)
        {
          at[axis] = i;
          sum += before(c, at[0], at[1], at[2]) * root[static_cast<std::int64_t>(i) * k % n];
        }
        values(c, x, y, z) = sum;
      });
    }
  }
  return values;
}

template <typename T>
HostSpectrum
SpectrumInDouble(const HostFieldOf<T> & field)
{
  HostSpectrum values(field.lattice, field.components);
  std::copy(field.values.begin(), field.values.end(), values.values.begin());
  return TransformInDouble(std::move(values), -1);
}

/** The real part of the inverse transform, normalised; `imaginary`, if wanted, is the largest imaginary part. */
inline HostDoubles
FieldInDouble(const HostSpectrum & spectrum, double * imaginary = nullptr)
{
  const HostSpectrum values = TransformInDouble(spectrum, 1);
  const double       voxels = static_cast<double>(spectrum.lattice.NumberOfVoxels());
  HostDoubles        field(spectrum.lattice, spectrum.components);
  for (std::size_t i = 0; i < field.values.size(); ++i)
  {
    field.values[i] = values.values[i].real() / voxels;
    if (imaginary)
    {
      *imaginary = std::max(*imaginary, std::abs(values.values[i].imag()) / voxels);
    }
  }
  return field;
}

/** Calls function(x, y, z, m) for all places, m their frequencies, positive at the Nyquist frequency. */
template <typename TFunction>
void
ForEachFrequency(const Lattice & lattice, const TFunction & function)
{
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const int at[3] = { x, y, z };
    int       m[3];
    for (int axis = 0; axis < 3; ++axis)
    {
      m[axis] = at[axis] > lattice.size[axis] / 2 ? at[axis] - lattice.size[axis] : at[axis];
    }
    function(x, y, z, m);
  });
}

/** A spectrum in the device's memory, filled with NaN. */
class DeviceSpectrum
{
public:
  explicit DeviceSpectrum(const Lattice & lattice, int components = 1)
    : m_Floats(SpectrumFloats(lattice, components))
    , m_View(reinterpret_cast<Complex *>(m_Floats.Data()), lattice, components)
  {}

  operator Spectrum() const { return m_View; }
  operator ConstSpectrum() const { return m_View; }
  const Spectrum &
  View() const
  {
    return m_View;
  }

  /** The stored half, as a field of (nx / 2 + 1) complex numbers per row. */
  HostSpectrum
  Download() const
  {
    HostSpectrum         host(Lattice(m_View.Width(), m_View.lattice.size[1], m_View.lattice.size[2]), m_View.components);
    std::vector<Complex> values(host.values.size());
    TestDevice().CopyToHost(values.data(), m_View.data, values.size() * sizeof(Complex));
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      host.values[i] = std::complex<double>(values[i].real, values[i].imaginary);
    }
    return host;
  }

private:
  Workspace m_Floats;
  Spectrum  m_View;
};

/** The part of a whole spectrum that is stored. */
inline HostSpectrum
StoredHalf(const HostSpectrum & whole)
{
  HostSpectrum half(Lattice(whole.lattice.size[0] / 2 + 1, whole.lattice.size[1], whole.lattice.size[2]), whole.components);
  for (int c = 0; c < whole.components; ++c)
  {
    ForEachVoxel(half.lattice, [&](int x, int y, int z) { half(c, x, y, z) = whole(c, x, y, z); });
  }
  return half;
}

inline double
RelativeError(const HostSpectrum & a, const HostSpectrum & b)
{
  double difference = 0.0;
  double norm = 0.0;
  for (std::size_t i = 0; i < b.values.size(); ++i)
  {
    difference += std::norm(a.values.at(i) - b.values[i]);
    norm += std::norm(b.values[i]);
  }
  return norm > 0.0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

/** A field in Fourier space on the device. */
inline void
Transform(const FourierTransform & transform, const HostField & field, const Spectrum & spectrum)
{
  const DeviceFloats device(field);
  const Workspace    workspace(transform.Workspace());
  transform.Forward(device, spectrum, workspace.Data());
  TestDevice().Synchronize();
}

/** And back, normalised by what was done to the spectrum. */
inline HostField
TransformBack(const FourierTransform & transform, const Spectrum & spectrum)
{
  const DeviceFloats field(transform.GetLattice(), spectrum.components);
  const Workspace    workspace(transform.Workspace());
  transform.Inverse(spectrum, field, workspace.Data());
  return field.Download();
}

/** Sizes of every kind: one voxel, two, primes, powers of two, products, 2D, depth 2, and a prime beyond 127. */
inline std::vector<Lattice>
FourierLattices()
{
  return { Lattice(1, 1, 1), Lattice(2, 1, 1),   Lattice(1, 2, 1),    Lattice(1, 1, 3),   Lattice(2, 2, 2),
           Lattice(3, 5, 7), Lattice(16, 13, 1), Lattice(17, 16, 1), Lattice(1, 6, 5),   Lattice(16, 16, 16),
           Lattice(7, 4, 2), Lattice(13, 11, 8), Lattice(36, 10, 9), Lattice(5, 3, 131), Lattice(131, 2, 3) };
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
