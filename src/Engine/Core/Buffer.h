// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineBuffer_h
#define itkEngineBuffer_h

#include "Device.h"
#include "Field.h"

#include <cstddef>
#include <utility>

namespace itk
{
namespace engine
{
/** Memory of a device that is freed with the object. Contents start undefined. */
template <typename T>
class Buffer
{
public:
  Buffer() = default;
  Buffer(const Device & device, std::int64_t count)
    : m_Device(device)
    , m_Data(static_cast<T *>(device.Allocate(static_cast<std::size_t>(count) * sizeof(T))))
    , m_Count(count)
  {}
  Buffer(Buffer && other) noexcept { *this = std::move(other); }
  Buffer &
  operator=(Buffer && other) noexcept
  {
    std::swap(m_Device, other.m_Device);
    std::swap(m_Data, other.m_Data);
    std::swap(m_Count, other.m_Count);
    return *this;
  }
  Buffer(const Buffer &) = delete;
  Buffer &
  operator=(const Buffer &) = delete;
  ~Buffer()
  {
    if (m_Data)
    {
      m_Device.Free(m_Data);
    }
  }

  T *
  Data() const
  {
    return m_Data;
  }
  std::int64_t
  Count() const
  {
    return m_Count;
  }
  std::size_t
  Bytes() const
  {
    return static_cast<std::size_t>(m_Count) * sizeof(T);
  }

private:
  Device       m_Device;
  T *          m_Data = nullptr;
  std::int64_t m_Count = 0;
};

/** One allocation that is cut into pieces: the workspace of a level is taken once, before its iterations.
 * Pieces are 256-byte aligned and live until Release or the end of the arena. */
class Arena
{
public:
  Arena(const Device & device, std::size_t bytes)
    : m_Block(device, static_cast<std::int64_t>(bytes))
  {}

  template <typename T>
  T *
  Take(std::int64_t count)
  {
    const std::size_t bytes = Round(static_cast<std::size_t>(count) * sizeof(T));
    if (m_Used + bytes > m_Block.Bytes())
    {
      ThrowError("workspace of ", m_Block.Bytes(), " bytes is too small: ", m_Used + bytes, " needed");
    }
    T * const piece = reinterpret_cast<T *>(m_Block.Data() + m_Used);
    m_Used += bytes;
    return piece;
  }

  /** A mark to return to: everything taken after it is given back. */
  std::size_t
  Mark() const
  {
    return m_Used;
  }
  void
  Release(std::size_t mark)
  {
    m_Used = mark;
  }

  /** What a piece of this many bytes takes of the arena. */
  static std::size_t
  Round(std::size_t bytes)
  {
    return (bytes + 255) / 256 * 256;
  }

private:
  Buffer<char> m_Block;
  std::size_t  m_Used = 0;
};
} // namespace engine
} // namespace itk

#endif
