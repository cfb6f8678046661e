// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineFiniteDifference8Math_h
#define itkEngineFiniteDifference8Math_h

#include "../Core/HostDevice.h"

namespace itk
{
namespace engine
{
constexpr int DifferenceRadius = 4;

/** The derivative from the values 1 to 4 places ahead and behind. */
ITK_ENGINE_HOST_DEVICE float
Difference8(const float (&ahead)[DifferenceRadius], const float (&behind)[DifferenceRadius])
{
  return 4.0f / 5.0f * (ahead[0] - behind[0]) - 1.0f / 5.0f * (ahead[1] - behind[1]) +
         4.0f / 105.0f * (ahead[2] - behind[2]) - 1.0f / 280.0f * (ahead[3] - behind[3]);
}

/** The place of a periodic axis. */
ITK_ENGINE_HOST_DEVICE int
WrapIndex(int index, int size)
{
  const int rest = index % size;
  return rest < 0 ? rest + size : rest;
}
} // namespace engine
} // namespace itk

#endif
