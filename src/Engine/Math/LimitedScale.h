// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineLimitedScale_h
#define itkEngineLimitedScale_h

#include "../Core/HostDevice.h"

namespace itk
{
namespace engine
{
/** scale / max(1, *largest), or scale without `largest`: a step whose largest norm is *largest then moves no point by
 * more than the scale. A NaN counts as 1: it shows in the step itself. */
ITK_ENGINE_HOST_DEVICE float
LimitedScale(float scale, const double * largest)
{
  return largest && *largest > 1.0 ? scale / static_cast<float>(*largest) : scale;
}

/** scale / *largest, or scale without `largest`: a step whose largest norm is *largest then moves some point by the scale. A
 * step of 0 stays one. */
ITK_ENGINE_HOST_DEVICE float
NormalizedScale(float scale, const double * largest)
{
  return largest && *largest > 0.0 ? static_cast<float>(scale / *largest) : scale;
}

/** One of the two. */
struct StepScale
{
  float          scale = 1.0f;
  const double * largest = nullptr; ///< in device memory, or null
  bool           limitOnly = true;  ///< LimitedScale, else NormalizedScale

  ITK_ENGINE_HOST_DEVICE float
  Value() const
  {
    return limitOnly ? LimitedScale(scale, largest) : NormalizedScale(scale, largest);
  }
};
} // namespace engine
} // namespace itk

#endif
