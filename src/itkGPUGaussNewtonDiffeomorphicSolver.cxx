// SPDX-License-Identifier: Apache-2.0
#include "itkGPUGaussNewtonDiffeomorphicSolver.h"

namespace itk
{
GPUGaussNewtonDiffeomorphicEngine::Parameters
GPUGaussNewtonDiffeomorphicSolver::MakeParameters() const
{
  GPUGaussNewtonDiffeomorphicEngine::Parameters parameters;
  parameters.norm = m_Norm;
  parameters.weight = m_RegularizationWeight;
  parameters.divergenceWeight = m_DivergenceWeight;
  parameters.timeSteps = m_NumberOfTimeSteps;
  parameters.segments = m_NumberOfSegments;
  parameters.gradientReduction = m_GradientReduction;
  parameters.forcing = m_Forcing;
  parameters.krylovTolerance = m_KrylovTolerance;
  parameters.krylovIterations = m_MaximumNumberOfKrylovIterations;
  parameters.transport = m_Transport;
  parameters.minimumJacobian = m_MinimumJacobian;
  parameters.preconditioner = m_Preconditioner;
  parameters.initialWeight = m_InitialRegularizationWeight;
  parameters.padding = m_Padding;
  parameters.varianceFloor = m_VarianceFloor;
  return parameters;
}

void
GPUGaussNewtonDiffeomorphicSolver::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Norm: " << static_cast<int>(m_Norm) << std::endl;
  os << indent << "RegularizationWeight: " << m_RegularizationWeight << std::endl;
  os << indent << "DivergenceWeight: " << m_DivergenceWeight << std::endl;
  os << indent << "NumberOfTimeSteps: " << m_NumberOfTimeSteps << std::endl;
  os << indent << "NumberOfSegments: " << m_NumberOfSegments << std::endl;
  os << indent << "GradientReduction: " << m_GradientReduction << std::endl;
  os << indent << "Forcing: " << static_cast<int>(m_Forcing) << std::endl;
  os << indent << "KrylovTolerance: " << m_KrylovTolerance << std::endl;
  os << indent << "MaximumNumberOfKrylovIterations: " << m_MaximumNumberOfKrylovIterations << std::endl;
  os << indent << "Transport: " << static_cast<int>(m_Transport) << std::endl;
  os << indent << "MinimumJacobian: " << m_MinimumJacobian << std::endl;
  os << indent << "Preconditioner: " << static_cast<int>(m_Preconditioner) << std::endl;
  os << indent << "InitialRegularizationWeight: " << m_InitialRegularizationWeight << std::endl;
  os << indent << "Padding: " << m_Padding << std::endl;
  os << indent << "VarianceFloor: " << m_VarianceFloor << std::endl;
  os << indent << "ComputeVelocity: " << (m_ComputeVelocity ? "On" : "Off") << std::endl;
}
} // namespace itk
