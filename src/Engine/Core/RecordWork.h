// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineRecordWork_h
#define itkEngineRecordWork_h

#include "Dispatch.h"

#include <functional>

namespace itk
{
namespace engine
{
/** Work of a device in a form that can be queued again and again at little cost to the host.
 *
 * `work` calls operators. On a GPU it is called here and now, once: what it queues does not run but is recorded as a CUDA
 * graph, and the returned function queues that. On the CPU the returned function calls `work`.
 *
 * Pointers and numbers that operators were given are recorded as they are: what changes from one replay to the next must
 * come from device memory, which has to live as long as it is replayed, and so must what `work` refers to. It must
 * not allocate or free device memory, copy from or to the host, or wait; an Error says that it did, by the call's name,
 * nothing is left recorded, and the device goes on working. Nor must another thread use the device meanwhile.
 *
 * A kernel's first use may load it, which older drivers refuse here: call `work` once before it is recorded. What was
 * queued before may still run meanwhile. The returned function waits for the device when it is destroyed. */
ITK_ENGINE_DECLARE(std::function<void()> RecordWork(const Device & device, const std::function<void()> & work))

std::function<void()>
RecordWork(const Device & device, const std::function<void()> & work);
} // namespace engine
} // namespace itk

#endif
