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
#ifndef itkGPUInvertDisplacementFieldImageFilter_hxx
#define itkGPUInvertDisplacementFieldImageFilter_hxx

#include "itkGPUInvertDisplacementFieldImageFilter.h"

#include "itkGPUDiffeomorphicGeometry.h"
#include "itkImageAlgorithm.h"

#include <algorithm>
#include <limits>

namespace itk
{
template <typename TInputImage, typename TOutputImage>
void
GPUInvertDisplacementFieldImageFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  Superclass::GenerateInputRequestedRegion();
  const_cast<InputFieldType *>(this->GetInput())->SetRequestedRegionToLargestPossibleRegion();
  if (this->GetInverseFieldInitialEstimate())
  {
    const_cast<OutputFieldType *>(this->GetInverseFieldInitialEstimate())->SetRequestedRegionToLargestPossibleRegion();
  }
}

template <typename TInputImage, typename TOutputImage>
void
GPUInvertDisplacementFieldImageFilter<TInputImage, TOutputImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  Superclass::EnlargeOutputRequestedRegion(output);
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage, typename TOutputImage>
void
GPUInvertDisplacementFieldImageFilter<TInputImage, TOutputImage>::GenerateData()
{
  m_RanOnDevice = false;
  const OutputFieldType * const estimate = this->GetInverseFieldInitialEstimate();
  if (estimate && estimate->GetLargestPossibleRegion() != this->GetInput()->GetLargestPossibleRegion())
  {
    itkExceptionMacro(<< "InverseFieldInitialEstimate has the region " << estimate->GetLargestPossibleRegion()
                      << " and the displacement field " << this->GetInput()->GetLargestPossibleRegion());
  }
  Superclass::GenerateData();
}

template <typename TInputImage, typename TOutputImage>
void
GPUInvertDisplacementFieldImageFilter<TInputImage, TOutputImage>::GenerateDataOnDevice(const std::string & device)
{
  constexpr unsigned int dimension = Superclass::ImageDimension;
  this->AllocateOutputs();
  OutputFieldType * const output = this->GetOutput();
  const auto &            region = output->GetBufferedRegion();

  // The error is measured in physical components divided by the spacings: so are the vectors, then.
  GPUDiffeomorphicEngine::MatrixType          fromPhysical{};
  GPUDiffeomorphicEngine::MatrixType          toPhysical{};
  GPUDiffeomorphicEngine::InversionParameters parameters;
  const auto toIndex = GPUDiffeomorphicGeometry::GetPhysicalToIndexMatrix<dimension>(this->GetInput());
  for (unsigned int i = 0; i < dimension; ++i)
  {
    const double spacing = this->GetInput()->GetSpacing()[i];
    fromPhysical[i][i] = 1.0 / spacing;
    toPhysical[i][i] = spacing;
    for (unsigned int j = 0; j < dimension; ++j)
    {
      // without a rotation these are exactly the voxels of the engine, whatever the rounding
      const double value = toIndex[j][i] * spacing;
      const double whole = Math::Round<double>(value);
      parameters.toIndex[j][i] = Math::abs(value - whole) < 1e-12 ? whole : value;
    }
  }
  const OutputFieldType * const estimate = this->GetInverseFieldInitialEstimate();
  if (this->GetMaximumNumberOfIterations() == 0)
  {
    if (estimate)
    {
      ImageAlgorithm::Copy(estimate, output, region, region);
    }
    else
    {
      output->FillBuffer(typename OutputFieldType::PixelType(0.0));
    }
    m_MaxErrorNorm = m_MeanErrorNorm = NumericTraits<RealType>::max();
    m_RanOnDevice = true;
    return;
  }
  if (estimate)
  {
    parameters.initialEstimate = GPUDiffeomorphicGeometry::GetInputVectors(estimate, region, fromPhysical);
  }
  parameters.maximumIterations = static_cast<int>(
    std::min(this->GetMaximumNumberOfIterations(), static_cast<unsigned int>(std::numeric_limits<int>::max())));
  parameters.maximumTolerance = this->GetMaxErrorToleranceThreshold();
  parameters.meanTolerance = this->GetMeanErrorToleranceThreshold();
  parameters.clampOutside = false;
  parameters.zeroBoundaryAxes = this->GetEnforceBoundaryCondition() ? static_cast<int>(dimension) : 0;
  parameters.stepAfterTolerance = true;
  const auto norms = GPUDiffeomorphicEngine::Invert(
    device,
    GPUDiffeomorphicGeometry::GetInputVectors(this->GetInput(), region, fromPhysical),
    GPUDiffeomorphicGeometry::GetSize(region),
    parameters,
    GPUDiffeomorphicEngine::OutputVectors(
      GPUDiffeomorphicGeometry::GetComponents(output), static_cast<int>(dimension), toPhysical));
  m_MeanErrorNorm = static_cast<RealType>(norms[0]);
  m_MaxErrorNorm = static_cast<RealType>(norms[1]);
  m_RanOnDevice = true;
}
} // namespace itk

#endif
