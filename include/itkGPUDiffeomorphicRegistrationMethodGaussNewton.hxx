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
#ifndef itkGPUDiffeomorphicRegistrationMethodGaussNewton_hxx
#define itkGPUDiffeomorphicRegistrationMethodGaussNewton_hxx

#include "itkGPUDiffeomorphicRegistrationMethod.h"

#include "itkGPUDiffeomorphicGeometry.h"

// The Gauss-Newton solver's part of GPUDiffeomorphicRegistrationMethod.
namespace itk
{
template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
const typename GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  DisplacementFieldType *
  GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
    GetVelocityField(unsigned int segment) const
{
  return segment < m_VelocityFields.size() ? m_VelocityFields[segment].GetPointer() : nullptr;
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
void
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  GenerateGaussNewtonDataOnDevice()
{
  using EngineType = GPUGaussNewtonDiffeomorphicEngine;
  this->AllocateOutputs();
  EngineType::Problem problem;
  ProblemStorage      storage;
  this->FillProblem(problem, storage);
  for (unsigned int d = 0; d < ImageDimension; ++d)
  {
    problem.spacing[d] = this->GetFixedImage()->GetSpacing()[d];
  }
  auto parameters = m_GaussNewtonSolver->MakeParameters();
  this->FillLevels(parameters);
  const auto field = this->MakeField();
  const auto inverse = m_ComputeInverse ? this->MakeField() : nullptr;
  problem.displacement = GPUDiffeomorphicGeometry::GetPhysicalVectors(field.GetPointer());
  if (inverse)
  {
    problem.inverseDisplacement = GPUDiffeomorphicGeometry::GetPhysicalVectors(inverse.GetPointer());
  }
  std::vector<typename DisplacementFieldType::Pointer> velocities;
  for (int segment = 0; m_GaussNewtonSolver->GetComputeVelocity() && segment < parameters.segments; ++segment)
  {
    velocities.push_back(this->MakeField());
    problem.velocities.push_back(GPUDiffeomorphicGeometry::GetPhysicalVectors(velocities.back().GetPointer()));
  }
  m_GaussNewtonResult = EngineType::Register(
    m_Device, problem, parameters, [this](const GPUDiffeomorphicEngine::Progress & progress) { return this->Report(progress); });
  m_Result = m_GaussNewtonResult;
  if (m_Result.cancelled)
  {
    throw ProcessAborted(__FILE__, __LINE__);
  }
  m_VelocityFields = velocities;
  this->m_OutputTransform->SetDisplacementField(field);
  if (inverse)
  {
    this->m_OutputTransform->SetInverseDisplacementField(inverse);
  }
  this->GetTransformOutput()->Set(this->m_OutputTransform);
}
} // namespace itk

#endif
