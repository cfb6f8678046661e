// SPDX-License-Identifier: Apache-2.0
#include "ReferenceRegularization.h"

#include "Operators/SpectralDerivatives.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
using Parameters = SpectralRegularizationParameters;

/** A 3x3 matrix per frequency on a field, which stays real. */
template <typename TBlock>
HostDoubles
MultiplyReal(const HostField & field, const TBlock & blockOf)
{
  double            imaginary = 0.0;
  const HostDoubles result = MultiplyInDouble(field, blockOf, &imaginary);
  EXPECT_LE(imaginary, 1e-9 * (1.0 + Norm(result)));
  return result;
}

struct Result
{
  HostField field;
  double    energy;
};

Result
Apply(const Parameters & parameters, const HostField & v, bool solve = false)
{
  const FourierTransform transform(TestDevice(), v.lattice);
  const Workspace        workspace(RegularizationWorkspace(transform));
  const DeviceFloats     input(v);
  const DeviceFloats     output(v.lattice, 3);
  const DeviceScalars    energy(1);
  const auto             call = [&](auto &&... arguments) {
    solve ? SolveRegularization(arguments...) : ApplyRegularization(arguments...);
  };
  call(transform, parameters, input.View(), output.View(), energy.Data(), workspace.Data());
  return Result{ output.Download(), energy.Download()[0] };
}

Result
Solve(const Parameters & parameters, const HostField & r)
{
  return Apply(parameters, r, true);
}

std::vector<Parameters>
AllParameters()
{
  std::vector<Parameters> all;
  for (const SpectralNorm norm : { SpectralNorm::L2, SpectralNorm::H1Seminorm, SpectralNorm::H2Seminorm,
                                   SpectralNorm::H3Seminorm, SpectralNorm::H1, SpectralNorm::H2, SpectralNorm::H3 })
  {
    Parameters parameters;
    parameters.norm = norm;
    parameters.weight = 0.3;
    parameters.divergenceWeight = static_cast<int>(norm) % 2 == 1 ? 0.2 : 0.0;
    parameters.shift = 0.4;
    parameters.zeroMode = 0.7;
    parameters.spacing[0] = 0.8;
    parameters.spacing[1] = 1.1;
    parameters.spacing[2] = 1.5;
    all.push_back(parameters);
  }
  return all;
}

std::string
Describe(const Parameters & parameters)
{
  return "norm " + std::to_string(static_cast<int>(parameters.norm));
}

/** Without its mean. */
HostField
MakeVelocity(const Lattice & lattice, unsigned int seed)
{
  HostField          field = MakeNoise(lattice, 3, seed, -1.0, 1.0);
  const std::int64_t voxels = lattice.NumberOfVoxels();
  for (int c = 0; c < 3; ++c)
  {
    double sum = 0.0;
    for (std::int64_t i = 0; i < voxels; ++i)
    {
      sum += field.values[c * voxels + i];
    }
    for (std::int64_t i = 0; i < voxels; ++i)
    {
      field.values[c * voxels + i] -= static_cast<float>(sum / voxels);
    }
  }
  return field;
}
} // namespace

TEST(SpectralRegularization, ApplyMatchesDouble)
{
  for (const Lattice & lattice : FourierLattices())
  {
    const HostField v = MakeNoise(lattice, 3, 1, -1.0, 2.0);
    for (const Parameters & parameters : AllParameters())
    {
      SCOPED_TRACE(test::Describe(lattice) + ' ' + Describe(parameters));
      const HostDoubles expected =
        MultiplyReal(v, [&](const int (&m)[3]) { return BlockInDouble(parameters, lattice, m, 0.0); });
      const Result result = Apply(parameters, v);
      // the mean, which counts as nothing, is what float32 loses
      EXPECT_LE(MaximumError(result.field, expected), 1e-6 * (1.0 + Norm(expected)));
      const double energy = 0.5 * Dot(v, expected) / lattice.NumberOfVoxels();
      EXPECT_NEAR(result.energy, energy, 1e-6 * (energy + 1e-6));
    }
  }
}

