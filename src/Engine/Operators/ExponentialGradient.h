// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineExponentialGradient_h
#define itkEngineExponentialGradient_h

#include "ComposeGradient.h"
#include "Exponential.h"

namespace itk
{
namespace engine
{
/** Gradient of a loss L through Exponential, exact for the discrete chain u_0 = scale v / 2^n,
 * u_{i+1} = u_i + u_i o (1 + u_i): with g_n = dL/du_n,
 *
 *   g_i = g_{i+1} + (grad u_i)^T g_{i+1} at x + u_i(x) + Splat(g_{i+1}),  dL/dv = scale / 2^n g_0.
 *
 * \param parameters as given to Exponential, but `squarings` must be the number that it returned (not negative).
 * \param velocity   v.
 * \param slope      g_n = dL/doutput, 3 components on the same lattice.
 * \param gradient   dL/dv; not `slope`.
 * \param workspace  ExponentialGradientWorkspace(device, lattice, n) floats: the n fields u_0 .. u_{n-1}, which are
 *                   computed again, and the workspace of Splat.
 * n - 1 compositions and n times ComposeGradient. Deterministic.
 * Arsigny et al.: A log-Euclidean framework for statistics on diffeomorphisms, MICCAI 2006 (the chain); its adjoint is
 * the chain rule. */
void
ExponentialGradient(const Device &                device,
                    const ExponentialParameters & parameters,
                    const ConstField &            velocity,
                    const ConstField &            slope,
                    const Field &                 gradient,
                    float *                       workspace);

std::int64_t
ExponentialGradientWorkspace(const Device & device, const Lattice & lattice, int squarings);
} // namespace engine
} // namespace itk

#endif
