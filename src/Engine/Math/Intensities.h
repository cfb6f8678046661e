// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMathIntensities_h
#define itkEngineMathIntensities_h

#include "../Core/HostDevice.h"

namespace itk
{
namespace engine
{
constexpr int IntensityBins = 4096;

/** One bin per 1 / toBin of intensity from `low` on; the last one holds what is above. In float64. */
struct IntensityBinning
{
  double low = 0.0;
  double toBin = 1.0;
};

/** The bin of an intensity that is finite and at least `low`. */
ITK_ENGINE_HOST_DEVICE int
IntensityBin(const IntensityBinning & binning, float value)
{
  const double position = (static_cast<double>(value) - binning.low) * binning.toBin;
  return position < IntensityBins - 1 ? static_cast<int>(position) : IntensityBins - 1;
}

/** Not NaN and not infinite: the difference is neither then. */
ITK_ENGINE_HOST_DEVICE bool
IsFinite(float value)
{
  return value - value == 0.0f;
}
} // namespace engine
} // namespace itk

#endif
