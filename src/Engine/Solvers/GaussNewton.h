// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineGaussNewton_h
#define itkEngineGaussNewton_h

#include "GaussNewtonObjective.h"
#include "SolverLevel.h"
#include "ZeroVelocityPreconditioner.h"

#include <functional>

namespace itk
{
namespace engine
{
/** How exactly the Newton step is solved for: tolerance of |r| / |g|, with q = |g| / |g at v = 0|. All norms here are those of
 * the preconditioned vectors, |g|^2 = <g, B^-1 g>: the Euclidean norm would be that of the highest frequencies of the
 * divergence's penalty, which grows with the fourth power of the frequency. */
enum class KrylovForcing
{
  Superlinear, ///< min(1/2, sqrt q)
  Quadratic,   ///< min(1/2, q)
  Constant     ///< krylovTolerance
};

enum class GaussNewtonPreconditioner
{
  Automatic,            ///< InverseRegularization: measured faster
  InverseRegularization, ///< B^-1
  ZeroVelocity          ///< see ZeroVelocityPreconditioner
};

struct GaussNewtonLevel : SolverLevel
{
  GaussNewtonLevel() { iterations = 20; }
};

struct GaussNewtonParameters
{
  MetricParameters              metric;
  std::vector<GaussNewtonLevel> levels;
  /** Size of a voxel of the full fixed grid along its axes. Lengths count in 2 pi per geometric mean of the grid's
   * extents, so that on a cube of one resolution the weights mean what they mean to CLAIRE. */
  double           spacing[3] = { 1.0, 1.0, 1.0 };
  SpectralNorm     norm = SpectralNorm::H1Seminorm;
  double           weight = 5e-4;           ///< beta of the regularisation, > 0
  double           divergenceWeight = 1e-4; ///< of the penalty of volume change, >= 0
  int              timeSteps = 4;
  int              segments = 1; ///< the velocity is constant in each of so many parts of the time
  TransportKind    transport = TransportKind::Map;
  double           gradientReduction = 5e-2; ///< ends where |g| is this share of that at v = 0 on the same level
  double           minimumJacobian = 0.1; ///< of the displacement that is given out; 0 or less: as the velocity makes it
  KrylovForcing    forcing = KrylovForcing::Superlinear;
  double           krylovTolerance = 0.1; ///< of KrylovForcing::Constant
  int              krylovIterations = 50; ///< at most, per Newton step
  GaussNewtonPreconditioner preconditioner = GaussNewtonPreconditioner::Automatic;
  double           initialWeight = 0.0; ///< the first level begins with this weight and lowers it tenfold; 0: not
};

struct GaussNewtonLevelReport : SolverLevelReport
{
  double              weight = 0.0;
  std::vector<double> gradientNorms; ///< at each Newton iterate, the one that ends included
  double              initialGradientNorm = 0.0; ///< at v = 0
  int                 hessianProducts = 0;
  int                 innerProducts = 0; ///< of the preconditioner, on the half grid
  int                 evaluations = 0; ///< of the objective
};

struct GaussNewtonReport
{
  std::vector<GaussNewtonLevelReport> levels;
  double                              initialMetricValue = 0.0;
  double                              finalMetricValue = 0.0;
  double                              minimumJacobian = 1.0;
  std::int64_t                        foldedVoxels = 0;
  bool                                cancelled = false;
};

/** Registration by the flow of a velocity v, found by Gauss-Newton-Krylov steps: minimises
 *
 *   J(v) = D(F, M_v) + R(v),
 *
 * D from a metric (mean squares: 1/2 the mean of (F - M)^2 per voxel; others are scaled to have its size at v = 0), R a
 * norm with a penalty of the divergence (Operators/SpectralRegularization.h), M_v the moving image as v
 * carries it along (TransportKind). It discretises first and then differentiates, so that gradient and matrix belong to the
 * very number that the line search sees. The result is the map of Solvers/VelocityFlow.h, and the reported values at full
 * resolution are those of the image that it samples once.
 *
 * Coarse to fine; on each level, from the velocity of the one before, Newton steps H x = -g by conjugate gradients to the
 * tolerance of the forcing, preconditioned by B^-1 unless said otherwise, then Armijo's rule (half the step, up to 10
 * times; 1e-4 of the slope). A level ends at gradientReduction, after its iterations, or when the line search finds nothing.
 *
 * Deterministic. Sources: Mang, Biros: An inexact Newton-Krylov algorithm for constrained diffeomorphic image registration,
 * SIAM J. Imaging Sciences 8 (2015); Mang, Gholami, Davatzikos, Biros: CLAIRE: a distributed-memory solver for constrained
 * large deformation diffeomorphic image registration, SIAM J. Sci. Comput. 41 (2019). Differences: what is discretised is
 * optimised, not the other way round; the gradient of the penalty is not projected. */
class GaussNewtonSolver
{
public:
  /** Returns false to cancel. */
  using Callback = std::function<bool(const SolverProgress &)>;

  GaussNewtonSolver(const Device & device, const RegistrationProblem & problem, const GaussNewtonParameters & parameters);

  /** Writes u, 3 components on the fixed lattice, voxels; and, unless absent, v, 3 per segment, voxels per unit time, and
   * the displacement of the inverse map on the same lattice. */
  GaussNewtonReport
  Run(const Field & displacement, const Callback & callback, const Field & velocity = Field(), const Field & inverse = Field());

  /** Bytes that Run needs at its largest level, the images and the results not counted. */
  std::size_t
  RequiredBytes() const;

private:
  GaussNewtonObjective::Setup
  MakeSetup(const LevelImages & images, double weight) const;

  /** How the metric counts, from its value without displacement at full resolution. */
  void
  SetDistanceScale();

  void
  RunLevel(unsigned int level, const LevelImages & images, double weight, const Field & velocity, const Callback & callback);

  bool
  UsesZeroVelocity(const Lattice & lattice) const;

  Device                m_Device;
  RegistrationProblem   m_Problem;
  GaussNewtonParameters m_Parameters;
  SolverMetric          m_Metric;
  DistanceScale         m_Scale;
  GaussNewtonReport     m_Report;
};
} // namespace engine
} // namespace itk

#endif
