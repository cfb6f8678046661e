// SPDX-License-Identifier: Apache-2.0
// Floor: 17 bytes in per voxel and pass, 8 out with the slope; the histograms stay in the caches.
#include "../Operators/SampledMetrics.h"

#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
void
SampledMattes(const Device &,
              const MattesBins &    bins,
              const MetricSamples & samples,
              double *              energy,
              double *              slope,
              double *              workspace)
{
  const std::int64_t voxels = samples.lattice.NumberOfVoxels();
  const int          n = bins.numberOfBins;
  const std::int64_t size = static_cast<std::int64_t>(n) * n;
  double * const     counts = workspace + (MattesReplicas + 1) * size + 2 * n;
  ParallelFor(MattesReplicas, [&](std::int64_t replica) {
    double * const histogram = workspace + replica * size;
    std::fill_n(histogram, size, 0.0);
    std::int64_t count = 0;
    for (std::int64_t v = replica * voxels / MattesReplicas; v < (replica + 1) * voxels / MattesReplicas; ++v)
    {
      if (samples.valid[v] && bins.Counts(samples.moving[v]))
      {
        const double   term = bins.MovingTerm(samples.moving[v]);
        const int      first = bins.Clamp(term) - 1;
        double * const row = histogram + static_cast<std::int64_t>(bins.FixedBin(samples.fixed[v])) * n;
        for (int bin = first; bin < first + 4; ++bin)
        {
          row[bin] += CubicBSplineInDouble(bin - term);
        }
        ++count;
      }
    }
    counts[replica] = static_cast<double>(count);
  });
  double total = 0.0;
  double count = 0.0;
  for (int replica = 0; replica < MattesReplicas; ++replica)
  {
    count += counts[replica];
    for (std::int64_t i = 0; i < size; ++i)
    {
      total += workspace[replica * size + i];
      workspace[i] += replica > 0 ? workspace[replica * size + i] : 0.0;
    }
  }
  double * const logRatios = workspace + MattesReplicas * size;
  double * const fixedMarginal = logRatios + size;
  double * const movingMarginal = fixedMarginal + n;
  std::fill_n(fixedMarginal, 2 * n, 0.0);
  for (std::int64_t i = 0; i < size; ++i)
  {
    workspace[i] = total > 0.0 ? workspace[i] / total : 0.0;
    fixedMarginal[i / n] += workspace[i];
    movingMarginal[i % n] += workspace[i];
  }
  energy[0] = 0.0;
  energy[1] = count;
  for (std::int64_t i = 0; i < size; ++i)
  {
    energy[0] += MattesBinInformation(workspace[i], fixedMarginal[i / n], movingMarginal[i % n], logRatios[i]);
  }
  if (slope)
  {
    ParallelForPieces(voxels, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
      for (std::int64_t v = begin; v < end; ++v)
      {
        const bool counting = samples.valid[v] && bins.Counts(samples.moving[v]);
        slope[v] = counting ? MattesSlope(bins, logRatios, samples.fixed[v], samples.moving[v]) / (bins.movingBinSize * count)
                            : 0.0;
      }
    });
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
