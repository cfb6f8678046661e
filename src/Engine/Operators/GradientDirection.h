// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineGradientDirection_h
#define itkEngineGradientDirection_h

#include "../Core/Dispatch.h"
#include "../Math/GradientDirection.h"

namespace itk
{
namespace engine
{
struct DirectionParameters
{
  DirectionRule  rule = DirectionRule::Normalized;
  float          floor = 0.1f;      ///< Normalized: gradients shorter than this give shorter directions; > 0
  const double * damping = nullptr; ///< Levenberg: one number > 0 in device memory
};

/** Descent directions of the step rules without moments, voxel by voxel, written over the gradient.
 *
 * Normalized: -g / max(|g|, floor), of length 1 where the gradient is not small. Levenberg: -g / (|g|^2 + damping), the
 * step of a Gauss-Newton method on each voxel by itself, longest where |g|^2 = damping.
 * \param gradient g, 3 components; overwritten with the direction.
 * Deterministic. Levenberg: A method for the solution of certain non-linear problems in least squares, Quarterly of
 * Applied Mathematics 2 (1944). */
ITK_ENGINE_DECLARE(void GradientDirection(const Device &              device,
                                          const DirectionParameters & parameters,
                                          const Field &               gradient))

/** Multiplies damping[0] by 1.5 if the loss grew since the previous evaluation or by 0.975 if it did not. The loss is
 * sign energy[0] / energy[1], as the metrics leave it; all pointers are device memory. */
ITK_ENGINE_DECLARE(void AdaptDamping(const Device & device,
                                     double         sign,
                                     const double * previousEnergy,
                                     const double * energy,
                                     double *       damping))

void
GradientDirection(const Device & device, const DirectionParameters & parameters, const Field & gradient);
void
AdaptDamping(const Device & device,
             double         sign,
             const double * previousEnergy,
             const double * energy,
             double *       damping);
} // namespace engine
} // namespace itk

#endif
