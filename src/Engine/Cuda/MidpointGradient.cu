// SPDX-License-Identifier: Apache-2.0
// Floor: 24 bytes per voxel (20 with slopes in float32); a voxel's neighbours come from the caches.
#include "../Operators/MidpointGradient.h"

#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
template <typename TSlope, bool oblique>
__global__ void
__launch_bounds__(VoxelThreads) MidpointGradientKernel(const __grid_constant__ MidpointStencil stencil,
                                                       const Extent                            extent,
                                                       const float * __restrict__ image,
                                                       const TSlope * __restrict__ slope,
                                                       float * __restrict__ gradient)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  const int          size[3] = { extent.nx, extent.ny, extent.nz };
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    const int place[3] = { x, y, z };
    float     g[3];
    float     v[3];
    if (oblique)
    {
      TakeObliqueDifferences(stencil, image, place, size, g);
    }
    else
    {
      TakeDifferences(stencil, image, place, size, g);
    }
    stencil.matrix.Multiply(g, v);
    const float s = static_cast<float>(stencil.scale * slope[offset]);
    gradient[offset] = s * v[0];
    gradient[offset + voxels] = s * v[1];
    gradient[offset + 2 * voxels] = s * v[2];
  });
}

template <typename TSlope>
void
Run(const Device &          device,
    const MidpointStencil & stencil,
    const ConstField &      image,
    const TSlope *          slope,
    const Field &           gradient)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(gradient.lattice);
  const auto kernel =
    stencil.IsOblique() ? MidpointGradientKernel<TSlope, true> : MidpointGradientKernel<TSlope, false>;
  kernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(stencil, extent, image.data, slope, gradient.data);
  CheckLaunch(device, "MidpointGradient");
}
} // namespace

void
MidpointGradient(const Device &          device,
                 const MidpointStencil & stencil,
                 const ConstField &      image,
                 const float *           slope,
                 const Field &           gradient)
{
  Run(device, stencil, image, slope, gradient);
}

void
MidpointGradient(const Device &          device,
                 const MidpointStencil & stencil,
                 const ConstField &      image,
                 const double *          slope,
                 const Field &           gradient)
{
  Run(device, stencil, image, slope, gradient);
}
} // namespace cuda
} // namespace engine
} // namespace itk
