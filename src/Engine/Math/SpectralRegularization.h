// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSpectralRegularizationMath_h
#define itkEngineSpectralRegularizationMath_h

#include "Spectral.h"

namespace itk
{
namespace engine
{
enum class SpectralAction
{
  Apply,  ///< B
  Solve,  ///< its inverse
  Project ///< on fields without divergence
};

/** A 3x3 block for every frequency: fromUnit * (diagonal u + along k (k.u)), u = toUnit * input. */
struct SpectralBlock
{
  WaveNumbers wave;
  float       toUnit[3];
  float       fromUnit[3];
  float       scale; ///< of what is stored
  float       weight;
  float       divergenceWeight;
  float       shift; ///< of |k|^2
  float       zero;  ///< what counts as B where it is 0, for its inverse
};

/** The two numbers of a block. `full` and `odd` are |k|^2 with and without Nyquist frequencies; A = (|k|^2 + shift)^power. */
template <SpectralAction action, int power>
ITK_ENGINE_HOST_DEVICE void
BlockCoefficients(const SpectralBlock & block, float full, float odd, float & diagonal, float & along)
{
  if constexpr (action == SpectralAction::Project)
  {
    diagonal = 1.0f;
    along = odd > 0.0f ? -1.0f / odd : 0.0f;
  }
  else
  {
    const float base = full + block.shift;
    float       a = block.weight;
    for (int i = 0; i < power; ++i)
    {
      a *= base;
    }
    const float c = block.divergenceWeight * (1.0f + full);
    if constexpr (action == SpectralAction::Apply)
    {
      diagonal = a;
      along = c;
    }
    else
    {
      a = a > 0.0f ? a : block.zero;
      diagonal = 1.0f / a;
      along = -c * diagonal / (a + c * odd);
    }
  }
}

/** The block of frequencies f on a vector of complex numbers. */
template <SpectralAction action, int power>
ITK_ENGINE_HOST_DEVICE void
MultiplyByBlock(const SpectralBlock & block, const int (&f)[3], const Complex (&input)[3], Complex (&output)[3])
{
  float full = 0.0f;
  float odd = 0.0f;
  float k[3];
  float alongReal = 0.0f;
  float alongImaginary = 0.0f;
  for (int i = 0; i < 3; ++i)
  {
    const float wave = block.wave.Full(i, f[i]);
    k[i] = block.wave.Odd(i, f[i]);
    full += wave * wave;
    odd += k[i] * k[i];
    alongReal += k[i] * (block.toUnit[i] * input[i].real);
    alongImaginary += k[i] * (block.toUnit[i] * input[i].imaginary);
  }
  float diagonal;
  float along;
  BlockCoefficients<action, power>(block, full, odd, diagonal, along);
  alongReal *= along;
  alongImaginary *= along;
  for (int i = 0; i < 3; ++i)
  {
    output[i].real = block.fromUnit[i] * (diagonal * (block.toUnit[i] * input[i].real) + k[i] * alongReal);
    output[i].imaginary =
      block.fromUnit[i] * (diagonal * (block.toUnit[i] * input[i].imaginary) + k[i] * alongImaginary);
  }
}

/** Real part of the product of one number with the conjugate of another. */
ITK_ENGINE_HOST_DEVICE float
RealProduct(const Complex & a, const Complex & b)
{
  return a.real * b.real + a.imaginary * b.imaginary;
}
} // namespace engine
} // namespace itk

#endif
