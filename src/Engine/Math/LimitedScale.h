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
} // namespace engine
} // namespace itk

#endif
