// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineGreedy_h
#define itkEngineGreedy_h

#include "../Operators/Regularization.h"
#include "SolverLevel.h"
#include "SolverMetric.h"
#include "StepRule.h"

#include <functional>

namespace itk
{
namespace engine
{
/** What the iterations change. */
enum class Parametrization
{
  Compositive,        ///< u, by composition with small steps: diffeomorphic
  StationaryVelocity, ///< v with 1 + u = exp(v), by addition of steps: diffeomorphic, with an inverse exp(-v)
  Additive            ///< u, by addition of steps: free-form, kept from folding by the guard alone
};

using GreedyLevel = SolverLevel;
using GreedyProgress = SolverProgress;
using GreedyLevelReport = SolverLevelReport;

struct GreedyParameters
{
  MetricParameters         metric;
  StepRuleParameters       stepRule;
  std::vector<GreedyLevel> levels;
  double                   learningRate = 0.5;
  int                      stepReductions = 0; ///< how often a level that converged goes on with half the learning rate
  double                   updateVariance = 2.0;
  double                   totalVariance = 0.3;
  RegularizationParameters regularization; ///< of what the iterations change; in units of the metric's gradient
  double                   convergenceThreshold = 1e-6;
  std::size_t              convergenceWindow = 10;
  Parametrization          parametrization = Parametrization::Compositive;
  int                      squarings = 7; ///< of StationaryVelocity's exponential
  double                   minimumJacobian = 0.1;
};

struct GreedyReport
{
  std::vector<GreedyLevelReport> levels;
  double                         initialMetricValue = 0.0;
  double                         finalMetricValue = 0.0;
  double                         minimumJacobian = 1.0;
  std::int64_t                   foldedVoxels = 0;
  bool                           cancelled = false;
};

/** Greedy diffeomorphic registration: finds u on the grid of the fixed image so that M(A (x + u(x))) matches F(x).
 *
 * Coarse to fine; in each iteration
 *   g = metric gradient with respect to delta below (with respect to u if additive), smoothed by a Gaussian of updateVariance,
 *       plus that of the regularisation, if any,
 *   d = direction of g by the step rule (Adam unless said otherwise),
 *   delta = learningRate d / max(1, max |d|): no voxel moves by more than learningRate voxels of the level,
 *   u <- G_totalVariance (delta + u o (1 + delta)), or G_totalVariance (u + delta) if additive,
 *   or, with a stationary velocity, g taken through the exponential to v first, v <- G_totalVariance (v + delta);
 *   u <- relaxed where det(1 + du/dx) < minimumJacobian (Operators/JacobianDeterminant.h, RelaxFolds).
 * Moments start at zero in each level. A level ends after its iterations or when ITK's window slope falls below the
 * threshold. Energies are read from the device every few iterations, so up to ReadInterval - 1 iterations may run beyond
 * the one that converged: the same ones on every device. In between nothing allocates, waits or copies to the host,
 * whatever the metric, step rule and parametrisation: on a GPU ReadInterval iterations are one CUDA graph
 * (Core/RecordWork.h). The first ReadInterval of a level are not, nor those after a step reduction, nor a rest of fewer:
 * there would be too few to repay the recording.
 *
 * Memory besides the images: 40 bytes per voxel of the level (24 without Adam) and the metric's workspace. A stationary
 * velocity needs 24 more and, in place of a smaller workspace, 12 for each squaring.
 * Deterministic. Jena et al.: FireANTs, 2024, for the scheme; the folding guard, the rotation-invariant second moment
 * and the exact LNCC gradient are this project's. */
class GreedySolver
{
public:
  /** Iterations between two looks at the energies. */
  static constexpr int ReadInterval = 5;

  /** Returns false to cancel. */
  using Callback = std::function<bool(const GreedyProgress &)>;

  GreedySolver(const Device & device, const RegistrationProblem & problem, const GreedyParameters & parameters);

  /** Writes u, 3 components on the fixed lattice, voxels. */
  GreedyReport
  Run(const Field & displacement, const Callback & callback);

  /** Bytes that Run needs at its largest level, the images and the result not counted. */
  std::size_t
  RequiredBytes() const;

private:
  void
  RunLevel(unsigned int level, const LevelImages & images, const Field & state, const Callback & callback);

  /** The displacement at full resolution, free of folds, from what the last level left in it. */
  void
  Finish(const Field & displacement, bool foldsAreRemoved) const;

  std::int64_t
  ScratchFloats(const MetricInputs & inputs) const;

  std::size_t
  LevelBytes(const MetricInputs & inputs, int iterations) const;

  Device              m_Device;
  RegistrationProblem m_Problem;
  GreedyParameters    m_Parameters;
  SolverMetric        m_Metric;
  GreedyReport        m_Report;
};
} // namespace engine
} // namespace itk

#endif
