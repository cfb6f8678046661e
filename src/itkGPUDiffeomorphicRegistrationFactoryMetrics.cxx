// SPDX-License-Identifier: Apache-2.0
// Apart from the rest of the factory, as these templates take long to compile.
#include "itkGPUDiffeomorphicRegistrationFactory.h"

#include "itkGPULocalNormalizedCrossCorrelationImageToImageMetricv4.h"
#include "itkGPUMattesMutualInformationImageToImageMetricv4.h"
#include "itkGPUMeanSquaresImageToImageMetricv4.h"

namespace itk
{
template <typename TImage>
void
GPUDiffeomorphicRegistrationFactory::OverrideMetricsOf()
{
  this->Override<ANTSNeighborhoodCorrelationImageToImageMetricv4<TImage, TImage>,
                 GPULocalNormalizedCrossCorrelationImageToImageMetricv4<TImage, TImage>>();
  this->Override<MattesMutualInformationImageToImageMetricv4<TImage, TImage>,
                 GPUMattesMutualInformationImageToImageMetricv4<TImage, TImage>>();
  this->Override<MeanSquaresImageToImageMetricv4<TImage, TImage>, GPUMeanSquaresImageToImageMetricv4<TImage, TImage>>();
}

void
GPUDiffeomorphicRegistrationFactory::OverrideMetrics()
{
  this->OverrideMetricsOf<Image<float, 2>>();
  this->OverrideMetricsOf<Image<float, 3>>();
  this->OverrideMetricsOf<Image<double, 2>>();
  this->OverrideMetricsOf<Image<double, 3>>();
}
} // namespace itk
