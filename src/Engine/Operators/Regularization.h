// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineRegularization_h
#define itkEngineRegularization_h

#include "../Core/Dispatch.h"

namespace itk
{
namespace engine
{
struct RegularizationParameters
{
  float diffusion = 0.0f; ///< weight of the field's own roughness, >= 0
  float volume = 0.0f;    ///< weight of the change of volume by its map, >= 0
  /** The gradient is with respect to a step d from u to d + u o (1 + d), see MetricInputs::composedStep. */
  bool composedStep = false;

  explicit operator bool() const { return diffusion != 0.0f || volume != 0.0f; }
};

/** Penalties of a displacement field and of the map x + u(x), in index space:
 *
 * R = diffusion / 2 sum over x and axes of |u(x + e) - u(x)|^2 + volume / 2 sum over x of (log det(1 + du/dx))^2.
 *
 * Differences to neighbours outside the grid are left out of the first term; the second takes the determinant of
 * JacobianDeterminant, at least 0.01, below which it has no slope.
 * \param displacement u, 3 components, voxels.
 * \param energy       1 double of device memory: R.
 * \param gradient     3 components: dR/du, or with respect to a composed step, is added.
 * float32 terms, float64 sum, deterministic.
 * The first term is the diffusion regulariser of Fischer, Modersitzki: Fast diffusion registration, Contemporary Mathematics
 * 313 (2002); the second is even in log det, so that growth by a factor costs as much as shrinkage by it. */
ITK_ENGINE_DECLARE(void AddRegularization(const Device &                   device,
                                          const RegularizationParameters & parameters,
                                          const ConstField &               displacement,
                                          double *                         energy,
                                          const Field &                    gradient))

void
AddRegularization(const Device &                   device,
                  const RegularizationParameters & parameters,
                  const ConstField &               displacement,
                  double *                         energy,
                  const Field &                    gradient);
} // namespace engine
} // namespace itk

#endif
