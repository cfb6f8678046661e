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
#ifndef itkGPUSyNTesting_h
#define itkGPUSyNTesting_h

#include "itkGPUDiffeomorphicExample.h"
#include "itkGPUSyNImageRegistrationMethod.h"

#include "itkImageMaskSpatialObject.h"

#include <chrono>

// One registration, set up alike for ITK's SyN and for the device's.
namespace GPUSyNTesting
{
enum class MetricName
{
  Correlation,
  MeanSquares,
  Information
};

template <unsigned int VDimension>
struct Setup
{
  using ImageType = itk::Image<float, VDimension>;
  using LinearType = itk::AffineTransform<double, VDimension>;
  using MaskType = itk::Image<unsigned char, VDimension>;
  using FieldTransformType = itk::DisplacementFieldTransform<double, VDimension>;

  std::string                      name;
  typename ImageType::Pointer      fixed;
  typename ImageType::Pointer      moving;
  typename LinearType::Pointer     fixedInitial;
  typename LinearType::Pointer     movingInitial;
  typename MaskType::Pointer       fixedMask;
  typename MaskType::Pointer       movingMask;
  MetricName                       metric = MetricName::Correlation;
  unsigned int                     radius = 2;
  bool                             gradientFilter = false;
  bool                             average = false;
  std::vector<unsigned int>        shrinkFactors{ 2, 1 };
  std::vector<double>              sigmas{ 1.0, 0.0 };
  std::vector<unsigned int>        iterations{ 8, 8 };
  double                           learningRate = 0.25;
  double                           updateVariance = 3.0;
  double                           totalVariance = 0.5;
  typename FieldTransformType::Pointer fixedToMiddle; ///< to start from
  typename FieldTransformType::Pointer movingToMiddle;
};

template <unsigned int VDimension>
struct Outcome
{
  using FieldType = typename itk::DisplacementFieldTransform<double, VDimension>::DisplacementFieldType;
  std::vector<double>              values; ///< of the metric, one per iteration
  std::vector<double>              convergence;
  std::vector<itk::SizeValueType>  iterations;
  std::vector<itk::SizeValueType>  sizes; ///< of the middle field, along x
  std::vector<double>              seconds; ///< of each iteration but the first of a level
  typename FieldType::ConstPointer forward;
  typename FieldType::ConstPointer inverse;
};

template <typename TMethod, unsigned int VDimension>
typename TMethod::ImageMetricType::Pointer
MakeMetric(const Setup<VDimension> & setup)
{
  using ImageType = typename Setup<VDimension>::ImageType;
  typename TMethod::ImageMetricType::Pointer metric;
  if (setup.metric == MetricName::Correlation)
  {
    auto correlation = itk::ANTSNeighborhoodCorrelationImageToImageMetricv4<ImageType, ImageType>::New();
    typename itk::ANTSNeighborhoodCorrelationImageToImageMetricv4<ImageType, ImageType>::RadiusType radius;
    radius.Fill(setup.radius);
    correlation->SetRadius(radius);
    metric = correlation;
  }
  else if (setup.metric == MetricName::MeanSquares)
  {
    metric = itk::MeanSquaresImageToImageMetricv4<ImageType, ImageType>::New();
  }
  else
  {
    auto information = itk::MattesMutualInformationImageToImageMetricv4<ImageType, ImageType>::New();
    information->SetNumberOfHistogramBins(24);
    metric = information;
  }
  metric->SetUseFixedImageGradientFilter(setup.gradientFilter);
  metric->SetUseMovingImageGradientFilter(setup.gradientFilter);
  const auto makeMask = [](const itk::Image<unsigned char, VDimension> * image) {
    auto mask = itk::ImageMaskSpatialObject<VDimension>::New();
    mask->SetImage(image);
    mask->Update();
    return mask;
  };
  if (setup.fixedMask)
  {
    metric->SetFixedImageMask(makeMask(setup.fixedMask));
  }
  if (setup.movingMask)
  {
    metric->SetMovingImageMask(makeMask(setup.movingMask));
  }
  return metric;
}

template <typename TMethod, unsigned int VDimension>
typename TMethod::Pointer
MakeMethod(const Setup<VDimension> & setup)
{
  using TransformType = typename TMethod::OutputTransformType;
  const auto method = TMethod::New();
  const auto levels = setup.shrinkFactors.size();
  method->SetFixedImage(setup.fixed);
  method->SetMovingImage(setup.moving);
  if (setup.fixedInitial)
  {
    method->SetFixedInitialTransform(setup.fixedInitial);
  }
  if (setup.movingInitial)
  {
    method->SetMovingInitialTransform(setup.movingInitial);
  }
  // ITK adapts its output transform to each level and needs a field there, which it does not start from
  const auto output = TransformType::New();
  for (const bool inverse : { false, true })
  {
    const auto field = TransformType::DisplacementFieldType::New();
    field->CopyInformation(setup.fixed);
    field->SetRegions(setup.fixed->GetBufferedRegion());
    field->Allocate(true);
    inverse ? output->SetInverseDisplacementField(field) : output->SetDisplacementField(field);
  }
  method->SetInitialTransform(output);
  method->SetMetric(MakeMetric<TMethod>(setup));
  method->SetNumberOfLevels(levels);
  typename TMethod::ShrinkFactorsArrayType                          factors(levels);
  typename TMethod::SmoothingSigmasArrayType                        sigmas(levels);
  typename TMethod::NumberOfIterationsArrayType                     iterations(levels);
  typename TMethod::TransformParametersAdaptorsContainerType        adaptors;
  for (std::size_t l = 0; l < levels; ++l)
  {
    factors[l] = setup.shrinkFactors[l];
    sigmas[l] = setup.sigmas[l];
    iterations[l] = setup.iterations[l];
    using ShrinkType = itk::ShrinkImageFilter<typename Setup<VDimension>::ImageType, typename Setup<VDimension>::ImageType>;
    const auto shrink = ShrinkType::New();
    shrink->SetShrinkFactors(setup.shrinkFactors[l]);
    shrink->SetInput(setup.fixed);
    shrink->Update();
    const auto adaptor = itk::DisplacementFieldTransformParametersAdaptor<TransformType>::New();
    adaptor->SetRequiredSpacing(shrink->GetOutput()->GetSpacing());
    adaptor->SetRequiredSize(shrink->GetOutput()->GetBufferedRegion().GetSize());
    adaptor->SetRequiredDirection(shrink->GetOutput()->GetDirection());
    adaptor->SetRequiredOrigin(shrink->GetOutput()->GetOrigin());
    adaptors.push_back(adaptor.GetPointer());
  }
  method->SetShrinkFactorsPerLevel(factors);
  method->SetSmoothingSigmasPerLevel(sigmas);
  method->SetSmoothingSigmasAreSpecifiedInPhysicalUnits(false);
  method->SetNumberOfIterationsPerLevel(iterations);
  method->SetTransformParametersAdaptorsPerLevel(adaptors);
  method->SetLearningRate(setup.learningRate);
  method->SetGaussianSmoothingVarianceForTheUpdateField(setup.updateVariance);
  method->SetGaussianSmoothingVarianceForTheTotalField(setup.totalVariance);
  method->SetAverageMidPointGradients(setup.average);
  if (setup.fixedToMiddle)
  {
    method->SetFixedToMiddleTransform(setup.fixedToMiddle);
    method->SetMovingToMiddleTransform(setup.movingToMiddle);
  }
  return method;
}

template <typename TMethod, unsigned int VDimension>
Outcome<VDimension>
Run(TMethod * method, const Setup<VDimension> &)
{
  using Clock = std::chrono::steady_clock;
  Outcome<VDimension> outcome;
  auto                before = Clock::now();
  const auto          observer = GPUDiffeomorphicTesting::Counter::New();
  observer->onIteration = [&]() {
    outcome.values.push_back(method->GetCurrentMetricValue());
    outcome.convergence.push_back(method->GetCurrentConvergenceValue());
    outcome.iterations.push_back(method->GetCurrentIteration());
    outcome.sizes.push_back(
      method->GetFixedToMiddleTransform()->GetInverseDisplacementField()->GetBufferedRegion().GetSize(0));
    const auto now = Clock::now();
    if (method->GetCurrentIteration() > 1)
    {
      outcome.seconds.push_back(std::chrono::duration<double>(now - before).count());
    }
    before = now;
  };
  method->AddObserver(itk::AnyEvent(), observer);
  method->Update();
  outcome.forward = method->GetTransform()->GetDisplacementField();
  outcome.inverse = method->GetTransform()->GetInverseDisplacementField();
  return outcome;
}

/** Largest relative difference of two trajectories; values are compared to the larger of them. */
inline double
CompareTrajectories(const std::vector<double> & a, const std::vector<double> & b)
{
  double largest = a.size() == b.size() ? 0.0 : 1e9;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
  {
    largest = std::max(largest, std::abs(a[i] - b[i]) / std::max(std::abs(a[i]), std::abs(b[i])));
  }
  return largest;
}

/** Mean length of the difference of two fields, physical units; 1e9 if they lie on different grids. */
template <typename TField>
double
CompareFields(const TField * a, const TField * b)
{
  if (a->GetBufferedRegion() != b->GetBufferedRegion() || (a->GetOrigin() - b->GetOrigin()).GetNorm() > 1e-4 ||
      (a->GetSpacing() - b->GetSpacing()).GetNorm() > 1e-6)
  {
    return 1e9;
  }
  double                                 sum = 0.0;
  itk::ImageRegionConstIterator<TField>  itA(a, a->GetBufferedRegion());
  itk::ImageRegionConstIterator<TField>  itB(b, b->GetBufferedRegion());
  for (; !itA.IsAtEnd(); ++itA, ++itB)
  {
    sum += (itA.Get() - itB.Get()).GetNorm();
  }
  return sum / static_cast<double>(a->GetBufferedRegion().GetNumberOfPixels());
}
} // namespace GPUSyNTesting

#endif
