// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineBSplinePrefilter_h
#define itkEngineBSplinePrefilter_h

#include "../Core/HostDevice.h"

#include <cstdint>

namespace itk
{
namespace engine
{
/** Turns `count` >= 2 samples, `stride` apart, into cubic B-spline coefficients in place: a causal and an anticausal
 * first-order recursion with the pole sqrt(3) - 2, started so that the samples continue as their own mirror image.
 * float64 state, float32 storage. Unser, Aldroubi, Eden 1993. */
ITK_ENGINE_HOST_DEVICE void
PrefilterCubicBSplineLine(float * line, std::int64_t stride, int count)
{
  const double pole = -0.26794919243112270647;
  const double gain = 6.0; // (1 - pole) (1 - 1 / pole)

  // pole^32 is below 1e-18: longer lines need no more terms of the mirrored sum
  const int horizon = 32;
  double    state = line[0];
  double    power = pole;
  if (count > horizon)
  {
    for (int i = 1; i < horizon; ++i)
    {
      state += power * line[i * stride];
      power *= pole;
    }
  }
  else
  {
    // the full period 0 .. n-1 .. 1 of the mirrored line, summed as a geometric series
    for (int i = 1; i < count; ++i)
    {
      state += power * line[i * stride];
      power *= pole;
    }
    for (int i = count - 2; i > 0; --i)
    {
      state += power * line[i * stride];
      power *= pole;
    }
    state /= 1.0 - power;
  }
  state *= gain;
  double previous = 0.0; // causal output before the last one, kept in double for the start of the way back
  line[0] = static_cast<float>(state);
  for (int i = 1; i < count; ++i)
  {
    previous = state;
    state = gain * line[i * stride] + pole * state;
    line[i * stride] = static_cast<float>(state);
  }
  state = (pole / (pole * pole - 1.0)) * (pole * previous + state);
  line[(count - 1) * stride] = static_cast<float>(state);
  for (int i = count - 2; i >= 0; --i)
  {
    state = pole * (state - line[i * stride]);
    line[i * stride] = static_cast<float>(state);
  }
}
} // namespace engine
} // namespace itk

#endif
