// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaWideBoxMarch_h
#define itkEngineCudaWideBoxMarch_h

#include "PixelGroup.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// Box sums for windows too wide for MarchBoxes, where the halo of its tiles would be most of the work. Two kernels, each of
// which slides along an axis of which it takes whole lines:
//   1 SumColumns  a thread slides along z through a chunk of four neighbouring columns and writes their sums; no halo.
//   2 MarchRows   a thread slides along y through a chunk of those; its block has whole rows, which are summed along x
//                 through shared memory and go to the sink; no halo up to 512 voxels.
// Sums slide over one chunk, which keeps the digits. Included by LnccWideMarch.h alone.
namespace
{
constexpr int WideRadius = 15; ///< along x and y
constexpr int WideThreads = 128;
constexpr int WideBlocks = 4; ///< of a multiprocessor
/** Groups of zeros on either side of a row in shared memory: what a window reaches over. */
constexpr int WidePadding = (WideRadius + MarchGroup - 1) / MarchGroup + 1;
/** Arrays of a row in shared memory: the first, second, third and fourth columns of its groups, and the groups' sums, so that
 * neighbouring threads read neighbouring words. */
constexpr int WideArrays = MarchGroup + 1;

/** How SumColumns cuts a volume: chunks of planes, blocks of groups of four columns. */
struct ColumnPlan
{
  int groupsPerRow;
  int groupsPerPlane;
  int chunk;

  ColumnPlan(const Extent & extent, int radiusZ)
    : groupsPerRow(DivideUp(extent.nx, MarchGroup))
    , groupsPerPlane(groupsPerRow * extent.ny)
    , chunk(extent.nz)
  {
    constexpr int enoughBlocks = 132 * WideBlocks;
    constexpr int longestChunk = 64; // bounds what running sums lose
    const int     pieces = DivideUp(enoughBlocks, DivideUp(groupsPerPlane, WideThreads));
    // entering a chunk reads a window of planes
    const int shortestChunk = std::max(8, radiusZ);
    chunk = std::min(std::max(DivideUp(extent.nz, pieces), shortestChunk), std::min(longestChunk, extent.nz));
    chunk = DivideUp(extent.nz, DivideUp(extent.nz, chunk));
  }

  dim3
  Grid(const Extent & extent) const
  {
    return dim3(DivideUp(groupsPerPlane, WideThreads), DivideUp(extent.nz, chunk));
  }
};

/** Four neighbouring values into a row of which `room` are inside. */
template <bool aligned>
__device__ __forceinline__ void
StoreGroup(float * row, int room, const float (&values)[MarchGroup])
{
  if constexpr (aligned)
  {
    *reinterpret_cast<float4 *>(row) = make_float4(values[0], values[1], values[2], values[3]);
  }
  else
  {
#pragma unroll
    for (int k = 0; k < MarchGroup; ++k)
    {
      if (k < room)
      {
        row[k] = values[k];
      }
    }
  }
}

/** Kernel 1: sums of 2 radiusZ + 1 planes into planes of `output`, one volume per quantity. TSource as for MarchBoxes. */
template <int quantities, bool aligned, typename TSource>
__device__ __forceinline__ void
SumColumns(const ColumnPlan & plan, const Extent & extent, int radiusZ, const TSource & source, float * output)
{
  const int group = blockIdx.x * WideThreads + threadIdx.x;
  if (group >= plan.groupsPerPlane)
  {
    return;
  }
  const int               y = group / plan.groupsPerRow;
  const int               x = (group - y * plan.groupsPerRow) * MarchGroup;
  const int               room = extent.nx - x;
  const std::int64_t      planeSize = extent.PlaneSize();
  const std::int64_t      voxels = extent.NumberOfVoxels();
  const std::int64_t      inPlane = y * extent.nx + x;
  const int               begin = blockIdx.y * plan.chunk;
  const int               end = min(begin + plan.chunk, extent.nz);
  const int               first = max(begin - radiusZ, 0);
  float                   running[quantities][MarchGroup] = {};
  typename TSource::Group enters;
  typename TSource::Group leaves;
  source.Clear(leaves);
  const auto load = [&](typename TSource::Group & values, bool there, int z) {
    source.Clear(values);
    if (there)
    {
      source.Load(values, z * planeSize + inPlane, z * planeSize + inPlane, room);
    }
  };
#pragma unroll 2
  for (int z = first; z < min(begin + radiusZ, extent.nz); ++z)
  {
    load(enters, true, z);
    source.Slide(running, enters, leaves);
  }
  load(enters, begin + radiusZ < extent.nz, begin + radiusZ);
  for (int z = begin; z < end; ++z)
  {
    source.Slide(running, enters, leaves);
    if (z + 1 < end)
    {
      load(enters, z + 1 + radiusZ < extent.nz, z + 1 + radiusZ);
      load(leaves, z - radiusZ >= first, z - radiusZ);
    }
#pragma unroll
    for (int q = 0; q < quantities; ++q)
    {
      StoreGroup<aligned>(output + q * voxels + (z * planeSize + inPlane), room, running[q]);
    }
  }
}

/** How MarchRows cuts a volume: an item is a chunk of rows of one plane and one strip of columns; a block takes as many
 * items at once as it has threads for their rows. A function of the size alone. */
struct RowPlan
{
  int halo;   ///< groups on either side of a strip, 0 if one strip has whole rows
  int inner;  ///< groups of a strip without those
  int groups; ///< with
  int strips;
  int chunk;
  int chunks;
  int rows;  ///< items of a block
  int threads; ///< of a block, whole warps
  int items; ///< of the volume
  int steps; ///< of all blocks, one after another

