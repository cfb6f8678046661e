// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaWideBoxMarch_h
#define itkEngineCudaWideBoxMarch_h

#include "BoxMarch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// MarchBoxes for windows of any radius up to 15 along x and y. What differs: a row's window reaches over more threads than a
// shuffle does, so that the running sums along z stay in shared memory and rows are summed from there, nine sums per item;
// radii are numbers of the call.

constexpr int WideRadius = 15;
constexpr int WideThreads = 512;
/** Of an item's sums along a row: the last of four items gets what is left of 32. Eight rows, 4 words modulo 32 apart, and
 * starts 0, 9, 18 and 27 in them are 32 different banks. */
constexpr int WideRun = 9;
constexpr int WideRuns = (MarchTileX + WideRun - 1) / WideRun;
constexpr int WideValuePitch = 68;

constexpr int
WideRows(int radiusY)
{
  return MarchTileY + 2 * radiusY;
}

constexpr std::size_t
WideSharedBytes(int quantities, int radiusY)
{
  return sizeof(float) * quantities * WideRows(radiusY) * (WideValuePitch + MarchPitch);
}

/** See MarchBoxes. All threads of a block of WideThreads call it. */
template <int quantities, typename TSource, typename TSink>
__device__ __forceinline__ void
MarchWideBoxes(const MarchPlan & plan,
               const Extent &    extent,
               int               radiusX,
               int               radiusY,
               int               radiusZ,
               const TSource &   source,
               TSink &           sink)
{
  extern __shared__ float4 marchMemory[];
  const int                rows = MarchTileY + 2 * radiusY;
  const int                haloGroups = (radiusX + MarchGroup - 1) / MarchGroup;
  const int                groups = MarchTileX / MarchGroup + 2 * haloGroups;
  const int                valuesSize = rows * WideValuePitch;
  const int                sumsSize = rows * MarchPitch;
  float * const            values = reinterpret_cast<float *>(marchMemory);
  float * const            sums = values + quantities * valuesSize;
  const int                thread = threadIdx.x;
  const std::int64_t       planeSize = extent.PlaneSize();
  const std::int64_t       window = (2 * radiusZ + 1) * planeSize;

  for (int item = blockIdx.x; item < plan.items; item += gridDim.x)
  {
    const int tile = item % plan.tilesPerPlane;
    const int begin = item / plan.tilesPerPlane * plan.chunk;
    const int end = min(begin + plan.chunk, extent.nz);
    const int first = max(begin - radiusZ, 0);
    const int firstX = tile % plan.tilesX * MarchTileX;
    const int firstY = tile / plan.tilesX * MarchTileY;

    // Every thread meets the same groups again in each plane.
    const auto slide = [&](int enteringPlane, bool anew) {
      const bool enters = enteringPlane < extent.nz;
      const int  leavingPlane = enteringPlane - 2 * radiusZ - 1;
      for (int i = thread; i < rows * groups; i += WideThreads)
      {
        const int               row = i / groups;
        const int               group = i - row * groups;
        const int               x = firstX + (group - haloGroups) * MarchGroup;
        const int               y = firstY - radiusY + row;
        const bool              inside = x >= 0 && x < extent.nx && y >= 0 && y < extent.ny;
        const std::int64_t      offset = enteringPlane * planeSize + (y * extent.nx + x);
        typename TSource::Group entering;
        typename TSource::Group leaving;
        source.Clear(entering);
        source.Clear(leaving);
        if (inside && enters)
        {
          source.Load(entering, offset, extent.nx - x);
        }
        if (inside && leavingPlane >= first)
        {
          source.Load(leaving, offset - window, extent.nx - x);
        }
        float4 * const place = reinterpret_cast<float4 *>(values + row * WideValuePitch + group * MarchGroup);
        float          running[quantities][MarchGroup];
#pragma unroll
        for (int q = 0; q < quantities; ++q)
        {
          const float4 four = anew ? make_float4(0.0f, 0.0f, 0.0f, 0.0f) : place[q * (valuesSize / 4)];
          running[q][0] = four.x;
          running[q][1] = four.y;
          running[q][2] = four.z;
          running[q][3] = four.w;
        }
        source.Slide(running, entering, leaving);
#pragma unroll
        for (int q = 0; q < quantities; ++q)
        {
          place[q * (valuesSize / 4)] = make_float4(running[q][0], running[q][1], running[q][2], running[q][3]);
        }
      }
    };
    for (int z = first; z < min(begin + radiusZ, extent.nz); ++z)
    {
      slide(z, z == first);
    }

    for (int z = begin; z < end; ++z)
    {
      slide(z + radiusZ, radiusZ == 0 && z == begin);
      const int  sumX = firstX + thread % MarchTileX;
      const int  sumY = firstY + thread / MarchTileX * MarchRun;
      const bool finishes = thread < MarchSummingThreads && sumX < extent.nx && sumY < extent.ny;
      if (finishes)
      {
        sink.Prepare(sumX, sumY, z);
      }
      __syncthreads();

      const int lines = quantities * rows;
      for (int i = thread; i < (lines + 7) / 8 * 8 * WideRuns; i += WideThreads)
      {
        // eight rows, then the next run of them: see WideRun
        const int           line = i / (8 * WideRuns) * 8 + i % 8;
        const int           start = i / 8 % WideRuns * WideRun;
        const float * const in = values + line * WideValuePitch + haloGroups * MarchGroup - radiusX + start;
        float * const       out = sums + line * MarchPitch + start;
        if (line < lines)
        {
          float sum = 0.0f;
          for (int k = 0; k < 2 * radiusX; ++k)
          {
            sum += in[k];
          }
          const int count = min(WideRun, MarchTileX - start);
          for (int j = 0; j < count; ++j)
          {
            sum += in[2 * radiusX + j];
            out[j] = sum;
            sum -= in[j];
          }
        }
      }
      __syncthreads();

      if (finishes)
      {
        float result[quantities][MarchRun];
#pragma unroll
        for (int q = 0; q < quantities; ++q)
        {
          const float * const line = sums + q * sumsSize + (sumY - firstY) * MarchPitch + thread % MarchTileX;
          float               sum = 0.0f;
          for (int k = 0; k <= 2 * radiusY; ++k)
          {
            sum += line[k * MarchPitch];
          }
          result[q][0] = sum;
#pragma unroll
          for (int j = 1; j < MarchRun; ++j)
          {
            sum += line[(2 * radiusY + j) * MarchPitch] - line[(j - 1) * MarchPitch];
            result[q][j] = sum;
          }
        }
        sink(sumX, sumY, z, result);
      }
    }
    // the last rows of this item are read before the next writes to them: two barriers lie between
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
