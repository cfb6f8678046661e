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
#ifndef itkGPUWarpImageFilter_h
#define itkGPUWarpImageFilter_h

#include "itkGPUDiffeomorphicEngine.h"

#include "itkImageToImageFilter.h"
#include "itkTransform.h"

namespace itk
{
/** \class GPUWarpImageFilter
 * \brief Resamples an image through a linear transform and a displacement field in one pass, on the GPU or the CPU.
 *
 * \f$ output(x) = I(T(x + u(x))) \f$ with u the displacement field (physical vectors, ITK's convention) and T a linear
 * transform. Either may be absent: without T this is WarpImageFilter, without u ResampleImageFilter. The output grid is
 * the displacement field's unless SetOutputParametersFromImage says otherwise; a field on another grid is then
 * interpolated linearly, its edge values continued, as WarpImageFilter does.
 *
 * A point is inside the input up to half a voxel beyond its outer voxel centres; outside, EdgePaddingValue is taken.
 * Arithmetic is float32 whatever the pixel types; integer outputs are rounded and clamped to their range. Labels of any
 * pixel type keep their values exactly. Deterministic.
 * The whole input and field are requested. Scalar images of 2 or 3 dimensions.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TInputImage,
          typename TOutputImage = TInputImage,
          typename TDisplacementField = Image<Vector<double, TInputImage::ImageDimension>, TInputImage::ImageDimension>>
class ITK_TEMPLATE_EXPORT GPUWarpImageFilter : public ImageToImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUWarpImageFilter);

  using Self = GPUWarpImageFilter;
  using Superclass = ImageToImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUWarpImageFilter, ImageToImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;
  static_assert(ImageDimension == 2 || ImageDimension == 3, "images of 2 or 3 dimensions");

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;
  using OutputPixelType = typename OutputImageType::PixelType;
  using DisplacementFieldType = TDisplacementField;
  using TransformType = Transform<double, ImageDimension, ImageDimension>;
  using ReferenceImageType = ImageBase<ImageDimension>;
  using InterpolationEnum = GPUDiffeomorphicEngine::InterpolationEnum;

  /** u: physical displacement vectors. */
  itkSetInputMacro(DisplacementField, DisplacementFieldType);
  itkGetInputMacro(DisplacementField, DisplacementFieldType);

  /** T, applied after the displacement. Must be linear. */
  itkSetConstObjectMacro(Transform, TransformType);
  itkGetConstObjectMacro(Transform, TransformType);

  /** The grid of the output: size, origin, spacing and direction of this image. */
  void
  SetOutputParametersFromImage(const ReferenceImageType * image);

  /** Value of points outside the input. Default 0. */
  itkSetMacro(EdgePaddingValue, OutputPixelType);
  itkGetConstMacro(EdgePaddingValue, OutputPixelType);

  /** NearestNeighbor, Linear (default), CubicBSpline, or Label for label images: the label with the largest linear
   * weight, equal weights to the smaller one. */
  itkSetEnumMacro(Interpolation, InterpolationEnum);
  itkGetEnumMacro(Interpolation, InterpolationEnum);

  /** "auto" (default: a GPU if one works, else the CPU), "cpu", "cuda" or "cuda:N". */
  itkSetStringMacro(Device);
  itkGetStringMacro(Device);

  /** The device of the last run; empty before. */
  std::string
  GetDeviceName() const
  {
    return m_DeviceName;
  }

protected:
  GPUWarpImageFilter();
  ~GPUWarpImageFilter() override = default;

  void
  GenerateOutputInformation() override;

  void
  GenerateInputRequestedRegion() override;

  void
  EnlargeOutputRequestedRegion(DataObject * output) override;

  /** The input, the field and the output need not share a grid. */
  void
  VerifyInputInformation() const override
  {}

  void
  GenerateData() override;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  typename TransformType::ConstPointer m_Transform;
  typename OutputImageType::Pointer    m_Grid; ///< carries the geometry set by the user, no pixels
  OutputPixelType                      m_EdgePaddingValue{};
  InterpolationEnum                    m_Interpolation{ InterpolationEnum::Linear };
  std::string                          m_Device{ "auto" };
  std::string                          m_DeviceName;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkGPUWarpImageFilter.hxx"
#endif

#endif
