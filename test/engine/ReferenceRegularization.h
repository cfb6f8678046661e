// SPDX-License-Identifier: Apache-2.0
#ifndef itkReferenceRegularization_h
#define itkReferenceRegularization_h

#include "ReferenceFourier.h"

#include "Operators/SpectralRegularization.h"

namespace itk
{
namespace engine
{
namespace test
{
/** The definition, word for word: D B D, `zero` in the place of A where A is 0. */
inline Matrix33
BlockInDouble(const SpectralRegularizationParameters & parameters, const Lattice & lattice, const int (&m)[3], double zero)
{
  const double pi = std::acos(-1.0);
  double       k[3];
  double       full = 0.0;
  for (int i = 0; i < 3; ++i)
  {
    const int n = lattice.size[i];
    k[i] = 2.0 * pi * m[i] / (n * parameters.spacing[i]);
    full += k[i] * k[i];
    k[i] = 2 * m[i] == n ? 0.0 : k[i];
  }
  double a = 1.0;
  switch (parameters.norm)
  {
    case SpectralNorm::L2:
      break;
    case SpectralNorm::H1Seminorm:
      a = full;
      break;
    case SpectralNorm::H2Seminorm:
      a = std::pow(full, 2);
      break;
    case SpectralNorm::H3Seminorm:
      a = std::pow(full, 3);
      break;
    case SpectralNorm::H1:
      a = full + parameters.shift;
      break;
    case SpectralNorm::H2:
      a = std::pow(full + parameters.shift, 2);
      break;
    case SpectralNorm::H3:
      a = std::pow(full + parameters.shift, 3);
      break;
  }
  a = a == 0.0 ? zero : a;
  Matrix33 block{};
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      block[i][j] = parameters.spacing[i] * parameters.spacing[j] *
                    ((i == j ? parameters.weight * a : 0.0) + parameters.divergenceWeight * (1.0 + full) * k[i] * k[j]);
    }
  }
  return block;
}

/** By cofactors. */
inline Matrix33
InverseInDouble(const Matrix33 & m)
{
  Matrix33     inverse{};
  const auto   cofactor = [&](int i, int j) {
    const int i1 = (i + 1) % 3, i2 = (i + 2) % 3, j1 = (j + 1) % 3, j2 = (j + 2) % 3;
    return m[i1][j1] * m[i2][j2] - m[i1][j2] * m[i2][j1];
  };
  const double determinant = m[0][0] * cofactor(0, 0) + m[0][1] * cofactor(0, 1) + m[0][2] * cofactor(0, 2);
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      inverse[j][i] = cofactor(i, j) / determinant;
    }
  }
  return inverse;
}

/** A 3x3 matrix per frequency on a field. */
template <typename TBlock>
HostDoubles
MultiplyInDouble(const HostField & field, const TBlock & blockOf, double * imaginary = nullptr)
{
  HostSpectrum spectrum = SpectrumInDouble(field);
  ForEachFrequency(field.lattice, [&](int x, int y, int z, const int (&m)[3]) {
    const Matrix33             block = blockOf(m);
    const std::complex<double> v[3] = { spectrum(0, x, y, z), spectrum(1, x, y, z), spectrum(2, x, y, z) };
    for (int i = 0; i < 3; ++i)
    {
      spectrum(i, x, y, z) = block[i][0] * v[0] + block[i][1] * v[1] + block[i][2] * v[2];
    }
  });
  return FieldInDouble(spectrum, imaginary);
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
