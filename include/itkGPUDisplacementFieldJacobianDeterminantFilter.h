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
#ifndef itkGPUDisplacementFieldJacobianDeterminantFilter_h
#define itkGPUDisplacementFieldJacobianDeterminantFilter_h

#include "itkDisplacementFieldJacobianDeterminantFilter.h"
#include "itkGPUDiffeomorphicImageToImageFilter.h"

namespace itk
{
/** \class GPUDisplacementFieldJacobianDeterminantFilter
 * \brief DisplacementFieldJacobianDeterminantFilter on the GPU or the CPU engine.
 *
 * \f$ \det(1 + W \, du/dx) \f$ with the derivatives of u along the axes of the grid by central differences, the missing
 * neighbour at a border replaced by the point itself, and W the diagonal matrix of the derivative weights: one over the
 * spacing with UseImageSpacing (the default), else the DerivativeWeights.
 *
 * As the superclass this does not look at the direction: where it is not the identity this is not the determinant of the
 * map of physical space. GPUDiffeomorphicEngine::JacobianDeterminant with the inverse of direction times spacing is.
 *
 * Any region of the output may be requested; one voxel more is asked for around it. Deterministic.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TInputImage,
          typename TRealType = float,
          typename TOutputImage = Image<TRealType, TInputImage::ImageDimension>>
class ITK_TEMPLATE_EXPORT GPUDisplacementFieldJacobianDeterminantFilter
  : public GPUDiffeomorphicImageToImageFilter<DisplacementFieldJacobianDeterminantFilter<TInputImage, TRealType, TOutputImage>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUDisplacementFieldJacobianDeterminantFilter);

  using Self = GPUDisplacementFieldJacobianDeterminantFilter;
  using Superclass =
    GPUDiffeomorphicImageToImageFilter<DisplacementFieldJacobianDeterminantFilter<TInputImage, TRealType, TOutputImage>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUDisplacementFieldJacobianDeterminantFilter, GPUDiffeomorphicImageToImageFilter);

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;
  using RealType = TRealType;

protected:
  GPUDisplacementFieldJacobianDeterminantFilter() = default;
  ~GPUDisplacementFieldJacobianDeterminantFilter() override = default;

  void
  GenerateDataOnDevice(const std::string & device) override;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkGPUDisplacementFieldJacobianDeterminantFilter.hxx"
#endif

#endif
