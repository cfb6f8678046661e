// SPDX-License-Identifier: Apache-2.0
#include "itkGPUGreedyDiffeomorphicSolver.h"

namespace itk
{
void
GPUGreedyDiffeomorphicSolver::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "StepRule: " << static_cast<int>(m_StepRule) << std::endl;
  os << indent << "Parametrization: " << static_cast<int>(m_Parametrization) << std::endl;
  os << indent << "NumberOfStepReductions: " << m_NumberOfStepReductions << std::endl;
  os << indent << "NumberOfSquarings: " << m_NumberOfSquarings << std::endl;
  os << indent << "DiffusionWeight: " << m_DiffusionWeight << std::endl;
  os << indent << "VolumeWeight: " << m_VolumeWeight << std::endl;
  os << indent << "Damping: " << m_Damping << std::endl;
  os << indent << "Beta1: " << m_Beta1 << std::endl;
  os << indent << "Beta2: " << m_Beta2 << std::endl;
  os << indent << "Epsilon: " << m_Epsilon << std::endl;
  os << indent << "MinimumJacobian: " << m_MinimumJacobian << std::endl;
  os << indent << "VarianceFloor: " << m_VarianceFloor << std::endl;
}
} // namespace itk
