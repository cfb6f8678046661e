// SPDX-License-Identifier: Apache-2.0
// Narrow kernels take one pass for all axes: GaussianSmoothColumns.h. Wider ones take two: x and y together on tiles in
// shared memory, then z; those whose tiles would not fit take one pass per axis. Floor per value: 8 bytes a pass (the
// halo is read again, from the L2 cache mostly) and 3 (2 r + 1) multiply-adds.
#include "../Operators/GaussianSmooth.h"

#include "../Math/Interpolation.h"
#include "GaussianSmoothColumns.h"
#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
constexpr int TileX = 32;
constexpr int TileY = 32;
constexpr int TileThreadRows = 8;
constexpr int RowsPerThread = TileY / TileThreadRows;
static_assert(TileX == VoxelBlockX && TileThreadRows == VoxelBlockY, "the tile kernel is launched with VoxelBlock");

/** Beyond it the tile with its halo would not fit in 48 KiB of shared memory. */
constexpr int MaximumTileRadius = 24;

/** Weights of x and y up to a common radius, the shorter one padded with zeros. */
struct TileWeights
{
  int   radius = 0;
  float x[MaximumTileRadius + 1] = {};
  float y[MaximumTileRadius + 1] = {};
};

std::size_t
TileBytes(int radius)
{
  const std::size_t rows = TileY + 2 * radius;
  return rows * (TileX + 2 * radius + TileX) * sizeof(float);
}

/** Convolves planes along x and y. */
__global__ void
__launch_bounds__(VoxelThreads) SmoothPlanesKernel(const __grid_constant__ TileWeights weights,
                                                   bool                                zeroOutside,
                                                   int                                 nx,
                                                   int                                 ny,
                                                   int                                 planes,
                                                   const float * __restrict__ input,
                                                   float * __restrict__ output)
{
  extern __shared__ float shared[];
  const int               radius = weights.radius;
  const int               width = TileX + 2 * radius;
  const int               rows = TileY + 2 * radius;
  float * const           raw = shared;
  float * const           filtered = shared + rows * width;
  const int               firstX = blockIdx.x * TileX;
  const int               firstY = blockIdx.y * TileY;

  for (int plane = blockIdx.z; plane < planes; plane += gridDim.z)
  {
    const std::int64_t  start = static_cast<std::int64_t>(plane) * nx * ny;
    const float * const source = input + start;
    for (int row = threadIdx.y; row < rows; row += TileThreadRows)
    {
      const int  y = firstY + row - radius;
      const int  insideY = ClampIndex(y, ny);
      const bool zeroRow = zeroOutside && y != insideY;
      for (int column = threadIdx.x; column < width; column += TileX)
      {
        const int x = firstX + column - radius;
        const int insideX = ClampIndex(x, nx);
        raw[row * width + column] = zeroRow || (zeroOutside && x != insideX) ? 0.0f : source[insideY * nx + insideX];
      }
    }
    __syncthreads();

    for (int row = threadIdx.y; row < rows; row += TileThreadRows)
    {
      const float * const centre = raw + row * width + threadIdx.x + radius;
      float               sum = weights.x[0] * centre[0];
      for (int k = 1; k <= radius; ++k)
      {
        sum += weights.x[k] * (centre[-k] + centre[k]);
      }
      filtered[row * TileX + threadIdx.x] = sum;
    }
    __syncthreads();

    const int           x = firstX + threadIdx.x;
    const int           firstRow = RowsPerThread * threadIdx.y;
    const float * const column = filtered + firstRow * TileX + threadIdx.x;
    float               sums[RowsPerThread];
#pragma unroll
    for (int j = 0; j < RowsPerThread; ++j)
    {
      const float * const centre = column + (j + radius) * TileX;
      sums[j] = weights.y[0] * centre[0];
      for (int k = 1; k <= radius; ++k)
      {
        sums[j] += weights.y[k] * (centre[-k * TileX] + centre[k * TileX]);
      }
    }
#pragma unroll
    for (int j = 0; j < RowsPerThread; ++j)
    {
      const int y = firstY + firstRow + j;
      if (x < nx && y < ny)
      {
        output[start + y * nx + x] = sums[j];
      }
    }
    __syncthreads();
  }
}

/** Any radius along any axis: one thread per output, inputs through the L1 cache. */
template <int axis>
__global__ void
__launch_bounds__(VoxelThreads) SmoothAxisKernel(const __grid_constant__ SymmetricKernel weights,
                                                 bool                                    zeroOutside,
                                                 const Extent                            extent,
                                                 const float * __restrict__ input,
                                                 float * __restrict__ output)
{
  const int          size = axis == 0 ? extent.nx : (axis == 1 ? extent.ny : extent.nz);
  const std::int64_t stride = axis == 0 ? 1 : (axis == 1 ? extent.nx : extent.PlaneSize());
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    const int           i = axis == 0 ? x : (axis == 1 ? y : z);
    const float * const line = input + (offset - i * stride);
    const auto          load = [&](int index) {
      const int inside = ClampIndex(index, size);
      return zeroOutside && index != inside ? 0.0f : line[inside * stride];
    };
    float sum = weights.weight[0] * line[i * stride];
    for (int k = 1; k <= weights.radius; ++k)
    {
      sum += weights.weight[k] * (load(i - k) + load(i + k));
    }
    output[offset] = sum;
  });
}

