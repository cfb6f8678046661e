// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 24 bytes, about 12 flops.
#include "../Operators/GradientDirection.h"

#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
template <DirectionRule rule>
__global__ void
__launch_bounds__(StreamThreads)
  DirectionKernel(float floor, const double * __restrict__ damping, float * gradient, std::int64_t voxels)
{
  const float        lambda = rule == DirectionRule::Levenberg ? static_cast<float>(*damping) : 0.0f;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < voxels; i += stride)
  {
    const float g[3] = { gradient[i], gradient[i + voxels], gradient[i + 2 * voxels] };
    const float scale = DirectionScale(rule, g[0] * g[0] + g[1] * g[1] + g[2] * g[2], floor, lambda);
    for (int c = 0; c < 3; ++c)
    {
      gradient[i + c * voxels] = scale * g[c];
    }
  }
}

__global__ void
AdaptDampingKernel(double         sign,
                   const double * previousEnergy,
                   const double * energy,
                   double *       damping)
{
  *damping = NextDamping(*damping, sign * energy[0] / energy[1], sign * previousEnergy[0] / previousEnergy[1]);
}
} // namespace

void
GradientDirection(const Device & device, const DirectionParameters & parameters, const Field & gradient)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t voxels = gradient.lattice.NumberOfVoxels();
  const auto         kernel = parameters.rule == DirectionRule::Levenberg ? DirectionKernel<DirectionRule::Levenberg>
                                                                          : DirectionKernel<DirectionRule::Normalized>;
  kernel<<<StreamGrid(voxels), StreamThreads, 0, stream>>>(
    parameters.floor, parameters.damping, gradient.data, voxels);
  CheckLaunch(device, "GradientDirection");
}

void
AdaptDamping(const Device & device,
             double         sign,
             const double * previousEnergy,
             const double * energy,
             double *       damping)
{
  const cudaStream_t stream = Enter(device);
  AdaptDampingKernel<<<1, 1, 0, stream>>>(sign, previousEnergy, energy, damping);
  CheckLaunch(device, "AdaptDamping");
}
} // namespace cuda
} // namespace engine
} // namespace itk
