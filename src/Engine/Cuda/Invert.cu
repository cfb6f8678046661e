// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 36 bytes (error and inverse in, inverse out), about 20 flops.
#include "../Operators/Invert.h"

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
__launch_bounds__(StreamThreads) InvertUpdateKernel(float step,
                                                    const float * __restrict__ error,
                                                    const double * __restrict__ norms,
                                                    float * __restrict__ inverse,
                                                    std::int64_t voxels)
{
  const float        limit = step * static_cast<float>(norms[1]);
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
#pragma unroll 1 // unrolled, the compiler spills
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < voxels; i += stride)
  {
    const float e[3] = { error[i], error[i + voxels], error[i + 2 * voxels] };
    const float norm = sqrtf(e[0] * e[0] + e[1] * e[1] + e[2] * e[2]);
    const float scale = norm > limit ? step * (limit / norm) : step;
    for (int c = 0; c < 3; ++c)
    {
      inverse[i + c * voxels] -= scale * e[c];
    }
  }
}
} // namespace

void
InvertUpdate(const Device & device, float step, const ConstField & error, const double * norms, const Field & inverse)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t voxels = inverse.lattice.NumberOfVoxels();
  InvertUpdateKernel<<<StreamGrid(voxels), StreamThreads, 0, stream>>>(step, error.data, norms, inverse.data, voxels);
  CheckLaunch(device, "InvertUpdate");
}
} // namespace cuda
} // namespace engine
} // namespace itk
