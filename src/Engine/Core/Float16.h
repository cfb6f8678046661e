// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineFloat16_h
#define itkEngineFloat16_h

#include "HostDevice.h"

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace itk
{
namespace engine
{
/** The upper half of a float32: 8 bits of exponent, 7 of fraction. For storage: arithmetic is float32. */
struct BFloat16
{
  static constexpr float Largest = 3.3895313892515355e38f;

  std::uint16_t bits;
};

/** IEEE 754 binary16: 5 bits of exponent, 10 of fraction. For storage: arithmetic is float32. */
struct Float16
{
  static constexpr float Largest = 65504.0f;

  std::uint16_t bits;
};

ITK_ENGINE_HOST_DEVICE float
FloatOfBits(std::uint32_t bits)
{
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

ITK_ENGINE_HOST_DEVICE std::uint32_t
BitsOfFloat(float value)
{
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/** So that code for all kinds of pixels takes float32 as well. */
ITK_ENGINE_HOST_DEVICE float
ToFloat(float value)
{
  return value;
}

/** Exact. */
ITK_ENGINE_HOST_DEVICE float
ToFloat(BFloat16 value)
{
  return FloatOfBits(static_cast<std::uint32_t>(value.bits) << 16);
}

/** Exact. */
ITK_ENGINE_HOST_DEVICE float
ToFloat(Float16 value)
{
  // sign, exponent and fraction go where float32 has them; the shift copies the sign into the upper bits of the exponent
  const std::int32_t high = static_cast<std::int32_t>(static_cast<std::uint32_t>(value.bits) << 16);
  std::uint32_t      bits = static_cast<std::uint32_t>(high >> 3) & 0x8fffffffu;
  constexpr auto     exponent = 0x0f800000u;
  if ((bits & exponent) == exponent)
  {
    bits |= 0x70000000u; // infinity, not a number
  }
  // the exponents' biases differ by 112; a product, so that subnormal numbers become normal
  return FloatOfBits(bits) * 5.192296858534828e33f;
}

/** To the nearest, halves to even; infinity beyond the largest. */
ITK_ENGINE_HOST_DEVICE BFloat16
ToBFloat16(float value)
{
  const std::uint32_t bits = BitsOfFloat(value);
  const std::uint32_t rounded =
    (bits & 0x7fffffffu) > 0x7f800000u ? bits | 0x00400000u : bits + 0x7fffu + ((bits >> 16) & 1u);
  return BFloat16{ static_cast<std::uint16_t>(rounded >> 16) };
}

/** To the nearest, halves to even; infinity beyond the largest. */
ITK_ENGINE_HOST_DEVICE Float16
ToFloat16(float value)
{
  const std::uint32_t bits = BitsOfFloat(value);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  std::uint32_t       rounded;
  if (magnitude > 0x7f800000u)
  {
    rounded = 0x7e00u | ((magnitude >> 13) & 0x03ffu);
  }
  else if (magnitude >= 0x47800000u) // 65536
  {
    rounded = 0x7c00u;
  }
  else if (magnitude < 0x38800000u) // 2^-14, the least normal number
  {
    // the spacing of subnormal numbers is that of float32 from 0.5 on
    rounded = BitsOfFloat(FloatOfBits(magnitude) + 0.5f) - 0x3f000000u;
  }
  else
  {
    rounded = (magnitude - 0x38000000u + 0x0fffu + ((magnitude >> 13) & 1u)) >> 13;
  }
  return Float16{ static_cast<std::uint16_t>(rounded | ((bits >> 16) & 0x8000u)) };
}

/** The nearest BFloat16 or Float16. */
template <typename TPixel>
ITK_ENGINE_HOST_DEVICE TPixel
FromFloat(float value)
{
  if constexpr (std::is_same<TPixel, BFloat16>::value)
  {
    return ToBFloat16(value);
  }
  else
  {
    static_assert(std::is_same<TPixel, Float16>::value, "BFloat16 or Float16");
    return ToFloat16(value);
  }
}
} // namespace engine
} // namespace itk

#endif
