// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaFourierLibrary_h
#define itkEngineCudaFourierLibrary_h

#include <cufft.h>

namespace itk
{
namespace engine
{
namespace cuda
{
/** The functions of cuFFT that FourierTransform calls. */
struct FourierLibrary
{
  decltype(&cufftCreate)            create;
  decltype(&cufftDestroy)           destroy;
  decltype(&cufftSetAutoAllocation) setAutoAllocation;
  decltype(&cufftMakePlanMany)      makePlan;
  decltype(&cufftSetStream)         setStream;
  decltype(&cufftSetWorkArea)       setWorkArea;
  decltype(&cufftExecR2C)           executeForward;
  decltype(&cufftExecC2R)           executeInverse;
  decltype(&cufftExecC2C)           executeComplex;
};

/** Loaded by the first call. Throws Error where there is none, and says what was tried. */
const FourierLibrary &
GetFourierLibrary();
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
