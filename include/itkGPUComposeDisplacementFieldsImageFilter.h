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
#ifndef itkGPUComposeDisplacementFieldsImageFilter_h
#define itkGPUComposeDisplacementFieldsImageFilter_h

#include "itkComposeDisplacementFieldsImageFilter.h"
#include "itkGPUDiffeomorphicImageToImageFilter.h"

namespace itk
{
/** \class GPUComposeDisplacementFieldsImageFilter
 * \brief ComposeDisplacementFieldsImageFilter on the GPU or the CPU engine.
 *
 * \f$ output(x) = w(x) + d(x + w(x)) \f$ with d the displacement field and w the warping field, physical vectors on
 * grids of one geometry. d is interpolated linearly; it is 0 outside its grid, where ITK's half voxel beyond the outer
 * voxel centres counts as inside, with the values of the edge.
 *
 * Any region of the output may be requested: the displacement field is asked for as a whole, the warping field for that
 * region alone. (The superclass asks for that region of both, and takes the extent of d at the time of the setter, so
 * that it is wrong when streaming or when d has not been computed by then.) Deterministic.
 *
 * Left to the superclass, with one warning: another interpolator than VectorLinearInterpolateImageFunction, and fields
 * whose geometries differ by more than a millionth of a voxel, which get here only with larger tolerances.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TInputImage, typename TOutputImage = TInputImage>
class ITK_TEMPLATE_EXPORT GPUComposeDisplacementFieldsImageFilter
  : public GPUDiffeomorphicImageToImageFilter<ComposeDisplacementFieldsImageFilter<TInputImage, TOutputImage>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUComposeDisplacementFieldsImageFilter);

  using Self = GPUComposeDisplacementFieldsImageFilter;
  using Superclass =
    GPUDiffeomorphicImageToImageFilter<ComposeDisplacementFieldsImageFilter<TInputImage, TOutputImage>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUComposeDisplacementFieldsImageFilter, GPUDiffeomorphicImageToImageFilter);

  using InputFieldType = TInputImage;
  using OutputFieldType = TOutputImage;

protected:
  GPUComposeDisplacementFieldsImageFilter() = default;
  ~GPUComposeDisplacementFieldsImageFilter() override = default;

  void
  GenerateInputRequestedRegion() override;

  void
  GenerateData() override;

  void
  GenerateDataOnDevice(const std::string & device) override;

  std::string
  DescribeUncoveredCase() const override;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkGPUComposeDisplacementFieldsImageFilter.hxx"
#endif

#endif
