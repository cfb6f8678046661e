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
#include "itkGPUComposeDisplacementFieldsImageFilter.h"
#include "itkGPUDiffeomorphicRegistrationFactory.h"
#include "itkGPUDisplacementFieldJacobianDeterminantFilter.h"
#include "itkGPUDisplacementFieldTesting.h"
#include "itkGPUExponentialDisplacementFieldImageFilter.h"
#include "itkGPUInvertDisplacementFieldImageFilter.h"
#include "itkGPUMetricTesting.h"
#include "itkGPUSyNImageRegistrationMethod.h"

#include "itkImageRegistrationMethodv4.h"
#include "itkTestingMacros.h"
#include "itkVersion.h"
#include "itksys/SystemTools.hxx"

using namespace GPUDiffeomorphicTesting;

namespace
{
/** Whether New() of ITK's class gives this module's. */
template <typename TOriginal, typename TReplacement>
bool
IsReplaced()
{
  return dynamic_cast<TReplacement *>(TOriginal::New().GetPointer()) != nullptr;
}

template <typename TImage>
void
CheckMetricOverrides(Checker & checker, bool expected)
{
  const bool correlation = IsReplaced<itk::ANTSNeighborhoodCorrelationImageToImageMetricv4<TImage, TImage>,
                                      itk::GPULocalNormalizedCrossCorrelationImageToImageMetricv4<TImage, TImage>>();
  const bool mattes = IsReplaced<itk::MattesMutualInformationImageToImageMetricv4<TImage, TImage>,
                                 itk::GPUMattesMutualInformationImageToImageMetricv4<TImage, TImage>>();
  const bool meanSquares = IsReplaced<itk::MeanSquaresImageToImageMetricv4<TImage, TImage>,
                                      itk::GPUMeanSquaresImageToImageMetricv4<TImage, TImage>>();
  checker.Expect(correlation == expected && mattes == expected && meanSquares == expected,
                 std::string("New() of ITK's metrics gives ") + (expected ? "this module's" : "ITK's"));
  // what is not covered stays ITK's: a metric that computes in float
  using FloatMetric = itk::MeanSquaresImageToImageMetricv4<TImage, TImage, TImage, float>;
  checker.Expect(std::string(FloatMetric::New()->GetNameOfClass()) == "MeanSquaresImageToImageMetricv4",
                 "a metric that computes in float is ITK's");
  using ReplacementType = itk::GPUSyNImageRegistrationMethod<TImage, TImage>;
  checker.Expect(IsReplaced<itk::SyNImageRegistrationMethod<TImage, TImage>, ReplacementType>() == expected,
                 std::string("New() of ITK's SyN gives ") + (expected ? "this module's" : "ITK's"));
}

template <typename TComponent, unsigned int VDimension>
void
CheckOverrides(Checker & checker, bool expected)
{
  CheckMetricOverrides<itk::Image<TComponent, VDimension>>(checker, expected);
  using FieldType = FieldImage<TComponent, VDimension>;
  const bool compose = IsReplaced<itk::ComposeDisplacementFieldsImageFilter<FieldType>,
                                  itk::GPUComposeDisplacementFieldsImageFilter<FieldType>>();
  const bool exponential = IsReplaced<itk::ExponentialDisplacementFieldImageFilter<FieldType, FieldType>,
                                      itk::GPUExponentialDisplacementFieldImageFilter<FieldType, FieldType>>();
  const bool invert = IsReplaced<itk::InvertDisplacementFieldImageFilter<FieldType>,
                                 itk::GPUInvertDisplacementFieldImageFilter<FieldType>>();
  const bool jacobian = IsReplaced<itk::DisplacementFieldJacobianDeterminantFilter<FieldType>,
                                   itk::GPUDisplacementFieldJacobianDeterminantFilter<FieldType>>();
  const bool inDouble = IsReplaced<itk::DisplacementFieldJacobianDeterminantFilter<FieldType, double>,
                                   itk::GPUDisplacementFieldJacobianDeterminantFilter<FieldType, double>>();
  checker.Expect(compose == expected && exponential == expected && invert == expected && jacobian == expected &&
                   inDouble == expected,
                 std::string("New() of ITK's classes gives ") + (expected ? "this module's" : "ITK's") + ", dimension " +
                   std::to_string(VDimension));
}

/** A registration as a program writes it that knows nothing of this module, with the method's own metric; the name of that
 * metric's class, and where it ended. */
std::string
Register(const GPUMetricTesting::Pair<itk::Image<float, 2>> & pair, itk::Array<double> & parameters)
{
  using ImageType = itk::Image<float, 2>;
  const auto transform = itk::AffineTransform<double, 2>::New();
  transform->SetCenter(pair.centre);
  using MethodType = itk::ImageRegistrationMethodv4<ImageType, ImageType, itk::AffineTransform<double, 2>>;
  const auto method = MethodType::New();
  method->SetFixedImage(pair.fixed);
  method->SetMovingImage(pair.moving);
  method->SetInitialTransform(transform);
  method->SetNumberOfLevels(1);
  MethodType::ShrinkFactorsArrayType factors(1);
  factors.Fill(1);
  method->SetShrinkFactorsPerLevel(factors);
  MethodType::SmoothingSigmasArrayType sigmas(1);
  sigmas.Fill(0);
  method->SetSmoothingSigmasPerLevel(sigmas);
  auto & optimizer = dynamic_cast<itk::GradientDescentOptimizerv4 &>(*method->GetModifiableOptimizer());
  optimizer.SetNumberOfIterations(5);
  method->Update();
  parameters = method->GetTransform()->GetParameters();
  return method->GetMetric()->GetNameOfClass();
}

/** The metric after a few iterations of SyN, likewise. */
double
RegisterSyN(const GPUMetricTesting::Pair<itk::Image<float, 2>> & pair)
{
  using ImageType = itk::Image<float, 2>;
  using MethodType = itk::SyNImageRegistrationMethod<ImageType, ImageType>;
  const auto metric = itk::ANTSNeighborhoodCorrelationImageToImageMetricv4<ImageType, ImageType>::New();
  metric->SetUseMovingImageGradientFilter(false);
  metric->SetUseFixedImageGradientFilter(false);
  const auto method = MethodType::New();
  method->SetMetric(metric);
  method->SetFixedImage(pair.fixed);
  method->SetMovingImage(pair.moving);
  method->SetNumberOfLevels(1);
  MethodType::ShrinkFactorsArrayType factors(1);
  factors.Fill(1);
  method->SetShrinkFactorsPerLevel(factors);
  MethodType::SmoothingSigmasArrayType sigmas(1);
  sigmas.Fill(0);
  method->SetSmoothingSigmasPerLevel(sigmas);
  MethodType::NumberOfIterationsArrayType iterations(1);
  iterations.Fill(8);
  method->SetNumberOfIterationsPerLevel(iterations);
  method->Update();
  return method->GetCurrentMetricValue();
}

void
CheckAll(Checker & checker, bool expected)
{
  CheckOverrides<float, 2>(checker, expected);
  CheckOverrides<float, 3>(checker, expected);
  CheckOverrides<double, 2>(checker, expected);
  CheckOverrides<double, 3>(checker, expected);
}
} // namespace

