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
  if (BreaksCapture(stream))
  {
    return Reject(cudaErrorStreamCaptureUnsupported, "the stream is captured");
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
  if (BreaksCapture(stream))
  {
    return Reject(cudaErrorStreamCaptureUnsupported, "the stream is captured");
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
  if (event->captured)
  {
    return Reject(cudaErrorStreamCaptureUnsupported, "captures of more than one stream are not emulated");
  }
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
  stream = Find(stream);
  event->captured = stream && stream->capture;
  if (event->captured)
  {
    // It stands for a place in the graph, and never comes.
    return cudaSuccess;
  }
  event->stream = stream;
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
  if (event->captured)
  {
    return Reject(cudaErrorCapturedEvent, "an event of a captured stream");
  }
  Finish(event);
  return Report();
}
cudaError_t
cudaEventQuery(cudaEvent_t event)
{
  ITK_EMULATION_NOT_IN_CAPTURE;
  if (event->captured)
  {
    return Reject(cudaErrorCapturedEvent, "an event of a captured stream");
  }
  const bool busy = event->pending > 0;
  Finish(event);
  return busy ? cudaErrorNotReady : Report();
}
cudaError_t
cudaEventElapsedTime(float * milliseconds, cudaEvent_t first, cudaEvent_t last)
{
  ITK_EMULATION_LOCK;
  if (first->captured || last->captured)
  {
    return Reject(cudaErrorCapturedEvent, "an event of a captured stream");
  }
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
cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode)
{
  ITK_EMULATION_LOCK;
  stream = Find(stream);
  if (!stream || stream == &TheRuntime().defaultStream)
  {
    return Reject(cudaErrorStreamCaptureUnsupported, "this stream cannot be captured");
  }
  if (stream->capture)
  {
    return Reject(cudaErrorIllegalState, "this stream is captured already");
  }
  stream->capture = std::make_unique<Capture>();
  stream->capture->mode = mode;
  stream->capture->thread = std::this_thread::get_id();
  return cudaSuccess;
}
cudaError_t
cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t * graph)
{
  ITK_EMULATION_LOCK;
  *graph = nullptr;
  stream = Find(stream);
  if (!stream || !stream->capture)
  {
    return Reject(cudaErrorIllegalState, "this stream is not captured");
  }
  if (stream->capture->mode != cudaStreamCaptureModeRelaxed && stream->capture->thread != std::this_thread::get_id())
  {
    return Reject(cudaErrorStreamCaptureWrongThread, "another thread began the capture");
  }
  const std::unique_ptr<Capture> capture = std::move(stream->capture);
  if (capture->invalidated)
  {
    return Reject(cudaErrorStreamCaptureInvalidated, "an earlier call broke the capture of this stream");
  }
  *graph = new CUgraph_st{ std::move(capture->work) };
  return cudaSuccess;
}
cudaError_t
cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus * status)
{
  ITK_EMULATION_LOCK;
  stream = Find(stream);
  *status = cudaStreamCaptureStatusNone;
  if (stream && stream->capture)
  {
    *status = stream->capture->invalidated ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
  }
  return cudaSuccess;
}
cudaError_t
cudaGraphInstantiateWithFlags(cudaGraphExec_t * executable, cudaGraph_t graph, unsigned long long)
{
  if (!graph)
  {
    return Reject(cudaErrorInvalidValue, "there is no graph");
  }
  *executable = new CUgraphExec_st{ graph->work };
  return cudaSuccess;
}
cudaError_t
cudaGraphInstantiate(cudaGraphExec_t * executable, cudaGraph_t graph, unsigned long long flags)
{
  return cudaGraphInstantiateWithFlags(executable, graph, flags);
}
cudaError_t
cudaGraphUpload(cudaGraphExec_t, cudaStream_t stream)
{
  ITK_EMULATION_LOCK;
  stream = Find(stream);
  if (BreaksCapture(stream))
  {
    return Reject(cudaErrorStreamCaptureUnsupported, "the stream is captured");
  }
  return stream ? Report() : Reject(cudaErrorInvalidResourceHandle, "this stream does not exist");
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
