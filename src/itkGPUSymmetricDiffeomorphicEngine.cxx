// SPDX-License-Identifier: Apache-2.0
#include "itkGPUSymmetricDiffeomorphicEngine.h"

#include "itkGPUDiffeomorphicEngineImages.h"

#include "Operators/Compose.h"
#include "Operators/JacobianDeterminant.h"
#include "Operators/NormalizeStep.h"
#include "Operators/Reductions.h"
#include "Solvers/Symmetric.h"

#include <algorithm>

namespace itk
{
using namespace facade;

namespace
{
engine::SymmetricParameters
ToEngine(const GPUSymmetricDiffeomorphicEngine::Parameters & parameters)
{
  using Facade = GPUSymmetricDiffeomorphicEngine;
  engine::SymmetricParameters result;
  result.metric.kind = ToMetricKind(parameters.metric);
  result.metric.mutualInformation.numberOfBins = parameters.numberOfBins;
  std::copy(parameters.radius.begin(), parameters.radius.end(), result.metric.lncc.radius);
  result.metric.lncc.varianceFloor = static_cast<float>(parameters.varianceFloor);
  result.derivative = parameters.derivative == Facade::DerivativeEnum::Exact ? engine::MidpointDerivative::Exact
                                                                             : engine::MidpointDerivative::Itk;
  result.step =
    parameters.step == Facade::StepEnum::LargestNorm ? engine::SymmetricStep::LargestNorm : engine::SymmetricStep::Rule;
  result.stepRule.kind = parameters.step == Facade::StepEnum::NormalizedGradient
                           ? engine::StepRuleKind::NormalizedGradient
                           : engine::StepRuleKind::Adam;
  result.stepRule.beta1 = parameters.beta1;
  result.stepRule.beta2 = parameters.beta2;
  result.stepRule.epsilon = parameters.epsilon;
  result.learningRate = parameters.learningRate;
  result.updateVariance = parameters.updateFieldVariance;
  result.totalVariance = parameters.totalFieldVariance;
  result.convergenceThreshold = parameters.convergenceThreshold;
  result.convergenceWindow = parameters.convergenceWindowSize;
  result.averageMidPointGradients = parameters.averageMidPointGradients;
  result.gradientFilter = parameters.gradientFilter;
  result.minimumJacobian = parameters.minimumJacobian;
  for (const auto & level : parameters.levels)
  {
    result.levels.push_back(ToSolverLevel(level));
  }
  return result;
}

/** Sizes, maps and geometry; the images are views that must not be read. */
engine::SymmetricProblem
PlanProblem(const GPUSymmetricDiffeomorphicEngine::Problem & problem)
{
  static float             image;
  static unsigned char     mask;
  engine::SymmetricProblem result;
  result.fixed = engine::ConstField(&image, ToLattice(problem.fixedSize, "the fixed image"));
  result.moving = engine::ConstField(&image, ToLattice(problem.movingSize, "the moving image"));
  result.fixedMask = problem.fixedMask ? engine::ConstMask(&mask, result.fixed.lattice) : engine::ConstMask();
  result.movingMask = problem.movingMask ? engine::ConstMask(&mask, result.moving.lattice) : engine::ConstMask();
  result.dimension = static_cast<int>(problem.dimension);
  for (int i = 0; i < 3; ++i)
  {
    result.spacing[i] = problem.spacing[i];
    std::copy(problem.direction[i].begin(), problem.direction[i].end(), result.direction[i]);
    std::copy(problem.affine[i].begin(), problem.affine[i].end(), result.affine[i]);
    std::copy(problem.fixedAffine[i].begin(), problem.fixedAffine[i].end(), result.fixedAffine[i]);
  }
  return result;
}

GPUSymmetricDiffeomorphicEngine::Grid
ToGrid(const engine::LevelGeometry & geometry)
{
  GPUSymmetricDiffeomorphicEngine::Grid grid;
  std::copy_n(geometry.lattice.size, 3, grid.size.begin());
  std::copy_n(geometry.factor, 3, grid.factor.begin());
  std::copy_n(geometry.offset, 3, grid.offset.begin());
  return grid;
}

void
DownloadState(const engine::Device &                               device,
              const engine::SymmetricState &                       state,
              const GPUSymmetricDiffeomorphicEngine::OutputState & outputs)
{
  engine::NormalizeStepParameters toVoxels;
  toVoxels.matrix = state.toIndex;
  engine::Buffer<float> copy;
  for (int i = 0; i < 4; ++i)
  {
    engine::Field field = state.fields[i];
    if (!state.toIndex.IsIdentity())
    {
      if (copy.Count() == 0)
      {
        copy = engine::Buffer<float>(device, field.NumberOfValues());
      }
      device.Copy(copy.Data(), field.data, copy.Bytes());
      field.data = copy.Data();
      engine::NormalizeStep(device, toVoxels, nullptr, field);
    }
    DownloadVectors(device, field, outputs[i]);
  }
}

void
UploadState(const engine::Device &                              device,
            const GPUSymmetricDiffeomorphicEngine::InputState & from,
            const engine::SymmetricState &                      to)
{
  for (int i = 0; i < 4; ++i)
  {
    const engine::Field & field = to.fields[i];
    const auto            uploaded = UploadVectors(device, from[i], field.lattice);
    device.Copy(field.data, uploaded.Data(), uploaded.Bytes());
    if (!to.fromIndex.IsIdentity())
    {
      engine::NormalizeStepParameters fromVoxels;
      fromVoxels.matrix = to.fromIndex;
      engine::NormalizeStep(device, fromVoxels, nullptr, field);
    }
    device.Synchronize();
  }
}

/** What is left of x after both maps: mean and maximum. */
void
MeasureResidual(const engine::Device &   device,
                const engine::Field &    forward,
                const engine::Field &    inverse,
                const engine::Field &    workspace,
                GPUDiffeomorphicEngine::Result & result)
{
  const engine::Buffer<double> norms(device, 2);
  engine::Compose(device, engine::ComposeParameters(), forward, inverse, workspace);
  engine::Norms(device, workspace, norms.Data());
  double numbers[2];
  device.CopyToHost(numbers, norms.Data(), sizeof(numbers));
  result.inverseMeanResidual = numbers[0] / static_cast<double>(forward.lattice.NumberOfVoxels());
  result.inverseMaximumResidual = numbers[1];
}
} // namespace

GPUSymmetricDiffeomorphicEngine::Grid
GPUSymmetricDiffeomorphicEngine::GetGrid(const Engine::SizeType & fixedSize, const Engine::FactorsType & shrinkFactors)
{
  return Guard([&] {
    const int factors[3] = { shrinkFactors[0], shrinkFactors[1], shrinkFactors[2] };
    return ToGrid(engine::MakeLevelGeometry(ToLattice(fixedSize, "the fixed image"), factors));
  });
}

GPUDiffeomorphicEngine::Result
GPUSymmetricDiffeomorphicEngine::Register(const std::string &      deviceName,
                                          const Problem &          problem,
                                          const Parameters &       parameters,
                                          const InputState *       initial,
                                          const OutputFunction &   makeOutputs,
                                          const ProgressCallback & progress)
{
  return Guard([&]() -> Engine::Result {
    auto                 start = Clock::now();
    const engine::Device device = engine::Device::Open(deviceName);
    if (!problem.fixedImage || !problem.movingImage)
    {
      engine::ThrowError("the fixed or the moving image is missing");
    }
    const engine::SymmetricParameters settings = ToEngine(parameters);
    engine::SymmetricProblem          inputs = PlanProblem(problem);
    const engine::Lattice             fixedLattice = inputs.fixed.lattice;
    const engine::Lattice             movingLattice = inputs.moving.lattice;
    // Says no before the first large allocation: the solver's need depends on the sizes alone.
    const std::size_t imageBytes =
      sizeof(float) * (fixedLattice.NumberOfVoxels() + movingLattice.NumberOfVoxels()) +
      (problem.fixedMask ? fixedLattice.NumberOfVoxels() : 0) + (problem.movingMask ? movingLattice.NumberOfVoxels() : 0);
    RequireMemory(
      device, imageBytes + engine::SymmetricSolver(device, inputs, settings).RequiredBytes(), fixedLattice);

    Engine::Result result;
    result.device = device.Name();
    result.deviceDescription = device.Description();
    result.prepareSeconds = SecondsSince(start);

    start = Clock::now();
    device.ResetPeak();
    engine::HostInput fixedMask;
    engine::HostInput movingMask;
    inputs.fixedMask = UploadMask(device, problem.fixedMask, fixedLattice, fixedMask);
    inputs.movingMask = UploadMask(device, problem.movingMask, movingLattice, movingMask);
    // ITK's derivative is that of the intensities as they are
    const bool        isScaled = parameters.derivative == DerivativeEnum::Exact;
    const ScaledImage fixed =
      UploadImages(device, { problem.fixedImage }, fixedLattice, inputs.fixedMask, "the fixed image", isScaled);
    const ScaledImage moving =
      UploadImages(device, { problem.movingImage }, movingLattice, inputs.movingMask, "the moving image", isScaled);
    inputs.fixed = fixed.field;
    inputs.moving = moving.field;
    inputs.fixedMean = fixed.range.mean;
    inputs.movingMean = moving.range.mean;
    inputs.fixedOutside = (0.0f - fixed.range.shift) * fixed.range.scale;
    inputs.movingOutside = (0.0f - moving.range.shift) * moving.range.scale;
    engine::SymmetricSolver solver(device, inputs, settings);
    if (initial)
    {
      UploadState(device, *initial, solver.MakeInitialState());
    }

    result.uploadSeconds = SecondsSince(start);

    start = Clock::now();
    engine::SymmetricSolver::Callback callback;
    const StateFunction               fetch = [&](const std::function<OutputState(const Grid &)> & makeRoom) {
      DownloadState(device, solver.State(), makeRoom(ToGrid(solver.State().geometry)));
    };
    if (progress)
    {
      callback = [&](const engine::SolverProgress & state) { return progress(ToProgress(state), fetch); };
    }
    const engine::SymmetricReport report = solver.Run(callback);
    result.cancelled = report.cancelled;
    result.levels = ToLevelReports(report.levels);
    for (const auto & level : result.levels)
    {
      if (!level.metricValues.empty())
      {
        const bool isFirst = result.initialMetricValue == 0.0 && result.finalMetricValue == 0.0;
        result.initialMetricValue = isFirst ? level.metricValues.front() : result.initialMetricValue;
        result.finalMetricValue = level.metricValues.back();
      }
    }

    const engine::Lattice &     lattice = solver.State().geometry.lattice;
    const std::int64_t          values = 3 * lattice.NumberOfVoxels();
    const engine::Buffer<float> buffers(device, 3 * values);
    const engine::Field         forward(buffers.Data(), lattice, 3);
    const engine::Field         inverse(buffers.Data() + values, lattice, 3);
    solver.WriteForward(forward);
    solver.WriteInverse(forward, inverse);
    MeasureResidual(device, forward, inverse, engine::Field(buffers.Data() + 2 * values, lattice, 3), result);
    const engine::Buffer<double> minimum(device, 2);
    engine::JacobianDeterminant(device, engine::Matrix3(), forward, engine::Field(), minimum.Data());
    double numbers[2];
    device.CopyToHost(numbers, minimum.Data(), sizeof(numbers));
    result.minimumJacobian = numbers[0];
    result.foldedVoxels = static_cast<std::size_t>(numbers[1]);
    result.seconds = SecondsSince(start);

    start = Clock::now();
    const Outputs outputs = makeOutputs(ToGrid(solver.State().geometry));
    DownloadVectors(device, forward, outputs.forward);
    DownloadVectors(device, inverse, outputs.inverse);
    DownloadState(device, solver.State(), outputs.state);
    result.downloadSeconds = SecondsSince(start);
    result.peakDeviceBytes = device.PeakBytes();
    return result;
  });
}
} // namespace itk
