// SPDX-License-Identifier: Apache-2.0
#include "ReferenceFourier.h"

#include "Operators/SpectralDerivatives.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
const double pi = std::acos(-1.0);

/** Per component d / d x_axis. */
HostDoubles
DerivativeInDouble(const HostField & field, int axis)
{
  HostSpectrum spectrum = SpectrumInDouble(field);
  for (int c = 0; c < field.components; ++c)
  {
    ForEachFrequency(field.lattice, [&](int x, int y, int z, const int (&m)[3]) {
      const int n = field.lattice.size[axis];
      spectrum(c, x, y, z) *= std::complex<double>(0.0, 2 * m[axis] == n ? 0.0 : 2.0 * pi * m[axis] / n);
    });
  }
  double            imaginary = 0.0;
  const HostDoubles result = FieldInDouble(spectrum, &imaginary);
  EXPECT_LE(imaginary, 1e-12);
  return result;
}

HostField
Gradient(const HostField & field)
{
  const FourierTransform transform(TestDevice(), field.lattice);
  const Workspace        workspace(SpectralDerivativesWorkspace(transform));
  const DeviceFloats     gradient(field.lattice, 3);
  const DeviceFloats     input(field);
  SpectralGradient(transform, input, gradient, workspace.Data());
  return gradient.Download();
}

HostField
Divergence(const HostField & field)
{
  const FourierTransform transform(TestDevice(), field.lattice);
  const Workspace        workspace(SpectralDerivativesWorkspace(transform));
  const DeviceFloats     divergence(field.lattice);
  const DeviceFloats     input(field);
  SpectralDivergence(transform, input, divergence, workspace.Data());
  return divergence.Download();
}

HostField
ComponentOf(const HostField & field, int c)
{
  HostField result(field.lattice);
  std::copy_n(field.values.begin() + c * field.lattice.NumberOfVoxels(), result.values.size(), result.values.begin());
  return result;
}
} // namespace

TEST(SpectralDerivatives, MatchDouble)
{
  for (const Lattice & lattice : FourierLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField field = MakeNoise(lattice, 3, 1, -1.0, 1.0);
    HostDoubles     gradient(lattice, 3);
    HostDoubles     divergence(lattice);
    for (int axis = 0; axis < 3; ++axis)
    {
      const HostDoubles scalar = DerivativeInDouble(ComponentOf(field, 0), axis);
      std::copy(scalar.values.begin(), scalar.values.end(), gradient.values.begin() + axis * lattice.NumberOfVoxels());
      const HostDoubles part = DerivativeInDouble(ComponentOf(field, axis), axis);
      for (std::size_t i = 0; i < part.values.size(); ++i)
      {
        divergence.values[i] += part.values[i];
      }
    }
    EXPECT_RELATIVE_ERROR(Gradient(ComponentOf(field, 0)), gradient, 2e-6);
    EXPECT_RELATIVE_ERROR(Divergence(field), divergence, 2e-6);
  }
}

TEST(SpectralDerivatives, AreExactForAWave)
{
  const Lattice lattice(20, 15, 14);
  const double  k[3] = { 2.0 * pi * 3 / 20, -2.0 * pi * 5 / 15, 2.0 * pi * 2 / 14 };
  HostField     field(lattice);
  HostDoubles   expected(lattice, 3);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const double phase = k[0] * x + k[1] * y + k[2] * z + 0.3;
    field(0, x, y, z) = static_cast<float>(std::sin(phase));
    for (int axis = 0; axis < 3; ++axis)
    {
      expected(axis, x, y, z) = k[axis] * std::cos(phase);
    }
  });
  EXPECT_RELATIVE_ERROR(Gradient(field), expected, 1e-6);
}

// Checks <grad f, v> = -<f, div v>.
TEST(SpectralDerivatives, AreMinusEachOthersTranspose)
{
  for (const Lattice & lattice : { Lattice(12, 9, 10), Lattice(16, 7, 1) })
  {
    const HostField f = MakeNoise(lattice, 1, 2, -1.0, 1.0);
    const HostField v = MakeNoise(lattice, 3, 3, -1.0, 1.0);
    EXPECT_NEAR(Dot(Gradient(f), v), -Dot(f, Divergence(v)), 1e-6 * Norm(f) * Norm(v));
  }
}

TEST(SpectralDerivatives, BadArgumentsAreNamed)
{
  const Lattice          lattice(4, 3, 2);
  const FourierTransform transform(TestDevice(), lattice);
  const DeviceFloats     scalar(lattice);
  const DeviceFloats     vector(lattice, 3);
  const DeviceSpectrum   spectrum(lattice);
  const DeviceSpectrum   three(lattice, 3);
  const Workspace        workspace(SpectralDerivativesWorkspace(transform));
  EXPECT_THROW(SpectralGradient(transform, vector, vector, workspace.Data()), Error);
  EXPECT_THROW(SpectralGradient(transform, scalar, vector, nullptr), Error);
  EXPECT_THROW(SpectralDivergence(transform, scalar, scalar, workspace.Data()), Error);
  EXPECT_THROW(DifferentiateSpectrum(TestDevice(), 3, spectrum, spectrum), Error);
  EXPECT_THROW(DifferentiateSpectrum(TestDevice(), 0, spectrum, three), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
