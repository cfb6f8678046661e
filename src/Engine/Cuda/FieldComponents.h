// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaFieldComponents_h
#define itkEngineCudaFieldComponents_h

#include "../Core/Field.h"
#include "../Math/Jacobian.h"
#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
/** The components of a field, one pointer each, which saves their addition per voxel; all null without a field. */
template <typename T>
struct FieldComponents
{
  T * component[3] = {};

  FieldComponents() = default;

  explicit FieldComponents(const FieldView<T> & field)
  {
    for (int c = 0; c < 3 && field; ++c)
    {
      component[c] = field.Component(c);
    }
  }

  __host__ __device__ explicit operator bool() const { return component[0] != nullptr; }
};

/** Three numbers at a voxel. */
struct Vector3
{
  float v[3];
};

template <typename T, typename TOffset>
__device__ __forceinline__ Vector3
LoadVector(const FieldComponents<T> & field, TOffset offset)
{
  return Vector3{ { field.component[0][offset], field.component[1][offset], field.component[2][offset] } };
}

/** 0 without a field. */
template <typename TOffset>
__device__ __forceinline__ Vector3
LoadVectorIfAny(const FieldComponents<const float> & field, TOffset offset)
{
  return field ? LoadVector(field, offset) : Vector3{ { 0.0f, 0.0f, 0.0f } };
}

/** A field at a grid point and at its neighbours along each axis: the point itself where there is none. */
struct Neighbourhood
{
  Vector3 here;
  Vector3 next[3];
  Vector3 previous[3];

  /** derivative[component][axis], by the differences of JacobianAt. */
  __device__ __forceinline__ void
  Derivative(float (&derivative)[3][3]) const
  {
#pragma unroll
    for (int i = 0; i < 9; ++i)
    {
      derivative[i / 3][i % 3] = 0.5f * (next[i % 3].v[i / 3] - previous[i % 3].v[i / 3]);
    }
  }

  /** differences[side][component][axis]: to the previous neighbour, and to the next. */
  __device__ __forceinline__ void
  OneSided(float (&differences)[2][3][3]) const
  {
#pragma unroll
    for (int i = 0; i < 9; ++i)
    {
      differences[0][i / 3][i % 3] = here.v[i / 3] - previous[i % 3].v[i / 3];
      differences[1][i / 3][i % 3] = next[i % 3].v[i / 3] - here.v[i / 3];
    }
  }
};

/** A walk of one thread along z that keeps the planes it needs again: 15 loads per voxel. */
template <typename TOffset>
class NeighbourhoodWalk
{
public:
  __device__ __forceinline__
  NeighbourhoodWalk(const FieldComponents<const float> & field, const Extent & extent, int x, int y, int z)
    : m_Field(field)
    , m_Last(extent.nz - 1)
    , m_Plane(extent.PlaneSize())
    , m_Next{ x + 1 < extent.nx ? 1 : 0, y + 1 < extent.ny ? extent.nx : 0 }
    , m_Previous{ x > 0 ? -1 : 0, y > 0 ? -extent.nx : 0 }
    , m_Offset(z * m_Plane + (y * extent.nx + x))
    , m_Below(LoadVector(field, z > 0 ? m_Offset - m_Plane : m_Offset))
    , m_Here(LoadVector(field, m_Offset))
  {}

  __device__ __forceinline__ TOffset
  Offset() const
  {
    return m_Offset;
  }

  /** The neighbourhood in plane z, which is the one where the walk stands. */
  __device__ __forceinline__ void
  Load(int z, Neighbourhood & neighbourhood) const
  {
    neighbourhood.here = m_Here;
    neighbourhood.previous[2] = m_Below;
    neighbourhood.next[2] = LoadVector(m_Field, z < m_Last ? m_Offset + m_Plane : m_Offset);
#pragma unroll
    for (int axis = 0; axis < 2; ++axis)
    {
      neighbourhood.next[axis] = LoadVector(m_Field, m_Offset + m_Next[axis]);
      neighbourhood.previous[axis] = LoadVector(m_Field, m_Offset + m_Previous[axis]);
    }
  }

  /** Goes to the next plane, from the one that was loaded. */
  __device__ __forceinline__ void
  Advance(const Neighbourhood & neighbourhood)
  {
    m_Below = neighbourhood.here;
    m_Here = neighbourhood.next[2];
    m_Offset += m_Plane;
  }

private:
  const FieldComponents<const float> & m_Field;
  const int                            m_Last;
  const TOffset                        m_Plane;
  const int                            m_Next[2];
  const int                            m_Previous[2];
  TOffset                              m_Offset;
  Vector3                              m_Below;
  Vector3                              m_Here;
};

/** Calls function(x, y, z, offset, neighbourhood) for the voxels of this thread. */
template <typename TOffset, typename TFunction>
__device__ __forceinline__ void
ForEachNeighbourhood(const Extent & extent, const FieldComponents<const float> & field, const TFunction & function)
{
  ForEachPiece(extent, [&](int x, int y, int z, int end) {
    if (z >= end)
    {
      return;
    }
    NeighbourhoodWalk<TOffset> walk(field, extent, x, y, z);
#pragma unroll 1
    for (; z < end; ++z)
    {
      Neighbourhood neighbourhood;
      walk.Load(z, neighbourhood);
      function(x, y, z, walk.Offset(), neighbourhood);
      walk.Advance(neighbourhood);
    }
  });
}
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
