// SPDX-License-Identifier: Apache-2.0
// Per voxel: 12 bytes of the inner field in, 12 out, and three times eight gathered corners that the cache mostly holds.
#include "../Operators/Compose.h"

#include "LinearSampling.h"
#include "Parallel.h"
#include "Rows.h"

namespace itk
{
namespace engine
{
namespace cpu
{
void
Compose(const Device &,
        const ComposeParameters & parameters,
        const ConstField &        outer,
        const ConstField &        inner,
        const Field &             output)
{
  const Lattice & domain = output.lattice;
  const float     scale = LimitedScale(parameters.innerScale, parameters.innerMaximum);
  const float     outerScale = parameters.outerScale.Value();
  RequireSamplingSize(outer.lattice);
  const bool clamp = parameters.outside == Outside::Clamp;
  const int  nx = domain.own.size[0];
  ParallelForRows(domain, [&](int y, int z, std::int64_t) {
    SamplingBlock block;
    float         values[SamplingBlock::Capacity];
    for (int x = 0; x < nx; x += SamplingBlock::Capacity)
    {
      const int          count = std::min(SamplingBlock::Capacity, nx - x);
      const std::int64_t offset = domain.Offset(x, y, z);
      const float *      u[3] = {};
      for (int c = 0; inner && c < 3; ++c)
      {
        u[c] = inner.Component(c) + offset;
      }
      Locate(block, parameters.affine, nullptr, u, scale, outer.lattice.own.size, x, y, z, count);
      for (int c = 0; c < 3; ++c)
      {
        SampleValues(block, outer.Component(c), clamp, 0.0f, values);
        if (outerScale != 1.0f)
        {
          ScaleRow(values, outerScale, values, count);
        }
        if (parameters.innerWeight != 0.0f && inner)
        {
          AddScaledRow(u[c], parameters.innerWeight * scale, values, count);
        }
        // last, since the output may be the inner field
        std::copy_n(values, count, output.Component(c) + offset);
      }
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
