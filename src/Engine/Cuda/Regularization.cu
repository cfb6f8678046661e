// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 36 bytes (field in once through the caches, gradient in and out); about 30 flops for the diffusion, 150
// for the volume, whose derivatives of the determinants are computed once per voxel of a tile with its rim and handed to
// the neighbours in a plane through shared memory, to those along z in registers.
#include "../Operators/Regularization.h"

#include "../Math/Regularization.h"
#include "FieldComponents.h"
#include "Reduce.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
struct RegularizationArguments
{
  RegularizationParameters     parameters;
  FieldComponents<const float> displacement;
  FieldComponents<float>       gradient;
  double *                     partials;
};

/** The diffusion term of a voxel; a neighbour that does not exist is the voxel itself, which adds nothing. */
__device__ __forceinline__ float
Diffusion(float weight, const Neighbourhood & u, float (&gradient)[3])
{
  float energy = 0.0f;
#pragma unroll
  for (int c = 0; c < 3; ++c)
  {
    float sum = 0.0f;
#pragma unroll
    for (int axis = 0; axis < 3; ++axis)
    {
      const float difference = u.next[axis].v[c] - u.here.v[c];
      energy += difference * difference;
      sum += u.here.v[c] - u.previous[axis].v[c] - difference;
    }
    gradient[c] = weight * sum;
  }
  return 0.5f * weight * energy;
}

template <typename TOffset>
__device__ __forceinline__ void
Add(const FieldComponents<float> & gradient, TOffset offset, const float (&g)[3])
{
  float sum[3];
#pragma unroll
  for (int c = 0; c < 3; ++c)
  {
    sum[c] = gradient.component[c][offset] + g[c];
  }
  // All loads before the first store, which the compiler may not reorder.
#pragma unroll
  for (int c = 0; c < 3; ++c)
  {
    gradient.component[c][offset] = sum[c];
  }
}

template <typename TOffset>
__global__ void
__launch_bounds__(VoxelThreads, 4)
  DiffusionKernel(const __grid_constant__ RegularizationArguments arguments, const Extent extent)
{
  double sum = 0.0;
  ForEachNeighbourhood<TOffset>(extent, arguments.displacement, [&](int, int, int, TOffset offset, const Neighbourhood & u) {
    float g[3];
    sum += Diffusion(arguments.parameters.diffusion, u, g);
    if (arguments.parameters.composedStep)
    {
      float derivative[3][3];
      u.Derivative(derivative);
      MultiplyTransposedJacobian(derivative, g);
    }
    Add(arguments.gradient, offset, g);
  });
  StoreBlockResult<Join::Sum, Join::Sum>(sum, 0.0, arguments.partials);
}

constexpr int VolumeBlockX = 32;
constexpr int VolumeBlockY = 12;
/** Without the rim of one voxel, whose gradient belongs to the next tile. */
constexpr int VolumeTileX = VolumeBlockX - 2;
constexpr int VolumeTileY = VolumeBlockY - 2;

/** The share of one axis in the gradient of the volume term: the voxel takes part in the differences of its neighbours,
 * and at a border in its own. `lower` and `upper` are the neighbours' stresses along the axis. */
__device__ __forceinline__ float
StressDifference(float lower, float here, float upper, bool hasLower, bool hasUpper)
{
  return 0.5f * ((hasLower ? lower : -here) - (hasUpper ? upper : -here));
}

