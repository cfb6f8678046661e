// SPDX-License-Identifier: Apache-2.0
#ifndef itkGPUDiffeomorphicEngineImages_h
#define itkGPUDiffeomorphicEngineImages_h

#include "itkGPUDiffeomorphicEngineTransfer.h"

#include "Solvers/SolverLevel.h"
#include "Solvers/SolverMetric.h"

#include <chrono>

namespace itk
{
// What the facades of the solvers share. Private to the library.
namespace facade
{
using Clock = std::chrono::steady_clock;

inline double
SecondsSince(Clock::time_point start)
{
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/** How an image's intensities map to about [0, 1]. */
struct IntensityRange
{
  float shift = 0.0f;
  float scale = 1.0f;
  float mean = 0.0f; ///< after the map
};

/** From the 0.1 % to the 99.9 % quantile inside the mask, so that a few hot voxels do not decide the scale. Throws if the image
 * is constant there, or holds what is no number. */
IntensityRange
FindIntensityRange(const float * image, const unsigned char * mask, std::int64_t count, const char * name);

engine::Buffer<float>
UploadImage(const engine::Device & device, const float * image, std::int64_t count, const IntensityRange & range);

/** No mask for none. */
engine::ConstMask
UploadMask(const engine::Device &          device,
           const unsigned char *           mask,
           const engine::Lattice &         lattice,
           engine::Buffer<unsigned char> & buffer);

void
RequireMemory(const engine::Device & device, std::size_t needed, const engine::Lattice & lattice);

engine::MetricKind
ToMetricKind(GPUDiffeomorphicEngine::MetricEnum metric);

engine::SolverLevel
ToSolverLevel(const GPUDiffeomorphicEngine::Level & level);

GPUDiffeomorphicEngine::Progress
ToProgress(const engine::SolverProgress & state);

std::vector<GPUDiffeomorphicEngine::LevelReport>
ToLevelReports(const std::vector<engine::SolverLevelReport> & levels);
} // namespace facade
} // namespace itk

#endif
