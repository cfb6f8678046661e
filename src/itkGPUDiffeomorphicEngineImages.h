// SPDX-License-Identifier: Apache-2.0
#ifndef itkGPUDiffeomorphicEngineImages_h
#define itkGPUDiffeomorphicEngineImages_h

#include "itkGPUDiffeomorphicEngineTransfer.h"

#include "Operators/Intensities.h"
#include "Solvers/SolverLevel.h"
#include "Solvers/SolverMetric.h"

#include <chrono>
#include <vector>

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

/** Images of one grid on the device, each scaled to about [0, 1] there. */
struct ScaledImage
{
  engine::Buffer<float>  buffer;
  engine::ConstField     field; ///< one component for each
  engine::IntensityRange range; ///< of the first
};

/** Throws if an image is constant inside the mask, or holds what is no number. `isScaled` false: intensities stay as they
 * are. */
ScaledImage
UploadImages(const engine::Device &                                   device,
             const std::vector<GPUDiffeomorphicEngine::InputPixels> & channels,
             const engine::Lattice &                                  lattice,
             const engine::ConstMask &                                mask,
             const char *                                             name,
             bool                                                     isScaled);

/** No mask for none. `input` holds the memory. */
engine::ConstMask
UploadMask(const engine::Device &  device,
           const unsigned char *   mask,
           const engine::Lattice & lattice,
           engine::HostInput &     input);

/** Images, masks, weights and the affine map of a problem with any number of channels: first their sizes, then, by
 * Upload, their copies on the device, which live as long as this object. */
class ProblemImages
{
public:
  /** Throws if a size makes no sense or an image is missing. */
  explicit ProblemImages(const GPUDiffeomorphicEngine::Problem & problem);

  /** Before Upload the views have sizes only and must not be read. */
  const engine::RegistrationProblem &
  Get() const
  {
    return m_Inputs;
  }

  /** What each channel counts. */
  std::vector<double>
  Weights() const;

  std::size_t
  Bytes() const;

  void
  Upload(const engine::Device & device);

private:
  const GPUDiffeomorphicEngine::Problem & m_Problem;
  engine::RegistrationProblem             m_Inputs;
  engine::HostInput                       m_FixedMask;
  engine::HostInput                       m_MovingMask;
  ScaledImage                             m_Fixed;
  ScaledImage                             m_Moving;
};

/** The memory of the host that the results of a problem fill. */
std::vector<engine::HostBlock>
ToHostBlocks(const GPUDiffeomorphicEngine::Problem & problem, const engine::Lattice & lattice);

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
