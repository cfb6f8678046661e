// SPDX-License-Identifier: Apache-2.0
#include "Intensities.h"

#include <cmath>
#include <vector>

namespace itk
{
namespace engine
{
namespace
{
void
RequireImage(const ConstPixels & image, const ConstMask & mask)
{
  RequireField(image, image.lattice, 1, "image");
  if (mask)
  {
    RequireField(mask, image.lattice, 1, "mask");
  }
}
} // namespace

void
MeasureIntensities(const Device & device, const ConstPixels & image, const ConstMask & mask, double * result)
{
  RequireImage(image, mask);
  ITK_ENGINE_DISPATCH(device, MeasureIntensities(device, image, mask, result));
}

void
CountIntensities(const Device &           device,
                 const ConstPixels &      image,
                 const ConstMask &        mask,
                 const IntensityBinning & binning,
                 unsigned long long *     counts)
{
  RequireImage(image, mask);
  if (!std::isfinite(binning.low) || !std::isfinite(binning.toBin) || !(binning.toBin > 0.0))
  {
    ThrowError("CountIntensities: ", binning.toBin, " bins per intensity from ", binning.low, " on");
  }
  ITK_ENGINE_DISPATCH(device, CountIntensities(device, image, mask, binning, counts));
}

IntensityRange
FindIntensityRange(const Device & device, const ConstPixels & image, const ConstMask & mask, const char * name)
{
  double               numbers[4];
  const Buffer<double> measured(device, 4);
  MeasureIntensities(device, image, mask, measured.Data());
  device.CopyToHost(numbers, measured.Data(), sizeof(numbers));
  const double low = numbers[0];
  const double high = numbers[1];
  const double used = numbers[2];
  if (std::isfinite(numbers[3]))
  {
    ThrowError(name, " holds NaN or infinite intensities (first at voxel ", static_cast<std::int64_t>(numbers[3]), ")");
  }
  if (used == 0.0)
  {
    ThrowError("the mask of ", name, " is empty");
  }
  if (!(high > low))
  {
    ThrowError(name, " is constant (", low, ")", mask ? " inside its mask" : "");
  }
  constexpr int          bins = IntensityBins;
  const IntensityBinning binning{ low, bins / (high - low) };
  std::vector<unsigned long long>  histogram(bins);
  const Buffer<unsigned long long> counts(device, bins);
  CountIntensities(device, image, mask, binning, counts.Data());
  device.CopyToHost(histogram.data(), counts.Data(), counts.Bytes());

  const auto quantile = [&](double fraction) {
    unsigned long long below = 0;
    int                bin = 0;
    while (bin < bins - 1 && static_cast<double>(below + histogram[bin]) <= fraction * used)
    {
      below += histogram[bin++];
    }
    return bin;
  };
  const int lowBin = quantile(0.001);
  int       highBin = quantile(0.999) + 1;
  if (highBin - lowBin < bins / 64) // nearly all voxels alike: the rest is the signal
  {
    highBin = bins;
  }
  IntensityRange range;
  range.shift = static_cast<float>(low + lowBin / binning.toBin);
  range.scale = static_cast<float>(binning.toBin / (highBin - lowBin));
  double sum = 0.0;
  for (int bin = 0; bin < bins; ++bin)
  {
    sum += static_cast<double>(histogram[bin]) * (bin + 0.5 - lowBin) / (highBin - lowBin);
  }
  range.mean = static_cast<float>(sum / used);
  return range;
}
} // namespace engine
} // namespace itk
