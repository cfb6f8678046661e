// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineHostMemory_h
#define itkEngineHostMemory_h

#include "Residency.h"

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace itk
{
namespace engine
{
/** A block of the host's memory. */
struct HostBlock
{
  void *      data = nullptr;
  std::size_t bytes = 0;
};

/** What the host holds, where a device can read it: a copy on a GPU, on the CPU the memory itself. */
class HostInput
{
public:
  HostInput() = default;

  /** Takes the copy that is resident (see Residency), or uploads one and keeps it. */
  HostInput(const Device & device, const void * host, std::size_t bytes);

  /** The block of `bytes` at `offset` in an array of `wholeBytes`: from the resident copy of the array, or uploaded. */
  HostInput(const Device & device, const void * whole, std::size_t wholeBytes, std::size_t offset, std::size_t bytes);

  const void *
  Data() const
  {
    return m_Data;
  }

private:
  Residency::Copy m_Copy;
  const void *    m_Data = nullptr;
};

/** Memory that a device can write, for what the host shall hold: on the CPU the host's memory itself. */
class HostOutput
{
public:
  HostOutput(const Device & device, const HostBlock & host);

  void *
  Data() const
  {
    return m_Copy ? m_Copy->Data() : m_Host.data;
  }

  /** Waits until the host has it. The copy stays resident. */
  void
  Download() const;

private:
  Device                        m_Device;
  HostBlock                     m_Host;
  std::shared_ptr<Buffer<char>> m_Copy;
};

/** Gives new memory of the host its pages, which takes longer than a copy to it, while a GPU works. What the memory
 * holds is lost. For the CPU, whose threads have work, it does nothing. The destructor stops it; what has no page then
 * gets one when it is written, as ever. */
class PagePreparation
{
public:
  PagePreparation(const Device & device, const std::vector<HostBlock> & blocks);
  ~PagePreparation();
  PagePreparation(const PagePreparation &) = delete;
  PagePreparation &
  operator=(const PagePreparation &) = delete;

private:
  void
  Touch();

  std::vector<HostBlock>   m_Slices;
  std::atomic<std::size_t> m_Next{ 0 };
  std::vector<std::thread> m_Threads;
};
} // namespace engine
} // namespace itk

#endif