/** Both terms. Plane k gives its part of the gradient but for the stress along z of plane k + 1, and completes k - 1. */
template <typename TOffset>
__global__ void
__launch_bounds__(VolumeBlockX * VolumeBlockY, 2)
  VolumeKernel(const __grid_constant__ RegularizationArguments arguments, const Extent extent)
{
  // of two planes in turn, so that one barrier per plane is enough
  __shared__ float               stressInPlane[2][6][VolumeBlockY][VolumeBlockX];
  const RegularizationParameters parameters = arguments.parameters;
  const TOffset                  plane = extent.PlaneSize();
  const int                      tilesX = (extent.nx + VolumeTileX - 1) / VolumeTileX;
  const int                      tiles = tilesX * ((extent.ny + VolumeTileY - 1) / VolumeTileY);
  const int                      planes = (extent.nz + static_cast<int>(gridDim.y) - 1) / static_cast<int>(gridDim.y);
  const int                      begin = min(static_cast<int>(blockIdx.y) * planes, extent.nz);
  const int                      end = min(begin + planes, extent.nz);
  const int                      i = threadIdx.x;
  const int                      j = threadIdx.y;
  double                         sum = 0.0;
  for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x)
  {
    const int  x = tile % tilesX * VolumeTileX + i - 1;
    const int  y = tile / tilesX * VolumeTileY + j - 1;
    const bool exists = x >= 0 && x < extent.nx && y >= 0 && y < extent.ny;
    const bool isInner = exists && i > 0 && i <= VolumeTileX && j > 0 && j <= VolumeTileY;
    const int  first = max(begin - 1, 0);
    // others walk along the first column, and their results are not used
    NeighbourhoodWalk<TOffset> walk(arguments.displacement, extent, exists ? x : 0, exists ? y : 0, first);
    float                      stressBelow[3] = { 0.0f, 0.0f, 0.0f }; // along z, two planes down
    float                      stressHere[3] = { 0.0f, 0.0f, 0.0f };  // one plane down
    float                      g[3] = { 0.0f, 0.0f, 0.0f };           // what plane k - 1 has so far
    float                      derivative[3][3] = {};                 // there
#pragma unroll 1
    for (int k = first; k <= end; ++k)
    {
      float stress[3][3] = {};
      float energy = 0.0f;
      float gradient[3] = { 0.0f, 0.0f, 0.0f };
      float current[3][3] = {};
      if (k < extent.nz)
      {
        Neighbourhood u;
        walk.Load(k, u);
        u.Derivative(current);
        float jacobian[3][3];
        u.Derivative(jacobian);
        AddIdentity(jacobian);
        const float logarithm = LogVolume(jacobian, stress);
        energy = 0.5f * parameters.volume * logarithm * logarithm;
        if (parameters.diffusion != 0.0f)
        {
          energy += Diffusion(parameters.diffusion, u, gradient);
        }
        walk.Advance(u);
      }
      float(&shared)[6][VolumeBlockY][VolumeBlockX] = stressInPlane[k & 1];
#pragma unroll
      for (int c = 0; c < 3; ++c)
      {
        shared[c][j][i] = stress[c][0];
        shared[3 + c][j][i] = stress[c][1];
      }
      __syncthreads();
      if (k > begin && isInner)
      {
        const TOffset below = (k - 1) * plane + (y * extent.nx + x);
#pragma unroll
        for (int c = 0; c < 3; ++c)
        {
          g[c] += parameters.volume *
                  StressDifference(stressBelow[c], stressHere[c], stress[c][2], k - 1 > 0, k < extent.nz);
        }
        if (parameters.composedStep)
        {
          MultiplyTransposedJacobian(derivative, g);
        }
        Add(arguments.gradient, below, g);
      }
      if (k >= begin && k < end && isInner)
      {
        sum += energy;
#pragma unroll
        for (int c = 0; c < 3; ++c)
        {
          const float alongX =
            StressDifference(shared[c][j][i - 1], stress[c][0], shared[c][j][i + 1], x > 0, x + 1 < extent.nx);
          const float alongY = StressDifference(
            shared[3 + c][j - 1][i], stress[c][1], shared[3 + c][j + 1][i], y > 0, y + 1 < extent.ny);
          g[c] = gradient[c] + parameters.volume * (alongX + alongY);
        }
      }
#pragma unroll
      for (int c = 0; c < 3; ++c)
      {
        stressBelow[c] = stressHere[c];
        stressHere[c] = stress[c][2];
#pragma unroll
        for (int axis = 0; axis < 3; ++axis)
        {
          derivative[c][axis] = current[c][axis];
        }
      }
    }
  }
  StoreBlockResult<Join::Sum, Join::Sum>(sum, 0.0, arguments.partials);
}

dim3
VolumeGrid(const Extent & extent)
{
  const int x = static_cast<int>(std::min<std::int64_t>(
    static_cast<std::int64_t>(DivideUp(extent.nx, VolumeTileX)) * DivideUp(extent.ny, VolumeTileY), ReductionBlocks));
  const int pieces = std::min(ReductionBlocks / x, DivideUp(extent.nz, PlanesPerThread));
  const int y = DivideUp(extent.nz, DivideUp(extent.nz, pieces));
  return dim3(static_cast<unsigned int>(x), static_cast<unsigned int>(y), 1);
}
} // namespace

void
AddRegularization(const Device &                   device,
                  const RegularizationParameters & parameters,
                  const ConstField &               displacement,
                  double *                         energy,
                  const Field &                    gradient)
{
  const cudaStream_t      stream = Enter(device);
  const Extent            extent(displacement.lattice);
  const bool              isSmall = IsSmall(displacement.lattice);
  RegularizationArguments arguments{};
  arguments.parameters = parameters;
  arguments.displacement = FieldComponents<const float>(displacement);
  arguments.gradient = FieldComponents<float>(gradient);
  arguments.partials = Partials(device);
  dim3 grid = VoxelGrid(extent, ReductionBlocks);
  if (parameters.volume == 0.0f)
  {
    const auto kernel = isSmall ? DiffusionKernel<int> : DiffusionKernel<std::int64_t>;
    kernel<<<grid, VoxelBlock(), 0, stream>>>(arguments, extent);
  }
  else
  {
    const auto kernel = isSmall ? VolumeKernel<int> : VolumeKernel<std::int64_t>;
    grid = VolumeGrid(extent);
    kernel<<<grid, dim3(VolumeBlockX, VolumeBlockY, 1), 0, stream>>>(arguments, extent);
  }
  CheckLaunch(device, "AddRegularization");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, energy, 1);
}
} // namespace cuda
} // namespace engine
} // namespace itk
