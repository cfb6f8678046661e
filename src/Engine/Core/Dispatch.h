// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineDispatch_h
#define itkEngineDispatch_h

#include "Buffer.h"
#include "Device.h"
#include "Error.h"
#include "Field.h"

// The only place that asks which backend runs: an operator `Name(device, ...)` is cpu::Name or cuda::Name.
// ITK_ENGINE_CUDA is defined for the whole engine when it is built with a CUDA compiler.
#if defined(ITK_ENGINE_CUDA)
#  define ITK_ENGINE_DISPATCH(device, call) ((device).IsCuda() ? cuda::call : cpu::call)
#else
#  define ITK_ENGINE_DISPATCH(device, call) (cpu::call)
#endif

// Declares an operator in both backends with one signature.
#define ITK_ENGINE_DECLARE(signature) \
  namespace cpu                       \
  {                                   \
  signature;                          \
  }                                   \
  namespace cuda                      \
  {                                   \
  signature;                          \
  }

#endif
