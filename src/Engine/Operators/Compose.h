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
  float     innerScale = 1.0f;       ///< s; v is multiplied by this
  float     innerWeight = 1.0f;      ///< a; 0: u at the positions alone
  /** Optional, in device memory: v is multiplied by innerScale / max(1, *innerMaximum) instead, so that a step of
   * largest norm *innerMaximum never moves a point by more than innerScale, without the host knowing the norm. */
  const double * innerMaximum = nullptr;
  StepScale      outerScale; ///< b; u is multiplied by this
};

/** Composition of displacement fields: output(x) = a s v(x) + b u(A x + s v(x)), with the scales and the weight above; with
 * those of 1 it is the displacement of (1 + u) after (1 + v).
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
