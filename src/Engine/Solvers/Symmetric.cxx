// SPDX-License-Identifier: Apache-2.0
#include "Symmetric.h"

#include "../Operators/Arithmetic.h"
#include "../Operators/Compose.h"
#include "../Operators/NormalizeStep.h"
#include "../Operators/RefineInverse.h"
#include "Convergence.h"
#include "MidpointUnits.h"
#include "RemoveFolds.h"
#include "SolverChecks.h"
#include "SymmetricLevel.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace itk
{
namespace engine
{
namespace
{
bool
IsSameGrid(const LevelGeometry & a, const LevelGeometry & b)
{
  return a.lattice == b.lattice && std::equal(a.factor, a.factor + 3, b.factor) &&
         std::equal(a.offset, a.offset + 3, b.offset);
}
} // namespace

SymmetricSolver::SymmetricSolver(const Device &              device,
                                 const SymmetricProblem &    problem,
                                 const SymmetricParameters & parameters)
  : m_Device(device)
  , m_Problem(problem)
  , m_Parameters(parameters)
  , m_Metric(device, parameters.metric, parameters.derivative, problem.fixedMean, problem.movingMean)
{
  RequireField(problem.fixed, problem.fixed.lattice, 1, "fixed image");
  RequireField(problem.moving, problem.moving.lattice, 1, "moving image");
  if (problem.dimension != 3 && (problem.dimension != 2 || problem.fixed.lattice.size[2] != 1))
  {
    ThrowError("the dimension is ", problem.dimension, " and the fixed image has ", problem.fixed.lattice.size[2],
               " planes: 3, or 2 with one plane, is needed");
  }
  if (parameters.levels.empty())
  {
    ThrowError("the registration has no levels");
  }
  RequirePositive(parameters.learningRate, "learning rate");
  RequirePositive(parameters.updateVariance, "variance for the update field", true);
  RequirePositive(parameters.totalVariance, "variance for the total field", true);
  StepRule::Check(parameters.stepRule);
  if (parameters.step == SymmetricStep::Rule && parameters.stepRule.kind == StepRuleKind::Levenberg)
  {
    ThrowError("the step rule is Levenberg's: the symmetric solver takes Adam or normalized gradients");
  }
  if (parameters.step == SymmetricStep::Rule && parameters.derivative == MidpointDerivative::Itk)
  {
    ThrowError("a step rule needs the exact derivative");
  }
  RequireMinimumJacobian(parameters.minimumJacobian);
  for (int i = 0; i < problem.dimension; ++i)
  {
    RequirePositive(problem.spacing[i], "spacing");
    for (int j = 0; j < 4; ++j)
    {
      if (!std::isfinite(problem.affine[i][j]) || !std::isfinite(problem.fixedAffine[i][j]))
      {
        ThrowError("the map from the grid to the images holds ", problem.affine[i][j], " and ", problem.fixedAffine[i][j]);
      }
    }
  }
  for (const SolverLevel & level : parameters.levels)
  {
    if (level.iterations < 0)
    {
      ThrowError("number of iterations is ", level.iterations, ": it must not be negative");
    }
    MakeLevelGeometry(problem.fixed.lattice, level.shrinkFactors);
  }
}

LevelGeometry
SymmetricSolver::MakeGeometry(unsigned int level) const
{
  return MakeLevelGeometry(m_Problem.fixed.lattice, m_Parameters.levels[level].shrinkFactors);
}

Buffer<float>
SymmetricSolver::MakeState(const LevelGeometry & geometry, SymmetricState & state) const
{
  const std::int64_t values = 3 * geometry.lattice.NumberOfVoxels();
  Buffer<float>      buffer(m_Device, 4 * values);
  m_Device.SetZero(buffer.Data(), buffer.Bytes());
  state.geometry = geometry;
  for (int i = 0; i < 4; ++i)
  {
    state.fields[i] = Field(buffer.Data() + i * values, geometry.lattice, 3);
  }
  const MidpointUnits units(m_Problem, geometry);
  const bool          inVoxels = units.isVoxelNorm || m_Parameters.derivative == MidpointDerivative::Exact;
  state.toIndex = inVoxels ? Matrix3() : units.toIndex;
  state.fromIndex = inVoxels ? Matrix3() : units.fromIndex;
  return buffer;
}

const SymmetricState &
SymmetricSolver::MakeInitialState()
{
  m_StateBuffer = this->MakeState(this->MakeGeometry(0), m_State);
  return m_State;
}

std::size_t
SymmetricSolver::RequiredBytes() const
{
  std::size_t largest = 0;
  std::size_t before = 0;
  for (unsigned int level = 0; level < m_Parameters.levels.size(); ++level)
  {
    const LevelGeometry geometry = this->MakeGeometry(level);
    const std::size_t   state = 4 * 3 * sizeof(float) * geometry.lattice.NumberOfVoxels();
    const std::size_t   bytes = SymmetricLevel::Bytes(m_Problem, m_Parameters, m_Metric, level, geometry);
    largest = std::max(largest, state + std::max(before, bytes));
    before = state;
  }
  return largest;
}

void
SymmetricSolver::AdaptState(const LevelGeometry & geometry)
{
  if (IsSameGrid(geometry, m_State.geometry))
  {
    return;
  }
  const LevelGeometry & from = m_State.geometry;
  double                rows[3][4] = {};
  for (int d = 0; d < 3; ++d)
  {
    rows[d][d] = geometry.factor[d] / from.factor[d];
    rows[d][3] = (geometry.offset[d] - from.offset[d]) / from.factor[d];
  }
  ResampleParameters sampling;
  sampling.affine = AffineMap(rows);
  SymmetricState adapted;
  Buffer<float>  buffer = this->MakeState(geometry, adapted);
  for (int i = 0; i < 4; ++i)
  {
    Resample(m_Device, sampling, m_State.fields[i], ConstField(), adapted.fields[i]);
    for (int c = 0; c < 3; ++c)
    {
      const Field component(adapted.fields[i].Component(c), geometry.lattice);
      const auto  scale = static_cast<float>(from.factor[c] / geometry.factor[c]);
      LinearCombination(m_Device, scale, component, 0.0f, ConstField(), component);
    }
  }
  m_Device.Synchronize();
  m_StateBuffer = std::move(buffer);
  m_State = adapted;
}

SymmetricReport
SymmetricSolver::Run(const Callback & callback)
{
  SymmetricReport report;
  report.levels.resize(m_Parameters.levels.size());
  if (m_StateBuffer.Count() == 0)
  {
    this->MakeInitialState();
  }
  for (unsigned int level = 0; level < m_Parameters.levels.size() && !report.cancelled; ++level)
  {
    const auto          start = std::chrono::steady_clock::now();
    const int           iterations = m_Parameters.levels[level].iterations;
    SolverLevelReport & levelReport = report.levels[level];
    SolverProgress      progress;
    progress.level = level;
    progress.iterationsOfLevel = static_cast<unsigned int>(iterations);
    progress.startsLevel = true;
    if (callback && !callback(progress))
    {
      report.cancelled = true;
      break;
    }
    progress.startsLevel = false;
    const LevelGeometry geometry = this->MakeGeometry(level);
    levelReport.lattice = geometry.lattice;
    this->AdaptState(geometry);
    this->RunLevel(level, callback, progress, report);
    if (m_Parameters.derivative == MidpointDerivative::Exact)
    {
      this->CleanMaps();
    }
    m_Device.Synchronize();
    levelReport.seconds = SecondsSince(start);
  }
  return report;
}

void
SymmetricSolver::RunLevel(unsigned int level, const Callback & callback, SolverProgress progress, SymmetricReport & report)
{
  SolverLevelReport & levelReport = report.levels[level];
  WindowConvergence   convergence(m_Parameters.convergenceWindow);
  SymmetricLevel      work(m_Device, m_Problem, m_Parameters, m_Metric, level, m_State.geometry, m_State.toIndex);
  for (int i = 0; i < m_Parameters.levels[level].iterations && !levelReport.converged && !report.cancelled; ++i)
  {
    progress.iteration = static_cast<unsigned int>(i + 1);
    progress.metricValue = work.Iterate(i, m_State);
    convergence.AddEnergy(progress.metricValue);
    progress.convergenceValue = convergence.Value();
    levelReport.metricValues.push_back(progress.metricValue);
    levelReport.converged = progress.convergenceValue < m_Parameters.convergenceThreshold;
    report.cancelled = callback && !callback(progress);
  }
  m_Device.Synchronize();
}

void
SymmetricSolver::CleanMaps() const
{
  const Lattice &             lattice = m_State.geometry.lattice;
  const Buffer<float>         buffer(m_Device, 3 * lattice.NumberOfVoxels());
  const Buffer<unsigned char> flags(m_Device, lattice.NumberOfVoxels());
  const Buffer<double>        scalars(m_Device, 2);
  const Field                 workspace(buffer.Data(), lattice, 3);
  for (int i = 0; i < 4; i += 2)
  {
    RemoveFolds(
      m_Device, { static_cast<float>(m_Parameters.minimumJacobian) }, m_State.fields[i], Mask(flags.Data(), lattice), workspace);
    // from what the iterations have kept near
    RefineInverse(m_Device, RefineInverseParameters(), m_State.fields[i], m_State.fields[i + 1], scalars.Data());
  }
}

void
SymmetricSolver::WriteForward(const Field & displacement) const
{
  this->Join(m_State.MovingToMiddleInverse(), m_State.FixedToMiddle(), displacement);
  if (m_Parameters.derivative == MidpointDerivative::Exact)
  {
    // where both maps are steep their composition may still fold
    const Lattice &             lattice = displacement.lattice;
    const Buffer<float>         buffer(m_Device, displacement.NumberOfValues());
    const Buffer<unsigned char> flags(m_Device, lattice.NumberOfVoxels());
    // as little of the corners as makes the inverse one: to relax a composed map costs more than to relax its parts
    RemoveFolds(m_Device,
                LimitsAtEnd(m_Parameters.minimumJacobian, 0.01f),
                displacement,
                Mask(flags.Data(), lattice),
                Field(buffer.Data(), lattice, 3));
    m_Device.Synchronize();
  }
}

void
SymmetricSolver::WriteInverse(const ConstField & forward, const Field & displacement) const
{
  this->Join(m_State.FixedToMiddleInverse(), m_State.MovingToMiddle(), displacement);
  if (m_Parameters.derivative == MidpointDerivative::Exact)
  {
    // the composition of sampled inverses misses the inverse of the sampled composition by a part of a voxel
    const Buffer<double> residuals(m_Device, 2);
    // where the folding guard reached the border u does not end there with 0
    RefineInverseParameters refinement;
    refinement.outside = Outside::Clamp;
    RefineInverse(m_Device, refinement, forward, displacement, residuals.Data());
    m_Device.Synchronize();
  }
}

void
SymmetricSolver::Join(const Field & outer, const Field & inner, const Field & displacement) const
{
  ComposeInUnit(m_Device, m_State.toIndex, Outside::Value, outer, inner, displacement);
  if (!m_State.toIndex.IsIdentity())
  {
    NormalizeStepParameters toVoxels;
    toVoxels.matrix = m_State.toIndex;
    NormalizeStep(m_Device, toVoxels, nullptr, displacement);
  }
}
} // namespace engine
} // namespace itk
