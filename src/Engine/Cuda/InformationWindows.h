// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaInformationWindows_h
#define itkEngineCudaInformationWindows_h

#include "../Math/MutualInformation.h"
#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// Weights as integers without a conversion: the product of two positive floats that were scaled to come out below 2^-126
// is a subnormal number, rounded to a multiple of 2^-149, and its bits are that multiple. One factor carries 2^-63, the
// other 2^(bits - 86), so that the bits are the rounded weight times 2^bits, up to 2^23.

constexpr float FixedPointFactor = 1.0842021724855044e-19f; // 2^-63

__host__ __device__ __forceinline__ float
FixedPointUnit(int bits)
{
  return ldexpf(1.0f, bits - 86);
}

__device__ __forceinline__ unsigned int
FixedPointProduct(float a, float b)
{
  return __float_as_uint(a * b);
}

/** The four weights of the cubic B-spline; their sum is `one`. */
__device__ __forceinline__ void
FixedPointBSpline(float s, float unit, unsigned int one, unsigned int (&weight)[4])
{
  constexpr float sixth = FixedPointFactor / 6.0f;
  const float     t = 1.0f - s;
  const float     ss = s * s * sixth;
  const float     tt = t * t * sixth;
  weight[0] = FixedPointProduct(tt, t * unit);
  weight[1] = FixedPointProduct(fmaf(ss, fmaf(3.0f, s, -6.0f), 4.0f * sixth), unit);
  weight[3] = FixedPointProduct(ss, s * unit);
  weight[2] = one - (weight[0] + weight[1] + weight[3]);
}

/** A Gaussian that eight bins cover, up to 4 bins away. Bins beyond the window, and beyond the histogram, weigh 0. */
inline bool
IsShortGaussian(const ParzenShape & shape)
{
  return shape.window == ParzenWindow::Gaussian && shape.taps <= 8;
}

inline bool
IsShortSpline(const ParzenShape & shape)
{
  return shape.window != ParzenWindow::Gaussian;
}

/** exp(-k^2 / (2 sigma^2)) of the eight bins, for each place of the first of them: floor(t) - 2 .. floor(t) - 5. */
constexpr int         GaussianShifts = 4;
constexpr int         LeastGaussianShift = 2;
constexpr int         GaussianFactorQuads = 2 * GaussianShifts;
constexpr std::size_t GaussianFactorBytes = 2 * GaussianFactorQuads * sizeof(float4);

__device__ __forceinline__ void
TabulateGaussian(const ParzenShape & shape, float4 * factors, int thread, int threads)
{
  float * const values = reinterpret_cast<float *>(factors);
  for (int i = thread; i < 8 * GaussianShifts; i += threads)
  {
    const int k = i % 8 - (i / 8 + LeastGaussianShift) + shape.before;
    values[i] = k >= 0 && k < shape.taps ? shape.factors[k] : 0.0f;
  }
}

/** The weights of one sample in `taps` bins from `first`, times a factor. */
template <int taps>
struct WindowWeights
{
  int   first;
  float weight[taps];

  /** weight[i] of an i that the compiler does not know, without a detour through memory. */
  __device__ __forceinline__ float
  Select(int i) const
  {
    float result = weight[0];
#pragma unroll
    for (int k = 1; k < taps; ++k)
    {
      result = i == k ? weight[k] : result;
    }
    return result;
  }
};

template <int taps>
struct WindowTaps;

/** All windows but the Gaussian. */
template <>
struct WindowTaps<4> : WindowWeights<4>
{
  __device__ __forceinline__ void
  Evaluate(const ParzenShape & shape, int, const HistogramPosition & position, const float4 *, float factor)
  {
    const float s = position.fraction;
    const float t = 1.0f - s;
    first = position.cell + HistogramPadding - 1;
    if (shape.window == ParzenWindow::CubicBSpline)
    {
      const float sixth = factor / 6.0f;
      const float ss = s * s * sixth;
      const float tt = t * t * sixth;
      weight[0] = tt * t;
      weight[1] = fmaf(ss, fmaf(3.0f, s, -6.0f), 4.0f * sixth);
      weight[2] = fmaf(tt, fmaf(3.0f, t, -6.0f), 4.0f * sixth);
      weight[3] = ss * s;
      return;
    }
    const bool linear = shape.window == ParzenWindow::Linear;
    weight[0] = weight[3] = 0.0f;
    weight[1] = linear ? t * factor : factor;
    weight[2] = linear ? s * factor : 0.0f;
  }
};

/** Gaussians that are short. */
template <>
struct WindowTaps<8> : WindowWeights<8>
{
  __device__ __forceinline__ void
  Evaluate(const ParzenShape & shape, int bins, const HistogramPosition & position, const float4 * factors, float factor)
  {
    const int middle = position.cell + HistogramPadding;
    first = min(max(middle - 3, 0), bins - 8);
    const int    shift = middle - first;
    const float4 low = factors[2 * (shift - LeastGaussianShift)];
    const float4 high = factors[2 * (shift - LeastGaussianShift) + 1];
    // exp(-(k - s)^2 / (2 sigma^2)) = exp(-k^2 / (2 sigma^2)) ratio^k, times what does not depend on k
    const float exponent = position.fraction * shape.inverseVariance;
    const float ratio = expf(exponent);
    float       power = expf(-static_cast<float>(shift) * exponent);
    weight[0] = low.x;
    weight[1] = low.y;
    weight[2] = low.z;
    weight[3] = low.w;
    weight[4] = high.x;
    weight[5] = high.y;
    weight[6] = high.z;
    weight[7] = high.w;
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < 8; ++i)
    {
      weight[i] *= power;
      sum += weight[i];
      power *= ratio;
    }
    const float scale = __fdividef(factor, sum);
#pragma unroll
    for (int i = 0; i < 8; ++i)
    {
      weight[i] *= scale;
    }
  }
};

/** No voxel weighs more in any bin. The bin next to a Gaussian's centre has neighbours on both sides. */
inline double
MostWeight(const ParzenShape & shape)
{
  if (shape.window == ParzenWindow::CubicBSpline)
  {
    return 2.0 / 3.0;
  }
  return shape.window == ParzenWindow::Gaussian && shape.taps >= 4 ? 1.0 / (1.0 + 2.0 * std::exp(-0.5 * shape.inverseVariance))
                                                                  : 1.0;
}
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
