// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSpectralDerivatives_h
#define itkEngineSpectralDerivatives_h

#include "../Math/Spectral.h"
#include "FourierTransform.h"

namespace itk
{
namespace engine
{
// Derivatives of periodic fields by their trigonometric interpolant, per voxel: exact for every wave below the Nyquist
// frequency, which has none. The divergence of a velocity in voxels is the same in every unit of length; a gradient in a unit
// in which voxels have the size h is the one per voxel over h. Deterministic.
// Source: L. N. Trefethen, Spectral Methods in MATLAB, SIAM, 2000, chapter 3.

/** output = scale d input / d x_axis, or output += that, of spectra with equally many components. The output may be the
 * input. No workspace. */
ITK_ENGINE_DECLARE(void DifferentiateSpectrum(const Device &        device,
                                              int                   axis,
                                              const ConstSpectrum & input,
                                              const Spectrum &      output,
                                              float                 scale,
                                              bool                  accumulate))

void
DifferentiateSpectrum(const Device &        device,
                      int                   axis,
                      const ConstSpectrum & input,
                      const Spectrum &      output,
                      float                 scale = 1.0f,
                      bool                  accumulate = false);

/** The 3 derivatives of a scalar: one forward transform and three inverse ones, one axis after another, so that two spectra of
 * one component are enough. `workspace`: SpectralDerivativesWorkspace floats of device memory, about 12 bytes per voxel. */
void
SpectralGradient(const FourierTransform & transform, const ConstField & input, const Field & gradient, float * workspace);

/** The sum of d v_i / d x_i: three forward transforms and one inverse one. Minus the transpose of SpectralGradient. */
void
SpectralDivergence(const FourierTransform & transform,
                   const ConstField &       vector,
                   const Field &            divergence,
                   float *                  workspace);

std::int64_t
SpectralDerivativesWorkspace(const FourierTransform & transform);
} // namespace engine
} // namespace itk

#endif
