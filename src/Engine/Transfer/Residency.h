// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineResidency_h
#define itkEngineResidency_h

#include "../Core/Buffer.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace itk
{
namespace engine
{
/** Copies on GPUs of what the host holds, kept after an upload or a download so that the next upload of the same
 * memory can be left out.
 *
 * The rule: a copy belongs to an address and a size, and is used only if the memory there has, byte for byte, the
 * content that it had when the copy was made. That is told by a digest (Operators/Digest.h) of the memory, taken anew
 * before each use. So an edit on the host needs no announcement, and a result never depends on whether there was a copy.
 * That is one pass of reading on all cores, at the speed of memcpy (11 GB/s per core, 12 those of memcpy, on one EPYC);
 * memory of which there is no copy is not read.
 *
 * Copies of one GPU take at most so many bytes, by default an eighth of its memory; those that were not used for the
 * longest time go first. All go when an allocation would fail. One object per process, for all threads. */
class Residency
{
public:
  using Copy = std::shared_ptr<const Buffer<char>>;

  struct Counts
  {
    std::size_t uploads = 0;
    std::size_t uploadedBytes = 0;
    std::size_t reuses = 0;
    std::size_t reusedBytes = 0;
    std::size_t residentBytes = 0; ///< now
  };

  static Residency &
  Get();

  /** Memory on a GPU that may become a copy. It does not belong to the account of `device`, nor does it keep its stream. */
  std::shared_ptr<Buffer<char>>
  Allocate(const Device & device, std::size_t bytes);

  /** The copy of this memory on a GPU, complete, or null if there is none or the memory has changed. */
  Copy
  Find(const Device & device, const void * host, std::size_t bytes);

  /** Keeps a copy whose content is the memory's. Waits for the device. */
  void
  Keep(const Device & device, const void * host, const Copy & copy);

  /** Counts an upload that had to be. */
  void
  CountUpload(std::size_t bytes);

  /** Frees the copies on this GPU that nobody works with; "" stands for all GPUs. True if there were any. */
  bool
  Release(const std::string & device = std::string());

  /** At most so many bytes per GPU from now on; 0: nothing is kept. */
  void
  SetLimit(std::size_t bytesPerDevice);

  Counts
  GetCounts() const;

private:
  Residency();

  struct Entry
  {
    std::string   device;
    const void *  host;
    Copy          copy;
    std::uint64_t digest;
  };

  /** One handle per GPU, by its name, for the memory of the copies alone. */
  std::map<std::string, Device> m_Devices;
  /** Newest first. */
  std::list<Entry>              m_Entries;
  mutable std::mutex            m_Mutex;
  Counts                        m_Counts;
  bool                          m_HasLimit = false;
  std::size_t                   m_Limit = 0;
};
} // namespace engine
} // namespace itk

#endif
