// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaLaunch_h
#define itkEngineCudaLaunch_h

#include "../Core/Device.h"
#include "../Core/Error.h"
#include "../Core/Lattice.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

namespace itk
{
namespace engine
{
namespace cuda
{
/** Throws an Error that names the call and the GPU. */
inline void
Check(cudaError_t status, const char * call, int ordinal)
{
  if (status != cudaSuccess)
  {
    // An error that does not stay with the context must not be reported a second time by the next launch.
    static_cast<void>(cudaGetLastError());
    ThrowError(call, " failed on cuda:", ordinal, ": ", cudaGetErrorString(status));
  }
}

/** Every operator begins here: makes the device current for this thread and gives the stream to queue on. */
inline cudaStream_t
Enter(const Device & device)
{
  Check(cudaSetDevice(device.Ordinal()), "cudaSetDevice", device.Ordinal());
  return static_cast<cudaStream_t>(device.Stream());
}

/** After every kernel launch. */
inline void
CheckLaunch(const Device & device, const char * kernel)
{
  Check(cudaGetLastError(), kernel, device.Ordinal());
}

/** Static and dynamic shared memory of more than 48 KiB must be asked for; of the static kind no kernel has more than 1. */
template <typename TKernel>
void
AllowSharedMemory(const Device & device, TKernel kernel, std::size_t dynamicBytes)
{
  if (dynamicBytes > (std::size_t{ 47 } << 10))
  {
    Check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(dynamicBytes)),
          "cudaFuncSetAttribute",
          device.Ordinal());
  }
}

/** Extents of a volume as a kernel wants them. */
struct Extent
{
  int nx;
  int ny;
  int nz;

  Extent(int sizeX, int sizeY, int sizeZ)
    : nx(sizeX)
    , ny(sizeY)
    , nz(sizeZ)
  {}

  explicit Extent(const Lattice & lattice)
    : Extent(lattice.own.size[0], lattice.own.size[1], lattice.own.size[2])
  {}

  __host__ __device__ __forceinline__ int
  PlaneSize() const
  {
    return nx * ny;
  }

  __host__ __device__ __forceinline__ std::int64_t
  NumberOfVoxels() const
  {
    return static_cast<std::int64_t>(nx) * ny * nz;
  }
};

/** One warp is a piece of a row, so that rows are read in whole cache lines. */
constexpr int VoxelBlockX = 32;
constexpr int VoxelBlockY = 8;
constexpr int VoxelThreads = VoxelBlockX * VoxelBlockY;

inline dim3
VoxelBlock()
{
  return dim3(VoxelBlockX, VoxelBlockY, 1);
}

/** Blocks for ForEachVoxel: x counts tiles of a plane, y counts planes. */
inline dim3
VoxelGrid(const Extent & extent, std::int64_t maximumBlocks = std::int64_t{ 1 } << 31)
{
  const std::int64_t tiles = static_cast<std::int64_t>((extent.nx + VoxelBlockX - 1) / VoxelBlockX) *
                             ((extent.ny + VoxelBlockY - 1) / VoxelBlockY);
  const std::int64_t x = std::min(tiles, maximumBlocks);
  const std::int64_t y = std::min<std::int64_t>({ maximumBlocks / x, extent.nz, 65535 });
  return dim3(static_cast<unsigned int>(x), static_cast<unsigned int>(y), 1);
}

/** Calls function(x, y, z, offset) for the voxels of this thread. No division per voxel, and any grid will do. */
template <typename TFunction>
__device__ __forceinline__ void
ForEachVoxel(const Extent & extent, const TFunction & function)
{
  const int tilesX = (extent.nx + VoxelBlockX - 1) / VoxelBlockX;
  const int tiles = tilesX * ((extent.ny + VoxelBlockY - 1) / VoxelBlockY);
  for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x)
  {
    const int x = tile % tilesX * VoxelBlockX + threadIdx.x;
    const int y = tile / tilesX * VoxelBlockY + threadIdx.y;
    if (x < extent.nx && y < extent.ny)
    {
      const int inPlane = y * extent.nx + x;
      for (int z = blockIdx.y; z < extent.nz; z += gridDim.y)
      {
        function(x, y, z, static_cast<std::int64_t>(z) * extent.PlaneSize() + inPlane);
      }
    }
  }
}

/** Blocks of a kernel that walks over a plain array with grid stride: enough to fill any GPU. */
constexpr int StreamThreads = 256;
constexpr int StreamBlocks = 4096;

inline int
StreamGrid(std::int64_t items)
{
  const std::int64_t blocks = (items + StreamThreads - 1) / StreamThreads;
  return static_cast<int>(std::max<std::int64_t>(1, std::min<std::int64_t>(blocks, StreamBlocks)));
}
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
