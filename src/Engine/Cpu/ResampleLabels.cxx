// SPDX-License-Identifier: Apache-2.0
// Per voxel: 12 bytes of displacement in, 4 or 8 out, and eight corners that the cache mostly holds.
#include "../Operators/ResampleLabels.h"

#include "../Math/LabelVote.h"
#include "LinearSampling.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
void
ResampleLabels(const Device &,
               const ResampleParameters & parameters,
               const ConstLabels &        moving,
               const ConstField &         displacement,
               std::int32_t               outsideLabel,
               const Labels &             output,
               const Field &              weight)
{
  RequireSamplingSize(moving.lattice);
  const Lattice & domain = output.lattice;
  const bool      clamp = parameters.outside == Outside::Clamp;
  const int       nx = domain.size[0];
  ParallelForRows(domain, [&](int y, int z, std::int64_t) {
    SamplingBlock block;
    for (int x = 0; x < nx; x += SamplingBlock::Capacity)
    {
      const int          count = std::min(SamplingBlock::Capacity, nx - x);
      const std::int64_t first = domain.Offset(x, y, z);
      const float *      u[3] = {};
      for (int c = 0; displacement && c < 3; ++c)
      {
        u[c] = displacement.Component(c) + first;
      }
      Locate(
        block, parameters.affine, &parameters.displacementMatrix, u, 1.0f, moving.lattice.size, x, y, z, count);
      for (int i = 0; i < count; ++i)
      {
        LabelVote vote{ outsideLabel, 0.0f };
        if (clamp || block.inside[i])
        {
          std::int32_t corners[8];
          for (int k = 0; k < 8; ++k)
          {
            corners[k] = moving.data[block.offset[i] + ((k & 1) != 0 ? block.step[0][i] : 0) +
                                     ((k & 2) != 0 ? block.step[1][i] : 0) + ((k & 4) != 0 ? block.step[2][i] : 0)];
          }
          vote = Vote(corners, block.weight[0][i], block.weight[1][i], block.weight[2][i]);
        }
        output.data[first + i] = vote.label;
        if (weight)
        {
          weight.data[first + i] = vote.weight;
        }
      }
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
