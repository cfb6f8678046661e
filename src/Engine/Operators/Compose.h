// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCompose_h
#define itkEngineCompose_h

#include "../Math/LimitedScale.h"
#include "Resample.h"

namespace itk
{
namespace engine
{
struct ComposeParameters
{
  AffineMap affine;                  ///< applied to the grid point before the inner displacement
  Outside   outside = Outside::Value; ///< Value: u = 0 outside its buffer (ITK's rule); Clamp: u of the nearest edge
  bool      addInner = true;         ///< true: the displacement of (1 + u) after (1 + v); false: u(A x + v(x)) alone
  float     innerScale = 1.0f;       ///< v is multiplied by this
  /** Optional, in device memory: v is multiplied by innerScale / max(1, *innerMaximum) instead, so that a step of
   * largest norm *innerMaximum never moves a point by more than innerScale, without the host knowing the norm. */
  const double * innerMaximum = nullptr;
  StepScale      outerScale; ///< u is multiplied by this
};

/** Composition of displacement fields: output(x) = s v(x) + t u(A x + s v(x)), with s and t the scales above.
 *
 * \param outer  u, 3 components on its own lattice, in voxels of that lattice; linear interpolation, see Outside.
 * \param inner  v, 3 components on the output lattice, in voxels; absent: v = 0.
 * With A = 1 and both on one lattice this is ITK's ComposeDisplacementFieldsImageFilter (d = u, w = v).
 * The two lattices need not be alike; a batch is a loop over calls, which may share either field.
 * `output` may not alias `outer`; it may be `inner` itself. Deterministic. No workspace. */
ITK_ENGINE_DECLARE(void Compose(const Device &            device,
                                const ComposeParameters & parameters,
                                const ConstField &        outer,
                                const ConstField &        inner,
                                const Field &             output))

void
Compose(const Device &            device,
        const ComposeParameters & parameters,
        const ConstField &        outer,
        const ConstField &        inner,
        const Field &             output);

/** output(x) = v(x) + u(x + toIndex v(x)): the same with all vectors in a unit that toIndex turns into voxels, A = 1. */
void
ComposeInUnit(const Device &     device,
              const Matrix3 &    toIndex,
              Outside            outside,
              const ConstField & outer,
              const ConstField & inner,
              const Field &      output);
} // namespace engine
} // namespace itk

#endif
