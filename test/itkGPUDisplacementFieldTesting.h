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
#ifndef itkGPUDisplacementFieldTesting_h
#define itkGPUDisplacementFieldTesting_h

#include "itkGPUDiffeomorphicTesting.h"

#include "itkCastImageFilter.h"
#include "itkImageDuplicator.h"
#include "itkOutputWindow.h"
#include "itkStreamingImageFilter.h"

#include <algorithm>
#include <limits>
#include <type_traits>

// Helpers of the tests of the displacement-field filters.
namespace GPUDiffeomorphicTesting
{
template <typename TComponent, unsigned int VDimension>
using FieldImage = itk::Image<itk::Vector<TComponent, VDimension>, VDimension>;

/** A smooth field on an oblique grid of unlike spacings whose index does not start at 0. With fade it is 0 well before the
 * border, else it is large there. The amplitude is physical; spacings are about 1. */
template <typename TField>
typename TField::Pointer
MakeField(double amplitude, bool fade, double phase = 0.0, double angle = 0.3)
{
  constexpr unsigned int dimension = TField::ImageDimension;
  const auto             field = MakeGrid<TField>({ 37, 29, 23 }, { 0.8, 1.3, 1.1 }, -7.0, angle);
  auto                   region = field->GetLargestPossibleRegion();
  const int              start[3] = { 5, -3, 2 };
  for (unsigned int d = 0; d < dimension; ++d)
  {
    region.SetIndex(d, start[d]);
  }
  field->SetRegions(region);
  field->Allocate();
  auto centre = Centre(field.GetPointer());
  for (unsigned int d = 0; d < dimension; ++d)
  {
    centre[d] += phase * (d + 1.0);
  }
  Fill<TField>(field, [&](const typename TField::PointType & p) {
    const auto vector = SmoothDisplacement<dimension>(p, centre, fade ? 20.0 : 70.0, amplitude);
    typename TField::PixelType pixel;
    for (unsigned int d = 0; d < dimension; ++d)
    {
      pixel[d] = static_cast<typename TField::PixelType::ValueType>(vector[d]);
    }
    return pixel;
  });
  return field;
}

/** The same grid and pixels in memory of their own. */
template <typename TImage>
typename TImage::Pointer
Copy(const TImage * image)
{
  const auto duplicator = itk::ImageDuplicator<TImage>::New();
  duplicator->SetInputImage(image);
  duplicator->Update();
  return duplicator->GetOutput();
}

/** The same points in space with an index that starts at 0. */
template <typename TImage>
typename TImage::Pointer
WithIndexFromZero(const TImage * image)
{
  const auto                 result = Copy(image);
  typename TImage::PointType origin;
  image->TransformIndexToPhysicalPoint(image->GetBufferedRegion().GetIndex(), origin);
  result->SetOrigin(origin);
  auto region = image->GetBufferedRegion();
  region.SetIndex(typename TImage::IndexType{});
  result->SetRegions(region);
  return result;
}

/** A part of the image away from its first voxel. */
template <typename TImage>
typename TImage::RegionType
InnerRegion(const TImage * image)
{
  auto region = image->GetLargestPossibleRegion();
  for (unsigned int d = 0; d < TImage::ImageDimension; ++d)
  {
    region.SetIndex(d, region.GetIndex(d) + 4 + d);
    region.SetSize(d, region.GetSize(d) - 9);
  }
  return region;
}

/** A source that computes no more than it is asked for: the image through a conversion from the other precision. */
template <typename TField>
class StreamedSource
{
public:
  using ComponentType = typename TField::PixelType::ValueType;
  using OtherType = typename std::conditional<std::is_same<ComponentType, float>::value, double, float>::type;
  using OtherFieldType = FieldImage<OtherType, TField::ImageDimension>;

  explicit StreamedSource(const TField * field)
    : m_There(itk::CastImageFilter<TField, OtherFieldType>::New())
    , m_Back(itk::CastImageFilter<OtherFieldType, TField>::New())
  {
    m_There->SetInput(field);
    m_Back->SetInput(m_There->GetOutput());
  }

  TField *
  GetOutput() const
  {
    return m_Back->GetOutput();
  }

private:
  typename itk::CastImageFilter<TField, OtherFieldType>::Pointer m_There;
  typename itk::CastImageFilter<OtherFieldType, TField>::Pointer m_Back;
};

/** The output of a filter, computed in pieces. */
template <typename TImage>
typename TImage::Pointer
Stream(TImage * image)
{
  const auto streamer = itk::StreamingImageFilter<TImage, TImage>::New();
  streamer->SetInput(image);
  streamer->SetNumberOfStreamDivisions(5);
  streamer->Update();
  return streamer->GetOutput();
}

inline double
Difference(double a, double b)
{
  return std::abs(a - b);
}

template <typename TValue, unsigned int VDimension>
double
Difference(const itk::Vector<TValue, VDimension> & a, const itk::Vector<TValue, VDimension> & b)
{
  double largest = 0.0;
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    // NaN is not below anything and sticks
    const double difference = Difference(a[d], b[d]);
    largest = difference <= largest ? largest : difference;
  }
  return largest;
}

/** The largest difference within a region, which both buffers hold, and the number of voxels above a bound. */
template <typename TImage>
double
LargestDifference(const TImage *                      a,
                  const TImage *                      b,
                  const typename TImage::RegionType & region,
                  double                              bound = 0.0,
                  std::size_t *                       above = nullptr)
{
  double                                 largest = 0.0;
  itk::ImageRegionConstIterator<TImage> itA(a, region);
  itk::ImageRegionConstIterator<TImage> itB(b, region);
  for (; !itA.IsAtEnd(); ++itA, ++itB)
  {
    const double difference = Difference(itA.Get(), itB.Get());
    largest = difference <= largest ? largest : difference;
    if (above && !(difference <= bound))
    {
      ++*above;
    }
  }
  return largest;
}

/** The same grid, and all voxels alike. */
template <typename TImage>
void
ExpectSame(Checker & checker, const TImage * actual, const TImage * expected, double tolerance, const std::string & name)
{
  const bool sameGrid = actual->GetBufferedRegion() == expected->GetBufferedRegion() &&
                        actual->GetLargestPossibleRegion() == expected->GetLargestPossibleRegion() &&
                        actual->GetOrigin() == expected->GetOrigin() &&
                        actual->GetSpacing() == expected->GetSpacing() &&
                        actual->GetDirection() == expected->GetDirection();
  checker.Expect(sameGrid, name + ": the same grid");
  if (sameGrid)
  {
    checker.ExpectBelow(
      LargestDifference(actual, expected, actual->GetBufferedRegion()), tolerance, name + ": largest difference");
  }
}

template <typename TField>
double
LargestComponent(const TField * field)
{
  const auto zero = Copy(field);
  zero->FillBuffer(typename TField::PixelType(0.0));
  return LargestDifference(field, zero.GetPointer(), field->GetBufferedRegion());
}

/** Counts warnings while it lives. */
class WarningCounter : public itk::OutputWindow
{
public:
  using Self = WarningCounter;
  using Pointer = itk::SmartPointer<Self>;
  itkFactorylessNewMacro(Self);

  void
  DisplayWarningText(const char * text) override
  {
    std::cout << "warning: " << text << std::endl;
    ++m_Count;
  }
  int
  GetCount() const
  {
    return m_Count;
  }

private:
  int m_Count = 0;
};
} // namespace GPUDiffeomorphicTesting

#endif
