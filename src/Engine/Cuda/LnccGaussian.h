// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaLnccGaussian_h
#define itkEngineCudaLnccGaussian_h

#include "../Operators/GaussianSmooth.h"

#include "LnccWindows.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// Gaussian windows: GaussianSmooth makes the sums. Included by Lncc.cu alone.
namespace
{
/** Gaussian windows: the moments of every voxel, which GaussianSmooth then sums. */
__global__ void
__launch_bounds__(VoxelThreads)
  ProductsKernel(const Images images, const Extent extent, bool countOut, float * __restrict__ output)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int, int, int, std::int64_t offset) {
    const bool  included = !images.valid || images.valid[offset] != 0;
    const float f = included ? images.fixed[offset] - images.fixedShift : 0.0f;
    const float m = included ? images.warped[offset] - images.movingShift : 0.0f;
    output[offset + MomentF * voxels] = f;
    output[offset + MomentM * voxels] = m;
    output[offset + MomentFF * voxels] = f * f;
    output[offset + MomentMM * voxels] = m * m;
    output[offset + MomentFM * voxels] = f * m;
    output[offset + MomentCount * voxels] = included != countOut ? 1.0f : 0.0f;
  });
}

/** Weight of a Gaussian window that is more than `distance` voxels from its centre, to one side. */
struct Tails
{
  int   radius[3];
  float tail[3][SymmetricKernel::MaximumRadius];

  explicit Tails(const SymmetricKernel (&kernels)[3])
  {
    for (int axis = 0; axis < 3; ++axis)
    {
      radius[axis] = kernels[axis].radius;
      float sum = 0.0f;
      for (int k = radius[axis]; k > 0; --k)
      {
        sum += kernels[axis].weight[k];
        tail[axis][k - 1] = sum;
      }
    }
  }

  __device__ __forceinline__ float
  Missing(int axis, int i, int size) const
  {
    const int after = size - 1 - i;
    return (i < radius[axis] ? tail[axis][i] : 0.0f) + (after < radius[axis] ? tail[axis][after] : 0.0f);
  }
};

/** Adds the part of each window outside the image. It is summed and not taken from 1: inside it has to be 0. */
__global__ void
__launch_bounds__(VoxelThreads)
  AddMissingKernel(const __grid_constant__ Tails tails, const Extent extent, float * __restrict__ countedOut)
{
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    const float missing[3] = { tails.Missing(0, x, extent.nx),
                               tails.Missing(1, y, extent.ny),
                               tails.Missing(2, z, extent.nz) };
    const float inPlane = missing[0] + missing[1] - missing[0] * missing[1];
    countedOut[offset] += inPlane + missing[2] - inPlane * missing[2];
  });
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