TEST(SpectralRegularization, SolveMatchesDouble)
{
  for (const Lattice & lattice : FourierLattices())
  {
    const HostField r = MakeNoise(lattice, 3, 2, -1.0, 2.0);
    for (const Parameters & parameters : AllParameters())
    {
      SCOPED_TRACE(test::Describe(lattice) + ' ' + Describe(parameters));
      const HostDoubles expected = MultiplyReal(
        r, [&](const int (&m)[3]) { return InverseInDouble(BlockInDouble(parameters, lattice, m, parameters.zeroMode)); });
      const Result result = Solve(parameters, r);
      EXPECT_RELATIVE_ERROR(result.field, expected, 1e-5);
      EXPECT_RELATIVE_NEAR(result.energy, 0.5 * Dot(r, expected) / lattice.NumberOfVoxels(), 1e-5);
    }
  }
}

// In Fourier space, where every wave keeps its own digits; in fields the largest eigenvalue's rounding reaches the others.
TEST(SpectralRegularization, SolveUndoesApply)
{
  for (const Lattice & lattice : { Lattice(16, 12, 10), Lattice(13, 11, 7), Lattice(20, 18, 1) })
  {
    const HostField        v = MakeVelocity(lattice, 3);
    const FourierTransform transform(TestDevice(), lattice);
    for (const Parameters & parameters : AllParameters())
    {
      SCOPED_TRACE(test::Describe(lattice) + ' ' + Describe(parameters));
      const DeviceSpectrum spectrum(lattice, 3);
      Transform(transform, v, spectrum);
      ApplyRegularization(TestDevice(), parameters, spectrum, spectrum);
      SolveRegularization(TestDevice(), parameters, spectrum, spectrum, nullptr, transform.Normalization());
      EXPECT_RELATIVE_ERROR(TransformBack(transform, spectrum), v, 1e-5);
      if (parameters.norm == SpectralNorm::L2 || parameters.norm == SpectralNorm::H1Seminorm)
      {
        EXPECT_RELATIVE_ERROR(Solve(parameters, Apply(parameters, v).field).field, v, 1e-5);
      }
    }
  }
}

TEST(SpectralRegularization, AreSymmetric)
{
  for (const Lattice & lattice : { Lattice(16, 12, 10), Lattice(2, 13, 7), Lattice(20, 18, 1) })
  {
    const HostField x = MakeNoise(lattice, 3, 4, -1.0, 1.0);
    const HostField y = MakeNoise(lattice, 3, 5, -1.0, 1.0);
    for (const Parameters & parameters : AllParameters())
    {
      SCOPED_TRACE(test::Describe(lattice) + ' ' + Describe(parameters));
      const HostField bx = Apply(parameters, x).field;
      EXPECT_NEAR(Dot(bx, y), Dot(x, Apply(parameters, y).field), 1e-6 * Norm(bx) * Norm(y));
      const HostField sx = Solve(parameters, x).field;
      EXPECT_NEAR(Dot(sx, y), Dot(x, Solve(parameters, y).field), 1e-6 * Norm(sx) * Norm(y));
    }
  }
}

// Checks the energy against the derivatives of its definition: weight / 2 |grad v|^2 + divergenceWeight / 2 (|grad div v|^2 +
// (div v)^2), without Nyquist frequencies.
TEST(SpectralRegularization, IsThePenaltyOfDerivatives)
{
  const Lattice lattice(15, 11, 9);
  const double  h[3] = { 0.8, 1.1, 1.5 };
  const auto    v = MakeNoise(lattice, 3, 6, -1.0, 1.0);
  Parameters    parameters = AllParameters()[1];
  parameters.divergenceWeight = 0.2;
  const FourierTransform transform(TestDevice(), lattice);
  const Workspace        workspace(SpectralDerivativesWorkspace(transform));
  const DeviceFloats     velocity(v);
  const DeviceFloats     divergence(lattice);
  const DeviceFloats     gradient(lattice, 3);
  const auto             squaredGradient = [&](const ConstField & scalar, double unit) {
    SpectralGradient(transform, scalar, gradient, workspace.Data());
    const HostField g = gradient.Download();
    double          sum = 0.0;
    ForEachVoxel(lattice, [&](int x, int y, int z) {
      for (int a = 0; a < 3; ++a)
      {
        sum += std::pow(unit * g(a, x, y, z) / h[a], 2);
      }
    });
    return sum;
  };
  double energy = 0.0;
  for (int c = 0; c < 3; ++c)
  {
    energy += 0.5 * parameters.weight * squaredGradient(ConstField(velocity.View().Component(c), lattice), h[c]);
  }
  SpectralDivergence(transform, velocity, divergence, workspace.Data());
  energy += 0.5 * parameters.divergenceWeight *
            (squaredGradient(divergence, 1.0) + std::pow(Norm(divergence.Download()), 2));
  EXPECT_RELATIVE_NEAR(Apply(parameters, v).energy, energy / lattice.NumberOfVoxels(), 1e-5);
}

