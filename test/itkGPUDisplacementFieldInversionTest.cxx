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
#include "itkGPUDisplacementFieldJacobianDeterminantFilter.h"
#include "itkGPUDisplacementFieldTesting.h"
#include "itkGPUInvertDisplacementFieldImageFilter.h"

#include "itkTestingMacros.h"

using namespace GPUDiffeomorphicTesting;

namespace
{
template <typename TComponent, unsigned int VDimension>
void
CheckInvert(Checker & checker, const std::string & device)
{
  using FieldType = FieldImage<TComponent, VDimension>;
  using ReferenceType = itk::InvertDisplacementFieldImageFilter<FieldType>;
  using FilterType = itk::GPUInvertDisplacementFieldImageFilter<FieldType>;
  struct Setting
  {
    const char * name;
    unsigned int iterations;
    double       meanTolerance;
    double       maximumTolerance;
    bool         boundary;
    bool         estimate;
    double       angle;
  };
  for (const Setting & setting : { Setting{ "the defaults", 20, 0.001, 0.1, true, false, 0.3 },
                                   Setting{ "the maximum decides", 50, 0.0, 0.03, true, false, 0.3 },
                                   Setting{ "the mean decides", 50, 0.003, 0.0, false, false, 0.3 },
                                   Setting{ "the iterations decide", 7, 0.0, 0.0, false, false, 0.3 },
                                   Setting{ "no rotation", 20, 0.001, 0.1, true, false, 0.0 },
                                   Setting{ "no iterations", 0, 0.001, 0.1, true, false, 0.3 },
                                   Setting{ "an estimate", 20, 0.001, 0.05, true, true, 0.3 },
                                   Setting{ "an estimate alone", 0, 0.001, 0.1, true, true, 0.3 } })
  {
    const auto field = MakeField<FieldType>(2.5, true, 0.0, setting.angle);
    const auto before = Copy<FieldType>(field);
    const auto estimate = Copy<FieldType>(field);
    for (itk::ImageRegionIteratorWithIndex<FieldType> it(estimate, estimate->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      it.Set(it.Get() * static_cast<TComponent>(-0.8));
    }
    const auto reference = ReferenceType::New();
    const auto filter = FilterType::New();
    filter->SetDevice(device);
    filter->SetDisplacementField(field);
    // ITK's filter finds the last plane when the index starts at 0
    reference->SetDisplacementField(WithIndexFromZero<FieldType>(field));
    if (setting.estimate)
    {
      filter->SetInverseFieldInitialEstimate(estimate);
      reference->SetInverseFieldInitialEstimate(WithIndexFromZero<FieldType>(estimate));
    }
    for (const auto & each : { static_cast<ReferenceType *>(reference), static_cast<ReferenceType *>(filter) })
    {
      each->SetMaximumNumberOfIterations(setting.iterations);
      each->SetMeanErrorToleranceThreshold(static_cast<TComponent>(setting.meanTolerance));
      each->SetMaxErrorToleranceThreshold(static_cast<TComponent>(setting.maximumTolerance));
      each->SetEnforceBoundaryCondition(setting.boundary);
      each->Update();
    }
    const std::string name = std::string("Invert, ") + setting.name;
    ExpectSame<FieldType>(
      checker, WithIndexFromZero<FieldType>(filter->GetOutput()), reference->GetOutput(), 1e-4, name);
    checker.Expect(SameBits<FieldType>(field, before), name + ": the input is left alone");
    // through the superclass, as a program that swapped the class would
    const ReferenceType & asReference = *filter;
    if (setting.iterations > 0)
    {
      checker.ExpectBelow(
        std::abs(asReference.GetMaxErrorNorm() - reference->GetMaxErrorNorm()), 1e-4, name + ": MaxErrorNorm");
      checker.ExpectBelow(
        std::abs(asReference.GetMeanErrorNorm() - reference->GetMeanErrorNorm()), 1e-4, name + ": MeanErrorNorm");
    }
    else
    {
      checker.Expect(asReference.GetMaxErrorNorm() == reference->GetMaxErrorNorm(), name + ": MaxErrorNorm");
    }
  }

  // Large at the border: there the field steps to 0, and float and double may differ on the side of the step.
  const auto large = MakeField<FieldType>(2.0, false);
  const auto reference = ReferenceType::New();
  reference->SetDisplacementField(WithIndexFromZero<FieldType>(large));
  reference->Update();
  const auto filter = FilterType::New();
  filter->SetDevice(device);
  filter->SetDisplacementField(large);
  filter->Update();
  const auto  actual = WithIndexFromZero<FieldType>(filter->GetOutput());
  std::size_t different = 0;
  LargestDifference<FieldType>(actual, reference->GetOutput(), actual->GetBufferedRegion(), 1e-4, &different);
  checker.ExpectBelow(static_cast<double>(different),
                      1.0 + 1e-4 * actual->GetBufferedRegion().GetNumberOfPixels(),
                      "Invert, large at the border: voxels that differ");
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    for (const auto plane : { large->GetBufferedRegion().GetIndex(d),
                              large->GetBufferedRegion().GetIndex(d) +
                                static_cast<itk::IndexValueType>(large->GetBufferedRegion().GetSize(d)) - 1 })
    {
      auto face = large->GetBufferedRegion();
      face.SetIndex(d, plane);
      face.SetSize(d, 1);
      const auto zero = Copy<FieldType>(large);
      zero->FillBuffer(typename FieldType::PixelType(0.0));
      checker.Expect(LargestDifference<FieldType>(filter->GetOutput(), zero, face) == 0.0, "the boundary is held at 0");
    }
  }

  // the whole is computed whatever is asked for
  const StreamedSource<FieldType> source(large);
  const auto                      streamed = FilterType::New();
  streamed->SetDevice(device);
  streamed->SetDisplacementField(source.GetOutput());
  ExpectSame<FieldType>(checker,
                        Stream<FieldType>(streamed->GetOutput()),
                        filter->GetOutput(),
                        std::is_same<TComponent, float>::value ? 1e-30 : 1e-3,
                        "Invert in pieces");
}

void
CheckInvertErrors(Checker & checker, const std::string & device)
{
  using FieldType = FieldImage<float, 3>;
  using FilterType = itk::GPUInvertDisplacementFieldImageFilter<FieldType>;
  const auto field = MakeField<FieldType>(1.0, true);
  const auto filter = FilterType::New();
  filter->SetDevice(device);
  checker.ExpectThrow([&]() { filter->Update(); }, "nput"); // Input or input
  filter->SetDisplacementField(field);
  const auto estimate = FieldType::New();
  estimate->CopyInformation(field);
  estimate->SetRegions(InnerRegion<FieldType>(field));
  estimate->Allocate(true);
  filter->SetInverseFieldInitialEstimate(estimate);
  checker.ExpectThrow([&]() { filter->Update(); }, "InverseFieldInitialEstimate");
  const auto broken = Copy<FieldType>(field);
  broken->GetBufferPointer()[100][1] = std::numeric_limits<float>::quiet_NaN();
  const auto other = FilterType::New();
  other->SetDevice(device);
  other->SetDisplacementField(broken);
  checker.ExpectThrow([&]() { other->Update(); }, "not numbers");
  other->SetDevice("tpu");
  checker.ExpectThrow([&]() { other->Update(); }, "tpu");
}

template <typename TComponent, typename TReal, unsigned int VDimension>
void
CheckJacobian(Checker & checker, const std::string & device)
{
  using FieldType = FieldImage<TComponent, VDimension>;
  using ReferenceType = itk::DisplacementFieldJacobianDeterminantFilter<FieldType, TReal>;
  using FilterType = itk::GPUDisplacementFieldJacobianDeterminantFilter<FieldType, TReal>;
  using ImageType = typename FilterType::OutputImageType;
  const auto field = MakeField<FieldType>(4.0, false);
  const auto before = Copy<FieldType>(field);
  for (const std::string setting : { "spacing", "no spacing", "weights", "spacing again" })
  {
    const auto reference = ReferenceType::New();
    const auto filter = FilterType::New();
    filter->SetDevice(device);
    for (const auto & each : { static_cast<ReferenceType *>(reference), static_cast<ReferenceType *>(filter) })
    {
      each->SetInput(field);
      if (setting == "no spacing")
      {
        each->UseImageSpacingOff();
      }
      else if (setting != "spacing")
      {
        typename ReferenceType::WeightsType weights;
        weights.Fill(0.5);
        weights[1] = 1.7;
        each->SetDerivativeWeights(weights);
        each->SetUseImageSpacing(setting == "spacing again");
      }
      each->Update();
    }
    ExpectSame<ImageType>(checker, filter->GetOutput(), reference->GetOutput(), 1e-5, "Jacobian, " + setting);
    checker.Expect(filter->GetUseImageSpacing() == reference->GetUseImageSpacing() &&
                     filter->GetDerivativeWeights() == reference->GetDerivativeWeights(),
                   "the weights of the derivatives");
    checker.Expect(SameBits<FieldType>(field, before) && !filter->GetDeviceName().empty(), "the input is left alone");
    if (setting == "weights")
    {
      const StreamedSource<FieldType> source(field);
      const auto                      whole = Copy<ImageType>(filter->GetOutput());
      filter->SetInput(source.GetOutput());
      ExpectSame<ImageType>(checker, Stream<ImageType>(filter->GetOutput()), whole, 1e-6, "Jacobian in pieces");
      checker.Expect(source.GetOutput()->GetBufferedRegion() != field->GetBufferedRegion(),
                     "Jacobian asks for a piece of the field only");
      const auto part = FilterType::New();
      part->SetDevice(device);
      part->SetInput(field);
      part->SetDerivativeWeights(filter->GetDerivativeWeights());
      part->GetOutput()->SetRequestedRegion(InnerRegion<FieldType>(field));
      part->Update();
      checker.Expect(part->GetOutput()->GetBufferedRegion() == InnerRegion<FieldType>(field), "the requested region");
      checker.ExpectBelow(
        LargestDifference<ImageType>(part->GetOutput(), whole, part->GetOutput()->GetBufferedRegion()),
        1e-6,
        "Jacobian of a region: largest difference");
    }
  }
  const auto bad = FilterType::New();
  bad->SetInput(field);
  bad->SetDevice("tpu");
  checker.ExpectThrow([&]() { bad->Update(); }, "tpu");
}
} // namespace

