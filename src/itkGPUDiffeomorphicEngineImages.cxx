// SPDX-License-Identifier: Apache-2.0
#include "itkGPUDiffeomorphicEngineImages.h"

#include "Transfer/Residency.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace facade
{
ScaledImage
UploadImages(const engine::Device &                                   device,
             const std::vector<GPUDiffeomorphicEngine::InputPixels> & channels,
             const engine::Lattice &                                  lattice,
             const engine::ConstMask &                                mask,
             const char *                                             name,
             bool                                                     isScaled)
{
  const auto  components = static_cast<int>(channels.size());
  ScaledImage result;
  result.buffer = engine::Buffer<float>(device, components * lattice.NumberOfVoxels());
  const engine::Field images(result.buffer.Data(), lattice, components);
  for (int c = 0; c < components; ++c)
  {
    const engine::HostInput   input = Upload(device, channels[c], lattice);
    const engine::ConstPixels image = ToPixelView(input.Data(), channels[c], lattice);
    const auto                found = engine::FindIntensityRange(device, image, mask, name);
    const auto                range = isScaled ? found : engine::IntensityRange();
    engine::ImportImage(device, image, range.shift, range.scale, engine::Field(images.Component(c), lattice));
    device.Synchronize();
    result.range = c == 0 ? range : result.range;
  }
  result.field = images;
  return result;
}

engine::ConstMask
UploadMask(const engine::Device &  device,
           const unsigned char *   mask,
           const engine::Lattice & lattice,
           engine::HostInput &     input)
{
  if (!mask)
  {
    return engine::ConstMask();
  }
  input = engine::HostInput(device, mask, static_cast<std::size_t>(lattice.NumberOfVoxels()));
  return engine::ConstMask(static_cast<const unsigned char *>(input.Data()), lattice);
}

ProblemImages::ProblemImages(const GPUDiffeomorphicEngine::Problem & problem)
  : m_Problem(problem)
{
  static const float         noImage = 0.0f;
  static const unsigned char noMask = 0;
  const engine::Lattice      fixed = ToLattice(problem.fixedSize, "the fixed image");
  const engine::Lattice      moving = ToLattice(problem.movingSize, "the moving image");
  bool                       isComplete = problem.fixedImage && problem.movingImage;
  for (const auto & channel : problem.moreChannels)
  {
    isComplete = isComplete && channel.fixedImage && channel.movingImage;
  }
  if (!isComplete)
  {
    engine::ThrowError("the fixed or the moving image is missing");
  }
  const auto components = static_cast<int>(problem.moreChannels.size()) + 1;
  m_Inputs.fixed = engine::ConstField(&noImage, fixed, components);
  m_Inputs.moving = engine::ConstField(&noImage, moving, components);
  m_Inputs.fixedMask = problem.fixedMask ? engine::ConstMask(&noMask, fixed) : engine::ConstMask();
  m_Inputs.movingMask = problem.movingMask ? engine::ConstMask(&noMask, moving) : engine::ConstMask();
  for (int i = 0; i < 3; ++i)
  {
    std::copy(problem.affine[i].begin(), problem.affine[i].end(), m_Inputs.affine[i]);
  }
}

std::vector<double>
ProblemImages::Weights() const
{
  std::vector<double> weights{ m_Problem.weight };
  for (const auto & channel : m_Problem.moreChannels)
  {
    weights.push_back(channel.weight);
  }
  return weights;
}

std::size_t
ProblemImages::Bytes() const
{
  const auto bytes = [](const engine::ConstField & image, bool hasMask) {
    return sizeof(float) * static_cast<std::size_t>(image.NumberOfValues()) +
           (hasMask ? static_cast<std::size_t>(image.lattice.NumberOfVoxels()) : 0);
  };
  return bytes(m_Inputs.fixed, m_Problem.fixedMask != nullptr) + bytes(m_Inputs.moving, m_Problem.movingMask != nullptr);
}

void
ProblemImages::Upload(const engine::Device & device)
{
  std::vector<GPUDiffeomorphicEngine::InputPixels> fixed{ m_Problem.fixedImage };
  std::vector<GPUDiffeomorphicEngine::InputPixels> moving{ m_Problem.movingImage };
  for (const auto & channel : m_Problem.moreChannels)
  {
    fixed.push_back(channel.fixedImage);
    moving.push_back(channel.movingImage);
  }
  m_Inputs.fixedMask = UploadMask(device, m_Problem.fixedMask, m_Inputs.fixed.lattice, m_FixedMask);
  m_Inputs.movingMask = UploadMask(device, m_Problem.movingMask, m_Inputs.moving.lattice, m_MovingMask);
  m_Fixed = UploadImages(device, fixed, m_Inputs.fixed.lattice, m_Inputs.fixedMask, "the fixed image", true);
  m_Moving = UploadImages(device, moving, m_Inputs.moving.lattice, m_Inputs.movingMask, "the moving image", true);
  m_Inputs.fixed = m_Fixed.field;
  m_Inputs.moving = m_Moving.field;
  m_Inputs.fixedMean = m_Fixed.range.mean;
  m_Inputs.movingMean = m_Moving.range.mean;
}

std::vector<engine::HostBlock>
ToHostBlocks(const GPUDiffeomorphicEngine::Problem & problem, const engine::Lattice & lattice)
{
  std::vector<engine::HostBlock> blocks;
  for (const auto * vectors : { &problem.displacement, &problem.inverseDisplacement })
  {
    if (*vectors)
    {
      blocks.push_back(ToHostBlock(*vectors, lattice));
    }
  }
  return blocks;
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
  std::size_t available = device.FreeBytes();
  if (needed > available && engine::Residency::Get().Release(device.Name()))
  {
    available = device.FreeBytes();
  }
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
