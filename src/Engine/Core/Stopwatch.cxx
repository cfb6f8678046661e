// SPDX-License-Identifier: Apache-2.0
#include "Stopwatch.h"

#if defined(ITK_ENGINE_CUDA)
#  include "../Cuda/Runtime.h"
#endif

namespace itk
{
namespace engine
{
Stopwatch::Stopwatch(const Device & device)
  : m_Device(device)
{
#if defined(ITK_ENGINE_CUDA)
  for (void *& event : m_Events)
  {
    event = device.IsCuda() ? cuda::CreateEvent(device.Ordinal()) : nullptr;
  }
#endif
}

Stopwatch::~Stopwatch()
{
#if defined(ITK_ENGINE_CUDA)
  for (void * event : m_Events)
  {
    cuda::DestroyEvent(m_Device.Ordinal(), event);
  }
#endif
}

void
Stopwatch::Start()
{
#if defined(ITK_ENGINE_CUDA)
  if (m_Device.IsCuda())
  {
    cuda::RecordEvent(m_Device.Ordinal(), m_Device.Stream(), m_Events[0]);
    return;
  }
#endif
  m_Start = std::chrono::steady_clock::now();
}

double
Stopwatch::Stop()
{
#if defined(ITK_ENGINE_CUDA)
  if (m_Device.IsCuda())
  {
    cuda::RecordEvent(m_Device.Ordinal(), m_Device.Stream(), m_Events[1]);
    return cuda::ElapsedSeconds(m_Device.Ordinal(), m_Events[0], m_Events[1]);
  }
#endif
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - m_Start).count();
}
} // namespace engine
} // namespace itk
