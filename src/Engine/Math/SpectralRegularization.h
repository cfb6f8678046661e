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
    float       a = block.weight * (power > 0 ? base : 1.0f);
    a *= power > 1 ? base : 1.0f;
    a *= power > 2 ? base : 1.0f;
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

ITK_ENGINE_HOST_DEVICE Complex
Scaled(float scale, const Complex & value)
{
  return Complex{ scale * value.real, scale * value.imaginary };
}

/** a x + b y. */
ITK_ENGINE_HOST_DEVICE Complex
Combined(float a, const Complex & x, float b, const Complex & y)
{
  return Complex{ a * x.real + b * y.real, a * x.imaginary + b * y.imaginary };
}

/** What a block needs to know of a frequency; the parts of an axis are added up. */
struct Wave
{
  float k[3];        ///< without Nyquist frequencies
  float odd = 0.0f;  ///< |k|^2
  float full = 0.0f; ///< |k|^2 with Nyquist frequencies

  ITK_ENGINE_HOST_DEVICE void
  Add(const WaveNumbers & numbers, int axis, int frequency)
  {
    const float number = numbers.Full(axis, frequency);
    k[axis] = numbers.Odd(axis, frequency);
    odd += k[axis] * k[axis];
    full += number * number;
  }
};

/** A block on a vector of complex numbers. Without inner loops, which would keep compilers from taking several frequencies
 * at once. */
template <SpectralAction action, int power>
ITK_ENGINE_HOST_DEVICE void
MultiplyByBlock(const SpectralBlock & block, const Wave & wave, const Complex (&input)[3], Complex (&output)[3])
{
  const Complex u0 = Scaled(block.toUnit[0], input[0]);
  const Complex u1 = Scaled(block.toUnit[1], input[1]);
  const Complex u2 = Scaled(block.toUnit[2], input[2]);
  float         diagonal;
  float         along;
  BlockCoefficients<action, power>(block, wave.full, wave.odd, diagonal, along);
  const Complex product = Combined(wave.k[0], u0, 1.0f, Combined(wave.k[1], u1, wave.k[2], u2));
  const Complex projection = Scaled(along, product);
  output[0] = Scaled(block.fromUnit[0], Combined(diagonal, u0, wave.k[0], projection));
  output[1] = Scaled(block.fromUnit[1], Combined(diagonal, u1, wave.k[1], projection));
  output[2] = Scaled(block.fromUnit[2], Combined(diagonal, u2, wave.k[2], projection));
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
