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
#include "itkGPUMetricTesting.h"

#include "itkEuler2DTransform.h"
#include "itkGradientDescentOptimizerv4.h"
#include "itkImageRegistrationMethodv4.h"
#include "itkMultiThreaderBase.h"
#include "itkRegistrationParameterScalesFromPhysicalShift.h"
#include "itkSyNImageRegistrationMethod.h"

namespace
{
using namespace GPUMetricTesting;
using ImageType = itk::Image<double, 2>;
using MetricType = itk::ImageToImageMetricv4<ImageType, ImageType, ImageType, double>;

/** One of ITK's metrics and the one that takes its place. */
struct Candidate
{
  std::string         name;
  MetricType::Pointer metric;
  MetricType::Pointer itkMetric;
};

template <typename TMetric, typename TItkMetric>
Candidate
MakeCandidate(const std::string & device)
{
  auto metric = TMetric::New();
  metric->SetDevice(device);
  return Candidate{ metric->GetNameOfClass(), metric.GetPointer(), TItkMetric::New().GetPointer() };
}

std::vector<Candidate>
MakeCandidates(const std::string & device)
{
  return { MakeCandidate<itk::GPULocalNormalizedCrossCorrelationImageToImageMetricv4<ImageType, ImageType>,
                         itk::ANTSNeighborhoodCorrelationImageToImageMetricv4<ImageType, ImageType>>(device),
           MakeCandidate<itk::GPUMattesMutualInformationImageToImageMetricv4<ImageType, ImageType>,
                         itk::MattesMutualInformationImageToImageMetricv4<ImageType, ImageType>>(device),
           MakeCandidate<itk::GPUMeanSquaresImageToImageMetricv4<ImageType, ImageType>,
                         itk::MeanSquaresImageToImageMetricv4<ImageType, ImageType>>(device) };
}

/** The values of an optimizer's iterations, and the parameters it ends with. */
template <typename TTransform>
itk::Array<double>
Register(const Pair<ImageType> & pair, MetricType * metric, TTransform * transform, double learningRate)
{
  using MethodType = itk::ImageRegistrationMethodv4<ImageType, ImageType, TTransform>;
  using OptimizerType = itk::GradientDescentOptimizerv4;
  auto optimizer = OptimizerType::New();
  optimizer->SetNumberOfIterations(6);
  optimizer->SetLearningRate(learningRate);
  optimizer->SetDoEstimateLearningRateOnce(false);
  optimizer->SetDoEstimateLearningRateAtEachIteration(learningRate == 0.0);
  if (learningRate == 0.0)
  {
    auto scales = itk::RegistrationParameterScalesFromPhysicalShift<MetricType>::New();
    scales->SetMetric(metric);
    optimizer->SetScalesEstimator(scales);
    optimizer->SetMaximumStepSizeInPhysicalUnits(0.3);
  }
  std::vector<double> history;
  auto method = MethodType::New();
  method->SetFixedImage(pair.fixed);
  method->SetMovingImage(pair.moving);
  method->SetMetric(metric);
  method->SetOptimizer(optimizer);
  method->SetNumberOfLevels(2);
  typename MethodType::ShrinkFactorsArrayType shrink(2);
  shrink[0] = 2;
  shrink[1] = 1;
  method->SetShrinkFactorsPerLevel(shrink);
  typename MethodType::SmoothingSigmasArrayType sigmas(2);
  sigmas[0] = 1.0;
  sigmas[1] = 0.0;
  method->SetSmoothingSigmasPerLevel(sigmas);
  method->SetInitialTransform(transform);
  method->InPlaceOn();
  optimizer->AddObserver(itk::IterationEvent(), [&](const itk::EventObject &) {
    history.push_back(optimizer->GetValue());
  });
  method->Update();
  const auto &       parameters = transform->GetParameters();
  itk::Array<double> result(static_cast<unsigned int>(history.size() + parameters.Size()));
  std::copy(history.begin(), history.end(), result.begin());
  std::copy(parameters.begin(), parameters.end(), result.begin() + history.size());
  return result;
}

itk::Array<double>
RegisterBySyN(const Pair<ImageType> & pair, MetricType * metric)
{
  using TransformType = itk::DisplacementFieldTransform<double, 2>;
  using MethodType = itk::SyNImageRegistrationMethod<ImageType, ImageType, TransformType>;
  auto method = MethodType::New();
  auto transform = pair.MakeField(pair.fixed, 0.0);
  transform->GetModifiableDisplacementField()->FillBuffer(TransformType::OutputVectorType(0.0));
  auto inverse = TransformType::DisplacementFieldType::New();
  inverse->CopyInformation(pair.fixed);
  inverse->SetRegions(pair.fixed->GetBufferedRegion());
  inverse->Allocate();
  inverse->FillBuffer(TransformType::OutputVectorType(0.0));
  transform->SetInverseDisplacementField(inverse);
  method->SetFixedImage(pair.fixed);
  method->SetMovingImage(pair.moving);
  method->SetMetric(metric);
  method->SetInitialTransform(transform);
  method->InPlaceOn();
  method->SetNumberOfLevels(1);
  MethodType::ShrinkFactorsArrayType shrink(1);
  shrink[0] = 1;
  method->SetShrinkFactorsPerLevel(shrink);
  MethodType::SmoothingSigmasArrayType sigmas(1);
  sigmas[0] = 0.0;
  method->SetSmoothingSigmasPerLevel(sigmas);
  MethodType::NumberOfIterationsArrayType iterations(1);
  iterations[0] = 4;
  method->SetNumberOfIterationsPerLevel(iterations);
  method->SetLearningRate(0.4);
  method->SetGaussianSmoothingVarianceForTheUpdateField(3.0);
  method->SetGaussianSmoothingVarianceForTheTotalField(0.0);
  method->Update();
  return transform->GetParameters();
}

/** True if the metric ran on the device in its last evaluation. */
template <typename TMetric>
bool
RanOnDevice(const MetricType * metric)
{
  const auto * const each = dynamic_cast<const TMetric *>(metric);
  return each && !each->GetDeviceName().empty();
}

bool
RanOnDevice(const MetricType * metric)
{
  return RanOnDevice<itk::GPULocalNormalizedCrossCorrelationImageToImageMetricv4<ImageType, ImageType>>(metric) ||
         RanOnDevice<itk::GPUMattesMutualInformationImageToImageMetricv4<ImageType, ImageType>>(metric) ||
         RanOnDevice<itk::GPUMeanSquaresImageToImageMetricv4<ImageType, ImageType>>(metric);
}
} // namespace

