// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 12 bytes of field in, 12 of gradient in and out. The volume term computes seven determinants per voxel
// instead of keeping them: it is an option off by default, and needs no memory so.
#include "../Operators/Regularization.h"

#include "../Math/Regularization.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
void
AddRegularization(const Device &,
                  const RegularizationParameters & parameters,
                  const ConstField &               displacement,
                  double *                         energy,
                  const Field &                    gradient)
{
  const Lattice &    lattice = displacement.lattice;
  const int (&size)[3] = lattice.own.size;
  const std::int64_t  plane = lattice.NumberOfVoxels();
  std::vector<double> sums(size[2], 0.0);
  ParallelFor(size[2], [&](std::int64_t task) {
    const int z = static_cast<int>(task);
    for (int y = 0; y < size[1]; ++y)
    {
      for (int x = 0; x < size[0]; ++x)
      {
        float g[3];
        sums[z] += RegularizationAt(displacement.data, lattice, parameters.diffusion, parameters.volume, x, y, z, g);
        const std::int64_t offset = lattice.Offset(x, y, z);
        if (parameters.composedStep)
        {
          MultiplyTransposedJacobianAt(displacement.data, plane, size, x, y, z, g);
        }
        for (int c = 0; c < 3; ++c)
        {
          gradient.data[offset + c * plane] += g[c];
        }
      }
    }
  });
  *energy = 0.0;
  for (const double sum : sums)
  {
    *energy += sum;
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
