// SPDX-License-Identifier: Apache-2.0
#include "SpectralDerivatives.h"

namespace itk
{
namespace engine
{
void
DifferentiateSpectrum(const Device &        device,
                      int                   axis,
                      const ConstSpectrum & input,
                      const Spectrum &      output,
                      float                 scale,
                      bool                  accumulate)
{
  RequireSpectrum(input, output.lattice, output.components, "input spectrum");
  RequireSpectrum(output, output.lattice, output.components, "output spectrum");
  if (axis < 0 || axis > 2)
  {
    ThrowError("DifferentiateSpectrum: axis ", axis, " is not 0 to 2");
  }
  ITK_ENGINE_DISPATCH(device, DifferentiateSpectrum(device, axis, input, output, scale, accumulate));
}

namespace
{
/** Two spectra of one component and what the transforms need. */
struct TwoSpectra
{
  Spectrum first;
  Spectrum second;
  float *  rest;

  TwoSpectra(const FourierTransform & transform, float * workspace)
    : first(reinterpret_cast<Complex *>(workspace), transform.GetLattice())
    , second(reinterpret_cast<Complex *>(workspace + SpectrumFloats(transform.GetLattice())), transform.GetLattice())
    , rest(workspace + 2 * SpectrumFloats(transform.GetLattice()))
  {
    if (!workspace)
    {
      ThrowError("spectral derivatives: the workspace is missing, ", SpectralDerivativesWorkspace(transform),
                 " floats are needed");
    }
  }
};

template <typename TField>
TField
ComponentOf(const TField & field, int c)
{
  return TField(field.Component(c), field.lattice, 1);
}
} // namespace

void
SpectralGradient(const FourierTransform & transform, const ConstField & input, const Field & gradient, float * workspace)
{
  RequireField(input, transform.GetLattice(), 1, "input");
  RequireField(gradient, transform.GetLattice(), 3, "gradient");
  const TwoSpectra spectra(transform, workspace);
  transform.Forward(input, spectra.first, spectra.rest);
  for (int axis = 0; axis < 3; ++axis)
  {
    DifferentiateSpectrum(transform.GetDevice(), axis, spectra.first, spectra.second, transform.Normalization());
    transform.Inverse(spectra.second, ComponentOf(gradient, axis), spectra.rest);
  }
}

void
SpectralDivergence(const FourierTransform & transform,
                   const ConstField &       vector,
                   const Field &            divergence,
                   float *                  workspace)
{
  RequireField(vector, transform.GetLattice(), 3, "vector");
  RequireField(divergence, transform.GetLattice(), 1, "divergence");
  const TwoSpectra spectra(transform, workspace);
  for (int axis = 0; axis < 3; ++axis)
  {
    transform.Forward(ComponentOf(vector, axis), spectra.first, spectra.rest);
    DifferentiateSpectrum(
      transform.GetDevice(), axis, spectra.first, spectra.second, transform.Normalization(), axis > 0);
  }
  transform.Inverse(spectra.second, divergence, spectra.rest);
}

std::int64_t
SpectralDerivativesWorkspace(const FourierTransform & transform)
{
  return 2 * SpectrumFloats(transform.GetLattice()) + transform.Workspace();
}
} // namespace engine
} // namespace itk
