// SPDX-License-Identifier: Apache-2.0
#include "LateCopy.h"

#if defined(ITK_ENGINE_CUDA)
#  include "../Cuda/Runtime.h"
#endif

#include <algorithm>

namespace itk
{
namespace engine
{
LateCopy::LateCopy(const Device & device, int count)
  : m_Device(device)
  , m_Count(count)
  , m_Numbers(static_cast<std::size_t>(count))
{
#if defined(ITK_ENGINE_CUDA)
  if (device.IsCuda())
  {
    m_Pinned = static_cast<double *>(cuda::AllocatePinned(device.Ordinal(), this->Bytes()));
    m_Event = cuda::CreateEvent(device.Ordinal());
  }
#endif
}

LateCopy::~LateCopy()
{
#if defined(ITK_ENGINE_CUDA)
  if (m_Pinned)
  {
    cuda::FreePinned(m_Device.Ordinal(), m_Device.Stream(), m_Pinned);
    cuda::DestroyEvent(m_Device.Ordinal(), m_Event);
  }
#endif
}

void
LateCopy::Queue(const double * numbers)
{
#if defined(ITK_ENGINE_CUDA)
  if (m_Device.IsCuda())
  {
    cuda::CopyToPinned(m_Device.Ordinal(), m_Device.Stream(), m_Pinned, numbers, this->Bytes());
    cuda::RecordEvent(m_Device.Ordinal(), m_Device.Stream(), m_Event);
    return;
  }
#endif
  std::copy_n(numbers, m_Count, m_Numbers.data());
}

const double *
LateCopy::Wait()
{
#if defined(ITK_ENGINE_CUDA)
  if (m_Device.IsCuda())
  {
    cuda::WaitForEvent(m_Device.Ordinal(), m_Event);
    return m_Pinned;
  }
#endif
  return m_Numbers.data();
}
} // namespace engine
} // namespace itk
