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
#include "itkGPUDiffeomorphicExample.h"

#include "itkJointHistogramMutualInformationImageToImageMetricv4.h"

#include <limits>

using namespace GPUDiffeomorphicTesting;

namespace
{
using ExampleType = Example<2>;
using ImageType = ExampleType::ImageType;

/** A few iterations are enough here. */
ExampleType::MethodType::Pointer
MakeShortMethod(const ExampleType & example, const std::string & device)
{
  auto                                                 method = example.MakeMethod(device);
  ExampleType::MethodType::NumberOfIterationsArrayType iterations(2);
  iterations.Fill(2);
  method->SetNumberOfIterationsPerLevel(iterations);
  return method;
}

/** One level on the full grid: ITK's own method needs no adaptors for that. */
ExampleType::MethodType::Pointer
MakeOneLevelMethod(const ExampleType & example, const std::string & device)
{
  auto                                                 method = example.MakeMethod(device);
  ExampleType::MethodType::NumberOfIterationsArrayType iterations(1);
  iterations.Fill(2);
  method->SetNumberOfLevels(1);
  method->SetNumberOfIterationsPerLevel(iterations);
  return method;
}

/** What the device does not cover runs in the superclass, and says so once. */
void
CheckFallback(Checker & checker, const ExampleType & example, const std::string & device)
{
  auto catcher = WarningCatcher::New();
  auto window = itk::OutputWindow::GetInstance();
  itk::OutputWindow::SetInstance(catcher);
  auto method = MakeOneLevelMethod(example, device);
  method->SetMetric(itk::JointHistogramMutualInformationImageToImageMetricv4<ImageType, ImageType>::New());
  method->Update();
  checker.Expect(method->GetOutput()->Get()->GetDisplacementField() != nullptr, "the superclass made a field");
  checker.Expect(method->GetDeviceName().empty(), "no device is named when the superclass ran");
  int count = 0;
  for (const std::string & warning : catcher->warnings)
  {
    count += warning.find("JointHistogramMutualInformation") != std::string::npos;
  }
  checker.Expect(count == 1, "one warning names the metric");

  catcher->warnings.clear();
  auto sampled = MakeOneLevelMethod(example, device);
  sampled->SetMetricSamplingStrategy(ExampleType::MethodType::MetricSamplingStrategyEnum::REGULAR);
  sampled->SetMetricSamplingPercentage(0.5);
  sampled->Update();
  checker.Expect(!catcher->warnings.empty(), "a sampled metric is warned about");
  itk::OutputWindow::SetInstance(window);

  // a covered case runs without any warning
  catcher->warnings.clear();
  auto covered = MakeOneLevelMethod(example, device);
  covered->Update();
  checker.Expect(catcher->warnings.empty(), "no warning in a covered case");
  checker.Expect(covered->GetDeviceName() == itk::GPUDiffeomorphicEngine::ResolveDevice(device), "the device ran");
}

/** An observer's abort ends the run with ITK's exception; the object can be used again. */
void
CheckAbort(Checker & checker, const ExampleType & example, const std::string & device)
{
  auto method = example.MakeMethod(device);
  auto counter = Counter::New();
  counter->onIteration = [&]() {
    if (counter->iterations == 3)
    {
      method->SetAbortGenerateData(true);
    }
  };
  const auto tag = method->AddObserver(itk::AnyEvent(), counter);
  bool       aborted = false;
  try
  {
    method->Update();
  }
  catch (const itk::ProcessAborted &)
  {
    aborted = true;
  }
  checker.Expect(aborted, "aborting throws ProcessAborted");
  checker.Expect(counter->iterations == 3, "no iteration is reported after the abort");
  method->RemoveObserver(tag);
  method->SetAbortGenerateData(false);
  method->Update();
  checker.ExpectBelow(example.MeanError(method->GetOutput()->Get()->GetDisplacementField()),
                      example.MeanError(nullptr),
                      "mean distance to the true warp after an abort and another run");
}

void
CheckBadInput(Checker & checker, const ExampleType & good, const std::string & device)
{
  for (const float bad : { std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity() })
  {
    ExampleType example;
    example.fixed->GetBufferPointer()[100] = bad;
    auto method = MakeShortMethod(example, device);
    checker.ExpectThrow([&]() { method->Update(); }, "fixed image");
    example.fixed->GetBufferPointer()[100] = 1.0f;
    example.moving->GetBufferPointer()[200] = bad;
    example.moving->Modified();
    example.fixed->Modified();
    checker.ExpectThrow([&]() { method->Update(); }, "moving image");
  }
  {
    ExampleType example;
    example.moving->FillBuffer(3.0f);
    checker.ExpectThrow([&]() { MakeShortMethod(example, device)->Update(); }, "constant");
  }
  {
    ExampleType                               example;
    ExampleType::LinearType::OutputVectorType far;
    far.Fill(1e4);
    example.linear->Translate(far);
    checker.ExpectThrow([&]() { MakeShortMethod(example, device)->Update(); }, "overlap");
  }
  for (const char * name : { "tpu", "cuda:99", "" })
  {
    auto method = MakeShortMethod(good, device);
    method->SetDevice(name);
    checker.ExpectThrow([&]() { method->Update(); }, name);
  }
  {
    auto                                                 method = MakeShortMethod(good, device);
    ExampleType::MethodType::NumberOfIterationsArrayType iterations(3);
    iterations.Fill(2);
    method->SetNumberOfIterationsPerLevel(iterations);
    checker.ExpectThrow([&]() { method->Update(); }, "levels");
  }
  {
    auto                                              method = MakeShortMethod(good, device);
    ExampleType::MethodType::SmoothingSigmasArrayType sigmas(1);
    sigmas.Fill(1.0);
    method->SetSmoothingSigmasPerLevel(sigmas);
    checker.ExpectThrow([&]() { method->Update(); }, "levels");
    sigmas.SetSize(2);
    sigmas.Fill(-1.0);
    method->SetSmoothingSigmasPerLevel(sigmas);
    checker.ExpectThrow([&]() { method->Update(); }, "sigma");
  }
  for (const double rate : { 0.0, -1.0, std::numeric_limits<double>::quiet_NaN() })
  {
    auto method = MakeShortMethod(good, device);
    method->SetLearningRate(rate);
    checker.ExpectThrow([&]() { method->Update(); }, "learning rate");
  }
  {
    auto method = MakeShortMethod(good, device);
    method->SetGaussianSmoothingVarianceForTheUpdateField(-1.0);
    checker.ExpectThrow([&]() { method->Update(); }, "variance");
  }
  {
    // after an exception the same object runs
    auto method = MakeShortMethod(good, device);
    method->SetDevice("tpu");
    checker.ExpectThrow([&]() { method->Update(); }, "tpu");
    method->SetDevice(device);
    method->Update();
    checker.Expect(method->GetOutput()->Get()->GetDisplacementField() != nullptr, "a field after an exception");
  }
  {
    auto method = ExampleType::MethodType::New();
    method->SetDevice(device);
    checker.ExpectThrow([&]() { method->Update(); }, "");
  }
}

/** Float transforms, double images and no inverse compile and run. */
void
CheckOtherTypes(Checker & checker, const ExampleType & example, const std::string & device)
{
  using DoubleImageType = itk::Image<double, 2>;
  using TransformType = itk::DisplacementFieldTransform<float, 2>;
  auto fixed = DoubleImageType::New();
  auto moving = DoubleImageType::New();
  for (const auto & pair : { std::make_pair(fixed, example.fixed), std::make_pair(moving, example.moving) })
  {
    pair.first->CopyInformation(pair.second);
    pair.first->SetRegions(pair.second->GetBufferedRegion());
    pair.first->Allocate();
    std::copy_n(pair.second->GetBufferPointer(),
                pair.second->GetBufferedRegion().GetNumberOfPixels(),
                pair.first->GetBufferPointer());
  }
  using MethodType = itk::GPUDiffeomorphicRegistrationMethod<DoubleImageType, DoubleImageType, TransformType>;
  auto method = MethodType::New();
  auto linear = itk::AffineTransform<float, 2>::New();
  auto matrix = linear->GetMatrix();
  auto offset = linear->GetOffset();
  for (unsigned int i = 0; i < 2; ++i)
  {
    offset[i] = static_cast<float>(example.linear->GetOffset()[i]);
    for (unsigned int j = 0; j < 2; ++j)
    {
      matrix(i, j) = static_cast<float>(example.linear->GetMatrix()(i, j));
    }
  }
  linear->SetMatrix(matrix);
  linear->SetOffset(offset);
  method->SetDevice(device);
  method->SetFixedImage(fixed);
  method->SetMovingImage(moving);
  method->SetMovingInitialTransform(linear);
  method->SetNumberOfLevels(1);
  MethodType::NumberOfIterationsArrayType iterations(1);
  iterations.Fill(30);
  method->SetNumberOfIterationsPerLevel(iterations);
  method->ComputeInverseOff();
  method->Update();
  checker.ExpectBelow(method->GetResult().finalMetricValue,
                      method->GetResult().initialMetricValue,
                      "metric (double images, float field)");
  checker.Expect(method->GetOutput()->Get()->GetInverseDisplacementField() == nullptr, "no inverse was wanted");
}
} // namespace

int
itkGPUDiffeomorphicRegistrationMethodErrorsTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  Checker           checker;
  const ExampleType example;
  CheckFallback(checker, example, device);
  CheckAbort(checker, example, device);
  CheckBadInput(checker, example, device);
  CheckOtherTypes(checker, example, device);
  return checker.Status();
}
