// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineComposeGradient_h
#define itkEngineComposeGradient_h

#include "Compose.h"
#include "ResampleGradient.h"

namespace itk
{
namespace engine
{
/** Where ComposeGradient writes; whatever is absent is not computed. */
struct ComposeGradients
{
  Field    outer;            ///< dL/du, on the lattice of u
  Field    inner;            ///< dL/dv, on the output lattice
  double * affine = nullptr; ///< device memory, 12: dL/d[A | b], row by row
};

/** Gradients of a loss L through Compose, output(x) = a s v(x) + b u(A x + s v(x)), from g = dL/doutput on its lattice:
 *
 *   q(x) = b (grad u)^T g(x) at A x + s v(x),
 *   dL/du = b Splat(g),  dL/dv = s (a g + q),  dL/dA = sum q(x) x^T,  dL/d(shift of A) = sum q(x).
 *
 * \param parameters as given to Compose. Without largest norms (`innerMaximum`, `outerScale.largest`): a scale that is
 *                   computed from a field has a derivative of its own, which is not local.
 * \param inner      v; absent: v = 0, then the gradient to it is that at 0.
 * \param accumulate every result is added to what is there.
 * \param workspace  ComposeGradientWorkspace(device, outer lattice, gradients) floats; null if that is 0, or with a plan.
 * \param plan       optional: what PlanComposeGradient wrote for the same parameters and the same values of v. dL/du is
 *                   then computed by VectorSplat.h, in the precision that it promises.
 * Derivatives at borders, precision and determinism as in ResampleGradient. `gradients.inner` may be `slope`. If
 * `gradients.outer` and `gradients.inner` are one field, not `slope`, it receives their sum: that is for u = v. */
void
ComposeGradient(const Device &            device,
                const ComposeParameters & parameters,
                const ConstField &        outer,
                const ConstField &        inner,
                const ConstField &        slope,
                const ComposeGradients &  gradients,
                bool                      accumulate,
                float *                   workspace,
                float *                   plan = nullptr);

std::int64_t
ComposeGradientWorkspace(const Device & device, const Lattice & outerLattice, const ComposeGradients & gradients);

/** For several calls of ComposeGradient at the same positions. \param plan ComposeGradientPlan(device, lattice of v) floats,
 * aligned to 8 bytes; null if that is 0, as on the CPU, where nothing is planned. */
void
PlanComposeGradient(const Device &            device,
                    const ComposeParameters & parameters,
                    const Lattice &           outerLattice,
                    const ConstField &        inner,
                    float *                   plan);

std::int64_t
ComposeGradientPlan(const Device & device, const Lattice & innerLattice);
} // namespace engine
} // namespace itk

#endif
