// SPDX-License-Identifier: Apache-2.0
#include "Residency.h"

#include "../Operators/Digest.h"

#include <algorithm>
#include <iterator>

namespace itk
{
namespace engine
{
namespace
{
std::uint64_t
DigestOfHost(const void * host, std::size_t bytes)
{
  static const Device cpu = Device::Open("cpu");
  std::uint64_t       digest = 0;
  Digest(cpu, host, bytes, &digest);
  return digest;
}

bool
CanDigest(const void * host)
{
  return reinterpret_cast<std::uintptr_t>(host) % alignof(std::uint64_t) == 0;
}
} // namespace

Residency::Residency()
{
  Device::SetMemoryReserve([](const std::string & device) { return Get().Release(device); });
}

Residency &
Residency::Get()
{
  // Never destroyed: at the end of the program the driver may be gone before it.
  static Residency * const residency = new Residency;
  return *residency;
}

std::shared_ptr<Buffer<char>>
Residency::Allocate(const Device & device, std::size_t bytes)
{
  Device memory;
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    auto                              known = m_Devices.find(device.Name());
    if (known == m_Devices.end())
    {
      known = m_Devices.emplace(device.Name(), Device::Open(device.Name())).first;
    }
    memory = known->second;
  }
  return std::make_shared<Buffer<char>>(memory, static_cast<std::int64_t>(bytes));
}

Residency::Copy
Residency::Find(const Device & device, const void * host, std::size_t bytes)
{
  const auto isWanted = [&](const Entry & entry) {
    return entry.host == host && entry.copy->Bytes() == bytes && entry.device == device.Name();
  };
  Entry candidate;
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    const auto                        found = std::find_if(m_Entries.begin(), m_Entries.end(), isWanted);
    if (found == m_Entries.end())
    {
      return nullptr;
    }
    candidate = *found;
  }
  const bool isSame = DigestOfHost(host, bytes) == candidate.digest;

  const std::lock_guard<std::mutex> lock(m_Mutex);
  const auto                        found = std::find_if(
    m_Entries.begin(), m_Entries.end(), [&](const Entry & entry) { return entry.copy == candidate.copy; });
  if (!isSame)
  {
    if (found != m_Entries.end())
    {
      m_Entries.erase(found);
    }
    return nullptr;
  }
  if (found != m_Entries.end())
  {
    m_Entries.splice(m_Entries.begin(), m_Entries, found);
  }
  ++m_Counts.reuses;
  m_Counts.reusedBytes += bytes;
  return candidate.copy;
}

void
Residency::Keep(const Device & device, const void * host, const Copy & copy)
{
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    if (copy->Bytes() > (m_HasLimit ? m_Limit : device.TotalBytes() / 8) || !CanDigest(host))
    {
      return;
    }
  }
  Entry                       entry{ device.Name(), host, copy, 0 };
  const Buffer<std::uint64_t> digest(device, 1);
  Digest(device, copy->Data(), copy->Bytes(), digest.Data());
  device.CopyToHost(&entry.digest, digest.Data(), digest.Bytes());

  // What goes is freed when the lock is.
  std::list<Entry>                  gone;
  const std::lock_guard<std::mutex> lock(m_Mutex);
  const std::size_t                 limit = m_HasLimit ? m_Limit : device.TotalBytes() / 8;
  std::size_t                       bytes = copy->Bytes();
  m_Entries.push_front(entry);
  for (auto it = std::next(m_Entries.begin()); it != m_Entries.end();)
  {
    const auto next = std::next(it);
    if (it->device == entry.device)
    {
      if (it->host == host || bytes + it->copy->Bytes() > limit)
      {
        gone.splice(gone.end(), m_Entries, it);
      }
      else
      {
        bytes += it->copy->Bytes();
      }
    }
    it = next;
  }
}

void
Residency::CountUpload(std::size_t bytes)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  ++m_Counts.uploads;
  m_Counts.uploadedBytes += bytes;
}

bool
Residency::Release(const std::string & device)
{
  std::list<Entry> gone;
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    for (auto it = m_Entries.begin(); it != m_Entries.end();)
    {
      const auto next = std::next(it);
      if (device.empty() || it->device == device)
      {
        gone.splice(gone.end(), m_Entries, it);
      }
      it = next;
    }
  }
  return !gone.empty();
}

void
Residency::SetLimit(std::size_t bytesPerDevice)
{
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    m_HasLimit = true;
    m_Limit = bytesPerDevice;
  }
  // The next copies that are kept find room; those that are there may be too many.
  this->Release();
}

Residency::Counts
Residency::GetCounts() const
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  Counts                            counts = m_Counts;
  for (const Entry & entry : m_Entries)
  {
    counts.residentBytes += entry.copy->Bytes();
  }
  return counts;
}
} // namespace engine
} // namespace itk
