// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 36 bytes (value and displacement in, output out), 48 with an addend of a field of its own, and 12 for
// the bounds of the values before. Per voxel of a tile of 32x16x16 the displacements of about 2.2 points are read, through
// the caches, and the values of 1.4; 24 times that many additions go to shared memory, where the 8x4 points of a warp meet
// 32 different banks if the map is smooth.
//
// Beside that: additions in global memory take 4 per component and point after merging neighbours of a row, 64 bits each
// in Splat, with clearing and rounding passes around them: 0.64 ms for 160x192x224 on an H200, 0.09 of the floor.
#include "../Operators/VectorSplat.h"

#include "../Math/FixedPoint.h"
#include "../Operators/Reductions.h"
#include "Launch.h"
#include "Sample.h"

#include <climits>

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
constexpr int BrickX = 8;
constexpr int BrickY = 4;
constexpr int BrickZ = 4;
constexpr int TileX = 32;
constexpr int TileY = 16;
constexpr int TileZ = 16;
constexpr int TileVoxels = TileX * TileY * TileZ;
constexpr int TileThreads = 512;
constexpr int PlanThreads = 256;
constexpr int PlanBlocks = 1024;

/** The weights that a voxel receives are counted in units of 2^-12, each rounded up: with so many points in a tile no sum
 * overflows. */
constexpr int          WeightBits = 12;
constexpr unsigned int CountedPoints = UINT_MAX / ((1u << WeightBits) + 8u);

/** The beginning of a plan. Relative corners are those of a point's cell, less its index. */
struct PlanHead
{
  double bounds[2];  ///< of the values of a call
  int    lowest[3];  ///< relative lower corner
  int    highest[3]; ///< relative upper corner; below `lowest` if no point reaches the output
  int    power;      ///< 2^power is not below the largest sum of weights of a voxel
};
constexpr std::int64_t headFloats = 64;
static_assert(sizeof(PlanHead) <= headFloats * sizeof(float), "the head of a plan has grown");

struct SplatTask
{
  SamplingMap map;
  bool        clamp;
  int         domain[3];
  int         bricks[3];
  PlanHead *  head;
  int *       boxes; ///< of each brick: planes of the lowest corner's x, y, z and of the highest's

  __device__ __forceinline__ int
  NumberOfBricks() const
  {
    return bricks[0] * bricks[1] * bricks[2];
  }

  /** The corners that a point reaches; false if there are none. */
  __device__ __forceinline__ bool
  Reach(int x, int y, int z, LinearAxis (&axes)[3]) const
  {
    AxisPosition p[3];
    map.Locate(x, y, z, static_cast<std::int64_t>((z * domain[1] + y) * domain[0] + x), p);
#pragma unroll
    for (int d = 0; d < 3; ++d)
    {
      axes[d] = ClampLinearAxis(p[d], map.size[d]);
    }
    return clamp || map.IsInside(p);
  }
};

/** Calls function(x, y, z) for this lane's points of a brick. */
template <typename TFunction>
__device__ __forceinline__ void
ForEachPointOfBrick(const SplatTask & task, int brick, const TFunction & function)
{
  const int lane = threadIdx.x % 32;
  const int row = brick / task.bricks[0];
  const int x = (brick - row * task.bricks[0]) * BrickX + lane % BrickX;
  const int y = row % task.bricks[1] * BrickY + lane / BrickX;
  const int begin = row / task.bricks[1] * BrickZ;
  const int end = min(begin + BrickZ, task.domain[2]);
  if (x < task.domain[0] && y < task.domain[1])
  {
    for (int z = begin; z < end; ++z)
    {
      function(x, y, z);
    }
  }
}

__global__ void
BeginPlanKernel(PlanHead * head)
{
  for (int d = 0; d < 3; ++d)
  {
    head->lowest[d] = INT_MAX;
    head->highest[d] = INT_MIN;
  }
  head->power = 0;
}

