// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineAdamMath_h
#define itkEngineAdamMath_h

#include "../Core/HostDevice.h"

#include <cmath>

namespace itk
{
namespace engine
{
/** Numbers of one Adam step, bias corrections included, the same for all voxels. */
struct AdamStep
{
  float beta1 = 0.9f;
  float beta2 = 0.99f;
  float correction1 = 1.0f; ///< 1 / (1 - beta1^t)
  float correction2 = 1.0f; ///< 1 / (1 - beta2^t)
  float epsilon = 0.1f;
};

/** Updates the moments of one voxel in place and turns its gradient into the step's direction.
 * The second moment is that of the gradient's length, so that the step does not depend on the axes' orientation. */
ITK_ENGINE_HOST_DEVICE void
AdamDirection(const AdamStep & step, float (&gradient)[3], float (&first)[3], float & second)
{
  const float square = gradient[0] * gradient[0] + gradient[1] * gradient[1] + gradient[2] * gradient[2];
  second = step.beta2 * second + (1.0f - step.beta2) * square;
  const float scale = step.correction1 / (sqrtf(second * step.correction2) + step.epsilon);
  for (int c = 0; c < 3; ++c)
  {
    first[c] = step.beta1 * first[c] + (1.0f - step.beta1) * gradient[c];
    gradient[c] = -first[c] * scale;
  }
}
} // namespace engine
} // namespace itk

#endif
