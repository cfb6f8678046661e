// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSymmetric_h
#define itkEngineSymmetric_h

#include "MidpointMetric.h"
#include "SolverLevel.h"
#include "StepRule.h"

#include <functional>

namespace itk
{
namespace engine
{
/** The images of a symmetric registration. The grid of all levels is that of the fixed image; both images are sampled at the
 * mid-point, through their own affine map. */
struct SymmetricProblem : RegistrationProblem
{
  double fixedAffine[3][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 } }; ///< grid -> fixed image
  int    dimension = 3;                                                          ///< 2: images of one plane
  double spacing[3] = { 1, 1, 1 };                                               ///< of the grid
  double direction[3][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };            ///< of the grid
  float  fixedOutside = 0.0f;                                                    ///< intensity outside the fixed image
  float  movingOutside = 0.0f;
};

/** How a gradient becomes a step. */
enum class SymmetricStep
{
  LargestNorm, ///< ITK's: scaled so that its largest vector has the length of the learning rate
  Rule         ///< the direction of a StepRule, no voxel by more than the learning rate
};

struct SymmetricParameters
{
  MetricParameters         metric;
  MidpointDerivative       derivative = MidpointDerivative::Itk;
  SymmetricStep            step = SymmetricStep::LargestNorm;
  StepRuleParameters       stepRule; ///< for SymmetricStep::Rule
  std::vector<SolverLevel> levels;   ///< variances are those of the recursive Gaussian, at full resolution
  double                   learningRate = 0.25;
  double                   updateVariance = 3.0;
  double                   totalVariance = 0.5;
  double                   convergenceThreshold = 1e-6;
  std::size_t              convergenceWindow = 10;
  bool                     averageMidPointGradients = false;
  /** Gradients of the images at the mid-point: of a Gaussian of the largest spacing, or central differences. Itk only. */
  bool   gradientFilter = false;
  double minimumJacobian = 0.0; ///< of both maps, and if Exact of the result: relaxed where below it, if positive
};

/** Where a symmetric registration stands: fixed to middle, its inverse, moving to middle, its inverse. The vectors are physical
 * components, each divided by the spacing of the grid's axis of that number, since ITK takes its norms of them; but in voxels of
 * the grid where that has the same norms, which is on all grids but those with unlike spacings and oblique directions. */
struct SymmetricState
{
  LevelGeometry geometry;
  Matrix3       toIndex;   ///< to voxels of the grid
  Matrix3       fromIndex; ///< the reverse
  Field         fields[4];

  const Field &
  FixedToMiddle() const
  {
    return fields[0];
  }
  const Field &
  FixedToMiddleInverse() const
  {
    return fields[1];
  }
  const Field &
  MovingToMiddle() const
  {
    return fields[2];
  }
  const Field &
  MovingToMiddleInverse() const
  {
    return fields[3];
  }
};

struct SymmetricReport
{
  std::vector<SolverLevelReport> levels;
  bool                           cancelled = false;
};

/** Symmetric diffeomorphic registration (SyN), as itk::SyNImageRegistrationMethod does it: finds two maps to a middle, of the
 * fixed and of the moving image, so that F(A_F f^-1(x)) matches M(A m^-1(x)).
 *
 * Coarse to fine; only the grid is coarse, the images are smoothed at full resolution. In each iteration
 *   F', M' = both images on the grid through the inverses f^-1 and m^-1; what maps outside has the outside intensity and counts,
 *   g_f = slope of the metric to M' times grad M', g_m = slope to F' times grad F' (Itk), or the gradients with respect to the
 *         updates themselves (Exact), smoothed by a Gaussian of updateVariance and 0 on the grid's boundary,
 *   d_f, d_m = g scaled so that its largest norm is the learning rate (ITK's norm: physical components over spacings), or the
 *         direction of the step rule; with averageMidPointGradients d_f <- d_f - d_m and d_m <- -d_f,
 *   f <- G_totalVariance((1 + d_f) o f), 0 on the boundary, and m likewise; with Itk a variance below 0.5 mixes smoothed and
 *         not smoothed as ITK does,
 *   f^-1 <- the inverse of f from the last one by ITK's fixed point (Operators/Invert.h), f <- the inverse of f^-1; m likewise.
 *         Exact leaves out the second and takes Newton's method (Operators/RefineInverse.h) to 0.02 voxel, at the end of a
 *         level to its last digits.
 * The metric's value is the mean over both directions. A level ends after its iterations or when ITK's window slope falls below
 * the threshold. The host waits for the value in each iteration, but not for what comes after it; with Itk for each inversion
 * too. Exact iterations are replayed as CUDA graphs.
 *
 * Result: u = m^-1 o f from fixed to moving image, and f^-1 o m back (Exact: refined to be the inverse of u), on the grid of the
 * last level.
 * Memory besides the images: RequiredBytes. Deterministic.
 * Avants, Epstein, Grossman, Gee: Symmetric diffeomorphic image registration with cross-correlation, Medical Image Analysis 12
 * (2008). */
class SymmetricSolver
{
public:
  /** Returns false to cancel: State() is then that of the last finished iteration. */
  using Callback = std::function<bool(const SolverProgress &)>;

  SymmetricSolver(const Device & device, const SymmetricProblem & problem, const SymmetricParameters & parameters);

  /** Memory for the fields that the first level starts from, on its grid and in its unit; zero unless filled. */
  const SymmetricState &
  MakeInitialState();

  SymmetricReport
  Run(const Callback & callback);

  /** What the iterations have found. In a callback: after its iteration. */
  const SymmetricState &
  State() const
  {
    return m_State;
  }

  /** The composed maps on the grid of State(), in voxels of it.
   * \param forward as WriteForward has written it. */
  void
  WriteForward(const Field & displacement) const;
  void
  WriteInverse(const ConstField & forward, const Field & displacement) const;

  /** Bytes that Run needs at its largest level, the images not counted. */
  std::size_t
  RequiredBytes() const;

private:
  /** Brings the state to the grid of a level, linearly, 0 outside, as ITK's adaptor does. */
  void
  AdaptState(const LevelGeometry & geometry);

  LevelGeometry
  MakeGeometry(unsigned int level) const;

  /** Memory for the state on a grid, zeroed. */
  Buffer<float>
  MakeState(const LevelGeometry & geometry, SymmetricState & state) const;

  void
  RunLevel(unsigned int level, const Callback & callback, SolverProgress progress, SymmetricReport & report);

  /** Removes the folds of both maps and inverts them to their last digits. */
  void
  CleanMaps() const;

  void
  Join(const Field & outer, const Field & inner, const Field & displacement) const;

  Device              m_Device;
  SymmetricProblem    m_Problem;
  SymmetricParameters m_Parameters;
  MidpointMetric      m_Metric;
  Buffer<float>       m_StateBuffer;
  SymmetricState      m_State;
};
} // namespace engine
} // namespace itk

#endif
