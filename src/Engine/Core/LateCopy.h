// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineLateCopy_h
#define itkEngineLateCopy_h

#include "Device.h"

#include <vector>

namespace itk
{
namespace engine
{
/** A few numbers on their way to the host, for which the device need not stand still: Queue takes them as what was queued
 * before leaves them, Wait returns as soon as they are there, while what was queued after it still runs. */
class LateCopy
{
public:
  LateCopy(const Device & device, int count);
  ~LateCopy();
  LateCopy(const LateCopy &) = delete;
  LateCopy &
  operator=(const LateCopy &) = delete;

  /** `numbers` in device memory. */
  void
  Queue(const double * numbers);

  /** Those of the last Queue, until the next one. */
  const double *
  Wait();

private:
  std::size_t
  Bytes() const
  {
    return sizeof(double) * static_cast<std::size_t>(m_Count);
  }

  Device              m_Device;
  int                 m_Count;
  double *            m_Pinned = nullptr; ///< of a GPU
  void *              m_Event = nullptr;
  std::vector<double> m_Numbers; ///< of the CPU
};
} // namespace engine
} // namespace itk

#endif
