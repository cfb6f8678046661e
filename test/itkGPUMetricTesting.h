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
#ifndef itkGPUMetricTesting_h
#define itkGPUMetricTesting_h

#include "itkGPUDiffeomorphicTesting.h"
#include "itkGPULocalNormalizedCrossCorrelationImageToImageMetricv4.h"
#include "itkGPUMattesMutualInformationImageToImageMetricv4.h"
#include "itkGPUMeanSquaresImageToImageMetricv4.h"

#include "itkAffineTransform.h"

#include <algorithm>

// Helpers of the tests of the metrics: pairs of images, and comparisons with ITK's metrics.
namespace GPUMetricTesting
{
using namespace GPUDiffeomorphicTesting;

/** Two images of one phantom on grids of their own; the moving image is the larger one. */
template <typename TImage>
struct Pair
{
  using ImageType = TImage;
  static constexpr unsigned int Dimension = TImage::ImageDimension;
  typename TImage::Pointer      fixed;
  typename TImage::Pointer      moving;
  typename TImage::PointType    centre;
  double                        extent;

  explicit Pair(bool oblique)
  {
    const std::vector<double> spacing = oblique ? std::vector<double>{ 1.3, 0.9, 1.7 } : std::vector<double>{ 1, 1, 1 };
    fixed = MakeGrid<TImage>({ 23, 26, 14 }, spacing, 5.0, oblique ? 0.3 : 0.0);
    if (oblique)
    {
      OffsetIndex(fixed.GetPointer());
    }
    centre = Centre(fixed.GetPointer());
    extent = 34.0;
    moving = fixed;
    if (oblique)
    {
      moving = MakeGrid<TImage>({ 37, 35, 29 }, { 1.1, 1.2, 1.4 }, 0.0, 0.1);
      const auto shift = centre - Centre(moving.GetPointer());
      moving->SetOrigin(moving->GetOrigin() + shift);
      OffsetIndex(moving.GetPointer());
    }
    else
    {
      moving = MakeGrid<TImage>({ 23, 26, 14 }, spacing, 5.0, 0.0);
    }
    const Phantom<Dimension> phantom(centre, extent, 3);
    const auto               scene = [&](const typename TImage::PointType & p) {
      // texture everywhere, so that no window is flat to rounding
      return phantom(p) + 3.0 * std::sin(0.9 * p[0]) * std::cos(0.7 * p[1]);
    };
    using PixelType = typename TImage::PixelType;
    Fill<TImage>(fixed, [&](const typename TImage::PointType & p) { return static_cast<PixelType>(scene(p)); });
    Fill<TImage>(moving, [&](const typename TImage::PointType & p) {
      return static_cast<PixelType>(1.2 * scene(p + SmoothDisplacement<Dimension>(p, centre, extent, 1.5)) + 7.0);
    });
  }

  typename itk::DisplacementFieldTransform<double, Dimension>::Pointer
  MakeField(const itk::ImageBase<Dimension> * grid, double amplitude) const
  {
    using TransformType = itk::DisplacementFieldTransform<double, Dimension>;
    using FieldType = typename TransformType::DisplacementFieldType;
    auto field = FieldType::New();
    field->CopyInformation(grid);
    field->SetRegions(grid->GetBufferedRegion());
    field->Allocate();
    Fill<FieldType>(field, [&](const typename FieldType::PointType & p) {
      typename FieldType::PixelType u = SmoothDisplacement<Dimension>(p, centre, 1.5 * extent, amplitude);
      u[0] += amplitude == 0.0 ? 0.0 : 0.11;
      return u;
    });
    auto transform = TransformType::New();
    transform->SetDisplacementField(field);
    return transform;
  }

  typename itk::AffineTransform<double, Dimension>::Pointer
  MakeAffine(double amount = 1.0) const
  {
    auto transform = itk::AffineTransform<double, Dimension>::New();
    transform->SetCenter(centre);
    auto parameters = transform->GetParameters();
    for (unsigned int i = 0; i < parameters.Size(); ++i)
    {
      parameters[i] += amount * (i < Dimension * Dimension ? 0.02 * std::sin(1.0 + i) : 0.37 + 0.1 * i);
    }
    transform->SetParameters(parameters);
    return transform;
  }
};

/** Largest difference relative to the largest value. */
inline double
RelativeDifference(const itk::Array<double> & actual, const itk::Array<double> & expected)
{
  double difference = actual.Size() == expected.Size() ? 0.0 : 1e300;
  double largest = 1e-300;
  for (unsigned int i = 0; i < expected.Size() && actual.Size() == expected.Size(); ++i)
  {
    difference = std::max(difference, std::isfinite(actual[i]) ? std::abs(actual[i] - expected[i]) : 1e300);
    largest = std::max(largest, std::abs(expected[i]));
  }
  return difference / largest;
}

/** Value and derivative of both metrics, which are initialised here, agree. */
template <typename TMetric, typename TItkMetric>
void
Compare(Checker & check, TMetric * metric, TItkMetric * itkMetric, const std::string & name)
{
  typename TMetric::DerivativeType    derivative;
  typename TItkMetric::DerivativeType expected;
  typename TMetric::MeasureType       value;
  typename TItkMetric::MeasureType    expectedValue;
  metric->Initialize();
  itkMetric->Initialize();
  metric->GetValueAndDerivative(value, derivative);
  itkMetric->GetValueAndDerivative(expectedValue, expected);
  check.Expect(!metric->GetDeviceName().empty(), name + " was not evaluated on the device");
  check.Expect(metric->GetNumberOfValidPoints() == itkMetric->GetNumberOfValidPoints(),
               name + ": " + std::to_string(metric->GetNumberOfValidPoints()) + " valid points, ITK has " +
                 std::to_string(itkMetric->GetNumberOfValidPoints()));
  check.ExpectBelow(std::abs(value - expectedValue) / std::abs(expectedValue), 1e-6, name + ", value");
  check.ExpectBelow(RelativeDifference(derivative, expected), 1e-5, name + ", derivative");
  check.ExpectBelow(std::abs(metric->GetValue() - expectedValue) / std::abs(expectedValue), 1e-6, name + ", value alone");
}
} // namespace GPUMetricTesting

#endif
