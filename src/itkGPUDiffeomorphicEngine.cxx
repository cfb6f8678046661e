// SPDX-License-Identifier: Apache-2.0
#include "itkGPUDiffeomorphicEngineTransfer.h"

#include "itkGPUDiffeomorphicLabels.h"

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

/** How an image's intensities map to about [0, 1]. */
struct IntensityRange
{
  float shift = 0.0f;
  float scale = 1.0f;
  float mean = 0.0f; ///< after the map
};

/** From the 0.1 % to the 99.9 % quantile inside the mask, so that a few hot voxels do not decide the scale. */
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
} // namespace

GPUDiffeomorphicEngine::AffineType
GPUDiffeomorphicEngine::IdentityAffine()
{
  return { { { { 1, 0, 0, 0 } }, { { 0, 1, 0, 0 } }, { { 0, 0, 1, 0 } } } };
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
    if (!problem.fixedImage || !problem.movingImage)
    {
      engine::ThrowError("the fixed or the moving image is missing");
    }
    const IntensityRange fixedRange =
      FindIntensityRange(problem.fixedImage, problem.fixedMask, fixedLattice.NumberOfVoxels(), "the fixed image");
    const IntensityRange movingRange =
      FindIntensityRange(problem.movingImage, problem.movingMask, movingLattice.NumberOfVoxels(), "the moving image");

    engine::RegistrationProblem inputs;
    for (int i = 0; i < 3; ++i)
    {
      for (int j = 0; j < 4; ++j)
      {
        inputs.affine[i][j] = problem.affine[i][j];
      }
    }
    inputs.fixedMean = fixedRange.mean;
    inputs.movingMean = movingRange.mean;

    // Says no before the first large allocation: the solver's need depends on the sizes alone.
    const auto        voxels = static_cast<std::size_t>(fixedLattice.NumberOfVoxels());
    const std::size_t imageBytes = sizeof(float) * (voxels + movingLattice.NumberOfVoxels()) +
                                   (problem.fixedMask ? voxels : 0) +
                                   (problem.movingMask ? movingLattice.NumberOfVoxels() : 0);
    {
      static float         dummyImage;
      static unsigned char dummyMask;
      auto                 sizes = inputs;
      sizes.fixed = engine::ConstField(&dummyImage, fixedLattice);
      sizes.moving = engine::ConstField(&dummyImage, movingLattice);
      sizes.fixedMask = problem.fixedMask ? engine::ConstMask(&dummyMask, fixedLattice) : engine::ConstMask();
      sizes.movingMask = problem.movingMask ? engine::ConstMask(&dummyMask, movingLattice) : engine::ConstMask();
      const engine::GreedySolver solver(device, sizes, ToEngine(parameters));
      RequireMemory(device, imageBytes + 3 * sizeof(float) * voxels + solver.RequiredBytes(), fixedLattice);
    }

    device.ResetPeak();
    const auto fixed = UploadImage(device, problem.fixedImage, fixedLattice.NumberOfVoxels(), fixedRange);
    const auto moving = UploadImage(device, problem.movingImage, movingLattice.NumberOfVoxels(), movingRange);
    engine::Buffer<unsigned char> fixedMask;
    engine::Buffer<unsigned char> movingMask;
    inputs.fixed = engine::ConstField(fixed.Data(), fixedLattice);
    inputs.moving = engine::ConstField(moving.Data(), movingLattice);
    inputs.fixedMask = UploadMask(device, problem.fixedMask, fixedLattice, fixedMask);
    inputs.movingMask = UploadMask(device, problem.movingMask, movingLattice, movingMask);
    const engine::Buffer<float> displacementBuffer(device, 3 * fixedLattice.NumberOfVoxels());
    const engine::Field         displacement(displacementBuffer.Data(), fixedLattice, 3);

    Result result;
    result.device = device.Name();
    result.deviceDescription = device.Description();
    result.transferSeconds = SecondsSince(start);

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
    engine::GreedySolver       solver(device, inputs, ToEngine(parameters));
    const engine::GreedyReport report = solver.Run(displacement, callback);
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

    start = Clock::now();
    result.displacement.resize(3 * voxels);
    DownloadVectors(device, displacement, result.displacement.data());
    result.transferSeconds += SecondsSince(start);
    if (parameters.computeInverse)
    {
      start = Clock::now();
      const engine::Buffer<float>     inverseBuffer(device, displacement.NumberOfValues());
      const engine::Buffer<float>     workspace(device, displacement.NumberOfValues());
      const engine::Buffer<double>    scalars(device, 2);
      const engine::Field             inverse(inverseBuffer.Data(), fixedLattice, 3);
      engine::RefineInverseParameters inversion;
      inversion.outside = engine::Outside::Clamp;
      const auto residual = engine::InvertByNewton(
        device, inversion, displacement, inverse, engine::Field(workspace.Data(), fixedLattice, 3), scalars.Data());
      result.inverseMeanResidual = residual.meanResidual;
      result.inverseMaximumResidual = residual.maximumResidual;
      result.seconds += SecondsSince(start);
      start = Clock::now();
      result.inverseDisplacement.resize(3 * voxels);
      DownloadVectors(device, inverse, result.inverseDisplacement.data());
      result.transferSeconds += SecondsSince(start);
    }
    result.peakDeviceBytes = device.PeakBytes();
    return result;
  });
}

