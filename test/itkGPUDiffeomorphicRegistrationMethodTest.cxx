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

#include "itkDisplacementFieldJacobianDeterminantFilter.h"
#include "itkImageMaskSpatialObject.h"
#include "itkTestingMacros.h"

#include <algorithm>

using namespace GPUDiffeomorphicTesting;

namespace
{
/** The example with the contrast of the fixed image reversed, as between two kinds of MR image. */
template <unsigned int VDimension>
Example<VDimension>
MakeInverted()
{
  Example<VDimension> example;
  float * const       values = example.fixed->GetBufferPointer();
  std::transform(values,
                 values + example.fixed->GetBufferedRegion().GetNumberOfPixels(),
                 values,
                 [](float value) { return 2.0f - value; });
  return example;
}

template <unsigned int VDimension>
void
CheckRegistration(Checker & checker, const std::string & device)
{
  std::cout << VDimension << "D" << std::endl;
  using ExampleType = Example<VDimension>;
  using MethodType = typename ExampleType::MethodType;
  using FieldType = typename MethodType::DisplacementFieldType;
  using InformationType =
    itk::MattesMutualInformationImageToImageMetricv4<typename ExampleType::ImageType, typename ExampleType::ImageType>;
  const ExampleType plain;
  const ExampleType inverted = MakeInverted<VDimension>();
  const double      before = plain.MeanError(nullptr);
  struct Case
  {
    const ExampleType &                   example;
    typename MethodType::MetricType::Pointer metric; ///< null: the default
    double                                value; ///< what is left of the metric at most; of the negative ones, at least
    double                                error; ///< what is left of the distance to the true warp at most
  };
  auto information = InformationType::New();
  information->SetNumberOfHistogramBins(24);
  for (const Case & each : { Case{ plain, nullptr, 1.05, 0.35 },
                             Case{ plain, ExampleType::MetricType::New().GetPointer(), 0.3, 0.5 },
                             Case{ inverted, information.GetPointer(), 1.05, 0.5 } })
  {
    const ExampleType & example = each.example;
    auto                method = example.MakeMethod(device);
    const auto configure = [&](MethodType * configured) {
      if (each.metric)
      {
        configured->SetMetric(each.metric);
      }
      if (each.metric == information)
      {
        // on images this small its steps are the noisiest of the three
        configured->SetGaussianSmoothingVarianceForTheUpdateField(8.0);
        configured->SetGaussianSmoothingVarianceForTheTotalField(1.0);
      }
    };
    configure(method);
    auto counter = Counter::New();
    counter->onIteration = [&]() {
      checker.Expect(method->GetCurrentLevel() < 2, "the current level is one of the levels");
      checker.Expect(method->GetCurrentIteration() >= 1 && method->GetCurrentIteration() <= 60,
                     "the current iteration counts from 1");
      checker.Expect(std::isfinite(static_cast<double>(method->GetCurrentMetricValue())), "the metric is a number");
    };
    method->AddObserver(itk::AnyEvent(), counter);
    method->Update();
    checker.Expect(counter->levels == 2, "one multi-resolution event per level");
    checker.Expect(counter->iterations == 100, "one iteration event per iteration");
    checker.Expect(!method->GetDeviceName().empty(), "the device is named");

    const auto & result = method->GetResult();
    checker.Expect(result.levels.size() == 2, "two level reports");
    checker.Expect(result.levels[0].size[0] == static_cast<int>(example.fixed->GetBufferedRegion().GetSize(0)) / 2,
                   "the first level is shrunk");
    checker.Expect(result.levels[1].metricValues.size() == 40, "a metric value per iteration");
    checker.ExpectBelow(result.finalMetricValue, each.value * result.initialMetricValue, "final metric value");
    checker.Expect(result.foldedVoxels == 0, "no voxel is folded");
    checker.Expect(method->GetMinimumJacobianDeterminant() > 0.0, "the Jacobian determinant is positive");
    checker.Expect(result.device == method->GetDeviceName(), "the result names the device");
    checker.Expect(result.peakDeviceBytes > 0, "the peak memory is reported");

    const FieldType * field = method->GetOutput()->Get()->GetDisplacementField();
    const FieldType * inverse = method->GetOutput()->Get()->GetInverseDisplacementField();
    checker.Expect(field->GetOrigin() == example.fixed->GetOrigin() &&
                     field->GetSpacing() == example.fixed->GetSpacing() &&
                     field->GetDirection() == example.fixed->GetDirection(),
                   "the field lies on the fixed grid");
    checker.ExpectBelow(
      example.MeanError(field), each.error * before, "mean distance to the true warp, physical units");
    checker.Expect(inverse != nullptr, "there is an inverse field");
    if (!inverse)
    {
      return;
    }

    // There and back again.
    double sum = 0.0;
    double maximum = 0.0;
    double count = 0.0;
    auto   forward = itk::DisplacementFieldTransform<double, VDimension>::New();
    auto   backward = itk::DisplacementFieldTransform<double, VDimension>::New();
    forward->SetDisplacementField(const_cast<FieldType *>(field));
    backward->SetDisplacementField(const_cast<FieldType *>(inverse));
    itk::ImageRegionIteratorWithIndex<typename ExampleType::ImageType> it(example.fixed,
                                                                          example.fixed->GetBufferedRegion());
    for (; !it.IsAtEnd(); ++it)
    {
      typename ExampleType::PointType point;
      example.fixed->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      // beyond the grid a displacement field transform is the identity: no way back from there
      const auto                               there = backward->TransformPoint(point);
      itk::ContinuousIndex<double, VDimension> index;
      const bool returns = example.fixed->TransformPhysicalPointToContinuousIndex(there, index);
      if (returns && example.Truth(point).GetNorm() > 0.1 * example.amplitude)
      {
        const double distance = forward->TransformPoint(there).EuclideanDistanceTo(point);
        sum += distance;
        maximum = std::max(maximum, distance);
        count += 1.0;
      }
    }
    checker.ExpectBelow(sum / count, 0.05, "mean inverse consistency error");
    checker.ExpectBelow(maximum, 0.5, "largest inverse consistency error");

    // ITK's determinant of the same field, along the grid's axes.
    auto jacobian =
      itk::DisplacementFieldJacobianDeterminantFilter<FieldType, double, itk::Image<double, VDimension>>::New();
    auto rotated = FieldType::New();
    rotated->SetRegions(field->GetBufferedRegion());
    rotated->SetSpacing(field->GetSpacing());
    rotated->Allocate();
    std::transform(field->GetBufferPointer(),
                   field->GetBufferPointer() + field->GetBufferedRegion().GetNumberOfPixels(),
                   rotated->GetBufferPointer(),
                   [&](const typename FieldType::PixelType & vector) { return field->GetInverseDirection() * vector; });
    jacobian->SetInput(rotated);
    jacobian->Update();
    const double * const values = jacobian->GetOutput()->GetBufferPointer();
    const double         minimum = *std::min_element(values, values + field->GetBufferedRegion().GetNumberOfPixels());
    checker.ExpectBelow(
      std::abs(minimum - method->GetMinimumJacobianDeterminant()), 1e-3, "difference to ITK's smallest determinant");

    auto again = example.MakeMethod(device);
    configure(again);
    again->Update();
    checker.Expect(SameBits(field, again->GetOutput()->Get()->GetDisplacementField()), "two runs give the same bits");
    checker.Expect(SameBits(inverse, again->GetOutput()->Get()->GetInverseDisplacementField()),
                   "two runs give the same bits of the inverse");
  }
}

/** Half of the fixed image is spoilt; a mask hides it. */
void
CheckMask(Checker & checker, const std::string & device)
{
  using ExampleType = Example<3>;
  ExampleType example;
  auto        mask = itk::Image<unsigned char, 3>::New();
  mask->CopyInformation(example.fixed);
  mask->SetRegions(example.fixed->GetBufferedRegion());
  mask->Allocate();
  mask->FillBuffer(1);
  itk::ImageRegionIteratorWithIndex<ExampleType::ImageType> it(example.fixed, example.fixed->GetBufferedRegion());
  for (; !it.IsAtEnd(); ++it)
  {
    if (it.GetIndex()[0] > 30)
    {
      it.Set((it.GetIndex()[1] / 3 + it.GetIndex()[2] / 4) % 2 == 0 ? 0.0f : 100.0f);
      mask->SetPixel(it.GetIndex(), 0);
    }
  }
  double error[2];
  for (const bool masked : { false, true })
  {
    auto method = example.MakeMethod(device);
    if (masked)
    {
      auto object = itk::ImageMaskSpatialObject<3>::New();
      object->SetImage(mask);
      object->Update();
      using MetricType = itk::ImageToImageMetricv4<ExampleType::ImageType, ExampleType::ImageType>;
      dynamic_cast<MetricType *>(method->GetModifiableMetric())->SetFixedImageMask(object);
    }
    method->Update();
    // the error on the good side, next to the spoilt one
    const auto * field = method->GetOutput()->Get()->GetDisplacementField();
    double       sum = 0.0;
    double       count = 0.0;
    for (it.GoToBegin(); !it.IsAtEnd(); ++it)
    {
      if (it.GetIndex()[0] > 20 && it.GetIndex()[0] <= 30)
      {
        ExampleType::PointType point;
        example.fixed->TransformIndexToPhysicalPoint(it.GetIndex(), point);
        sum += (field->GetPixel(it.GetIndex()) - example.Truth(point)).GetNorm();
        count += 1.0;
      }
    }
    error[masked] = sum / count;
  }
  checker.ExpectBelow(error[1], 0.95 * error[0], "mean error with the mask");
}

/** A fixed image whose region does not start at index 0 gives the same displacements. */
void
CheckStartIndex(Checker & checker, const std::string & device)
{
  using ExampleType = Example<2>;
  using ImageType = ExampleType::ImageType;
  ExampleType example;
  auto        method = example.MakeMethod(device);
  method->Update();
  const auto expected = method->GetOutput()->Get()->GetDisplacementField();

  const ImageType::IndexType  start = { { 7, -4 } };
  const ImageType::IndexType  opposite = { { -7, 4 } };
  ImageType::PointType        origin;
  const ImageType::RegionType region(start, example.fixed->GetBufferedRegion().GetSize());
  example.fixed->TransformIndexToPhysicalPoint(opposite, origin);
  auto shifted = ImageType::New();
  shifted->SetRegions(region);
  shifted->SetOrigin(origin);
  shifted->SetSpacing(example.fixed->GetSpacing());
  shifted->SetDirection(example.fixed->GetDirection());
  shifted->Allocate();
  std::copy_n(example.fixed->GetBufferPointer(), region.GetNumberOfPixels(), shifted->GetBufferPointer());
  auto again = example.MakeMethod(device);
  again->SetFixedImage(shifted);
  again->Update();
  const auto field = again->GetOutput()->Get()->GetDisplacementField();
  checker.Expect(field->GetBufferedRegion() == region, "the field has the fixed image's region");
  double sum = 0.0;
  for (itk::SizeValueType i = 0; i < region.GetNumberOfPixels(); ++i)
  {
    sum += (field->GetBufferPointer()[i] - expected->GetBufferPointer()[i]).GetNorm();
  }
  checker.ExpectBelow(sum / region.GetNumberOfPixels(), 1e-3, "mean difference from another start index");
}

/** Setters and their defaults. */
int
CheckSetters()
{
  using MethodType = Example<3>::MethodType;
  auto method = MethodType::New();
  ITK_EXERCISE_BASIC_OBJECT_METHODS(method, GPUDiffeomorphicRegistrationMethod, SyNImageRegistrationMethod);
  ITK_TEST_EXPECT_EQUAL(std::string(method->GetDevice()), std::string("auto"));
  ITK_TEST_EXPECT_TRUE(method->GetDeviceName().empty());
  method->SetDevice("cpu");
  ITK_TEST_EXPECT_EQUAL(std::string(method->GetDevice()), std::string("cpu"));
  ITK_TEST_EXPECT_TRUE(method->GetComputeInverse());
  ITK_TEST_SET_GET_BOOLEAN(method, ComputeInverse, false);

  auto solver = itk::GPUGreedyDiffeomorphicSolver::New();
  ITK_EXERCISE_BASIC_OBJECT_METHODS(solver, GPUGreedyDiffeomorphicSolver, Object);
  using SolverType = itk::GPUGreedyDiffeomorphicSolver;
  solver->SetStepRule(SolverType::StepRuleEnum::Levenberg);
  ITK_TEST_EXPECT_TRUE(solver->GetStepRule() == SolverType::StepRuleEnum::Levenberg);
  solver->SetParametrization(SolverType::ParametrizationEnum::Additive);
  ITK_TEST_EXPECT_TRUE(solver->GetParametrization() == SolverType::ParametrizationEnum::Additive);
  solver->SetNumberOfStepReductions(2);
  ITK_TEST_SET_GET_VALUE(2, solver->GetNumberOfStepReductions());
  solver->SetNumberOfSquarings(5);
  ITK_TEST_SET_GET_VALUE(5, solver->GetNumberOfSquarings());
  solver->SetDiffusionWeight(0.25);
  ITK_TEST_SET_GET_VALUE(0.25, solver->GetDiffusionWeight());
  solver->SetVolumeWeight(0.125);
  ITK_TEST_SET_GET_VALUE(0.125, solver->GetVolumeWeight());
  solver->SetDamping(0.5);
  ITK_TEST_SET_GET_VALUE(0.5, solver->GetDamping());
  solver->SetBeta1(0.8);
  ITK_TEST_SET_GET_VALUE(0.8, solver->GetBeta1());
  solver->SetBeta2(0.95);
  ITK_TEST_SET_GET_VALUE(0.95, solver->GetBeta2());
  solver->SetEpsilon(1e-4);
  ITK_TEST_SET_GET_VALUE(1e-4, solver->GetEpsilon());
  solver->SetMinimumJacobian(0.2);
  ITK_TEST_SET_GET_VALUE(0.2, solver->GetMinimumJacobian());
  solver->SetVarianceFloor(1e-6);
  ITK_TEST_SET_GET_VALUE(1e-6, solver->GetVarianceFloor());
  method->SetSolver(solver);
  ITK_TEST_SET_GET_VALUE(solver, method->GetSolver());
  return EXIT_SUCCESS;
}
} // namespace

int
itkGPUDiffeomorphicRegistrationMethodTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  if (CheckSetters() != EXIT_SUCCESS)
  {
    return EXIT_FAILURE;
  }
  Checker checker;
  CheckRegistration<3>(checker, device);
  CheckRegistration<2>(checker, device);
  CheckMask(checker, device);
  CheckStartIndex(checker, device);
  return checker.Status();
}
