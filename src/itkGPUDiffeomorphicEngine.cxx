// SPDX-License-Identifier: Apache-2.0
#include "itkGPUDiffeomorphicEngineTransfer.h"

#include "itkGPUDiffeomorphicLabels.h"

#include "Operators/Intensities.h"
#include "Operators/RefineInverse.h"
#include "Operators/Resample.h"
#include "Operators/ResampleLabels.h"
#include "Solvers/Greedy.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>

namespace itk
{
using namespace facade;

namespace
{
using Clock = std::chrono::steady_clock;

double
SecondsSince(Clock::time_point start)
{
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/** Images of one grid on the device, each scaled to about [0, 1] there. */
struct ScaledImage
{
  engine::Buffer<float> buffer;
  engine::ConstField    field; ///< one component for each
  float                 mean;  ///< of the first
};

ScaledImage
UploadScaled(const engine::Device &                                     device,
             const std::vector<GPUDiffeomorphicEngine::InputPixels> & channels,
             const engine::Lattice &                                    lattice,
             const engine::ConstMask &                                  mask,
             const char *                                               name)
{
  const auto          components = static_cast<int>(channels.size());
  ScaledImage         result;
  result.buffer = engine::Buffer<float>(device, components * lattice.NumberOfVoxels());
  const engine::Field images(result.buffer.Data(), lattice, components);
  for (int c = 0; c < components; ++c)
  {
    const engine::HostInput      input = Upload(device, channels[c], lattice);
    const engine::ConstPixels    image = ToPixelView(input.Data(), channels[c], lattice);
    const engine::IntensityRange range = engine::FindIntensityRange(device, image, mask, name);
    engine::ImportImage(device, image, range.shift, range.scale, engine::Field(images.Component(c), lattice));
    device.Synchronize();
    result.mean = c == 0 ? range.mean : result.mean;
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

engine::MetricKind
ToEngine(GPUDiffeomorphicEngine::MetricEnum metric)
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

engine::GreedyParameters
ToEngine(const GPUDiffeomorphicEngine::GreedyParameters & parameters)
{
  engine::GreedyParameters result;
  result.metric.kind = ToEngine(parameters.metric);
  result.metric.mutualInformation.numberOfBins = parameters.numberOfBins;
  std::copy(parameters.radius.begin(), parameters.radius.end(), result.metric.lncc.radius);
  result.metric.lncc.varianceFloor = static_cast<float>(parameters.varianceFloor);
  result.learningRate = parameters.learningRate;
  result.squarings = parameters.squarings;
  result.stepReductions = parameters.stepReductions;
  result.updateVariance = parameters.updateFieldVariance;
  result.totalVariance = parameters.totalFieldVariance;
  result.regularization.diffusion = static_cast<float>(parameters.diffusionWeight);
  result.regularization.volume = static_cast<float>(parameters.volumeWeight);
  result.convergenceThreshold = parameters.convergenceThreshold;
  result.convergenceWindow = parameters.convergenceWindowSize;
  result.stepRule.kind = static_cast<engine::StepRuleKind>(parameters.stepRule);
  result.parametrization = static_cast<engine::Parametrization>(parameters.parametrization);
  result.stepRule.beta1 = parameters.beta1;
  result.stepRule.beta2 = parameters.beta2;
  result.stepRule.epsilon = parameters.epsilon;
  result.stepRule.damping = parameters.damping;
  result.minimumJacobian = parameters.minimumJacobian;
  for (const auto & level : parameters.levels)
  {
    engine::GreedyLevel each;
    for (int d = 0; d < 3; ++d)
    {
      for (const double sigma : { level.fixedSigmas[d], level.movingSigmas[d] })
      {
        if (!(sigma >= 0.0) || !std::isfinite(sigma))
        {
          engine::ThrowError("smoothing sigma is ", sigma, ": a number >= 0 is needed");
        }
      }
      each.shrinkFactors[d] = level.shrinkFactors[d];
      each.fixedVariance[d] = level.fixedSigmas[d] * level.fixedSigmas[d];
      each.movingVariance[d] = level.movingSigmas[d] * level.movingSigmas[d];
    }
    each.iterations = level.iterations;
    result.levels.push_back(each);
  }
  return result;
}

/** The memory of the host that the result fills. */
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
} // namespace

GPUDiffeomorphicEngine::AffineType
GPUDiffeomorphicEngine::IdentityAffine()
{
  return { { { { 1, 0, 0, 0 } }, { { 0, 1, 0, 0 } }, { { 0, 0, 1, 0 } } } };
}

GPUDiffeomorphicEngine::MatrixType
GPUDiffeomorphicEngine::IdentityMatrix()
{
  return { { { { 1, 0, 0 } }, { { 0, 1, 0 } }, { { 0, 0, 1 } } } };
}

std::vector<GPUDiffeomorphicEngine::DeviceInformation>
GPUDiffeomorphicEngine::GetDevices()
{
  std::vector<DeviceInformation> result;
  for (const auto & device : engine::Device::Enumerate())
  {
    result.push_back(
      { device.name, device.description, device.totalBytes, device.freeBytes, device.usable, device.problem });
  }
  return result;
}

std::string
GPUDiffeomorphicEngine::ResolveDevice(const std::string & name)
{
  return Guard([&] { return engine::Device::Open(name).Name(); });
}

GPUDiffeomorphicEngine::Result
GPUDiffeomorphicEngine::RegisterGreedy(const std::string &      deviceName,
                                       const Problem &          problem,
                                       const GreedyParameters & parameters,
                                       const ProgressCallback & progress)
{
  return Guard([&]() -> Result {
    auto                  start = Clock::now();
    const engine::Device  device = engine::Device::Open(deviceName);
    const engine::Lattice fixedLattice = ToLattice(problem.fixedSize, "the fixed image");
    const engine::Lattice movingLattice = ToLattice(problem.movingSize, "the moving image");
    std::vector<InputPixels> fixedImages{ problem.fixedImage };
    std::vector<InputPixels> movingImages{ problem.movingImage };
    engine::GreedyParameters settings = ToEngine(parameters);
    settings.metric.weights = { problem.weight };
    for (const Channel & channel : problem.moreChannels)
    {
      fixedImages.push_back(channel.fixedImage);
      movingImages.push_back(channel.movingImage);
      settings.metric.weights.push_back(channel.weight);
    }
    const auto components = static_cast<int>(fixedImages.size());
    for (int c = 0; c < components; ++c)
    {
      if (!fixedImages[c] || !movingImages[c])
      {
        engine::ThrowError("the fixed or the moving image is missing");
      }
    }
    engine::RegistrationProblem inputs;
    for (int i = 0; i < 3; ++i)
    {
      for (int j = 0; j < 4; ++j)
      {
        inputs.affine[i][j] = problem.affine[i][j];
      }
    }

    // Says no before the first large allocation: the solver's need depends on the sizes alone.
    const auto        voxels = static_cast<std::size_t>(fixedLattice.NumberOfVoxels());
    const std::size_t imageBytes = sizeof(float) * components * (voxels + movingLattice.NumberOfVoxels()) +
                                   (problem.fixedMask ? voxels : 0) +
                                   (problem.movingMask ? movingLattice.NumberOfVoxels() : 0);
    {
      static float         dummyImage;
      static unsigned char dummyMask;
      auto                 sizes = inputs;
      sizes.fixed = engine::ConstField(&dummyImage, fixedLattice, components);
      sizes.moving = engine::ConstField(&dummyImage, movingLattice, components);
      sizes.fixedMask = problem.fixedMask ? engine::ConstMask(&dummyMask, fixedLattice) : engine::ConstMask();
      sizes.movingMask = problem.movingMask ? engine::ConstMask(&dummyMask, movingLattice) : engine::ConstMask();
      const engine::GreedySolver solver(device, sizes, settings);
      RequireMemory(device, imageBytes + 3 * sizeof(float) * voxels + solver.RequiredBytes(), fixedLattice);
    }

    Result result;
    result.device = device.Name();
    result.deviceDescription = device.Description();
    result.prepareSeconds = SecondsSince(start);

    start = Clock::now();
    device.ResetPeak();
    engine::HostInput fixedMask;
    engine::HostInput movingMask;
    inputs.fixedMask = UploadMask(device, problem.fixedMask, fixedLattice, fixedMask);
    inputs.movingMask = UploadMask(device, problem.movingMask, movingLattice, movingMask);
    const ScaledImage fixed = UploadScaled(device, fixedImages, fixedLattice, inputs.fixedMask, "the fixed image");
    const ScaledImage moving = UploadScaled(device, movingImages, movingLattice, inputs.movingMask, "the moving image");
    inputs.fixed = fixed.field;
    inputs.moving = moving.field;
    inputs.fixedMean = fixed.mean;
    inputs.movingMean = moving.mean;
    const engine::Buffer<float> displacementBuffer(device, 3 * fixedLattice.NumberOfVoxels());
    const engine::Field         displacement(displacementBuffer.Data(), fixedLattice, 3);
    result.uploadSeconds = SecondsSince(start);

    start = Clock::now();
    engine::GreedySolver::Callback callback;
    if (progress)
    {
      callback = [&](const engine::GreedyProgress & state) {
        Progress p;
        p.level = state.level;
        p.iteration = state.iteration;
        p.iterationsOfLevel = state.iterationsOfLevel;
        p.metricValue = state.metricValue;
        p.convergenceValue = state.convergenceValue;
        p.startsLevel = state.startsLevel;
        return progress(p);
      };
    }
    engine::GreedySolver solver(device, inputs, settings);
    engine::GreedyReport report;
    {
      const engine::PagePreparation pages(device, ToHostBlocks(problem, fixedLattice));
      report = solver.Run(displacement, callback);
    }
    result.seconds = SecondsSince(start);

    for (const auto & level : report.levels)
    {
      LevelReport each;
      std::copy_n(level.lattice.size, 3, each.size.begin());
      each.metricValues = level.metricValues;
      each.seconds = level.seconds;
      each.converged = level.converged;
      result.levels.push_back(each);
    }
    result.initialMetricValue = report.initialMetricValue;
    result.finalMetricValue = report.finalMetricValue;
    result.minimumJacobian = report.minimumJacobian;
    result.foldedVoxels = static_cast<std::size_t>(report.foldedVoxels);
    result.cancelled = report.cancelled;

    if (!report.cancelled && problem.displacement)
    {
      start = Clock::now();
      DownloadVectors(device, displacement, problem.displacement);
      result.downloadSeconds = SecondsSince(start);
    }
    if (!report.cancelled && problem.inverseDisplacement)
    {
      start = Clock::now();
      const engine::Buffer<float> inverseBuffer(device, displacement.NumberOfValues());
      const engine::Field         inverse(inverseBuffer.Data(), fixedLattice, 3);
      const auto                  residual = [&] {
        // given back before the download, which needs memory of its own
        const engine::Buffer<float>     workspace(device, displacement.NumberOfValues());
        const engine::Buffer<double>    scalars(device, 2);
        engine::RefineInverseParameters inversion;
        inversion.outside = engine::Outside::Clamp;
        return engine::InvertByNewton(
          device, inversion, displacement, inverse, engine::Field(workspace.Data(), fixedLattice, 3), scalars.Data());
      }();
      result.inverseMeanResidual = residual.meanResidual;
      result.inverseMaximumResidual = residual.maximumResidual;
      result.seconds += SecondsSince(start);
      start = Clock::now();
      DownloadVectors(device, inverse, problem.inverseDisplacement);
      result.downloadSeconds += SecondsSince(start);
    }
    result.peakDeviceBytes = device.PeakBytes();
    return result;
  });
}

void
GPUDiffeomorphicEngine::Warp(const std::string &  deviceName,
                             const InputPixels &  image,
                             const SizeType &     imageSize,
                             const AffineType &   affine,
                             const MatrixType &   displacementMatrix,
                             const InputVectors & displacement,
                             InterpolationEnum    interpolation,
                             float                outsideValue,
                             const SizeType &     outputSize,
                             const OutputPixels & output)
{
  if (interpolation == InterpolationEnum::Label)
  {
    const auto count = [](const SizeType & size) {
      return Guard([&] { return ToLattice(size, "a grid").NumberOfVoxels(); });
    };
    if (image.type != PixelEnum::Float32 || output.type != PixelEnum::Float32)
    {
      itkGenericExceptionMacro(<< "labels are warped from and to images of float; see WarpLabels for integers");
    }
    const GPUDiffeomorphicLabels<float> labels(static_cast<const float *>(image.data),
                                               static_cast<std::size_t>(count(imageSize)));
    std::vector<std::int32_t>           ranks(count(outputSize));
    WarpLabels(deviceName,
               labels.GetRanks().data(),
               imageSize,
               affine,
               displacementMatrix,
               displacement,
               labels.OutsideRank,
               outputSize,
               ranks.data());
    std::transform(ranks.begin(), ranks.end(), static_cast<float *>(output.data), [&](std::int32_t rank) {
      return labels.GetValue(rank, outsideValue);
    });
    return;
  }
  Guard([&] {
    const engine::Device        device = engine::Device::Open(deviceName);
    const engine::Lattice       movingLattice = ToLattice(imageSize, "the image");
    const engine::Lattice       outputLattice = ToLattice(outputSize, "the output");
    if (!image)
    {
      engine::ThrowError("the image is missing");
    }
    const UploadedImage        moving(device, image, movingLattice);
    engine::ConstField         movingField = moving.View();
    engine::Buffer<float>      coefficients;
    engine::ResampleParameters parameters;
    parameters.affine = ToAffineMap(affine);
    parameters.displacementMatrix = ToMatrix(displacementMatrix);
    parameters.outsideValue = outsideValue;
    switch (interpolation)
    {
      case InterpolationEnum::NearestNeighbor:
        parameters.interpolation = engine::Interpolation::Nearest;
        break;
      case InterpolationEnum::Linear:
        parameters.interpolation = engine::Interpolation::Linear;
        break;
      case InterpolationEnum::CubicBSpline:
        parameters.interpolation = engine::Interpolation::CubicBSpline;
        coefficients = engine::Buffer<float>(device, movingLattice.NumberOfVoxels());
        engine::BSplineCoefficients(device, movingField, engine::Field(coefficients.Data(), movingLattice));
        movingField = engine::ConstField(coefficients.Data(), movingLattice);
        break;
      case InterpolationEnum::Label:
        break;
    }
    engine::Buffer<float> u;
    engine::ConstField    displacementField;
    if (displacement)
    {
      u = UploadVectors(device, displacement, outputLattice);
      displacementField = engine::ConstField(u.Data(), outputLattice, 3);
    }
    DownloadImage(
      device, outputLattice, output, SizeType{ { 0, 0, 0 } }, outputLattice, [&](const engine::Field & warped) {
        engine::Resample(device, parameters, movingField, displacementField, warped);
      });
  });
}

void
GPUDiffeomorphicEngine::WarpLabels(const std::string &  deviceName,
                                   const std::int32_t * labels,
                                   const SizeType &     imageSize,
                                   const AffineType &   affine,
                                   const MatrixType &   displacementMatrix,
                                   const InputVectors & displacement,
                                   std::int32_t         outsideLabel,
                                   const SizeType &     outputSize,
                                   std::int32_t *       output,
                                   float *              weights)
{
  Guard([&] {
    const engine::Device     device = engine::Device::Open(deviceName);
    const engine::Lattice    movingLattice = ToLattice(imageSize, "the label image");
    const engine::Lattice    outputLattice = ToLattice(outputSize, "the output");
    const auto               outputVoxels = static_cast<std::size_t>(outputLattice.NumberOfVoxels());
    const engine::HostInput  moving(device, labels, sizeof(*labels) * movingLattice.NumberOfVoxels());
    const engine::HostOutput warped(device, { output, sizeof(*output) * outputVoxels });
    const engine::HostOutput weight(device, { weights, weights ? sizeof(*weights) * outputVoxels : 0 });
    engine::ResampleParameters parameters;
    parameters.affine = ToAffineMap(affine);
    parameters.displacementMatrix = ToMatrix(displacementMatrix);
    engine::Buffer<float> u;
    engine::ConstField    displacementField;
    if (displacement)
    {
      u = UploadVectors(device, displacement, outputLattice);
      displacementField = engine::ConstField(u.Data(), outputLattice, 3);
    }
    engine::ResampleLabels(device,
                           parameters,
                           engine::ConstLabels(static_cast<const std::int32_t *>(moving.Data()), movingLattice),
                           displacementField,
                           outsideLabel,
                           engine::Labels(static_cast<std::int32_t *>(warped.Data()), outputLattice),
                           weights ? engine::Field(static_cast<float *>(weight.Data()), outputLattice)
                                   : engine::Field());
    warped.Download();
    if (weights)
    {
      weight.Download();
    }
  });
}
} // namespace itk
