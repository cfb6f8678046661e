// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineFiniteDifference8_h
#define itkEngineFiniteDifference8_h

#include "../Core/Dispatch.h"

namespace itk
{
namespace engine
{
// Central differences of order 8 of periodic fields, per voxel:
//   df/dx (i) = 4/5 (f(i+1) - f(i-1)) - 1/5 (f(i+2) - f(i-2)) + 4/105 (f(i+3) - f(i-3)) - 1/280 (f(i+4) - f(i-4))
// with indices modulo the size, on axes shorter than the stencil too; 0 along axes of one or two voxels. Of a wave of k
// radians per voxel the derivative is off by k^8 / 630 of it: 1e-3 at 6.6 voxels per wave, 1e-5 at 11.5. A gradient costs one
// pass over memory where the spectral one costs four Fourier transforms, and is local, so that jumps of an image ring less.
// No workspace. Deterministic. Outputs must not be the inputs.
// Source: B. Fornberg, "Generation of Finite Difference Formulas on Arbitrarily Spaced Grids", Math. Comp. 51, 1988.

/** The 3 derivatives of a scalar. */
ITK_ENGINE_DECLARE(void DifferenceGradient(const Device & device, const ConstField & input, const Field & gradient))

void
DifferenceGradient(const Device & device, const ConstField & input, const Field & gradient);

/** The sum of d v_i / d x_i: minus the transpose of DifferenceGradient. */
ITK_ENGINE_DECLARE(void DifferenceDivergence(const Device & device, const ConstField & vector, const Field & divergence))

void
DifferenceDivergence(const Device & device, const ConstField & vector, const Field & divergence);
} // namespace engine
} // namespace itk

#endif
