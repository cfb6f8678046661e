// SPDX-License-Identifier: Apache-2.0
#ifndef TransformIO_h
#define TransformIO_h

#include "ImageIO.h"

#include "itkAffineTransform.h"
#include "itkCompositeTransform.h"

#include <string>
#include <vector>

namespace gdreg
{
/** True for the endings of ITK's transform files (.h5 .hdf5 .tfm .txt .mat .xfm); other files are read as fields. */
bool
IsTransformFileName(const std::string & path);

/** The dimension of a transform file or a displacement field. Throws BadInput if it is neither. */
unsigned int
ReadTransformDimension(const std::string & argument, const std::string & path);

/** A map of physical points, as a list of parts, the one that is applied first at the front. Each part is linear or a
 * displacement field. */
template <unsigned int VDimension>
class PointMap
{
public:
  using PartType = itk::Transform<double, VDimension, VDimension>;
  using PartPointer = typename PartType::ConstPointer;
  using AffineType = itk::AffineTransform<double, VDimension>;
  using CompositeType = itk::CompositeTransform<double, VDimension>;
  using FieldType = FieldImage<VDimension>;
  using PointType = itk::Point<double, VDimension>;

  /** Adds what a file holds after what is there. Throws BadInput. */
  void
  Append(const std::string & argument, const std::string & path);

  /** Adds a displacement field; beyond its grid it is zero, or continued if `clamp` says so. */
  void
  AppendField(const FieldType * field, bool clamp = false);

  /** Adds a transform after what is there; a composite is taken apart. */
  void
  Append(const PartType * transform);

  /** Adds all parts of another map after what is there. */
  void
  Append(const PointMap & other)
  {
    m_Parts.insert(m_Parts.end(), other.m_Parts.begin(), other.m_Parts.end());
  }

  /** The same map, but with all fields continued beyond their grids. */
  PointMap
  ContinueFields() const;

  /** The inverse map. Fields are inverted on `device` by fixed-point iteration, on their own grid. */
  PointMap
  MakeInverse(const std::string & device) const;

  PointType
  TransformPoint(PointType point) const
  {
    for (const auto & part : m_Parts)
    {
      point = part->TransformPoint(point);
    }
    return point;
  }

  bool
  IsLinear() const;

  /** The whole map as one affine transform; only if IsLinear(). */
  typename AffineType::Pointer
  MakeAffine() const;

  typename CompositeType::Pointer
  MakeComposite() const;

  /** Displacements of the points of a grid. */
  typename FieldType::Pointer
  MakeField(const itk::ImageBase<VDimension> * grid) const;

  /** The grid of the first displacement field, or null. */
  const itk::ImageBase<VDimension> *
  FindGrid() const;

private:
  std::vector<PartPointer> m_Parts;
};

template <unsigned int VDimension>
PointMap<VDimension>
ReadPointMap(const std::string & argument, const std::vector<std::string> & paths)
{
  PointMap<VDimension> map;
  for (const auto & path : paths)
  {
    map.Append(argument, path);
  }
  return map;
}

/** Writes linear(x + u(x)) for ITK's TransformFileReader; `field` may be null. Parameters are in float: half the size,
 * and readers convert. */
template <unsigned int VDimension>
void
WriteComposite(const itk::AffineTransform<double, VDimension> * linear, const FieldImage<VDimension> * field,
               const std::string & path);

/** The inverse of x -> x + u(x), as the map y -> p + w(p), p = A^-1 y, where A is the affine part of x + u(x) (least
 * squares) and w a field on the grid of u. Taking A out first makes the iteration converge for large rotations. */
template <unsigned int VDimension>
struct InverseOfField
{
  typename itk::AffineTransform<double, VDimension>::Pointer affineInverse;
  typename FieldImage<VDimension>::Pointer                   field;
  double                                                     meanResidual{ 0.0 };    ///< voxels
  double                                                     maximumResidual{ 0.0 }; ///< voxels
};

template <unsigned int VDimension>
InverseOfField<VDimension>
InvertField(const FieldImage<VDimension> * field, const std::string & device);
} // namespace gdreg

#endif
