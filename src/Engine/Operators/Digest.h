// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineDigest_h
#define itkEngineDigest_h

#include "../Core/Dispatch.h"

#include <cstddef>
#include <cstdint>

namespace itk
{
namespace engine
{
/** result[0] = a number that tells memory of one content from memory of another: the sum modulo 2^64 over the words of 8
 * bytes (the last one filled up with zeros) of a bijection of the word and its place, the finaliser of SplitMix64 (Steele,
 * Lea and Flood, "Fast splittable pseudorandom number generators", 2014). The same on every device. A change of one
 * word always shows; two contents that differ elsewise have the same digest with probability 2^-64. Not for keeping
 * secrets. `data` is aligned to 8 bytes; it and `result` are in device memory. Deterministic, no workspace. */
ITK_ENGINE_DECLARE(void Digest(const Device & device, const void * data, std::size_t bytes, std::uint64_t * result))

void
Digest(const Device & device, const void * data, std::size_t bytes, std::uint64_t * result);
} // namespace engine
} // namespace itk

#endif
