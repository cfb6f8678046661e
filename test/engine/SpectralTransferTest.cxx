// SPDX-License-Identifier: Apache-2.0
#include "ReferenceFourier.h"

#include "Operators/SpectralRegularization.h"
#include "Operators/SpectralTransfer.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
const double pi = std::acos(-1.0);

struct Case
{
  Lattice fine;
  Lattice coarse;
  double  shift[3];
};

std::vector<Case>
Cases()
{
  return { { Lattice(16, 12, 10), Lattice(8, 6, 5), { 0.5, 0.5, 0.5 } },
           { Lattice(16, 12, 10), Lattice(8, 6, 5), { 0.0, 0.0, 0.0 } },
           { Lattice(15, 13, 11), Lattice(7, 6, 5), { 0.57, 0.583, 0.6 } },
           { Lattice(17, 12, 1), Lattice(8, 4, 1), { 0.5625, 1.0, 0.0 } },
           { Lattice(6, 8, 9), Lattice(6, 4, 3), { 0.3, 0.5, 1.0 } },
           { Lattice(8, 6, 7), Lattice(8, 6, 7), { 0.0, 0.0, 0.0 } },
           { Lattice(8, 6, 7), Lattice(8, 6, 7), { 0.25, -1.5, 0.7 } },
           { Lattice(2, 3, 4), Lattice(1, 2, 2), { 0.5, 0.25, 0.5 } },
           { Lattice(5, 4, 3), Lattice(1, 1, 1), { 2.0, 1.5, 1.0 } } };
}

std::string
Describe(const Case & test)
{
  return test::Describe(test.fine) + " and " + test::Describe(test.coarse);
}

SpectralTransferParameters
ParametersOf(const Case & test, Quantity quantity)
{
  SpectralTransferParameters parameters;
  parameters.quantity = quantity;
  std::copy_n(test.shift, 3, parameters.shift);
  return parameters;
}

double
ScaleOf(const Case & test, Quantity quantity, int c)
{
  const double ratio = static_cast<double>(test.coarse.size[c]) / test.fine.size[c];
  return quantity == Quantity::Velocity ? ratio : (quantity == Quantity::Gradient ? 1.0 / ratio : 1.0);
}

/** The sum over the shared frequencies of every wave at the coarse points (`down`), or at the fine ones. */
HostDoubles
TransferInDouble(const Case & test, Quantity quantity, const HostField & input, bool down)
{
  const HostSpectrum spectrum = SpectrumInDouble(input);
  const Lattice &    target = down ? test.coarse : test.fine;
  HostDoubles        output(target, input.components);
  for (int c = 0; c < input.components; ++c)
  {
    const double scale = down ? ScaleOf(test, quantity, c) : 1.0 / ScaleOf(test, quantity, c);
    ForEachVoxel(target, [&](int x, int y, int z) {
      const int at[3] = { x, y, z };
      double    sum = 0.0;
      ForEachFrequency(input.lattice, [&](int i, int j, int k, const int (&m)[3]) {
        std::complex<double> wave = spectrum(c, i, j, k);
        for (int axis = 0; axis < 3; ++axis)
        {
          const int n = test.fine.size[axis];
          const int coarse = test.coarse.size[axis];
          if (2 * std::abs(m[axis]) >= coarse && coarse != n)
          {
            return;
          }
          // where the target's points are in the input's lattice, as a part of the period
          const double position = down ? (static_cast<double>(at[axis]) * n / coarse + test.shift[axis]) / n
                                       : (at[axis] - test.shift[axis]) / n;
          const double angle = 2.0 * pi * m[axis] * position;
          // a wave at the Nyquist frequency has no side
          wave *= 2 * m[axis] == n ? std::complex<double>(std::cos(angle)) : std::polar(1.0, angle);
        }
        sum += wave.real();
      });
      output(c, x, y, z) = scale * sum / static_cast<double>(input.lattice.NumberOfVoxels());
    });
  }
  return output;
}