/** The bricks' boxes, and the bounds of the relative corners. One warp per brick. */
__global__ void
__launch_bounds__(PlanThreads) BoxKernel(const __grid_constant__ SplatTask task)
{
  constexpr int  warps = PlanThreads / 32;
  __shared__ int lowest[3];
  __shared__ int highest[3];
  if (threadIdx.x < 3)
  {
    lowest[threadIdx.x] = INT_MAX;
    highest[threadIdx.x] = INT_MIN;
  }
  __syncthreads();
  const int bricks = task.NumberOfBricks();
  int       relativeLow[3];
  int       relativeHigh[3];
  for (int d = 0; d < 3; ++d)
  {
    relativeLow[d] = INT_MAX;
    relativeHigh[d] = INT_MIN;
  }
  for (int brick = blockIdx.x * warps + threadIdx.x / 32; brick < bricks; brick += gridDim.x * warps)
  {
    int low[3];
    int high[3];
    for (int d = 0; d < 3; ++d)
    {
      low[d] = INT_MAX;
      high[d] = INT_MIN;
    }
    ForEachPointOfBrick(task, brick, [&](int x, int y, int z) {
      LinearAxis axes[3];
      if (task.Reach(x, y, z, axes))
      {
        const int at[3] = { x, y, z };
#pragma unroll
        for (int d = 0; d < 3; ++d)
        {
          low[d] = min(low[d], axes[d].lower);
          high[d] = max(high[d], axes[d].upper);
          relativeLow[d] = min(relativeLow[d], axes[d].lower - at[d]);
          relativeHigh[d] = max(relativeHigh[d], axes[d].upper - at[d]);
        }
      }
    });
#pragma unroll
    for (int d = 0; d < 3; ++d)
    {
      for (int distance = 16; distance > 0; distance >>= 1)
      {
        low[d] = min(low[d], __shfl_xor_sync(0xffffffffu, low[d], distance));
        high[d] = max(high[d], __shfl_xor_sync(0xffffffffu, high[d], distance));
      }
      if (threadIdx.x % 32 == 0)
      {
        task.boxes[d * bricks + brick] = low[d];
        task.boxes[(3 + d) * bricks + brick] = high[d];
      }
    }
  }
#pragma unroll
  for (int d = 0; d < 3; ++d)
  {
    atomicMin(lowest + d, relativeLow[d]);
    atomicMax(highest + d, relativeHigh[d]);
  }
  __syncthreads();
  if (threadIdx.x < 3)
  {
    atomicMin(task.head->lowest + threadIdx.x, lowest[threadIdx.x]);
    atomicMax(task.head->highest + threadIdx.x, highest[threadIdx.x]);
  }
}

/** Of the output: where a block's tile lies, and the bricks that may reach it. */
struct Tile
{
  int origin[3];
  int first[3];
  int count[3];

  __device__ __forceinline__
  Tile(const SplatTask & task)
  {
    constexpr int tileSize[3] = { TileX, TileY, TileZ };
    constexpr int brickSize[3] = { BrickX, BrickY, BrickZ };
    const int     tilesX = (task.map.size[0] + TileX - 1) / TileX;
    const int     tilesY = (task.map.size[1] + TileY - 1) / TileY;
    const int     row = static_cast<int>(blockIdx.x) / tilesX;
    origin[0] = (static_cast<int>(blockIdx.x) - row * tilesX) * TileX;
    origin[1] = row % tilesY * TileY;
    origin[2] = row / tilesY * TileZ;
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
    constexpr int tileSize[3] = { TileX, TileY, TileZ };
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
  return (z * TileY + y) * TileX + ((x + BrickX * y) & (TileX - 1));
}

/** Calls add(x, y, z, axes, place, weight) for every pair of a point and a voxel of the tile that it reaches. */
template <typename TBegin, typename TAdd>
__device__ __forceinline__ void
ForEachContribution(const SplatTask & task, const Tile & tile, const TBegin & begin, const TAdd & add)
{
  __shared__ int list[TileThreads];
  __shared__ int listed;
  const int      candidates = tile.Candidates();
  for (int base = 0; base < candidates; base += TileThreads)
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
    for (int k = threadIdx.x / 32; k < listed; k += TileThreads / 32)
    {
      ForEachPointOfBrick(task, list[k], [&](int x, int y, int z) {
        LinearAxis axes[3];
        if (!task.Reach(x, y, z, axes))
        {
          return;
        }
        const int  at[3][2] = { { axes[0].lower - tile.origin[0], axes[0].upper - tile.origin[0] },
                                { axes[1].lower - tile.origin[1], axes[1].upper - tile.origin[1] },
                                { axes[2].lower - tile.origin[2], axes[2].upper - tile.origin[2] } };
        const bool reaches = at[0][1] >= 0 && at[0][0] < TileX && at[1][1] >= 0 && at[1][0] < TileY && at[2][1] >= 0 &&
                             at[2][0] < TileZ;
        if (!reaches)
        {
          return;
        }
        const auto value = begin((z * task.domain[1] + y) * task.domain[0] + x);
#pragma unroll
        for (int corner = 0; corner < 8; ++corner)
        {
          const int tx = at[0][corner & 1];
          const int ty = at[1][corner >> 1 & 1];
          const int tz = at[2][corner >> 2];
          if (static_cast<unsigned int>(tx) < TileX && static_cast<unsigned int>(ty) < TileY &&
              static_cast<unsigned int>(tz) < TileZ)
          {
            const float weight = ((corner & 1) != 0 ? axes[0].weight : 1.0f - axes[0].weight) *
                                 ((corner & 2) != 0 ? axes[1].weight : 1.0f - axes[1].weight) *
                                 ((corner & 4) != 0 ? axes[2].weight : 1.0f - axes[2].weight);
            add(value, PlaceInTile(tx, ty, tz), weight);
          }
        }
      });
    }
    __syncthreads();
  }
}

