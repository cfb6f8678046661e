// SPDX-License-Identifier: Apache-2.0
#ifndef itkEnginePixelConversion_h
#define itkEnginePixelConversion_h

#include "../Core/HostDevice.h"

#include <cmath>
#include <limits>
#include <type_traits>

namespace itk
{
namespace engine
{
/** A 3x3 matrix in float64, row-major: between physical units and voxels. */
struct DoubleMatrix
{
  double m[3][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };
};

/** Row i times a vector of `components` numbers. */
template <int components, typename T>
ITK_ENGINE_HOST_DEVICE double
MultiplyRow(const DoubleMatrix & matrix, int i, const T * vector)
{
  double sum = 0.0;
  for (int j = 0; j < components; ++j)
  {
    sum += matrix.m[i][j] * vector[j];
  }
  return sum;
}

/** What a pixel of an image becomes for a metric. */
template <typename TPixel>
ITK_ENGINE_HOST_DEVICE float
ScalePixel(TPixel pixel, float shift, float scale)
{
  return (static_cast<float>(pixel) - shift) * scale;
}

/** The ends of an integer type, for device code as well. */
template <typename TPixel>
struct PixelBounds
{
  static constexpr TPixel low = std::numeric_limits<TPixel>::lowest();
  static constexpr TPixel high = std::numeric_limits<TPixel>::max();
};

/** The pixel for a value; integers: the nearest one of the type, halves upwards. */
template <typename TPixel>
ITK_ENGINE_HOST_DEVICE TPixel
ToPixel(float value)
{
  if constexpr (std::is_integral<TPixel>::value)
  {
    constexpr TPixel low = PixelBounds<TPixel>::low;
    constexpr TPixel high = PixelBounds<TPixel>::high;
    const double     rounded = floor(static_cast<double>(value) + 0.5);
    if (!(rounded > static_cast<double>(low)))
    {
      return low;
    }
    return rounded < static_cast<double>(high) ? static_cast<TPixel>(rounded) : high;
  }
  else
  {
    return static_cast<TPixel>(value);
  }
}
} // namespace engine
} // namespace itk

#endif
