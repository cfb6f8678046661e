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
#ifndef itkGPUDiffeomorphicRegistrationMethodSymmetric_hxx
#define itkGPUDiffeomorphicRegistrationMethodSymmetric_hxx

#include "itkGPUDiffeomorphicRegistrationMethod.h"

#include "itkDisplacementFieldTransformParametersAdaptor.h"
#include "itkGPUDiffeomorphicGeometry.h"

// The symmetric solver's part of GPUDiffeomorphicRegistrationMethod.
namespace itk
{
template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
GPUSymmetricDiffeomorphicEngine::Parameters
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  MakeSymmetricParameters() const
{
  GPUSymmetricDiffeomorphicEngine::Parameters parameters;
  this->FillParameters(parameters);
  parameters.averageMidPointGradients = this->m_AverageMidPointGradients;
  // in both directions it is the metric's moving image whose gradient is taken
  parameters.gradientFilter = this->GetImageMetrics().front()->GetUseMovingImageGradientFilter();
  parameters.derivative = m_SymmetricSolver->GetDerivative();
  parameters.step = m_SymmetricSolver->GetStep();
  parameters.beta1 = m_SymmetricSolver->GetBeta1();
  parameters.beta2 = m_SymmetricSolver->GetBeta2();
  parameters.epsilon = m_SymmetricSolver->GetEpsilon();
  parameters.minimumJacobian = m_SymmetricSolver->GetMinimumJacobian();
  parameters.varianceFloor = m_SymmetricSolver->GetVarianceFloor();
  return parameters;
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
typename GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  DisplacementFieldType::Pointer
  GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
    MakeGridField(const GPUSymmetricDiffeomorphicEngine::Grid & grid) const
{
  const auto * fixed = this->GetFixedImage();
  const auto   field = DisplacementFieldType::New();
  bool         isFixedGrid = true;
  for (unsigned int d = 0; d < ImageDimension; ++d)
  {
    isFixedGrid = isFixedGrid && grid.factor[d] == 1.0;
  }
  field->CopyInformation(fixed);
  if (isFixedGrid)
  {
    field->SetRegions(fixed->GetBufferedRegion());
  }
  else
  {
    typename DisplacementFieldType::SizeType    size;
    typename DisplacementFieldType::SpacingType spacing;
    typename DisplacementFieldType::PointType   origin;
    ContinuousIndex<double, ImageDimension>     first(fixed->GetBufferedRegion().GetIndex());
    for (unsigned int d = 0; d < ImageDimension; ++d)
    {
      size[d] = static_cast<SizeValueType>(grid.size[d]);
      spacing[d] = fixed->GetSpacing()[d] * grid.factor[d];
      first[d] += grid.offset[d];
    }
    fixed->TransformContinuousIndexToPhysicalPoint(first, origin);
    field->SetSpacing(spacing);
    field->SetOrigin(origin);
    field->SetRegions(size);
  }
  field->Allocate();
  return field;
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
GPUSymmetricDiffeomorphicEngine::OutputState
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  MakeMiddleFields(const GPUSymmetricDiffeomorphicEngine::Grid & grid, MiddleFieldsType & fields) const
{
  GPUSymmetricDiffeomorphicEngine::OutputState outputs;
  for (unsigned int i = 0; i < 4; ++i)
  {
    fields[i] = this->MakeGridField(grid);
    outputs[i] = GPUDiffeomorphicGeometry::GetPhysicalVectors(fields[i].GetPointer());
  }
  return outputs;
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
void
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  SetMiddleTransforms(const MiddleFieldsType & fields)
{
  if (!this->m_FixedToMiddleTransform || !this->m_MovingToMiddleTransform)
  {
    this->m_FixedToMiddleTransform = OutputTransformType::New();
    this->m_MovingToMiddleTransform = OutputTransformType::New();
  }
  this->m_FixedToMiddleTransform->SetDisplacementField(fields[0]);
  this->m_FixedToMiddleTransform->SetInverseDisplacementField(fields[1]);
  this->m_MovingToMiddleTransform->SetDisplacementField(fields[2]);
  this->m_MovingToMiddleTransform->SetInverseDisplacementField(fields[3]);
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
GPUSymmetricDiffeomorphicEngine::InputState
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  GetRestoredState() const
{
  GPUDiffeomorphicEngine::FactorsType factors{ { 1, 1, 1 } };
  for (unsigned int d = 0; d < ImageDimension; ++d)
  {
    factors[d] = static_cast<int>(this->m_ShrinkFactorsPerLevel[0][d]);
  }
  GPUSymmetricDiffeomorphicEngine::InputState state;
  const auto reference = this->MakeGridField(GPUSymmetricDiffeomorphicEngine::GetGrid(
    GPUDiffeomorphicGeometry::GetSize<ImageDimension>(this->GetFixedImage()), factors));
  for (unsigned int i = 0; i < 4; i += 2)
  {
    const auto & transform = i == 0 ? this->m_FixedToMiddleTransform : this->m_MovingToMiddleTransform;
    if (!transform->GetDisplacementField() || !transform->GetInverseDisplacementField())
    {
      itkExceptionMacro("Invalid state restoration: a middle transform has no "
                        << (transform->GetDisplacementField() ? "inverse displacement field" : "displacement field"));
    }
    const auto adaptor = DisplacementFieldTransformParametersAdaptor<OutputTransformType>::New();
    adaptor->SetRequiredSize(reference->GetLargestPossibleRegion().GetSize());
    adaptor->SetRequiredSpacing(reference->GetSpacing());
    adaptor->SetRequiredOrigin(reference->GetOrigin());
    adaptor->SetRequiredDirection(reference->GetDirection());
    adaptor->SetTransform(transform);
    adaptor->AdaptTransformParameters();
    state[i] = GPUDiffeomorphicGeometry::GetIndexVectors(transform->GetDisplacementField());
    state[i + 1] = GPUDiffeomorphicGeometry::GetIndexVectors(transform->GetInverseDisplacementField());
  }
  return state;
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
void
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  GenerateSymmetricDataOnDevice()
{
  using EngineType = GPUSymmetricDiffeomorphicEngine;
  this->AllocateOutputs();
  EngineType::Problem problem;
  ProblemStorage      storage;
  this->FillProblem(problem, storage);
  const auto * fixed = this->GetFixedImage();
  problem.fixedAffine = this->MakeIndexMap(this->GetFixedInitialTransform(), fixed);
  problem.dimension = ImageDimension;
  for (unsigned int i = 0; i < ImageDimension; ++i)
  {
    problem.spacing[i] = fixed->GetSpacing()[i];
    for (unsigned int j = 0; j < ImageDimension; ++j)
    {
      problem.direction[i][j] = fixed->GetDirection()(i, j);
    }
  }
  const auto             parameters = this->MakeSymmetricParameters();
  EngineType::InputState restored;
  const bool             restores = this->m_FixedToMiddleTransform && this->m_MovingToMiddleTransform;
  if (restores)
  {
    restored = this->GetRestoredState();
  }
  const auto observe = [this](const GPUDiffeomorphicEngine::Progress & progress, const EngineType::StateFunction & getState) {
    // ITK's observers find the middle transforms as they are after each iteration
    if (!progress.startsLevel && this->HasObserver(IterationEvent()))
    {
      MiddleFieldsType fields;
      getState([&](const EngineType::Grid & grid) { return this->MakeMiddleFields(grid, fields); });
      this->SetMiddleTransforms(fields);
    }
    return this->Report(progress);
  };
  MiddleFieldsType                        middle;
  typename DisplacementFieldType::Pointer forward;
  typename DisplacementFieldType::Pointer inverse;
  const auto                              makeOutputs = [&](const EngineType::Grid & grid) {
    EngineType::Outputs outputs;
    forward = this->MakeGridField(grid);
    inverse = this->MakeGridField(grid);
    outputs.forward = GPUDiffeomorphicGeometry::GetPhysicalVectors(forward.GetPointer());
    outputs.inverse = GPUDiffeomorphicGeometry::GetPhysicalVectors(inverse.GetPointer());
    outputs.state = this->MakeMiddleFields(grid, middle);
    return outputs;
  };
  m_Result = EngineType::Register(m_Device, problem, parameters, restores ? &restored : nullptr, makeOutputs, observe);
  this->m_OutputTransform->SetDisplacementField(forward);
  this->m_OutputTransform->SetInverseDisplacementField(inverse);
  this->SetMiddleTransforms(middle);
  this->GetTransformOutput()->Set(this->m_OutputTransform);
  if (m_Result.cancelled)
  {
    throw ProcessAborted(__FILE__, __LINE__);
  }
}
} // namespace itk

#endif
