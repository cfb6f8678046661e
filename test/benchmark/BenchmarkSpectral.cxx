// SPDX-License-Identifier: Apache-2.0
#include "Benchmark.h"

#include "../engine/ReferenceRegularization.h"

#include "Operators/FiniteDifference8.h"
#include "Operators/SpectralDerivatives.h"
#include "Operators/SpectralTransfer.h"

#include <cmath>

namespace benchmark
{
namespace
{
using test::RelativeError;

std::shared_ptr<const FourierTransform>
MakeTransform(const Problem & p)
{
  return std::make_shared<FourierTransform>(p.device, p.lattice);
}

/** Floats of the shared workspace, and what the table says of it. */
void
Reserve(Problem & p, Case & one, std::int64_t floats)
{
  p.workspace.Reserve(floats);
  one.workspaceBytes = 4 * floats;
}

Spectrum
SpectrumAt(float * memory, const Lattice & lattice, int components)
{
  return Spectrum(reinterpret_cast<Complex *>(memory), lattice, components);
}

/** There, or there and back, of one component. */
Case
MakeFourier(Problem & p, bool andBack)
{
  Case one{ andBack ? 16.0 : 8.0, andBack ? "read 4, write 4, twice" : "read 4; write 4" };
  const auto transform = MakeTransform(p);
  Reserve(p, one, SpectrumFloats(p.lattice) + transform->Workspace());
  one.work = [&p, transform, andBack] {
    float * const  workspace = p.workspace.Data();
    const Spectrum spectrum = SpectrumAt(workspace, p.lattice, 1);
    transform->Forward(p.fixed, spectrum, workspace + SpectrumFloats(p.lattice));
    if (andBack)
    {
      transform->Inverse(spectrum, p.scalar[0], workspace + SpectrumFloats(p.lattice));
    }
  };
  if (andBack)
  {
    one.error = [&p] {
      HostDoubles expected = test::ToDoubles(p.Download(p.fixed));
      for (double & value : expected.values)
      {
        value *= static_cast<double>(p.lattice.NumberOfVoxels());
      }
      return RelativeError(p.Download(p.scalar[0]), expected);
    };
  }
  return one;
}

SpectralRegularizationParameters
WithDivergence()
{
  SpectralRegularizationParameters parameters;
  parameters.weight = 0.5;
  parameters.divergenceWeight = 0.1;
  return parameters;
}

/** The operator between its transforms. */
Case
MakeOnSpectrum(Problem & p, bool solve)
{
  Case one{ 12 + 12, "read 12; write 12" };
  Reserve(p, one, SpectrumFloats(p.lattice, 3));
  // numbers that stay what they are however often it is done in place
  const Spectrum spectrum = SpectrumAt(p.workspace.Data(), p.lattice, 3);
  p.device.SetZero(spectrum.data, sizeof(Complex) * 3 * spectrum.NumberOfModes());
  one.work = [&p, solve] {
    const Spectrum both = SpectrumAt(p.workspace.Data(), p.lattice, 3);
    if (solve)
    {
      SolveRegularization(p.device, WithDivergence(), both, both, p.numbers);
    }
    else
    {
      ApplyRegularization(p.device, WithDivergence(), both, both, p.numbers);
    }
  };
  return one;
}

Case
MakeOnField(Problem & p, bool solve)
{
  Case       one{ 12 + 12, "read 12; write 12" };
  const auto transform = MakeTransform(p);
  Reserve(p, one, RegularizationWorkspace(*transform));
  one.work = [&p, transform, solve] {
    if (solve)
    {
      SolveRegularization(*transform, WithDivergence(), p.slope, p.vector[0], p.numbers, p.workspace.Data());
    }
    else
    {
      ApplyRegularization(*transform, WithDivergence(), p.slope, p.vector[0], p.numbers, p.workspace.Data());
    }
  };
  one.error = [&p, solve] {
    const auto blockOf = [&](const int (&m)[3]) {
      const auto block = test::BlockInDouble(WithDivergence(), p.lattice, m, solve ? 1.0 : 0.0);
      return solve ? test::InverseInDouble(block) : block;
    };
    return RelativeError(p.Download(p.vector[0]), test::MultiplyInDouble(p.Download(p.slope), blockOf));
  };
  return one;
}

/** The gradient of the fixed image or the divergence of the slope. */
Case
MakeDerivatives(Problem & p, bool spectral, bool divergence)
{
  Case                                    one{ 16, divergence ? "read 12; write 4" : "read 4; write 12" };
  std::shared_ptr<const FourierTransform> transform;
  if (spectral)
  {
    transform = MakeTransform(p);
    Reserve(p, one, SpectralDerivativesWorkspace(*transform));
  }
  one.work = [&p, transform, divergence] {
    if (divergence)
    {
      transform ? SpectralDivergence(*transform, p.slope, p.scalar[0], p.workspace.Data())
                : DifferenceDivergence(p.device, p.slope, p.scalar[0]);
    }
    else
    {
      transform ? SpectralGradient(*transform, p.fixed, p.vector[0], p.workspace.Data())
                : DifferenceGradient(p.device, p.fixed, p.vector[0]);
    }
  };
  return one;
}

/** Between the lattice and one of half its size, a velocity. */
Case
MakeTransfer(Problem & p, bool down)
{
  Case       one{ 12 + 1.5, down ? "read 12; write 12 / 8" : "read 12 / 8; write 12" };
  const auto fine = MakeTransform(p);
  const auto half = [](int size) { return std::max(1, size / 2); };
  const auto coarse = std::make_shared<FourierTransform>(
    p.device, Lattice(half(p.lattice.size[0]), half(p.lattice.size[1]), half(p.lattice.size[2])));
  Reserve(p, one, SpectralTransferWorkspace(*fine, *coarse));
  one.work = [&p, fine, coarse, down] {
    SpectralTransferParameters parameters;
    parameters.quantity = Quantity::Velocity;
    std::fill_n(parameters.shift, 3, 0.5);
    const Field small(p.vector[1].data, coarse->GetLattice(), 3);
    if (down)
    {
      SpectralRestrict(*fine, *coarse, parameters, p.slope, small, p.workspace.Data());
    }
    else
    {
      SpectralProlong(*coarse, *fine, parameters, small, p.vector[0], p.workspace.Data());
    }
  };
  return one;
}
} // namespace

void
AddSpectralCases(std::vector<Entry> & entries)
{
  entries.push_back({ "FourierTransform/forward", [](Problem & p) { return MakeFourier(p, false); } });
  entries.push_back({ "FourierTransform/forward-inverse", [](Problem & p) { return MakeFourier(p, true); } });
  for (const bool solve : { false, true })
  {
    const std::string name = solve ? "SolveRegularization/" : "ApplyRegularization/";
    entries.push_back({ name + "spectrum", [solve](Problem & p) { return MakeOnSpectrum(p, solve); } });
    entries.push_back({ name + "field", [solve](Problem & p) { return MakeOnField(p, solve); } });
  }
  for (const bool spectral : { true, false })
  {
    const std::string name = spectral ? "Spectral" : "Difference";
    for (const bool divergence : { false, true })
    {
      entries.push_back({ name + (divergence ? "Divergence" : "Gradient"),
                          [spectral, divergence](Problem & p) { return MakeDerivatives(p, spectral, divergence); } });
    }
  }
  entries.push_back({ "SpectralRestrict/2", [](Problem & p) { return MakeTransfer(p, true); } });
  entries.push_back({ "SpectralProlong/2", [](Problem & p) { return MakeTransfer(p, false); } });
}
} // namespace benchmark
