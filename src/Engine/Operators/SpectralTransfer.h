// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSpectralTransfer_h
#define itkEngineSpectralTransfer_h

#include "../Math/SpectralTransfer.h"
#include "FourierTransform.h"

namespace itk
{
namespace engine
{
/** Between a lattice of n voxels and a coarser one of c <= n voxels per axis that covers the same period: coarse point j is
 * at fine index j n / c + shift, along each axis. shift = (n / c - 1) / 2 is a grid of cell centres.
 *
 * Both know the frequencies m with 2 |m| < c; where c = n all of them. The coarse lattice's own Nyquist frequency, which
 * would not tell a wave from its opposite, is left out: 0 in what is restricted, and not prolonged.
 *
 * Restriction R samples, at the coarse points, the input without the other frequencies. Prolongation P is the trigonometric
 * interpolant of the coarse samples at the fine points. So R P = 1 (but for the coarse Nyquist frequency) and P R is the
 * low-pass. The mean over coarse voxels of (R x) y is the mean over fine voxels of x (P y): each is the other's
 * transpose, of Scalar fields, and restriction of a Gradient and prolongation of a Velocity are each other's. A shift where
 * c = n moves the samples by the trigonometric interpolant, the Nyquist frequency by its cosine.
 *
 * A Velocity in voxels is multiplied by c / n per component on its way to the coarse lattice and by n / c back; a Gradient
 * the other way round.
 *
 * Two-level preconditioners: Restrict the residual as a Gradient, solve there; SolveRegularization on the fine spectrum;
 * then Prolong the solution as a Velocity with `keepOthers`, which replaces the frequencies that the coarse lattice knows.
 * That is z = P S R r + (1 - P R) B^-1 r, symmetric if S is.
 *
 * Deterministic. Error where the coarse lattice is larger or the shift is not finite.
 * Source: W. L. Briggs, V. E. Henson, The DFT: An Owner's Manual, SIAM, 1995, chapter 6 (interpolation by zero-filling). */
struct SpectralTransferParameters
{
  Quantity quantity = Quantity::Scalar;
  double   shift[3] = { 0.0, 0.0, 0.0 };
};

// On spectra as FourierTransform::Forward gives them, of 3 components, or any number if Scalar. No workspace.

/** Writes the whole coarse spectrum, which may not be the fine one. */
void
RestrictSpectrum(const Device &                     device,
                 const SpectralTransferParameters & parameters,
                 const ConstSpectrum &              fine,
                 const Spectrum &                   coarse,
                 float                              scale = 1.0f);

/** Frequencies that the coarse lattice does not know become 0, or, with `keepOthers`, stay as they are. */
void
ProlongSpectrum(const Device &                     device,
                const SpectralTransferParameters & parameters,
                const ConstSpectrum &              coarse,
                const Spectrum &                   fine,
                bool                               keepOthers = false,
                float                              scale = 1.0f);

// The same on real fields, one component after another. `workspace`: SpectralTransferWorkspace floats of device memory, about
// 8 bytes per voxel of the fine lattice and 8 of the coarse one.

void
SpectralRestrict(const FourierTransform &           fine,
                 const FourierTransform &           coarse,
                 const SpectralTransferParameters & parameters,
                 const ConstField &                 input,
                 const Field &                      output,
                 float *                            workspace);

void
SpectralProlong(const FourierTransform &           coarse,
                const FourierTransform &           fine,
                const SpectralTransferParameters & parameters,
                const ConstField &                 input,
                const Field &                      output,
                float *                            workspace);

/** For both directions. */
std::int64_t
SpectralTransferWorkspace(const FourierTransform & fine, const FourierTransform & coarse);

ITK_ENGINE_DECLARE(void RestrictSpectrum(const Device &        device,
                                         const FrequencyMap &  map,
                                         const ConstSpectrum & fine,
                                         const Spectrum &      coarse))
ITK_ENGINE_DECLARE(void ProlongSpectrum(const Device &        device,
                                        const FrequencyMap &  map,
                                        const ConstSpectrum & coarse,
                                        const Spectrum &      fine,
                                        bool                  keepOthers))
} // namespace engine
} // namespace itk

#endif
