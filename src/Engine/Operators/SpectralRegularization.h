// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSpectralRegularization_h
#define itkEngineSpectralRegularization_h

#include "../Math/SpectralRegularization.h"
#include "FourierTransform.h"

namespace itk
{
namespace engine
{
/** The operator A of a quadratic regularization, as a function of |k|^2. */
enum class SpectralNorm
{
  L2,         ///< 1
  H1Seminorm, ///< |k|^2
  H2Seminorm, ///< |k|^4
  H3Seminorm, ///< |k|^6
  H1,         ///< |k|^2 + shift
  H2,         ///< (|k|^2 + shift)^2
  H3          ///< (|k|^2 + shift)^3
};

/** The quadratic regularization of a periodic velocity v, 3 components in voxels of its lattice of N voxels:
 *
 *   R(v) = 1/2 mean over voxels of v.(D B D v),   B = weight A(|k|) + divergenceWeight (1 + |k|^2) k k^T
 *
 * for every wave vector k_i = 2 pi m_i / (n_i h_i), m_i the frequency, h = spacing, D = diag(h): h is the size of a voxel in
 * the unit in which |k| counts, and h_i v_i the velocity in that unit. h_i = 2 pi / n_i gives CLAIRE's unit. With the
 * H1 seminorm R(v) is the mean of weight/2 |grad hv|^2 + divergenceWeight/2 (|grad div v|^2 + (div v)^2).
 *
 * At the Nyquist frequency of an axis k_i counts as 0 in k k^T, as in every first derivative, so that real fields stay
 * real and the operator symmetric; in |k|^2 it counts in full, so that these modes are penalised too.
 *
 * B is 0 for the mean of v if A is a seminorm. There the inverse takes weight * zeroMode in the place of A.
 *
 * Sources: J. Modersitzki, Numerical Methods for Image Registration, 2004 (the norms); A. Mang, G. Biros, "Constrained H1-
 * Regularization Schemes for Diffeomorphic Image Registration", SIAM J. Imaging Sciences 9(3), 2016 (penalty of div). */
struct SpectralRegularizationParameters
{
  SpectralNorm norm = SpectralNorm::H1Seminorm;
  double       weight = 1.0;
  double       divergenceWeight = 0.0;
  double       shift = 1e-4;
  double       zeroMode = 1.0;
  double       spacing[3] = { 1.0, 1.0, 1.0 };
};

// On spectra of 3 components, for solvers that stay in Fourier space. All are: output = scale * operator(input), or, with
// `accumulate`, output += that. The output may be the input. `energy`, if wanted, is one double in device memory: 1/2 of
// the mean over voxels of f.g, f the field of the input and g that of operator(input) without scale. Spectra are as
// FourierTransform::Forward gives them; scale = 1 / N where an Inverse follows.
// Deterministic: float32, energies in float64 in an order that depends on the size alone. No workspace. Error for a weight,
// shift, zeroMode or spacing that is not positive and finite, for a negative divergenceWeight, and for spectra that do not fit.

/** D B D; the energy is R. */
void
ApplyRegularization(const Device &                           device,
                    const SpectralRegularizationParameters & parameters,
                    const ConstSpectrum &                    input,
                    const Spectrum &                         output,
                    double *                                 energy = nullptr,
                    float                                    scale = 1.0f,
                    bool                                     accumulate = false);

/** Its inverse, by the closed form of every 3x3 block: with a = weight A and c = divergenceWeight (1 + |k|^2),
 * (a + c k k^T)^-1 = (1 - c k k^T / (a + c |k|^2)) / a. */
void
SolveRegularization(const Device &                           device,
                    const SpectralRegularizationParameters & parameters,
                    const ConstSpectrum &                    input,
                    const Spectrum &                         output,
                    double *                                 energy = nullptr,
                    float                                    scale = 1.0f,
                    bool                                     accumulate = false);

/** Leray's projection on velocities without divergence, P = 1 - k k^T / |k|^2 in the unit of `spacing`: of a Velocity
 * D^-1 P D, of a Gradient its transpose D P D^-1. Waves without k (the mean, pure Nyquist modes) stay. Only the spacing is
 * taken from the parameters. */
void
ProjectToIncompressible(const Device &                           device,
                        const SpectralRegularizationParameters & parameters,
                        Quantity                                 quantity,
                        const ConstSpectrum &                    input,
                        const Spectrum &                         output,
                        float                                    scale = 1.0f);

/** result[0] = mean over voxels of the sum over components of f g, for the fields of two spectra. Deterministic, float64. */
void
SpectralProduct(const Device & device, const ConstSpectrum & a, const ConstSpectrum & b, double * result);

// The same on real fields of 3 components: one forward transform of each component, one pass over the spectrum, one
// inverse transform of each. The output may be the input. `workspace`: RegularizationWorkspace floats of device memory,
// the spectrum and the transform's own: about 16 bytes per voxel.

void
ApplyRegularization(const FourierTransform &                 transform,
                    const SpectralRegularizationParameters & parameters,
                    const ConstField &                       input,
                    const Field &                            output,
                    double *                                 energy,
                    float *                                  workspace);
/** \overload */
void
SolveRegularization(const FourierTransform &                 transform,
                    const SpectralRegularizationParameters & parameters,
                    const ConstField &                       input,
                    const Field &                            output,
                    double *                                 energy,
                    float *                                  workspace);
/** \overload */
void
ProjectToIncompressible(const FourierTransform &                 transform,
                        const SpectralRegularizationParameters & parameters,
                        Quantity                                 quantity,
                        const ConstField &                       input,
                        const Field &                            output,
                        float *                                  workspace);

std::int64_t
RegularizationWorkspace(const FourierTransform & transform);

ITK_ENGINE_DECLARE(void MultiplyByBlocks(const Device &        device,
                                         SpectralAction        action,
                                         int                   power,
                                         const SpectralBlock & block,
                                         const ConstSpectrum & input,
                                         const Spectrum &      output,
                                         double *              energy,
                                         bool                  accumulate))
ITK_ENGINE_DECLARE(
  void SpectralProduct(const Device & device, const ConstSpectrum & a, const ConstSpectrum & b, double * result))
} // namespace engine
} // namespace itk

#endif
