// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSpectralMath_h
#define itkEngineSpectralMath_h

#include "../Core/Spectrum.h"

#include <cmath>

namespace itk
{
namespace engine
{
/** What a vector field is when its grid or its unit changes. */
enum class Quantity
{
  Scalar,   ///< numbers that stay as they are, any number of components
  Velocity, ///< component i counts in voxels of axis i
  Gradient  ///< of an energy with respect to a velocity: counts in 1 / voxels
};

/** The frequency, in waves per lattice, at a place of an axis; positive for the Nyquist frequency. */
ITK_ENGINE_HOST_DEVICE int
FrequencyAt(int place, int size)
{
  return 2 * place > size ? place - size : place;
}

ITK_ENGINE_HOST_DEVICE int
PlaceOf(int frequency, int size)
{
  return frequency < 0 ? frequency + size : frequency;
}

/** The Nyquist frequency stands for itself and its opposite, and exists on axes of even size. */
ITK_ENGINE_HOST_DEVICE bool
IsNyquist(int frequency, int size)
{
  return 2 * frequency == size || -2 * frequency == size;
}

/** How many frequencies a place of a row stands for: its own, and the opposite if that is not stored. */
ITK_ENGINE_HOST_DEVICE float
Multiplicity(int x, int size)
{
  return x == 0 || 2 * x == size ? 1.0f : 2.0f;
}

/** Wave numbers of a lattice: frequency times `step`, in radians per unit of length. */
struct WaveNumbers
{
  int   size[3];
  float step[3];

  WaveNumbers() = default;

  WaveNumbers(const Lattice & lattice, const double (&spacing)[3])
  {
    for (int axis = 0; axis < 3; ++axis)
    {
      size[axis] = lattice.size[axis];
      step[axis] = static_cast<float>(6.283185307179586 / (lattice.size[axis] * spacing[axis]));
    }
  }

  ITK_ENGINE_HOST_DEVICE float
  Full(int axis, int frequency) const
  {
    return step[axis] * static_cast<float>(frequency);
  }

  /** That of a derivative: 0 at the Nyquist frequency, whose two signs cancel. */
  ITK_ENGINE_HOST_DEVICE float
  Odd(int axis, int frequency) const
  {
    return IsNyquist(frequency, size[axis]) ? 0.0f : Full(axis, frequency);
  }
};
} // namespace engine
} // namespace itk

#endif
