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
#ifndef itkGPUDiffeomorphicGeometry_h
#define itkGPUDiffeomorphicGeometry_h

#include "itkGPUDiffeomorphicEngine.h"

#include "itkImageBase.h"
#include "itkImageRegionConstIterator.h"
#include "itkMath.h"
#include "itkTransform.h"

#include <type_traits>
#include <vector>

namespace itk
{
/** Translation between physical and index space at the border of the engine. Grids are those of the buffered regions;
 * the first buffered voxel has index 0. 2D grids get a third axis of one voxel.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
namespace GPUDiffeomorphicGeometry
{
using EngineType = GPUDiffeomorphicEngine;

template <unsigned int VDimension>
EngineType::SizeType
GetSize(const ImageRegion<VDimension> & region)
{
  EngineType::SizeType size{ { 1, 1, 1 } };
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    const auto n = region.GetSize(d);
    if (n > 32767u)
    {
      itkGenericExceptionMacro(<< "an image of " << n << " voxels along axis " << d << " is larger than 32767");
    }
    size[d] = static_cast<int>(n);
  }
  return size;
}

template <unsigned int VDimension>
EngineType::SizeType
GetSize(const ImageBase<VDimension> * image)
{
  return GetSize(image->GetBufferedRegion());
}

/** True if the voxels of one index lie at the same place in both images, within a millionth of a voxel. */
template <unsigned int VDimension>
bool
HaveSameGeometry(const ImageBase<VDimension> * a, const ImageBase<VDimension> * b)
{
  constexpr double tolerance = 1e-6;
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    if (Math::abs(a->GetOrigin()[i] - b->GetOrigin()[i]) > tolerance * a->GetSpacing()[i] ||
        Math::abs(a->GetSpacing()[i] - b->GetSpacing()[i]) > tolerance * a->GetSpacing()[i])
    {
      return false;
    }
    for (unsigned int j = 0; j < VDimension; ++j)
    {
      if (Math::abs(a->GetDirection()(i, j) - b->GetDirection()(i, j)) > tolerance)
      {
        return false;
      }
    }
  }
  return true;
}

/** The same, and the same buffered region. */
template <unsigned int VDimension>
bool
HaveSameGrid(const ImageBase<VDimension> * a, const ImageBase<VDimension> * b)
{
  return a->GetBufferedRegion() == b->GetBufferedRegion() && HaveSameGeometry(a, b);
}

/** Direction times spacing: index differences to physical vectors. */
template <unsigned int VDimension>
EngineType::MatrixType
GetIndexToPhysicalMatrix(const ImageBase<VDimension> * image)
{
  EngineType::MatrixType matrix{ { { { 1, 0, 0 } }, { { 0, 1, 0 } }, { { 0, 0, 1 } } } };
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    for (unsigned int j = 0; j < VDimension; ++j)
    {
      matrix[i][j] = image->GetDirection()(i, j) * image->GetSpacing()[j];
    }
  }
  return matrix;
}

template <unsigned int VDimension>
EngineType::MatrixType
GetPhysicalToIndexMatrix(const ImageBase<VDimension> * image)
{
  EngineType::MatrixType matrix{ { { { 1, 0, 0 } }, { { 0, 1, 0 } }, { { 0, 0, 1 } } } };
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    for (unsigned int j = 0; j < VDimension; ++j)
    {
      matrix[i][j] = image->GetInverseDirection()(i, j) / image->GetSpacing()[i];
    }
  }
  return matrix;
}

/** Index of `from` -> physical point -> `transformPoint`, a linear map of points -> index of `to`. */
template <unsigned int VDimension, typename TFunction>
EngineType::AffineType
GetIndexToIndexMapBy(const ImageBase<VDimension> * from,
                     const TFunction &             transformPoint,
                     const ImageBase<VDimension> * to)
{
  using PointType = Point<double, VDimension>;
  // Steps much longer than a voxel, so that the differences of points keep their digits.
  constexpr double step = 1024.0;
  const auto       map = [&](int axis) {
    ContinuousIndex<double, VDimension> index(from->GetBufferedRegion().GetIndex());
    if (axis >= 0)
    {
      index[axis] += step;
    }
    PointType point;
    from->TransformContinuousIndexToPhysicalPoint(index, point);
    point = transformPoint(point);
    ContinuousIndex<double, VDimension> result;
    // the answer of the function is whether the point is inside, which does not matter here
    static_cast<void>(to->TransformPhysicalPointToContinuousIndex(point, result));
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      result[d] -= static_cast<double>(to->GetBufferedRegion().GetIndex(d));
    }
    return result;
  };
  EngineType::AffineType affine = EngineType::IdentityAffine();
  const auto             origin = map(-1);
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    affine[i][3] = origin[i];
  }
  for (unsigned int j = 0; j < VDimension; ++j)
  {
    const auto end = map(static_cast<int>(j));
    for (unsigned int i = 0; i < VDimension; ++i)
    {
      // Exact zeros and ones stay what they are: rounding at 1e-13 is no shear.
      const double value = (end[i] - origin[i]) / step;
      const double whole = Math::Round<double>(value);
      affine[i][j] = Math::abs(value - whole) < 1e-12 ? whole : value;
    }
  }
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    const double whole = Math::Round<double>(affine[i][3]);
    affine[i][3] = Math::abs(affine[i][3] - whole) < 1e-9 ? whole : affine[i][3];
  }
  return affine;
}