HostField
Transfer(const Case & test, Quantity quantity, const HostField & input, bool down)
{
  const FourierTransform           fine(TestDevice(), test.fine);
  const FourierTransform           coarse(TestDevice(), test.coarse);
  const Workspace                  workspace(SpectralTransferWorkspace(fine, coarse));
  const DeviceFloats               from(input);
  const DeviceFloats               to(down ? test.coarse : test.fine, input.components);
  const SpectralTransferParameters parameters = ParametersOf(test, quantity);
  if (down)
  {
    SpectralRestrict(fine, coarse, parameters, from, to, workspace.Data());
  }
  else
  {
    SpectralProlong(coarse, fine, parameters, from, to, workspace.Data());
  }
  return to.Download();
}
} // namespace

TEST(SpectralTransfer, MatchesDouble)
{
  for (const Case & test : Cases())
  {
    for (const Quantity quantity : { Quantity::Scalar, Quantity::Velocity, Quantity::Gradient })
    {
      SCOPED_TRACE(Describe(test) + " quantity " + std::to_string(static_cast<int>(quantity)));
      const int       components = quantity == Quantity::Scalar ? 1 : 3;
      const HostField fine = MakeNoise(test.fine, components, 1, -1.0, 2.0);
      const HostField coarse = MakeNoise(test.coarse, components, 2, -1.0, 2.0);
      EXPECT_LE(MaximumError(Transfer(test, quantity, fine, true), TransferInDouble(test, quantity, fine, true)), 1e-5);
      EXPECT_LE(MaximumError(Transfer(test, quantity, coarse, false), TransferInDouble(test, quantity, coarse, false)), 1e-5);
    }
  }
}

// Checks that the mean over the coarse lattice of (R x) y is that over the fine one of x (P y).
TEST(SpectralTransfer, AreEachOthersTranspose)
{
  const Quantity transposed[3] = { Quantity::Scalar, Quantity::Gradient, Quantity::Velocity };
  for (const Case & test : Cases())
  {
    for (const Quantity quantity : { Quantity::Scalar, Quantity::Velocity, Quantity::Gradient })
    {
      SCOPED_TRACE(Describe(test) + " quantity " + std::to_string(static_cast<int>(quantity)));
      const HostField x = MakeNoise(test.fine, 3, 3, -1.0, 1.0);
      const HostField y = MakeNoise(test.coarse, 3, 4, -1.0, 1.0);
      const Quantity  other = transposed[static_cast<int>(quantity)];
      const double    coarse = Dot(Transfer(test, quantity, x, true), y) / test.coarse.NumberOfVoxels();
      const double    fine = Dot(x, Transfer(test, other, y, false)) / test.fine.NumberOfVoxels();
      EXPECT_NEAR(coarse, fine, 1e-5);
    }
  }
}

// Checks that what the coarse lattice can hold comes back.
TEST(SpectralTransfer, RestrictionUndoesProlongation)
{
  for (const Case & test : Cases())
  {
    SCOPED_TRACE(Describe(test));
    bool losesAtNyquist = false;
    for (int axis = 0; axis < 3; ++axis)
    {
      const bool isShifted = test.coarse.size[axis] == test.fine.size[axis] && test.shift[axis] != 0.0;
      losesAtNyquist = losesAtNyquist || (isShifted && test.coarse.size[axis] % 2 == 0);
    }
    if (losesAtNyquist)
    {
      continue; // that wave becomes less every time
    }
    // what has been there and back has no Nyquist frequency of the coarse lattice
    const HostField first = MakeNoise(test.coarse, 3, 5, -1.0, 1.0);
    const HostField y = Transfer(test, Quantity::Velocity, Transfer(test, Quantity::Velocity, first, false), true);
    if (test.coarse.size[0] % 2 == 1 && test.coarse.size[1] % 2 == 1 && test.coarse.size[2] % 2 == 1)
    {
      EXPECT_LE(MaximumError(y, first), 1e-5);
    }
    EXPECT_LE(
      MaximumError(Transfer(test, Quantity::Velocity, Transfer(test, Quantity::Velocity, y, false), true), y), 1e-5);
  }
}

