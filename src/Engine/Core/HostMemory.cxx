// SPDX-License-Identifier: Apache-2.0
#include "HostMemory.h"

#include <algorithm>
#include <system_error>

namespace itk
{
namespace engine
{
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
