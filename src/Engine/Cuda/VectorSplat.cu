// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 36 bytes (value and displacement in, output out), 48 with an addend of a field of its own, and 12 for
// the bounds of the values before. Per voxel of a tile of 32x16x16 the displacements of about 2.2 points are read, through
// the caches, and the values of 1.2; 24 additions go to shared memory, where the 8x4 points of a warp meet 32 different
// banks if the map is smooth.
//
// Beside that: additions in global memory take 4 per component and point after merging neighbours of a row, 64 bits each
// in Splat, with clearing and rounding passes around them: 0.64 ms for 160x192x224 on an H200, 0.09 of the floor.
#include "../Operators/VectorSplat.h"

#include "../Math/FixedPoint.h"
#include "../Operators/Reductions.h"
#include "SplatTiles.h"

#include <climits>

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
constexpr int PlanThreads = 256;
constexpr int PlanBlocks = 1024;

/** The weights that a voxel receives are counted in units of 2^-12, each rounded up: with so many points in a tile no sum
 * overflows. */
constexpr int          WeightBits = 12;
constexpr unsigned int CountedPoints = UINT_MAX / ((1u << WeightBits) + 8u);

__global__ void
BeginPlanKernel(SplatHead * head)
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
    ForEachPointOfBrick(task, brick, [&](int x, int y, int z, int, const Vector3 & u) {
      LinearAxis axes[3];
      if (task.Reach(x, y, z, u, axes))
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

/** The largest sum of weights. */
__global__ void
__launch_bounds__(SplatTileThreads, 2) WeightKernel(const __grid_constant__ SplatTask task)
{
  __shared__ unsigned int sums[SplatTileVoxels];
  __shared__ unsigned int points;
  __shared__ unsigned int largest;
  for (int i = threadIdx.x; i < SplatTileVoxels; i += SplatTileThreads)
  {
    sums[i] = 0;
  }
  if (threadIdx.x == 0)
  {
    points = largest = 0;
  }
  __syncthreads();
  const SplatTile   tile(task);
  unsigned int count = 0;
  ForEachContribution(
    task,
    tile,
    [&](int) { return ++count; },
    [&](unsigned int, int place, float weight) {
      atomicAdd(sums + place, static_cast<unsigned int>(__float2int_ru(weight * (1 << WeightBits))));
    });
  unsigned int maximum = 0;
  for (int i = threadIdx.x; i < SplatTileVoxels; i += SplatTileThreads)
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

template <int components>
struct Value
{
  float v[components];
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

/** An addend is for three components. */
template <int components, bool hasAddend>
__global__ void
__launch_bounds__(SplatTileThreads, 2) VectorSplatKernel(const __grid_constant__ SplatArguments arguments)
{
  extern __shared__ int sums[];
  __shared__ float      factors[2];
  __shared__ double     unit;
  const SplatTask &     task = arguments.task;
  for (int i = threadIdx.x; i < components * SplatTileVoxels; i += SplatTileThreads)
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
  const SplatTile tile(task);
  ForEachContribution(
    task,
    tile,
    [&](int offset) {
      Value<components> value;
#pragma unroll
      for (int c = 0; c < components; ++c)
      {
        value.v[c] = arguments.value.component[c][offset];
      }
#pragma unroll
      for (int c = 0; c < components; ++c)
      {
        value.v[c] = value.v[c] * factors[0] * factors[1];
      }
      return value;
    },
    [&](const Value<components> & value, int place, float weight) {
#pragma unroll
      for (int c = 0; c < components; ++c)
      {
        atomicAdd(sums + c * SplatTileVoxels + place, __float2int_rn(value.v[c] * weight));
      }
    });
  const int    x = tile.origin[0] + static_cast<int>(threadIdx.x) % SplatTileX;
  const double factor = unit * arguments.scale;
  for (int row = threadIdx.x / SplatTileX; row < SplatTileY * SplatTileZ; row += SplatTileThreads / SplatTileX)
  {
    const int y = tile.origin[1] + row % SplatTileY;
    const int z = tile.origin[2] + row / SplatTileY;
    if (x >= task.map.size[0] || y >= task.map.size[1] || z >= task.map.size[2])
    {
      continue;
    }
    const int offset = (z * task.map.size[1] + y) * task.map.size[0] + x;
    const int place = PlaceInTile(x - tile.origin[0], row % SplatTileY, row / SplatTileY);
    float     sum[components];
#pragma unroll
    for (int c = 0; c < components; ++c)
    {
      sum[c] = static_cast<float>(factor * sums[c * SplatTileVoxels + place]);
    }
    if constexpr (hasAddend)
    {
      const Vector3 value = LoadVector(arguments.value, offset);
      float         q[3] = { 0.0f, 0.0f, 0.0f };
      PositionGradientAt(arguments, x, y, z, offset, value, q);
#pragma unroll
      for (int c = 0; c < 3; ++c)
      {
        sum[c] += arguments.direct * value.v[c] + arguments.scale * q[c];
      }
    }
#pragma unroll
    for (int c = 0; c < components; ++c)
    {
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
  constexpr int      brickSize[3] = { SplatBrickX, SplatBrickY, SplatBrickZ };
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
  task.head = reinterpret_cast<SplatHead *>(plan);
  task.boxes = reinterpret_cast<int *>(plan + SplatHeadFloats);
  return task;
}

unsigned int
NumberOfTiles(const Lattice & target)
{
  return static_cast<unsigned int>(DivideUp(target.size[0], SplatTileX)) * DivideUp(target.size[1], SplatTileY) *
         DivideUp(target.size[2], SplatTileZ);
}

template <int components, bool hasAddend>
void
Scatter(const Device &             device,
        const ResampleParameters & parameters,
        const ConstField &         value,
        const ConstField &         displacement,
        float                      scale,
        const VectorSplatAddend &  addend,
        const Field &              output,
        float *                    plan)
{
  const cudaStream_t    stream = Enter(device);
  constexpr std::size_t bytes = components * SplatTileVoxels * sizeof(int);
  SplatArguments        arguments{};
  arguments.task = MakeTask(parameters, displacement, value.lattice, output.lattice, plan);
  arguments.value = FieldComponents<const float>(value);
  arguments.outer = FieldComponents<const float>(addend.outer);
  arguments.output = FieldComponents<float>(output);
  arguments.scale = scale;
  arguments.direct = addend.outer ? addend.direct : 0.0f;
  arguments.accumulate = parameters.accumulate;
  cuda::MinimumMaximum(device, value, arguments.task.head->bounds, ConstMask());
  const auto kernel = VectorSplatKernel<components, hasAddend>;
  AllowSharedMemory(device, kernel, bytes);
  kernel<<<NumberOfTiles(output.lattice), SplatTileThreads, bytes, stream>>>(arguments);
  CheckLaunch(device, "VectorSplat");
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
  if (value.components != 3)
  {
    for (int c = 0; c < value.components; ++c)
    {
      Scatter<1, false>(device,
                        parameters,
                        ConstField(value.Component(c), value.lattice),
                        displacement,
                        scale,
                        VectorSplatAddend(),
                        Field(output.Component(c), output.lattice),
                        plan);
    }
    return;
  }
  const auto scatter = addend.outer ? Scatter<3, true> : Scatter<3, false>;
  scatter(device, parameters, value, displacement, scale, addend, output, plan);
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
  WeightKernel<<<NumberOfTiles(outputLattice), SplatTileThreads, 0, stream>>>(task);
  CheckLaunch(device, "Weight");
}

std::int64_t
VectorSplatPlan(const Lattice & valueLattice)
{
  return SplatHeadFloats + 6 * std::int64_t{ DivideUp(valueLattice.size[0], SplatBrickX) } *
                        DivideUp(valueLattice.size[1], SplatBrickY) * DivideUp(valueLattice.size[2], SplatBrickZ);
}
} // namespace cuda
} // namespace engine
} // namespace itk
