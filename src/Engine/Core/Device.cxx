// SPDX-License-Identifier: Apache-2.0
#include "Device.h"

#include "Error.h"

#if defined(ITK_ENGINE_CUDA)
#  include "../Cuda/Runtime.h"
#endif

#include "itkMultiThreaderBase.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <mutex>

namespace itk
{
namespace engine
{
namespace
{
constexpr std::size_t Alignment = 256;

/** Memory that the CPU can still give without swapping; Linux says so itself, elsewhere no limit is assumed. */
std::size_t
ReadHostMemory(const char * key)
{
  std::ifstream file("/proc/meminfo");
  std::string   name;
  std::size_t   kibibytes = 0;
  std::string   unit;
  while (file >> name >> kibibytes)
  {
    std::getline(file, unit);
    if (name == key)
    {
      return kibibytes * 1024;
    }
  }
  return std::numeric_limits<std::size_t>::max();
}

std::string
DescribeHost()
{
  std::ifstream file("/proc/cpuinfo");
  std::string   line;
  std::string   model = "CPU";
  while (model == "CPU" && std::getline(file, line))
  {
    if (line.rfind("model name", 0) == 0)
    {
      model = line.substr(line.find(':') + 2);
    }
  }
  return model + ", " + std::to_string(MultiThreaderBase::GetGlobalDefaultNumberOfThreads()) + " threads";
}

double
ToMebibytes(std::size_t bytes)
{
  return static_cast<double>(bytes >> 10) / 1024.0;
}

std::atomic<bool (*)(const std::string &)> memoryReserve{ nullptr };
} // namespace

struct Device::State
{
  int                             ordinal = -1;
  std::string                     name = "cpu";
  std::string                     description;
  void *                          stream = nullptr;
  void *                          scratch = nullptr;
  std::mutex                      mutex;
  std::map<void *, std::size_t>   blocks;
  std::size_t                     totalBytes = 0;
  std::size_t                     inUse = 0;
  std::size_t                     peak = 0;