int
itkGPUDiffeomorphicRegistrationFactoryTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  itksys::SystemTools::PutEnv("ITK_GPU_DIFFEOMORPHIC_DEVICE=" + device);
  using FactoryType = itk::GPUDiffeomorphicRegistrationFactory;
  const auto factory = FactoryType::New();
  ITK_EXERCISE_BASIC_OBJECT_METHODS(factory, GPUDiffeomorphicRegistrationFactory, ObjectFactoryBase);
  ITK_TEST_EXPECT_EQUAL(std::string(factory->GetITKSourceVersion()), std::string(ITK_SOURCE_VERSION));
  ITK_TEST_EXPECT_TRUE(std::string(factory->GetDescription()).size() > 10);

  Checker    checker;
  const auto count = itk::ObjectFactoryBase::GetRegisteredFactories().size();
  CheckAll(checker, false);
  FactoryType::RegisterOneFactory();
  FactoryType::RegisterOneFactory();
  checker.Expect(itk::ObjectFactoryBase::GetRegisteredFactories().size() == count + 1, "registered once");
  CheckAll(checker, true);

  // ITK's name, this module's work, from a program that knows nothing of it
  using FieldType = FieldImage<double, 3>;
  const auto field = MakeField<FieldType>(2.5, true);
  const auto swapped = itk::InvertDisplacementFieldImageFilter<FieldType>::New();
  swapped->SetDisplacementField(field);
  swapped->SetEnforceBoundaryCondition(false);
  swapped->Update();
  checker.Expect(
    dynamic_cast<itk::GPUInvertDisplacementFieldImageFilter<FieldType> &>(*swapped).GetDeviceName().substr(0, 3) ==
      device.substr(0, 3),
    "the device is that of the environment");
  const auto exponential = itk::ExponentialDisplacementFieldImageFilter<FieldType, FieldType>::New();
  exponential->SetInput(field);
  exponential->Update();
  const GPUMetricTesting::Pair<itk::Image<float, 2>> pair(true);
  itk::Array<double>                                 parameters;
  checker.Expect(Register(pair, parameters) == "GPUMattesMutualInformationImageToImageMetricv4",
                 "a registration method's own metric is this module's");
  const double value = RegisterSyN(pair);

  FactoryType::UnRegisterOneFactory();
  FactoryType::UnRegisterOneFactory();
  checker.Expect(itk::ObjectFactoryBase::GetRegisteredFactories().size() == count, "taken back");
  CheckAll(checker, false);
  const auto original = itk::InvertDisplacementFieldImageFilter<FieldType>::New();
  original->SetDisplacementField(field);
  original->SetEnforceBoundaryCondition(false);
  original->Update();
  ExpectSame<FieldType>(checker, swapped->GetOutput(), original->GetOutput(), 1e-4, "Invert through the factory");
  const auto originalExponential = itk::ExponentialDisplacementFieldImageFilter<FieldType, FieldType>::New();
  originalExponential->SetInput(field);
  originalExponential->Update();
  ExpectSame<FieldType>(checker,
                        exponential->GetOutput(),
                        originalExponential->GetOutput(),
                        1e-4,
                        "Exponential through the factory");
  itk::Array<double> originalParameters;
  checker.Expect(Register(pair, originalParameters) == "MattesMutualInformationImageToImageMetricv4",
                 "a registration method's own metric is ITK's");
  checker.ExpectBelow(GPUMetricTesting::RelativeDifference(parameters, originalParameters),
                      1e-6,
                      "affine registration through the factory");
  checker.ExpectBelow(std::abs(value / RegisterSyN(pair) - 1.0), 0.02, "SyN through the factory, metric");

  itk::ObjectFactoryBase::RegisterFactory(factory);
  CheckAll(checker, true);
  itk::ObjectFactoryBase::UnRegisterFactory(factory);
  CheckAll(checker, false);
  return checker.Status();
}
