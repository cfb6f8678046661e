// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineDevice_h
#define itkEngineDevice_h

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace itk
{
namespace engine
{
/** What `gdreg devices` prints of one device. */
struct DeviceInformation
{
  std::string name;        ///< how to select it: "cpu" or "cuda:N"
  std::string description; ///< the model
  std::size_t totalBytes = 0;
  std::size_t freeBytes = 0;
  bool        usable = true;
  std::string problem; ///< why it is not usable
};

/** The CPU, or one GPU and its stream. A cheap handle: copies share the stream and the memory account.
 *
 * Every operator takes a Device first; work on a GPU is queued on the device's own stream, in order, and the host does
 * not wait for it unless it says Synchronize or copies to host memory. Not for use by two threads at once. */
class Device
{
public:
  /** "auto" (a GPU if one works, else the CPU; or what the environment variable ITK_GPU_DIFFEOMORPHIC_DEVICE says),
   * "cpu", "cuda" (the first GPU) or "cuda:N".
   * Throws Error for another name or a GPU that is not there. */
  static Device
  Open(const std::string & name);

  /** The CPU first, then every GPU that the driver reports. Never throws. */
  static std::vector<DeviceInformation>
  Enumerate();

  /** True if the CUDA backend was compiled in. */
  static bool
  HasCudaBackend();

  bool
  IsCuda() const;
  int
  Ordinal() const; ///< -1 for the CPU
  std::string
  Name() const; ///< "cpu" or "cuda:N"
  std::string
  Description() const;

  /** The cudaStream_t of a GPU, as a plain pointer so that no CUDA type shows here; null for the CPU. */
  void *
  Stream() const;

  /** Bytes from Allocate that are alive, and their maximum since the last ResetPeak. */
  std::size_t
  BytesInUse() const;
  std::size_t
  PeakBytes() const;
  void
  ResetPeak() const;
  /** What could still be allocated. */
  std::size_t
  FreeBytes() const;
  /** All memory of a GPU; 0 for the CPU. */
  std::size_t
  TotalBytes() const;

  /** Memory of GPUs that is given up when an allocation fails for lack of it: `release` frees what it can on the device
   * of this name, and says whether that was anything. */
  static void
  SetMemoryReserve(bool (*release)(const std::string & device));

  /** 256-byte aligned memory of this device. Throws OutOfMemoryError that says how much was wanted and is free. */
  void *
  Allocate(std::size_t bytes) const;
  void
  Free(void * pointer) const;

  void
  CopyFromHost(void * target, const void * source, std::size_t bytes) const;
  /** Waits for the work queued before it. */
  void
  CopyToHost(void * target, const void * source, std::size_t bytes) const;
  void
  Copy(void * target, const void * source, std::size_t bytes) const;
  void
  SetZero(void * target, std::size_t bytes) const;
  void
  Synchronize() const;

  /** A small block of device memory (ScratchBytes) for the partial results of a reduction; any operator may overwrite
   * it. Null on the CPU. */
  void *
  Scratch() const;
  static constexpr std::size_t ScratchBytes = std::size_t{ 4 } << 20;

private:
  struct State;
  std::shared_ptr<State> m_State;
};
} // namespace engine
} // namespace itk

#endif
