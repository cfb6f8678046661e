// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineHostMemory_h
#define itkEngineHostMemory_h

#include "Buffer.h"

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
  HostInput(const Device & device, const void * host, std::size_t bytes)
  {
    m_Data = host;
    if (device.IsCuda())
    {
      m_Copy = Buffer<char>(device, static_cast<std::int64_t>(bytes));
      device.CopyFromHost(m_Copy.Data(), host, bytes);
      m_Data = m_Copy.Data();
    }
  }

  const void *
  Data() const
  {
    return m_Data;
  }

private:
  Buffer<char> m_Copy;
  const void * m_Data = nullptr;
};

/** Memory that a device can write, for what the host shall hold: on the CPU the host's memory itself. */
class HostOutput
{
public:
  HostOutput(const Device & device, const HostBlock & host)
    : m_Device(device)
    , m_Host(host)
  {
    if (device.IsCuda())
    {
      m_Copy = Buffer<char>(device, static_cast<std::int64_t>(host.bytes));
    }
  }

  void *
  Data() const
  {
    return m_Copy.Data() ? m_Copy.Data() : m_Host.data;
  }

  /** Waits until the host has it. */
  void
  Download() const
  {
    if (m_Copy.Data())
    {
      m_Device.CopyToHost(m_Host.data, m_Copy.Data(), m_Host.bytes);
    }
  }

private:
  Device       m_Device;
  HostBlock    m_Host;
  Buffer<char> m_Copy;
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
