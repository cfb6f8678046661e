// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineResampleTangent_h
#define itkEngineResampleTangent_h

#include "Resample.h"

namespace itk
{
namespace engine
{
/** The directions in which ResampleTangent differentiates; at least one is given. */
struct ResampleDirections
{
  ConstField moving;       ///< dI, as `moving`; absent: 0
  ConstField displacement; ///< du, 3 components on the lattice of the output; absent: 0
  ConstField weight;       ///< h, as the output, by which the result is multiplied; absent: 1
};

/** Derivative of linear Resample, output(x) = I(p(x)), p(x) = A x + B u(x), in the direction (dI, du), multiplied by h:
 *
 *   output_c(x) = h_c(x) (dI_c(p(x)) + grad I_c(p(x)) . B du(x)).
 *
 * \param parameters   as given to Resample; Linear. `accumulate`: output += instead of =.
 * \param moving       I, any number of components.
 * \param displacement u, on the lattice of the output; absent: u = 0.
 * \param output       as many components as `moving`; neither I nor dI. It may be h.
 *
 * grad I is exact for the interpolant: 0 along axes where the position is clamped, and both terms are 0 outside for
 * Outside::Value. With h = 1 it is the exact transpose of ResampleGradient. One pass that locates each cell once. Float32,
 * deterministic, no workspace. */
ITK_ENGINE_DECLARE(void ResampleTangent(const Device &             device,
                                        const ResampleParameters & parameters,
                                        const ConstField &         moving,
                                        const ConstField &         displacement,
                                        const ResampleDirections & directions,
                                        const Field &              output))

void
ResampleTangent(const Device &             device,
                const ResampleParameters & parameters,
                const ConstField &         moving,
                const ConstField &         displacement,
                const ResampleDirections & directions,
                const Field &              output);
} // namespace engine
} // namespace itk

#endif
