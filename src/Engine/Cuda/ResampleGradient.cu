// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 12 bytes of displacement, 4 of slope and 4 of image per component in, 12 out; about 60 flops per
// component, and 42 in float64 where the 21 sums are wanted.
#include "../Operators/ResampleGradient.h"

#include "Reduce.h"
#include "Sample.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
constexpr int affineSums = 12;
constexpr int matrixSums = 9;

/** Fewer blocks than other reductions: joining 21 sums costs a thread as much as several voxels. */
constexpr int sumBlocks = 1024;
static_assert(static_cast<std::size_t>(sumBlocks) * (affineSums + matrixSums) * sizeof(double) <= Device::ScratchBytes,
              "sums exceed the scratch memory");

struct GradientArguments
{
  SamplingMap   map;
  const float * moving;
  std::int64_t  movingVoxels;
  int           components;
  const float * slope;
  float         scale;
  float         direct; ///< 0: not added
  FieldComponents<float> displacement; ///< null: not wanted
  double *      partials;
  bool          clamp;
  bool          accumulate;
};

/** Sums `count` numbers over the block and stores them. All threads of whole warps must call it, once. */
template <int count>
__device__ __forceinline__ void
StoreBlockSums(double (&sums)[count], double * partials)
{
  __shared__ double warpSums[count][VoxelThreads / 32];
  const int         thread = threadIdx.x + blockDim.x * threadIdx.y;
#pragma unroll
  for (int k = 0; k < count; ++k)
  {
    for (int distance = 16; distance > 0; distance >>= 1)
    {
      sums[k] += __shfl_down_sync(0xffffffffu, sums[k], distance);
    }
    if (thread % 32 == 0)
    {
      warpSums[k][thread / 32] = sums[k];
    }
  }
  __syncthreads();
  if (thread < count)
  {
    double sum = 0.0;
    for (int warp = 0; warp < VoxelThreads / 32; ++warp)
    {
      sum += warpSums[thread][warp];
    }
    partials[static_cast<std::int64_t>(blockIdx.x + gridDim.x * blockIdx.y) * count + thread] = sum;
  }
}

/** count 0: the gradient to the displacement alone; 12: with the affine map's; 21: with the matrix's behind them.
 * `scalar`: of an image of one component. */
template <typename TOffset, int count, bool scalar>
__global__ void
__launch_bounds__(VoxelThreads)
  PositionGradientKernel(const __grid_constant__ GradientArguments arguments, const Extent extent)
{
  const SamplingMap & map = arguments.map;
  double              sums[count > 0 ? count : 1] = {};
  const auto          load = [&](TOffset offset) { return LoadVectorIfAny(map.field, offset); };
  ForEachVoxelAhead<TOffset>(extent, load, [&](int x, int y, int z, TOffset offset, const Vector3 & u) {
    AxisPosition p[3];
    map.Locate(x, y, z, u, p);
    float q[3] = { 0.0f, 0.0f, 0.0f };
    float s[3] = { 0.0f, 0.0f, 0.0f };
    if (arguments.clamp || map.IsInside(p))
    {
      const LinearCell<TOffset> cell(p, map.size);
      const int                 components = scalar ? 1 : arguments.components;
#pragma unroll 1
      for (int c = 0; c < components; ++c)
      {
        const float slope = arguments.scale * arguments.slope[c * map.plane + offset];
        float       corners[8];
        float       sampled[3];
        cell.Load(arguments.moving + c * arguments.movingVoxels, corners);
        cell.Gradient(corners, sampled);
#pragma unroll
        for (int d = 0; d < 3; ++d)
        {
          q[d] += slope * sampled[d];
        }
      }
    }
    if (!scalar && arguments.direct != 0.0f)
    {
#pragma unroll
      for (int d = 0; d < 3; ++d)
      {
        s[d] = arguments.direct * arguments.slope[d * map.plane + offset];
      }
    }
    if (count > 0)
    {
      const double at[4] = { static_cast<double>(x), static_cast<double>(y), static_cast<double>(z), 1.0 };
#pragma unroll
      for (int k = 0; k < affineSums && k < count; ++k)
      {
        sums[k] += q[k / 4] * at[k % 4];
      }
      if (count > affineSums && map.field)
      {
#pragma unroll
        for (int k = 0; k < count - affineSums; ++k)
        {
          sums[affineSums + k] += static_cast<double>(q[k / 3]) * u.v[k % 3];
        }
      }
    }
    if (arguments.displacement)
    {
      map.MultiplyTransposed(q);
      // All loads before the first store, which the compiler may not reorder.
      Vector3 before = { { 0.0f, 0.0f, 0.0f } };
      if (arguments.accumulate)
      {
        before = LoadVector(arguments.displacement, offset);
      }
#pragma unroll
      for (int d = 0; d < 3; ++d)
      {
        arguments.displacement.component[d][offset] = before.v[d] + (q[d] + s[d]);
      }
    }
  });
  if constexpr (count > 0)
  {
    StoreBlockSums(sums, arguments.partials);
  }
}

