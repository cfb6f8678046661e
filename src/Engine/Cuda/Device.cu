// SPDX-License-Identifier: Apache-2.0
#include "Runtime.h"

#include "Launch.h"

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
/** Stands for all kernels of this program: if it has no code for a GPU, none has. */
__global__ void
ProbeKernel()
{}

double
ToMebibytes(std::size_t bytes)
{
  return static_cast<double>(bytes >> 10) / 1024.0;
}

void
Select(int ordinal)
{
  Check(cudaSetDevice(ordinal), "cudaSetDevice", ordinal);
}

/** The driver copies pageable memory through a small buffer of its own, with one thread; two large pinned ones and a
 * few threads keep the bus busy. Each piece has an event that says when the GPU is done with it. */
constexpr std::size_t StagingBytes = std::size_t{ 32 } << 20;
constexpr std::size_t DirectBytes = std::size_t{ 4 } << 20;
constexpr unsigned int CopyThreads = 8;

struct Staging
{
  void *      memory[2] = { nullptr, nullptr };
  cudaEvent_t done[2] = { nullptr, nullptr };
  bool        usable = false;

  Staging()
  {
    usable = true;
    for (int i = 0; i < 2 && usable; ++i)
    {
      usable = cudaHostAlloc(&memory[i], StagingBytes, cudaHostAllocDefault) == cudaSuccess &&
               cudaEventCreateWithFlags(&done[i], cudaEventDisableTiming) == cudaSuccess;
    }
    if (!usable)
    {
      // Copies work without, only slower.
      static_cast<void>(cudaGetLastError());
    }
  }
  Staging(const Staging &) = delete;
  Staging &
  operator=(const Staging &) = delete;
  ~Staging()
  {
    for (int i = 0; i < 2; ++i)
    {
      if (done[i])
      {
        static_cast<void>(cudaEventDestroy(done[i]));
      }
      if (memory[i])
      {
        static_cast<void>(cudaFreeHost(memory[i]));
      }
    }
  }
};

/** Pinned memory takes longer to get than to fill: what a stream leaves behind serves the next one of its GPU. */
struct StagingTable
{
  std::mutex                                        mutex;
  std::map<void *, std::unique_ptr<Staging>>        ofStream;
  std::map<int, std::vector<std::unique_ptr<Staging>>> idle;
};

/** Never destroyed: at the end of the program the driver may be gone before it. */
StagingTable &
GetStagingTable()
{
  static StagingTable * const table = new StagingTable;
  return *table;
}

/** The staging memory of a stream, from its first large copy on. */
Staging &
GetStaging(int ordinal, void * stream)
{
  StagingTable &                    table = GetStagingTable();
  const std::lock_guard<std::mutex> lock(table.mutex);
  auto &                            staging = table.ofStream[stream];
  auto &                            idle = table.idle[ordinal];
  if (!staging && !idle.empty())
  {
    staging = std::move(idle.back());
    idle.pop_back();
  }
  if (!staging)
  {
    staging = std::make_unique<Staging>();
  }
  return *staging;
}

/** The stream's work is done. */
void
GiveStagingBack(int ordinal, void * stream)
{
  StagingTable &                    table = GetStagingTable();
  const std::lock_guard<std::mutex> lock(table.mutex);
  const auto                        staging = table.ofStream.find(stream);
  if (staging != table.ofStream.end())
  {
    if (staging->second->usable)
    {
      table.idle[ordinal].push_back(std::move(staging->second));
    }
    table.ofStream.erase(staging);
  }
}

bool
IsPageable(const void * pointer)
{
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, pointer) != cudaSuccess)
  {
    static_cast<void>(cudaGetLastError());
    return true;
  }
  return attributes.type == cudaMemoryTypeUnregistered;
}

/** One core cannot keep up with the bus. */
void
CopyWithThreads(void * target, const void * source, std::size_t bytes)
{
  const std::size_t pieces = std::max(1u, std::min(CopyThreads, std::thread::hardware_concurrency()));
  const std::size_t pieceBytes = (bytes / pieces + 63) / 64 * 64;
  const auto        copyPiece = [=](std::size_t begin, std::size_t end) {
    std::memcpy(static_cast<char *>(target) + begin, static_cast<const char *>(source) + begin, end - begin);
  };
  std::vector<std::thread> threads;
  threads.reserve(pieces);
  std::size_t begin = 0;
  if (bytes >= DirectBytes)
  {
    try
    {
      while (threads.size() + 1 < pieces && begin + pieceBytes < bytes)
      {
        threads.emplace_back(copyPiece, begin, begin + pieceBytes);
        begin += pieceBytes;
      }
    }
    catch (const std::system_error &)
    {
      // No more threads to be had: this one does the rest.
    }
  }
  copyPiece(begin, bytes);
  for (auto & thread : threads)
  {
    thread.join();
  }
}
} // namespace

int
DeviceCount(std::string & problem)
{
  int               count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess)
  {
    static_cast<void>(cudaGetLastError());
    problem = cudaGetErrorString(status);
    return 0;
  }
  if (count == 0)
  {
    problem = "no CUDA-capable device is detected";
  }
  return count;
}

