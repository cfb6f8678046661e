// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 36 bytes (inner field in, outer field in once through the caches, output out), about 100 flops; the
// 24 gathered corners load the L1 cache more than the DRAM. The arithmetic is not the limit, the addresses are: offsets of
// 32 bits, one pointer per component, columns of several planes per thread.
//
// The smoothing that follows it in an iteration is a kernel of its own. To compose on the halo of the smoothing's tiles (a
// radius of 2 on 64x16 columns of 32 planes: 1.5 times the voxels) at 185 instructions, and to smooth all three components
// in one block, takes about 400 per voxel, 0.23 ms at 256^3 on an H200 with every issue slot used; 24 bytes would be saved.
// Apart they take 0.19 and 0.15 ms, and the first is at 3.1 TB/s already.
#include "../Operators/Compose.h"

#include "Launch.h"
#include "Sample.h"

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
  AffineMap           affine;
  const double *      innerMaximum;
  float               innerScale;
  StepScale           outerScale;
  float               innerWeight;
  bool                clamp;
  int                 outerSize[3];
  FieldComponents<const float> outer;
  FieldComponents<const float> inner;
  FieldComponents<float>       output;
};

/** The output may be the inner field: a voxel of it is written by the thread that has read it, and after that. */
template <typename TOffset>
__global__ void
__launch_bounds__(VoxelThreads, 4)
  ComposeKernel(const __grid_constant__ ComposeArguments arguments, const Extent extent)
{
  const float scale = LimitedScale(arguments.innerScale, arguments.innerMaximum);
  const float outerScale = arguments.outerScale.Value();
  const auto  load = [&](TOffset offset) { return LoadVectorIfAny(arguments.inner, offset); };
  ForEachVoxelAhead<TOffset>(extent, load, [&](int x, int y, int z, TOffset offset, const Vector3 & inner) {
    const float v[3] = { scale * inner.v[0], scale * inner.v[1], scale * inner.v[2] };
    float       u[3] = { 0.0f, 0.0f, 0.0f };
    float       d[3];
    arguments.affine.Displacement(x, y, z, d);
    const AxisPosition p[3] = { LocateOnAxis(x, d[0] + v[0]),
                                LocateOnAxis(y, d[1] + v[1]),
                                LocateOnAxis(z, d[2] + v[2]) };
    if (arguments.clamp || IsInside(p, arguments.outerSize))
    {
      const LinearCell<TOffset> cell(p, arguments.outerSize);
      float                     corners[3][8];
#pragma unroll
      for (int c = 0; c < 3; ++c)
      {
        cell.Load(arguments.outer.component[c], corners[c]);
      }
#pragma unroll
      for (int c = 0; c < 3; ++c)
      {
        u[c] = outerScale * cell.Value(corners[c]);
      }
    }
#pragma unroll
    for (int c = 0; c < 3; ++c)
    {
      // a weight of 0 lets no NaN pass
      const float direct = arguments.innerWeight != 0.0f ? arguments.innerWeight * v[c] : 0.0f;
      arguments.output.component[c][offset] = direct + u[c];
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
  arguments.outerScale = parameters.outerScale;
  arguments.innerWeight = parameters.innerWeight;
  arguments.clamp = parameters.outside == Outside::Clamp;
  std::copy(outer.lattice.own.size, outer.lattice.own.size + 3, arguments.outerSize);
  arguments.outer = FieldComponents<const float>(outer);
  arguments.inner = FieldComponents<const float>(inner);
  arguments.output = FieldComponents<float>(output);
  const bool isSmall = IsSmall(outer.lattice) && IsSmall(output.lattice);
  const auto kernel = isSmall ? ComposeKernel<int> : ComposeKernel<std::int64_t>;
  kernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(arguments, extent);
  CheckLaunch(device, "Compose");
}
} // namespace cuda
} // namespace engine
} // namespace itk