/** The largest sum of weights. */
__global__ void
__launch_bounds__(TileThreads, 2) WeightKernel(const __grid_constant__ SplatTask task)
{
  __shared__ unsigned int sums[TileVoxels];
  __shared__ unsigned int points;
  __shared__ unsigned int largest;
  for (int i = threadIdx.x; i < TileVoxels; i += TileThreads)
  {
    sums[i] = 0;
  }
  if (threadIdx.x == 0)
  {
    points = largest = 0;
  }
  __syncthreads();
  const Tile   tile(task);
  unsigned int count = 0;
  ForEachContribution(
    task,
    tile,
    [&](int) { return ++count; },
    [&](unsigned int, int place, float weight) {
      atomicAdd(sums + place, static_cast<unsigned int>(__float2int_ru(weight * (1 << WeightBits))));
    });
  unsigned int maximum = 0;
  for (int i = threadIdx.x; i < TileVoxels; i += TileThreads)
  {
    maximum = max(maximum, sums[i]);
  }
  atomicAdd(&points, count);
  atomicMax(&largest, maximum);
  __syncthreads();
  if (threadIdx.x == 0)
  {
    // No voxel receives more than all of the tile's points.
    const bool               isCounted = points <= CountedPoints;
    const unsigned long long weight = isCounted ? largest : points;
    int                      power = 0;
    while (((isCounted ? 1ull << WeightBits : 1ull) << power) < weight)
    {
      ++power;
    }
    atomicMax(&task.head->power, power);
  }
}

struct SplatArguments
{
  SplatTask                    task;
  FieldComponents<const float> value;
  FieldComponents<const float> outer;
  FieldComponents<float>       output;
  float                        scale;
  float                        direct;
  bool                         accumulate;
};

/** (grad I)^T value at the position of a voxel, times the matrix's transpose. */
__device__ __forceinline__ void
PositionGradientAt(const SplatArguments & arguments, int x, int y, int z, int offset, const Vector3 & value, float (&q)[3])
{
  const SamplingMap & map = arguments.task.map;
  AxisPosition        p[3];
  map.Locate(x, y, z, static_cast<std::int64_t>(offset), p);
  if (arguments.task.clamp || map.IsInside(p))
  {
    const LinearCell<int> cell(p, map.size);
#pragma unroll
    for (int c = 0; c < 3; ++c)
    {
      float corners[8];
      float gradient[3];
      cell.Load(arguments.outer.component[c], corners);
      cell.Gradient(corners, gradient);
#pragma unroll
      for (int d = 0; d < 3; ++d)
      {
        q[d] += value.v[c] * gradient[d];
      }
    }
    map.MultiplyTransposed(q);
  }
}

template <bool hasAddend>
__global__ void
__launch_bounds__(TileThreads, 2) VectorSplatKernel(const __grid_constant__ SplatArguments arguments)
{
  extern __shared__ int sums[];
  __shared__ float      factors[2];
  __shared__ double     unit;
  const SplatTask &     task = arguments.task;
  for (int i = threadIdx.x; i < 3 * TileVoxels; i += TileThreads)
  {
    sums[i] = 0;
  }
  if (threadIdx.x == 0)
  {
    const FixedPoint fixedPoint(task.head->bounds[0], task.head->bounds[1], 30 - task.head->power);
    factors[0] = fixedPoint.normalise;
    factors[1] = fixedPoint.enlarge;
    unit = fixedPoint.unit;
  }
  __syncthreads();
  const Tile tile(task);
  ForEachContribution(
    task,
    tile,
    [&](int offset) {
      Vector3 value = LoadVector(arguments.value, offset);
#pragma unroll
      for (int c = 0; c < 3; ++c)
      {
        value.v[c] = value.v[c] * factors[0] * factors[1];
      }
      return value;
    },
    [&](const Vector3 & value, int place, float weight) {
#pragma unroll
      for (int c = 0; c < 3; ++c)
      {
        atomicAdd(sums + c * TileVoxels + place, __float2int_rn(value.v[c] * weight));
      }
    });
  const int    x = tile.origin[0] + static_cast<int>(threadIdx.x) % TileX;
  const double factor = unit * arguments.scale;
  for (int row = threadIdx.x / TileX; row < TileY * TileZ; row += TileThreads / TileX)
  {
    const int y = tile.origin[1] + row % TileY;
    const int z = tile.origin[2] + row / TileY;
    if (x >= task.map.size[0] || y >= task.map.size[1] || z >= task.map.size[2])
    {
      continue;
    }
    const int offset = (z * task.map.size[1] + y) * task.map.size[0] + x;
    const int place = PlaceInTile(x - tile.origin[0], row % TileY, row / TileY);
    float     sum[3];
    float     q[3] = { 0.0f, 0.0f, 0.0f };
    Vector3   value = { { 0.0f, 0.0f, 0.0f } };
#pragma unroll
    for (int c = 0; c < 3; ++c)
    {
      sum[c] = static_cast<float>(factor * sums[c * TileVoxels + place]);
    }
    if (hasAddend)
    {
      value = LoadVector(arguments.value, offset);
      PositionGradientAt(arguments, x, y, z, offset, value, q);
    }
#pragma unroll
    for (int c = 0; c < 3; ++c)
    {
      sum[c] += arguments.direct * value.v[c] + arguments.scale * q[c];
      float * const to = arguments.output.component[c] + offset;
      *to = arguments.accumulate ? *to + sum[c] : sum[c];
    }
  }
}

