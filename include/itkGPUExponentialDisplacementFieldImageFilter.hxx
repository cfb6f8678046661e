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
#ifndef itkGPUExponentialDisplacementFieldImageFilter_hxx
#define itkGPUExponentialDisplacementFieldImageFilter_hxx

#include "itkGPUExponentialDisplacementFieldImageFilter.h"

#include "itkGPUDiffeomorphicGeometry.h"
#include "itkImageRegionConstIterator.h"

#include <algorithm>
#include <cmath>

namespace itk
{
template <typename TInputImage, typename TOutputImage>
void
GPUExponentialDisplacementFieldImageFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  Superclass::GenerateInputRequestedRegion();
  const_cast<InputImageType *>(this->GetInput())->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage, typename TOutputImage>
void
GPUExponentialDisplacementFieldImageFilter<TInputImage, TOutputImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  Superclass::EnlargeOutputRequestedRegion(output);
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage, typename TOutputImage>
unsigned int
GPUExponentialDisplacementFieldImageFilter<TInputImage, TOutputImage>::GetNumberOfSquarings() const
{
  const unsigned int maximum = this->GetMaximumNumberOfIterations();
  if (!this->GetAutomaticNumberOfIterations())
  {
    return maximum;
  }
  const InputImageType * const velocity = this->GetInput();
  double                       largest = 0.0;
  for (ImageRegionConstIterator<InputImageType> it(velocity, velocity->GetLargestPossibleRegion()); !it.IsAtEnd(); ++it)
  {
    largest = std::max(largest, static_cast<double>(it.Get().GetSquaredNorm()));
  }
  if (!std::isfinite(largest))
  {
    itkExceptionMacro(<< "the velocity holds infinite values");
  }
  double spacing = velocity->GetSpacing()[0];
  for (unsigned int d = 1; d < Superclass::ImageDimension; ++d)
  {
    spacing = std::min(spacing, static_cast<double>(velocity->GetSpacing()[d]));
  }
  largest /= spacing * spacing;
  // nothing moves: one squaring of nothing, as in ITK
  const double number = largest > 0.0 ? 2.0 + 0.5 * std::log2(largest) : 0.0;
  return number >= 0.0 ? std::min(static_cast<unsigned int>(number + 1.0), maximum) : 0u;
}

template <typename TInputImage, typename TOutputImage>
void
GPUExponentialDisplacementFieldImageFilter<TInputImage, TOutputImage>::GenerateDataOnDevice(const std::string & device)
{
  const unsigned int squarings = this->GetNumberOfSquarings();
  if (squarings > 30)
  {
    itkExceptionMacro(<< "MaximumNumberOfIterations is " << squarings << ": at most 30 squarings are possible");
  }
  this->AllocateOutputs();
  const auto & region = this->GetOutput()->GetBufferedRegion();
  GPUDiffeomorphicEngine::Exponential(device,
                                      GPUDiffeomorphicGeometry::GetIndexVectors(this->GetInput(), region),
                                      GPUDiffeomorphicGeometry::GetSize(region),
                                      static_cast<int>(squarings),
                                      this->GetComputeInverse() ? -1.0 : 1.0,
                                      true,
                                      GPUDiffeomorphicGeometry::GetPhysicalVectors(this->GetOutput()));
}
} // namespace itk

#endif
