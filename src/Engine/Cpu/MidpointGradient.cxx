// SPDX-License-Identifier: Apache-2.0
// Floor: 24 bytes per voxel (20 with slopes in float32); along the grid's axes about 20 flops.
#include "../Operators/MidpointGradient.h"

#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
/** The voxels of a row that have both neighbours along x; `up` and `down` lead to the neighbours along y and z. */
template <typename TSlope>
inline __attribute__((always_inline)) void
RowOnAxes(const MidpointStencil & stencil,
          const float *           image,
          const std::int64_t (&up)[3],
          const std::int64_t (&down)[3],
          const bool (&counts)[3],
          const TSlope * slope,
          float * const (&gradient)[3],
          int count)
{
  const float half[3] = { counts[0] ? 0.5f : 0.0f, counts[1] ? 0.5f : 0.0f, counts[2] ? 0.5f : 0.0f };
  for (int x = 0; x < count; ++x)
  {
    const float g[3] = { half[0] * (image[x + up[0]] - image[x - down[0]]),
                         half[1] * (image[x + up[1]] - image[x - down[1]]),
                         half[2] * (image[x + up[2]] - image[x - down[2]]) };
    float       v[3];
    stencil.matrix.Multiply(g, v);
    const float s = static_cast<float>(stencil.scale * slope[x]);
    gradient[0][x] = s * v[0];
    gradient[1][x] = s * v[1];
    gradient[2][x] = s * v[2];
  }
}

ITK_ENGINE_ROW void
RunRow(const MidpointStencil & stencil,
       const float *           image,
       const std::int64_t (&up)[3],
       const std::int64_t (&down)[3],
       const bool (&counts)[3],
       const float * slope,
       float * const (&gradient)[3],
       int count)
{
  RowOnAxes(stencil, image, up, down, counts, slope, gradient, count);
}

ITK_ENGINE_ROW void
RunRow(const MidpointStencil & stencil,
       const float *           image,
       const std::int64_t (&up)[3],
       const std::int64_t (&down)[3],
       const bool (&counts)[3],
       const double * slope,
       float * const (&gradient)[3],
       int count)
{
  RowOnAxes(stencil, image, up, down, counts, slope, gradient, count);
}

template <typename TSlope>
void
Run(const MidpointStencil & stencil, const ConstField & image, const TSlope * slope, const Field & gradient)
{
  const Lattice & lattice = gradient.lattice;
  const int (&size)[3] = lattice.own.size;
  ParallelForRows(lattice, [&](int y, int z, std::int64_t) {
    const std::int64_t row = lattice.Offset(0, y, z);
    const auto         voxels = [&](int begin, int end) {
      for (int x = begin; x < end; ++x)
      {
        const int place[3] = { x, y, z };
        float     g[3];
        float     v[3];
        stencil.IsOblique() ? TakeObliqueDifferences(stencil, image.data, place, size, g)
                            : TakeDifferences(stencil, image.data, place, size, g);
        stencil.matrix.Multiply(g, v);
        const float s = static_cast<float>(stencil.scale * slope[row + x]);
        for (int c = 0; c < 3; ++c)
        {
          gradient.Component(c)[row + x] = s * v[c];
        }
      }
    };
    if (!stencil.onAxes || stencil.isGradient || size[0] < 3)
    {
      voxels(0, size[0]);
      return;
    }
    const std::int64_t plane = static_cast<std::int64_t>(size[0]) * size[1];
    const bool         counts[3] = { true,
                                     stencil.dimension > 1 && y < size[1] - 1,
                                     stencil.dimension > 2 && z < size[2] - 1 };
    const std::int64_t up[3] = { 1, counts[1] ? size[0] : 0, counts[2] ? plane : 0 };
    const std::int64_t down[3] = { 1, y > 0 ? size[0] : 0, z > 0 ? plane : 0 };
    float * const      target[3] = { gradient.Component(0) + row + 1,
                                     gradient.Component(1) + row + 1,
                                     gradient.Component(2) + row + 1 };
    RunRow(stencil, image.data + row + 1, up, down, counts, slope + row + 1, target, size[0] - 2);
    voxels(0, 1);
    voxels(size[0] - 1, size[0]);
  });
}
} // namespace

void
MidpointGradient(const Device &,
                 const MidpointStencil & stencil,
                 const ConstField &      image,
                 const float *           slope,
                 const Field &           gradient)
{
  Run(stencil, image, slope, gradient);
}

void
MidpointGradient(const Device &,
                 const MidpointStencil & stencil,
                 const ConstField &      image,
                 const double *          slope,
                 const Field &           gradient)
{
  Run(stencil, image, slope, gradient);
}
} // namespace cpu
} // namespace engine
} // namespace itk
