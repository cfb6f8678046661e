// SPDX-License-Identifier: Apache-2.0
#ifndef itkEnginePixelType_h
#define itkEnginePixelType_h

#include "Field.h"

#include <cstdint>
#include <type_traits>

namespace itk
{
namespace engine
{
/** The numbers that images of the world outside are made of. */
enum class PixelType : unsigned char
{
  Int8,
  UInt8,
  Int16,
  UInt16,
  Int32,
  UInt32,
  Int64,
  UInt64,
  Float32,
  Float64
};

/** Calls function with a zero of that type, for its type alone. */
template <typename TFunction>
auto
WithPixelType(PixelType type, const TFunction & function) -> decltype(function(float()))
{
  switch (type)
  {
    case PixelType::Int8:
      return function(std::int8_t());
    case PixelType::UInt8:
      return function(std::uint8_t());
    case PixelType::Int16:
      return function(std::int16_t());
    case PixelType::UInt16:
      return function(std::uint16_t());
    case PixelType::Int32:
      return function(std::int32_t());
    case PixelType::UInt32:
      return function(std::uint32_t());
    case PixelType::Int64:
      return function(std::int64_t());
    case PixelType::UInt64:
      return function(std::uint64_t());
    case PixelType::Float32:
      return function(float());
    case PixelType::Float64:
      return function(double());
  }
  ThrowError("unknown pixel type ", static_cast<int>(type));
}

template <typename T>
constexpr PixelType
PixelTypeOf()
{
  static_assert(std::is_arithmetic<T>::value && sizeof(T) <= 8, "integers and floats of at most 64 bits");
  if constexpr (std::is_floating_point<T>::value)
  {
    return sizeof(T) == 4 ? PixelType::Float32 : PixelType::Float64;
  }
  else
  {
    constexpr int rank = sizeof(T) == 1 ? 0 : (sizeof(T) == 2 ? 2 : (sizeof(T) == 4 ? 4 : 6));
    return static_cast<PixelType>(rank + (std::is_signed<T>::value ? 0 : 1));
  }
}

inline std::size_t
BytesOf(PixelType type)
{
  return WithPixelType(type, [](auto pixel) { return sizeof(pixel); });
}

/** A view of an image as programs hold it: any type of number, the components of a voxel side by side. */
template <typename TVoid>
struct PixelView : FieldView<TVoid>
{
  PixelType type = PixelType::Float32;

  PixelView() = default;

  PixelView(TVoid * pointer, PixelType pixelType, const Lattice & grid, int numberOfComponents = 1)
    : FieldView<TVoid>(pointer, grid, numberOfComponents)
    , type(pixelType)
  {}

  std::size_t
  Bytes() const
  {
    return static_cast<std::size_t>(this->NumberOfValues()) * BytesOf(type);
  }
};
using Pixels = PixelView<void>;
using ConstPixels = PixelView<const void>;
} // namespace engine
} // namespace itk

#endif
