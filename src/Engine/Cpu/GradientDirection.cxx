// SPDX-License-Identifier: Apache-2.0
// Floor: 12 bytes in, 12 out per voxel.
#include "../Operators/GradientDirection.h"

#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
ITK_ENGINE_ROW void
DirectionRow(DirectionRule rule, float floor, float damping, float * g0, float * g1, float * g2, std::int64_t count)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    const float square = g0[i] * g0[i] + g1[i] * g1[i] + g2[i] * g2[i];
    const float scale = DirectionScale(rule, square, floor, damping);
    g0[i] *= scale;
    g1[i] *= scale;
    g2[i] *= scale;
  }
}
} // namespace

void
GradientDirection(const Device &, const DirectionParameters & parameters, const Field & gradient)
{
  const float damping = parameters.damping ? static_cast<float>(*parameters.damping) : 0.0f;
  ParallelForPieces(gradient.lattice.NumberOfVoxels(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    DirectionRow(parameters.rule,
                 parameters.floor,
                 damping,
                 gradient.Component(0) + begin,
                 gradient.Component(1) + begin,
                 gradient.Component(2) + begin,
                 end - begin);
  });
}

void
AdaptDamping(const Device &,
             double         sign,
             const double * previousEnergy,
             const double * energy,
             double *       damping)
{
  *damping = NextDamping(*damping, sign * energy[0] / energy[1], sign * previousEnergy[0] / previousEnergy[1]);
}
} // namespace cpu
} // namespace engine
} // namespace itk
