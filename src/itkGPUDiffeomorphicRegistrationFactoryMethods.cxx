// SPDX-License-Identifier: Apache-2.0
// Apart from the rest of the factory, as these templates take long to compile.
#include "itkGPUDiffeomorphicRegistrationFactory.h"

#include "itkGPULocalNormalizedCrossCorrelationImageToImageMetricv4.h"
#include "itkGPUMattesMutualInformationImageToImageMetricv4.h"
#include "itkGPUMeanSquaresImageToImageMetricv4.h"
#include "itkGPUSyNImageRegistrationMethod.h"

namespace itk
{
template <typename TImage>
void
GPUDiffeomorphicRegistrationFactory::OverrideRegistrationOf()
{
  this->Override<ANTSNeighborhoodCorrelationImageToImageMetricv4<TImage, TImage>,
                 GPULocalNormalizedCrossCorrelationImageToImageMetricv4<TImage, TImage>>();
  this->Override<MattesMutualInformationImageToImageMetricv4<TImage, TImage>,
                 GPUMattesMutualInformationImageToImageMetricv4<TImage, TImage>>();
  this->Override<MeanSquaresImageToImageMetricv4<TImage, TImage>, GPUMeanSquaresImageToImageMetricv4<TImage, TImage>>();
  this->Override<SyNImageRegistrationMethod<TImage, TImage>, GPUSyNImageRegistrationMethod<TImage, TImage>>();
}

void
GPUDiffeomorphicRegistrationFactory::OverrideRegistration()
{
  this->OverrideRegistrationOf<Image<float, 2>>();
  this->OverrideRegistrationOf<Image<float, 3>>();
  this->OverrideRegistrationOf<Image<double, 2>>();
  this->OverrideRegistrationOf<Image<double, 3>>();
}
} // namespace itk
