// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineStoredField_h
#define itkEngineStoredField_h

#include "Field.h"
#include "Float16.h"

namespace itk
{
namespace engine
{
/** How the values of a field lie in memory. */
enum class Storage
{
  Float32,
  BFloat16,
  Float16
};

template <typename TPixel>
constexpr Storage StorageOf = Storage::Float32;
template <>
constexpr Storage StorageOf<BFloat16> = Storage::BFloat16;
template <>
constexpr Storage StorageOf<Float16> = Storage::Float16;

inline const char *
Name(Storage storage)
{
  switch (storage)
  {
    case Storage::BFloat16:
      return "bfloat16";
    case Storage::Float16:
      return "float16";
    case Storage::Float32:
      break;
  }
  return "float32";
}

/** A read-only view of a field of any storage: what an operator takes that computes in float32 whatever it reads. Views of
 * float, BFloat16 and Float16, and what converts to those, convert to it. */
struct StoredField : FieldView<const void>
{
  Storage storage = Storage::Float32;

  StoredField() = default;

  template <typename TField, std::enable_if_t<std::is_convertible<const TField &, ConstField>::value, int> = 0>
  StoredField(const TField & field)
  {
    Set<float>(field);
  }

  template <typename TField,
            std::enable_if_t<std::is_convertible<const TField &, FieldView<const BFloat16>>::value, int> = 0>
  StoredField(const TField & field)
  {
    Set<BFloat16>(field);
  }

  template <typename TField,
            std::enable_if_t<std::is_convertible<const TField &, FieldView<const Float16>>::value, int> = 0>
  StoredField(const TField & field)
  {
    Set<Float16>(field);
  }

  /** A component of a field that is stored so. */
  template <typename TPixel>
  const TPixel *
  Component(int c) const
  {
    return static_cast<const TPixel *>(data) + c * lattice.NumberOfVoxels();
  }

  /** Calls function with a pixel of the type that is stored, for its type alone. */
  template <typename TFunction>
  void
  WithPixel(const TFunction & function) const
  {
    switch (storage)
    {
      case Storage::BFloat16:
        return function(BFloat16());
      case Storage::Float16:
        return function(Float16());
      case Storage::Float32:
        break;
    }
    function(float());
  }

private:
  template <typename TPixel>
  void
  Set(const FieldView<const TPixel> & field)
  {
    data = field.data;
    lattice = field.lattice;
    components = field.components;
    storage = StorageOf<TPixel>;
  }
};
} // namespace engine
} // namespace itk

#endif