using PositionGradientFunction = decltype(&PositionGradientKernel<int, 0, true>);

template <typename TOffset, bool scalar>
PositionGradientFunction
ChooseKernel(int count)
{
  if (count == 0)
  {
    return PositionGradientKernel<TOffset, 0, scalar>;
  }
  return count == affineSums ? PositionGradientKernel<TOffset, affineSums, scalar>
                             : PositionGradientKernel<TOffset, affineSums + matrixSums, scalar>;
}

PositionGradientFunction
ChooseKernel(int count, bool scalar, bool isSmall)
{
  if (scalar)
  {
    return isSmall ? ChooseKernel<int, true>(count) : ChooseKernel<std::int64_t, true>(count);
  }
  return isSmall ? ChooseKernel<int, false>(count) : ChooseKernel<std::int64_t, false>(count);
}

/** One block per sum: joins the blocks' sums in a fixed tree. */
__global__ void
__launch_bounds__(StreamThreads)
  FinishSumsKernel(const double * partials, int blocks, int count, bool accumulate, double * affine, double * matrix)
{
  double sum = 0.0;
  double unused = 0.0;
  for (int block = threadIdx.x; block < blocks; block += StreamThreads)
  {
    sum += partials[static_cast<std::int64_t>(block) * count + blockIdx.x];
  }
  JoinBlock<Join::Sum, Join::Sum>(sum, unused);
  const int      k = blockIdx.x;
  double * const to = k < affineSums ? (affine ? affine + k : nullptr) : matrix + (k - affineSums);
  if (threadIdx.x == 0 && to)
  {
    *to = accumulate ? *to + sum : sum;
  }
}
} // namespace

void
PositionGradient(const Device &             device,
                 const ResampleParameters & parameters,
                 const ConstField &         moving,
                 const ConstField &         displacement,
                 const ConstField &         slope,
                 float                      scale,
                 float                      direct,
                 const ResampleGradients &  gradients)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(slope.lattice);
  const int          count = gradients.matrix ? affineSums + matrixSums : (gradients.affine ? affineSums : 0);
  const dim3         grid = count > 0 ? VoxelGrid(extent, sumBlocks) : VoxelGrid(extent);
  GradientArguments  arguments{};
  arguments.map = SamplingMap(parameters, displacement, extent.NumberOfVoxels(), moving.lattice);
  arguments.moving = moving.data;
  arguments.movingVoxels = moving.lattice.NumberOfVoxels();
  arguments.components = moving.components;
  arguments.slope = slope.data;
  arguments.scale = scale;
  arguments.direct = direct;
  arguments.displacement = FieldComponents<float>(gradients.displacement);
  arguments.partials = Partials(device);
  arguments.clamp = parameters.outside == Outside::Clamp;
  arguments.accumulate = parameters.accumulate;
  const auto kernel = ChooseKernel(count, moving.components == 1, arguments.map.isSmall);
  kernel<<<grid, VoxelBlock(), 0, stream>>>(arguments, extent);
  CheckLaunch(device, "PositionGradient");
  if (count > 0)
  {
    FinishSumsKernel<<<count, StreamThreads, 0, stream>>>(arguments.partials,
                                                          static_cast<int>(grid.x * grid.y),
                                                          count,
                                                          parameters.accumulate,
                                                          gradients.affine,
                                                          gradients.matrix);
    CheckLaunch(device, "FinishSums");
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
