// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineGradientDirectionMath_h
#define itkEngineGradientDirectionMath_h

#include "../Core/HostDevice.h"

#include <cmath>

namespace itk
{
namespace engine
{
enum class DirectionRule
{
  Normalized, ///< direction = -g / max(|g|, floor)
  Levenberg   ///< direction = -g / (|g|^2 + damping)
};

/** What the gradient is multiplied by, from its squared length. */
ITK_ENGINE_HOST_DEVICE float
DirectionScale(DirectionRule rule, float square, float floor, float damping)
{
  if (rule == DirectionRule::Normalized)
  {
    const float length = sqrtf(square);
    return -1.0f / (length < floor ? floor : length);
  }
  return -1.0f / (square + damping);
}

/** Levenberg's rule: the damping grows by half where the loss grew and shrinks by a fortieth where it fell. NaN counts as
 * growth. */
ITK_ENGINE_HOST_DEVICE double
NextDamping(double damping, double loss, double previousLoss)
{
  return damping * (loss <= previousLoss ? 0.975 : 1.5);
}
} // namespace engine
} // namespace itk

#endif
