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
#ifndef itkGPUDiffeomorphicRegistrationMethodChannels_hxx
#define itkGPUDiffeomorphicRegistrationMethodChannels_hxx

#include "itkGPUDiffeomorphicRegistrationMethod.h"

#include "itkGPUDiffeomorphicGeometry.h"

#include <typeinfo>

namespace itk
{
template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage,
          typename TPointSet>
std::vector<const typename GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform,
                                                              TVirtualImage, TPointSet>::Superclass::ImageMetricType *>
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage,
                                   TPointSet>::GetImageMetrics() const
{
  using MetricType = typename Superclass::ImageMetricType;
  std::vector<const MetricType *> metrics;
  auto * const multiMetric = dynamic_cast<typename Superclass::MultiMetricType *>(this->m_Metric.GetPointer());
  if (!multiMetric)
  {
    metrics.push_back(dynamic_cast<const MetricType *>(this->m_Metric.GetPointer()));
  }
  else
  {
    for (const auto & each : multiMetric->GetMetricQueue())
    {
      metrics.push_back(dynamic_cast<const MetricType *>(each.GetPointer()));
    }
  }
  for (const MetricType * metric : metrics)
  {
    if (!metric)
    {
      return {};
    }
  }
  return metrics;
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage,
          typename TPointSet>
std::string
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage,
                                   TPointSet>::DescribeUncoveredChannels() const
{
  const auto   metrics = this->GetImageMetrics();
  const auto * first = metrics.front();
  for (SizeValueType n = 1; n < metrics.size(); ++n)
  {
    const auto * metric = metrics[n];
    if (typeid(*metric) != typeid(*first))
    {
      return std::string("the metrics are ") + first->GetNameOfClass() + " and " + metric->GetNameOfClass();
    }
    const auto * correlation = dynamic_cast<const CorrelationMetricType *>(metric);
    if (correlation && correlation->GetRadius() != dynamic_cast<const CorrelationMetricType *>(first)->GetRadius())
    {
      return "the metrics have different radii";
    }
    const auto * information = dynamic_cast<const MutualInformationMetricType *>(metric);
    if (information && information->GetNumberOfHistogramBins() !=
                         dynamic_cast<const MutualInformationMetricType *>(first)->GetNumberOfHistogramBins())
    {
      return "the metrics have different numbers of bins";
    }
    if (metric->GetFixedImageMask() != first->GetFixedImageMask() ||
        metric->GetMovingImageMask() != first->GetMovingImageMask())
    {
      return "the metrics have different masks";
    }
    const auto * fixed = this->GetFixedImage(n);
    const auto * moving = this->GetMovingImage(n);
    if (!fixed || !moving)
    {
      return "there are more metrics than pairs of images";
    }
    if (!GPUDiffeomorphicGeometry::HaveSameGrid<ImageDimension>(fixed, this->GetFixedImage()) ||
        !GPUDiffeomorphicGeometry::HaveSameGrid<ImageDimension>(moving, this->GetMovingImage()))
    {
      return "the fixed or the moving images are on different grids";
    }
  }
  return metrics.size() > 16 ? "there are more than 16 metrics" : "";
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage,
          typename TPointSet>
void
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::SetChannels(
  GPUDiffeomorphicEngine::Problem & problem) const
{
  auto * const multiMetric = dynamic_cast<typename Superclass::MultiMetricType *>(this->m_Metric.GetPointer());
  if (!multiMetric)
  {
    return;
  }
  const auto          weights = multiMetric->GetMetricWeights();
  const SizeValueType count = this->GetImageMetrics().size();
  const auto          weightOf = [&](SizeValueType n) { return weights.Size() == count ? double{ weights[n] } : 1.0; };
  problem.weight = weightOf(0);
  for (SizeValueType n = 1; n < count; ++n)
  {
    GPUDiffeomorphicEngine::Channel channel;
    channel.fixedImage = GPUDiffeomorphicGeometry::GetInputPixels(this->GetFixedImage(n));
    channel.movingImage = GPUDiffeomorphicGeometry::GetInputPixels(this->GetMovingImage(n));
    channel.weight = weightOf(n);
    problem.moreChannels.push_back(channel);
  }
}
} // namespace itk

#endif
