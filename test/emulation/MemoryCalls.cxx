// SPDX-License-Identifier: Apache-2.0
#include "Memory.h"
#include "DeviceState.h"

#include <cstdlib>

using namespace emulation;

namespace
{
/** Is pinned memory of the host. */
bool
IsPinned(const void * pointer)
{
  const auto & pinned = TheRuntime().pinned;
  auto         next = pinned.upper_bound(const_cast<void *>(pointer));
  return next != pinned.begin() &&
         static_cast<const char *>(pointer) < static_cast<char *>(std::prev(next)->first) + std::prev(next)->second;
}

std::string
CheckSide(const void * pointer, std::size_t bytes, bool onDevice)
{
  if (onDevice)
  {
    return FindDeviceRange(pointer, bytes);
  }
  return IsDeviceMemory(pointer) ? "memory of the device given for memory of the host" : "";
}
} // namespace

cudaError_t
cudaMalloc(void ** pointer, std::size_t bytes)
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  *pointer = bytes > 0 ? AllocateDeviceMemory(bytes) : nullptr;
  return *pointer || bytes == 0 ? Report() : Reject(cudaErrorMemoryAllocation, "");
}
cudaError_t
cudaFree(void * pointer)
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  DrainAll();
  if (pointer && !FreeDeviceMemory(pointer))
  {
    FailOnStream("cudaFree of what is not the begin of an allocation");
    return Reject(cudaErrorInvalidValue, "not the begin of an allocation");
  }
  return Report();
}
cudaError_t
cudaHostAlloc(void ** pointer, std::size_t bytes, unsigned int)
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  *pointer = std::malloc(bytes);
  if (!*pointer)
  {
    return Reject(cudaErrorMemoryAllocation, "");
  }
  std::memset(*pointer, 0xff, bytes);
  TheRuntime().pinned[*pointer] = bytes;
  return cudaSuccess;
}
cudaError_t
cudaFreeHost(void * pointer)
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  DrainAll();
  if (TheRuntime().pinned.erase(pointer) == 0)
  {
    return Reject(cudaErrorInvalidValue, "not pinned memory");
  }
  std::free(pointer);
  return Report();
}
cudaError_t
cudaMemGetInfo(std::size_t * freeBytes, std::size_t * totalBytes)
{
  ITK_EMULATION_LOCK;
  *freeBytes = FreeDeviceBytes();
  *totalBytes = DeviceBytes;
  return cudaSuccess;
}
cudaError_t
cudaPointerGetAttributes(cudaPointerAttributes * attributes, const void * pointer)
{
  ITK_EMULATION_LOCK;
  *attributes = cudaPointerAttributes{};
  attributes->type = IsDeviceMemory(pointer)
                       ? cudaMemoryTypeDevice
                       : (IsPinned(pointer) ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered);
  return cudaSuccess;
}

cudaError_t
cudaMemcpyAsync(void * target, const void * source, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
  ITK_EMULATION_LOCK;
  if (bytes == 0)
  {
    return Report();
  }
  if (kind == cudaMemcpyDefault)
  {
    const bool from = IsDeviceMemory(source);
    const bool to = IsDeviceMemory(target);
    kind = from ? (to ? cudaMemcpyDeviceToDevice : cudaMemcpyDeviceToHost)
                : (to ? cudaMemcpyHostToDevice : cudaMemcpyHostToHost);
  }
  const bool        fromDevice = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const bool        toDevice = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const std::string problem = CheckSide(source, bytes, fromDevice) + CheckSide(target, bytes, toDevice);
  if (!problem.empty())
  {
    FailOnStream("cudaMemcpy: " + problem);
    return Reject(cudaErrorInvalidValue, problem);
  }
  const auto copy = [=](const void * from) {
    const DeviceAccess access;
    std::memmove(target, from, bytes);
  };
  stream = Find(stream);
  const bool fromPageable = !fromDevice && !IsPinned(source);
  const bool toPageable = !toDevice && !IsPinned(target);
  if ((fromPageable || toPageable) && BreaksCapture(stream))
  {
    return Reject(cudaErrorStreamCaptureUnsupported, "pageable memory while the stream is captured");
  }
  // It has been read, and has been written, when the call returns.
  if (fromPageable)
  {
    const char * const begin = static_cast<const char *>(source);
    return Queue(stream, [copy, values = std::vector<char>(begin, begin + bytes)] { copy(values.data()); });
  }
  const cudaError_t status = Queue(stream, [=] { copy(source); });
  if (toPageable && stream)
  {
    Drain(stream);
    return Report();
  }
  return status;
}
cudaError_t
cudaMemcpy(void * target, const void * source, std::size_t bytes, cudaMemcpyKind kind)
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  DrainAll();
  const cudaError_t status = cudaMemcpyAsync(target, source, bytes, kind, nullptr);
  DrainAll();
  return status == cudaSuccess ? Report() : status;
}
cudaError_t
cudaMemsetAsync(void * target, int value, std::size_t bytes, cudaStream_t stream)
{
  ITK_EMULATION_LOCK;
  const std::string problem = bytes == 0 ? "" : FindDeviceRange(target, bytes);
  if (!problem.empty())
  {
    FailOnStream("cudaMemset: " + problem);
    return Reject(cudaErrorInvalidValue, problem);
  }
  return Queue(stream, [=] {
    const DeviceAccess access;
    std::memset(target, value, bytes);
  });
}
cudaError_t
cudaMemset(void * target, int value, std::size_t bytes)
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  return cudaMemsetAsync(target, value, bytes, nullptr);
}
