// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineGreedy_h
#define itkEngineGreedy_h

#include "../Operators/Lncc.h"
#include "../Operators/MeanSquares.h"
#include "../Operators/MutualInformation.h"
#include "../Operators/Pyramid.h"

#include <functional>
#include <vector>

namespace itk
{
namespace engine
{
enum class MetricKind
{
  Lncc,
  MeanSquares,
  MutualInformation
};

/** The images of a registration, on the device, intensities scaled to about [0, 1]. */
struct RegistrationProblem
{
  ConstField fixed;
  ConstField moving;
  ConstMask  fixedMask;  ///< optional
  ConstMask  movingMask; ///< optional
  double     affine[3][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 } }; ///< fixed index -> moving index
  float      fixedMean = 0.0f;
  float      movingMean = 0.0f;
};

struct GreedyLevel
{
  int    shrinkFactors[3] = { 1, 1, 1 };
  double fixedVariance[3] = { 0, 0, 0 };  ///< of the pyramid's Gaussian, voxels^2 of the full fixed grid
  double movingVariance[3] = { 0, 0, 0 }; ///< likewise of the full moving grid
  int    iterations = 50;
};

struct GreedyParameters
{
  MetricKind               metric = MetricKind::Lncc;
  LnccParameters           lncc;
  MutualInformationParameters mutualInformation;
  std::vector<GreedyLevel> levels;
  double                   learningRate = 0.5;
  double                   updateVariance = 2.0;
  double                   totalVariance = 0.5;
  double                   convergenceThreshold = 1e-6;
  std::size_t              convergenceWindow = 10;
  double                   beta1 = 0.9;
  double                   beta2 = 0.99;
  double                   epsilon = 0.1;
  double                   minimumJacobian = 0.1;
};

/** What an observer is told; see GPUDiffeomorphicEngine::Progress. */
struct GreedyProgress
{
  unsigned int level = 0;
  unsigned int iteration = 0;
  unsigned int iterationsOfLevel = 0;
  double       metricValue = 0.0;
  double       convergenceValue = 0.0;
  bool         startsLevel = false;
};

struct GreedyLevelReport
{
  Lattice             lattice;
  std::vector<double> metricValues;
  double              seconds = 0.0;
  bool                converged = false;
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
 *   g = metric gradient with respect to u, smoothed by a Gaussian of updateVariance,
 *   d = Adam direction of g (Operators/AdamUpdate.h),
 *   delta = learningRate d / max(1, max |d|): no voxel moves by more than learningRate voxels of the level,
 *   u <- G_totalVariance (delta + u o (1 + delta)),
 *   u <- relaxed where det(1 + du/dx) < minimumJacobian (Operators/JacobianDeterminant.h, RelaxFolds).
 * Moments start at zero in each level. A level ends after its iterations or when ITK's window slope falls below the
 * threshold. Energies are read from the device every few iterations, so up to ReadInterval - 1 iterations may run beyond
 * the one that converged: the same ones on every device.
 *
 * Memory besides the images: 40 bytes per voxel of the level and the metric's workspace.
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
  struct LevelImages;

  void
  RunLevel(unsigned int level, const LevelImages & images, Arena & arena, const Field & displacement, const Callback & callback);

  MetricInputs
  MakeInputs(const LevelImages & images, const ConstField & displacement) const;

  void
  EvaluateMetric(const MetricInputs & inputs, double * energy, const Field & gradient, float * workspace) const;

  std::int64_t
  MetricWorkspace(const MetricInputs & inputs) const;

  /** Loss from the two numbers that a metric leaves. */
  double
  ToLoss(const double (&energy)[2]) const;

  double
  EvaluateFullResolution(const ConstField & displacement) const;

  /** Relaxes until no determinant is below the threshold, as a guarantee outside the iterations. */
  void
  RemoveFolds(const Field & displacement, const Mask & flags, const Field & workspace) const;

  LevelImages
  MakeLevelImages(const GreedyLevel & level) const;

  LevelGeometry
  MovingGeometry(const int (&shrinkFactors)[3]) const;

  std::int64_t
  ScratchFloats(const MetricInputs & inputs) const;

  std::size_t
  LevelBytes(const MetricInputs & inputs, int iterations) const;

  Device              m_Device;
  RegistrationProblem m_Problem;
  GreedyParameters    m_Parameters;
  GreedyReport        m_Report;
};
} // namespace engine
} // namespace itk

#endif
