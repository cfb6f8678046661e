// SPDX-License-Identifier: Apache-2.0
// Floor: 8 bytes in per voxel; with the gradient to the displacement 20 in, 12 out and the corners of the moving image.
#include "../Operators/MeanSquares.h"

#include "Chain.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
ITK_ENGINE_ROW void
DifferenceRow(const float * fixed, const float * warped, const unsigned char * valid, float * difference, int count)
{
  if (valid)
  {
    for (int x = 0; x < count; ++x)
    {
      difference[x] = valid[x] ? warped[x] - fixed[x] : 0.0f;
    }
    return;
  }
  for (int x = 0; x < count; ++x)
  {
    difference[x] = warped[x] - fixed[x];
  }
}
} // namespace

void
MeanSquares(const Device &,
            const ConstField &   fixed,
            const ConstField &   warped,
            const ConstMask &    valid,
            double *             energy,
            const Field &        gradient,
            const MetricInputs * chain)
{
  const Lattice &     lattice = fixed.lattice;
  const int           nx = lattice.own.size[0];
  const int           ny = lattice.own.size[1];
  const int           nz = lattice.own.size[2];
  std::vector<double> sums(nz);
  std::vector<double> counts(nz);
  ParallelFor(nz, [&](std::int64_t z) {
    float * const difference = ThreadScratch<float>(nx);
    double        sum = 0.0;
    std::int64_t  numberOfValid = 0;
    for (int y = 0; y < ny; ++y)
    {
      const std::int64_t          offset = lattice.Offset(0, y, static_cast<int>(z));
      const unsigned char * const validRow = valid ? valid.data + offset : nullptr;
      DifferenceRow(fixed.data + offset, warped.data + offset, validRow, difference, nx);
      for (int x = 0; x < nx; ++x)
      {
        sum += static_cast<double>(difference[x]) * difference[x];
        numberOfValid += !validRow || validRow[x] ? 1 : 0;
        difference[x] *= 2.0f;
      }
      if (gradient && chain)
      {
        ChainRow(*chain, y, static_cast<int>(z), difference, gradient);
      }
      else if (gradient)
      {
        std::copy_n(difference, nx, gradient.data + offset);
      }
    }
    sums[z] = sum;
    counts[z] = static_cast<double>(numberOfValid);
  });
  energy[0] = energy[1] = 0.0;
  for (int z = 0; z < nz; ++z)
  {
    energy[0] += sums[z];
    energy[1] += counts[z];
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
