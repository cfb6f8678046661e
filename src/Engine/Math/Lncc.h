// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineLnccMath_h
#define itkEngineLnccMath_h

#include "../Core/HostDevice.h"

namespace itk
{
namespace engine
{
/** a / b, on a GPU to 2 units in the last place. */
ITK_ENGINE_HOST_DEVICE float
Quotient(float a, float b)
{
#ifdef __CUDA_ARCH__
  return __fdividef(a, b);
#else
  return a / b;
#endif
}

/** Weighted moments of a window, in shifted intensities (see Operators/Lncc.h). */
struct LnccMoments
{
  float meanF;
  float meanM;
  float varianceF;
  float varianceM;
  float covariance;
};

/** From sums over the voxels of the window that are there; `inverse` is 1 / weight of the window. */
ITK_ENGINE_HOST_DEVICE LnccMoments
TakeLnccMoments(float sumF, float sumM, float sumFF, float sumMM, float sumFM, float inverse)
{
  LnccMoments moments;
  moments.meanF = sumF * inverse;
  moments.meanM = sumM * inverse;
  moments.varianceF = sumFF * inverse - moments.meanF * moments.meanF;
  moments.varianceM = sumMM * inverse - moments.meanM * moments.meanM;
  moments.covariance = sumFM * inverse - moments.meanF * moments.meanM;
  return moments;
}

/** Adds the voxels of a window that hold zeros, the part `padding` of its weight. In shifted intensities they hold minus
 * the shift, whose square would cost the digits of the rest if it were summed; here it enters once. */
ITK_ENGINE_HOST_DEVICE void
AddLnccPadding(LnccMoments & moments, float padding, float shiftF, float shiftM)
{
  const float there = 1.0f - padding;
  const float padF = padding * shiftF;
  const float padM = padding * shiftM;
  moments.varianceF += padF * (2.0f * moments.meanF + there * shiftF);
  moments.varianceM += padM * (2.0f * moments.meanM + there * shiftM);
  moments.covariance += padF * moments.meanM + padM * moments.meanF + there * padF * shiftM;
  moments.meanF -= padF;
  moments.meanM -= padM;
}

/** One window's squared correlation and its adjoint coefficients.
 *
 * With a = var F, b = var M, c = cov(F, M), n = weight of the window and D = a b + floor: correlation = c^2 / D,
 * q = c / D, and for every voxel y of the window, times its weight there,
 * d correlation / d M_y = A + 2 B M_y + C F_y, C = 2 q / n, B = -q^2 a / n, A = -C mean F - 2 B mean M,
 * d correlation / d F_y = A' + 2 B' F_y + C M_y, B' = -q^2 b / n, A' = -C mean M - 2 B' mean F. */
struct LnccWindow
{
  float correlation;
  float a;
  float b;
  float c;
  float fixedA; ///< A'
  float fixedB; ///< B'
};

ITK_ENGINE_HOST_DEVICE LnccWindow
EvaluateLnccWindow(const LnccMoments & moments, float inverse, float varianceFloor)
{
  const float varianceF = moments.varianceF > 0.0f ? moments.varianceF : 0.0f;
  const float varianceM = moments.varianceM > 0.0f ? moments.varianceM : 0.0f;
  const float q = Quotient(moments.covariance, varianceF * varianceM + varianceFloor);
  LnccWindow  window;
  window.correlation = moments.covariance * q;
  window.c = 2.0f * q * inverse;
  window.b = -q * q * varianceF * inverse;
  window.a = -window.c * moments.meanF - 2.0f * window.b * moments.meanM;
  window.fixedB = -q * q * varianceM * inverse;
  window.fixedA = -window.c * moments.meanM - 2.0f * window.fixedB * moments.meanF;
  return window;
}

/** Voxels of a window of this radius around i that lie on an axis of this size. */
ITK_ENGINE_HOST_DEVICE int
WindowCount(int i, int size, int radius)
{
  const int low = i - radius < 0 ? 0 : i - radius;
  const int high = i + radius > size - 1 ? size - 1 : i + radius;
  return high - low + 1;
}
} // namespace engine
} // namespace itk

#endif
