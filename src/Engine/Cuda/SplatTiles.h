// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaSplatTiles_h
#define itkEngineCudaSplatTiles_h

#include "Launch.h"
#include "Sample.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// The work of VectorSplat: a block owns a tile of the output and goes over the bricks of points that reach it.

constexpr int SplatBrickX = 8;
constexpr int SplatBrickY = 4;
constexpr int SplatBrickZ = 4;
constexpr int SplatTileX = 32;
constexpr int SplatTileY = 16;
constexpr int SplatTileZ = 16;
constexpr int SplatTileVoxels = SplatTileX * SplatTileY * SplatTileZ;
constexpr int SplatTileThreads = 512;
static_assert(SplatBrickX * SplatBrickY == 32, "a plane of a brick is one warp");

/** The beginning of a plan. Relative corners are those of a point's cell, less its index. */
struct SplatHead
{
  double bounds[2];  ///< of the values of a call
  int    lowest[3];  ///< relative lower corner
  int    highest[3]; ///< relative upper corner; below `lowest` if no point reaches the output
  int    power;      ///< 2^power is not below the largest sum of weights of a voxel
};
constexpr std::int64_t SplatHeadFloats = 64;
static_assert(sizeof(SplatHead) <= SplatHeadFloats * sizeof(float), "the head of a plan has grown");

struct SplatTask
{
  SamplingMap map;
  bool        clamp;
  int         domain[3];
  int         bricks[3];
  SplatHead *  head;
  int *       boxes; ///< of each brick: planes of the lowest corner's x, y, z and of the highest's

  __device__ __forceinline__ int
  NumberOfBricks() const
  {
    return bricks[0] * bricks[1] * bricks[2];
  }

  /** The corners that a point of this displacement reaches; false if there are none. */
  __device__ __forceinline__ bool
  Reach(int x, int y, int z, const Vector3 & u, LinearAxis (&axes)[3]) const
  {
    AxisPosition p[3];
    map.Locate(x, y, z, u, p);
#pragma unroll
    for (int d = 0; d < 3; ++d)
    {
      axes[d] = ClampLinearAxis(p[d], map.size[d]);
    }
    return clamp || map.IsInside(p);
  }
};

/** Calls function(x, y, z, offset, displacement) for this lane's points of a brick. The next displacement is under way
 * while a point is worked on. */
template <typename TFunction>
__device__ __forceinline__ void
ForEachPointOfBrick(const SplatTask & task, int brick, const TFunction & function)
{
  const int lane = threadIdx.x % 32;
  const int row = brick / task.bricks[0];
  const int x = (brick - row * task.bricks[0]) * SplatBrickX + lane % SplatBrickX;
  const int y = row % task.bricks[1] * SplatBrickY + lane / SplatBrickX;
  const int begin = row / task.bricks[1] * SplatBrickZ;
  const int end = min(begin + SplatBrickZ, task.domain[2]);
  if (x < task.domain[0] && y < task.domain[1])
  {
    const int plane = task.domain[0] * task.domain[1];
    int       offset = begin * plane + y * task.domain[0] + x;
    Vector3   next = LoadVectorIfAny(task.map.field, offset);
#pragma unroll 1
    for (int z = begin; z < end; ++z, offset += plane)
    {
      const Vector3 now = next;
      if (z + 1 < end)
      {
        next = LoadVectorIfAny(task.map.field, offset + plane);
      }
      function(x, y, z, offset, now);
    }
  }
}

/** Of the output: where a block's tile lies, and the bricks that may reach it. */
struct SplatTile
{
  int origin[3];
  int first[3];
  int count[3];

  __device__ __forceinline__
  SplatTile(const SplatTask & task)
  {
    constexpr int tileSize[3] = { SplatTileX, SplatTileY, SplatTileZ };
    constexpr int brickSize[3] = { SplatBrickX, SplatBrickY, SplatBrickZ };
    const int     tilesX = (task.map.size[0] + SplatTileX - 1) / SplatTileX;
    const int     tilesY = (task.map.size[1] + SplatTileY - 1) / SplatTileY;
    const int     row = static_cast<int>(blockIdx.x) / tilesX;
    origin[0] = (static_cast<int>(blockIdx.x) - row * tilesX) * SplatTileX;
    origin[1] = row % tilesY * SplatTileY;
    origin[2] = row / tilesY * SplatTileZ;
#pragma unroll
    for (int d = 0; d < 3; ++d)
    {
      const int lowest = task.head->lowest[d];
      const int highest = task.head->highest[d];
      first[d] = count[d] = 0;
      if (lowest <= highest)
      {
        const int begin = max(origin[d] - highest, 0);
        const int last = min(origin[d] + tileSize[d] - 1 - lowest, task.domain[d] - 1);
        first[d] = begin / brickSize[d];
        count[d] = last < begin ? 0 : last / brickSize[d] - first[d] + 1;
      }
    }
  }

