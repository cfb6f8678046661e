// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMetricInputs_h
#define itkEngineMetricInputs_h

#include "Resample.h"

namespace itk
{
namespace engine
{
/** What an image metric compares at a displacement u: F(x) with M(A x + B u(x)). */
struct MetricInputs
{
  ConstField         fixed;        ///< F; its lattice is the domain. Scalar, but for Lncc
  ConstField         moving;       ///< M, as many components, on its own lattice
  ConstField         displacement; ///< u, 3 components on the domain, voxels; absent: 0
  ResampleParameters sampling;     ///< A, B; Linear
  ConstMask          fixedMask;    ///< optional, on the domain
  ConstMask          movingMask;   ///< optional, on the moving lattice
  /** Leave out the points that map outside the moving image (as ITK does). Implied by either mask. */
  bool ignoreOutside = false;
  /** Optional: grad M at the sampled positions, as Resample writes it. It may be the very gradient that the metric writes
   * to the displacement. The CPU multiplies it instead of sampling again; CUDA, where sampling is cheap, samples. */
  ConstField movingGradient;
  /** Gradients are with respect to a step d from u to d + u o (1 + d), at d = 0, and not to u itself: (1 + du/dx)^T times
   * those, with central differences (Math/Jacobian.h). B must be the linear part of A. */
  bool composedStep = false;

  bool
  HasValidity() const
  {
    return fixedMask.data != nullptr || movingMask.data != nullptr || ignoreOutside;
  }
};

/** Throws unless the metrics can differentiate this sampling. */
void
RequireLinearSampling(const MetricInputs & inputs);

/** The problem of one component, on this domain. */
MetricInputs
ComponentOf(const MetricInputs & inputs, int component, const Lattice & domain);

/** Samples the moving image into `warped`, if wanted its gradient into `gradient`, and, if inputs.HasValidity(), writes to
 * `valid` 1 where the point counts: inside both masks and inside the moving image. */
void
WarpMovingImage(const Device &       device,
                const MetricInputs & inputs,
                const Field &        warped,
                const Mask &         valid,
                const Field &        gradient = Field());

/** valid <- valid and mask, byte by byte, as 0 or 1. */
ITK_ENGINE_DECLARE(void IntersectMasks(const Device & device, const ConstMask & mask, const Mask & valid))
void
IntersectMasks(const Device & device, const ConstMask & mask, const Mask & valid);
} // namespace engine
} // namespace itk

#endif
