// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineItkTesting_h
#define itkEngineItkTesting_h

#include "EngineTesting.h"

#include "itkImage.h"
#include "itkImageRegionIteratorWithIndex.h"
#include "itkVector.h"

#include <cmath>

// The same fields as images of ITK on oblique, anisotropic grids: index vectors become physical vectors and back.
namespace itk
{
namespace engine
{
namespace test
{
template <unsigned int VDimension>
struct Geometry
{
  typename ImageBase<VDimension>::SpacingType   spacing;
  typename ImageBase<VDimension>::PointType     origin;
  typename ImageBase<VDimension>::DirectionType direction;

  /** physical = toPhysical index + origin; unused axes of a 2D grid stay as they are. */
  Matrix34
  ToPhysical() const
  {
    Matrix34 rows = IdentityAffine();
    for (unsigned int i = 0; i < VDimension; ++i)
    {
      for (unsigned int j = 0; j < VDimension; ++j)
      {
        rows[i][j] = direction[i][j] * spacing[j];
      }
      rows[i][3] = origin[i];
    }
    return rows;
  }
};

inline Matrix34
Inverse(const Matrix34 & rows)
{
  const auto cofactor = [&rows](int i, int j) {
    const int a = (i + 1) % 3;
    const int b = (i + 2) % 3;
    const int c = (j + 1) % 3;
    const int d = (j + 2) % 3;
    return rows[a][c] * rows[b][d] - rows[a][d] * rows[b][c];
  };
  const double determinant = rows[0][0] * cofactor(0, 0) + rows[0][1] * cofactor(0, 1) + rows[0][2] * cofactor(0, 2);
  Matrix34     result{};
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      result[i][j] = cofactor(j, i) / determinant;
    }
  }
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      result[i][3] -= result[i][j] * rows[j][3];
    }
  }
  return result;
}

/** a after b. */
inline Matrix34
Concatenate(const Matrix34 & a, const Matrix34 & b)
{
  Matrix34 result{};
  for (int i = 0; i < 3; ++i)
  {
    result[i][3] = a[i][3];
    for (int k = 0; k < 3; ++k)
    {
      result[i][3] += a[i][k] * b[k][3];
      for (int j = 0; j < 3; ++j)
      {
        result[i][j] += a[i][k] * b[k][j];
      }
    }
  }
  return result;
}

/** Spacings between 0.6 and 2.5 and a direction that is no permutation of the axes. */
template <unsigned int VDimension>
Geometry<VDimension>
MakeGeometry(unsigned int seed)
{
  Random               random(seed);
  Geometry<VDimension> geometry;
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    geometry.spacing[d] = random.Uniform(0.6, 2.5);
    geometry.origin[d] = random.Uniform(-90.0, 90.0);
  }
  geometry.direction.SetIdentity();
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    const unsigned int next = (d + 1) % VDimension;
    const double       angle = random.Uniform(0.2, 0.6);
    auto               rotation = geometry.direction;
    rotation.SetIdentity();
    rotation[d][d] = rotation[next][next] = std::cos(angle);
    rotation[d][next] = -std::sin(angle);
    rotation[next][d] = std::sin(angle);
    geometry.direction = geometry.direction * rotation;
  }
  return geometry;
}

template <typename TImage>
typename TImage::Pointer
MakeItkGrid(const Lattice & lattice, const Geometry<TImage::ImageDimension> & geometry)
{
  typename TImage::SizeType size;
  for (unsigned int d = 0; d < TImage::ImageDimension; ++d)
  {
    size[d] = lattice.size[d];
  }
  auto image = TImage::New();
  image->SetRegions(size);
  image->SetSpacing(geometry.spacing);
  image->SetOrigin(geometry.origin);
  image->SetDirection(geometry.direction);
  image->Allocate();
  return image;
}

template <unsigned int VDimension, typename T>
typename Image<double, VDimension>::Pointer
ToItkImage(const HostFieldOf<T> & field, const Geometry<VDimension> & geometry)
{
  auto image = MakeItkGrid<Image<double, VDimension>>(field.lattice, geometry);
  std::copy(field.values.begin(), field.values.end(), image->GetBufferPointer());
  return image;
}

template <unsigned int VDimension>
HostDoubles
FromItkImage(const Image<double, VDimension> * image, const Lattice & lattice)
{
  HostDoubles field(lattice);
  std::copy_n(image->GetBufferPointer(), field.values.size(), field.values.begin());
  return field;
}

template <unsigned int VDimension>
using ItkDisplacement = Image<Vector<double, VDimension>, VDimension>;

/** Displacements in voxels as physical vectors. */
template <unsigned int VDimension, typename T>
typename ItkDisplacement<VDimension>::Pointer
ToItkDisplacement(const HostFieldOf<T> & field, const Geometry<VDimension> & geometry)
{
  const Matrix33 matrix = LinearPart(geometry.ToPhysical());
  auto           image = MakeItkGrid<ItkDisplacement<VDimension>>(field.lattice, geometry);
  auto *         pixel = image->GetBufferPointer();
  ForEachVoxel(field.lattice, [&](int x, int y, int z) {
    const Vector3 physical = Multiply(matrix, VectorAt(field, x, y, z));
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      (*pixel)[d] = physical[d];
    }
    ++pixel;
  });
  return image;
}

/** Physical vectors as displacements in voxels. */
template <unsigned int VDimension>
HostDoubles
FromItkDisplacement(const ItkDisplacement<VDimension> * image,
                    const Lattice &                     lattice,
                    const Geometry<VDimension> &        geometry)
{
  const Matrix33 matrix = LinearPart(Inverse(geometry.ToPhysical()));
  HostDoubles    field(lattice, 3);
  const auto *   pixel = image->GetBufferPointer();
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    Vector3 physical{};
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      physical[d] = (*pixel)[d];
    }
    ++pixel;
    const Vector3 voxels = Multiply(matrix, physical);
    for (int d = 0; d < 3; ++d)
    {
      field(d, x, y, z) = voxels[d];
    }
  });
  return field;
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
