// SPDX-License-Identifier: Apache-2.0
// Floor: 24 bytes per voxel.
#include "../Operators/NormalizeStep.h"

#include "../Math/LimitedScale.h"
#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
__global__ void
__launch_bounds__(StreamThreads) NormalizeStepKernel(const __grid_constant__ NormalizeStepParameters parameters,
                                                     const double *                                  largest,
                                                     std::int64_t                                    voxels,
                                                     float *                                         step)
{
  const float scale =
    parameters.limitOnly ? LimitedScale(parameters.scale, largest) : NormalizedScale(parameters.scale, largest);
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < voxels; i += stride)
  {
    const float v[3] = { scale * step[i], scale * step[i + voxels], scale * step[i + 2 * voxels] };
    float       w[3];
    parameters.matrix.Multiply(v, w);
    step[i] = w[0];
    step[i + voxels] = w[1];
    step[i + 2 * voxels] = w[2];
  }
}
} // namespace

void
NormalizeStep(const Device &                  device,
              const NormalizeStepParameters & parameters,
              const double *                  largest,
              const Field &                   step)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t voxels = step.lattice.NumberOfVoxels();
  NormalizeStepKernel<<<StreamGrid(voxels), StreamThreads, 0, stream>>>(parameters, largest, voxels, step.data);
  CheckLaunch(device, "NormalizeStep");
}
} // namespace cuda
} // namespace engine
} // namespace itk
