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
#ifndef itkGPUExponentialDisplacementFieldImageFilter_h
#define itkGPUExponentialDisplacementFieldImageFilter_h

#include "itkExponentialDisplacementFieldImageFilter.h"
#include "itkGPUDiffeomorphicImageToImageFilter.h"

namespace itk
{
/** \class GPUExponentialDisplacementFieldImageFilter
 * \brief ExponentialDisplacementFieldImageFilter on the GPU or the CPU engine.
 *
 * Displacement of the flow of a stationary velocity v (physical vectors) by scaling and squaring:
 * \f$ u \leftarrow v / 2^n \f$, then n times \f$ u \leftarrow u + u \circ (1 + u) \f$; -v with ComputeInverse. Beyond
 * its grid u continues with its edge values, as in the superclass, whose interpolator extrapolates.
 *
 * n is MaximumNumberOfIterations, or with AutomaticNumberOfIterations the superclass's number if that is smaller:
 * \f$ \lfloor 3 + \frac{1}{2} \log_2 (\max |v|^2 / s^2) \rfloor \f$ and not below 0, with s the smallest spacing.
 *
 * n and the flow depend on the whole field: input and output are always computed as a whole, whatever region is
 * requested. (The superclass takes the requested region for the field.) Deterministic.
 *
 * Arsigny, Commowick, Pennec, Ayache: A log-Euclidean framework for statistics on diffeomorphisms, MICCAI 2006.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TInputImage, typename TOutputImage = TInputImage>
class ITK_TEMPLATE_EXPORT GPUExponentialDisplacementFieldImageFilter
  : public GPUDiffeomorphicImageToImageFilter<ExponentialDisplacementFieldImageFilter<TInputImage, TOutputImage>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUExponentialDisplacementFieldImageFilter);

  using Self = GPUExponentialDisplacementFieldImageFilter;
  using Superclass =
    GPUDiffeomorphicImageToImageFilter<ExponentialDisplacementFieldImageFilter<TInputImage, TOutputImage>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUExponentialDisplacementFieldImageFilter, GPUDiffeomorphicImageToImageFilter);

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;

protected:
  GPUExponentialDisplacementFieldImageFilter() = default;
  ~GPUExponentialDisplacementFieldImageFilter() override = default;

  void
  GenerateInputRequestedRegion() override;

  void
  EnlargeOutputRequestedRegion(DataObject * output) override;

  void
  GenerateDataOnDevice(const std::string & device) override;

private:
  unsigned int
  GetNumberOfSquarings() const;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkGPUExponentialDisplacementFieldImageFilter.hxx"
#endif

#endif
