// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaBoxMarch_h
#define itkEngineCudaBoxMarch_h

#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// Box sums of several quantities at once. A block owns a tile of columns and marches along z through a chunk of planes.
// At each plane
//   1 a thread adds to the running sums of its four columns what enters the window along z and takes away what leaves it,
//   2 sums four times along x, with what its neighbours in the warp hold, into shared memory,
//   3 and sums columns of those along y, three sums per thread, which go to the sink.
// Global loads for the next plane are under way meanwhile. Products, if the quantities are some, are formed once per voxel
// of tile and halo. Sums slide along y over three voxels at most and along z over one chunk, which keeps the digits.

constexpr int MarchTileX = 32; ///< voxels
constexpr int MarchTileY = 24;
constexpr int MarchGroup = 4; ///< neighbouring columns of a thread
constexpr int MarchHalo = 4;  ///< columns beside the tile, a group; the largest radius
constexpr int MarchRun = 3;   ///< rows of a thread in step 3
constexpr int MarchBlocks = 2; ///< of a multiprocessor
constexpr int MarchSummingThreads = MarchTileX * MarchTileY / MarchRun;
constexpr int MarchGroups = (MarchTileX + 2 * MarchHalo) / MarchGroup; ///< of a row
constexpr int MarchRowsPerWarp = 32 / MarchGroups;
/** Of rows of sums in shared memory. A warp writes pieces of three rows, which then lie in different banks. */
constexpr int MarchPitch = 36;

template <int radius>
constexpr int MarchRows = MarchTileY + 2 * radius;

template <int radius>
constexpr int MarchThreads = (MarchRows<radius> + MarchRowsPerWarp - 1) / MarchRowsPerWarp * 32;

/** Two buffers, so that one barrier per plane is enough. */
template <int quantities, int radius>
constexpr std::size_t MarchSharedBytes = sizeof(float) * 2 * quantities * MarchRows<radius> * MarchPitch;

/** How volumes of one size, one after another in memory, are cut into work items, each a chunk of planes of one tile. A
 * function of size and number alone, as is the order in which sums over items are taken. */
struct MarchPlan
{
  int tilesX;
  int tilesPerPlane;
  int chunk;
  int volumes;
  int itemsPerVolume;
  int items;

  MarchPlan(const Extent & extent, int radiusZ, int numberOfVolumes)
    : tilesX((extent.nx + MarchTileX - 1) / MarchTileX)
    , tilesPerPlane(tilesX * ((extent.ny + MarchTileY - 1) / MarchTileY))
    , chunk(1)
    , volumes(numberOfVolumes)
    , itemsPerVolume(0)
    , items(0)
  {
    // Whole waves of two blocks on each of 132 multiprocessors; entering a chunk costs about a third of a plane's work for
    // each plane of the window, and a wave four more to start and to end.
    constexpr std::int64_t slots = 132 * MarchBlocks;
    constexpr int          longestChunk = 96; // bounds what running sums lose
    double                 least = 0.0;
    for (int planes = 1; planes <= std::min(longestChunk, extent.nz); ++planes)
    {
      const std::int64_t candidate = std::int64_t{ tilesPerPlane } * ((extent.nz + planes - 1) / planes);
      const double       cost =
        static_cast<double>((volumes * candidate + slots - 1) / slots) * (planes + (2 * radiusZ + 1) / 3.0 + 4.0);
      if (items == 0 || cost <= least)
      {
        least = cost;
        chunk = planes;
        itemsPerVolume = static_cast<int>(candidate);
        items = volumes * itemsPerVolume;
      }
    }
  }

  dim3
  Grid(int mostBlocks) const
  {
    return dim3(static_cast<unsigned int>(std::min(items, mostBlocks)));
  }
};

/** Sums along a row: out[j] is the sum of `radius` columns on either side of this thread's column j and of itself. The
 * neighbours of a lane hold the columns beside its own. All lanes of a warp call it. */
