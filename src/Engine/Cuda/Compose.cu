// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 36 bytes (inner field in, outer field in once through the caches, output out), about 130 flops; the
// 24 gathered corners load the L1 cache more than the DRAM.
#include "../Operators/Compose.h"

#include "../Math/Interpolation.h"
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
struct ComposeArguments
{
  AffineMap      affine;
  const double * innerMaximum;
  float          innerScale;
  bool           addInner;
  bool           clamp;
  int            outerSize[3];
  std::int64_t   outerVoxels;
};

/** The output may be the inner field: a thread reads its own voxel before it writes it. */
__global__ void
__launch_bounds__(VoxelThreads) ComposeKernel(const __grid_constant__ ComposeArguments arguments,
                                              const Extent                             extent,
                                              const float * __restrict__ outer,
                                              const float * inner,
                                              float *       output)
{
  const float        scale = LimitedScale(arguments.innerScale, arguments.innerMaximum);
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    float d[3];
    float v[3] = { 0.0f, 0.0f, 0.0f };
    arguments.affine.Displacement(x, y, z, d);
    if (inner)
    {
      for (int c = 0; c < 3; ++c)
      {
        v[c] = scale * inner[offset + c * voxels];
        d[c] += v[c];
      }
    }
    const int(&size)[3] = arguments.outerSize;
    const AxisPosition px = LocateOnAxis(x, d[0]);
    const AxisPosition py = LocateOnAxis(y, d[1]);
    const AxisPosition pz = LocateOnAxis(z, d[2]);
    float              u[3] = { 0.0f, 0.0f, 0.0f };
    if (arguments.clamp || (IsInsideAxis(px, size[0]) && IsInsideAxis(py, size[1]) && IsInsideAxis(pz, size[2])))
    {
      const LinearAxis ax = ClampLinearAxis(px, size[0]);
      const LinearAxis ay = ClampLinearAxis(py, size[1]);
      const LinearAxis az = ClampLinearAxis(pz, size[2]);
      for (int c = 0; c < 3; ++c)
      {
        u[c] = LinearValue(LoadCorners(outer + c * arguments.outerVoxels, size[0], size[1], ax, ay, az), ax, ay, az);
      }
    }
    for (int c = 0; c < 3; ++c)
    {
      output[offset + c * voxels] = arguments.addInner ? v[c] + u[c] : u[c];
    }
  });
}
} // namespace

void
Compose(const Device &            device,
        const ComposeParameters & parameters,
        const ConstField &        outer,
        const ConstField &        inner,
        const Field &             output)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(output.lattice);
  ComposeArguments   arguments{};
  arguments.affine = parameters.affine;
  arguments.innerMaximum = parameters.innerMaximum;
  arguments.innerScale = parameters.innerScale;
  arguments.addInner = parameters.addInner;
  arguments.clamp = parameters.outside == Outside::Clamp;
  arguments.outerVoxels = outer.lattice.NumberOfVoxels();
  std::copy(outer.lattice.own.size, outer.lattice.own.size + 3, arguments.outerSize);
  ComposeKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(arguments, extent, outer.data, inner.data, output.data);
  CheckLaunch(device, "Compose");
}
} // namespace cuda
} // namespace engine
} // namespace itk
