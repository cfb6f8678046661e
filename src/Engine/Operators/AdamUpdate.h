// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineAdamUpdate_h
#define itkEngineAdamUpdate_h

#include "../Core/Dispatch.h"
#include "../Math/Adam.h"
#include "GaussianSmooth.h"

namespace itk
{
namespace engine
{
/** What changes from step to step, in device memory, so that a recorded step can be replayed (Core/RecordWork.h). */
struct AdamClock
{
  const AdamCorrections * corrections = nullptr; ///< of the first steps
  int                     count = 0;             ///< of them; the last serves all further steps
  int *                   steps = nullptr;       ///< taken so far; one more after each
};

/** One step of Adam on a displacement field, without applying it.
 *
 * first <- beta1 first + (1 - beta1) g; second <- beta2 second + (1 - beta2) |g|^2;
 * direction = -(first correction1) / (sqrt(second correction2) + epsilon), written over `gradient`.
 * The second moment is one number per voxel, of the gradient's length: the step keeps the gradient's direction.
 *
 * \param gradient g, 3 components; overwritten with the direction (a descent direction, voxels).
 * \param first 3 components, \param second 1 component: the state, 0 before the first step.
 * \param norms 2 doubles of device memory: sum and maximum of |direction| (see Norms).
 * Kingma, Ba: Adam, ICLR 2015; Jena et al.: FireANTs, 2024, for its use with compositive updates. Deterministic. */
ITK_ENGINE_DECLARE(void AdamUpdate(const Device &         device,
                                   const AdamParameters & parameters,
                                   const AdamClock &      clock,
                                   const Field &          gradient,
                                   const Field &          first,
                                   const Field &          second,
                                   double *               norms))

/** GaussianSmooth, edges continued, of the gradient into `direction`, with the gradient as workspace, and AdamUpdate of that:
 * the same direction and state, but of `norms` the maximum alone. */
ITK_ENGINE_DECLARE(void SmoothedAdamUpdate(const Device &          device,
                                           const SymmetricKernel (&kernels)[3],
                                           const AdamParameters & parameters,
                                           const AdamClock &      clock,
                                           const Field &          gradient,
                                           const Field &          direction,
                                           const Field &          first,
                                           const Field &          second,
                                           double *               norms))

void
AdamUpdate(const Device &         device,
           const AdamParameters & parameters,
           const AdamClock &      clock,
           const Field &          gradient,
           const Field &          first,
           const Field &          second,
           double *               norms);
void
SmoothedAdamUpdate(const Device &          device,
                   const SymmetricKernel (&kernels)[3],
                   const AdamParameters & parameters,
                   const AdamClock &      clock,
                   const Field &          gradient,
                   const Field &          direction,
                   const Field &          first,
                   const Field &          second,
                   double *               norms);
} // namespace engine
} // namespace itk

#endif
