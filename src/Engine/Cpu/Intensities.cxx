// SPDX-License-Identifier: Apache-2.0
#include "../Operators/Intensities.h"

#include "Parallel.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace cpu
{
void
MeasureIntensities(const Device &, const ConstPixels & image, const ConstMask & mask, double * result)
{
  struct Piece
  {
    float        low;
    float        high;
    std::int64_t used;
    std::int64_t notFinite;
  };
  const std::int64_t count = image.NumberOfValues();
  std::vector<Piece> pieces(NumberOfPieces(count));
  WithPixelType(image.type, [&](auto pixel) {
    const auto * const pixels = static_cast<const decltype(pixel) *>(image.data);
    ParallelForPieces(count, [&](std::int64_t begin, std::int64_t end, std::int64_t piece) {
      constexpr float infinity = std::numeric_limits<float>::infinity();
      Piece           measured{ infinity, -infinity, 0, count };
      for (std::int64_t i = begin; i < end; ++i)
      {
        const float value = static_cast<float>(pixels[i]);
        const bool  inside = !mask || mask.data[i] != 0;
        measured.used += inside ? 1 : 0;
        if (!IsFinite(value))
        {
          measured.notFinite = std::min(measured.notFinite, i);
        }
        else if (inside)
        {
          measured.low = std::min(measured.low, value);
          measured.high = std::max(measured.high, value);
        }
      }
      pieces[piece] = measured;
    });
  });
  Piece all = pieces[0];
  for (const Piece & piece : pieces)
  {
    all.low = std::min(all.low, piece.low);
    all.high = std::max(all.high, piece.high);
    all.used += &piece == pieces.data() ? 0 : piece.used;
    all.notFinite = std::min(all.notFinite, piece.notFinite);
  }
  result[0] = all.low;
  result[1] = all.high;
  result[2] = static_cast<double>(all.used);
  result[3] =
    all.notFinite < count ? static_cast<double>(all.notFinite) : std::numeric_limits<double>::infinity();
}

void
CountIntensities(const Device &,
                 const ConstPixels &      image,
                 const ConstMask &        mask,
                 const IntensityBinning & binning,
                 unsigned long long *     counts)
{
  const std::int64_t count = image.NumberOfValues();
  // Few tasks, since each has a histogram of its own.
  const std::int64_t                           tasks = std::min<std::int64_t>(64, NumberOfPieces(count));
  std::vector<std::vector<unsigned long long>> histograms(tasks);
  WithPixelType(image.type, [&](auto pixel) {
    const auto * const pixels = static_cast<const decltype(pixel) *>(image.data);
    ParallelFor(tasks, [&](std::int64_t task) {
      auto & histogram = histograms[task];
      histogram.resize(IntensityBins);
      for (std::int64_t i = task * count / tasks; i < (task + 1) * count / tasks; ++i)
      {
        if (!mask || mask.data[i] != 0)
        {
          ++histogram[IntensityBin(binning, static_cast<float>(pixels[i]))];
        }
      }
    });
  });
  std::fill_n(counts, IntensityBins, 0ull);
  for (const auto & histogram : histograms)
  {
    for (int bin = 0; bin < IntensityBins; ++bin)
    {
      counts[bin] += histogram[bin];
    }
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
