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
#ifndef itkGPUSymmetricDiffeomorphicSolver_h
#define itkGPUSymmetricDiffeomorphicSolver_h

#include "itkGPUSymmetricDiffeomorphicEngine.h"

#include "itkObject.h"
#include "itkObjectFactory.h"

namespace itk
{
/** \class GPUSymmetricDiffeomorphicSolver
 * \brief Parameters of the symmetric solver (SyN): two maps to a middle, with their inverses.
 *
 * As it comes, it does what SyNImageRegistrationMethod does, with the same trajectory of the metric but for rounding: its
 * derivative of the metric, its scaling of the updates to the learning rate, its inversions. Number of iterations, learning
 * rate, variances, convergence rule, AverageMidPointGradients and the middle transforms are those of the registration method; what
 * only this solver has is here.
 *
 * Faster, and closer to the images: SetDerivative(Exact), the gradient that has all windows of the correlation and its two images'
 * own updates, with SetStep(Adam). Then the images are scaled to [0, 1] between their 0.1 % and 99.9 % quantiles, updates are in
 * voxels, a smoothing variance below 0.5 smooths by that variance, maps are inverted once per iteration, and MinimumJacobian
 * keeps both maps and the result from folding. The learning rate bounds the step of each image, so that both together move by
 * twice that: 0.25 here is what 0.5 is to the greedy solver.
 *
 * Avants, Epstein, Grossman, Gee: Symmetric diffeomorphic image registration with cross-correlation, Medical Image Analysis 12
 * (2008).
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
class GPUDiffeomorphicRegistration_EXPORT GPUSymmetricDiffeomorphicSolver : public Object
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUSymmetricDiffeomorphicSolver);

  using Self = GPUSymmetricDiffeomorphicSolver;
  using Superclass = Object;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUSymmetricDiffeomorphicSolver, Object);

  using DerivativeEnum = GPUSymmetricDiffeomorphicEngine::DerivativeEnum;
  using StepEnum = GPUSymmetricDiffeomorphicEngine::StepEnum;

  /** Itk (default) or Exact. */
  itkSetEnumMacro(Derivative, DerivativeEnum);
  itkGetEnumMacro(Derivative, DerivativeEnum);

  /** LargestNorm (default): the largest vector of each update has the length of the learning rate. Adam and NormalizedGradient
   * need the exact derivative; then no vector is longer. */
  itkSetEnumMacro(Step, StepEnum);
  itkGetEnumMacro(Step, StepEnum);

  /** Decay of Adam's first moment, in [0, 1). Default 0.9. */
  itkSetMacro(Beta1, double);
  itkGetConstMacro(Beta1, double);

  /** Decay of Adam's second moment, in [0, 1). Default 0.99. */
  itkSetMacro(Beta2, double);
  itkGetConstMacro(Beta2, double);

  /** See GPUGreedyDiffeomorphicSolver. Default 0.1. */
  itkSetMacro(Epsilon, double);
  itkGetConstMacro(Epsilon, double);

  /** Where the Jacobian determinant of a map to the middle (with the exact derivative in the end also of the result) would fall
   * below this, it is relaxed. 0 or less (default): no guard, as in ITK. */
  itkSetMacro(MinimumJacobian, double);
  itkGetConstMacro(MinimumJacobian, double);

  /** Floor of the product of the two window variances in the exact LNCC, images scaled to [0, 1]. Default 1e-7. */
  itkSetMacro(VarianceFloor, double);
  itkGetConstMacro(VarianceFloor, double);

protected:
  GPUSymmetricDiffeomorphicSolver() = default;
  ~GPUSymmetricDiffeomorphicSolver() override = default;
  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  DerivativeEnum m_Derivative{ DerivativeEnum::Itk };
  StepEnum       m_Step{ StepEnum::LargestNorm };
  double         m_Beta1{ 0.9 };
  double         m_Beta2{ 0.99 };
  double         m_Epsilon{ 0.1 };
  double         m_MinimumJacobian{ 0.0 };
  double         m_VarianceFloor{ 1e-7 };
};
} // namespace itk

#endif
