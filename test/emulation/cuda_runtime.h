// SPDX-License-Identifier: Apache-2.0
#ifndef itkEmulationCudaRuntime_h
#define itkEmulationCudaRuntime_h

// Stands in for the CUDA runtime's header of this name, so that the engine's .cu files, after TranslateCuda.cmake, are
// C++ for a device "cuda:0" that lives in host memory. Names, signatures and limits are NVIDIA's (CUDA C++ Programming
// Guide and CUDA Runtime API, release 13, NVIDIA); what is not listed here is not emulated, and does not compile.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define CUDART_VERSION 13000

#define ITK_EMULATION_VECTORS(T, name, alignment2, alignment4)                                   \
  struct alignas(alignment2) name##2                                                             \
  {                                                                                              \
    T x, y;                                                                                      \
  };                                                                                             \
  struct name##3                                                                                 \
  {                                                                                              \
    T x, y, z;                                                                                   \
  };                                                                                             \
  struct alignas(alignment4) name##4                                                             \
  {                                                                                              \
    T x, y, z, w;                                                                                \
  };                                                                                             \
  inline name##2 make_##name##2(T x, T y) { return name##2{ x, y }; }                            \
  inline name##3 make_##name##3(T x, T y, T z) { return name##3{ x, y, z }; }                    \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return name##4{ x, y, z, w }; }
ITK_EMULATION_VECTORS(float, float, 8, 16)
ITK_EMULATION_VECTORS(int, int, 8, 16)
ITK_EMULATION_VECTORS(unsigned int, uint, 8, 16)
ITK_EMULATION_VECTORS(short, short, 4, 8)
ITK_EMULATION_VECTORS(unsigned short, ushort, 4, 8)
ITK_EMULATION_VECTORS(unsigned char, uchar, 2, 4)
ITK_EMULATION_VECTORS(double, double, 16, 16)
#undef ITK_EMULATION_VECTORS

struct dim3
{
  unsigned int x, y, z;
  constexpr dim3(unsigned int sizeX = 1, unsigned int sizeY = 1, unsigned int sizeZ = 1)
    : x(sizeX)
    , y(sizeY)
    , z(sizeZ)
  {}
};

enum cudaError_t
{
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorIllegalState = 401,
  cudaErrorNotReady = 600,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorCapturedEvent = 907,
  cudaErrorStreamCaptureWrongThread = 908
};
enum cudaMemcpyKind
{
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
enum cudaMemoryType
{
  cudaMemoryTypeUnregistered,
  cudaMemoryTypeHost,
  cudaMemoryTypeDevice,
  cudaMemoryTypeManaged
};
enum cudaFuncAttribute
{
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9
};
enum cudaDeviceAttr
{
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrWarpSize = 10,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97
};
enum cudaStreamCaptureMode
{
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
enum cudaStreamCaptureStatus
{
  cudaStreamCaptureStatusNone,
  cudaStreamCaptureStatusActive,
  cudaStreamCaptureStatusInvalidated
};
enum : unsigned int
{
  cudaStreamDefault = 0,
  cudaStreamNonBlocking = 1,
  cudaEventDefault = 0,
  cudaEventDisableTiming = 2,
  cudaHostAllocDefault = 0
};

struct cudaDeviceProp
{
  char        name[256];
  std::size_t totalGlobalMem;
  std::size_t sharedMemPerBlock;
  std::size_t sharedMemPerBlockOptin;
  std::size_t sharedMemPerMultiprocessor;
  int         warpSize;
  int         maxThreadsPerBlock;
  int         maxThreadsPerMultiProcessor;
  int         maxGridSize[3];
  int         multiProcessorCount;
  int         l2CacheSize;
  int         major;
  int         minor;
};
struct cudaFuncAttributes
{
  std::size_t sharedSizeBytes;
  int         maxThreadsPerBlock;
  int         maxDynamicSharedSizeBytes;
};
struct cudaPointerAttributes
{
  cudaMemoryType type;
  int            device;
  void *         devicePointer;
  void *         hostPointer;
};
using cudaStream_t = struct CUstream_st *;
using cudaEvent_t = struct CUevent_st *;
using cudaGraph_t = struct CUgraph_st *;
using cudaGraphExec_t = struct CUgraphExec_st *;

cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
const char * cudaGetErrorString(cudaError_t error);

cudaError_t cudaGetDeviceCount(int * count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int * device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp * properties, int device);
cudaError_t cudaDeviceGetAttribute(int * value, cudaDeviceAttr attribute, int device);
cudaError_t cudaDeviceSynchronize();

cudaError_t cudaMalloc(void ** pointer, std::size_t bytes);
cudaError_t cudaFree(void * pointer);
cudaError_t cudaHostAlloc(void ** pointer, std::size_t bytes, unsigned int flags);
cudaError_t cudaFreeHost(void * pointer);
cudaError_t cudaMemGetInfo(std::size_t * freeBytes, std::size_t * totalBytes);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes * attributes, const void * pointer);
cudaError_t cudaMemcpy(void * target, const void * source, std::size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void *         target,
                            const void *   source,
                            std::size_t    bytes,
                            cudaMemcpyKind kind,
                            cudaStream_t   stream = nullptr);
cudaError_t cudaMemset(void * target, int value, std::size_t bytes);
cudaError_t cudaMemsetAsync(void * target, int value, std::size_t bytes, cudaStream_t stream = nullptr);

cudaError_t cudaStreamCreate(cudaStream_t * stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t * stream, unsigned int flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags = 0);

cudaError_t cudaEventCreate(cudaEvent_t * event);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t * event, unsigned int flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = nullptr);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float * milliseconds, cudaEvent_t first, cudaEvent_t last);

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t * graph);
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus * status);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t * executable, cudaGraph_t graph, unsigned long long flags = 0);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t * executable, cudaGraph_t graph, unsigned long long flags = 0);
cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);

#include "EmulatedLaunch.h"

#include "EmulatedDeviceCode.h"

template <typename T>
cudaError_t
cudaMalloc(T ** pointer, std::size_t bytes)
{
  return cudaMalloc(reinterpret_cast<void **>(pointer), bytes);
}

template <typename... TParameters>
cudaError_t
cudaFuncSetAttribute(void (*kernel)(TParameters...), cudaFuncAttribute attribute, int value)
{
  return emulation::SetKernelAttribute(reinterpret_cast<const void *>(kernel), attribute, value);
}

template <typename... TParameters>
cudaError_t
cudaFuncGetAttributes(cudaFuncAttributes * attributes, void (*kernel)(TParameters...))
{
  return emulation::GetKernelAttributes(attributes, reinterpret_cast<const void *>(kernel));
}

template <typename... TParameters>
cudaError_t
cudaOccupancyMaxActiveBlocksPerMultiprocessor(int * blocks,
                                              void (*)(TParameters...),
                                              int         blockSize,
                                              std::size_t dynamicBytes)
{
  return emulation::GetOccupancy(blocks, blockSize, dynamicBytes);
}

/** Constant memory is an ordinary variable of the program here. */
template <typename T>
cudaError_t
cudaMemcpyToSymbolAsync(T &            symbol,
                        const void *   source,
                        std::size_t    bytes,
                        std::size_t    offset = 0,
                        cudaMemcpyKind = cudaMemcpyHostToDevice,
                        cudaStream_t   stream = nullptr)
{
  return emulation::CopyToSymbol(&symbol, sizeof(T), source, bytes, offset, stream);
}

#endif
