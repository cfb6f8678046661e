// SPDX-License-Identifier: Apache-2.0
#include "itkGPUDiffeomorphicEngineImages.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace itk
{
namespace facade
{
IntensityRange
FindIntensityRange(const float * image, const unsigned char * mask, std::int64_t count, const char * name)
{
  float        low = std::numeric_limits<float>::max();
  float        high = std::numeric_limits<float>::lowest();
  std::int64_t used = 0;
  for (std::int64_t i = 0; i < count; ++i)
  {
    if (!std::isfinite(image[i]))
    {
      engine::ThrowError(name, " holds NaN or infinite intensities (first at voxel ", i, ")");
    }
    if (!mask || mask[i])
    {
      low = std::min(low, image[i]);
      high = std::max(high, image[i]);
      ++used;
    }
  }
  if (used == 0)
  {
    engine::ThrowError("the mask of ", name, " is empty");
  }
  if (!(high > low))
  {
    engine::ThrowError(name, " is constant (", low, ")", mask ? " inside its mask" : "");
  }
  constexpr int             bins = 4096;
  std::vector<std::int64_t> histogram(bins, 0);
  const double              toBin = bins / (static_cast<double>(high) - low);
  for (std::int64_t i = 0; i < count; ++i)
  {
    if (!mask || mask[i])
    {
      ++histogram[std::min(bins - 1, static_cast<int>((static_cast<double>(image[i]) - low) * toBin))];
    }
  }
  const auto quantile = [&](double fraction) {
    std::int64_t below = 0;
    int          bin = 0;
    while (bin < bins - 1 && below + histogram[bin] <= fraction * used)
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
  range.shift = static_cast<float>(low + lowBin / toBin);
  range.scale = static_cast<float>(toBin / (highBin - lowBin));
  double sum = 0.0;
  for (int bin = 0; bin < bins; ++bin)
  {
    sum += static_cast<double>(histogram[bin]) * (bin + 0.5 - lowBin) / (highBin - lowBin);
  }
  range.mean = static_cast<float>(sum / static_cast<double>(used));
  return range;
}

engine::Buffer<float>
UploadImage(const engine::Device & device, const float * image, std::int64_t count, const IntensityRange & range)
{
  std::vector<float> scaled(count);
  ForPieces(count, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
    {
      scaled[i] = (image[i] - range.shift) * range.scale;
    }
  });
  engine::Buffer<float> buffer(device, count);
  device.CopyFromHost(buffer.Data(), scaled.data(), buffer.Bytes());
  return buffer;
}

engine::ConstMask
UploadMask(const engine::Device &          device,
           const unsigned char *           mask,
           const engine::Lattice &         lattice,
           engine::Buffer<unsigned char> & buffer)
{
  if (!mask)
  {
    return engine::ConstMask();
  }
  buffer = engine::Buffer<unsigned char>(device, lattice.NumberOfVoxels());
  device.CopyFromHost(buffer.Data(), mask, buffer.Bytes());
  return engine::ConstMask(buffer.Data(), lattice);
}

engine::MetricKind
ToMetricKind(GPUDiffeomorphicEngine::MetricEnum metric)
{
  switch (metric)
  {
    case GPUDiffeomorphicEngine::MetricEnum::LocalNormalizedCrossCorrelation:
      return engine::MetricKind::Lncc;
    case GPUDiffeomorphicEngine::MetricEnum::MeanSquares:
      return engine::MetricKind::MeanSquares;
    case GPUDiffeomorphicEngine::MetricEnum::MutualInformation:
      return engine::MetricKind::MutualInformation;
  }
  engine::ThrowError("unknown metric ", static_cast<int>(metric));
}

void
RequireMemory(const engine::Device & device, std::size_t needed, const engine::Lattice & lattice)
{
  const std::size_t available = device.FreeBytes();
  if (needed > available)
  {
    engine::ThrowError("a fixed image of ", lattice.size[0], 'x', lattice.size[1], 'x', lattice.size[2], " needs ",
                       needed >> 20, " MiB on ", device.Name(), ", which has ", available >> 20,
                       " MiB free; a last level with a larger shrink factor needs less");
  }
}

engine::SolverLevel
ToSolverLevel(const GPUDiffeomorphicEngine::Level & level)
{
  engine::SolverLevel result;
  for (int d = 0; d < 3; ++d)
  {
    for (const double sigma : { level.fixedSigmas[d], level.movingSigmas[d] })
    {
      if (!(sigma >= 0.0) || !std::isfinite(sigma))
      {
        engine::ThrowError("smoothing sigma is ", sigma, ": a number >= 0 is needed");
      }
    }
    result.shrinkFactors[d] = level.shrinkFactors[d];
    result.fixedVariance[d] = level.fixedSigmas[d] * level.fixedSigmas[d];
    result.movingVariance[d] = level.movingSigmas[d] * level.movingSigmas[d];
  }
  result.iterations = level.iterations;
  return result;
}

GPUDiffeomorphicEngine::Progress
ToProgress(const engine::SolverProgress & state)
{
  GPUDiffeomorphicEngine::Progress progress;
  progress.level = state.level;
  progress.iteration = state.iteration;
  progress.iterationsOfLevel = state.iterationsOfLevel;
  progress.metricValue = state.metricValue;
  progress.convergenceValue = state.convergenceValue;
  progress.startsLevel = state.startsLevel;
  return progress;
}

std::vector<GPUDiffeomorphicEngine::LevelReport>
ToLevelReports(const std::vector<engine::SolverLevelReport> & levels)
{
  std::vector<GPUDiffeomorphicEngine::LevelReport> result;
  for (const auto & level : levels)
  {
    GPUDiffeomorphicEngine::LevelReport each;
    std::copy_n(level.lattice.size, 3, each.size.begin());
    each.metricValues = level.metricValues;
    each.seconds = level.seconds;
    each.converged = level.converged;
    result.push_back(each);
  }
  return result;
}
} // namespace facade
} // namespace itk
