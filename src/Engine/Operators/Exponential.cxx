// SPDX-License-Identifier: Apache-2.0
#include "Exponential.h"

#include "Reductions.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace itk
{
namespace engine
{
int
Exponential(const Device &                device,
            const ExponentialParameters & parameters,
            const ConstField &            velocity,
            const Field &                 output,
            const Field &                 workspace)
{
  RequireField(velocity, output.lattice, 3, "velocity");
  RequireField(workspace, output.lattice, 3, "workspace");
  int squarings = parameters.squarings;
  if (squarings < 0)
  {
    const Buffer<double> scalars(device, 2);
    Norms(device, velocity, scalars.Data());
    double norms[2];
    device.CopyToHost(norms, scalars.Data(), sizeof(norms));
    const double largest = norms[1] * std::abs(parameters.scale);
    if (!std::isfinite(largest))
    {
      ThrowError("Exponential: the velocity holds values that are not finite");
    }
    const double wanted = 2.0 + 0.5 * std::log2(std::max(largest * largest, 1e-300)) + 1.0;
    squarings = std::max(0, std::min(parameters.maximum, static_cast<int>(wanted)));
  }
  // An even number of squarings ends where it began: start in the field that makes the last one write `output`.
  Field from = squarings % 2 == 0 ? output : workspace;
  Field to = squarings % 2 == 0 ? workspace : output;
  LinearCombination(device, std::ldexp(parameters.scale, -squarings), velocity, 0.0f, ConstField(), from);
  ComposeParameters composition;
  composition.outside = parameters.outside;
  for (int i = 0; i < squarings; ++i)
  {
    Compose(device, composition, from, from, to);
    std::swap(from, to);
  }
  return squarings;
}
} // namespace engine
} // namespace itk
