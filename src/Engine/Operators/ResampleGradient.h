// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineResampleGradient_h
#define itkEngineResampleGradient_h

#include "Splat.h"

namespace itk
{
namespace engine
{
/** Where ResampleGradient writes; whatever is absent is not computed. */
struct ResampleGradients
{
  Field    displacement;     ///< dL/du, 3 components on the grid of u
  Field    moving;           ///< dL/dI, as `moving`
  double * affine = nullptr; ///< device memory, 12: dL/d[A | b], row by row
  double * matrix = nullptr; ///< device memory, 9: dL/dB, row by row
};

/** Gradients of a loss L through linear Resample, output(x) = I(p(x)), p(x) = A x + B u(x), from g = dL/doutput:
 *
 *   q(x) = sum over the components c of g_c(x) grad I_c(p(x)),
 *   dL/du(x) = B^T q(x),  dL/dA = sum q(x) x^T,  dL/db = sum q(x),  dL/dB = sum q(x) u(x)^T,  dL/dI = Splat(g).
 *
 * \param parameters   as given to Resample; Linear. `accumulate`: every result is added to what is there.
 * \param moving       I, any number of components.
 * \param displacement u, on the grid of `slope`; absent: u = 0.
 * \param slope        g, as many components as `moving`.
 * \param workspace    ResampleGradientWorkspace(device, moving lattice, gradients) floats; null if that is 0, or with a plan.
 * \param plan         optional: what PlanResampleGradient wrote for the same sampling and the same values of u. dL/dI is
 *                     then computed by VectorSplat.h: several times as fast on CUDA, in the precision that it promises.
 *
 * grad I is exact for the interpolant: 0 along axes where the position is clamped, and 0 outside for Outside::Value
 * (the jump to outsideValue at the border has no derivative). x and u are in voxels of the output grid. Everything but
 * dL/dI is computed in one pass that samples each component once; q in float32, the 21 sums in float64 in an order that
 * depends on the size alone. Deterministic. `gradients.displacement` may be `slope` if both have 3 components. */
void
ResampleGradient(const Device &             device,
                 const ResampleParameters & parameters,
                 const ConstField &         moving,
                 const ConstField &         displacement,
                 const ConstField &         slope,
                 const ResampleGradients &  gradients,
                 float *                    workspace,
                 float *                    plan = nullptr);

/** That of Splat if gradients.moving is wanted, else 0. */
std::int64_t
ResampleGradientWorkspace(const Device & device, const Lattice & movingLattice, const ResampleGradients & gradients);

/** For several calls of ResampleGradient at the same positions. \param plan ResampleGradientPlan(device, lattice of u) floats,
 * aligned to 8 bytes; null if that is 0, as on the CPU, where nothing is planned. */
void
PlanResampleGradient(const Device &             device,
                     const ResampleParameters & parameters,
                     const Lattice &            movingLattice,
                     const ConstField &         displacement,
                     float *                    plan);

std::int64_t
ResampleGradientPlan(const Device & device, const Lattice & displacementLattice);

/** The one-pass part: all but dL/dI. q is multiplied by `scale`, and `direct` times the slope is added to dL/du
 * (3 components), for Compose. */
ITK_ENGINE_DECLARE(void PositionGradient(const Device &             device,
                                         const ResampleParameters & parameters,
                                         const ConstField &         moving,
                                         const ConstField &         displacement,
                                         const ConstField &         slope,
                                         float                      scale,
                                         float                      direct,
                                         const ResampleGradients &  gradients))
} // namespace engine
} // namespace itk

#endif