int
itkGPUDisplacementFieldInversionTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  using FieldType = FieldImage<float, 3>;
  const auto inverter = itk::GPUInvertDisplacementFieldImageFilter<FieldType>::New();
  ITK_EXERCISE_BASIC_OBJECT_METHODS(
    inverter, GPUInvertDisplacementFieldImageFilter, GPUDiffeomorphicImageToImageFilter);
  inverter->SetDevice("cpu");
  ITK_TEST_EXPECT_EQUAL(std::string(inverter->GetDevice()), std::string("cpu"));
  ITK_TEST_EXPECT_TRUE(inverter->GetDeviceName().empty());
  ITK_TEST_EXPECT_EQUAL(inverter->GetMaximumNumberOfIterations(), 20);
  ITK_TEST_EXPECT_TRUE(inverter->GetEnforceBoundaryCondition());
  inverter->SetMaxErrorToleranceThreshold(0.25f);
  ITK_TEST_SET_GET_VALUE(0.25f, inverter->GetMaxErrorToleranceThreshold());

  const auto jacobian = itk::GPUDisplacementFieldJacobianDeterminantFilter<FieldType>::New();
  ITK_EXERCISE_BASIC_OBJECT_METHODS(
    jacobian, GPUDisplacementFieldJacobianDeterminantFilter, GPUDiffeomorphicImageToImageFilter);
  ITK_TEST_SET_GET_BOOLEAN(jacobian, UseImageSpacing, false);

  Checker checker;
  CheckInvert<float, 2>(checker, device);
  CheckInvert<float, 3>(checker, device);
  CheckInvert<double, 2>(checker, device);
  CheckInvert<double, 3>(checker, device);
  CheckInvertErrors(checker, device);
  CheckJacobian<float, float, 2>(checker, device);
  CheckJacobian<float, float, 3>(checker, device);
  CheckJacobian<double, double, 2>(checker, device);
  CheckJacobian<double, double, 3>(checker, device);
  CheckJacobian<double, float, 3>(checker, device);
  return checker.Status();
}
