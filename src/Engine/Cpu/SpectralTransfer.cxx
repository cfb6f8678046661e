// SPDX-License-Identifier: Apache-2.0
// Floor: 4 bytes per voxel of both lattices and component; 4 of the fine one fewer where its other modes are kept.
#include "../Operators/SpectralTransfer.h"

#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
/** Frequencies of a row that both lattices know; they are the first. */
int
SharedWidth(const FrequencyMap & map)
{
  int width = 0;
  while (width < map.coarse[0] / 2 + 1 && map.Shares(0, width))
  {
    ++width;
  }
  return width;
}

void
PhaseRow(const FrequencyMap & map, int fy, int fz, int count, Complex * phase)
{
  for (int x = 0; x < count; ++x)
  {
    phase[x] = map.Phase(x, fy, fz);
  }
}

ITK_ENGINE_ROW void
TransferRow(const Complex * phase, float scale, const Complex * input, Complex * output, int count)
{
  for (int x = 0; x < count; ++x)
  {
    output[x] = MultiplyScaled(phase[x], input[x], scale);
  }
}

float
ScaleOf(const FrequencyMap & map, int component)
{
  return map.scale[std::min(component, 2)];
}
} // namespace

void
RestrictSpectrum(const Device &, const FrequencyMap & map, const ConstSpectrum & fine, const Spectrum & coarse)
{
  const int shared = SharedWidth(map);
  ParallelForRows(coarse.lattice, [&](int y, int z, std::int64_t) {
    const int          fy = FrequencyAt(y, map.coarse[1]);
    const int          fz = FrequencyAt(z, map.coarse[2]);
    const int          count = map.Shares(1, fy) && map.Shares(2, fz) ? shared : 0;
    const std::int64_t offset = (static_cast<std::int64_t>(z) * map.coarse[1] + y) * coarse.Width();
    const std::int64_t fineRow =
      static_cast<std::int64_t>(PlaceOf(fz, map.fine[2])) * map.fine[1] + PlaceOf(fy, map.fine[1]);
    Complex * const    phase = ThreadScratch<Complex>(static_cast<std::size_t>(coarse.Width()));
    PhaseRow(map, fy, fz, count, phase);
    for (int c = 0; c < fine.components; ++c)
    {
      Complex * const row = coarse.Component(c) + offset;
      TransferRow(phase, ScaleOf(map, c), fine.Component(c) + fineRow * fine.Width(), row, count);
      std::fill(row + count, row + coarse.Width(), Complex{ 0.0f, 0.0f });
    }
  });
}

void
ProlongSpectrum(const Device &,
                const FrequencyMap &  map,
                const ConstSpectrum & coarse,
                const Spectrum &      fine,
                bool                  keepOthers)
{
  const int shared = SharedWidth(map);
  ParallelForRows(fine.lattice, [&](int y, int z, std::int64_t) {
    const int          fy = FrequencyAt(y, map.fine[1]);
    const int          fz = FrequencyAt(z, map.fine[2]);
    const int          count = map.Shares(1, fy) && map.Shares(2, fz) ? shared : 0;
    const std::int64_t offset = (static_cast<std::int64_t>(z) * map.fine[1] + y) * fine.Width();
    Complex * const    phase = ThreadScratch<Complex>(static_cast<std::size_t>(coarse.Width()));
    PhaseRow(map, fy, fz, count, phase);
    for (int c = 0; c < fine.components; ++c)
    {
      Complex * const row = fine.Component(c) + offset;
      if (count > 0)
      {
        const std::int64_t coarseRow =
          static_cast<std::int64_t>(PlaceOf(fz, map.coarse[2])) * map.coarse[1] + PlaceOf(fy, map.coarse[1]);
        TransferRow(phase, ScaleOf(map, c), coarse.Component(c) + coarseRow * coarse.Width(), row, count);
      }
      if (!keepOthers)
      {
        std::fill(row + count, row + fine.Width(), Complex{ 0.0f, 0.0f });
      }
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
