// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineHostDevice_h
#define itkEngineHostDevice_h

// The formulas in Engine/Math are compiled by the host compiler and by nvcc, so that both backends share them.
#if defined(__CUDACC__)
#  define ITK_ENGINE_HOST_DEVICE __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#  define ITK_ENGINE_HOST_DEVICE inline __attribute__((always_inline))
#else
#  define ITK_ENGINE_HOST_DEVICE inline
#endif

#endif