template <int radius>
__device__ __forceinline__ void
SumRow(const float (&own)[MarchGroup], float (&out)[MarchGroup])
{
  float first[MarchGroup + 1]; // sums of the first columns, of the last
  float last[MarchGroup + 1];
  first[0] = last[0] = 0.0f;
  first[1] = own[0];
  last[1] = own[MarchGroup - 1];
#pragma unroll
  for (int k = 2; k <= MarchGroup; ++k)
  {
    first[k] = first[k - 1] + own[k - 1];
    last[k] = last[k - 1] + own[MarchGroup - k];
  }
  float before[radius + 1];
  float after[radius + 1];
#pragma unroll
  for (int k = 1; k <= radius; ++k)
  {
    before[k] = __shfl_up_sync(0xffffffffu, last[k], 1);
    after[k] = __shfl_down_sync(0xffffffffu, first[k], 1);
  }
#pragma unroll
  for (int j = 0; j < MarchGroup; ++j)
  {
    const int low = j - radius;
    const int high = j + radius;
    out[j] = low > 0 ? last[MarchGroup - low] : first[high < MarchGroup - 1 ? high + 1 : MarchGroup];
    if (low < 0)
    {
      out[j] += before[-low];
    }
    if (high > MarchGroup - 1)
    {
      out[j] += after[high - MarchGroup + 1];
    }
  }
}

/** Sums along a column in shared memory: out[j] from row j on. */
template <int radius>
__device__ __forceinline__ void
SumColumn(const float * line, float (&out)[MarchRun])
{
  float in[MarchRun + 2 * radius];
#pragma unroll
  for (int k = 0; k < MarchRun + 2 * radius; ++k)
  {
    in[k] = line[k * MarchPitch];
  }
#pragma unroll
  for (int j = 0; j < MarchRun; ++j)
  {
    if (radius == 1 || j == 0)
    {
      out[j] = in[j];
#pragma unroll
      for (int k = 1; k <= 2 * radius; ++k)
      {
        out[j] += in[j + k];
      }
    }
    else
    {
      out[j] = out[j - 1] + (in[j + 2 * radius] - in[j - 1]);
    }
  }
}

/** Sums windows of 2 radius + 1 voxels along x and y and 2 radiusZ + 1 along z, voxels outside the volume left out.
 *
 * TSource has a type Group, the values of four neighbouring columns in one plane, and
 *   Clear(group)              values that add nothing,
 *   Load(group, offset, inVolume, room) those at an offset in memory and in their volume, of which `room` (4 and more: all)
 *     are inside, into cleared values,
 *   Slide(sums[quantities][4], enters, leaves).
 * The sink is called as sink(x, y, z, before, sums[quantities][3]) for three voxels from y on, of which some may lie below the
 * image, and as sink.Prepare(x, y, z, before) well before, so that it can load what it needs. `before` counts the planes
 * in memory before those of the volume.
 * `backwards` takes items and planes in the opposite order: what the kernel before wrote last, and the L2 cache still holds,
 * is then read first. All threads of a block of MarchThreads<radius> call it. */