/** The same through `transform`, a linear one, or null. */
template <unsigned int VDimension>
EngineType::AffineType
GetIndexToIndexMap(const ImageBase<VDimension> *                     from,
                   const Transform<double, VDimension, VDimension> * transform,
                   const ImageBase<VDimension> *                     to)
{
  using PointType = Point<double, VDimension>;
  return GetIndexToIndexMapBy<VDimension>(
    from, [transform](const PointType & point) { return transform ? transform->TransformPoint(point) : point; }, to);
}

/** The buffered voxels as TValue: the image's own memory when that is its pixel type, else `storage`. */
template <typename TValue, typename TImage>
const TValue *
GetBufferAs(const TImage * image, std::vector<TValue> & storage)
{
  if constexpr (std::is_same<typename TImage::PixelType, TValue>::value)
  {
    return image->GetBufferPointer();
  }
  else
  {
    storage.resize(image->GetBufferedRegion().GetNumberOfPixels());
    auto value = storage.begin();
    for (ImageRegionConstIterator<TImage> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it, ++value)
    {
      *value = static_cast<TValue>(it.Get());
    }
    return storage.data();
  }
}

/** Position of a voxel in an array that holds a region, x fastest. */
template <unsigned int VDimension>
std::size_t
GetOffset(const ImageRegion<VDimension> & region, const Index<VDimension> & index)
{
  std::size_t offset = 0;
  for (unsigned int d = VDimension; d-- > 0;)
  {
    offset = offset * region.GetSize(d) + static_cast<std::size_t>(index[d] - region.GetIndex(d));
  }
  return offset;
}

/** The buffered voxels for the engine to read. */
template <typename TImage>
EngineType::InputPixels
GetInputPixels(const TImage * image)
{
  return EngineType::InputPixels(image->GetBufferPointer());
}

/** The numbers of a field's vectors, which lie side by side. */
template <typename TField>
auto *
GetComponents(TField * field)
{
  using VectorType = typename TField::PixelType;
  using ComponentType = typename VectorType::ValueType;
  static_assert(std::is_floating_point<ComponentType>::value && sizeof(ComponentType) <= 8,
                "vectors of float or double");
  static_assert(sizeof(VectorType) == TField::ImageDimension * sizeof(ComponentType),
                "vectors of as many components as the image has dimensions");
  using ResultType = std::conditional_t<std::is_const<TField>::value, const ComponentType, ComponentType>;
  return reinterpret_cast<ResultType *>(field->GetBufferPointer());
}

/** A region of a field for the engine to read, its vectors times a matrix. */
template <typename TField>
EngineType::InputVectors
GetInputVectors(const TField * field, const typename TField::RegionType & region, const EngineType::MatrixType & matrix)
{
  EngineType::InputVectors vectors(GetComponents(field), static_cast<int>(TField::ImageDimension), matrix);
  const auto &             buffered = field->GetBufferedRegion();
  if (region != buffered)
  {
    vectors.fieldSize = GetSize(buffered);
    for (unsigned int d = 0; d < TField::ImageDimension; ++d)
    {
      vectors.blockStart[d] = static_cast<int>(region.GetIndex(d) - buffered.GetIndex(d));
    }
  }
  return vectors;
}

/** A region of a field of physical vectors, in voxels of its grid. */
template <typename TField>
EngineType::InputVectors
GetIndexVectors(const TField * field, const typename TField::RegionType & region)
{
  return GetInputVectors(field, region, GetPhysicalToIndexMatrix<TField::ImageDimension>(field));
}

/** All buffered ones. */
template <typename TField>
EngineType::InputVectors
GetIndexVectors(const TField * field)
{
  return GetIndexVectors(field, field->GetBufferedRegion());
}

/** The buffer of an allocated field for the engine to fill: physical vectors for those in voxels of its grid. */
template <typename TField>
EngineType::OutputVectors
GetPhysicalVectors(TField * field)
{
  return EngineType::OutputVectors(GetComponents(field),
                                   static_cast<int>(TField::ImageDimension),
                                   GetIndexToPhysicalMatrix<TField::ImageDimension>(field));
}
} // namespace GPUDiffeomorphicGeometry
} // namespace itk

#endif
