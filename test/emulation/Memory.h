// SPDX-License-Identifier: Apache-2.0
#ifndef itkEmulationMemory_h
#define itkEmulationMemory_h

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace emulation
{
// The memory of the device: pieces of host memory, each with red zones on both sides, filled with 0xff bytes (NaN) when
// allocated. With AddressSanitizer, every access to a red zone or to freed memory stops the program, and so does
// every access by the host; without, what was written to red zones is found at the next check.

constexpr std::size_t DeviceBytes = std::size_t{ 8 } << 30;

/** Null if the device has no room. */
void *
AllocateDeviceMemory(std::size_t bytes);
/** False if nothing of the device begins there. */
bool
FreeDeviceMemory(void * pointer);
std::size_t
FreeDeviceBytes();

bool
IsDeviceMemory(const void * pointer);
/** Empty, or why these bytes are not all within one allocation. */
std::string
FindDeviceRange(const void * pointer, std::size_t bytes);
/** Empty, or which allocation had a red zone changed. */
std::string
CheckRedZones();

/** While it lives, this program may touch the memory of the device. */
class DeviceAccess
{
public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess &) = delete;
  DeviceAccess &
  operator=(const DeviceAccess &) = delete;
};

/** Runs `first`, then every one of `others` from the same contents of the device's memory. Empty, or how the
 * contents after one of them differ from those after the first. */
std::string
CompareRuns(const std::function<void()> & first, const std::vector<std::function<void()>> & others);
} // namespace emulation

#endif
