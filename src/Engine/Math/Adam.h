// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineAdamMath_h
#define itkEngineAdamMath_h

#include "../Core/HostDevice.h"

#include <cmath>

namespace itk
{
namespace engine
{
/** Numbers of all Adam steps. */
struct AdamParameters
{
  float beta1 = 0.9f;
  float beta2 = 0.99f;
  float epsilon = 0.1f;
};

/** What makes up for moments that began at 0. */
struct AdamCorrections
{
  float first = 1.0f;  ///< 1 / (1 - beta1^t)
  float second = 1.0f; ///< 1 / (1 - beta2^t)
};

/** Those of step t = 1, 2, ... */
inline AdamCorrections
MakeAdamCorrections(double beta1, double beta2, int t)
{
  AdamCorrections corrections;
  corrections.first = static_cast<float>(1.0 / (1.0 - std::pow(beta1, t)));
  corrections.second = static_cast<float>(1.0 / (1.0 - std::pow(beta2, t)));
  return corrections;
}

/** Updates the moments of one voxel in place and turns its gradient into the step's direction.
 * The second moment is that of the gradient's length, so that the step does not depend on the axes' orientation. */
ITK_ENGINE_HOST_DEVICE void
AdamDirection(const AdamParameters &  parameters,
              const AdamCorrections & corrections,
              float (&gradient)[3],
              float (&first)[3],
              float & second)
{
  const float square = gradient[0] * gradient[0] + gradient[1] * gradient[1] + gradient[2] * gradient[2];
  second = parameters.beta2 * second + (1.0f - parameters.beta2) * square;
  const float scale = corrections.first / (sqrtf(second * corrections.second) + parameters.epsilon);
  for (int c = 0; c < 3; ++c)
  {
    first[c] = parameters.beta1 * first[c] + (1.0f - parameters.beta1) * gradient[c];
    gradient[c] = -first[c] * scale;
  }
}
} // namespace engine
} // namespace itk

#endif
