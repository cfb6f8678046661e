// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaLaunch_h
#define itkEngineCudaLaunch_h

#include "../Core/Device.h"
#include "../Core/Error.h"
#include "../Core/Lattice.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

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

/** Static and dynamic shared memory of more than 48 KiB together must be asked for. For kernels with at most 1 KiB of the
 * static kind. */
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

/** a / b, rounded up. */
template <typename TA, typename TB>
constexpr std::common_type_t<TA, TB>
DivideUp(TA a, TB b)
{
  return (a + b - 1) / b;
}

/** One warp is a piece of a row, so that rows are read in whole cache lines. */
constexpr int VoxelBlockX = 32;
constexpr int VoxelBlockY = 8;
constexpr int VoxelThreads = VoxelBlockX * VoxelBlockY;

inline dim3
VoxelBlock()
{
  return dim3(VoxelBlockX, VoxelBlockY, 1);
}

/** A thread takes up to so many planes one after another: what it works out once costs little then, and the rows that
 * two planes share are in the L1 cache. Not where the GPU would lack blocks. */
constexpr int PlanesPerThread = 8;
constexpr int EnoughVoxelBlocks = 4096;

/** Blocks for ForEachVoxel: x counts tiles of a plane, y counts pieces of the z axis. */
inline dim3
VoxelGrid(const Extent & extent, std::int64_t maximumBlocks = std::int64_t{ 1 } << 31)
{
  const std::int64_t tiles = std::int64_t{ DivideUp(extent.nx, VoxelBlockX) } * DivideUp(extent.ny, VoxelBlockY);
  const std::int64_t x = std::min(tiles, maximumBlocks);
  const std::int64_t wanted =
    std::max<std::int64_t>(DivideUp(extent.nz, PlanesPerThread), DivideUp(EnoughVoxelBlocks, x));
  const std::int64_t pieces = std::min<std::int64_t>({ maximumBlocks / x, extent.nz, 65535, wanted });
  const std::int64_t y = DivideUp(extent.nz, DivideUp(extent.nz, pieces));
  return dim3(static_cast<unsigned int>(x), static_cast<unsigned int>(y), 1);
}

/** Calls function(x, y, z, end) for the pieces of columns of this thread, planes z to end. Any grid will do. */
template <typename TFunction>
__device__ __forceinline__ void
ForEachPiece(const Extent & extent, const TFunction & function)
{
  const unsigned int tilesX = (static_cast<unsigned int>(extent.nx) + VoxelBlockX - 1) / VoxelBlockX;
  const unsigned int tiles = tilesX * ((static_cast<unsigned int>(extent.ny) + VoxelBlockY - 1) / VoxelBlockY);
  const int          planes = (static_cast<unsigned int>(extent.nz) + gridDim.y - 1) / gridDim.y;
  const int          begin = blockIdx.y * planes;
  const int          end = min(begin + planes, extent.nz);
  unsigned int       tile = blockIdx.x;
  int                x = 0;
  int                y = 0;
  const auto         place = [&] {
    const unsigned int row = tile / tilesX;
    x = (tile - row * tilesX) * VoxelBlockX + threadIdx.x;
    y = row * VoxelBlockY + threadIdx.y;
  };
  place();
  while (tile < tiles)
  {
    if (x < extent.nx && y < extent.ny)
    {
      function(x, y, begin, end);
    }
    tile += gridDim.x;
    // At the end of the loop: where it can, the compiler works x and y out again in every plane to save two registers.
    place();
  }
}

/** Calls function(x, y, z, offset) for the voxels of this thread. No division per voxel, and any grid will do. */
template <typename TFunction>
__device__ __forceinline__ void
ForEachVoxel(const Extent & extent, const TFunction & function)
{
  ForEachPiece(extent, [&](int x, int y, int z, int end) {
    std::int64_t offset = static_cast<std::int64_t>(z) * extent.PlaneSize() + (y * extent.nx + x);
    for (; z < end; ++z, offset += extent.PlaneSize())
    {
      function(x, y, z, offset);
    }
  });
}

/** The same, with what load(offset) gave as the last argument. The next voxel's is under way while this one is worked
 * on: what `function` stores must not be what `load` reads for another voxel. Offsets of 32 bits, where they reach,
 * take half the instructions. */
template <typename TOffset, typename TLoad, typename TFunction>
__device__ __forceinline__ void
ForEachVoxelAhead(const Extent & extent, const TLoad & load, const TFunction & function)
{
  const TOffset plane = extent.PlaneSize();
  ForEachPiece(extent, [&](int x, int y, int z, int end) {
    TOffset offset = z * plane + (y * extent.nx + x);
    if (z >= end)
    {
      return;
    }
    auto next = load(offset);
#pragma unroll 1
    for (; z < end; ++z, offset += plane)
    {
      const auto now = next;
      if (z + 1 < end)
      {
        next = load(offset + plane);
      }
      function(x, y, z, offset, now);
    }
  });
}

/** Whether 32 bits reach every voxel. */
inline bool
IsSmall(const Lattice & lattice)
{
  return lattice.NumberOfVoxels() <= std::numeric_limits<int>::max();
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