  ~State()
  {
#if defined(ITK_ENGINE_CUDA)
    if (ordinal >= 0)
    {
      if (scratch)
      {
        cuda::Free(ordinal, scratch);
      }
      cuda::DestroyStream(ordinal, stream);
    }
#endif
  }
};

bool
Device::HasCudaBackend()
{
#if defined(ITK_ENGINE_CUDA)
  return true;
#else
  return false;
#endif
}

std::vector<DeviceInformation>
Device::Enumerate()
{
  std::vector<DeviceInformation> devices(1);
  devices[0].name = "cpu";
  devices[0].description = DescribeHost();
  devices[0].totalBytes = ReadHostMemory("MemTotal:");
  devices[0].freeBytes = ReadHostMemory("MemAvailable:");
#if defined(ITK_ENGINE_CUDA)
  std::string problem;
  const int   count = cuda::DeviceCount(problem);
  for (int i = 0; i < count; ++i)
  {
    DeviceInformation device;
    device.name = "cuda:" + std::to_string(i);
    cuda::DescribeDevice(i, device.description, device.totalBytes, device.freeBytes, device.problem);
    device.usable = device.problem.empty();
    devices.push_back(device);
  }
#endif
  return devices;
}

namespace
{
/** What "auto" stands for where the environment says so. */
std::string
ApplyEnvironment(const std::string & name)
{
  const char * const device = name == "auto" ? std::getenv("ITK_GPU_DIFFEOMORPHIC_DEVICE") : nullptr;
  return device && *device ? device : name;
}

/** The GPU that a name stands for, or -1 for the CPU. Looks only at the GPUs that may be meant: asking one about its
 * memory costs a context on it. */
int
FindOrdinal(const std::string & wanted)
{
  const std::string name = ApplyEnvironment(wanted);
  const char * const source = name == wanted ? "" : " (from ITK_GPU_DIFFEOMORPHIC_DEVICE)";
  if (name == "cpu")
  {
    return -1;
  }
  const bool wellFormed = name.rfind("cuda:", 0) == 0 && name.size() > 5 && name.size() < 9 &&
                          name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (name != "auto" && name != "cuda" && !wellFormed)
  {
    ThrowError("unknown device \"", name, "\"", source, ": \"auto\", \"cpu\", \"cuda\" or \"cuda:N\" is needed");
  }
  std::string problems;
  int         count = 0;
#if defined(ITK_ENGINE_CUDA)
  count = cuda::DeviceCount(problems);
  const int first = wellFormed ? std::stoi(name.substr(5)) : 0;
  const int last = wellFormed ? std::min(count, first + 1) : count;
  for (int i = first; i < last; ++i)
  {
    std::string description;
    std::size_t total = 0;
    std::size_t free = 0;
    std::string problem;
    cuda::DescribeDevice(i, description, total, free, problem);
    if (problem.empty())
    {
      return i;
    }
    problems += "; cuda:" + std::to_string(i) + ": " + problem;
  }
#else
  problems = "this build has no CUDA backend";
#endif
  if (name == "auto")
  {
    return -1;
  }
  std::string available = "cpu";
  for (int i = 0; i < count; ++i)
  {
    available += ", cuda:" + std::to_string(i);
  }
  ThrowError("device \"", name, "\"", source, " is not available; this machine has: ", available,
             problems.empty() ? "" : " (" + problems + ")");
}
} // namespace

Device
Device::Open(const std::string & name)
{
  const int ordinal = FindOrdinal(name);
  Device device;
  device.m_State = std::make_shared<State>();
  State & state = *device.m_State;
#if defined(ITK_ENGINE_CUDA)
  if (ordinal >= 0)
  {
    state.ordinal = ordinal;
    state.name = "cuda:" + std::to_string(ordinal);
    std::size_t free = 0;
    std::string problem;
    cuda::DescribeDevice(ordinal, state.description, state.totalBytes, free, problem);
    state.stream = cuda::CreateStream(ordinal);
    state.scratch = cuda::Allocate(ordinal, ScratchBytes);
    return device;
  }
#endif
  static_cast<void>(ordinal); // -1 in a build without CUDA
  state.description = DescribeHost();
  return device;
}

bool
Device::IsCuda() const
{
  return m_State->ordinal >= 0;
}

int
Device::Ordinal() const
{
  return m_State->ordinal;
}

std::string
Device::Name() const
{
  return m_State->name;
}

std::string
Device::Description() const
{
  return m_State->description;
}

void *
Device::Stream() const
{
  return m_State->stream;
}

void *
Device::Scratch() const
{
  return m_State->scratch;
}

std::size_t
Device::BytesInUse() const
{
  return m_State->inUse;
}

std::size_t
Device::PeakBytes() const
{
  return m_State->peak;
}

void
Device::ResetPeak() const
{
  m_State->peak = m_State->inUse;
}

std::size_t
Device::FreeBytes() const
{
#if defined(ITK_ENGINE_CUDA)
  if (IsCuda())
  {
    return cuda::FreeBytes(Ordinal());
  }
#endif
  return ReadHostMemory("MemAvailable:");
}

std::size_t
Device::TotalBytes() const
{
  return m_State->totalBytes;
}

void
Device::SetMemoryReserve(bool (*release)(const std::string & device))
{
  memoryReserve = release;
}

void *
Device::Allocate(std::size_t bytes) const
{
  [[maybe_unused]] const std::size_t exactBytes = std::max<std::size_t>(bytes, 1);
  bytes = std::max<std::size_t>((bytes + Alignment - 1) / Alignment * Alignment, Alignment);
  void * pointer = nullptr;
#if defined(ITK_ENGINE_CUDA)
  if (IsCuda())
  {
    // It rounds by itself, and memory checkers want to know where the values end.
    try
    {
      pointer = cuda::Allocate(Ordinal(), exactBytes);
    }
    catch (const OutOfMemoryError &)
    {
      bool (*const release)(const std::string &) = memoryReserve;
      if (!release || !release(Name()))
      {
        throw;
      }
      pointer = cuda::Allocate(Ordinal(), exactBytes);
    }
  }
  else
#endif
  {
    // The kernel promises more than it has; ask before believing a large promise.
    const bool fits = bytes < (std::size_t{ 64 } << 20) || bytes <= FreeBytes();
    pointer = fits ? std::aligned_alloc(Alignment, bytes) : nullptr;
    if (!pointer)
    {
      std::ostringstream message;
      message << "out of memory on cpu: " << ToMebibytes(bytes) << " MiB needed, " << ToMebibytes(FreeBytes())
              << " MiB available";
      throw OutOfMemoryError(message.str());
    }
  }
  const std::lock_guard<std::mutex> lock(m_State->mutex);
  m_State->blocks[pointer] = bytes;
  m_State->inUse += bytes;
  m_State->peak = std::max(m_State->peak, m_State->inUse);
  return pointer;
}

void
Device::Free(void * pointer) const
{
  {
    const std::lock_guard<std::mutex> lock(m_State->mutex);
    const auto                        block = m_State->blocks.find(pointer);
    if (block == m_State->blocks.end())
    {
      return;
    }
    m_State->inUse -= block->second;
    m_State->blocks.erase(block);
  }
#if defined(ITK_ENGINE_CUDA)
  if (IsCuda())
  {
    cuda::Free(Ordinal(), pointer);
    return;
  }
#endif
  std::free(pointer);
}

void
Device::CopyFromHost(void * target, const void * source, std::size_t bytes) const
{
#if defined(ITK_ENGINE_CUDA)
  if (IsCuda())
  {
    cuda::CopyFromHost(Ordinal(), Stream(), target, source, bytes);
    return;
  }
#endif
  std::memcpy(target, source, bytes);
}

void
Device::CopyToHost(void * target, const void * source, std::size_t bytes) const
{
#if defined(ITK_ENGINE_CUDA)
  if (IsCuda())
  {
    cuda::CopyToHost(Ordinal(), Stream(), target, source, bytes);
    return;
  }
#endif
  std::memcpy(target, source, bytes);
}

void
Device::Copy(void * target, const void * source, std::size_t bytes) const
{
#if defined(ITK_ENGINE_CUDA)
  if (IsCuda())
  {
    cuda::Copy(Ordinal(), Stream(), target, source, bytes);
    return;
  }
#endif
  std::memcpy(target, source, bytes);
}

void
Device::SetZero(void * target, std::size_t bytes) const
{
#if defined(ITK_ENGINE_CUDA)
  if (IsCuda())
  {
    cuda::SetZero(Ordinal(), Stream(), target, bytes);
    return;
  }
#endif
  std::memset(target, 0, bytes);
}

void
Device::Synchronize() const
{
#if defined(ITK_ENGINE_CUDA)
  if (IsCuda())
  {
    cuda::Synchronize(Ordinal(), Stream());
  }
#endif
}
} // namespace engine
} // namespace itk
