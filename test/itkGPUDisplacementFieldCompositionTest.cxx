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
#include "itkGPUDisplacementFieldTesting.h"
#include "itkGPUExponentialDisplacementFieldImageFilter.h"

#include "itkTestingMacros.h"
#include "itkVectorLinearInterpolateNearestNeighborExtrapolateImageFunction.h"

using namespace GPUDiffeomorphicTesting;

namespace
{
template <typename TFilter, typename TField>
typename TFilter::Pointer
MakeComposer(const TField * displacement, const TField * warping, const std::string & device)
{
  const auto filter = TFilter::New();
  filter->SetDevice(device);
  filter->SetDisplacementField(displacement);
  filter->SetWarpingField(warping);
  return filter;
}

template <typename TField>
typename TField::Pointer
ComposeInItk(const TField * displacement, const TField * warping)
{
  const auto filter = itk::ComposeDisplacementFieldsImageFilter<TField>::New();
  filter->SetDisplacementField(displacement);
  filter->SetWarpingField(warping);
  filter->Update();
  return filter->GetOutput();
}

template <typename TComponent, unsigned int VDimension>
void
CheckCompose(Checker & checker, const std::string & device)
{
  using FieldType = FieldImage<TComponent, VDimension>;
  using FilterType = itk::GPUComposeDisplacementFieldsImageFilter<FieldType>;
  const auto displacement = MakeField<FieldType>(5.0, false, 1.0);
  const auto warping = MakeField<FieldType>(4.0, false);
  const auto displacementBefore = Copy<FieldType>(displacement);
  const auto warpingBefore = Copy<FieldType>(warping);
  const auto expected = ComposeInItk<FieldType>(displacement, warping);
  const auto filter = MakeComposer<FilterType, FieldType>(displacement, warping, device);
  filter->Update();
  const typename FieldType::Pointer whole = filter->GetOutput();
  ExpectSame<FieldType>(checker, whole, expected, 1e-4, "Compose");
  checker.Expect(LargestComponent<FieldType>(whole) > 4.0, "Compose: the fields are not small");
  checker.Expect(filter->GetDeviceName() == itk::GPUDiffeomorphicEngine::ResolveDevice(device), "the device's name");
  checker.Expect(SameBits<FieldType>(displacement, displacementBefore) && SameBits<FieldType>(warping, warpingBefore),
                 "Compose: the inputs are left alone");

  // both inputs one image
  const auto twice = MakeComposer<FilterType, FieldType>(warping, warping, device);
  twice->Update();
  ExpectSame<FieldType>(
    checker, twice->GetOutput(), ComposeInItk<FieldType>(warping, warping), 1e-4, "Compose with itself");

  // pieces of the output, from sources that have computed nothing yet
  const StreamedSource<FieldType> displacementSource(displacement);
  const StreamedSource<FieldType> warpingSource(warping);
  const auto                      streamed =
    MakeComposer<FilterType, FieldType>(displacementSource.GetOutput(), warpingSource.GetOutput(), device);
  ExpectSame<FieldType>(checker, Stream<FieldType>(streamed->GetOutput()), whole, 1e-5, "Compose in pieces");
  checker.Expect(warpingSource.GetOutput()->GetBufferedRegion() != warping->GetBufferedRegion(),
                 "Compose asks for a piece of the warping field only");
  const StreamedSource<FieldType> both(warping);
  const auto twiceStreamed = MakeComposer<FilterType, FieldType>(both.GetOutput(), both.GetOutput(), device);
  ExpectSame<FieldType>(
    checker, Stream<FieldType>(twiceStreamed->GetOutput()), twice->GetOutput(), 1e-5, "Compose with itself in pieces");
  const auto part = MakeComposer<FilterType, FieldType>(displacement, warping, device);
  const auto region = InnerRegion<FieldType>(displacement);
  part->GetOutput()->SetRequestedRegion(region);
  part->Update();
  checker.Expect(part->GetOutput()->GetBufferedRegion() == region, "Compose computes the requested region only");
  checker.ExpectBelow(
    LargestDifference<FieldType>(part->GetOutput(), whole, region), 1e-5, "Compose of a region: largest difference");

  // a displacement field that covers a part of the warping field's grid
  const auto small = FieldType::New();
  small->CopyInformation(displacement);
  small->SetRegions(region);
  small->Allocate();
  for (itk::ImageRegionIteratorWithIndex<FieldType> it(small, region); !it.IsAtEnd(); ++it)
  {
    it.Set(displacement->GetPixel(it.GetIndex()));
  }
  const auto smaller = MakeComposer<FilterType, FieldType>(small, warping, device);
  smaller->Update();
  ExpectSame<FieldType>(
    checker, smaller->GetOutput(), ComposeInItk<FieldType>(small, warping), 1e-4, "Compose with a smaller field");
  checker.Expect(!smaller->GetDeviceName().empty(), "a smaller displacement field is covered");
}

/** What is left to ITK's filter, and what is refused. */
void
CheckComposeBorders(Checker & checker, const std::string & device)
{
  using FieldType = FieldImage<float, 3>;
  using FilterType = itk::GPUComposeDisplacementFieldsImageFilter<FieldType>;
  using InterpolatorType = itk::VectorLinearInterpolateNearestNeighborExtrapolateImageFunction<FieldType, float>;
  const auto displacement = MakeField<FieldType>(5.0, false, 1.0);
  const auto warping = MakeField<FieldType>(4.0, false);

  const itk::OutputWindow::Pointer window = itk::OutputWindow::GetInstance();
  const auto                       counter = WarningCounter::New();
  itk::OutputWindow::SetInstance(counter);
  const auto filter = MakeComposer<FilterType, FieldType>(displacement, warping, device);
  filter->SetInterpolator(InterpolatorType::New());
  filter->Update();
  checker.Expect(filter->GetDeviceName().empty(), "another interpolator is left to ITK's filter");
  const auto reference = itk::ComposeDisplacementFieldsImageFilter<FieldType>::New();
  reference->SetDisplacementField(displacement);
  reference->SetWarpingField(warping);
  reference->SetInterpolator(InterpolatorType::New());
  reference->Update();
  checker.Expect(SameBits<FieldType>(filter->GetOutput(), reference->GetOutput()), "another interpolator");
  filter->Modified();
  filter->Update();
  checker.Expect(counter->GetCount() == 1, "one warning");
  const StreamedSource<FieldType> source(displacement);
  const auto streamed = MakeComposer<FilterType, FieldType>(source.GetOutput(), warping, device);
  streamed->SetInterpolator(InterpolatorType::New());
  checker.Expect(SameBits<FieldType>(Stream<FieldType>(streamed->GetOutput()), reference->GetOutput()),
                 "another interpolator in pieces");

  const auto moved = Copy<FieldType>(warping);
  auto       origin = moved->GetOrigin();
  origin[0] += 0.1;
  moved->SetOrigin(origin);
  const auto apart = MakeComposer<FilterType, FieldType>(displacement, moved, device);
  checker.ExpectThrow([&]() { apart->Update(); }, "same physical space");
  apart->SetCoordinateTolerance(1.0);
  apart->Update();
  checker.Expect(apart->GetDeviceName().empty() && counter->GetCount() == 3, "other grids are left to ITK's filter");
  reference->SetWarpingField(moved);
  reference->SetInterpolator(itk::VectorLinearInterpolateImageFunction<FieldType, float>::New());
  reference->SetCoordinateTolerance(1.0);
  reference->Update();
  checker.Expect(SameBits<FieldType>(apart->GetOutput(), reference->GetOutput()), "other grids");
  itk::OutputWindow::SetInstance(window);

  const auto bad = MakeComposer<FilterType, FieldType>(displacement, warping, "tpu");
  checker.ExpectThrow([&]() { bad->Update(); }, "tpu");
  const auto half = FilterType::New();
  half->SetDevice(device);
  half->SetDisplacementField(displacement);
  checker.ExpectThrow([&]() { half->Update(); }, "nput"); // Input or input
}

template <typename TComponent, unsigned int VDimension>
void
CheckExponential(Checker & checker, const std::string & device)
{
  using FieldType = FieldImage<TComponent, VDimension>;
  using ReferenceType = itk::ExponentialDisplacementFieldImageFilter<FieldType, FieldType>;
  using FilterType = itk::GPUExponentialDisplacementFieldImageFilter<FieldType, FieldType>;
  struct Setting
  {
    double       amplitude;
    bool         automatic;
    unsigned int maximum;
    bool         inverse;
  };
  for (const Setting & setting : { Setting{ 4.0, true, 20, false },
                                   Setting{ 4.0, true, 20, true },
                                   Setting{ 4.0, true, 3, false },
                                   Setting{ 4.0, false, 6, false },
                                   Setting{ 4.0, false, 0, true },
                                   Setting{ 4.0, false, 0, false },
                                   Setting{ 0.3, true, 20, false },
                                   Setting{ 0.01, true, 20, true },
                                   Setting{ 0.0, true, 20, false } })
  {
    // large at the border, where the field continues with its edge
    const auto velocity = MakeField<FieldType>(setting.amplitude, false);
    const auto before = Copy<FieldType>(velocity);
    const auto reference = ReferenceType::New();
    const auto filter = FilterType::New();
    filter->SetDevice(device);
    for (const auto & each : { static_cast<ReferenceType *>(reference), static_cast<ReferenceType *>(filter) })
    {
      each->SetInput(velocity);
      each->SetAutomaticNumberOfIterations(setting.automatic);
      each->SetMaximumNumberOfIterations(setting.maximum);
      each->SetComputeInverse(setting.inverse);
      each->Update();
    }
    ExpectSame<FieldType>(checker, filter->GetOutput(), reference->GetOutput(), 1e-4, "Exponential");
    checker.Expect(SameBits<FieldType>(velocity, before), "Exponential: the input is left alone");
    checker.Expect(!filter->GetDeviceName().empty(), "Exponential runs on the device");
  }
  const auto                      velocity = MakeField<FieldType>(4.0, false);
  const StreamedSource<FieldType> source(velocity);
  const auto                      whole = FilterType::New();
  const auto                      streamed = FilterType::New();
  whole->SetDevice(device);
  whole->SetInput(velocity);
  whole->Update();
  streamed->SetDevice(device);
  streamed->SetInput(source.GetOutput());
  ExpectSame<FieldType>(
    checker, Stream<FieldType>(streamed->GetOutput()), whole->GetOutput(), 1e-5, "Exponential in pieces");
  whole->AutomaticNumberOfIterationsOff();
  whole->SetMaximumNumberOfIterations(31);
  checker.ExpectThrow([&]() { whole->Update(); }, "31");
  whole->SetMaximumNumberOfIterations(3);
  whole->SetDevice("cuda:99");
  checker.ExpectThrow([&]() { whole->Update(); }, "cuda:99");
}
} // namespace

