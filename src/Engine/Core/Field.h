// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineField_h
#define itkEngineField_h

#include "Error.h"
#include "Lattice.h"

#include <type_traits>

namespace itk
{
namespace engine
{
/** A view of device memory that holds `components` planes over a lattice. Owns nothing (see Buffer). A null `data`
 * stands for an absent optional argument.
 *
 * Displacements are in voxels of their own lattice, component 0 along x. */
template <typename T>
struct FieldView
{
  T *     data = nullptr;
  Lattice lattice;
  int     components = 1;

  FieldView() = default;

  FieldView(T * pointer, const Lattice & grid, int numberOfComponents = 1)
    : data(pointer)
    , lattice(grid)
    , components(numberOfComponents)
  {}

  /** A mutable view is usable as a read-only one. */
  template <typename U, typename = std::enable_if_t<std::is_same<const U, T>::value && !std::is_same<U, T>::value>>
  FieldView(const FieldView<U> & other)
    : data(other.data)
    , lattice(other.lattice)
    , components(other.components)
  {}

  explicit operator bool() const { return data != nullptr; }

  T *
  Component(int c) const
  {
    return data + c * lattice.NumberOfVoxels();
  }

  std::int64_t
  NumberOfValues() const
  {
    return components * lattice.NumberOfVoxels();
  }
};

using Field = FieldView<float>;
using ConstField = FieldView<const float>;
using Mask = FieldView<unsigned char>;
using ConstMask = FieldView<const unsigned char>;

/** Throws unless the field has this lattice and number of components and covers its lattice. `name` is the argument. */
template <typename T>
void
RequireField(const FieldView<T> & field, const Lattice & lattice, int components, const char * name)
{
  if (field.data == nullptr)
  {
    ThrowError(name, " is missing");
  }
  if (field.lattice != lattice || field.components != components)
  {
    ThrowError(name, " is ", field.lattice.size[0], 'x', field.lattice.size[1], 'x', field.lattice.size[2], " with ",
               field.components, " component(s) where ", lattice.size[0], 'x', lattice.size[1], 'x', lattice.size[2],
               " with ", components, " is needed");
  }
  if (!field.lattice.IsWhole())
  {
    ThrowError(name, " is a block of a larger lattice, which this operator does not take");
  }
}
} // namespace engine
} // namespace itk

#endif