TEST(SpectralRegularization, ProjectionMatchesDouble)
{
  const Parameters parameters = AllParameters()[0];
  for (const Lattice & lattice : FourierLattices())
  {
    SCOPED_TRACE(test::Describe(lattice));
    const HostField        v = MakeNoise(lattice, 3, 7, -1.0, 1.0);
    const FourierTransform transform(TestDevice(), lattice);
    const Workspace        workspace(RegularizationWorkspace(transform));
    const Workspace        rest(SpectralDerivativesWorkspace(transform));
    const DeviceFloats     field(v);
    const DeviceFloats     projected(lattice, 3);
    const DeviceFloats     divergence(lattice);
    const auto             blockOf = [&](const int (&m)[3], bool transposed) {
      double k[3];
      double squared = 0.0;
      for (int i = 0; i < 3; ++i)
      {
        k[i] = 2 * m[i] == lattice.size[i] ? 0.0 : 2.0 * std::acos(-1.0) * m[i] / (lattice.size[i] * parameters.spacing[i]);
        squared += k[i] * k[i];
      }
      Matrix33 block;
      for (int i = 0; i < 3; ++i)
      {
        for (int j = 0; j < 3; ++j)
        {
          const double ratio = parameters.spacing[j] / parameters.spacing[i];
          const double along = squared > 0.0 ? k[i] * k[j] / squared : 0.0;
          block[i][j] = (i == j ? 1.0 : 0.0) - along * (transposed ? 1.0 / ratio : ratio);
        }
      }
      return block;
    };
    ProjectToIncompressible(transform, parameters, Quantity::Gradient, field, projected, workspace.Data());
    const HostDoubles expected = MultiplyReal(v, [&](const int (&m)[3]) { return blockOf(m, true); });
    EXPECT_LE(MaximumError(projected.Download(), expected), 2e-6);
    ProjectToIncompressible(transform, parameters, Quantity::Velocity, field, projected, workspace.Data());
    const HostDoubles flow = MultiplyReal(v, [&](const int (&m)[3]) { return blockOf(m, false); });
    EXPECT_LE(MaximumError(projected.Download(), flow), 2e-6);
    SpectralDivergence(transform, projected, divergence, rest.Data());
    EXPECT_LE(Norm(divergence.Download()), 2e-6 * Norm(v));
    // a second time changes nothing, in place
    ProjectToIncompressible(transform, parameters, Quantity::Velocity, projected, projected, workspace.Data());
    EXPECT_LE(MaximumError(projected.Download(), flow), 2e-6);
  }
}

