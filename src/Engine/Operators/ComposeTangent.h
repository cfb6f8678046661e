// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineComposeTangent_h
#define itkEngineComposeTangent_h

#include "Compose.h"

namespace itk
{
namespace engine
{
/** A symmetric positive matrix H(x) of 3x3 at each voxel, by which a tangent is multiplied: the middle of a Gauss-Newton
 * product. At most one of `vectors` and `symmetric` is given; with neither, H = 1 and there is no weight. */
struct TangentProduct
{
  ConstField vectors;   ///< g_1 .. g_n one after another, 3 n components: H = weight sum over k of g_k g_k^T
  ConstField symmetric; ///< G, components xx, xy, xz, yy, yz, zz: H = weight G
  ConstField weight;    ///< 1 component; absent: 1
};

/** Derivative of Compose, w(x) = a s v(x) + b u(A x + s v(x)), in the direction (du, dv), multiplied by H:
 *
 *   dw(x) = a s dv(x) + b (du(p) + Du(p) s dv(x)),  p = A x + s v(x),  output = H dw.
 *
 * \param parameters   as given to Compose, without largest norms, as for ComposeGradient.
 * \param outer        u.
 * \param inner        v; absent: v = 0.
 * \param outerTangent du, on the lattice of u; absent: 0.
 * \param innerTangent dv, on the output lattice; absent: 0. One of the two is needed.
 * \param product      H, on the output lattice.
 * \param output       H dw. Neither `outer` nor `outerTangent`; it may be `inner`, `innerTangent` or one of H's fields.
 *
 * Du is exact for the interpolant: 0 along axes where the position is clamped, and 0 outside for Outside::Value. With
 * H = 1 it is the exact transpose of ComposeGradient. u may be v and du may be dv. Float32, deterministic, no workspace. */
ITK_ENGINE_DECLARE(void ComposeTangent(const Device &            device,
                                       const ComposeParameters & parameters,
                                       const ConstField &        outer,
                                       const ConstField &        inner,
                                       const ConstField &        outerTangent,
                                       const ConstField &        innerTangent,
                                       const TangentProduct &    product,
                                       const Field &             output))

void
ComposeTangent(const Device &            device,
               const ComposeParameters & parameters,
               const ConstField &        outer,
               const ConstField &        inner,
               const ConstField &        outerTangent,
               const ConstField &        innerTangent,
               const Field &             output,
               const TangentProduct &    product = TangentProduct());
} // namespace engine
} // namespace itk

#endif
