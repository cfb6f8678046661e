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
#ifndef itkGPUDiffeomorphicTesting_h
#define itkGPUDiffeomorphicTesting_h

#include "itkGPUDiffeomorphicEngine.h"

#include "itkDisplacementFieldTransform.h"
#include "itkImage.h"
#include "itkImageRegionConstIterator.h"
#include "itkImageRegionIteratorWithIndex.h"

#include <cmath>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <vector>

// Helpers of the class tests: images from formulas in physical space, and the device that a test is run on.
namespace GPUDiffeomorphicTesting
{
/** The device named by the test's first argument; false (and a line that says why) when it is not usable, upon which a
 * test returns 77, which CTest counts as skipped. */
inline bool
GetDevice(int argc, char * argv[], std::string & device)
{
  device = argc > 1 ? argv[1] : "cpu";
  try
  {
    std::cout << "device " << itk::GPUDiffeomorphicEngine::ResolveDevice(device) << std::endl;
    return true;
  }
  catch (const itk::ExceptionObject & error)
  {
    std::cout << "skipped: " << error.GetDescription() << std::endl;
    return false;
  }
}
constexpr int skipped = 77;

/** Prints what is wrong and remembers it. */
class Checker
{
public:
  void
  Expect(bool condition, const std::string & message)
  {
    if (!condition)
    {
      std::cerr << "FAILED: " << message << std::endl;
      m_Failed = true;
    }
  }
  void
  ExpectBelow(double value, double bound, const std::string & name)
  {
    std::cout << name << " = " << value << " (below " << bound << ")" << std::endl;
    this->Expect(value < bound, name + " is " + std::to_string(value) + ", not below " + std::to_string(bound));
  }
  /** The command throws an exception whose message holds `text`. */
  void
  ExpectThrow(const std::function<void()> & command, const std::string & text)
  {
    try
    {
      command();
      this->Expect(false, "no exception that names " + text);
    }
    catch (const itk::ExceptionObject & error)
    {
      const std::string description = error.GetDescription();
      std::cout << "expected: " << description << std::endl;
      this->Expect(description.find(text) != std::string::npos, "the message does not name " + text);
    }
  }
  int
  Status() const
  {
    return m_Failed ? EXIT_FAILURE : EXIT_SUCCESS;
  }

private:
  bool m_Failed = false;
};

/** An empty image with spacing, origin and a direction that is no permutation of the axes; angle 0: the identity. */
template <typename TImage>
typename TImage::Pointer
MakeGrid(const std::vector<int> & size, const std::vector<double> & spacing, double origin, double angle)
{
  constexpr unsigned int       dimension = TImage::ImageDimension;
  typename TImage::SizeType    sizeOfImage;
  typename TImage::SpacingType spacingOfImage;
  typename TImage::PointType   originOfImage;
  for (unsigned int d = 0; d < dimension; ++d)
  {
    sizeOfImage[d] = size[d];
    spacingOfImage[d] = spacing[d];
    originOfImage[d] = origin + 3.0 * d;
  }
  typename TImage::DirectionType direction;
  direction.SetIdentity();
  for (unsigned int d = 0; d + 1 < dimension; ++d)
  {
    typename TImage::DirectionType rotation;
    rotation.SetIdentity();
    rotation(d, d) = rotation(d + 1, d + 1) = std::cos(angle);
    rotation(d, d + 1) = -std::sin(angle);
    rotation(d + 1, d) = std::sin(angle);
    direction = direction * rotation;
  }
  auto image = TImage::New();
  image->SetRegions(sizeOfImage);
  image->SetSpacing(spacingOfImage);
  image->SetOrigin(originOfImage);
  image->SetDirection(direction);
  image->Allocate();
  image->FillBuffer(typename TImage::PixelType{});
  return image;
}

/** Sets every voxel from its physical point. */
template <typename TImage>
void
Fill(TImage * image, const std::function<typename TImage::PixelType(const typename TImage::PointType &)> & function)
{
  itk::ImageRegionIteratorWithIndex<TImage> it(image, image->GetBufferedRegion());
  for (; !it.IsAtEnd(); ++it)
  {
    typename TImage::PointType point;
    image->TransformIndexToPhysicalPoint(it.GetIndex(), point);
    it.Set(function(point));
  }
}

/** Gives the first voxel another index; the voxels stay where they are in space and are to be filled anew. */
template <typename TImage>
void
OffsetIndex(TImage * image)
{
  auto                       region = image->GetBufferedRegion();
  auto                       index = region.GetIndex();
  typename TImage::PointType before;
  typename TImage::PointType after;
  image->TransformIndexToPhysicalPoint(index, before);
  for (unsigned int d = 0; d < TImage::ImageDimension; ++d)
  {
    index[d] += 3 - 5 * static_cast<int>(d);
  }
  image->TransformIndexToPhysicalPoint(index, after);
  image->SetOrigin(image->GetOrigin() + (before - after));
  region.SetIndex(index);
  image->SetRegions(region);
  image->Allocate();
}

/** The centre of an image's grid in physical space. */
template <typename TImage>
typename TImage::PointType
Centre(const TImage * image)
{
  itk::ContinuousIndex<double, TImage::ImageDimension> index;
  for (unsigned int d = 0; d < TImage::ImageDimension; ++d)
  {
    index[d] = image->GetBufferedRegion().GetIndex(d) + 0.5 * (image->GetBufferedRegion().GetSize(d) - 1.0);
  }
  typename TImage::PointType point;
  image->TransformContinuousIndexToPhysicalPoint(index, point);
  return point;
}

/** A function of physical space with edges and texture everywhere: blobs with steep flanks, in [0, 100]. */
template <unsigned int VDimension>
class Phantom
{
public:
  using PointType = itk::Point<double, VDimension>;

