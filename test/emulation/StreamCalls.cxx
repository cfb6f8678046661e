// SPDX-License-Identifier: Apache-2.0
#include "DeviceState.h"

using namespace emulation;

cudaError_t
cudaStreamCreateWithFlags(cudaStream_t * stream, unsigned int)
{
  ITK_EMULATION_LOCK;
  *stream = new CUstream_st;
  TheRuntime().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t
cudaStreamCreate(cudaStream_t * stream)
{
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
cudaError_t
cudaStreamSynchronize(cudaStream_t stream)
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  stream = Find(stream);
  if (!stream)
  {
    return Reject(cudaErrorInvalidResourceHandle, "this stream does not exist");
  }
  Drain(stream);
  LookAtRedZones();
  return Report();
}
cudaError_t
cudaStreamDestroy(cudaStream_t stream)
{
  const cudaError_t status = cudaStreamSynchronize(stream);
  ITK_EMULATION_LOCK;
  if (TheRuntime().streams.erase(stream) > 0)
  {
    delete stream;
  }
  return status;
}
cudaError_t
cudaStreamQuery(cudaStream_t stream)
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  stream = Find(stream);
  if (!stream)
  {
    return Reject(cudaErrorInvalidResourceHandle, "this stream does not exist");
  }
  // Asking again and again must come to an end.
  const bool busy = !stream->queue.empty();
  Drain(stream);
  return busy ? cudaErrorNotReady : Report();
}
cudaError_t
cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int)
{
  ITK_EMULATION_LOCK;
  return Queue(stream, [event] { Finish(event); });
}

cudaError_t
cudaEventCreateWithFlags(cudaEvent_t * event, unsigned int)
{
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t
cudaEventCreate(cudaEvent_t * event)
{
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}
cudaError_t
cudaEventDestroy(cudaEvent_t event)
{
  ITK_EMULATION_LOCK;
  Finish(event);
  delete event;
  return cudaSuccess;
}
cudaError_t
cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
  ITK_EMULATION_LOCK;
  Finish(event);
  event->stream = Find(stream);
  event->recorded = true;
  ++event->pending;
  return Queue(stream, [event] {
    event->time = std::chrono::steady_clock::now();
    event->pending = 0;
  });
}
cudaError_t
cudaEventSynchronize(cudaEvent_t event)
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  Finish(event);
  return Report();
}
cudaError_t
cudaEventQuery(cudaEvent_t event)
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  const bool busy = event->pending > 0;
  Finish(event);
  return busy ? cudaErrorNotReady : Report();
}
cudaError_t
cudaEventElapsedTime(float * milliseconds, cudaEvent_t first, cudaEvent_t last)
{
  ITK_EMULATION_LOCK;
  if (!first->recorded || !last->recorded)
  {
    return Reject(cudaErrorInvalidResourceHandle, "an event that was not recorded");
  }
  if (first->pending > 0 || last->pending > 0)
  {
    return Reject(cudaErrorNotReady, "an event that has not come yet");
  }
  *milliseconds = std::chrono::duration<float, std::milli>(last->time - first->time).count();
  return cudaSuccess;
}

cudaError_t
cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode)
{
  ITK_EMULATION_LOCK;
  stream = Find(stream);
  if (!stream || stream == &TheRuntime().defaultStream || stream->captured)
  {
    return Reject(cudaErrorStreamCaptureUnsupported, "this stream cannot be captured");
  }
  stream->captured = std::make_unique<CUgraph_st>();
  return cudaSuccess;
}
cudaError_t
cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t * graph)
{
  ITK_EMULATION_LOCK;
  stream = Find(stream);
  if (!stream || !stream->captured)
  {
    return Reject(cudaErrorStreamCaptureInvalidated, "this stream is not captured");
  }
  *graph = stream->captured.release();
  return cudaSuccess;
}
cudaError_t
cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus * status)
{
  ITK_EMULATION_LOCK;
  stream = Find(stream);
  *status = stream && stream->captured ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t
cudaGraphInstantiate(cudaGraphExec_t * executable, cudaGraph_t graph, unsigned long long)
{
  *executable = new CUgraphExec_st{ graph->work };
  return cudaSuccess;
}
cudaError_t
cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
  ITK_EMULATION_LOCK;
  cudaError_t status = cudaSuccess;
  for (const Work & work : executable->work)
  {
    status = Queue(stream, Work(work));
  }
  return status;
}
cudaError_t
cudaGraphDestroy(cudaGraph_t graph)
{
  delete graph;
  return cudaSuccess;
}
cudaError_t
cudaGraphExecDestroy(cudaGraphExec_t executable)
{
  delete executable;
  return cudaSuccess;
}
