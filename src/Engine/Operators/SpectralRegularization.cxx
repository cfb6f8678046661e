// SPDX-License-Identifier: Apache-2.0
#include "SpectralRegularization.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace
{
void
RequirePositive(double value, const char * name)
{
  // not above the largest float either, in which the backends compute
  if (!(value > 0.0 && value <= static_cast<double>(std::numeric_limits<float>::max())))
  {
    ThrowError("spectral regularization: ", name, " is ", value, ": it must be positive and finite");
  }
}

int
PowerOf(SpectralNorm norm)
{
  switch (norm)
  {
    case SpectralNorm::L2:
      return 0;
    case SpectralNorm::H1Seminorm:
    case SpectralNorm::H1:
      return 1;
    case SpectralNorm::H2Seminorm:
    case SpectralNorm::H2:
      return 2;
    case SpectralNorm::H3Seminorm:
    case SpectralNorm::H3:
      return 3;
  }
  ThrowError("spectral regularization: norm ", static_cast<int>(norm), " is unknown");
}

bool
HasShift(SpectralNorm norm)
{
  return norm == SpectralNorm::H1 || norm == SpectralNorm::H2 || norm == SpectralNorm::H3;
}

/** The powers of the spacing on both sides of the block. */
SpectralBlock
MakeBlock(const SpectralRegularizationParameters & parameters,
          const Lattice &                          lattice,
          int                                      before,
          int                                      after,
          float                                    scale)
{
  for (const double h : parameters.spacing)
  {
    RequirePositive(h, "spacing");
  }
  const auto toPower = [](double h, int power) { return power > 0 ? h : 1.0 / h; };
  SpectralBlock block{};
  block.wave = WaveNumbers(lattice, parameters.spacing);
  block.scale = scale;
  for (int axis = 0; axis < 3; ++axis)
  {
    block.toUnit[axis] = static_cast<float>(toPower(parameters.spacing[axis], before));
    block.fromUnit[axis] = static_cast<float>(toPower(parameters.spacing[axis], after));
  }
  return block;
}

void
RequireSpectra(const ConstSpectrum & input, const Spectrum & output)
{
  RequireSpectrum(input, output.lattice, 3, "input spectrum");
  RequireSpectrum(output, output.lattice, 3, "output spectrum");
}

void
Regularize(const Device &                           device,
           SpectralAction                           action,
           const SpectralRegularizationParameters & parameters,
           const ConstSpectrum &                    input,
           const Spectrum &                         output,
           double *                                 energy,
           float                                    scale,
           bool                                     accumulate)
{
  RequireSpectra(input, output);
  RequirePositive(parameters.weight, "weight");
  RequirePositive(parameters.shift, "shift");
  RequirePositive(parameters.zeroMode, "zeroMode");
  if (parameters.divergenceWeight != 0.0)
  {
    RequirePositive(parameters.divergenceWeight, "divergenceWeight, if not 0,");
  }
  const int     power = action == SpectralAction::Apply ? 1 : -1;
  SpectralBlock block = MakeBlock(parameters, output.lattice, power, power, scale);
  block.weight = static_cast<float>(parameters.weight);
  block.divergenceWeight = static_cast<float>(parameters.divergenceWeight);
  block.shift = HasShift(parameters.norm) ? static_cast<float>(parameters.shift) : 0.0f;
  block.zero = static_cast<float>(parameters.weight * parameters.zeroMode);
  ITK_ENGINE_DISPATCH(
    device, MultiplyByBlocks(device, action, PowerOf(parameters.norm), block, input, output, energy, accumulate));
}

/** The fields' transforms around an operator on the spectrum that takes (spectrum, scale). */
template <typename TOperator>
void
OnFields(const FourierTransform & transform,
         const ConstField &       input,
         const Field &            output,
         float *                  workspace,
         const TOperator &        apply)
{
  const Lattice & lattice = transform.GetLattice();
  RequireField(input, lattice, 3, "input");
  RequireField(output, lattice, 3, "output");
  if (!workspace)
  {
    ThrowError("spectral regularization: the workspace is missing, ", RegularizationWorkspace(transform),
               " floats are needed");
  }
  const Spectrum spectrum(reinterpret_cast<Complex *>(workspace), lattice, 3);
  workspace += SpectrumFloats(lattice, 3);
  transform.Forward(input, spectrum, workspace);
  apply(spectrum, transform.Normalization());
  transform.Inverse(spectrum, output, workspace);
}
} // namespace

