// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMathDigest_h
#define itkEngineMathDigest_h

#include "../Core/HostDevice.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace itk
{
namespace engine
{
/** What the word at `index` adds to a digest: a one-to-one map of the word, another one at every place. */
ITK_ENGINE_HOST_DEVICE std::uint64_t
MixWord(std::uint64_t word, std::uint64_t index)
{
  std::uint64_t z = word + (index + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/** The word of the bytes after the last whole one, zeros behind them. */
ITK_ENGINE_HOST_DEVICE std::uint64_t
LastWord(const unsigned char * data, std::size_t bytes)
{
  std::uint64_t word = 0;
  for (std::size_t i = bytes / 8 * 8; i < bytes; ++i)
  {
    word |= static_cast<std::uint64_t>(data[i]) << (8 * (i % 8));
  }
  return word;
}
} // namespace engine
} // namespace itk

#endif