// Checks what solvers in Fourier space take: products, accumulation, scales, and operators in place.
TEST(SpectralRegularization, SpectraStandForFields)
{
  for (const Lattice & lattice : FourierLattices())
  {
    SCOPED_TRACE(test::Describe(lattice));
    const double           voxels = static_cast<double>(lattice.NumberOfVoxels());
    const HostField        x = MakeNoise(lattice, 3, 8, -1.0, 1.0);
    const HostField        y = MakeNoise(lattice, 3, 9, -1.0, 1.0);
    const FourierTransform transform(TestDevice(), lattice);
    const DeviceSpectrum   a(lattice, 3);
    const DeviceSpectrum   b(lattice, 3);
    const DeviceScalars    scalars(3);
    Transform(transform, x, a);
    Transform(transform, y, b);
    SpectralProduct(TestDevice(), a, b, scalars.Data());
    EXPECT_NEAR(scalars.Download()[0], Dot(x, y) / voxels, 1e-6 * Norm(x) * Norm(y) / voxels);
    SpectralProduct(TestDevice(), a, a, scalars.Data());
    EXPECT_RELATIVE_NEAR(scalars.Download()[0], Dot(x, x) / voxels, 1e-6);
    const Parameters parameters = AllParameters()[3];
    const HostField  bx = Apply(parameters, x).field;
    ApplyRegularization(TestDevice(), parameters, a, b, scalars.Data(), 2.0f, true);
    HostDoubles expected(lattice, 3);
    for (std::size_t i = 0; i < expected.values.size(); ++i)
    {
      expected.values[i] = static_cast<double>(y.values[i]) + 2.0 * bx.values[i];
    }
    ApplyRegularization(TestDevice(), parameters, a, a, scalars.Data() + 1, transform.Normalization());
    EXPECT_SAME_BITS(TransformBack(transform, a), bx);
    HostField sum = TransformBack(transform, b);
    for (float & value : sum.values)
    {
      value *= transform.Normalization();
    }
    EXPECT_RELATIVE_ERROR(sum, expected, 2e-6);
    EXPECT_EQ(scalars.Download()[0], scalars.Download()[1]);
  }
}

TEST(SpectralRegularization, TwoRunsGiveTheSameBits)
{
  const HostField  v = MakeNoise(Lattice(37, 20, 19), 3, 10, -1.0, 1.0);
  const Parameters parameters = AllParameters()[1];
  const Result     first = Apply(parameters, v);
  const Result     second = Apply(parameters, v);
  EXPECT_SAME_BITS(first.field, second.field);
  EXPECT_EQ(first.energy, second.energy);
}

TEST(SpectralRegularization, BadArgumentsAreNamed)
{
  const Lattice        lattice(4, 3, 2);
  const DeviceSpectrum spectrum(lattice, 3);
  const DeviceSpectrum scalar(lattice);
  const auto           message = [&](const std::function<void(Parameters &)> & change, bool project = false) -> std::string {
    Parameters parameters;
    change(parameters);
    try
    {
      if (project)
      {
        ProjectToIncompressible(TestDevice(), parameters, Quantity::Velocity, spectrum, spectrum);
      }
      else
      {
        SolveRegularization(TestDevice(), parameters, spectrum, spectrum);
      }
    }
    catch (const Error & error)
    {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message([](Parameters &) {}), "");
  EXPECT_NE(message([](Parameters & p) { p.weight = 0.0; }).find("weight is 0"), std::string::npos);
  EXPECT_NE(message([](Parameters & p) { p.weight = std::nan(""); }).find("weight is"), std::string::npos);
  EXPECT_NE(message([](Parameters & p) { p.divergenceWeight = -1.0; }).find("divergenceWeight"), std::string::npos);
  EXPECT_NE(message([](Parameters & p) { p.shift = -1.0; }).find("shift"), std::string::npos);
  EXPECT_NE(message([](Parameters & p) { p.zeroMode = 0.0; }).find("zeroMode"), std::string::npos);
  EXPECT_NE(message([](Parameters & p) { p.spacing[1] = 0.0; }, true).find("spacing"), std::string::npos);
  EXPECT_NE(message([](Parameters & p) { p.norm = static_cast<SpectralNorm>(9); }).find("norm 9"), std::string::npos);
  const Parameters parameters;
  EXPECT_THROW(ApplyRegularization(TestDevice(), parameters, scalar, scalar), Error);
  EXPECT_THROW(ProjectToIncompressible(TestDevice(), parameters, Quantity::Scalar, spectrum, spectrum), Error);
  EXPECT_THROW(SpectralProduct(TestDevice(), spectrum, scalar, nullptr), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