  RowPlan(const Extent & extent, int radiusX, int radiusY)
    : halo(0)
    , inner(DivideUp(extent.nx, MarchGroup))
    , strips(1)
    , chunk(1)
    , steps(0)
  {
    if (inner > WideThreads)
    {
      halo = DivideUp(radiusX, MarchGroup);
      strips = DivideUp(inner, WideThreads - 2 * halo);
      inner = DivideUp(inner, strips);
    }
    groups = inner + 2 * halo;
    constexpr int mostRows = 8; // of which each takes shared memory for its padding
    rows = std::min(WideThreads / groups, mostRows);
    threads = DivideUp(rows * groups, 32) * 32;
    constexpr std::int64_t slots = 132 * WideBlocks;
    constexpr int          longestChunk = 64; // bounds what running sums lose
    double                 least = 0.0;
    for (int candidate = 1; candidate <= std::min(longestChunk, extent.ny); ++candidate)
    {
      const std::int64_t blocks =
        (std::int64_t{ extent.nz } * strips * DivideUp(extent.ny, candidate) + rows - 1) / rows;
      // entering a chunk costs about a fifth of a row's work for each row of the window
      const double cost = static_cast<double>((blocks + slots - 1) / slots) * (candidate + (2 * radiusY + 1) / 5.0);
      if (steps == 0 || cost <= least)
      {
        least = cost;
        chunk = candidate;
        steps = static_cast<int>(blocks);
      }
    }
    chunks = DivideUp(extent.ny, chunk);
    items = extent.nz * strips * chunks;
  }