void
ApplyRegularization(const Device &                           device,
                    const SpectralRegularizationParameters & parameters,
                    const ConstSpectrum &                    input,
                    const Spectrum &                         output,
                    double *                                 energy,
                    float                                    scale,
                    bool                                     accumulate)
{
  Regularize(device, SpectralAction::Apply, parameters, input, output, energy, scale, accumulate);
}

void
SolveRegularization(const Device &                           device,
                    const SpectralRegularizationParameters & parameters,
                    const ConstSpectrum &                    input,
                    const Spectrum &                         output,
                    double *                                 energy,
                    float                                    scale,
                    bool                                     accumulate)
{
  Regularize(device, SpectralAction::Solve, parameters, input, output, energy, scale, accumulate);
}

void
ProjectToIncompressible(const Device &                           device,
                        const SpectralRegularizationParameters & parameters,
                        Quantity                                 quantity,
                        const ConstSpectrum &                    input,
                        const Spectrum &                         output,
                        float                                    scale)
{
  RequireSpectra(input, output);
  if (quantity != Quantity::Velocity && quantity != Quantity::Gradient)
  {
    ThrowError("ProjectToIncompressible: quantity ", static_cast<int>(quantity), " where Velocity (",
               static_cast<int>(Quantity::Velocity), ") or Gradient (", static_cast<int>(Quantity::Gradient), ") is needed");
  }
  const int           before = quantity == Quantity::Velocity ? 1 : -1;
  const SpectralBlock block = MakeBlock(parameters, output.lattice, before, -before, scale);
  ITK_ENGINE_DISPATCH(device,
                      MultiplyByBlocks(device, SpectralAction::Project, 0, block, input, output, nullptr, false));
}

void
SpectralProduct(const Device & device, const ConstSpectrum & a, const ConstSpectrum & b, double * result)
{
  RequireSpectrum(a, a.lattice, a.components, "first spectrum");
  RequireSpectrum(b, a.lattice, a.components, "second spectrum");
  ITK_ENGINE_DISPATCH(device, SpectralProduct(device, a, b, result));
}

void
ApplyRegularization(const FourierTransform &                 transform,
                    const SpectralRegularizationParameters & parameters,
                    const ConstField &                       input,
                    const Field &                            output,
                    double *                                 energy,
                    float *                                  workspace)
{
  OnFields(transform, input, output, workspace, [&](const Spectrum & spectrum, float scale) {
    ApplyRegularization(transform.GetDevice(), parameters, spectrum, spectrum, energy, scale);
  });
}

void
SolveRegularization(const FourierTransform &                 transform,
                    const SpectralRegularizationParameters & parameters,
                    const ConstField &                       input,
                    const Field &                            output,
                    double *                                 energy,
                    float *                                  workspace)
{
  OnFields(transform, input, output, workspace, [&](const Spectrum & spectrum, float scale) {
    SolveRegularization(transform.GetDevice(), parameters, spectrum, spectrum, energy, scale);
  });
}

void
ProjectToIncompressible(const FourierTransform &                 transform,
                        const SpectralRegularizationParameters & parameters,
                        Quantity                                 quantity,
                        const ConstField &                       input,
                        const Field &                            output,
                        float *                                  workspace)
{
  OnFields(transform, input, output, workspace, [&](const Spectrum & spectrum, float scale) {
    ProjectToIncompressible(transform.GetDevice(), parameters, quantity, spectrum, spectrum, scale);
  });
}

std::int64_t
RegularizationWorkspace(const FourierTransform & transform)
{
  return SpectrumFloats(transform.GetLattice(), 3) + transform.Workspace();
}
} // namespace engine
} // namespace itk