int
itkGPUMetricRegistrationTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  // With eight threads the value that ITK 5.2's Mattes metric gives first on a new level is another one than with two.
  itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(2);
  Checker               check;
  const Pair<ImageType> pair(true);
  for (const bool filter : { false, true })
  {
    for (const Candidate & each : MakeCandidates(device))
    {
      const std::string  name = each.name + (filter ? ", gradient filter" : "");
      itk::Array<double> results[2][2];
      for (const int which : { 0, 1 })
      {
        MetricType * const metric = which ? each.metric : each.itkMetric;
        metric->SetUseFixedImageGradientFilter(false);
        metric->SetUseMovingImageGradientFilter(filter);
        auto euler = itk::Euler2DTransform<double>::New();
        euler->SetCenter(pair.centre);
        auto translation = euler->GetTranslation();
        translation[0] = 0.9;
        translation[1] = -0.6;
        euler->SetTranslation(translation);
        results[0][which] = Register(pair, metric, euler.GetPointer(), 0.0);
        check.Expect(!which || RanOnDevice(metric), name + " was not evaluated on the device");
        results[1][which] = RegisterBySyN(pair, metric);
        check.Expect(!which || RanOnDevice(metric), name + " was not evaluated on the device by SyN");
      }
      check.ExpectBelow(RelativeDifference(results[0][1], results[0][0]), 1e-5, name + ", Euler's trajectory");
      check.ExpectBelow(RelativeDifference(results[1][1], results[1][0]), 1e-4, name + ", SyN's field");
    }
  }
  return check.Status();
}