// Checks a wave that both lattices know: its coarse samples are its values at the coarse points.
TEST(SpectralTransfer, CoarsePointsAreWhereTheyAreSaidToBe)
{
  const Lattice fine(24, 1, 1);
  const Lattice coarse(12, 1, 1);
  const Case    test = { fine, coarse, { 0.5, 0.0, 0.0 } };
  const auto    wave = [](double x) { return std::sin(2.0 * pi * 3.0 * x / 24.0 + 0.4); };
  HostField     samples(fine);
  HostDoubles   expected(coarse);
  for (int x = 0; x < 24; ++x)
  {
    samples(0, x, 0, 0) = static_cast<float>(wave(x));
  }
  for (int x = 0; x < 12; ++x)
  {
    expected(0, x, 0, 0) = wave(2.0 * x + 0.5);
  }
  EXPECT_LE(MaximumError(Transfer(test, Quantity::Scalar, samples, true), expected), 1e-6);
}

// Checks the two-level preconditioner of the contract: low frequencies from the coarse lattice, the others by the inverse
// regularization. With the same inverse on the coarse lattice both together are that of the fine one.
TEST(SpectralTransfer, TwoLevelsMakeOne)
{
  for (const Case & test : Cases())
  {
    SCOPED_TRACE(Describe(test));
    SpectralRegularizationParameters fineParameters;
    fineParameters.norm = SpectralNorm::H1;
    fineParameters.shift = 0.3;
    fineParameters.divergenceWeight = 0.2;
    SpectralRegularizationParameters coarseParameters = fineParameters;
    bool                             hasShift = false;
    for (int axis = 0; axis < 3; ++axis)
    {
      coarseParameters.spacing[axis] = static_cast<double>(test.fine.size[axis]) / test.coarse.size[axis];
      hasShift = hasShift || (test.shift[axis] != 0.0 && test.coarse.size[axis] == test.fine.size[axis]);
    }
    const HostField        r = MakeNoise(test.fine, 3, 6, -1.0, 1.0);
    const FourierTransform transform(TestDevice(), test.fine);
    const DeviceSpectrum   residual(test.fine, 3);
    const DeviceSpectrum   solution(test.fine, 3);
    const DeviceSpectrum   coarse(test.coarse, 3);
    const float            scale = transform.Normalization();
    Transform(transform, r, residual);
    RestrictSpectrum(TestDevice(), ParametersOf(test, Quantity::Gradient), residual, coarse);
    SolveRegularization(TestDevice(), coarseParameters, coarse, coarse);
    SolveRegularization(TestDevice(), fineParameters, residual, solution, nullptr, scale);
    const HostSpectrum before = solution.Download();
    ProlongSpectrum(TestDevice(), ParametersOf(test, Quantity::Velocity), coarse, solution, true, scale);
    if (!hasShift)
    {
      EXPECT_RELATIVE_ERROR(solution.Download(), before, 2e-6);
    }
    // the coarse lattice's share is not there for nothing
    TestDevice().SetZero(coarse.View().data, sizeof(Complex) * 3 * coarse.View().NumberOfModes());
    ProlongSpectrum(TestDevice(), ParametersOf(test, Quantity::Velocity), coarse, solution, true, scale);
    EXPECT_GT(RelativeError(solution.Download(), before), 1e-2);
  }
}

TEST(SpectralTransfer, BadArgumentsAreNamed)
{
  const Lattice              small(4, 3, 2);
  const Lattice              large(4, 4, 2);
  const DeviceSpectrum       fine(large, 3);
  const DeviceSpectrum       coarse(small, 3);
  const DeviceSpectrum       scalar(small, 1);
  SpectralTransferParameters parameters;
  EXPECT_THROW(RestrictSpectrum(TestDevice(), parameters, coarse, fine), Error);
  EXPECT_THROW(ProlongSpectrum(TestDevice(), parameters, fine, coarse), Error);
  EXPECT_THROW(RestrictSpectrum(TestDevice(), parameters, fine, scalar), Error);
  EXPECT_THROW(RestrictSpectrum(TestDevice(), parameters, fine, fine), Error);
  parameters.quantity = Quantity::Velocity;
  EXPECT_THROW(RestrictSpectrum(TestDevice(), parameters, ConstSpectrum(fine.View().data, large, 1), scalar), Error);
  parameters.shift[2] = std::nan("");
  EXPECT_THROW(RestrictSpectrum(TestDevice(), parameters, fine, coarse), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
