// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaPixelGroup_h
#define itkEngineCudaPixelGroup_h

#include "../Core/Float16.h"

#include "BoxMarch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// Pixels of float, BFloat16 or Float16 as they are loaded. They become float32 where they are used, which waits for the
// load: not where it is issued. Included by LnccMarch.h alone.
namespace
{
__device__ __forceinline__ float
LoadPixel(const float * pixel)
{
  return __ldg(pixel);
}

template <typename TPixel>
__device__ __forceinline__ TPixel
LoadPixel(const TPixel * pixel)
{
  return TPixel{ __ldg(&pixel->bits) };
}

/** Four neighbouring pixels. Unless `aligned`, `room` of them are inside the row, and a load leaves the others alone. */
template <typename TPixel, bool aligned>
struct PixelGroup
{
  TPixel values[MarchGroup];

  __device__ __forceinline__ void
  Fill(TPixel value)
  {
#pragma unroll
    for (int k = 0; k < MarchGroup; ++k)
    {
      values[k] = value;
    }
  }

  __device__ __forceinline__ void
  Load(const TPixel * row, int room)
  {
#pragma unroll
    for (int k = 0; k < MarchGroup; ++k)
    {
      if (k < room)
      {
        values[k] = LoadPixel(row + k);
      }
    }
  }

  __device__ __forceinline__ float
  Get(int k) const
  {
    return ToFloat(values[k]);
  }
};

template <>
__device__ __forceinline__ void
PixelGroup<float, true>::Load(const float * row, int)
{
  const float4 four = __ldg(reinterpret_cast<const float4 *>(row));
  values[0] = four.x;
  values[1] = four.y;
  values[2] = four.z;
  values[3] = four.w;
}

/** Pixels of 16 bits, two to a register. */
template <typename TPixel>
struct PixelPairs
{
  uint2 pairs;

  __device__ __forceinline__ void
  Fill(TPixel value)
  {
    const unsigned int bits = value.bits;
    pairs.x = pairs.y = bits << 16 | bits;
  }

  __device__ __forceinline__ void
  Load(const TPixel * row, int)
  {
    pairs = __ldg(reinterpret_cast<const uint2 *>(row));
  }

  __device__ __forceinline__ float
  Get(int k) const
  {
    const unsigned int pair = k < 2 ? pairs.x : pairs.y;
    return ToFloat(TPixel{ static_cast<std::uint16_t>(k % 2 == 0 ? pair & 0xffffu : pair >> 16) });
  }
};

template <>
struct PixelGroup<BFloat16, true> : PixelPairs<BFloat16>
{};

template <>
struct PixelGroup<Float16, true> : PixelPairs<Float16>
{};

/** True if groups of four of these rows can be read at once. */
template <typename TPixel>
bool
IsAligned(const Extent & extent, const TPixel * pointer)
{
  return extent.nx % MarchGroup == 0 && reinterpret_cast<std::uintptr_t>(pointer) % (MarchGroup * sizeof(TPixel)) == 0;
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
