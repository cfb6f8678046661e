// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineTangentProduct_h
#define itkEngineTangentProduct_h

#include "../Core/HostDevice.h"

namespace itk
{
namespace engine
{
/** q += g (g . d). */
ITK_ENGINE_HOST_DEVICE void
AddRankOneProduct(const float (&g)[3], const float (&d)[3], float (&q)[3])
{
  const float product = g[0] * d[0] + g[1] * d[1] + g[2] * d[2];
  q[0] += g[0] * product;
  q[1] += g[1] * product;
  q[2] += g[2] * product;
}

/** q = G d, G by its components xx, xy, xz, yy, yz, zz. */
ITK_ENGINE_HOST_DEVICE void
MultiplySymmetric(const float (&g)[6], const float (&d)[3], float (&q)[3])
{
  q[0] = g[0] * d[0] + g[1] * d[1] + g[2] * d[2];
  q[1] = g[1] * d[0] + g[3] * d[1] + g[4] * d[2];
  q[2] = g[2] * d[0] + g[4] * d[1] + g[5] * d[2];
}
} // namespace engine
} // namespace itk

#endif
