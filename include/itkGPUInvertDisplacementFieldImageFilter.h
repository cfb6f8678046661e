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
#ifndef itkGPUInvertDisplacementFieldImageFilter_h
#define itkGPUInvertDisplacementFieldImageFilter_h

#include "itkGPUDiffeomorphicImageToImageFilter.h"
#include "itkInvertDisplacementFieldImageFilter.h"

namespace itk
{
/** \class GPUInvertDisplacementFieldImageFilter
 * \brief InvertDisplacementFieldImageFilter on the GPU or the CPU engine.
 *
 * Inverse v of a displacement field u by the superclass's relaxed fixed point: \f$ e = v + u \circ (1 + v) \f$,
 * \f$ v \leftarrow v - s \, clip(e) \f$, where clip bounds \f$ |e| \f$ by \f$ s \max |e| \f$ and s is 0.75 in the first
 * iteration and 0.5 after. \f$ |e| \f$ is the norm of the physical components divided by the spacings. The iterations
 * end after the one in which the maximum of \f$ |e| \f$ is not above MaxErrorToleranceThreshold or its mean not above
 * MeanErrorToleranceThreshold (either is enough), or after MaximumNumberOfIterations. u is 0 outside its grid.
 * GetMaxErrorNorm() and GetMeanErrorNorm() are those before the last update, as in the superclass.
 *
 * Differences to the superclass: EnforceBoundaryCondition holds the inverse at 0 on the first and last planes of the grid
 * wherever its index starts (the superclass misses the last plane unless the index starts at 0); the output stays the
 * same object with an InverseFieldInitialEstimate; fields that hold NaN are an exception. As in the superclass, the
 * interpolator is not used. The inverse depends on the whole field: input and output are always computed as a whole,
 * whatever region is requested. Deterministic.
 *
 * Chen, Lu, Chen, Ruchala, Olivera: A simple fixed-point approach to invert a deformation field, Medical Physics 35
 * (2008).
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TInputImage, typename TOutputImage = TInputImage>
class ITK_TEMPLATE_EXPORT GPUInvertDisplacementFieldImageFilter
  : public GPUDiffeomorphicImageToImageFilter<InvertDisplacementFieldImageFilter<TInputImage, TOutputImage>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUInvertDisplacementFieldImageFilter);

  using Self = GPUInvertDisplacementFieldImageFilter;
  using Superclass =
    GPUDiffeomorphicImageToImageFilter<InvertDisplacementFieldImageFilter<TInputImage, TOutputImage>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUInvertDisplacementFieldImageFilter, GPUDiffeomorphicImageToImageFilter);

  using InputFieldType = TInputImage;
  using OutputFieldType = TOutputImage;
  using RealType = typename Superclass::RealType;

  /** The largest and the mean error before the last update, in voxels as above. */
  RealType
  GetMaxErrorNorm() const override
  {
    return m_RanOnDevice ? m_MaxErrorNorm : Superclass::GetMaxErrorNorm();
  }
  RealType
  GetMeanErrorNorm() const override
  {
    return m_RanOnDevice ? m_MeanErrorNorm : Superclass::GetMeanErrorNorm();
  }

protected:
  GPUInvertDisplacementFieldImageFilter() = default;
  ~GPUInvertDisplacementFieldImageFilter() override = default;

  void
  GenerateInputRequestedRegion() override;

  void
  EnlargeOutputRequestedRegion(DataObject * output) override;

  void
  GenerateData() override;

  void
  GenerateDataOnDevice(const std::string & device) override;

private:
  RealType m_MaxErrorNorm{};
  RealType m_MeanErrorNorm{};
  bool     m_RanOnDevice{ false };
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkGPUInvertDisplacementFieldImageFilter.hxx"
#endif

#endif
