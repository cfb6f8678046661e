// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineResampleLabels_h
#define itkEngineResampleLabels_h

#include "Resample.h"

#include <cstdint>

namespace itk
{
namespace engine
{
/** Labels are 32-bit integers: atlases number their regions beyond 2^24, where float32 would merge neighbours. */
using Labels = FieldView<std::int32_t>;
using ConstLabels = FieldView<const std::int32_t>;

/** Samples a label image of any number of labels: the label with the largest linear weight at p = A x + B u(x), that is,
 * the arg-max over the labels of the linear interpolation of their indicator images, in one pass and without those.
 *
 * \param parameters   A, B and the outside rule as for Resample (half-voxel rim, nearest edge); `interpolation`
 *                     and `outsideValue` are not looked at, `accumulate` must be false.
 * \param moving       scalar, on its own lattice.
 * \param displacement u, 3 components on the output lattice, in its voxels; absent: u = 0.
 * \param outsideLabel where p is outside, for Outside::Value.
 * \param output       scalar.
 * \param weight       optional, scalar on the output lattice: the weight that won, in (0, 1]; 0 outside.
 *
 * The eight corners' weights are summed per label in float32, in the order x, y, z of the corners; equal sums go to the
 * smaller label. Deterministic. No workspace. A batch is a loop over calls. `output` must not alias `moving`. */
ITK_ENGINE_DECLARE(void ResampleLabels(const Device &             device,
                                       const ResampleParameters & parameters,
                                       const ConstLabels &        moving,
                                       const ConstField &         displacement,
                                       std::int32_t               outsideLabel,
                                       const Labels &             output,
                                       const Field &              weight))

void
ResampleLabels(const Device &             device,
               const ResampleParameters & parameters,
               const ConstLabels &        moving,
               const ConstField &         displacement,
               std::int32_t               outsideLabel,
               const Labels &             output,
               const Field &              weight = Field());
} // namespace engine
} // namespace itk

#endif