  __device__ __forceinline__ int
  Candidates() const
  {
    return count[0] * count[1] * count[2];
  }

  __device__ __forceinline__ int
  Brick(const SplatTask & task, int candidate) const
  {
    const int row = candidate / count[0];
    const int x = first[0] + candidate - row * count[0];
    const int y = first[1] + row % count[1];
    const int z = first[2] + row / count[1];
    return (z * task.bricks[1] + y) * task.bricks[0] + x;
  }

  __device__ __forceinline__ bool
  IsReachedBy(const SplatTask & task, int brick) const
  {
    constexpr int tileSize[3] = { SplatTileX, SplatTileY, SplatTileZ };
    const int     bricks = task.NumberOfBricks();
    bool          is = true;
#pragma unroll
    for (int d = 0; d < 3; ++d)
    {
      is = is && task.boxes[d * bricks + brick] < origin[d] + tileSize[d] && task.boxes[(3 + d) * bricks + brick] >= origin[d];
    }
    return is;
  }
};

/** Rows of the same bank follow each other at a quarter of the banks, for the rows of a warp's points. */
__device__ __forceinline__ int
PlaceInTile(int x, int y, int z)
{
  return (z * SplatTileY + y) * SplatTileX + ((x + SplatBrickX * y) & (SplatTileX - 1));
}

/** Calls add(value, place, weight) for every pair of a point and a voxel of the tile that it reaches, `value` being what
 * begin(point) gave. All threads of the block call it. */
template <typename TBegin, typename TAdd>
__device__ __forceinline__ void
ForEachContribution(const SplatTask & task, const SplatTile & tile, const TBegin & begin, const TAdd & add)
{
  __shared__ int list[SplatTileThreads];
  __shared__ int listed;
  const int      candidates = tile.Candidates();
  for (int base = 0; base < candidates; base += SplatTileThreads)
  {
    if (threadIdx.x == 0)
    {
      listed = 0;
    }
    __syncthreads();
    if (base + static_cast<int>(threadIdx.x) < candidates)
    {
      const int brick = tile.Brick(task, base + threadIdx.x);
      if (tile.IsReachedBy(task, brick))
      {
        list[atomicAdd(&listed, 1)] = brick;
      }
    }
    __syncthreads();
    for (int k = threadIdx.x / 32; k < listed; k += SplatTileThreads / 32)
    {
      ForEachPointOfBrick(task, list[k], [&](int x, int y, int z, int offset, const Vector3 & u) {
        LinearAxis axes[3];
        if (!task.Reach(x, y, z, u, axes))
        {
          return;
        }
        const int  at[3][2] = { { axes[0].lower - tile.origin[0], axes[0].upper - tile.origin[0] },
                                { axes[1].lower - tile.origin[1], axes[1].upper - tile.origin[1] },
                                { axes[2].lower - tile.origin[2], axes[2].upper - tile.origin[2] } };
        const bool reaches = at[0][1] >= 0 && at[0][0] < SplatTileX && at[1][1] >= 0 && at[1][0] < SplatTileY &&
                             at[2][1] >= 0 && at[2][0] < SplatTileZ;
        if (!reaches)
        {
          return;
        }
        const auto value = begin(offset);
        const bool isInterior = at[0][0] >= 0 && at[0][1] < SplatTileX && at[1][0] >= 0 && at[1][1] < SplatTileY &&
                                at[2][0] >= 0 && at[2][1] < SplatTileZ && at[2][1] > at[2][0];
        const auto weight = [&](int corner) {
          return ((corner & 1) != 0 ? axes[0].weight : 1.0f - axes[0].weight) *
                 ((corner & 2) != 0 ? axes[1].weight : 1.0f - axes[1].weight) *
                 ((corner & 4) != 0 ? axes[2].weight : 1.0f - axes[2].weight);
        };
        if (isInterior)
        {
#pragma unroll
          for (int k = 0; k < 4; ++k)
          {
            // the upper plane lies at a constant distance
            const int place = PlaceInTile(at[0][k & 1], at[1][k >> 1], at[2][0]);
            add(value, place, weight(k));
            add(value, place + SplatTileX * SplatTileY, weight(k + 4));
          }
          return;
        }
#pragma unroll
        for (int corner = 0; corner < 8; ++corner)
        {
          const int tx = at[0][corner & 1];
          const int ty = at[1][corner >> 1 & 1];
          const int tz = at[2][corner >> 2];
          if (static_cast<unsigned int>(tx) < SplatTileX && static_cast<unsigned int>(ty) < SplatTileY &&
              static_cast<unsigned int>(tz) < SplatTileZ)
          {
            add(value, PlaceInTile(tx, ty, tz), weight(corner));
          }
        }
      });
    }
    __syncthreads();
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
