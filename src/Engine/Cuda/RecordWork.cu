// SPDX-License-Identifier: Apache-2.0
#include "../Core/RecordWork.h"

#include "Launch.h"

#include <memory>
#include <type_traits>

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
/** A stream that is recorded; it is not any more when this ends, whatever happened. */
class Capture
{
public:
  explicit Capture(const Device & device)
    : m_Device(device)
    , m_Stream(Enter(device))
  {
    // Only this thread must keep from what cannot be recorded: others may have devices of their own.
    Check(cudaStreamBeginCapture(m_Stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture", device.Ordinal());
    m_Active = true;
  }
  Capture(const Capture &) = delete;
  Capture &
  operator=(const Capture &) = delete;
  ~Capture()
  {
    if (m_Active)
    {
      static_cast<void>(cudaStreamEndCapture(m_Stream, &m_Graph));
      static_cast<void>(cudaGetLastError());
    }
    if (m_Graph)
    {
      static_cast<void>(cudaGraphDestroy(m_Graph));
    }
  }

  /** What was recorded, ready to be launched. */
  cudaGraphExec_t
  Finish()
  {
    m_Active = false;
    Check(cudaStreamEndCapture(m_Stream, &m_Graph), "cudaStreamEndCapture", m_Device.Ordinal());
    cudaGraphExec_t executable = nullptr;
    Check(cudaGraphInstantiateWithFlags(&executable, m_Graph, 0), "cudaGraphInstantiate", m_Device.Ordinal());
    return executable;
  }

private:
  Device       m_Device;
  cudaStream_t m_Stream;
  cudaGraph_t  m_Graph = nullptr;
  bool         m_Active = false;
};
} // namespace

std::function<void()>
RecordWork(const Device & device, const std::function<void()> & work)
{
  Capture capture(device);
  work();
  // It may run while an error is on its way: one of earlier work is reported by the next call.
  const auto destroy = [device](cudaGraphExec_t executable) {
    if (cudaSetDevice(device.Ordinal()) == cudaSuccess)
    {
      static_cast<void>(cudaStreamSynchronize(static_cast<cudaStream_t>(device.Stream())));
      static_cast<void>(cudaGraphExecDestroy(executable));
    }
  };
  const std::shared_ptr<std::remove_pointer_t<cudaGraphExec_t>> executable(capture.Finish(), destroy);
  Check(cudaGraphUpload(executable.get(), Enter(device)), "cudaGraphUpload", device.Ordinal());
  return [device, executable] {
    Check(cudaGraphLaunch(executable.get(), Enter(device)), "cudaGraphLaunch", device.Ordinal());
  };
}
} // namespace cuda
} // namespace engine
} // namespace itk
