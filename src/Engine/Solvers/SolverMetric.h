// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSolverMetric_h
#define itkEngineSolverMetric_h

#include "../Operators/Arithmetic.h"
#include "../Operators/Lncc.h"
#include "../Operators/MeanSquares.h"
#include "../Operators/MutualInformation.h"
#include "PyramidLevel.h"

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

struct MetricParameters
{
  MetricKind     kind = MetricKind::Lncc;
  LnccParameters lncc; ///< its shifts are set from the means of the problem's images
  /** The range is that of the problem's scaled images, [0, 1]: the few voxels beyond it clamp. */
  MutualInformationParameters mutualInformation;
  /** What each component of the images counts beside the others, > 0; empty: there is one. The energy is the mean. */
  std::vector<double> weights;
};

/** The metric of a solver: one face for all the operators that compare images. */
class SolverMetric
{
public:
  SolverMetric(const Device & device, const MetricParameters & parameters, float fixedMean, float movingMean);

  /** Energy (two doubles of device memory) and, if wanted, its gradient with respect to the displacement, 3 components:
   * N times the gradient of the metric without its sign, so that a step against it lowers the loss. */
  void
  Evaluate(const MetricInputs & inputs, double * energy, const Field & gradient, float * workspace) const;

  /** The loss at full resolution without smoothing; an absent displacement is 0. Takes memory of its own, and waits. */
  double
  EvaluateFullResolution(const RegistrationProblem & problem, const ConstField & displacement) const;

  /** Floats that Evaluate needs. */
  std::int64_t
  Workspace(const MetricInputs & inputs) const;

  /** The same for an image that is warped already, with its gradient, if wanted, with respect to the warped intensities: as
   * many components as the images. \param valid optional: 0 excludes a voxel. */
  void
  EvaluateWarped(const ConstField & fixed,
                 const ConstField & warped,
                 const ConstMask &  valid,
                 double *           energy,
                 const Field &      gradient,
                 float *            workspace) const;

  /** Floats that EvaluateWarped needs. */
  std::int64_t
  WarpedWorkspace(const Lattice & lattice) const;

  /** 1 or -1: what the energy per voxel is multiplied by to be a loss. */
  double
  LossSign() const;

  /** The loss from the two numbers of Evaluate, on the host. Throws if no voxel counted or the loss is not finite. */
  double
  ToLoss(const double (&energy)[2]) const;

  /** Which gradients of a voxel count as small beside LNCC's, images scaled to [0, 1]. One squared difference of
   * intensities changes less with a displacement than the correlations of all the windows around it. Mutual information's
   * gradient is as large as LNCC's, but where the image is flat it is the noise of the histogram. With a larger scale T1
   * and T2 of one head match better and two heads' T1 less well; 3 loses little on either. */
  double
  GradientScale() const;

  int
  NumberOfComponents() const
  {
    return m_Weights.count;
  }

  /** What a component counts; their sum is 1. */
  double
  Weight(int component) const
  {
    return m_Weights.weight[component];
  }

  const MetricParameters &
  Parameters() const
  {
    return m_Parameters;
  }

private:
  void
  EvaluateComponent(const MetricInputs & inputs, double * energy, const Field & gradient, float * workspace) const;

  std::int64_t
  ComponentWorkspace(const MetricInputs & inputs) const;

  void
  EvaluateWarpedComponent(const ConstField & fixed,
                          const ConstField & warped,
                          const ConstMask &  valid,
                          double *           energy,
                          const Field &      gradient,
                          float *            workspace) const;

  Device           m_Device;
  MetricParameters m_Parameters;
  EnergyWeights    m_Weights; ///< their sum is 1
};
} // namespace engine
} // namespace itk

#endif
