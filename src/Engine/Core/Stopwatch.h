// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineStopwatch_h
#define itkEngineStopwatch_h

#include "Device.h"

#include <chrono>

namespace itk
{
namespace engine
{
/** Times the work of a device: by events on a GPU's stream, so that the host's launches do not count, and by the steady
 * clock on the CPU. */
class Stopwatch
{
public:
  explicit Stopwatch(const Device & device);
  ~Stopwatch();
  Stopwatch(const Stopwatch &) = delete;
  Stopwatch &
  operator=(const Stopwatch &) = delete;

  void
  Start();

  /** Waits for the work queued since Start; seconds. */
  double
  Stop();

private:
  Device                                m_Device;
  void *                                m_Events[2] = { nullptr, nullptr };
  std::chrono::steady_clock::time_point m_Start;
};
} // namespace engine
} // namespace itk

#endif
