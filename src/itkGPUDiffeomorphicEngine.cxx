// SPDX-License-Identifier: Apache-2.0
#include "itkGPUDiffeomorphicEngineImages.h"

#include "itkGPUDiffeomorphicLabels.h"

#include "Operators/Intensities.h"
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
    auto                     start = Clock::now();
    const engine::Device     device = engine::Device::Open(deviceName);
    ProblemImages            images(problem);
    const engine::Lattice    fixedLattice = images.Get().fixed.lattice;
    engine::GreedyParameters settings = ToEngine(parameters);
    settings.metric.weights = images.Weights();

    // Says no before the first large allocation: the solver's need depends on the sizes alone.
    RequireMemory(device,
                  images.Bytes() + 3 * sizeof(float) * static_cast<std::size_t>(fixedLattice.NumberOfVoxels()) +
                    engine::GreedySolver(device, images.Get(), settings).RequiredBytes(),
                  fixedLattice);

    Result result;
    result.device = device.Name();
    result.deviceDescription = device.Description();
    result.prepareSeconds = SecondsSince(start);

    start = Clock::now();
    device.ResetPeak();
    images.Upload(device);
    const engine::Buffer<float> displacementBuffer(device, 3 * fixedLattice.NumberOfVoxels());
    const engine::Field         displacement(displacementBuffer.Data(), fixedLattice, 3);
    result.uploadSeconds = SecondsSince(start);

    start = Clock::now();
    engine::GreedySolver::Callback callback;
    if (progress)
    {
      callback = [&](const engine::GreedyProgress & state) {
        return progress(ToProgress(state));
      };
    }
    engine::GreedySolver solver(device, images.Get(), settings);
    engine::GreedyReport report;
    {
      const engine::PagePreparation pages(device, ToHostBlocks(problem, fixedLattice));
      report = solver.Run(displacement, callback);
    }
    result.seconds = SecondsSince(start);

    result.levels = ToLevelReports(report.levels);
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