void
GPUDiffeomorphicEngine::Warp(const std::string & deviceName,
                             const float *       image,
                             const SizeType &    imageSize,
                             const AffineType &  affine,
                             const MatrixType &  displacementMatrix,
                             const float *       displacement,
                             InterpolationEnum   interpolation,
                             float               outsideValue,
                             const SizeType &    outputSize,
                             float *             output)
{
  if (interpolation == InterpolationEnum::Label)
  {
    const auto count = [](const SizeType & size) {
      return Guard([&] { return ToLattice(size, "a grid").NumberOfVoxels(); });
    };
    const GPUDiffeomorphicLabels<float> labels(image, static_cast<std::size_t>(count(imageSize)));
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
    std::transform(ranks.begin(), ranks.end(), output, [&](std::int32_t rank) {
      return labels.GetValue(rank, outsideValue);
    });
    return;
  }
  Guard([&] {
    const engine::Device        device = engine::Device::Open(deviceName);
    const engine::Lattice       movingLattice = ToLattice(imageSize, "the image");
    const engine::Lattice       outputLattice = ToLattice(outputSize, "the output");
    const engine::Buffer<float> moving(device, movingLattice.NumberOfVoxels());
    device.CopyFromHost(moving.Data(), image, moving.Bytes());
    const engine::Field        movingField(moving.Data(), movingLattice);
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
        engine::BSplineCoefficients(device, movingField, movingField);
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
    const engine::Buffer<float> warped(device, outputLattice.NumberOfVoxels());
    engine::Resample(
      device, parameters, movingField, displacementField, engine::Field(warped.Data(), outputLattice));
    device.CopyToHost(output, warped.Data(), warped.Bytes());
  });
}

void
GPUDiffeomorphicEngine::WarpLabels(const std::string &  deviceName,
                                   const std::int32_t * labels,
                                   const SizeType &     imageSize,
                                   const AffineType &   affine,
                                   const MatrixType &   displacementMatrix,
                                   const float *        displacement,
                                   std::int32_t         outsideLabel,
                                   const SizeType &     outputSize,
                                   std::int32_t *       output,
                                   float *              weights)
{
  Guard([&] {
    const engine::Device               device = engine::Device::Open(deviceName);
    const engine::Lattice              movingLattice = ToLattice(imageSize, "the label image");
    const engine::Lattice              outputLattice = ToLattice(outputSize, "the output");
    const engine::Buffer<std::int32_t> moving(device, movingLattice.NumberOfVoxels());
    const engine::Buffer<std::int32_t> warped(device, outputLattice.NumberOfVoxels());
    device.CopyFromHost(moving.Data(), labels, moving.Bytes());
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
    engine::Buffer<float> weightBuffer;
    engine::Field         weightField;
    if (weights)
    {
      weightBuffer = engine::Buffer<float>(device, outputLattice.NumberOfVoxels());
      weightField = engine::Field(weightBuffer.Data(), outputLattice);
    }
    engine::ResampleLabels(device,
                           parameters,
                           engine::ConstLabels(moving.Data(), movingLattice),
                           displacementField,
                           outsideLabel,
                           engine::Labels(warped.Data(), outputLattice),
                           weightField);
    device.CopyToHost(output, warped.Data(), warped.Bytes());
    if (weights)
    {
      device.CopyToHost(weights, weightBuffer.Data(), weightBuffer.Bytes());
    }
  });
}
} // namespace itk
