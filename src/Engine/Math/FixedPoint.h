// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineFixedPoint_h
#define itkEngineFixedPoint_h

#include "../Core/HostDevice.h"

#include <cmath>
#include <cstdint>

namespace itk
{
namespace engine
{
/** 64-bit fixed point for sums whose order is not fixed: integers add up to the same bits in any order.
 *
 * The unit is a power of two, chosen from the largest |value| and the number of values so that the sum of all of them,
 * each times a weight of at most 1 + 2^-20 in total, stays below 2^62 (1 + 2^-20), rounding included. */
struct FixedPoint
{
  float  normalise = 1.0f; ///< brings the largest value to at most 1
  float  enlarge = 1.0f;   ///< then to integers
  double unit = 1.0;       ///< what an integer stands for; not a number if a value is not finite

  ITK_ENGINE_HOST_DEVICE
  FixedPoint(double minimum, double maximum, int bits)
  {
    const double largest = fmax(fabs(minimum), fabs(maximum));
    if (!(minimum == minimum && maximum == maximum && largest < 3.5e38))
    {
      normalise = 0.0f;
      unit = nan("");
      return;
    }
    int exponent = -126;
    if (largest > 0.0)
    {
      frexp(largest, &exponent);
      exponent = exponent > -126 ? exponent : -126;
    }
    normalise = static_cast<float>(ldexp(1.0, -exponent));
    enlarge = static_cast<float>(ldexp(1.0, bits));
    unit = ldexp(1.0, exponent - bits);
  }

  /** The bits that a value may have if this many are to be summed. */
  static int
  BitsOfOne(std::int64_t count)
  {
    int bits = 62;
    for (std::int64_t power = 1; power < count; power *= 2)
    {
      --bits;
    }
    return bits;
  }

  ITK_ENGINE_HOST_DEVICE long long
  FromNormalised(float value) const
  {
    return llrintf(value * enlarge);
  }
};
} // namespace engine
} // namespace itk

#endif
