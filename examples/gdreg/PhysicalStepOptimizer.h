// SPDX-License-Identifier: Apache-2.0
#ifndef PhysicalStepOptimizer_h
#define PhysicalStepOptimizer_h

#include "itkGradientDescentOptimizerv4.h"

namespace gdreg
{
/** Gradient descent whose steps have a length in millimetres: a step moves the farthest corner of the fixed image by
 * StepLength, which shrinks whenever the gradient turns back. ITK's RegularStepGradientDescentOptimizerv4 measures
 * its steps in parameter units instead, where a rotation of 1 radian and a translation of 1 mm count the same. */
class PhysicalStepOptimizer : public itk::GradientDescentOptimizerv4Template<double>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(PhysicalStepOptimizer);

  using Self = PhysicalStepOptimizer;
  using Superclass = itk::GradientDescentOptimizerv4Template<double>;
  using Pointer = itk::SmartPointer<Self>;
  using ConstPointer = itk::SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(PhysicalStepOptimizer, GradientDescentOptimizerv4Template);

  itkSetMacro(StepLength, double);
  itkSetMacro(MinimumStepLength, double);

  void
  StartOptimization(bool doOnlyInitialization = false) override
  {
    m_LastDirection.SetSize(0);
    Superclass::StartOptimization(doOnlyInitialization);
  }

protected:
  PhysicalStepOptimizer() { this->m_UseConvergenceMonitoring = false; }
  ~PhysicalStepOptimizer() override = default;

  void
  AdvanceOneStep() override
  {
    this->ModifyGradientByScales();
    if (m_LastDirection.Size() == this->m_Gradient.Size())
    {
      const auto & scales = this->GetScales();
      double       product = 0.0;
      for (itk::SizeValueType i = 0; i < this->m_Gradient.Size(); ++i)
      {
        product += this->m_Gradient[i] * m_LastDirection[i] * scales[i];
      }
      if (product < 0.0)
      {
        m_StepLength *= 0.7;
      }
    }
    m_LastDirection = this->m_Gradient;

    const double shift = this->m_ScalesEstimator->EstimateStepScale(this->m_Gradient);
    if (m_StepLength < m_MinimumStepLength || !(shift > 0.0) || !std::isfinite(shift))
    {
      this->m_StopCondition = itk::StopConditionObjectToObjectOptimizerEnum::STEP_TOO_SMALL;
      this->StopOptimization();
      return;
    }
    this->m_LearningRate = m_StepLength / shift;
    this->ModifyGradientByLearningRate();
    this->m_Metric->UpdateTransformParameters(this->m_Gradient);
    this->InvokeEvent(itk::IterationEvent());
  }

private:
  double         m_StepLength{ 1.0 };
  double         m_MinimumStepLength{ 0.01 };
  DerivativeType m_LastDirection;
};
} // namespace gdreg

#endif
