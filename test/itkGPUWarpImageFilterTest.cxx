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
#include "itkGPUDiffeomorphicTesting.h"
#include "itkGPUWarpImageFilter.h"

#include "itkAffineTransform.h"
#include "itkBSplineInterpolateImageFunction.h"
#include "itkBSplineTransform.h"
#include "itkCompositeTransform.h"
#include "itkDisplacementFieldTransform.h"
#include "itkNearestNeighborInterpolateImageFunction.h"
#include "itkResampleImageFilter.h"
#include "itkTestingMacros.h"
#include "itkWarpImageFilter.h"

#include <algorithm>
#include <limits>

using namespace GPUDiffeomorphicTesting;

namespace
{
/** Compares voxels; a few may differ where float32 puts a point on the other side of a border or a rounding tie. */
template <typename TImage>
void
ExpectSameImages(Checker & checker, const TImage * actual, const TImage * expected, double tolerance, const char * name)
{
  checker.Expect(actual->GetBufferedRegion() == expected->GetBufferedRegion() &&
                   actual->GetOrigin() == expected->GetOrigin() && actual->GetSpacing() == expected->GetSpacing() &&
                   actual->GetDirection() == expected->GetDirection(),
                 std::string(name) + ": the same grid");
  const auto  count = actual->GetBufferedRegion().GetNumberOfPixels();
  std::size_t different = 0;
  for (itk::SizeValueType i = 0; i < count && i < expected->GetBufferedRegion().GetNumberOfPixels(); ++i)
  {
    const double difference = static_cast<double>(actual->GetBufferPointer()[i]) - expected->GetBufferPointer()[i];
    if (!(std::abs(difference) <= tolerance) && ++different < 5)
    {
      std::cout << name << ": " << actual->GetBufferPointer()[i] << " instead of " << expected->GetBufferPointer()[i]
                << " at " << actual->ComputeIndex(static_cast<itk::OffsetValueType>(i)) << std::endl;
    }
  }
  checker.ExpectBelow(static_cast<double>(different), 1.0 + 1e-4 * count, std::string(name) + ": voxels that differ");
}

template <unsigned int VDimension>
void
CheckWarp(Checker & checker, const std::string & device)
{
  using ImageType = itk::Image<float, VDimension>;
  using VectorType = itk::Vector<double, VDimension>;
  using FieldType = itk::Image<VectorType, VDimension>;
  using PointType = typename ImageType::PointType;
  using FilterType = itk::GPUWarpImageFilter<ImageType>;
  using InterpolationEnum = typename FilterType::InterpolationEnum;

  auto                      image = MakeGrid<ImageType>({ 45, 38, 31 }, { 1.1, 0.8, 1.5 }, -4.0, 0.3);
  auto                      field = MakeGrid<FieldType>({ 40, 42, 29 }, { 1.2, 0.8, 1.4 }, -3.0, -0.2);
  auto                      coarse = MakeGrid<FieldType>({ 20, 21, 15 }, { 2.4, 1.6, 2.8 }, -3.0, -0.2);
  OffsetIndex(image.GetPointer());
  OffsetIndex(field.GetPointer());
  OffsetIndex(coarse.GetPointer());
  const auto                centre = Centre(image.GetPointer());
  const Phantom<VDimension> phantom(centre, 50.0, 3);
  Fill<ImageType>(image, [&](const PointType & p) { return static_cast<float>(phantom(p) / 100.0); });
  const auto displacement = [&](const PointType & p) { return SmoothDisplacement<VDimension>(p, centre, 80.0, 4.0); };
  Fill<FieldType>(field, displacement);
  Fill<FieldType>(coarse, displacement);
  auto linear = itk::AffineTransform<double, VDimension>::New();
  linear->SetCenter(centre);
  linear->Scale(1.1);
  VectorType shift;
  shift.Fill(0.7);
  linear->Translate(shift);

  // WarpImageFilter, field on the output's grid and on a coarser one
  for (const bool sameGrid : { true, false })
  {
    auto reference = itk::WarpImageFilter<ImageType, ImageType, FieldType>::New();
    reference->SetInput(image);
    reference->SetDisplacementField(sameGrid ? field : coarse);
    reference->SetOutputParametersFromImage(field);
    reference->SetEdgePaddingValue(-1.0);
    reference->Update();
    auto filter = FilterType::New();
    filter->SetDevice(device);
    filter->SetInput(image);
    filter->SetDisplacementField(sameGrid ? field : coarse);
    filter->SetOutputParametersFromImage(field);
    filter->SetEdgePaddingValue(-1.0);
    filter->Update();
    ExpectSameImages<ImageType>(checker,
                                filter->GetOutput(),
                                reference->GetOutput(),
                                1e-4,
                                sameGrid ? "WarpImageFilter" : "WarpImageFilter, coarse field");
    checker.Expect(filter->GetDeviceName() == itk::GPUDiffeomorphicEngine::ResolveDevice(device), "the device's name");

    // without further ado the output grid is the field's
    auto plain = FilterType::New();
    plain->SetDevice(device);
    plain->SetInput(image);
    plain->SetDisplacementField(field);
    plain->SetEdgePaddingValue(-1.0);
    plain->Update();
    if (sameGrid)
    {
      checker.Expect(SameBits<ImageType>(plain->GetOutput(), filter->GetOutput()), "the field's grid is the default");
    }
  }

  // ResampleImageFilter with the composite of the transform after the field
  for (const auto interpolation :
       { InterpolationEnum::NearestNeighbor, InterpolationEnum::Linear, InterpolationEnum::CubicBSpline })
  {
    for (const bool useField : { true, false })
    {
      auto composite = itk::CompositeTransform<double, VDimension>::New();
      composite->AddTransform(linear);
      auto fieldTransform = itk::DisplacementFieldTransform<double, VDimension>::New();
      fieldTransform->SetDisplacementField(field);
      if (useField)
      {
        composite->AddTransform(fieldTransform);
      }
      auto reference = itk::ResampleImageFilter<ImageType, ImageType>::New();
      reference->SetInput(image);
      reference->SetTransform(composite);
      reference->SetReferenceImage(field);
      reference->UseReferenceImageOn();
      reference->SetDefaultPixelValue(2.0);
      if (interpolation == InterpolationEnum::NearestNeighbor)
      {
        reference->SetInterpolator(itk::NearestNeighborInterpolateImageFunction<ImageType>::New());
      }
      else if (interpolation == InterpolationEnum::CubicBSpline)
      {
        reference->SetInterpolator(itk::BSplineInterpolateImageFunction<ImageType>::New());
      }
      reference->Update();
      auto filter = FilterType::New();
      filter->SetDevice(device);
      filter->SetInput(image);
      filter->SetTransform(linear);
      if (useField)
      {
        filter->SetDisplacementField(field);
      }
      filter->SetOutputParametersFromImage(field);
      filter->SetInterpolation(interpolation);
      filter->SetEdgePaddingValue(2.0);
      filter->Update();
      ExpectSameImages<ImageType>(
        checker, filter->GetOutput(), reference->GetOutput(), 1e-4, useField ? "affine and field" : "affine");
    }
  }

  // integer output is rounded and clamped
  using ByteImageType = itk::Image<unsigned char, VDimension>;
  auto bright = ImageType::New();
  bright->Graft(MakeGrid<ImageType>({ 9, 8, 7 }, { 1.0, 1.0, 1.0 }, 0.0, 0.0));
  bright->FillBuffer(300.0f);
  bright->GetBufferPointer()[0] = -20.0f;
  bright->GetBufferPointer()[1] = 7.6f;
  auto toBytes = itk::GPUWarpImageFilter<ImageType, ByteImageType>::New();
  toBytes->SetDevice(device);
  toBytes->SetInput(bright);
  toBytes->SetOutputParametersFromImage(bright);
  toBytes->Update();
  const auto * bytes = toBytes->GetOutput()->GetBufferPointer();
  checker.Expect(bytes[0] == 0 && bytes[1] == 8 && bytes[2] == 255, "integers are rounded and clamped");

  // labels beyond what float holds; where two labels meet, the one whose indicator's linear sample is above a half
  using LabelImageType = itk::Image<unsigned int, VDimension>;
  constexpr unsigned int low = 4000000001u;
  constexpr unsigned int high = 4000000002u;
  constexpr unsigned int outside = 7u;
  auto                   labels = LabelImageType::New();
  auto                   indicator = ImageType::New();
  for (itk::ImageBase<VDimension> * grid : { static_cast<itk::ImageBase<VDimension> *>(labels.GetPointer()),
                                             static_cast<itk::ImageBase<VDimension> *>(indicator.GetPointer()) })
  {
    grid->CopyInformation(image);
    grid->SetRegions(image->GetBufferedRegion());
  }
  labels->Allocate();
  indicator->Allocate();
  for (itk::SizeValueType i = 0; i < image->GetBufferedRegion().GetNumberOfPixels(); ++i)
  {
    const bool above = image->GetBufferPointer()[i] > 0.4f;
    labels->GetBufferPointer()[i] = above ? high : low;
    indicator->GetBufferPointer()[i] = above ? 1.0f : 0.0f;
  }
  auto linearFilter = FilterType::New();
  linearFilter->SetDevice(device);
  linearFilter->SetInput(indicator);
  linearFilter->SetTransform(linear);
  linearFilter->SetDisplacementField(field);
  linearFilter->SetEdgePaddingValue(-1.0);
  linearFilter->Update();
  auto labelFilter = itk::GPUWarpImageFilter<LabelImageType>::New();
  labelFilter->SetDevice(device);
  labelFilter->SetInput(labels);
  labelFilter->SetTransform(linear);
  labelFilter->SetDisplacementField(field);
  labelFilter->SetInterpolation(InterpolationEnum::Label);
  labelFilter->SetEdgePaddingValue(outside);
  labelFilter->Update();
  std::size_t wrong = 0;
  std::size_t counts[3] = { 0, 0, 0 };
  for (itk::SizeValueType i = 0; i < field->GetBufferedRegion().GetNumberOfPixels(); ++i)
  {
    const float        weight = linearFilter->GetOutput()->GetBufferPointer()[i];
    const unsigned int expected = weight < 0.0f ? outside : (weight > 0.5f ? high : low);
    wrong += std::abs(weight - 0.5f) > 1e-5f && labelFilter->GetOutput()->GetBufferPointer()[i] != expected ? 1 : 0;
    ++counts[weight < 0.0f ? 0 : (weight > 0.5f ? 1 : 2)];
  }
  checker.Expect(wrong == 0 && counts[0] > 10 && counts[1] > 10 && counts[2] > 10, "labels");

  // what it does not take
  bright->GetBufferPointer()[5] = std::numeric_limits<float>::quiet_NaN();
  auto notLabels = FilterType::New();
  notLabels->SetDevice(device);
  notLabels->SetInput(bright);
  notLabels->SetInterpolation(InterpolationEnum::Label);
  checker.ExpectThrow([&]() { notLabels->Update(); }, "not a number");
  auto bad = FilterType::New();
  bad->SetDevice("tpu");
  bad->SetInput(image);
  bad->SetDisplacementField(field);
  checker.ExpectThrow([&]() { bad->Update(); }, "tpu");
  bad->SetDevice(device);
  bad->SetTransform(itk::BSplineTransform<double, VDimension, 3>::New());
  checker.ExpectThrow([&]() { bad->Update(); }, "linear");
}
} // namespace

int
itkGPUWarpImageFilterTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  using FilterType = itk::GPUWarpImageFilter<itk::Image<float, 3>>;
  auto filter = FilterType::New();
  ITK_EXERCISE_BASIC_OBJECT_METHODS(filter, GPUWarpImageFilter, ImageToImageFilter);
  filter->SetDevice("cpu");
  ITK_TEST_EXPECT_EQUAL(std::string(filter->GetDevice()), std::string("cpu"));
  filter->SetEdgePaddingValue(3.0);
  ITK_TEST_SET_GET_VALUE(3.0, filter->GetEdgePaddingValue());
  filter->SetInterpolation(FilterType::InterpolationEnum::CubicBSpline);
  ITK_TEST_EXPECT_TRUE(filter->GetInterpolation() == FilterType::InterpolationEnum::CubicBSpline);
  ITK_TEST_EXPECT_TRUE(filter->GetDeviceName().empty());

  Checker checker;
  CheckWarp<3>(checker, device);
  CheckWarp<2>(checker, device);
  return checker.Status();
}
