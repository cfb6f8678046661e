// SPDX-License-Identifier: Apache-2.0
// Two passes: x and y of a plane while it is in the cache, then z. Floor: 16 bytes and 2 (r_x + r_y + r_z) + 3
// multiply-adds per value.
#include "../Operators/GaussianSmooth.h"

#include "Parallel.h"
#include "Rows.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
ITK_ENGINE_ROW void
ConvolvePadded(const float * padded, const SymmetricKernel & kernel, float * output, int count)
{
  const float * const center = padded + kernel.radius;
  for (int x = 0; x < count; ++x)
  {
    output[x] = kernel.weight[0] * center[x];
  }
  for (int k = 1; k <= kernel.radius; ++k)
  {
    const float weight = kernel.weight[k];
    for (int x = 0; x < count; ++x)
    {
      output[x] += weight * (center[x - k] + center[x + k]);
    }
  }
}

ITK_ENGINE_ROW void
AddPair(const float * low, const float * high, float weight, float * output, int count)
{
  for (int x = 0; x < count; ++x)
  {
    output[x] += weight * (low[x] + high[x]);
  }
}

/** One output row from rows `stride` apart: the convolution along y or z. */
void
ConvolveAcross(const float *           rows,
               std::int64_t            stride,
               int                     size,
               int                     position,
               const SymmetricKernel & kernel,
               SmoothBoundary          boundary,
               float *                 output,
               int                     count)
{
  ScaleRow(rows + position * stride, kernel.weight[0], output, count);
  for (int k = 1; k <= kernel.radius; ++k)
  {
    int        low = position - k;
    int        high = position + k;
    const bool hasLow = low >= 0;
    const bool hasHigh = high < size;
    if (boundary == SmoothBoundary::ZeroFlux || (hasLow && hasHigh))
    {
      low = std::max(low, 0);
      high = std::min(high, size - 1);
      AddPair(rows + low * stride, rows + high * stride, kernel.weight[k], output, count);
    }
    else if (hasLow || hasHigh)
    {
      AddScaledRow(rows + (hasLow ? low : high) * stride, kernel.weight[k], output, count);
    }
  }
}
} // namespace

void
GaussianSmooth(const Device &,
               const SymmetricKernel (&kernels)[3],
               SmoothBoundary     boundary,
               const ConstField & input,
               const Field &      output,
               const Field &      workspace)
{
  const Lattice &    lattice = input.lattice;
  const int          nx = lattice.own.size[0];
  const int          ny = lattice.own.size[1];
  const int          nz = lattice.own.size[2];
  const std::int64_t plane = static_cast<std::int64_t>(nx) * ny;
  const int          padding = nx > 1 ? kernels[0].radius : 0;
  SymmetricKernel    along[3];
  for (int d = 0; d < 3; ++d)
  {
    // Radius 0 is the identity, whatever its weight.
    if (lattice.own.size[d] > 1 && kernels[d].radius > 0)
    {
      along[d] = kernels[d];
    }
  }

  ParallelFor(static_cast<std::int64_t>(input.components) * nz, [&](std::int64_t task) {
    const float * const source = input.data + task * plane;
    float * const       target = workspace.data + task * plane;
    float * const       rows = ThreadScratch<float>(plane + nx + 2 * padding);
    float * const       padded = rows + plane;
    for (int y = 0; y < ny; ++y)
    {
      const float * const row = source + static_cast<std::int64_t>(y) * nx;
      const bool          zero = boundary == SmoothBoundary::Zero;
      std::fill_n(padded, padding, zero ? 0.0f : row[0]);
      std::copy_n(row, nx, padded + padding);
      std::fill_n(padded + padding + nx, padding, zero ? 0.0f : row[nx - 1]);
      ConvolvePadded(padded, along[0], rows + static_cast<std::int64_t>(y) * nx, nx);
    }
    for (int y = 0; y < ny; ++y)
    {
      ConvolveAcross(rows, nx, ny, y, along[1], boundary, target + static_cast<std::int64_t>(y) * nx, nx);
    }
  });
  ParallelFor(static_cast<std::int64_t>(input.components) * nz, [&](std::int64_t task) {
    const std::int64_t component = task / nz;
    const int          z = static_cast<int>(task % nz);
    for (int y = 0; y < ny; ++y)
    {
      const std::int64_t offset = component * lattice.NumberOfVoxels() + static_cast<std::int64_t>(y) * nx;
      ConvolveAcross(
        workspace.data + offset, plane, nz, z, along[2], boundary, output.data + offset + z * plane, nx);
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
