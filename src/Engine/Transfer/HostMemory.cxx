// SPDX-License-Identifier: Apache-2.0
#include "HostMemory.h"

#include <algorithm>
#include <system_error>

namespace itk
{
namespace engine
{
namespace
{
Residency::Copy
UploadCopy(const Device & device, const void * host, std::size_t bytes)
{
  const auto copy = Residency::Get().Allocate(device, bytes);
  device.CopyFromHost(copy->Data(), host, bytes);
  Residency::Get().CountUpload(bytes);
  return copy;
}
} // namespace

HostInput::HostInput(const Device & device, const void * host, std::size_t bytes)
  : m_Data(host)
{
  if (device.IsCuda())
  {
    m_Copy = Residency::Get().Find(device, host, bytes);
    if (!m_Copy)
    {
      m_Copy = UploadCopy(device, host, bytes);
      Residency::Get().Keep(device, host, m_Copy);
    }
    m_Data = m_Copy->Data();
  }
}

HostInput::HostInput(const Device & device,
                     const void *   whole,
                     std::size_t    wholeBytes,
                     std::size_t    offset,
                     std::size_t    bytes)
  : m_Data(static_cast<const char *>(whole) + offset)
{
  if (device.IsCuda())
  {
    m_Copy = Residency::Get().Find(device, whole, wholeBytes);
    const char * const resident = m_Copy ? m_Copy->Data() + offset : nullptr;
    m_Copy = m_Copy ? m_Copy : UploadCopy(device, m_Data, bytes);
    m_Data = resident ? resident : m_Copy->Data();
  }
}

HostOutput::HostOutput(const Device & device, const HostBlock & host)
  : m_Device(device)
  , m_Host(host)
{
  if (device.IsCuda())
  {
    m_Copy = Residency::Get().Allocate(device, host.bytes);
  }
}

void
HostOutput::Download() const
{
  if (m_Copy)
  {
    m_Device.CopyToHost(m_Host.data, m_Copy->Data(), m_Host.bytes);
    Residency::Get().Keep(m_Device, m_Host.data, m_Copy);
  }
}

PagePreparation::PagePreparation(const Device & device, const std::vector<HostBlock> & blocks)
{
  if (!device.IsCuda())
  {
    return;
  }
  constexpr std::size_t sliceBytes = std::size_t{ 8 } << 20;
  for (const HostBlock & block : blocks)
  {
    for (std::size_t begin = 0; begin < block.bytes; begin += sliceBytes)
    {
      m_Slices.push_back({ static_cast<char *>(block.data) + begin, std::min(sliceBytes, block.bytes - begin) });
    }
  }
  const unsigned int threads = std::min(4u, std::thread::hardware_concurrency() / 2);
  try
  {
    while (m_Threads.size() < std::min<std::size_t>(threads, m_Slices.size()))
    {
      m_Threads.emplace_back([this] { this->Touch(); });
    }
  }
  catch (const std::system_error &)
  {
    // No more threads to be had: fewer do the same.
  }
}

PagePreparation::~PagePreparation()
{
  m_Next = m_Slices.size();
  for (auto & thread : m_Threads)
  {
    thread.join();
  }
}

void
PagePreparation::Touch()
{
  constexpr std::size_t page = 4096;
  for (std::size_t slice = m_Next++; slice < m_Slices.size(); slice = m_Next++)
  {
    volatile char * const data = static_cast<char *>(m_Slices[slice].data);
    for (std::size_t i = 0; i < m_Slices[slice].bytes; i += page)
    {
      data[i] = 0;
    }
  }
}
} // namespace engine
} // namespace itk