namespace
{
/** What does not change, and takes the driver long to say. */
struct KnownDevice
{
  std::string description;
  std::size_t totalBytes = 0;
  std::string problem;
};

KnownDevice
FindDevice(int ordinal)
{
  static std::mutex                 mutex;
  static std::map<int, KnownDevice> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto                        found = known.find(ordinal);
  if (found != known.end())
  {
    return found->second;
  }
  KnownDevice    device;
  cudaDeviceProp properties{};
  Check(cudaGetDeviceProperties(&properties, ordinal), "cudaGetDeviceProperties", ordinal);
  device.description = properties.name;
  device.totalBytes = properties.totalGlobalMem;
  Select(ordinal);
  cudaFuncAttributes attributes{};
  const cudaError_t  status = cudaFuncGetAttributes(&attributes, ProbeKernel);
  if (status != cudaSuccess)
  {
    static_cast<void>(cudaGetLastError());
    device.problem = std::string("this program has no code for compute capability ") +
                     std::to_string(properties.major) + "." + std::to_string(properties.minor) + " (" +
                     cudaGetErrorString(status) + ")";
  }
  known[ordinal] = device;
  return device;
}
} // namespace

void
DescribeDevice(int           ordinal,
               std::string & description,
               std::size_t & totalBytes,
               std::size_t & freeBytes,
               std::string & problem)
{
  totalBytes = 0;
  freeBytes = 0;
  problem.clear();
  try
  {
    const KnownDevice device = FindDevice(ordinal);
    description = device.description;
    totalBytes = device.totalBytes;
    problem = device.problem;
    Select(ordinal);
    Check(cudaMemGetInfo(&freeBytes, &totalBytes), "cudaMemGetInfo", ordinal);
  }
  catch (const std::exception & error)
  {
    problem = error.what();
  }
}

void *
CreateStream(int ordinal)
{
  Select(ordinal);
  cudaStream_t stream = nullptr;
  Check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags", ordinal);
  return stream;
}

void
DestroyStream(int ordinal, void * stream)
{
  if (!stream || cudaSetDevice(ordinal) != cudaSuccess)
  {
    return;
  }
  static_cast<void>(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)));
  GiveStagingBack(ordinal, stream);
  static_cast<void>(cudaStreamDestroy(static_cast<cudaStream_t>(stream)));
  static_cast<void>(cudaGetLastError());
}

void *
Allocate(int ordinal, std::size_t bytes)
{
  Select(ordinal);
  void *            pointer = nullptr;
  const cudaError_t status = cudaMalloc(&pointer, bytes);
  if (status == cudaErrorMemoryAllocation)
  {
    static_cast<void>(cudaGetLastError());
    std::size_t    freeBytes = 0;
    std::size_t    totalBytes = 0;
    cudaDeviceProp properties{};
    static_cast<void>(cudaMemGetInfo(&freeBytes, &totalBytes));
    static_cast<void>(cudaGetDeviceProperties(&properties, ordinal));
    std::ostringstream message;
    message << "out of memory on cuda:" << ordinal << " (" << properties.name << "): " << ToMebibytes(bytes)
            << " MiB needed, " << ToMebibytes(freeBytes) << " MiB of " << ToMebibytes(totalBytes) << " MiB free";
    throw OutOfMemoryError(message.str());
  }
  Check(status, "cudaMalloc", ordinal);
  return pointer;
}

void
Free(int ordinal, void * pointer)
{
  // Runs in destructors: an error here is one of earlier work, and the next call reports it.
  if (pointer && cudaSetDevice(ordinal) == cudaSuccess)
  {
    static_cast<void>(cudaFree(pointer));
  }
}

std::size_t
FreeBytes(int ordinal)
{
  Select(ordinal);
  std::size_t freeBytes = 0;
  std::size_t totalBytes = 0;
  Check(cudaMemGetInfo(&freeBytes, &totalBytes), "cudaMemGetInfo", ordinal);
  return freeBytes;
}

void
CopyFromHost(int ordinal, void * stream, void * target, const void * source, std::size_t bytes)
{
  Select(ordinal);
  const cudaStream_t queue = static_cast<cudaStream_t>(stream);
  Staging * const    staging = bytes > DirectBytes && IsPageable(source) ? &GetStaging(ordinal, stream) : nullptr;
  if (!staging || !staging->usable)
  {
    Check(cudaMemcpyAsync(target, source, bytes, cudaMemcpyHostToDevice, queue), "cudaMemcpyAsync to the GPU", ordinal);
    Synchronize(ordinal, stream);
    return;
  }
  int piece = 0;
  for (std::size_t begin = 0; begin < bytes; begin += StagingBytes, piece = 1 - piece)
  {
    const std::size_t size = std::min(StagingBytes, bytes - begin);
    // The last copy through this piece may be of an earlier call, which did not wait for it.
    Check(cudaEventSynchronize(staging->done[piece]), "cudaEventSynchronize", ordinal);
    CopyWithThreads(staging->memory[piece], static_cast<const char *>(source) + begin, size);
    Check(cudaMemcpyAsync(
            static_cast<char *>(target) + begin, staging->memory[piece], size, cudaMemcpyHostToDevice, queue),
          "cudaMemcpyAsync to the GPU",
          ordinal);
    Check(cudaEventRecord(staging->done[piece], queue), "cudaEventRecord", ordinal);
  }
}

