// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineLncc_h
#define itkEngineLncc_h

#include "MetricInputs.h"

namespace itk
{
namespace engine
{
struct LnccParameters
{
  int radius[3] = { 3, 3, 3 }; ///< window of 2 radius + 1 voxels per axis, radius >= 0; it may exceed the image
  /** Added to the product of the two variances, in (intensity^2)^2: windows flatter than that count as uncorrelated.
   * Must be positive. 1e-7 suits images scaled to [0, 1]. */
  float varianceFloor = 1e-7f;
  /** Subtracted from the intensities before products are taken; any value near the mean keeps all digits of images
   * with a large offset. The result does not depend on it otherwise. */
  float fixedShift = 0.0f;
  float movingShift = 0.0f;
};

/** Local normalised cross correlation over box windows, and its exact gradient.
 *
 * cc(x) = cov(F, M)^2 / (var F var M + varianceFloor), moments over the voxels of the window around x that lie inside
 * the image and are valid (ITK's truncated windows); 0 <= cc <= 1. The loss is -(1 / N) sum of cc over the N valid x.
 *
 * \param valid    optional: 0 excludes a voxel as centre, from all windows, and from the gradient.
 * \param energy   2 doubles of device memory: sum of cc over valid x, and N.
 * \param gradient optional. Scalar: d(-sum cc)/dM(y), that is N times the gradient of the loss, with the contribution
 *                 of every window that holds y. With 3 components and `chain`: d(-sum cc)/du(y) by the chain rule
 *                 through M(A y + B u(y)), in 1/voxel, sampled from chain->moving in the same pass.
 * \param workspace LnccWorkspace(lattice) floats.
 * float32 arithmetic on shifted intensities, float64 energies, deterministic.
 * Source: Avants, Epstein, Grossman, Gee: Symmetric diffeomorphic image registration with cross-correlation,
 * Medical Image Analysis 12 (2008), with the window adjoint kept (ITK's metric drops it). */
ITK_ENGINE_DECLARE(void Lncc(const Device &         device,
                             const LnccParameters & parameters,
                             const ConstField &     fixed,
                             const ConstField &     warped,
                             const ConstMask &      valid,
                             double *               energy,
                             const Field &          gradient,
                             const MetricInputs *   chain,
                             float *                workspace))
ITK_ENGINE_DECLARE(std::int64_t LnccWorkspace(const Lattice & lattice))

void
Lncc(const Device &         device,
     const LnccParameters & parameters,
     const ConstField &     fixed,
     const ConstField &     warped,
     const ConstMask &      valid,
     double *               energy,
     const Field &          gradient,
     float *                workspace);
std::int64_t
LnccWorkspace(const Device & device, const Lattice & lattice);

/** The same from the fixed image, the moving image and the displacement in one call: warps, evaluates, and writes
 * d(-sum cc)/du. `gradient` has 3 components, or is absent for the value alone.
 * \param workspace LnccToDisplacementWorkspace(device, inputs) floats. */
void
LnccToDisplacement(const Device &         device,
                   const LnccParameters & parameters,
                   const MetricInputs &   inputs,
                   double *               energy,
                   const Field &          gradient,
                   float *                workspace);
std::int64_t
LnccToDisplacementWorkspace(const Device & device, const MetricInputs & inputs);
} // namespace engine
} // namespace itk

#endif
