/*=========================================================================
 *
 *  Copyright NumFOCUS
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         http://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkGPUGreedyDiffeomorphicSolver_h
#define itkGPUGreedyDiffeomorphicSolver_h

#include "itkGPUDiffeomorphicEngine.h"

#include "itkObject.h"
#include "itkObjectFactory.h"

namespace itk
{
/** \class GPUGreedyDiffeomorphicSolver
 * \brief Parameters of the greedy solver: first-order steps on the displacement with compositive updates.
 *
 * Each iteration smooths the metric's gradient g with a Gaussian, takes a direction d from it by the step rule, limits it so that no
 * voxel moves by more than the learning rate, composes, \f$ u \leftarrow \delta + u \circ (1 + \delta) \f$ with
 * \f$ \delta = \eta d / \max(1, \max \|d\|) \f$, smooths the total field, and relaxes it where the Jacobian
 * determinant falls below MinimumJacobian, so that the map stays invertible.
 *
 * Number of iterations, learning rate, variances and convergence rule are those of the registration method
 * (SyNImageRegistrationMethod's setters); what only this solver has is here.
 *
 * Jena, Chaudhari, Gee: FireANTs: Adaptive Riemannian optimization for multi-scale diffeomorphic matching, 2024.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
class GPUDiffeomorphicRegistration_EXPORT GPUGreedyDiffeomorphicSolver : public Object
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUGreedyDiffeomorphicSolver);

  using Self = GPUGreedyDiffeomorphicSolver;
  using Superclass = Object;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUGreedyDiffeomorphicSolver, Object);

  using StepRuleEnum = GPUDiffeomorphicEngine::StepRuleEnum;
  using ParametrizationEnum = GPUDiffeomorphicEngine::ParametrizationEnum;

  /** How a smoothed gradient becomes a step: Adam (default), NormalizedGradient or Levenberg. */
  itkSetEnumMacro(StepRule, StepRuleEnum);
  itkGetEnumMacro(StepRule, StepRuleEnum);

  /** Compositive (default, diffeomorphic), StationaryVelocity (diffeomorphic, one velocity for all times) or Additive
   * (free-form, for comparison). */
  itkSetEnumMacro(Parametrization, ParametrizationEnum);
  itkGetEnumMacro(Parametrization, ParametrizationEnum);

  /** Squarings of the exponential of a stationary velocity, from 0 to 20. Default 7. */
  itkSetMacro(NumberOfSquarings, int);
  itkGetConstMacro(NumberOfSquarings, int);

  /** How often a level that converged goes on with half the learning rate and half the smoothing of the total field.
   * Default 0. */
  itkSetMacro(NumberOfStepReductions, unsigned int);
  itkGetConstMacro(NumberOfStepReductions, unsigned int);

  /** Weights of two penalties that are added to the metric, in units of the metric's gradient per voxel: of the roughness of
   * the field (half the squared differences between neighbours), and of the change of volume by its map (half the squared
   * logarithm of the Jacobian determinant). Of the velocity, where that is the parametrization. Default 0. */
  itkSetMacro(DiffusionWeight, double);
  itkGetConstMacro(DiffusionWeight, double);
  itkSetMacro(VolumeWeight, double);
  itkGetConstMacro(VolumeWeight, double);

  /** Levenberg's first damping, in units of the squared gradient. Default 0.01. */
  itkSetMacro(Damping, double);
  itkGetConstMacro(Damping, double);

  /** Decay of Adam's first moment, in [0, 1). Default 0.9. */
  itkSetMacro(Beta1, double);
  itkGetConstMacro(Beta1, double);

  /** Decay of Adam's second moment, in [0, 1). Default 0.99. */
  itkSetMacro(Beta2, double);
  itkGetConstMacro(Beta2, double);

  /** Added to the root of the second moment: voxels whose smoothed gradient (of the sum of the metric over the voxels, per
   * voxel, images scaled to [0, 1]) is well below it move little. In units of LNCC's gradient; for mean squares a tenth of it
   * is taken, for mutual information three times as much. Default 0.1. */
  itkSetMacro(Epsilon, double);
  itkGetConstMacro(Epsilon, double);

  /** Where the Jacobian determinant of the map would fall below this, the field is relaxed. 0 or less: no guard. Default 0.1. */
  itkSetMacro(MinimumJacobian, double);
  itkGetConstMacro(MinimumJacobian, double);

  /** Floor of the product of the two window variances in LNCC, images scaled to [0, 1]. Default 1e-7. */
  itkSetMacro(VarianceFloor, double);
  itkGetConstMacro(VarianceFloor, double);

protected:
  GPUGreedyDiffeomorphicSolver() = default;
  ~GPUGreedyDiffeomorphicSolver() override = default;
  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  StepRuleEnum        m_StepRule{ StepRuleEnum::Adam };
  ParametrizationEnum m_Parametrization{ ParametrizationEnum::Compositive };
  unsigned int        m_NumberOfStepReductions{ 0 };
  int                 m_NumberOfSquarings{ 7 };

  double m_DiffusionWeight{ 0.0 };
  double m_VolumeWeight{ 0.0 };
  double m_Damping{ 0.01 };
  double m_Beta1{ 0.9 };
  double m_Beta2{ 0.99 };
  double m_Epsilon{ 0.1 };
  double m_MinimumJacobian{ 0.1 };
  double m_VarianceFloor{ 1e-7 };
};
} // namespace itk

#endif
