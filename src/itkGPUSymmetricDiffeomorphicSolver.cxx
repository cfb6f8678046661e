// SPDX-License-Identifier: Apache-2.0
#include "itkGPUSymmetricDiffeomorphicSolver.h"

namespace itk
{
void
GPUSymmetricDiffeomorphicSolver::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Derivative: " << static_cast<int>(m_Derivative) << std::endl;
  os << indent << "Step: " << static_cast<int>(m_Step) << std::endl;
  os << indent << "Beta1: " << m_Beta1 << std::endl;
  os << indent << "Beta2: " << m_Beta2 << std::endl;
  os << indent << "Epsilon: " << m_Epsilon << std::endl;
  os << indent << "MinimumJacobian: " << m_MinimumJacobian << std::endl;
  os << indent << "VarianceFloor: " << m_VarianceFloor << std::endl;
}
} // namespace itk
