// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Core/StoredField.h"

#include <cmath>
#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** What a pattern means, by the definition: sign, exponent and fraction. */
double
Meaning(unsigned int bits, int fractionBits)
{
  const int    exponentBits = 15 - fractionBits;
  const int    largest = (1 << exponentBits) - 1;
  const int    exponent = static_cast<int>(bits >> fractionBits) & largest;
  const int    fraction = static_cast<int>(bits) & ((1 << fractionBits) - 1);
  const double sign = (bits & 0x8000u) != 0 ? -1.0 : 1.0;
  if (exponent == largest)
  {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  }
  const int bias = largest / 2;
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias - fractionBits)
                               : std::ldexp(fraction + (1 << fractionBits), exponent - bias - fractionBits));
}

template <typename TPixel>
void
CheckAllPatterns(int fractionBits)
{
  for (unsigned int bits = 0; bits < 65536; ++bits)
  {
    const float  value = ToFloat(TPixel{ static_cast<std::uint16_t>(bits) });
    const double expected = Meaning(bits, fractionBits);
    const auto   back = FromFloat<TPixel>(value);
    if (std::isnan(expected))
    {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(Meaning(back.bits, fractionBits))) << bits;
      continue;
    }
    ASSERT_EQ(value, expected) << bits;
    ASSERT_EQ(std::signbit(value), bits >= 0x8000u) << bits;
    ASSERT_EQ(back.bits, bits);
  }
}

/** Checks that no other number is nearer to `value`, and that halves are even. */
template <typename TPixel>
void
CheckRounding(float value, int fractionBits)
{
  const unsigned int bits = FromFloat<TPixel>(value).bits;
  const unsigned int sign = bits & 0x8000u;
  const unsigned int magnitude = bits & 0x7fffu;
  const unsigned int infinity = 0x8000u - (1u << fractionBits);
  ASSERT_EQ(sign != 0, std::signbit(value)) << value;
  ASSERT_LE(magnitude, infinity) << value;
  // infinity takes what the next number would take if the exponents went on
  const auto   meaning = [&](unsigned int pattern) {
    return pattern == infinity ? std::ldexp(1.0, (1 << (14 - fractionBits))) : Meaning(pattern, fractionBits);
  };
  const double size = std::abs(static_cast<double>(value));
  const double distance = std::abs(meaning(magnitude) - size);
  if (magnitude > 0)
  {
    const double below = size - meaning(magnitude - 1);
    ASSERT_TRUE(distance < below || (distance == below && magnitude % 2 == 0)) << value;
  }
  if (magnitude < infinity)
  {
    const double above = meaning(magnitude + 1) - size;
    ASSERT_TRUE(distance < above || (distance == above && magnitude % 2 == 0)) << value;
  }
}

template <typename TPixel>
void
CheckRoundings(int fractionBits)
{
  const unsigned int infinity = 0x8000u - (1u << fractionBits);
  for (unsigned int bits = 0; bits < infinity; ++bits)
  {
    const float low = ToFloat(TPixel{ static_cast<std::uint16_t>(bits) });
    // halfway to the next, and just beside
    const double next = bits + 1 == infinity ? 2.0 * low - Meaning(bits - 1, fractionBits) : Meaning(bits + 1, fractionBits);
    const float  half = static_cast<float>(0.5 * (low + next));
    for (const float value : { half, std::nextafter(half, 0.0f), std::nextafter(half, std::numeric_limits<float>::max()) })
    {
      CheckRounding<TPixel>(value, fractionBits);
      CheckRounding<TPixel>(-value, fractionBits);
    }
  }
  Random random(50);
  for (int i = 0; i < 200000; ++i)
  {
    const auto  pattern = static_cast<std::uint32_t>(random.Uniform(0.0, 4294967296.0));
    const float value = FloatOfBits(pattern);
    if (std::isnan(value))
    {
      ASSERT_TRUE(std::isnan(Meaning(FromFloat<TPixel>(value).bits, fractionBits))) << pattern;
    }
    else if (std::abs(value) <= 2.0f * TPixel::Largest)
    {
      CheckRounding<TPixel>(value, fractionBits);
    }
    else
    {
      ASSERT_EQ(FromFloat<TPixel>(value).bits, infinity | (value < 0.0f ? 0x8000u : 0u)) << value;
    }
  }
}
} // namespace

TEST(Float16, AllPatternsMeanWhatTheyAreDefinedAs)
{
  CheckAllPatterns<BFloat16>(7);
  CheckAllPatterns<Float16>(10);
}

TEST(Float16, RoundsToTheNearestAndHalvesToEven)
{
  CheckRoundings<BFloat16>(7);
  CheckRoundings<Float16>(10);
}

TEST(Float16, LargestNumbers)
{
  EXPECT_EQ(ToBFloat16(BFloat16::Largest).bits, 0x7f7fu);
  EXPECT_EQ(ToFloat(BFloat16{ 0x7f7fu }), BFloat16::Largest);
  EXPECT_EQ(ToFloat16(Float16::Largest).bits, 0x7bffu);
  EXPECT_EQ(ToFloat(Float16{ 0x7bffu }), Float16::Largest);
  for (const float infinity : { std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity() })
  {
    EXPECT_EQ(ToFloat(ToBFloat16(infinity)), infinity);
    EXPECT_EQ(ToFloat(ToFloat16(infinity)), infinity);
  }
}

// Checks that views of all kinds of pixels, and what converts to them, become one view that knows its storage.
TEST(Float16, StoredFieldKnowsItsStorage)
{
  const Lattice      lattice(5, 4, 3);
  float              value = 0.0f;
  BFloat16           brain[120] = {};
  const Float16      half[120] = {};
  const Field        field(&value, lattice, 2);
  const ConstField   constant = field;
  const DeviceFloats owner(lattice, 2);
  EXPECT_EQ(StoredField(field).storage, Storage::Float32);
  EXPECT_EQ(StoredField(constant).data, &value);
  EXPECT_EQ(StoredField(owner).data, owner.View().data);
  const StoredField storedBrain = FieldView<BFloat16>(brain, lattice, 2);
  const StoredField storedHalf = FieldView<const Float16>(half, lattice, 2);
  EXPECT_EQ(storedBrain.storage, Storage::BFloat16);
  EXPECT_EQ(storedBrain.Component<BFloat16>(1), brain + 60);
  EXPECT_EQ(storedBrain.components, 2);
  EXPECT_TRUE(storedBrain.lattice == lattice);
  EXPECT_EQ(storedHalf.storage, Storage::Float16);
  EXPECT_EQ(storedHalf.Component<Float16>(1), half + 60);
  EXPECT_FALSE(static_cast<bool>(StoredField()));
}
} // namespace test
} // namespace engine
} // namespace itk