  template <int quantities>
  std::size_t
  SharedBytes() const
  {
    return sizeof(float) * 2 * quantities * rows * WideArrays * (groups + 2 * WidePadding);
  }
};

/** Sums along a row: out[j] is the sum of `radius` columns on either side of column j of the group whose place in the arrays
 * `line` points to. */
__device__ __forceinline__ void
SumWideRow(const float * line, int pitch, int radius, float (&out)[MarchGroup])
{
  // a column k away from the group's first; the same array and distance for all threads
  const auto  column = [&](int k) { return line[(k & (MarchGroup - 1)) * pitch + (k >> 2)]; };
  const int   wholeBefore = radius / MarchGroup;
  const int   wholeAfter = (radius + 1) / MarchGroup;
  const float * const totals = line + MarchGroup * pitch;
  float         sum = 0.0f;
#pragma unroll 4
  for (int n = -wholeBefore; n < wholeAfter; ++n)
  {
    sum += totals[n];
  }
  for (int k = -radius; k < -wholeBefore * MarchGroup; ++k)
  {
    sum += column(k);
  }
  for (int k = wholeAfter * MarchGroup; k <= radius; ++k)
  {
    sum += column(k);
  }
  out[0] = sum;
#pragma unroll
  for (int j = 1; j < MarchGroup; ++j)
  {
    out[j] = out[j - 1] + (column(radius + j) - column(j - 1 - radius));
  }
}

/** Kernel 2: sums planes of `input`, one volume per quantity, along x and y. The sink is called as
 * sink(x, y, z, room, sums[quantities][4]) for four voxels from x on of which `room` lie in the row, and as
 * sink.Prepare(x, y, z, room) well before. All threads of the plan's blocks call it. */
template <int quantities, bool aligned, typename TSink>
__device__ __forceinline__ void
MarchRows(const RowPlan & plan, const Extent & extent, int radiusX, int radiusY, const float * input, TSink & sink)
{
  extern __shared__ float4 marchMemory[];
  float * const            memory = reinterpret_cast<float *>(marchMemory);
  const int                pitch = plan.groups + 2 * WidePadding;
  const int                lineSize = WideArrays * pitch;
  const int                bufferSize = quantities * plan.rows * lineSize;
  const int                row = threadIdx.x / plan.groups;
  const int                group = threadIdx.x - row * plan.groups;
  const bool               carries = row < plan.rows;
  const std::int64_t       voxels = extent.NumberOfVoxels();
  float * const            place = memory + row * lineSize + WidePadding + group;
  int                      buffer = 0;

  for (int i = threadIdx.x; i < 2 * bufferSize; i += blockDim.x)
  {
    memory[i] = 0.0f;
  }
  __syncthreads();
  for (int step = blockIdx.x; step < plan.steps; step += gridDim.x)
  {
    const int  item = step * plan.rows + row;
    const bool works = carries && item < plan.items;
    const int  column = item / plan.chunks; // of chunks
    const int  z = column / plan.strips;
    const int  strip = column - z * plan.strips;
    const int  x = (strip * plan.inner + group - plan.halo) * MarchGroup;
    const int  begin = (item - column * plan.chunks) * plan.chunk;
    const int  end = works ? min(begin + plan.chunk, extent.ny) : begin;
    const int  first = max(begin - radiusY, 0);
    const int  room = extent.nx - x;
    const bool inside = works && x >= 0 && room > 0;
    const bool finishes = inside && group >= plan.halo && group < plan.halo + plan.inner;

    const float * const       corner = input + (static_cast<std::int64_t>(z) * extent.PlaneSize() + x);
    float                     running[quantities][MarchGroup] = {};
    PixelGroup<float, aligned> enters[quantities];
    PixelGroup<float, aligned> leaves[quantities];
    const auto                load = [&](PixelGroup<float, aligned>(&values)[quantities], bool there, int y) {
#pragma unroll
      for (int q = 0; q < quantities; ++q)
      {
        values[q].Fill(0.0f);
        if (there && inside)
        {
          values[q].Load(corner + q * voxels + y * extent.nx, room);
        }
      }
    };
    const auto slide = [&] {
#pragma unroll
      for (int q = 0; q < quantities; ++q)
      {
#pragma unroll
        for (int k = 0; k < MarchGroup; ++k)
        {
          running[q][k] += enters[q].Get(k) - leaves[q].Get(k);
        }
      }
    };
    load(leaves, false, 0);
#pragma unroll 2
    for (int y = first; y < min(begin + radiusY, extent.ny); ++y)
    {
      load(enters, true, y);
      slide();
    }
    load(enters, begin + radiusY < extent.ny, begin + radiusY);

    // As many rows for all threads of the block, which meet at the barriers.
    for (int y = begin; y < begin + plan.chunk; ++y)
    {
      slide();
      load(enters, y + 1 < end && y + 1 + radiusY < extent.ny, y + 1 + radiusY);
      load(leaves, y + 1 < end && y - radiusY >= first, y - radiusY);
      const bool writes = finishes && y < end;
      if (writes)
      {
        sink.Prepare(x, y, z, room);
      }
      float * const lines = place + buffer;
      buffer = bufferSize - buffer;
      if (carries)
      {
#pragma unroll
        for (int q = 0; q < quantities; ++q)
        {
          float * const line = lines + q * plan.rows * lineSize;
#pragma unroll
          for (int k = 0; k < MarchGroup; ++k)
          {
            line[k * pitch] = running[q][k];
          }
          line[MarchGroup * pitch] = (running[q][0] + running[q][1]) + (running[q][2] + running[q][3]);
        }
      }
      // Whoever writes to this buffer next has passed the next barrier, which all readers reach after they have read.
      __syncthreads();
      if (writes)
      {
        float sums[quantities][MarchGroup];
#pragma unroll
        for (int q = 0; q < quantities; ++q)
        {
          SumWideRow(lines + q * plan.rows * lineSize, pitch, radiusX, sums[q]);
        }
        sink(x, y, z, room, sums);
      }
    }
  }
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
