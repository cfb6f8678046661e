// SPDX-License-Identifier: Apache-2.0
#include "itkGPUDiffeomorphicEngineImages.h"

#include "itkGPUDiffeomorphicLabels.h"

#include "Operators/RefineInverse.h"
#include "Operators/Resample.h"
#include "Operators/ResampleLabels.h"
#include "Solvers/Greedy.h"

#include <algorithm>

namespace itk
{
using namespace facade;

namespace
{
engine::GreedyParameters
ToEngine(const GPUDiffeomorphicEngine::GreedyParameters & parameters)
{
  engine::GreedyParameters result;
  result.metric.kind = ToMetricKind(parameters.metric);
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
    result.levels.push_back(ToSolverLevel(level));
  }
  return result;
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
        return progress(ToProgress(state));
      };
    }
    engine::GreedySolver       solver(device, inputs, ToEngine(parameters));
    const engine::GreedyReport report = solver.Run(displacement, callback);
    result.seconds = SecondsSince(start);

    result.levels = ToLevelReports(report.levels);
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