template <int quantities, int radius, bool backwards, typename TSource, typename TSink>
__device__ __forceinline__ void
MarchBoxes(const MarchPlan & plan, const Extent & extent, int radiusZ, const TSource & source, TSink & sink)
{
  constexpr int            rows = MarchRows<radius>;
  constexpr int            bufferSize = quantities * rows * MarchPitch;
  extern __shared__ float4 marchMemory[];
  float * const            memory = reinterpret_cast<float *>(marchMemory);
  const int                thread = threadIdx.x;
  const int                lane = thread % 32;
  const int                row = thread / 32 * MarchRowsPerWarp + lane / MarchGroups;
  const int                column = lane % MarchGroups * MarchGroup;
  const bool               carries = lane < MarchRowsPerWarp * MarchGroups && row < rows;
  const bool               sums = carries && column >= MarchHalo && column < MarchHalo + MarchTileX;
  const int                place = row * MarchPitch + column - MarchHalo;
  // z counts from the last plane if backwards
  const std::int64_t planeStep = backwards ? -extent.PlaneSize() : extent.PlaneSize();
  const std::int64_t window = (2 * radiusZ + 1) * planeStep;
  const int          lastPlane = backwards ? extent.nz - 1 : 0;
  int                buffer = 0;

  for (int item = blockIdx.x; item < plan.items; item += gridDim.x)
  {
    const int          volume = item / plan.itemsPerVolume;
    const int          inVolume = item - volume * plan.itemsPerVolume;
    const int          before = (backwards ? plan.volumes - 1 - volume : volume) * extent.nz;
    const int          tile = inVolume % plan.tilesPerPlane;
    const int          begin = inVolume / plan.tilesPerPlane * plan.chunk;
    const int          end = min(begin + plan.chunk, extent.nz);
    const int          first = max(begin - radiusZ, 0);
    const int          firstX = tile % plan.tilesX * MarchTileX;
    const int          firstY = tile / plan.tilesX * MarchTileY;
    const int          x = firstX - MarchHalo + column;
    const int          y = firstY - radius + row;
    const bool         inside = carries && x >= 0 && x < extent.nx && y >= 0 && y < extent.ny;
    const int          room = extent.nx - x;

    float                   running[quantities][MarchGroup] = {};
    typename TSource::Group enters;
    typename TSource::Group leaves;
    source.Clear(enters);
    source.Clear(leaves);
    const std::int64_t skipped = static_cast<std::int64_t>(before) * extent.PlaneSize();
    const std::int64_t firstPlane =
      skipped + static_cast<std::int64_t>(lastPlane) * extent.PlaneSize() + (y * extent.nx + x);
    const auto         load = [&](typename TSource::Group & group, bool there, std::int64_t offset) {
      // cleared first, so that loads do not wait until the last values have been used
      source.Clear(group);
      if (there && inside)
      {
        source.Load(group, offset, offset - skipped, room);
      }
    };
#pragma unroll 1
    for (int z = first; z < min(begin + radiusZ, extent.nz); ++z)
    {
      load(enters, true, firstPlane + z * planeStep);
      source.Slide(running, enters, leaves);
    }
    std::int64_t next = firstPlane + (begin + radiusZ) * planeStep;
    load(enters, begin + radiusZ < extent.nz, next);
    next += planeStep;

    for (int z = begin; z < end; ++z)
    {
      source.Slide(running, enters, leaves);
      if (z + 1 < end)
      {
        load(enters, z + 1 + radiusZ < extent.nz, next);
        load(leaves, z - radiusZ >= first, next - window);
        next += planeStep;
      }
      const int  sumX = firstX + thread % MarchTileX;
      const int  sumY = firstY + thread / MarchTileX * MarchRun;
      const int  sumZ = backwards ? lastPlane - z : z;
      const bool finishes = thread < MarchSummingThreads && sumX < extent.nx && sumY < extent.ny;
      if (finishes)
      {
        sink.Prepare(sumX, sumY, sumZ, before);
      }
      float * const lines = memory + buffer;
      buffer = bufferSize - buffer;
#pragma unroll
      for (int q = 0; q < quantities; ++q)
      {
        float out[MarchGroup];
        SumRow<radius>(running[q], out);
        if (sums)
        {
          *reinterpret_cast<float4 *>(lines + q * rows * MarchPitch + place) =
            make_float4(out[0], out[1], out[2], out[3]);
        }
      }
      // Whoever writes to this buffer next has passed the next barrier, which all readers reach after they have read.
      __syncthreads();
      if (finishes)
      {
        float result[quantities][MarchRun];
#pragma unroll
        for (int q = 0; q < quantities; ++q)
        {
          SumColumn<radius>(lines + (q * rows + sumY - firstY) * MarchPitch + thread % MarchTileX, result[q]);
        }
        sink(sumX, sumY, sumZ, before, result);
      }
    }
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
