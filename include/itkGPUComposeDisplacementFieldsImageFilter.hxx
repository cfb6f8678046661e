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
#ifndef itkGPUComposeDisplacementFieldsImageFilter_hxx
#define itkGPUComposeDisplacementFieldsImageFilter_hxx

#include "itkGPUComposeDisplacementFieldsImageFilter.h"

#include "itkGPUDiffeomorphicGeometry.h"
#include "itkVectorLinearInterpolateImageFunction.h"

#include <typeinfo>

namespace itk
{
template <typename TInputImage, typename TOutputImage>
void
GPUComposeDisplacementFieldsImageFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  Superclass::GenerateInputRequestedRegion();
  // last, since both inputs may be one image
  const_cast<InputFieldType *>(this->GetDisplacementField())->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage, typename TOutputImage>
std::string
GPUComposeDisplacementFieldsImageFilter<TInputImage, TOutputImage>::DescribeUncoveredCase() const
{
  using LinearType = VectorLinearInterpolateImageFunction<InputFieldType, typename Superclass::RealType>;
  const auto & interpolator = *this->GetInterpolator();
  if (typeid(interpolator) != typeid(LinearType))
  {
    return std::string("the interpolator is ") + interpolator.GetNameOfClass();
  }
  if (!GPUDiffeomorphicGeometry::HaveSameGeometry<Superclass::ImageDimension>(this->GetDisplacementField(),
                                                                              this->GetWarpingField()))
  {
    return "the displacement field and the warping field are on different grids";
  }
  return Superclass::DescribeUncoveredCase();
}

template <typename TInputImage, typename TOutputImage>
void
GPUComposeDisplacementFieldsImageFilter<TInputImage, TOutputImage>::GenerateData()
{
  if (!this->GetInterpolator())
  {
    itkExceptionMacro(<< "Interpolator not set");
  }
  // For the superclass: the field as it is now, not as it was when it was set.
  this->GetModifiableInterpolator()->SetInputImage(this->GetDisplacementField());
  Superclass::GenerateData();
}

template <typename TInputImage, typename TOutputImage>
void
GPUComposeDisplacementFieldsImageFilter<TInputImage, TOutputImage>::GenerateDataOnDevice(const std::string & device)
{
  this->AllocateOutputs();
  OutputFieldType * const      output = this->GetOutput();
  const InputFieldType * const outer = this->GetDisplacementField();
  const auto &                 region = output->GetBufferedRegion();
  GPUDiffeomorphicEngine::SizeType start{ { 0, 0, 0 } };
  for (unsigned int d = 0; d < Superclass::ImageDimension; ++d)
  {
    start[d] = static_cast<int>(region.GetIndex(d) - outer->GetBufferedRegion().GetIndex(d));
  }
  GPUDiffeomorphicEngine::Compose(device,
                                  GPUDiffeomorphicGeometry::GetIndexVectors(outer),
                                  GPUDiffeomorphicGeometry::GetSize(outer->GetBufferedRegion()),
                                  GPUDiffeomorphicGeometry::GetIndexVectors(this->GetWarpingField(), region),
                                  GPUDiffeomorphicGeometry::GetSize(region),
                                  start,
                                  GPUDiffeomorphicGeometry::GetPhysicalVectors(output));
}
} // namespace itk

#endif
