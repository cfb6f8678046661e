// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMutualInformation_h
#define itkEngineMutualInformation_h

#include "../Math/MutualInformation.h"
#include "MetricInputs.h"

namespace itk
{
namespace engine
{
/** One axis of the joint histogram. */
struct ParzenParameters
{
  ParzenWindow window = ParzenWindow::CubicBSpline;
  float        sigma = 1.0f;   ///< of the Gaussian window, in bins, 0.25 to 4
  float        minimum = 0.0f; ///< intensities from here ...
  float        maximum = 1.0f; ///< ... to here span all bins but two at either end; those beyond clamp
};

/** The default is Mattes' and ITK's: bins in the fixed image, cubic B-splines in the moving image. */
struct MutualInformationParameters
{
  int              numberOfBins = 32; ///< of either image, 8 to 256
  ParzenParameters fixed = { ParzenWindow::ZeroOrder };
  ParzenParameters moving = { ParzenWindow::CubicBSpline };
  bool             normalized = false; ///< (H(F) + H(M)) / H(F, M) instead of H(F) + H(M) - H(F, M)
};

/** Throws an Error that names the parameter unless these can be evaluated, with the gradients that are not absent. */
void
RequireMutualInformationParameters(const MutualInformationParameters & parameters,
                                   const Field &                       gradient,
                                   const Field &                       fixedGradient);

/** Mutual information of two images by Parzen windows, and its exact gradient.
 *
 * p(f, m) = (1 / N) sum over the valid x of w_F(f; F(x)) w_M(m; M(x)); H the entropies of p and of its marginals, natural
 * logarithm. I = H(F) + H(M) - H(F, M), or with `normalized` (H(F) + H(M)) / H(F, M); the loss is -I. The windows are those
 * of Math/MutualInformation.h, at t = 2 + (K - 4) (intensity - minimum) / (maximum - minimum), K bins. Intensities beyond
 * the range count at its nearest end and have no gradient; NaN likewise at the minimum. A range without width puts all
 * voxels into one place: no information, no gradient.
 *
 * \param fixed, warped C components: I is the mean over the components, each with a histogram of its own.
 * \param valid    optional: 0 excludes a voxel from the histogram and from the gradient.
 * \param energy   2 doubles of device memory: N I, and the number N of valid voxels.
 * \param gradient optional, C components: N d(-I)/dM(y), that is N times the gradient of the loss. With 3 components
 *                 and `chain` (C = 1): N d(-I)/du(y) by the chain rule through M(A y + B u(y)), in 1/voxel, sampled from
 *                 chain->moving in the same pass. 0 where not valid. The moving window must not be ZeroOrder.
 * \param fixedGradient optional, C components: N d(-I)/dF(y). The fixed window must not be ZeroOrder.
 * \param workspace MutualInformationWorkspace floats.
 * Deterministic. CPU: histogram in float64, added in an order that depends on the size alone. CUDA: in fixed point (see
 * there). Logarithms and energies in float64, gradients in float32.
 * Sources: Mattes, Haynor, Vesselle, Lewellen, Eubank: PET-CT image registration in the chest using free-form deformations,
 * IEEE Transactions on Medical Imaging 22 (2003), as in itk::MattesMutualInformationImageToImageMetricv4; Thevenaz,
 * Unser: Optimization of mutual information for multiresolution image registration, IEEE Transactions on Image Processing
 * 9 (2000); Studholme, Hill, Hawkes: An overlap invariant entropy measure of 3D medical image alignment, Pattern
 * Recognition 32 (1999). */
ITK_ENGINE_DECLARE(void MutualInformation(const Device &                      device,
                                          const MutualInformationParameters & parameters,
                                          const ConstField &                  fixed,
                                          const ConstField &                  warped,
                                          const ConstMask &                   valid,
                                          double *                            energy,
                                          const Field &                       gradient,
                                          const Field &                       fixedGradient,
                                          const MetricInputs *                chain,
                                          float *                             workspace))
ITK_ENGINE_DECLARE(std::int64_t MutualInformationWorkspace(const MutualInformationParameters & parameters,
                                                           const Lattice &                     lattice,
                                                           int                                 components))

void
MutualInformation(const Device &                      device,
                  const MutualInformationParameters & parameters,
                  const ConstField &                  fixed,
                  const ConstField &                  warped,
                  const ConstMask &                   valid,
                  double *                            energy,
                  const Field &                       gradient,
                  const Field &                       fixedGradient,
                  float *                             workspace);
std::int64_t
MutualInformationWorkspace(const Device &                      device,
                           const MutualInformationParameters & parameters,
                           const Lattice &                     lattice,
                           int                                 components = 1);

/** The same from the images and the displacement in one call: warps, evaluates, and writes N d(-I)/du. `gradient` has 3
 * components, or is absent for the value alone. Workspace: MutualInformationToDisplacementWorkspace floats. */
void
MutualInformationToDisplacement(const Device &                      device,
                                const MutualInformationParameters & parameters,
                                const MetricInputs &                inputs,
                                double *                            energy,
                                const Field &                       gradient,
                                float *                             workspace);
std::int64_t
MutualInformationToDisplacementWorkspace(const Device &                      device,
                                         const MutualInformationParameters & parameters,
                                         const MetricInputs &                inputs);
} // namespace engine
} // namespace itk

#endif
