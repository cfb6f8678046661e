// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineStepRule_h
#define itkEngineStepRule_h

#include "../Core/Buffer.h"
#include "../Core/Field.h"
#include "../Operators/AdamUpdate.h"

namespace itk
{
namespace engine
{
/** How a smoothed gradient becomes a step. */
enum class StepRuleKind
{
  Adam,               ///< Operators/AdamUpdate.h
  NormalizedGradient, ///< steepest descent, the gradient divided by its length at each voxel
  Levenberg           ///< Operators/GradientDirection.h
};

struct StepRuleParameters
{
  StepRuleKind kind = StepRuleKind::Adam;
  double       beta1 = 0.9;
  double       beta2 = 0.99;
  double       epsilon = 0.1;  ///< Adam's, and the shortest gradient that NormalizedGradient takes to length 1
  double       damping = 0.01; ///< Levenberg's first, in units of the squared gradient
};

/** A step rule at work on one level: what it remembers of the iterations, in device memory, so that they can be replayed. */
class StepRule
{
public:
  /** \param gradientScale multiplies epsilon and, squared, the damping (SolverMetric::GradientScale).
   * \param lossSign see SolverMetric::LossSign. */
  StepRule(const Device &             device,
           Arena &                    arena,
           const StepRuleParameters & parameters,
           const Lattice &            lattice,
           int                        iterations,
           double                     gradientScale,
           double                     lossSign);

  /** Bytes that the constructor takes from the arena. */
  static std::size_t
  Bytes(const StepRuleParameters & parameters, const Lattice & lattice, int iterations);

  /** Throws if a parameter makes no sense. */
  static void
  Check(const StepRuleParameters & parameters);

  /** Smooths the gradient of an iteration and makes a descent direction of it.
   * \param previousEnergy 2 doubles of device memory from the iteration before; null in the first.
   * \param energy         those of this iteration.
   * \param gradient       is overwritten.
   * \param direction      not the gradient, unless the kernels are those of no smoothing. */
  void
  TakeDirection(const double *          previousEnergy,
                const double *          energy,
                const SymmetricKernel (&kernels)[3],
                const Field & gradient,
                const Field & direction) const;

  /** The direction's largest norm, one double of device memory. */
  const double *
  LargestNorm() const
  {
    return m_Norms + 1;
  }

private:
  Device             m_Device;
  StepRuleParameters m_Parameters;
  double             m_LossSign;
  Field              m_First;
  Field              m_Second;
  AdamClock          m_Clock;
  double *           m_Norms = nullptr;
  double *           m_Damping = nullptr;
};
} // namespace engine
} // namespace itk

#endif
