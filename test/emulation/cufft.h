// SPDX-License-Identifier: Apache-2.0
#ifndef itkEmulationCufft_h
#define itkEmulationCufft_h

#include "cuda_runtime.h"

// Stands in for cuFFT's header of this name: what src/Engine/Cuda/FourierLibrary.h takes of it. FourierLibrary.cxx has the
// functions, by FFTW. Names and signatures are NVIDIA's (cuFFT API Reference, release 13).

enum cufftResult
{
  CUFFT_SUCCESS = 0,
  CUFFT_INVALID_PLAN = 1,
  CUFFT_INVALID_VALUE = 4,
  CUFFT_INTERNAL_ERROR = 5,
  CUFFT_INVALID_SIZE = 8,
  CUFFT_NO_WORKSPACE = 13
};
enum cufftType
{
  CUFFT_R2C = 0x2a,
  CUFFT_C2R = 0x2c,
  CUFFT_C2C = 0x29
};
constexpr int CUFFT_FORWARD = -1;
constexpr int CUFFT_INVERSE = 1;

using cufftHandle = int;
using cufftReal = float;
using cufftComplex = float2;

cufftResult cufftCreate(cufftHandle * plan);
cufftResult cufftDestroy(cufftHandle plan);
cufftResult cufftSetAutoAllocation(cufftHandle plan, int autoAllocate);
cufftResult cufftMakePlanMany(cufftHandle   plan,
                              int           rank,
                              int *         n,
                              int *         inembed,
                              int           istride,
                              int           idist,
                              int *         onembed,
                              int           ostride,
                              int           odist,
                              cufftType     type,
                              int           batch,
                              std::size_t * workSize);
cufftResult cufftSetStream(cufftHandle plan, cudaStream_t stream);
cufftResult cufftSetWorkArea(cufftHandle plan, void * workArea);
cufftResult cufftExecR2C(cufftHandle plan, cufftReal * input, cufftComplex * output);
cufftResult cufftExecC2R(cufftHandle plan, cufftComplex * input, cufftReal * output);
cufftResult cufftExecC2C(cufftHandle plan, cufftComplex * input, cufftComplex * output, int direction);

#endif
