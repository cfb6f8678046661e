// SPDX-License-Identifier: Apache-2.0
#include "BenchmarkSampling.h"

#include "../engine/ReferenceOperators.h"

#include "Operators/ExponentialGradient.h"
#include "Operators/Invert.h"

#include <algorithm>
#include <cmath>

namespace benchmark
{
namespace
{
using test::RelativeError;
using test::Vector3;

constexpr int squarings = 6;
constexpr int inversions = 5;

ComposeParameters
ClampedComposition()
{
  ComposeParameters parameters;
  parameters.outside = Outside::Clamp;
  return parameters;
}

Case
MakeCompose(Problem & p)
{
  Case one{ 12 + 12 + 12, "read u 12, v 12; write 12" };
  one.work = [&p] { Compose(p.device, ClampedComposition(), p.displacement, p.small, p.vector[0]); };
  one.error = [&p] {
    return RelativeError(p.Download(p.vector[0]),
                         test::ComposeInDouble(p.Download(p.displacement),
                                               p.Download(p.small),
                                               test::IdentityAffine(),
                                               true));
  };
  return one;
}

Case
MakeComposeGradient(Problem & p)
{
  Case             one{ 3 * 12 + 2 * 12, "read u 12, v 12, slope 12; write to u 12, to v 12" };
  ComposeGradients gradients;
  gradients.outer = p.vector[0];
  gradients.inner = p.vector[1];
  const auto floats = ComposeGradientWorkspace(p.device, p.lattice, gradients);
  p.workspace.Reserve(floats);
  one.workspaceBytes = 4 * floats;
  one.work = [&p, gradients] {
    ComposeGradient(
      p.device, ClampedComposition(), p.displacement, p.small, p.slope, gradients, false, p.workspace.Data());
  };
  one.error = [&p] {
    test::SamplingCase host = HostCase(p);
    host.displacement = p.Download(p.small);
    const HostField slope = p.Download(p.slope);
    HostDoubles     inner = PositionGradientInDouble(host, p.Download(p.displacement), slope);
    for (std::size_t i = 0; i < inner.values.size(); ++i)
    {
      inner.values[i] += slope.values[i];
    }
    return std::max(RelativeError(p.Download(p.vector[0]), SplatInDouble(host, slope)),
                    RelativeError(p.Download(p.vector[1]), inner, test::AwayFromKinks(host, 2e-5)));
  };
  return one;
}

ExponentialParameters
Squarings()
{
  ExponentialParameters parameters;
  parameters.squarings = squarings;
  return parameters;
}

Case
MakeExponential(Problem & p)
{
  Case one{ squarings * (12 + 12), "6 squarings, each: read u 12 (outer and inner are one field); write 12" };
  one.workspaceBytes = 12 * p.lattice.NumberOfVoxels();
  one.work = [&p] { Exponential(p.device, Squarings(), p.displacement, p.vector[0], p.vector[1]); };
  one.error = [&p] {
    return RelativeError(p.Download(p.vector[0]), test::ExponentialInDouble(p.Download(p.displacement), squarings, 1.0));
  };
  return one;
}

Case
MakeExponentialGradient(Problem & p)
{
  Case       one{ (squarings - 1) * (12 + 12) + squarings * (12 + 12 + 12),
            "5 squarings, each: read 12, write 12; 6 steps back, each: read u 12, slope 12, write 12" };
  const auto floats = ExponentialGradientWorkspace(p.device, p.lattice, squarings);
  p.workspace.Reserve(floats);
  one.workspaceBytes = 4 * floats;
  one.work = [&p] {
    ExponentialGradient(p.device, Squarings(), p.displacement, p.slope, p.vector[0], p.workspace.Data());
  };
  one.error = [&p] {
    return RelativeError(
      p.Download(p.vector[0]),
      test::ExponentialGradientInDouble(p.Download(p.displacement), p.Download(p.slope), squarings, 1.0));
  };
  return one;
}

InvertParameters
FixedInversions()
{
  InvertParameters parameters;
  parameters.maximumIterations = inversions;
  parameters.meanTolerance = parameters.maximumTolerance = 0.0;
  parameters.outside = Outside::Clamp;
  return parameters;
}

Case
MakeInvert(Problem & p)
{
  Case one{ inversions * 36 + 24 + 24,
            "5 iterations, each: read u 12, v 12, write 12; then the residual 24, and the result from the workspace 24" };
  one.workspaceBytes = 12 * p.lattice.NumberOfVoxels();
  one.work = [&p] { Invert(p.device, FixedInversions(), p.displacement, p.vector[0], p.vector[1]); };
  one.error = [&p] {
    const HostField u = p.Download(p.displacement);
    HostDoubles     v(p.lattice, 3);
    for (int iteration = 0; iteration < inversions; ++iteration)
    {
      const double      step = iteration == 0 ? 0.75 : 0.5;
      const HostDoubles e = test::ComposeInDouble(u, v, test::IdentityAffine(), true);
      const double      bound = step * test::MaximumAndMeanNorm(e)[0];
      test::ForEachVoxel(p.lattice, [&](int x, int y, int z) {
        const Vector3 r = test::VectorAt(e, x, y, z);
        const double  norm = std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
        for (int c = 0; c < 3; ++c)
        {
          v(c, x, y, z) -= step * r[c] * (norm > bound ? bound / norm : 1.0);
        }
      });
    }
    return RelativeError(p.Download(p.vector[0]), v);
  };
  return one;
}
} // namespace

void
AddMapCases(std::vector<Entry> & entries)
{
  entries.push_back({ "Compose", MakeCompose });
  entries.push_back({ "ComposeGradient/both", MakeComposeGradient });
  entries.push_back({ "Exponential/6", MakeExponential });
  entries.push_back({ "ExponentialGradient/6", MakeExponentialGradient });
  entries.push_back({ "Invert/5", MakeInvert });
}
} // namespace benchmark