void
CopyToHost(int ordinal, void * stream, void * target, const void * source, std::size_t bytes)
{
  Select(ordinal);
  const cudaStream_t queue = static_cast<cudaStream_t>(stream);
  Staging * const    staging = bytes > DirectBytes && IsPageable(target) ? &GetStaging(ordinal, stream) : nullptr;
  if (!staging || !staging->usable)
  {
    Check(
      cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToHost, queue), "cudaMemcpyAsync from the GPU", ordinal);
    Synchronize(ordinal, stream);
    return;
  }
  // An earlier copy through a piece is before this one on the stream, so that no wait is needed before it is queued.
  const std::size_t pieces = (bytes + StagingBytes - 1) / StagingBytes;
  const auto        sizeOf = [=](std::size_t piece) { return std::min(StagingBytes, bytes - piece * StagingBytes); };
  const auto        queuePiece = [&](std::size_t piece) {
    Check(cudaMemcpyAsync(staging->memory[piece % 2],
                          static_cast<const char *>(source) + piece * StagingBytes,
                          sizeOf(piece),
                          cudaMemcpyDeviceToHost,
                          queue),
          "cudaMemcpyAsync from the GPU",
          ordinal);
    Check(cudaEventRecord(staging->done[piece % 2], queue), "cudaEventRecord", ordinal);
  };
  queuePiece(0);
  for (std::size_t piece = 0; piece < pieces; ++piece)
  {
    if (piece + 1 < pieces)
    {
      queuePiece(piece + 1);
    }
    Check(cudaEventSynchronize(staging->done[piece % 2]), "cudaEventSynchronize", ordinal);
    CopyWithThreads(static_cast<char *>(target) + piece * StagingBytes, staging->memory[piece % 2], sizeOf(piece));
  }
}

void
Copy(int ordinal, void * stream, void * target, const void * source, std::size_t bytes)
{
  Select(ordinal);
  Check(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(stream)),
        "cudaMemcpyAsync on the GPU",
        ordinal);
}

void
SetZero(int ordinal, void * stream, void * target, std::size_t bytes)
{
  Select(ordinal);
  Check(cudaMemsetAsync(target, 0, bytes, static_cast<cudaStream_t>(stream)), "cudaMemsetAsync", ordinal);
}

void
Synchronize(int ordinal, void * stream)
{
  Select(ordinal);
  Check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "cudaStreamSynchronize", ordinal);
}

void *
AllocatePinned(int ordinal, std::size_t bytes)
{
  Select(ordinal);
  void * pointer = nullptr;
  Check(cudaHostAlloc(&pointer, bytes, cudaHostAllocDefault), "cudaHostAlloc", ordinal);
  return pointer;
}

void
FreePinned(int ordinal, void * stream, void * pointer)
{
  if (cudaSetDevice(ordinal) == cudaSuccess)
  {
    static_cast<void>(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)));
    static_cast<void>(cudaFreeHost(pointer));
  }
}

void
CopyToPinned(int ordinal, void * stream, void * target, const void * source, std::size_t bytes)
{
  Select(ordinal);
  Check(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToHost, static_cast<cudaStream_t>(stream)),
        "cudaMemcpyAsync",
        ordinal);
}

void *
CreateEvent(int ordinal)
{
  Select(ordinal);
  cudaEvent_t event = nullptr;
  Check(cudaEventCreate(&event), "cudaEventCreate", ordinal);
  return event;
}

void
DestroyEvent(int ordinal, void * event)
{
  if (event && cudaSetDevice(ordinal) == cudaSuccess)
  {
    static_cast<void>(cudaEventDestroy(static_cast<cudaEvent_t>(event)));
  }
}

void
RecordEvent(int ordinal, void * stream, void * event)
{
  Select(ordinal);
  Check(cudaEventRecord(static_cast<cudaEvent_t>(event), static_cast<cudaStream_t>(stream)), "cudaEventRecord", ordinal);
}

void
WaitForEvent(int ordinal, void * event)
{
  Select(ordinal);
  Check(cudaEventSynchronize(static_cast<cudaEvent_t>(event)), "cudaEventSynchronize", ordinal);
}

double
ElapsedSeconds(int ordinal, void * first, void * last)
{
  WaitForEvent(ordinal, last);
  float milliseconds = 0.0f;
  Check(cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(first), static_cast<cudaEvent_t>(last)),
        "cudaEventElapsedTime",
        ordinal);
  return 1e-3 * milliseconds;
}
} // namespace cuda
} // namespace engine
} // namespace itk
