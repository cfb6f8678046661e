// SPDX-License-Identifier: Apache-2.0
#include "SpectralTransfer.h"

#include <algorithm>

namespace itk
{
namespace engine
{
namespace
{
/** From the fine to the coarse lattice, or with direction -1 back; `component` is the first that the spectra hold. */
FrequencyMap
MakeMap(const SpectralTransferParameters & parameters,
        const Lattice &                    fine,
        const Lattice &                    coarse,
        int                                direction,
        double                             scale,
        int                                component)
{
  FrequencyMap map{};
  double       velocityScale[3];
  for (int axis = 0; axis < 3; ++axis)
  {
    map.fine[axis] = fine.size[axis];
    map.coarse[axis] = coarse.size[axis];
    if (map.coarse[axis] > map.fine[axis])
    {
      ThrowError("spectral transfer: along axis ", axis, " the coarse lattice has ", map.coarse[axis],
                 " voxels and the fine one ", map.fine[axis]);
    }
    if (!std::isfinite(parameters.shift[axis]))
    {
      ThrowError("spectral transfer: the shift along axis ", axis, " is ", parameters.shift[axis]);
    }
    constexpr double pi = 3.141592653589793;
    map.angle[axis] = static_cast<float>(direction * 2.0 * pi * parameters.shift[axis] / map.fine[axis]);
    map.nyquist[axis] = static_cast<float>(std::cos(pi * parameters.shift[axis]));
    map.hasShift = map.hasShift || parameters.shift[axis] != 0.0;
    velocityScale[axis] = static_cast<double>(map.coarse[axis]) / map.fine[axis];
  }
  for (int c = 0; c < 3; ++c)
  {
    const double velocity = velocityScale[std::min(component + c, 2)];
    const int    power = direction * (parameters.quantity == Quantity::Velocity
                                        ? 1
                                        : (parameters.quantity == Quantity::Gradient ? -1 : 0));
    map.scale[c] = static_cast<float>(scale * (power > 0 ? velocity : (power < 0 ? 1.0 / velocity : 1.0)));
  }
  return map;
}

double
VoxelRatio(const Lattice & a, const Lattice & b)
{
  return static_cast<double>(a.NumberOfVoxels()) / static_cast<double>(b.NumberOfVoxels());
}

template <typename TFine, typename TCoarse>
void
RequireSpectra(const SpectralTransferParameters & parameters, const TFine & fine, const TCoarse & coarse)
{
  const int components = parameters.quantity == Quantity::Scalar ? fine.components : 3;
  RequireSpectrum(fine, fine.lattice, components, "fine spectrum");
  RequireSpectrum(coarse, coarse.lattice, components, "coarse spectrum");
  if (static_cast<const void *>(fine.data) == static_cast<const void *>(coarse.data))
  {
    ThrowError("spectral transfer: the coarse spectrum must not be the fine one");
  }
}

/** One component's spectrum on both lattices, and what the transforms need. */
struct Spectra
{
  Spectrum fine;
  Spectrum coarse;
  float *  rest;

  Spectra(const FourierTransform & fineTransform, const FourierTransform & coarseTransform, float * workspace)
    : fine(reinterpret_cast<Complex *>(workspace), fineTransform.GetLattice())
    , coarse(reinterpret_cast<Complex *>(workspace + SpectrumFloats(fine.lattice)), coarseTransform.GetLattice())
    , rest(workspace + SpectrumFloats(fine.lattice) + SpectrumFloats(coarse.lattice))
  {
    if (!workspace)
    {
      ThrowError("spectral transfer: the workspace is missing, ",
                 SpectralTransferWorkspace(fineTransform, coarseTransform), " floats are needed");
    }
  }
};

void
RequireFields(const SpectralTransferParameters & parameters,
              const FourierTransform &           from,
              const FourierTransform &           to,
              const ConstField &                 input,
              const Field &                      output)
{
  const int components = parameters.quantity == Quantity::Scalar ? input.components : 3;
  RequireField(input, from.GetLattice(), components, "input");
  RequireField(output, to.GetLattice(), components, "output");
}
} // namespace

void
RestrictSpectrum(const Device &                     device,
                 const SpectralTransferParameters & parameters,
                 const ConstSpectrum &              fine,
                 const Spectrum &                   coarse,
                 float                              scale)
{
  RequireSpectra(parameters, fine, coarse);
  const double       factor = scale * VoxelRatio(coarse.lattice, fine.lattice);
  const FrequencyMap map = MakeMap(parameters, fine.lattice, coarse.lattice, 1, factor, 0);
  ITK_ENGINE_DISPATCH(device, RestrictSpectrum(device, map, fine, coarse));
}

void
ProlongSpectrum(const Device &                     device,
                const SpectralTransferParameters & parameters,
                const ConstSpectrum &              coarse,
                const Spectrum &                   fine,
                bool                               keepOthers,
                float                              scale)
{
  RequireSpectra(parameters, fine, coarse);
  const double       factor = scale * VoxelRatio(fine.lattice, coarse.lattice);
  const FrequencyMap map = MakeMap(parameters, fine.lattice, coarse.lattice, -1, factor, 0);
  ITK_ENGINE_DISPATCH(device, ProlongSpectrum(device, map, coarse, fine, keepOthers));
}

void
SpectralRestrict(const FourierTransform &           fine,
                 const FourierTransform &           coarse,
                 const SpectralTransferParameters & parameters,
                 const ConstField &                 input,
                 const Field &                      output,
                 float *                            workspace)
{
  RequireFields(parameters, fine, coarse, input, output);
  const Device & device = fine.GetDevice();
  const Spectra  spectra(fine, coarse, workspace);
  for (int c = 0; c < input.components; ++c)
  {
    // the ratio of the numbers of voxels and the normalisation on the coarse lattice together
    const FrequencyMap map = MakeMap(parameters, fine.GetLattice(), coarse.GetLattice(), 1, fine.Normalization(), c);
    fine.Forward(ConstField(input.Component(c), input.lattice), spectra.fine, spectra.rest);
    ITK_ENGINE_DISPATCH(device, RestrictSpectrum(device, map, spectra.fine, spectra.coarse));
    coarse.Inverse(spectra.coarse, Field(output.Component(c), output.lattice), spectra.rest);
  }
}

void
SpectralProlong(const FourierTransform &           coarse,
                const FourierTransform &           fine,
                const SpectralTransferParameters & parameters,
                const ConstField &                 input,
                const Field &                      output,
                float *                            workspace)
{
  RequireFields(parameters, coarse, fine, input, output);
  const Device & device = fine.GetDevice();
  const Spectra  spectra(fine, coarse, workspace);
  for (int c = 0; c < input.components; ++c)
  {
    const FrequencyMap map = MakeMap(parameters, fine.GetLattice(), coarse.GetLattice(), -1, coarse.Normalization(), c);
    coarse.Forward(ConstField(input.Component(c), input.lattice), spectra.coarse, spectra.rest);
    ITK_ENGINE_DISPATCH(device, ProlongSpectrum(device, map, spectra.coarse, spectra.fine, false));
    fine.Inverse(spectra.fine, Field(output.Component(c), output.lattice), spectra.rest);
  }
}

std::int64_t
SpectralTransferWorkspace(const FourierTransform & fine, const FourierTransform & coarse)
{
  return SpectrumFloats(fine.GetLattice()) + SpectrumFloats(coarse.GetLattice()) +
         std::max(fine.Workspace(), coarse.Workspace());
}
} // namespace engine
} // namespace itk
