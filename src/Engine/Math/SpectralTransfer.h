// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSpectralTransferMath_h
#define itkEngineSpectralTransferMath_h

#include "Spectral.h"

namespace itk
{
namespace engine
{
/** The frequencies that a fine and a coarse lattice share, and the factor of each from one to the other. */
struct FrequencyMap
{
  int   fine[3];
  int   coarse[3];
  float angle[3];   ///< radians per frequency
  float nyquist[3]; ///< the factor of the Nyquist frequency of an axis that is not made coarser
  float scale[3];   ///< of the components; the last one's of all further ones
  bool  hasShift;

  ITK_ENGINE_HOST_DEVICE bool
  Shares(int axis, int frequency) const
  {
    return 2 * (frequency < 0 ? -frequency : frequency) < coarse[axis] || coarse[axis] == fine[axis];
  }

  /** The factor of a shared frequency but for the scale. */
  ITK_ENGINE_HOST_DEVICE Complex
  Phase(int fx, int fy, int fz) const
  {
    if (!hasShift)
    {
      return Complex{ 1.0f, 0.0f };
    }
    const int f[3] = { fx, fy, fz };
    float     sum = 0.0f;
    float     factor = 1.0f;
    for (int axis = 0; axis < 3; ++axis)
    {
      const bool isNyquist = IsNyquist(f[axis], fine[axis]);
      sum += isNyquist ? 0.0f : angle[axis] * static_cast<float>(f[axis]);
      factor *= isNyquist ? nyquist[axis] : 1.0f;
    }
    return Complex{ factor * cosf(sum), factor * sinf(sum) };
  }
};

ITK_ENGINE_HOST_DEVICE Complex
MultiplyScaled(const Complex & a, const Complex & b, float scale)
{
  return Complex{ scale * (a.real * b.real - a.imaginary * b.imaginary),
                  scale * (a.real * b.imaginary + a.imaginary * b.real) };
}
} // namespace engine
} // namespace itk

#endif
