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

/** Gradients of a loss L through Compose, output(x) = s v(x) + u(A x + s v(x)), from g = dL/doutput on its lattice:
 *
 *   q(x) = (grad u)^T g(x) at A x + s v(x),
 *   dL/du = Splat(g),  dL/dv = s (g + q)  (s q without addInner),  dL/dA = sum q(x) x^T,  dL/db = sum q(x).
 *
 * \param parameters as given to Compose. `outerScale` must be 1 and `innerMaximum` null: a scale that is computed from v has a derivative
 *                   of its own, which is not local.
 * \param inner      v; absent: v = 0, then the gradient to it is that at 0.
 * \param accumulate every result is added to what is there.
 * \param workspace  ComposeGradientWorkspace(device, outer lattice, gradients) floats; null if that is 0.
 * Derivatives at borders, precision and determinism as in ResampleGradient. `gradients.inner` may be `slope`. */
void
ComposeGradient(const Device &            device,
                const ComposeParameters & parameters,
                const ConstField &        outer,
                const ConstField &        inner,
                const ConstField &        slope,
                const ComposeGradients &  gradients,
                bool                      accumulate,
                float *                   workspace);

std::int64_t
ComposeGradientWorkspace(const Device & device, const Lattice & outerLattice, const ComposeGradients & gradients);
} // namespace engine
} // namespace itk

#endif