/** One smoothing: where it runs and what all passes share. */
struct Smoothing
{
  const Device & device;
  cudaStream_t   stream;
  Extent         extent;
  int            components;
  bool           zeroOutside;
};

void
SmoothPlanes(const Smoothing &       smoothing,
             const SymmetricKernel & kernelX,
             int                     radiusX,
             const SymmetricKernel & kernelY,
             int                     radiusY,
             const float *           input,
             float *                 output)
{
  const Extent & extent = smoothing.extent;
  TileWeights    weights;
  weights.radius = std::max(radiusX, radiusY);
  weights.x[0] = weights.y[0] = 1.0f;
  if (radiusX > 0)
  {
    std::copy(kernelX.weight, kernelX.weight + radiusX + 1, weights.x);
  }
  if (radiusY > 0)
  {
    std::copy(kernelY.weight, kernelY.weight + radiusY + 1, weights.y);
  }
  const int  planes = extent.nz * smoothing.components;
  const dim3 grid((extent.nx + TileX - 1) / TileX, (extent.ny + TileY - 1) / TileY, std::min(planes, 65535));
  SmoothPlanesKernel<<<grid, VoxelBlock(), TileBytes(weights.radius), smoothing.stream>>>(
    weights, smoothing.zeroOutside, extent.nx, extent.ny, planes, input, output);
  CheckLaunch(smoothing.device, "GaussianSmooth: planes");
}

template <int axis>
void
SmoothAxis(const Smoothing & smoothing, const SymmetricKernel & kernel, const float * input, float * output)
{
  const std::int64_t voxels = smoothing.extent.NumberOfVoxels();
  for (int c = 0; c < smoothing.components; ++c)
  {
    SmoothAxisKernel<axis><<<VoxelGrid(smoothing.extent), VoxelBlock(), 0, smoothing.stream>>>(
      kernel, smoothing.zeroOutside, smoothing.extent, input + c * voxels, output + c * voxels);
    CheckLaunch(smoothing.device, "GaussianSmooth: axis");
  }
}

void
SmoothColumns(const Smoothing &       smoothing,
              const SymmetricKernel (&kernels)[3],
              const int (&radius)[3],
              const float * input,
              float *       output)
{
  static constexpr decltype(&LaunchSmoothColumns<1>) launch[MaximumColumnRadius] = {
    LaunchSmoothColumns<1>, LaunchSmoothColumns<2>, LaunchSmoothColumns<3>, LaunchSmoothColumns<4>,
    LaunchSmoothColumns<5>, LaunchSmoothColumns<6>, LaunchSmoothColumns<7>, LaunchSmoothColumns<8>
  };
  launch[std::max({ radius[0], radius[1], radius[2] }) - 1](smoothing.device,
                                                            smoothing.stream,
                                                            MakeColumnWeights(kernels, radius),
                                                            radius[2] > 0,
                                                            smoothing.zeroOutside,
                                                            smoothing.extent,
                                                            smoothing.components,
                                                            input,
                                                            output);
}
} // namespace

void
GaussianSmooth(const Device &          device,
               const SymmetricKernel (&kernels)[3],
               SmoothBoundary     boundary,
               const ConstField & input,
               const Field &      output,
               const Field &      workspace)
{
  const Smoothing smoothing{
    device, Enter(device), Extent(output.lattice), output.components, boundary == SmoothBoundary::Zero
  };
  int radius[3];
  for (int axis = 0; axis < 3; ++axis)
  {
    radius[axis] = output.lattice.own.size[axis] > 1 ? kernels[axis].radius : 0;
  }
  const int  largest = std::max({ radius[0], radius[1], radius[2] });
  const bool columns = largest > 0 && largest <= MaximumColumnRadius;
  const bool tiled = std::max(radius[0], radius[1]) <= MaximumTileRadius;
  const bool planes = !columns && tiled && (radius[0] > 0 || radius[1] > 0);
  const bool alongX = !columns && !tiled && radius[0] > 0;
  const bool alongY = !columns && !tiled && radius[1] > 0;
  const bool alongZ = !columns && radius[2] > 0;

  // No pass works in place. They alternate between output and workspace so that the last one ends in the output, unless
  // the input lies in the one where they would have to begin.
  const int     passes = int{ columns } + int{ planes } + int{ alongX } + int{ alongY } + int{ alongZ };
  const bool    outputFirst = input.data == workspace.data || (passes % 2 == 1 && input.data != output.data);
  const float * source = input.data;
  float *       target = outputFirst ? output.data : workspace.data;
  const auto    advance = [&] {
    source = target;
    target = target == output.data ? workspace.data : output.data;
  };
  if (columns)
  {
    SmoothColumns(smoothing, kernels, radius, source, target);
    advance();
  }
  if (planes)
  {
    SmoothPlanes(smoothing, kernels[0], radius[0], kernels[1], radius[1], source, target);
    advance();
  }
  if (alongX)
  {
    SmoothAxis<0>(smoothing, kernels[0], source, target);
    advance();
  }
  if (alongY)
  {
    SmoothAxis<1>(smoothing, kernels[1], source, target);
    advance();
  }
  if (alongZ)
  {
    SmoothAxis<2>(smoothing, kernels[2], source, target);
    advance();
  }
  if (source != output.data)
  {
    device.Copy(output.data, source, static_cast<std::size_t>(output.NumberOfValues()) * sizeof(float));
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