SplatTask
MakeTask(const ResampleParameters & parameters,
         const ConstField &         displacement,
         const Lattice &            domain,
         const Lattice &            target,
         float *                    plan)
{
  constexpr int      brickSize[3] = { BrickX, BrickY, BrickZ };
  const std::int64_t points = domain.NumberOfVoxels();
  if (!IsSmall(domain) || !IsSmall(target))
  {
    ThrowError("VectorSplat: ", points, " points and ", target.NumberOfVoxels(), " voxels: up to ", INT_MAX,
               " of both are possible");
  }
  SplatTask task{};
  task.map = SamplingMap(parameters, displacement, points, target);
  task.clamp = parameters.outside == Outside::Clamp;
  for (int d = 0; d < 3; ++d)
  {
    task.domain[d] = domain.size[d];
    task.bricks[d] = DivideUp(domain.size[d], brickSize[d]);
  }
  task.head = reinterpret_cast<PlanHead *>(plan);
  task.boxes = reinterpret_cast<int *>(plan + headFloats);
  return task;
}

unsigned int
NumberOfTiles(const Lattice & target)
{
  return static_cast<unsigned int>(DivideUp(target.size[0], TileX)) * DivideUp(target.size[1], TileY) *
         DivideUp(target.size[2], TileZ);
}
} // namespace

void
VectorSplat(const Device &             device,
            const ResampleParameters & parameters,
            const ConstField &         value,
            const ConstField &         displacement,
            float                      scale,
            const VectorSplatAddend &  addend,
            const Field &              output,
            float *                    plan)
{
  const cudaStream_t    stream = Enter(device);
  constexpr std::size_t bytes = 3 * TileVoxels * sizeof(int);
  SplatArguments        arguments{};
  arguments.task = MakeTask(parameters, displacement, value.lattice, output.lattice, plan);
  arguments.value = FieldComponents<const float>(value);
  arguments.outer = FieldComponents<const float>(addend.outer);
  arguments.output = FieldComponents<float>(output);
  arguments.scale = scale;
  arguments.direct = addend.outer ? addend.direct : 0.0f;
  arguments.accumulate = parameters.accumulate;
  cuda::MinimumMaximum(device, value, arguments.task.head->bounds, ConstMask());
  const auto kernel = addend.outer ? VectorSplatKernel<true> : VectorSplatKernel<false>;
  AllowSharedMemory(device, kernel, bytes);
  kernel<<<NumberOfTiles(output.lattice), TileThreads, bytes, stream>>>(arguments);
  CheckLaunch(device, "VectorSplat");
}

void
PlanVectorSplat(const Device &             device,
                const ResampleParameters & parameters,
                const ConstField &         displacement,
                const Lattice &            outputLattice,
                float *                    plan)
{
  const cudaStream_t stream = Enter(device);
  const SplatTask    task = MakeTask(parameters, displacement, displacement.lattice, outputLattice, plan);
  const int          blocks = DivideUp(task.bricks[0] * task.bricks[1] * task.bricks[2], PlanThreads / 32);
  BeginPlanKernel<<<1, 1, 0, stream>>>(task.head);
  CheckLaunch(device, "BeginPlan");
  BoxKernel<<<std::min(blocks, PlanBlocks), PlanThreads, 0, stream>>>(task);
  CheckLaunch(device, "Box");
  WeightKernel<<<NumberOfTiles(outputLattice), TileThreads, 0, stream>>>(task);
  CheckLaunch(device, "Weight");
}

std::int64_t
VectorSplatPlan(const Lattice & valueLattice)
{
  return headFloats + 6 * std::int64_t{ DivideUp(valueLattice.size[0], BrickX) } *
                        DivideUp(valueLattice.size[1], BrickY) * DivideUp(valueLattice.size[2], BrickZ);
}
} // namespace cuda
} // namespace engine
} // namespace itk
