// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineExponential_h
#define itkEngineExponential_h

#include "Arithmetic.h"
#include "Compose.h"

namespace itk
{
namespace engine
{
struct ExponentialParameters
{
  int   squarings = -1;  ///< number of squarings n; negative: from the largest velocity, as ITK's filter
  int   maximum = 20;    ///< bound of the automatic number
  float scale = 1.0f;    ///< multiplies the velocity; -1 gives the inverse map
  /** Of the fields that are composed. ITK's filter takes the nearest edge: its interpolator calls every point inside. */
  Outside outside = Outside::Value;
};

/** Flow of a stationary velocity by scaling and squaring: u <- scale v / 2^n, then n times u <- u + u o (1 + u).
 *
 * \param velocity v, 3 components, voxels per unit time.
 * \param output   displacement of exp(scale v), in voxels. Not `velocity`.
 * \param workspace a field like `output`.
 * The automatic n is ITK's: min(maximum, int(2 + 0.5 log2(max |scale v|^2) + 1)), 0 if that is negative (norms in
 * voxels; this reads one number back from the device). Returns n. Deterministic.
 * Arsigny et al.: A log-Euclidean framework for statistics on diffeomorphisms, MICCAI 2006. */
int
Exponential(const Device &                device,
            const ExponentialParameters & parameters,
            const ConstField &            velocity,
            const Field &                 output,
            const Field &                 workspace);
} // namespace engine
} // namespace itk

#endif
