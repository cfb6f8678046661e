// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineInterpolation_h
#define itkEngineInterpolation_h

#include "../Core/HostDevice.h"
#include "../Core/Lattice.h"

#include <cmath>

namespace itk
{
namespace engine
{
/** Where a sample lies along one axis: the grid cell and the fraction in [0, 1] behind it (1 by rounding only). */
struct AxisPosition
{
  int   cell;
  float fraction;
};

/** Grid point `index` displaced by `d` voxels. Displacements beyond 1e9 voxels and NaN land far outside.
 * Free of branches, so that the compiler can put eight or sixteen voxels into one SIMD register. */
ITK_ENGINE_HOST_DEVICE AxisPosition
LocateOnAxis(int index, float d)
{
  float whole = floorf(d);
  whole = whole > -1e9f ? whole : -1e9f;
  whole = whole < 1e9f ? whole : 1e9f;
  const float  fraction = d - whole;
  AxisPosition position;
  position.cell = index + static_cast<int>(whole);
  // also turns the NaN and infinity of a displacement that is neither into a number
  position.fraction = fraction >= 0.0f && fraction <= 1.0f ? fraction : 0.0f;
  return position;
}

/** ITK's IsInsideBuffer: -0.5 <= position < size - 0.5. Counted in half voxels from -0.5 it is one comparison. */
ITK_ENGINE_HOST_DEVICE bool
IsInsideAxis(const AxisPosition & p, int size)
{
  const int halves = 2 * p.cell + (p.fraction >= 0.5f ? 2 : 1);
  return static_cast<unsigned int>(halves) < 2u * static_cast<unsigned int>(size);
}

/** The two neighbours and the weight of the upper one, both clamped to the axis: outside they coincide, so the value is
 * the edge's and the derivative is 0 without further ado. */
struct LinearAxis
{
  int   lower;
  int   upper;
  float weight;
};

ITK_ENGINE_HOST_DEVICE int
ClampIndex(int index, int size)
{
  index = index > 0 ? index : 0;
  return index < size - 1 ? index : size - 1;
}

ITK_ENGINE_HOST_DEVICE LinearAxis
ClampLinearAxis(const AxisPosition & p, int size)
{
  return LinearAxis{ ClampIndex(p.cell, size), ClampIndex(p.cell + 1, size), p.fraction };
}

ITK_ENGINE_HOST_DEVICE float
Mix(float a, float b, float weight)
{
  return a + weight * (b - a);
}

/** The eight corners of a trilinear sample. */
struct LinearCorners
{
  float v[8]; ///< index: x + 2 y + 4 z
};

ITK_ENGINE_HOST_DEVICE LinearCorners
LoadCorners(const float * data, int nx, int ny, const LinearAxis & x, const LinearAxis & y, const LinearAxis & z)
{
  const std::int64_t row00 = (static_cast<std::int64_t>(z.lower) * ny + y.lower) * nx;
  const std::int64_t row10 = (static_cast<std::int64_t>(z.lower) * ny + y.upper) * nx;
  const std::int64_t row01 = (static_cast<std::int64_t>(z.upper) * ny + y.lower) * nx;
  const std::int64_t row11 = (static_cast<std::int64_t>(z.upper) * ny + y.upper) * nx;
  LinearCorners c;
  c.v[0] = data[row00 + x.lower];
  c.v[1] = data[row00 + x.upper];
  c.v[2] = data[row10 + x.lower];
  c.v[3] = data[row10 + x.upper];
  c.v[4] = data[row01 + x.lower];
  c.v[5] = data[row01 + x.upper];
  c.v[6] = data[row11 + x.lower];
  c.v[7] = data[row11 + x.upper];
  return c;
}

ITK_ENGINE_HOST_DEVICE float
LinearValue(const LinearCorners & c, const LinearAxis & x, const LinearAxis & y, const LinearAxis & z)
{
  const float low = Mix(Mix(c.v[0], c.v[1], x.weight), Mix(c.v[2], c.v[3], x.weight), y.weight);
  const float high = Mix(Mix(c.v[4], c.v[5], x.weight), Mix(c.v[6], c.v[7], x.weight), y.weight);
  return Mix(low, high, z.weight);
}

/** Exact derivative of LinearValue with respect to the position, in 1/voxel. */
ITK_ENGINE_HOST_DEVICE void
LinearGradient(const LinearCorners & c,
               const LinearAxis &    x,
               const LinearAxis &    y,
               const LinearAxis &    z,
               float (&gradient)[3])
{
  gradient[0] = Mix(Mix(c.v[1] - c.v[0], c.v[3] - c.v[2], y.weight),
                              Mix(c.v[5] - c.v[4], c.v[7] - c.v[6], y.weight),
                              z.weight);
  gradient[1] = Mix(Mix(c.v[2] - c.v[0], c.v[3] - c.v[1], x.weight),
                              Mix(c.v[6] - c.v[4], c.v[7] - c.v[5], x.weight),
                              z.weight);
  gradient[2] = Mix(Mix(c.v[4] - c.v[0], c.v[5] - c.v[1], x.weight),
                              Mix(c.v[6] - c.v[2], c.v[7] - c.v[3], x.weight),
                              y.weight);
}

/** Weights of the cubic B-spline's four coefficients at cell-1 .. cell+2, and their derivatives. */
ITK_ENGINE_HOST_DEVICE void
CubicBSplineWeights(float t, float (&w)[4], float (&dw)[4])
{
  const float s = 1.0f - t;
  w[0] = s * s * s * (1.0f / 6.0f);
  w[1] = (4.0f + 3.0f * t * t * (t - 2.0f)) * (1.0f / 6.0f);
  w[2] = (4.0f + 3.0f * s * s * (s - 2.0f)) * (1.0f / 6.0f);
  w[3] = t * t * t * (1.0f / 6.0f);
  dw[0] = -0.5f * s * s;
  dw[1] = 0.5f * t * (3.0f * t - 4.0f);
  dw[2] = -0.5f * s * (3.0f * s - 4.0f);
  dw[3] = 0.5f * t * t;
}

/** The index that whole-sample symmetric extension (mirror without repeating the edge) maps to, for one period. */
ITK_ENGINE_HOST_DEVICE int
MirrorIndex(int index, int size)
{
  if (size == 1)
  {
    return 0;
  }
  const int period = 2 * (size - 1);
  int       i = index % period;
  i = i < 0 ? i + period : i;
  return i < size ? i : period - i;
}
} // namespace engine
} // namespace itk

#endif
