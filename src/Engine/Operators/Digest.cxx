// SPDX-License-Identifier: Apache-2.0
#include "Digest.h"

namespace itk
{
namespace engine
{
void
Digest(const Device & device, const void * data, std::size_t bytes, std::uint64_t * result)
{
  if (!data || reinterpret_cast<std::uintptr_t>(data) % alignof(std::uint64_t) != 0)
  {
    ThrowError("Digest: the memory at ", data, " is missing or not aligned to ", alignof(std::uint64_t), " bytes");
  }
  ITK_ENGINE_DISPATCH(device, Digest(device, data, bytes, result));
}
} // namespace engine
} // namespace itk
