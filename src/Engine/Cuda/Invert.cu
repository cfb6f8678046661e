// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 36 bytes (error and inverse in, inverse out), about 20 flops. ZeroBoundary writes the faces alone.
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

__global__ void
__launch_bounds__(VoxelThreads) ZeroBoundaryKernel(Extent extent, int axes, int components, float * __restrict__ values)
{
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    if ((axes > 0 && (x == 0 || x == extent.nx - 1)) || (axes > 1 && (y == 0 || y == extent.ny - 1)) ||
        (axes > 2 && (z == 0 || z == extent.nz - 1)))
    {
      for (int c = 0; c < components; ++c)
      {
        values[offset + c * extent.NumberOfVoxels()] = 0.0f;
      }
    }
  });
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

void
ZeroBoundary(const Device & device, int axes, const Field & field)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(field.lattice);
  ZeroBoundaryKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(extent, axes, field.components, field.data);
  CheckLaunch(device, "ZeroBoundary");
}
} // namespace cuda
} // namespace engine
} // namespace itk
