// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineLnccMath_h
#define itkEngineLnccMath_h

#include "../Core/HostDevice.h"

namespace itk
{
namespace engine
{
/** One window's squared correlation and its adjoint coefficients.
 *
 * With a = var F, b = var M, c = cov(F, M) (sums over the window divided by its count n) and D = a b + floor:
 * correlation = c^2 / D, q = c / D, and d correlation / d M_y = A + 2 B M_y + C F_y for every voxel y of the window,
 * C = 2 q / n, B = -q^2 a / n, A = -C mean F - 2 B mean M. F and M are shifted intensities (see Operators/Lncc.h). */
struct LnccWindow
{
  float correlation;
  float a;
  float b;
  float c;
};

ITK_ENGINE_HOST_DEVICE LnccWindow
EvaluateLnccWindow(float sumF, float sumM, float sumFF, float sumMM, float sumFM, float count, float varianceFloor)
{
  const float inverse = 1.0f / count;
  const float meanF = sumF * inverse;
  const float meanM = sumM * inverse;
  float       varianceF = sumFF * inverse - meanF * meanF;
  float       varianceM = sumMM * inverse - meanM * meanM;
  const float covariance = sumFM * inverse - meanF * meanM;
  varianceF = varianceF > 0.0f ? varianceF : 0.0f;
  varianceM = varianceM > 0.0f ? varianceM : 0.0f;
  const float q = covariance / (varianceF * varianceM + varianceFloor);
  LnccWindow  window;
  window.correlation = covariance * q;
  window.c = 2.0f * q * inverse;
  window.b = -q * q * varianceF * inverse;
  window.a = -window.c * meanF - 2.0f * window.b * meanM;
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
