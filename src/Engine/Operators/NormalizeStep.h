// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineNormalizeStep_h
#define itkEngineNormalizeStep_h

#include "../Core/Dispatch.h"
#include "../Math/Affine.h"

namespace itk
{
namespace engine
{
struct NormalizeStepParameters
{
  float   scale = 1.0f;
  bool    limitOnly = false; ///< true: a step that is not too long keeps its length
  Matrix3 matrix;            ///< applied to the vectors besides
};

/** step <- (scale / n) matrix step, with n = *largest, or max(1, *largest) with limitOnly. A step of largest norm 0 is
 * multiplied by scale alone.
 *
 * \param largest in device memory, as Norms writes it: no voxel moves by more than `scale`, without the host knowing the
 *                norm. The norm is that of the vectors before the matrix. Absent: n = 1.
 * \param step    3 components, in place. Deterministic. */
ITK_ENGINE_DECLARE(void NormalizeStep(const Device &                  device,
                                      const NormalizeStepParameters & parameters,
                                      const double *                  largest,
                                      const Field &                   step))

void
NormalizeStep(const Device &                  device,
              const NormalizeStepParameters & parameters,
              const double *                  largest,
              const Field &                   step);
} // namespace engine
} // namespace itk

#endif