  Phantom(const PointType & centre, double extent, unsigned int seed)
  {
    std::mt19937 engine(seed);
    const auto uniform = [&engine](double low, double high) { return low + (high - low) * (engine() / 4294967296.0); };
    const int  count = VDimension == 2 ? 60 : 220;
    for (int n = 0; n < count; ++n)
    {
      Blob blob;
      for (unsigned int d = 0; d < VDimension; ++d)
      {
        blob.centre[d] = centre[d] + uniform(-0.5, 0.5) * extent;
      }
      blob.radius = uniform(0.04, 0.12) * extent;
      blob.height = uniform(-35.0, 35.0);
      m_Blobs.push_back(blob);
    }
  }

  double
  operator()(const PointType & point) const
  {
    double value = 50.0;
    for (const Blob & blob : m_Blobs)
    {
      const double distance = point.EuclideanDistanceTo(blob.centre) / blob.radius;
      value += distance < 3.0 ? blob.height / (1.0 + std::exp(6.0 * (distance - 1.0))) : 0.0;
    }
    return value < 0.0 ? 0.0 : (value > 100.0 ? 100.0 : value);
  }

private:
  struct Blob
  {
    PointType centre;
    double    radius;
    double    height;
  };
  std::vector<Blob> m_Blobs;
};

/** A smooth displacement of physical space of at most about `amplitude`, 0 beyond half the extent from the centre. */
template <unsigned int VDimension>
itk::Vector<double, VDimension>
SmoothDisplacement(const itk::Point<double, VDimension> & point,
                   const itk::Point<double, VDimension> & centre,
                   double                                 extent,
                   double                                 amplitude)
{
  constexpr double                pi = 3.14159265358979323846;
  itk::Vector<double, VDimension> displacement;
  double                          fade = 1.0;
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    const double t = (point[d] - centre[d]) / extent;
    fade *= std::abs(t) < 0.5 ? std::cos(pi * t) * std::cos(pi * t) : 0.0;
  }
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    const double t = (point[(d + 1) % VDimension] - centre[(d + 1) % VDimension]) / extent;
    displacement[d] = amplitude * fade * std::cos(2.0 * pi * t + 1.3 * d);
  }
  return displacement;
}

/** True if both images hold the same bits. */
template <typename TImage>
bool
SameBits(const TImage * a, const TImage * b)
{
  const auto count = a->GetBufferedRegion().GetNumberOfPixels();
  return a->GetBufferedRegion() == b->GetBufferedRegion() &&
         std::equal(a->GetBufferPointer(), a->GetBufferPointer() + count, b->GetBufferPointer());
}
} // namespace GPUDiffeomorphicTesting

#endif
