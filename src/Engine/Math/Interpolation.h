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

/** Grid point `index` displaced by `d` voxels. Displacements beyond 4e6 voxels and NaN land far outside.
 * Free of branches, so that the compiler can put eight or sixteen voxels into one SIMD register. */
ITK_ENGINE_HOST_DEVICE AxisPosition
LocateOnAxis(int index, float d)
{
#if defined(__CUDA_ARCH__)
  // The same in six instructions. 4e6 is beyond any axis. Among the floats from 2^23 to 2^24, which are the integers,
  // 1.5 * 2^23 + d rounded down is floor(d), and their bits count up by one.
  constexpr float origin = 12582912.0f;
  constexpr int   bitsOfOrigin = 0x4b400000;
  const float     bounded = fminf(fmaxf(d, -4e6f), 4e6f); // of NaN and a number the number
  const float     shifted = __fadd_rd(bounded, origin);
  return AxisPosition{ index + (__float_as_int(shifted) - bitsOfOrigin), bounded - (shifted - origin) };
#else
  float whole = floorf(d);
  whole = whole > -1e9f ? whole : -1e9f;
  whole = whole < 1e9f ? whole : 1e9f;
  const float  fraction = d - whole;
  AxisPosition position;
  position.cell = index + static_cast<int>(whole);
  // also turns the NaN and infinity of a displacement that is neither into a number
  position.fraction = (fraction >= 0.0f) & (fraction <= 1.0f) ? fraction : 0.0f;
  return position;
#endif
}

/** ITK's IsInsideBuffer: -0.5 <= position < size - 0.5, that is, the nearest grid point (ties upwards) exists. */
ITK_ENGINE_HOST_DEVICE bool
IsInsideAxis(const AxisPosition & p, int size)
{
  const int nearest = p.cell + (p.fraction >= 0.5f ? 1 : 0);
  return static_cast<unsigned int>(nearest) < static_cast<unsigned int>(size);
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

// The formulas of trilinear sampling are templates: T is float, or a SIMD register of floats for as many voxels.

template <typename T>
ITK_ENGINE_HOST_DEVICE T
Mix(T a, T b, T weight)
{
  return a + weight * (b - a);
}

/** The value between eight corners (index: x + 2 y + 4 z) with the weights of the upper ones. */
template <typename T>
ITK_ENGINE_HOST_DEVICE T
LinearValue(const T (&v)[8], T x, T y, T z)
{
  const T low = Mix(Mix(v[0], v[1], x), Mix(v[2], v[3], x), y);
  const T high = Mix(Mix(v[4], v[5], x), Mix(v[6], v[7], x), y);
  return Mix(low, high, z);
}

/** Exact derivative of LinearValue with respect to the position, in 1/voxel. */
template <typename T>
ITK_ENGINE_HOST_DEVICE void
LinearGradient(const T (&v)[8], T x, T y, T z, T (&gradient)[3])
{
  gradient[0] = Mix(Mix(v[1] - v[0], v[3] - v[2], y), Mix(v[5] - v[4], v[7] - v[6], y), z);
  gradient[1] = Mix(Mix(v[2] - v[0], v[3] - v[1], x), Mix(v[6] - v[4], v[7] - v[5], x), z);
  gradient[2] = Mix(Mix(v[4] - v[0], v[5] - v[1], x), Mix(v[6] - v[2], v[7] - v[3], x), y);
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
