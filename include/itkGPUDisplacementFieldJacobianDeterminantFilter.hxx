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
#ifndef itkGPUDisplacementFieldJacobianDeterminantFilter_hxx
#define itkGPUDisplacementFieldJacobianDeterminantFilter_hxx

#include "itkGPUDisplacementFieldJacobianDeterminantFilter.h"

#include "itkGPUDiffeomorphicGeometry.h"

namespace itk
{
template <typename TInputImage, typename TRealType, typename TOutputImage>
void
GPUDisplacementFieldJacobianDeterminantFilter<TInputImage, TRealType, TOutputImage>::GenerateDataOnDevice(
  const std::string & device)
{
  constexpr unsigned int dimension = Superclass::ImageDimension;
  static_assert(Superclass::VectorDimension == dimension, "vectors of as many components as the image has dimensions");
  this->AllocateOutputs();
  OutputImageType * const            output = this->GetOutput();
  const InputImageType * const       input = this->GetInput();
  GPUDiffeomorphicEngine::MatrixType identity{};
  GPUDiffeomorphicEngine::MatrixType weights{};
  for (unsigned int d = 0; d < dimension; ++d)
  {
    if (this->GetUseImageSpacing())
    {
      // kept where the superclass keeps them, for GetDerivativeWeights()
      this->m_DerivativeWeights[d] = static_cast<TRealType>(1.0 / static_cast<TRealType>(input->GetSpacing()[d]));
      this->m_HalfDerivativeWeights[d] = 0.5 * this->m_DerivativeWeights[d];
    }
    identity[d][d] = 1.0;
    weights[d][d] = this->m_DerivativeWeights[d];
  }
  // Borders are those of the whole field: neighbours outside the requested region count where there are any.
  auto region = output->GetBufferedRegion();
  region.PadByRadius(1);
  region.Crop(input->GetLargestPossibleRegion());
  GPUDiffeomorphicEngine::SizeType start{ { 0, 0, 0 } };
  for (unsigned int d = 0; d < dimension; ++d)
  {
    start[d] = static_cast<int>(output->GetBufferedRegion().GetIndex(d) - region.GetIndex(d));
  }
  GPUDiffeomorphicEngine::JacobianDeterminant(device,
                                              GPUDiffeomorphicGeometry::GetInputVectors(input, region, identity),
                                              GPUDiffeomorphicGeometry::GetSize(region),
                                              weights,
                                              output->GetBufferPointer(),
                                              start,
                                              GPUDiffeomorphicGeometry::GetSize(output->GetBufferedRegion()));
}
} // namespace itk

#endif
