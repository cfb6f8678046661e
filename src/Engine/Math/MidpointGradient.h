// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMathMidpointGradient_h
#define itkEngineMathMidpointGradient_h

#include "Affine.h"

#include <cmath>
#include <cstdint>

namespace itk
{
namespace engine
{
/** A step away from the grid points, the same for all of them: whole voxels down, and the rest. */
struct GridStep
{
  double step[3] = { 0, 0, 0 };
  int    whole[3] = { 0, 0, 0 };
  float  rest[3] = { 0, 0, 0 };

  GridStep() = default;
  GridStep(double x, double y, double z)
    : step{ x, y, z }
  {
    for (int i = 0; i < 3; ++i)
    {
      whole[i] = static_cast<int>(std::floor(step[i]));
      rest[i] = static_cast<float>(step[i] - whole[i]);
    }
  }
};

/** Central differences of an image, or the components of a gradient that is there already, times a matrix and a slope. */
struct MidpointStencil
{
  GridStep after[3];
  GridStep before[3];
  Matrix3  matrix;
  int      dimension = 3;
  bool     onAxes = true;       ///< steps of half a voxel along the grid's axes
  bool     isGradient = false;  ///< the image has three components, which are the differences
  float    scale = 1.0f;

  bool
  IsOblique() const
  {
    return !onAxes && !isGradient;
  }
};

ITK_ENGINE_HOST_DEVICE int
ClampToAxis(int i, int size)
{
  return i < 0 ? 0 : (i > size - 1 ? size - 1 : i);
}

/** Whether x + step lies in ITK's buffer. */
ITK_ENGINE_HOST_DEVICE bool
IsInsideAfter(const GridStep & step, const int (&x)[3], const int (&size)[3])
{
  bool inside = true;
  for (int i = 0; i < 3; ++i)
  {
    const double p = x[i] + step.step[i];
    inside = inside && p >= -0.5 && p < size[i] - 0.5;
  }
  return inside;
}

/** Linear interpolation at x + step, clamped to the edge. */
ITK_ENGINE_HOST_DEVICE float
SampleAfter(const GridStep & step, const float * image, const int (&x)[3], const int (&size)[3])
{
  float value = 0.0f;
  for (int corner = 0; corner < 8; ++corner)
  {
    float        weight = 1.0f;
    std::int64_t offset = 0;
    for (int i = 2; i >= 0; --i)
    {
      const int high = (corner >> i) & 1;
      weight *= high ? step.rest[i] : 1.0f - step.rest[i];
      offset = offset * size[i] + ClampToAxis(x[i] + step.whole[i] + high, size[i]);
    }
    if (weight != 0.0f)
    {
      value += weight * image[offset];
    }
  }
  return value;
}

/** The differences at x, before the matrix. */
ITK_ENGINE_HOST_DEVICE void
TakeObliqueDifferences(const MidpointStencil & stencil,
                       const float *           image,
                       const int (&x)[3],
                       const int (&size)[3],
                       float (&g)[3])
{
  for (int d = 0; d < 3; ++d)
  {
    g[d] = 0.0f;
    if (d < stencil.dimension && IsInsideAfter(stencil.after[d], x, size) && IsInsideAfter(stencil.before[d], x, size))
    {
      g[d] = SampleAfter(stencil.after[d], image, x, size) - SampleAfter(stencil.before[d], image, x, size);
    }
  }
}

/** The same where the stencil is on the axes, or the image a gradient. */
ITK_ENGINE_HOST_DEVICE void
TakeDifferences(const MidpointStencil & stencil, const float * image, const int (&x)[3], const int (&size)[3], float (&g)[3])
{
  std::int64_t stride = 1;
  std::int64_t voxels = 1;
  std::int64_t offset = 0;
  for (int i = 2; i >= 0; --i)
  {
    voxels *= size[i];
    offset = offset * size[i] + x[i];
  }
  for (int d = 0; d < 3; ++d)
  {
    g[d] = 0.0f;
    if (d >= stencil.dimension)
    {
      continue;
    }
    if (stencil.isGradient)
    {
      g[d] = image[offset + d * voxels];
    }
    else
    {
      // half a voxel up is outside at the high end; half a voxel down is inside, and the edge, at the low one
      if (x[d] < size[d] - 1)
      {
        g[d] = 0.5f * (image[offset + stride] - image[offset - (x[d] > 0 ? stride : 0)]);
      }
      stride *= size[d];
    }
  }
}
} // namespace engine
} // namespace itk

#endif
