// SPDX-License-Identifier: Apache-2.0
#include "Greedy.h"

#include "../Core/RecordWork.h"
#include "../Operators/Arithmetic.h"
#include "../Operators/ExponentialGradient.h"
#include "../Operators/GaussianSmooth.h"
#include "Convergence.h"
#include "RemoveFolds.h"
#include "SolverChecks.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace itk
{
namespace engine
{
GreedySolver::GreedySolver(const Device &              device,
                           const RegistrationProblem & problem,
                           const GreedyParameters &    parameters)
  : m_Device(device)
  , m_Problem(problem)
  , m_Parameters(parameters)
  , m_Metric(device, parameters.metric, problem.fixedMean, problem.movingMean)
{
  RequireField(problem.fixed, problem.fixed.lattice, m_Metric.NumberOfComponents(), "fixed image");
  RequireField(problem.moving, problem.moving.lattice, m_Metric.NumberOfComponents(), "moving image");
  if (parameters.levels.empty())
  {
    ThrowError("the registration has no levels");
  }
  RequirePositive(parameters.learningRate, "learning rate");
  RequirePositive(parameters.updateVariance, "variance for the update field", true);
  RequirePositive(parameters.totalVariance, "variance for the total field", true);
  RequirePositive(parameters.regularization.diffusion, "diffusion weight", true);
  RequirePositive(parameters.regularization.volume, "volume weight", true);
  if (parameters.squarings < 0 || parameters.squarings > 20)
  {
    ThrowError("number of squarings is ", parameters.squarings, ": a number from 0 to 20 is needed");
  }
  RequirePositive(parameters.stepReductions, "number of step reductions", true);
  StepRule::Check(parameters.stepRule);
  RequireMinimumJacobian(parameters.minimumJacobian);
  RequireFiniteMap(problem.affine);
  for (const GreedyLevel & level : parameters.levels)
  {
    if (level.iterations < 0)
    {
      ThrowError("number of iterations is ", level.iterations, ": it must not be negative");
    }
    MakeLevelGeometry(problem.fixed.lattice, level.shrinkFactors);
  }
}

std::int64_t
GreedySolver::ScratchFloats(const MetricInputs & inputs) const
{
  // The metric's workspace, and between metric evaluations one vector field or what the exponential's gradient needs.
  const Lattice & lattice = inputs.fixed.lattice;
  std::int64_t    floats = std::max(m_Metric.Workspace(inputs), 3 * lattice.NumberOfVoxels());
  if (m_Parameters.parametrization == Parametrization::StationaryVelocity)
  {
    floats = std::max(floats, ExponentialGradientWorkspace(m_Device, lattice, m_Parameters.squarings));
  }
  return floats;
}

std::size_t
GreedySolver::LevelBytes(const MetricInputs & inputs, int iterations) const
{
  const Lattice & lattice = inputs.fixed.lattice;
  // the gradient, and with a velocity the displacement and the gradient with respect to it
  const int vectorFields = m_Parameters.parametrization == Parametrization::StationaryVelocity ? 3 : 1;
  return vectorFields * Arena::Round(3 * lattice.NumberOfVoxels() * sizeof(float)) +
         StepRule::Bytes(m_Parameters.stepRule, lattice, iterations) +
         Arena::Round(ScratchFloats(inputs) * sizeof(float)) +
         Arena::Round((3 * ReadInterval + 1) * sizeof(double));
}

std::size_t
GreedySolver::RequiredBytes() const
{
  std::size_t largest = 0;
  for (const GreedyLevel & level : m_Parameters.levels)
  {
    const LevelImages images = LevelImages::Plan(m_Problem, level);
    const Lattice &   lattice = images.FixedLattice();
    // a level on the full grid works in the caller's field
    const std::size_t fieldBytes =
      lattice == m_Problem.fixed.lattice ? 0 : 3 * sizeof(float) * static_cast<std::size_t>(lattice.NumberOfVoxels());
    largest = std::max(
      largest, LevelBytes(images.MakeInputs(m_Problem, ConstField()), level.iterations) + images.Bytes() + fieldBytes);
  }
  return largest;
}

void
GreedySolver::RunLevel(unsigned int        level,
                       const LevelImages & images,
                       const Field &       state,
                       const Callback &    callback)
{
  const GreedyLevel & settings = m_Parameters.levels[level];
  const Lattice &     lattice = images.FixedLattice();
  MetricInputs        inputs = images.MakeInputs(m_Problem, state);
  Arena               arena(m_Device, LevelBytes(inputs, settings.iterations));
  const auto takeVectors = [&]() { return Field(arena.Take<float>(3 * lattice.NumberOfVoxels()), lattice, 3); };

  const bool     isVelocity = m_Parameters.parametrization == Parametrization::StationaryVelocity;
  const Field    gradient = takeVectors();
  const Field    displacement = isVelocity ? takeVectors() : state;
  const Field    slope = isVelocity ? takeVectors() : gradient; // with respect to the displacement
  inputs.displacement = displacement;
  inputs.composedStep = m_Parameters.parametrization == Parametrization::Compositive;
  const StepRule stepRule(m_Device,
                          arena,
                          m_Parameters.stepRule,
                          lattice,
                          settings.iterations,
                          m_Metric.GradientScale(),
                          m_Metric.LossSign());
  float * const  scratch = arena.Take<float>(ScratchFloats(inputs));
  double * const energies = arena.Take<double>(3 * ReadInterval + 1);
  double * const penalties = energies + 2 * ReadInterval;
  double * const folds = penalties + ReadInterval;
  const Field    candidate(scratch, lattice, 3);
  const Mask     flags(reinterpret_cast<unsigned char *>(scratch), lattice);

  SymmetricKernel updateKernels[3];
  SymmetricKernel totalKernels[3];
  const auto      setKernels = [](double variance, SymmetricKernel(&kernels)[3]) {
    std::fill_n(kernels, 3, MakeGaussianKernel(variance));
  };
  setKernels(m_Parameters.updateVariance, updateKernels);
  setKernels(m_Parameters.totalVariance, totalKernels);

  ExponentialParameters exponential;
  exponential.squarings = m_Parameters.squarings;
  RegularizationParameters regularization = m_Parameters.regularization;
  regularization.composedStep = inputs.composedStep;
  double     learningRate = m_Parameters.learningRate;
  // Knows its iteration by the slot of the rings alone, and whether it is the first.
  const auto iterate = [&](int iteration) {
    const int            slot = iteration % ReadInterval;
    double * const       energy = energies + 2 * slot;
    const double * const previousEnergy = iteration > 0 ? energies + 2 * ((iteration - 1) % ReadInterval) : nullptr;
    if (isVelocity)
    {
      Exponential(m_Device, exponential, state, displacement, gradient);
    }
    m_Metric.Evaluate(inputs, energy, slope, scratch);
    if (isVelocity)
    {
      ExponentialGradient(m_Device, exponential, state, slope, gradient, scratch);
    }
    if (regularization)
    {
      AddRegularization(m_Device, regularization, state, penalties + slot, gradient);
    }
    // Smoothing from one field into the other: in place it costs a copy.
    const bool  smooths = updateKernels[0].radius > 0;
    const Field direction = smooths ? candidate : gradient;
    const Field next = smooths ? gradient : candidate;
    stepRule.TakeDirection(previousEnergy, energy, updateKernels, gradient, direction);
    if (m_Parameters.parametrization != Parametrization::Compositive)
    {
      LinearCombination(m_Device,
                        1.0f,
                        state,
                        static_cast<float>(learningRate),
                        direction,
                        next,
                        stepRule.LargestNorm());
    }
    else
    {
      ComposeParameters composition;
      composition.outside = Outside::Clamp;
      composition.innerScale = static_cast<float>(learningRate);
      composition.innerMaximum = stepRule.LargestNorm();
      Compose(m_Device, composition, state, direction, next);
    }
    GaussianSmooth(m_Device, totalKernels, SmoothBoundary::ZeroFlux, next, state, direction);
    if (m_Parameters.minimumJacobian > 0.0 && !isVelocity)
    {
      RelaxFolds(m_Device, { static_cast<float>(m_Parameters.minimumJacobian) }, state, folds, flags, gradient);
    }
  };

  GreedyLevelReport & report = m_Report.levels[level];
  WindowConvergence   convergence(m_Parameters.convergenceWindow);
  int                 reductions = 0;
  std::vector<double> energy(2 * ReadInterval);
  std::vector<double> penalty(ReadInterval);
  const auto          queue = [&](int begin, int count) {
    for (int i = begin; i < begin + count; ++i)
    {
      iterate(i);
    }
  };
  std::function<void()> replay; // an interval that is not the first
  int                   done = 0;
  while (done < settings.iterations && !report.converged && !m_Report.cancelled)
  {
    const int count = std::min(ReadInterval, settings.iterations - done);
    if (replay && count == ReadInterval)
    {
      replay();
    }
    else
    {
      queue(done, count);
    }
    if (!replay && done + 2 * ReadInterval <= settings.iterations)
    {
      // Now, while the device works on those that were just queued.
      replay = RecordWork(m_Device, [&] { queue(ReadInterval, ReadInterval); });
    }
    m_Device.CopyToHost(energy.data(), energies, sizeof(double) * 2 * count);
    if (regularization)
    {
      m_Device.CopyToHost(penalty.data(), penalties, sizeof(double) * count);
    }
    for (int i = 0; i < count; ++i)
    {
      const double pair[2] = { energy[2 * i], energy[2 * i + 1] };
      const double value = m_Metric.ToLoss(pair) + penalty[i] / pair[1];
      convergence.AddEnergy(value);
      report.metricValues.push_back(value);
      GreedyProgress progress;
      progress.level = level;
      progress.iteration = static_cast<unsigned int>(done + i + 1);
      progress.iterationsOfLevel = static_cast<unsigned int>(settings.iterations);
      progress.metricValue = value;
      progress.convergenceValue = convergence.Value();
      report.converged = report.converged || progress.convergenceValue < m_Parameters.convergenceThreshold;
      if (callback && !callback(progress))
      {
        m_Report.cancelled = true;
        break;
      }
    }
    done += count;
    if (report.converged && reductions < m_Parameters.stepReductions)
    {
      // What looks like convergence may be steps that overshoot: shorter ones still get lower. The smoothing of the
      // total field is a share of the step, or else shorter steps would mean a stiffer field.
      ++reductions;
      learningRate *= 0.5;
      setKernels(std::ldexp(m_Parameters.totalVariance, -reductions), totalKernels);
      convergence = WindowConvergence(m_Parameters.convergenceWindow);
      report.converged = false;
      replay = nullptr; // holds the longer steps
    }
  }
  if (!isVelocity)
  {
    RemoveFolds(m_Device, LimitsAtEnd(m_Parameters.minimumJacobian), state, flags, gradient);
  }
}

void
GreedySolver::Finish(const Field & displacement, bool foldsAreRemoved) const
{
  const bool isVelocity = m_Parameters.parametrization == Parametrization::StationaryVelocity;
  if (foldsAreRemoved && !isVelocity)
  {
    return;
  }
  const Lattice &     lattice = displacement.lattice;
  const Buffer<float> buffer(m_Device, displacement.NumberOfValues());
  const Field         workspace(buffer.Data(), lattice, 3);
  if (isVelocity)
  {
    const Buffer<float> velocity(m_Device, displacement.NumberOfValues());
    m_Device.Copy(velocity.Data(), displacement.data, velocity.Bytes());
    ExponentialParameters exponential;
    exponential.squarings = m_Parameters.squarings;
    Exponential(m_Device, exponential, ConstField(velocity.Data(), lattice, 3), displacement, workspace);
    m_Device.Synchronize();
  }
  const Buffer<unsigned char> flags(m_Device, lattice.NumberOfVoxels());
  RemoveFolds(
    m_Device, LimitsAtEnd(m_Parameters.minimumJacobian), displacement, Mask(flags.Data(), lattice), workspace);
}

GreedyReport
GreedySolver::Run(const Field & displacement, const Callback & callback)
{
  const Lattice & full = m_Problem.fixed.lattice;
  RequireField(displacement, full, 3, "displacement");
  m_Report = GreedyReport();
  m_Report.levels.resize(m_Parameters.levels.size());
  m_Report.initialMetricValue = m_Metric.EvaluateFullResolution(m_Problem, ConstField());

  m_Device.SetZero(displacement.data, sizeof(float) * displacement.NumberOfValues());

  // Where the last finished level left its displacement; a level on the full grid works in the caller's field.
  const int     ones[3] = { 1, 1, 1 };
  LevelGeometry currentGeometry = MakeLevelGeometry(full, ones);
  ConstField    current = displacement;
  Buffer<float> currentBuffer;
  const auto    transfer = [&](const LevelGeometry & to, const Field & output) {
    const Buffer<float> workspace(m_Device, ResampleSeparableWorkspace(currentGeometry.lattice, to.lattice));
    Upsample(m_Device, currentGeometry, to, current, output, workspace.Data());
    m_Device.Synchronize();
  };
  for (unsigned int level = 0; level < m_Parameters.levels.size() && !m_Report.cancelled; ++level)
  {
    const auto          start = std::chrono::steady_clock::now();
    const GreedyLevel & settings = m_Parameters.levels[level];
    GreedyProgress      progress;
    progress.level = level;
    progress.iterationsOfLevel = static_cast<unsigned int>(settings.iterations);
    progress.startsLevel = true;
    if (callback && !callback(progress))
    {
      m_Report.cancelled = true;
      break;
    }
    const LevelImages images(m_Device, m_Problem, settings);
    const Lattice &   lattice = images.FixedLattice();
    m_Report.levels[level].lattice = lattice;

    Buffer<float> buffer = lattice == full ? Buffer<float>() : Buffer<float>(m_Device, 3 * lattice.NumberOfVoxels());
    const Field   u(lattice == full ? displacement.data : buffer.Data(), lattice, 3);
    if (u.data != current.data)
    {
      transfer(images.Geometry(), u);
    }
    RunLevel(level, images, u, callback);
    m_Device.Synchronize();
    current = u;
    currentGeometry = images.Geometry();
    currentBuffer = std::move(buffer);
    m_Report.levels[level].seconds = SecondsSince(start);
  }

  const bool endsOnFullGrid = current.data == displacement.data;
  if (!endsOnFullGrid)
  {
    transfer(MakeLevelGeometry(full, ones), displacement);
  }
  Finish(displacement, endsOnFullGrid);
  const Buffer<double> jacobian(m_Device, 2);
  JacobianDeterminant(m_Device, Matrix3(), displacement, Field(), jacobian.Data());
  double numbers[2];
  m_Device.CopyToHost(numbers, jacobian.Data(), sizeof(numbers));
  m_Report.minimumJacobian = numbers[0];
  m_Report.foldedVoxels = static_cast<std::int64_t>(numbers[1]);
  m_Report.finalMetricValue = m_Metric.EvaluateFullResolution(m_Problem, displacement);
  return m_Report;
}
} // namespace engine
} // namespace itk
