// SPDX-License-Identifier: Apache-2.0
#include "Memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>

#if defined(ITK_EMULATION_SANITIZED)
#  include <sanitizer/asan_interface.h>
#endif

namespace emulation
{
namespace
{
constexpr std::size_t   RedZoneBytes = std::size_t{ 8 } << 10;
constexpr unsigned char RedZoneValue = 0xa5;
/** Of cudaMalloc. */
constexpr std::size_t Alignment = 256;

/** By address. */
using Allocations = std::map<char *, std::size_t>;

Allocations &
GetAllocations()
{
  static Allocations * const allocations = new Allocations;
  return *allocations;
}

std::size_t usedBytes = 0;

void
Poison([[maybe_unused]] const void * memory, [[maybe_unused]] std::size_t bytes)
{
#if defined(ITK_EMULATION_SANITIZED)
  __asan_poison_memory_region(memory, bytes);
#endif
}

void
Unpoison([[maybe_unused]] const void * memory, [[maybe_unused]] std::size_t bytes)
{
#if defined(ITK_EMULATION_SANITIZED)
  __asan_unpoison_memory_region(memory, bytes);
#endif
}

/** Those that a launch changed, and all of them, as they were before and are after it. */
using Contents = std::vector<std::vector<char>>;

Contents
CopyContents()
{
  Contents contents;
  for (const auto & [data, bytes] : GetAllocations())
  {
    contents.emplace_back(data, data + bytes);
  }
  return contents;
}

bool
IsUntouched(const char * zone)
{
#if defined(ITK_EMULATION_SANITIZED)
  return zone != nullptr;
#else
  return std::all_of(zone, zone + RedZoneBytes, [](char c) { return static_cast<unsigned char>(c) == RedZoneValue; });
#endif
}
} // namespace

void *
AllocateDeviceMemory(std::size_t bytes)
{
  if (bytes > FreeDeviceBytes())
  {
    return nullptr;
  }
  void * memory = nullptr;
  if (posix_memalign(&memory, Alignment, bytes + 2 * RedZoneBytes) != 0)
  {
    return nullptr;
  }
  char * const data = static_cast<char *>(memory) + RedZoneBytes;
#if !defined(ITK_EMULATION_SANITIZED)
  std::memset(memory, RedZoneValue, RedZoneBytes);
  std::memset(data + bytes, RedZoneValue, RedZoneBytes);
#endif
  std::memset(data, 0xff, bytes);
  Poison(memory, bytes + 2 * RedZoneBytes);
  GetAllocations()[data] = bytes;
  usedBytes += bytes;
  return data;
}

bool
FreeDeviceMemory(void * pointer)
{
  const auto allocation = GetAllocations().find(static_cast<char *>(pointer));
  if (allocation == GetAllocations().end())
  {
    return false;
  }
  const auto [data, bytes] = *allocation;
  usedBytes -= bytes;
  GetAllocations().erase(allocation);
  Unpoison(data - RedZoneBytes, bytes + 2 * RedZoneBytes);
#if !defined(ITK_EMULATION_SANITIZED)
  std::memset(data, 0xff, bytes);
#endif
  std::free(data - RedZoneBytes);
  return true;
}

std::size_t
FreeDeviceBytes()
{
  return DeviceBytes - usedBytes;
}

bool
IsDeviceMemory(const void * pointer)
{
  return FindDeviceRange(pointer, 0).empty();
}

std::string
FindDeviceRange(const void * pointer, std::size_t bytes)
{
  const char * const begin = static_cast<const char *>(pointer);
  auto               next = GetAllocations().upper_bound(const_cast<char *>(begin));
  std::ostringstream message;
  if (next == GetAllocations().begin() || begin >= std::prev(next)->first + std::prev(next)->second)
  {
    message << pointer << " is not on the device";
  }
  else if (const auto [data, size] = *std::prev(next); begin + bytes > data + size)
  {
    message << bytes << " bytes from byte " << begin - data << " of an allocation of " << size;
  }
  return message.str();
}

std::string
CheckRedZones()
{
  for (const auto & [data, bytes] : GetAllocations())
  {
    if (!IsUntouched(data - RedZoneBytes) || !IsUntouched(data + bytes))
    {
      return "something was written next to an allocation of " + std::to_string(bytes) + " bytes";
    }
  }
  return {};
}

DeviceAccess::DeviceAccess()
{
  for (const auto & [data, bytes] : GetAllocations())
  {
    Unpoison(data, bytes);
  }
}

DeviceAccess::~DeviceAccess()
{
  for (const auto & [data, bytes] : GetAllocations())
  {
    Poison(data, bytes);
  }
}

std::string
CompareRuns(const std::function<void()> & first, const std::vector<std::function<void()>> & others)
{
  if (others.empty())
  {
    first();
    return {};
  }
  const Contents before = CopyContents();
  first();
  std::vector<std::pair<std::size_t, std::vector<char>>> changed;
  for (const auto & other : others)
  {
    std::size_t i = 0;
    for (const auto & [data, bytes] : GetAllocations())
    {
      if (std::memcmp(data, before[i].data(), bytes) != 0)
      {
        if (&other == &others.front())
        {
          changed.emplace_back(i, std::vector<char>(data, data + bytes));
        }
        std::memcpy(data, before[i].data(), bytes);
      }
      ++i;
    }
    other();
    i = 0;
    auto next = changed.begin();
    for (const auto & [data, bytes] : GetAllocations())
    {
      const bool         wasChanged = next != changed.end() && next->first == i;
      const char * const expected = wasChanged ? (next++)->second.data() : before[i].data();
      if (std::memcmp(data, expected, bytes) != 0)
      {
        const std::size_t at = std::mismatch(data, data + bytes, expected).first - data;
        return "the order of the threads changes the result: byte " + std::to_string(at) + " of an allocation of " +
               std::to_string(bytes);
      }
      ++i;
    }
  }
  return {};
}
} // namespace emulation
