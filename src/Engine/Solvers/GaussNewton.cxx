// SPDX-License-Identifier: Apache-2.0
#include "GaussNewton.h"

#include "../Operators/Arithmetic.h"
#include "../Operators/JacobianDeterminant.h"
#include "../Operators/RefineInverse.h"
#include "RemoveFolds.h"
#include "SolverChecks.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace itk
{
namespace engine
{
namespace
{
constexpr double Pi = 3.14159265358979323846;
constexpr int    LineSearchSteps = 10;
} // namespace

GaussNewtonSolver::GaussNewtonSolver(const Device &                device,
                                     const RegistrationProblem &   problem,
                                     const GaussNewtonParameters & parameters)
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
  RequirePositive(parameters.weight, "weight of the regularization");
  RequirePositive(parameters.divergenceWeight, "weight of the divergence", true);
  RequirePositive(parameters.initialWeight, "initial weight of the regularization", true);
  RequirePositive(parameters.gradientReduction, "gradient reduction");
  RequirePositive(parameters.krylovTolerance, "Krylov tolerance");
  RequirePositive(parameters.krylovIterations, "number of Krylov iterations");
  RequireMinimumJacobian(parameters.minimumJacobian);
  for (const double spacing : parameters.spacing)
  {
    RequirePositive(spacing, "spacing");
  }
  VelocityFlowParameters flow;
  flow.timeSteps = parameters.timeSteps;
  flow.segments = parameters.segments;
  VelocityFlow::Check(flow);
  RequireFiniteMap(problem.affine);
  for (const GaussNewtonLevel & level : parameters.levels)
  {
    RequirePositive(level.iterations, "number of iterations", true);
    MakeLevelGeometry(problem.fixed.lattice, level.shrinkFactors);
  }
}

GaussNewtonObjective::Setup
GaussNewtonSolver::MakeSetup(const LevelImages & images, double weight) const
{
  GaussNewtonObjective::Setup setup;
  setup.inputs = images.MakeInputs(m_Problem, ConstField());
  setup.scale = m_Scale;
  setup.flow.timeSteps = m_Parameters.timeSteps;
  setup.flow.segments = m_Parameters.segments;
  setup.transport = m_Parameters.transport;
  double volume = 1.0;
  int    axes = 0;
  for (int d = 0; d < 3; ++d)
  {
    const int size = m_Problem.fixed.lattice.size[d];
    volume *= size > 1 ? size * m_Parameters.spacing[d] : 1.0;
    axes += size > 1 ? 1 : 0;
  }
  const double unit = 2.0 * Pi / std::pow(volume, 1.0 / std::max(1, axes));
  for (int d = 0; d < 3; ++d)
  {
    setup.regularization.spacing[d] = unit * m_Parameters.spacing[d] * images.Geometry().factor[d];
  }
  setup.regularization.norm = m_Parameters.norm;
  setup.regularization.weight = weight / m_Parameters.segments;
  setup.regularization.divergenceWeight = m_Parameters.divergenceWeight / m_Parameters.segments;
  return setup;
}

void
GaussNewtonSolver::SetDistanceScale()
{
  m_Scale = DistanceScale();
  if (m_Parameters.metric.kind == MetricKind::MeanSquares)
  {
    return;
  }
  if (m_Parameters.metric.kind == MetricKind::Lncc)
  {
    MetricParameters squares = m_Parameters.metric;
    squares.kind = MetricKind::MeanSquares;
    const SolverMetric other(m_Device, squares, m_Problem.fixedMean, m_Problem.movingMean);
    const double       size = 0.5 * other.EvaluateFullResolution(m_Problem, ConstField());
    m_Scale.offset = 1.0;
    m_Scale.distance = size / std::max(1e-6, 1.0 + m_Report.initialMetricValue);
    m_Scale.curvature = m_Scale.distance;
    return;
  }
  // What of M's variance F leaves open, if the two were Gaussian: then mutual information is half the logarithm of the
  // ratio, and its second derivative to an intensity the inverse of this.
  const std::int64_t   count = m_Problem.moving.NumberOfValues();
  const Buffer<double> scalars(m_Device, 3);
  Sum(m_Device, m_Problem.moving, scalars.Data() + 2);
  InnerProduct(m_Device, m_Problem.moving, m_Problem.moving, scalars.Data());
  double numbers[3];
  m_Device.CopyToHost(numbers, scalars.Data(), sizeof(numbers));
  const double mean = numbers[2] / static_cast<double>(count);
  const double variance = numbers[0] / static_cast<double>(count) - mean * mean;
  m_Scale.distance = std::max(1e-12, variance) * std::exp(2.0 * m_Report.initialMetricValue);
  m_Scale.curvature = 1.0;
}

std::size_t
GaussNewtonSolver::RequiredBytes() const
{
  std::size_t largest = 0;
  for (const GaussNewtonLevel & level : m_Parameters.levels)
  {
    const LevelImages images = LevelImages::Plan(m_Problem, level);
    const std::size_t velocity =
      sizeof(float) * 3 * static_cast<std::size_t>(m_Parameters.segments * images.FixedLattice().NumberOfVoxels());
    const auto setup = MakeSetup(images, m_Parameters.weight);
    largest = std::max(largest,
                       velocity + images.Bytes() + GaussNewtonObjective::Bytes(m_Device, m_Metric, setup) +
                         (UsesZeroVelocity(images.FixedLattice()) ? ZeroVelocityPreconditioner::Bytes(setup) : 0));
  }
  return largest;
}

void
GaussNewtonSolver::RunLevel(unsigned int        level,
                            const LevelImages & images,
                            double              weight,
                            const Field &       velocity,
                            const Callback &    callback)
{
  const GaussNewtonLevel & settings = m_Parameters.levels[level];
  GaussNewtonLevelReport & report = m_Report.levels[level];
  GaussNewtonObjective     objective(m_Device, m_Metric, MakeSetup(images, weight));
  const Field &            step = objective.Step();
  const Field &            before = objective.Direction(); // the velocity that the step leaves
  const auto               copy = [&](const Field & to, const Field & from) {
    m_Device.Copy(to.data, from.data, sizeof(float) * static_cast<std::size_t>(from.NumberOfValues()));
  };
  report.weight = weight;

  const auto evaluate = [&](const Field & at) {
    ++report.evaluations;
    return objective.Evaluate(at);
  };
  // What the gradient is measured by.
  m_Device.SetZero(step.data, sizeof(float) * static_cast<std::size_t>(step.NumberOfValues()));
  evaluate(step);
  report.initialGradientNorm = objective.Gradient();

  ConjugateGradientOperators operators;
  operators.data = [&](const ConstField & p, const Field & q) { objective.DataProduct(p, q); };
  operators.precondition = [&](const ConstField & r, const Field & z) { objective.SolveRegularization(r, z); };
  std::unique_ptr<ZeroVelocityPreconditioner> preconditioner;
  if (UsesZeroVelocity(images.FixedLattice()))
  {
    preconditioner = std::make_unique<ZeroVelocityPreconditioner>(
      m_Device, objective, ZeroVelocityPreconditioner::Parameters());
    operators.precondition = [&](const ConstField & r, const Field & z) { preconditioner->Solve(r, z); };
    operators.regularize = [&](const ConstField &, const Field & y) {
      preconditioner->Regularize(objective.Residual(), y);
    };
    operators.isFlexible = true;
  }
  ConjugateGradientFields fields;
  fields.solution = step;
  fields.residual = objective.Residual();
  fields.direction = objective.Direction();
  fields.regularized = objective.Regularized();
  fields.product = objective.Product();
  fields.conditioned = objective.Conditioned();
  fields.scalars = objective.Scalars();

  ObjectiveValue value = evaluate(velocity);
  for (int iteration = 0; !m_Report.cancelled; ++iteration)
  {
    const double norm = objective.Gradient();
    const double share = report.initialGradientNorm > 0.0 ? norm / report.initialGradientNorm : 0.0;
    report.gradientNorms.push_back(norm);
    report.metricValues.push_back(value.loss);
    SolverProgress progress;
    progress.level = level;
    progress.iteration = static_cast<unsigned int>(iteration);
    progress.iterationsOfLevel = static_cast<unsigned int>(settings.iterations);
    progress.metricValue = value.loss;
    progress.convergenceValue = share;
    if (iteration > 0 && callback && !callback(progress))
    {
      m_Report.cancelled = true;
      break;
    }
    report.converged = !(share > m_Parameters.gradientReduction);
    if (report.converged || iteration >= settings.iterations)
    {
      break;
    }
    objective.PrepareCurvature(preconditioner != nullptr);
    if (preconditioner)
    {
      preconditioner->Update();
    }
    ConjugateGradientParameters krylov;
    krylov.maximumIterations = m_Parameters.krylovIterations;
    krylov.relativeTolerance = m_Parameters.forcing == KrylovForcing::Constant
                                 ? m_Parameters.krylovTolerance
                                 : std::min(0.5, m_Parameters.forcing == KrylovForcing::Quadratic ? share : std::sqrt(share));
    const ConjugateGradientResult solved = SolveByConjugateGradients(m_Device, krylov, operators, fields);
    report.hessianProducts += solved.iterations;

    const double slope = solved.decrease / static_cast<double>(images.FixedLattice().NumberOfVoxels());
    double       length = 1.0;
    bool         accepted = false;
    copy(before, velocity);
    for (int attempt = 0; attempt < LineSearchSteps && !accepted; ++attempt, length *= 0.5)
    {
      LinearCombination(m_Device, 1.0f, before, static_cast<float>(length), step, velocity);
      const ObjectiveValue next = evaluate(velocity);
      accepted = next.Total() <= value.Total() - 1e-4 * length * slope;
      value = accepted ? next : value;
    }
    if (!accepted)
    {
      copy(velocity, before);
      break;
    }
  }
  report.innerProducts += preconditioner ? preconditioner->InnerIterations() : 0;
}

bool
GaussNewtonSolver::UsesZeroVelocity(const Lattice & lattice) const
{
  return m_Parameters.preconditioner == GaussNewtonPreconditioner::ZeroVelocity &&
         ZeroVelocityPreconditioner::IsPossible(lattice);
}

GaussNewtonReport
GaussNewtonSolver::Run(const Field & displacement, const Callback & callback, const Field & velocity, const Field & inverse)
{
  const Lattice & full = m_Problem.fixed.lattice;
  const int       components = 3 * m_Parameters.segments;
  RequireField(displacement, full, 3, "displacement");
  if (velocity)
  {
    RequireField(velocity, full, components, "velocity");
  }
  if (inverse)
  {
    RequireField(inverse, full, 3, "inverse");
  }
  m_Report = GaussNewtonReport();
  m_Report.levels.resize(m_Parameters.levels.size());
  m_Report.initialMetricValue = m_Metric.EvaluateFullResolution(m_Problem, ConstField());
  SetDistanceScale();

  const auto makeField = [&](const Lattice & lattice, Buffer<float> & buffer) {
    buffer = Buffer<float>(m_Device, components * lattice.NumberOfVoxels());
    m_Device.SetZero(buffer.Data(), buffer.Bytes());
    return Field(buffer.Data(), lattice, components);
  };
  Buffer<float> currentBuffer;
  Field         current;
  LevelGeometry currentGeometry;
  const auto    moveTo = [&](const LevelGeometry & to) {
    Buffer<float> buffer;
    const Field   next = makeField(to.lattice, buffer);
    if (current)
    {
      // By waves: between the points they keep what the regularisation sees of the velocity, its divergence above all.
      const FourierTransform     from(m_Device, current.lattice);
      const FourierTransform     onto(m_Device, to.lattice);
      SpectralTransferParameters transfer;
      transfer.quantity = Quantity::Velocity;
      for (int d = 0; d < 3; ++d)
      {
        transfer.shift[d] = 0.5 * (static_cast<double>(to.lattice.size[d]) / current.lattice.size[d] - 1.0);
      }
      const Buffer<float> workspace(m_Device, SpectralTransferWorkspace(onto, from));
      for (int segment = 0; segment < m_Parameters.segments; ++segment)
      {
        SpectralProlong(from,
                        onto,
                        transfer,
                        ConstField(SegmentOf(current, segment)),
                        SegmentOf(next, segment),
                        workspace.Data());
      }
      m_Device.Synchronize();
    }
    currentBuffer = std::move(buffer);
    current = next;
    currentGeometry = to;
  };
  for (unsigned int level = 0; level < m_Parameters.levels.size() && !m_Report.cancelled; ++level)
  {
    const auto     start = std::chrono::steady_clock::now();
    SolverProgress progress;
    progress.level = level;
    progress.iterationsOfLevel = static_cast<unsigned int>(m_Parameters.levels[level].iterations);
    progress.startsLevel = true;
    if (callback && !callback(progress))
    {
      m_Report.cancelled = true;
      break;
    }
    const LevelImages images(m_Device, m_Problem, m_Parameters.levels[level]);
    m_Report.levels[level].lattice = images.FixedLattice();
    if (!current || current.lattice != images.FixedLattice())
    {
      moveTo(images.Geometry());
    }
    for (double weight = m_Parameters.initialWeight; level == 0 && weight > m_Parameters.weight; weight *= 0.1)
    {
      RunLevel(level, images, weight, current, callback);
    }
    RunLevel(level, images, m_Parameters.weight, current, callback);
    m_Device.Synchronize();
    m_Report.levels[level].seconds = SecondsSince(start);
  }

  const int ones[3] = { 1, 1, 1 };
  if (!current || current.lattice != full)
  {
    moveTo(MakeLevelGeometry(full, ones));
  }
  VelocityFlowParameters parameters;
  parameters.timeSteps = m_Parameters.timeSteps;
  parameters.segments = m_Parameters.segments;
  {
    const Buffer<float> memory(m_Device, std::max<std::int64_t>(1, VelocityFlow::MemoryFloats(m_Device, full, parameters)));
    VelocityFlow        flow(m_Device, full, parameters, memory.Data());
    if (inverse)
    {
      flow.Integrate(current, inverse, true, false);
    }
    flow.Integrate(current, displacement, false, false);
    m_Device.Synchronize();
  }
  if (m_Parameters.minimumJacobian > 0.0)
  {
    const Buffer<float>         workspace(m_Device, displacement.NumberOfValues());
    const Buffer<unsigned char> flags(m_Device, full.NumberOfVoxels());
    RemoveFolds(m_Device,
                LimitsAtEnd(m_Parameters.minimumJacobian),
                displacement,
                Mask(flags.Data(), full),
                Field(workspace.Data(), full, 3));
    m_Device.Synchronize();
  }
  if (velocity)
  {
    m_Device.Copy(velocity.data, current.data, currentBuffer.Bytes());
  }
  const Buffer<double> scalars(m_Device, 2);
  if (inverse)
  {
    // That of -v misses by the errors of the steps.
    RefineInverseParameters refinement;
    refinement.outside = Outside::Clamp;
    RefineInverse(m_Device, refinement, displacement, inverse, scalars.Data());
  }
  JacobianDeterminant(m_Device, Matrix3(), displacement, Field(), scalars.Data());
  double numbers[2];
  m_Device.CopyToHost(numbers, scalars.Data(), sizeof(numbers));
  m_Report.minimumJacobian = numbers[0];
  m_Report.foldedVoxels = static_cast<std::int64_t>(numbers[1]);
  m_Report.finalMetricValue = m_Metric.EvaluateFullResolution(m_Problem, displacement);
  return m_Report;
}
} // namespace engine
} // namespace itk
