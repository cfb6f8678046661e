// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineLncc_h
#define itkEngineLncc_h

#include "../Core/StoredField.h"

#include "GaussianSmooth.h"
#include "MetricInputs.h"

namespace itk
{
namespace engine
{
enum class LnccWeights
{
  Box,     ///< all voxels of 2 radius + 1 per axis
  Gaussian ///< exp(-k^2 / (2 sigma^2)) per axis, k up to ceil(3 sigma)
};

/** What a window holds where it leaves the image. */
enum class LnccBoundary
{
  Truncated,  ///< nothing: moments are taken over the voxels that are there, as ITK does
  ZeroPadding ///< zeros in both images, which count in the moments, as FFDP, MONAI and fused_lncc do
};

struct LnccParameters
{
  LnccWeights  weights = LnccWeights::Box;
  LnccBoundary boundary = LnccBoundary::Truncated;
  int          radius[3] = { 3, 3, 3 };         ///< Box: voxels, >= 0; it may exceed the image
  float        sigma[3] = { 1.5f, 1.5f, 1.5f }; ///< Gaussian: voxels, 0 .. 85
  /** Added to the product of the two variances, in (intensity^2)^2: windows flatter than that count as uncorrelated.
   * Must be positive. 1e-7 suits images scaled to [0, 1]. */
  float varianceFloor = 1e-7f;
  /** Subtracted from the intensities before products are taken; any value near the mean keeps all digits of images
   * with a large offset. The result does not depend on it otherwise: padding keeps the value 0 of the definition. */
  float fixedShift = 0.0f;
  float movingShift = 0.0f;
};

/** The derivatives wanted of Lncc. Each is optional. With a chain it has 3 components and holds the derivative to the
 * displacement of that image, otherwise as many as the images. */
struct LnccGradients
{
  Field                moving;
  Field                fixed;
  const MetricInputs * movingChain = nullptr; ///< its moving image, displacement and sampling made the warped image
  const MetricInputs * fixedChain = nullptr;  ///< its moving image, displacement and sampling made the fixed image

  LnccGradients() = default;
  LnccGradients(const Field & toMoving, const Field & toFixed = Field())
    : moving(toMoving)
    , fixed(toFixed)
  {}
};

/** Local normalised cross correlation over windows, and its exact gradients.
 *
 * cc(x) = cov(F, M)^2 / (var F var M + varianceFloor), weighted moments over the window around x: with truncated windows
 * over those of its voxels that lie inside the image and are valid, normalised by their weight; with zero padding over
 * the whole window, voxels outside the image and voxels that are not valid being 0 in both images. An axis of one voxel
 * has no window. 0 <= cc <= 1. The loss is -(1 / N) sum of cc over the N valid x, averaged over the C components.
 *
 * \param fixed, warped C components each, on one lattice, stored alike. The shifts are the same for all components.
 *                  Images of bfloat16 and float16 give what the same numbers in float32 give, but for rounding; all else
 *                  is float32.
 * \param valid     optional: 0 excludes a voxel as centre, from all windows, and from the gradients.
 * \param energy    2 doubles of device memory: mean over the components of the sum of cc over valid x, and N.
 * \param gradients moving, C components: d(-sum cc / C)/dM(y), that is N times the gradient of the loss, with the
 *                  contribution of every window that holds y; fixed: the same to F(y). With a chain, 3 components:
 *                  d(-sum cc / C)/du(y) by the chain rule through I(A y + B u(y)), in 1/voxel, sampled from the chain's
 *                  moving image in the same pass.
 * \param workspace LnccWorkspace(device, parameters, ...) floats, none for some cases on the CPU; fewer, with
 *                  toDisplacement, for a call whose gradients all have a chain; two planes more for images of 16
 *                  bits, except on a GPU for box windows as wide along x as along y, of radius 1 to 4 there. It must not
 *                  overlap a gradient, and the gradients must not overlap each other.
 * Components are worked on together until they fill a GPU. A batch is more components, or where masks differ a loop over calls.
 * float32 arithmetic on shifted intensities, float64 energies, deterministic.
 * Sources: Avants, Epstein, Grossman, Gee: Symmetric diffeomorphic image registration with cross-correlation, Medical
 * Image Analysis 12 (2008), with the window adjoint kept (ITK's metric drops it); zero padding and Gaussian windows as
 * Jena, Chaudhari, Gee: FireANTs: Adaptive Riemannian optimization for multi-scale diffeomorphic matching (2024) has
 * them in its fused operators. */
ITK_ENGINE_DECLARE(void Lncc(const Device &         device,
                             const LnccParameters & parameters,
                             const StoredField &    fixed,
                             const StoredField &    warped,
                             const ConstMask &      valid,
                             double *               energy,
                             const LnccGradients &  gradients,
                             float *                workspace))
ITK_ENGINE_DECLARE(std::int64_t LnccWorkspace(const LnccParameters & parameters,
                                              const Lattice &        lattice,
                                              int                    components,
                                              bool                   bothGradients,
                                              bool                   toDisplacement,
                                              Storage                storage))

void
Lncc(const Device &         device,
     const LnccParameters & parameters,
     const StoredField &    fixed,
     const StoredField &    warped,
     const ConstMask &      valid,
     double *               energy,
     const LnccGradients &  gradients,
     float *                workspace);
std::int64_t
LnccWorkspace(const Device &         device,
              const LnccParameters & parameters,
              const Lattice &        lattice,
              int                    components = 1,
              bool                   bothGradients = false,
              bool                   toDisplacement = false,
              Storage                storage = Storage::Float32);

/** The same from the fixed image, the moving image and the displacement in one call: warps, evaluates, and writes
 * d(-sum cc / C)/du. `gradient` has 3 components, or is absent for the value alone.
 * \param workspace LnccToDisplacementWorkspace(device, parameters, inputs) floats. */
void
LnccToDisplacement(const Device &         device,
                   const LnccParameters & parameters,
                   const MetricInputs &   inputs,
                   double *               energy,
                   const Field &          gradient,
                   float *                workspace);
std::int64_t
LnccToDisplacementWorkspace(const Device & device, const LnccParameters & parameters, const MetricInputs & inputs);

/** The window's weights along each axis of this lattice, normalised to a sum of 1. For Gaussian windows. */
void
MakeLnccKernels(const LnccParameters & parameters, const Lattice & lattice, SymmetricKernel (&kernels)[3]);
} // namespace engine
} // namespace itk

#endif
