// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaRuntime_h
#define itkEngineCudaRuntime_h

#include <cstddef>
#include <string>

namespace itk
{
namespace engine
{
namespace cuda
{
// What Core/Device.cxx needs of the CUDA runtime, without a CUDA type so that no other file needs its headers.
// Streams are cudaStream_t as plain pointers. Failures are thrown as Error unless said otherwise.

/** Number of GPUs; 0 and a reason when there is no usable driver or GPU. Never throws. */
int
DeviceCount(std::string & problem);

/** `problem` stays empty if this program can run on the GPU. Never throws. */
void
DescribeDevice(int           ordinal,
               std::string & description,
               std::size_t & totalBytes,
               std::size_t & freeBytes,
               std::string & problem);

void *
CreateStream(int ordinal);
/** Waits for the stream's work. Never throws. */
void
DestroyStream(int ordinal, void * stream);

/** Throws OutOfMemoryError that says how much was needed, is free, and is there. */
void *
Allocate(int ordinal, std::size_t bytes);
/** Never throws. */
void
Free(int ordinal, void * pointer);
std::size_t
FreeBytes(int ordinal);

/** Returns when the source may be reused. */
void
CopyFromHost(int ordinal, void * stream, void * target, const void * source, std::size_t bytes);
/** Returns when the target is complete. */
void
CopyToHost(int ordinal, void * stream, void * target, const void * source, std::size_t bytes);
/** Between two places on the GPU; queued. */
void
Copy(int ordinal, void * stream, void * target, const void * source, std::size_t bytes);
/** Queued. */
void
SetZero(int ordinal, void * stream, void * target, std::size_t bytes);
void
Synchronize(int ordinal, void * stream);

/** Host memory that the GPU writes to by itself. */
void *
AllocatePinned(int ordinal, std::size_t bytes);
/** Waits for the stream's work. Never throws. */
void
FreePinned(int ordinal, void * stream, void * pointer);
/** Queued. */
void
CopyToPinned(int ordinal, void * stream, void * target, const void * source, std::size_t bytes);

/** Marks on a stream, as cudaEvent_t without its type; for Core/Stopwatch.h and Core/LateCopy.h. */
void *
CreateEvent(int ordinal);
/** Never throws. */
void
DestroyEvent(int ordinal, void * event);
void
RecordEvent(int ordinal, void * stream, void * event);
void
WaitForEvent(int ordinal, void * event);
/** Waits for `last`; seconds of GPU time between the two. */
double
ElapsedSeconds(int ordinal, void * first, void * last);
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