int
itkGPUDisplacementFieldCompositionTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  using FieldType = FieldImage<float, 3>;
  const auto composer = itk::GPUComposeDisplacementFieldsImageFilter<FieldType>::New();
  ITK_EXERCISE_BASIC_OBJECT_METHODS(
    composer, GPUComposeDisplacementFieldsImageFilter, GPUDiffeomorphicImageToImageFilter);
  composer->SetDevice("cpu");
  ITK_TEST_EXPECT_EQUAL(std::string(composer->GetDevice()), std::string("cpu"));
  ITK_TEST_EXPECT_TRUE(composer->GetDeviceName().empty());
  const auto field = MakeField<FieldType>(1.0, true);
  composer->SetDisplacementField(field);
  composer->SetWarpingField(field);
  ITK_TEST_SET_GET_VALUE(field, composer->GetDisplacementField());
  ITK_TEST_SET_GET_VALUE(field, composer->GetWarpingField());

  const auto exponential = itk::GPUExponentialDisplacementFieldImageFilter<FieldType, FieldType>::New();
  ITK_EXERCISE_BASIC_OBJECT_METHODS(
    exponential, GPUExponentialDisplacementFieldImageFilter, GPUDiffeomorphicImageToImageFilter);
  ITK_TEST_SET_GET_BOOLEAN(exponential, AutomaticNumberOfIterations, false);
  ITK_TEST_SET_GET_BOOLEAN(exponential, ComputeInverse, true);
  exponential->SetMaximumNumberOfIterations(7);
  ITK_TEST_SET_GET_VALUE(7, exponential->GetMaximumNumberOfIterations());

  Checker checker;
  CheckCompose<float, 2>(checker, device);
  CheckCompose<float, 3>(checker, device);
  CheckCompose<double, 2>(checker, device);
  CheckCompose<double, 3>(checker, device);
  CheckComposeBorders(checker, device);
  CheckExponential<float, 2>(checker, device);
  CheckExponential<float, 3>(checker, device);
  CheckExponential<double, 2>(checker, device);
  CheckExponential<double, 3>(checker, device);
  return checker.Status();
}
