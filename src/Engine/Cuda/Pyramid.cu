// SPDX-License-Identifier: Apache-2.0
// Floor per axis: 4 bytes per input and per output voxel, 2 flops per tap; y and z with two taps each, which is linear
// interpolation of a finer level, take one pass. Between levels only.
#include "../Operators/Pyramid.h"

#include "../Core/Buffer.h"
#include "Launch.h"

#include <cstring>

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
/** Rows that a thread resamples with weights which it reads once. */
constexpr int RowsPerThread = 4;
/** Planes that a thread of the linear kernel makes. */
constexpr int PlanesPerThread = 2;

__device__ __forceinline__ void
AddScaled(float weight, float value, float & sum)
{
  sum += weight * value;
}

__device__ __forceinline__ void
AddScaled(float weight, const float4 & value, float4 & sum)
{
  sum.x += weight * value.x;
  sum.y += weight * value.y;
  sum.z += weight * value.z;
  sum.w += weight * value.w;
}

/** Along x, to all rows of the volume. The weights of a tap are neighbours here: weight[t * outputSize + o]. */
__global__ void
__launch_bounds__(VoxelThreads) ResampleRowsKernel(const int * __restrict__ first,
                                                   const float * __restrict__ weight,
                                                   int taps,
                                                   int inputSize,
                                                   int outputSize,
                                                   int rows,
                                                   const float * __restrict__ input,
                                                   float * __restrict__ output)
{
  const int o = blockIdx.x * VoxelBlockX + threadIdx.x;
  if (o >= outputSize)
  {
    return;
  }
  const float * const start = input + first[o];
  const int           step = gridDim.y * VoxelBlockY * RowsPerThread;
  for (int row = (blockIdx.y * VoxelBlockY + threadIdx.y) * RowsPerThread; row < rows; row += step)
  {
    int   inputRow[RowsPerThread];
    float sum[RowsPerThread] = {};
#pragma unroll
    for (int j = 0; j < RowsPerThread; ++j)
    {
      inputRow[j] = min(j, rows - 1 - row) * inputSize;
    }
    const float * source = start + static_cast<std::int64_t>(row) * inputSize;
    const float * weights = weight + o;
    // Two taps at a time, one address: their number is even but where the image is narrower than the filter.
#pragma unroll 1
    for (int t = taps; t > 1; t -= 2)
    {
      const float one = __ldg(weights);
      const float two = __ldg(weights + outputSize);
      weights += 2 * outputSize;
#pragma unroll
      for (int j = 0; j < RowsPerThread; ++j)
      {
        AddScaled(one, __ldg(source + inputRow[j]), sum[j]);
        AddScaled(two, __ldg(source + inputRow[j] + 1), sum[j]);
      }
      source += 2;
    }
    if (taps % 2 != 0)
    {
      const float last = __ldg(weights);
#pragma unroll
      for (int j = 0; j < RowsPerThread; ++j)
      {
        AddScaled(last, __ldg(source + inputRow[j]), sum[j]);
      }
    }
    float * const target = output + static_cast<std::int64_t>(row) * outputSize + o;
#pragma unroll
    for (int j = 0; j < RowsPerThread; ++j)
    {
      if (row + j < rows)
      {
        target[j * outputSize] = sum[j];
      }
    }
  }
}

/** Along y or z: `outer` times inputSize runs of `inner` values to outputSize runs. T is one value or four. */
template <typename T>
__global__ void
__launch_bounds__(VoxelThreads) ResampleAcrossKernel(const int * __restrict__ first,
                                                     const float * __restrict__ weight,
                                                     int   taps,
                                                     int   inputSize,
                                                     int   outputSize,
                                                     int   inner,
                                                     int   outer,
                                                     float scale,
                                                     const T * __restrict__ input,
                                                     T * __restrict__ output)
{
  const int i = blockIdx.x * VoxelBlockX + threadIdx.x;
  if (i >= inner)
  {
    return;
  }
  for (int block = blockIdx.z; block < outer; block += gridDim.z)
  {
    for (int o = blockIdx.y * VoxelBlockY + threadIdx.y; o < outputSize; o += gridDim.y * VoxelBlockY)
    {
      const T *     source = input + (static_cast<std::int64_t>(block) * inputSize + first[o]) * inner + i;
      const float * weights = weight + static_cast<std::int64_t>(o) * taps;
      T             sum{};
#pragma unroll 4
      for (int t = 0; t < taps; ++t)
      {
        AddScaled(__ldg(weights + t), __ldg(source), sum);
        source += inner;
      }
      T scaled{};
      AddScaled(scale, sum, scaled);
      output[(static_cast<std::int64_t>(block) * outputSize + o) * inner + i] = scaled;
    }
  }
}

/** Two taps along y and two along z. T is one value or four, and `row` counts those. */
template <typename T>
__global__ void
__launch_bounds__(VoxelThreads) ResampleLinearKernel(const int * __restrict__ firstY,
                                                     const float * __restrict__ weightY,
                                                     const int * __restrict__ firstZ,
                                                     const float * __restrict__ weightZ,
                                                     int   inputRows,
                                                     int   row,
                                                     int   ny,
                                                     int   nz,
                                                     float scale,
                                                     const T * __restrict__ input,
                                                     T * __restrict__ output)
{
  const int i = blockIdx.x * VoxelBlockX + threadIdx.x;
  if (i >= row)
  {
    return;
  }
  const std::int64_t inputPlane = static_cast<std::int64_t>(inputRows) * row;
  for (int y = blockIdx.y * VoxelBlockY + threadIdx.y; y < ny; y += gridDim.y * VoxelBlockY)
  {
    const T * const start = input + static_cast<std::int64_t>(firstY[y]) * row + i;
    const float     below = weightY[2 * y];
    const float     above = weightY[2 * y + 1];
    const int       step = gridDim.z * PlanesPerThread;
    for (int firstPlane = blockIdx.z * PlanesPerThread; firstPlane < nz; firstPlane += step)
    {
#pragma unroll
      for (int j = 0; j < PlanesPerThread; ++j)
      {
        // Beyond the last plane it is made again, so that the loads of all planes can go out together.
        const int       z = min(firstPlane + j, nz - 1);
        const T * const source = start + firstZ[z] * inputPlane;
        T               lower{};
        T               upper{};
        AddScaled(below, __ldg(source), lower);
        AddScaled(above, __ldg(source + row), lower);
        AddScaled(below, __ldg(source + inputPlane), upper);
        AddScaled(above, __ldg(source + inputPlane + row), upper);
        T sum{};
        AddScaled(weightZ[2 * z], lower, sum);
        AddScaled(weightZ[2 * z + 1], upper, sum);
        T scaled{};
        AddScaled(scale, sum, scaled);
        output[(static_cast<std::int64_t>(z) * ny + y) * row + i] = scaled;
      }
    }
  }
}

/** The tables of the three axes in one block of device memory. */
struct DeviceTables
{
  const int *   first[3];
  const float * weight[3];
};

dim3
TileGrid(int columns, int rows, int planes)
{
  return dim3((columns + VoxelBlockX - 1) / VoxelBlockX,
              std::min((rows + VoxelBlockY - 1) / VoxelBlockY, 65535),
              std::min(planes, 65535));
}

bool
IsAligned(const void * pointer)
{
  return reinterpret_cast<std::uintptr_t>(pointer) % sizeof(float4) == 0;
}

/** Along y and z, from the volume whose x is resampled. T is float, or float4 for rows of whole quadruples. */
template <typename T>
void
ResampleRest(const Device &         device,
             const DeviceTables &   tables,
             const AxisResampling (&axes)[3],
             const Extent & from,
             const Extent & to,
             float          scale,
             const float *  resampledX,
             float *        buffer,
             float *        output)
{
  const cudaStream_t stream = static_cast<cudaStream_t>(device.Stream());
  const int          row = to.nx / static_cast<int>(sizeof(T) / sizeof(float));
  const T * const    source = reinterpret_cast<const T *>(resampledX);
  T * const          target = reinterpret_cast<T *>(output);
  if (axes[1].taps == 2 && axes[2].taps == 2)
  {
    const dim3 grid = TileGrid(row, to.ny, (to.nz + PlanesPerThread - 1) / PlanesPerThread);
    ResampleLinearKernel<T><<<grid, VoxelBlock(), 0, stream>>>(tables.first[1],
                                                               tables.weight[1],
                                                               tables.first[2],
                                                               tables.weight[2],
                                                               from.ny,
                                                               row,
                                                               to.ny,
                                                               to.nz,
                                                               scale,
                                                               source,
                                                               target);
    CheckLaunch(device, "ResampleSeparable: y and z");
    return;
  }
  T * const resampledY = reinterpret_cast<T *>(buffer);
  ResampleAcrossKernel<T><<<TileGrid(row, to.ny, from.nz), VoxelBlock(), 0, stream>>>(
    tables.first[1], tables.weight[1], axes[1].taps, from.ny, to.ny, row, from.nz, 1.0f, source, resampledY);
  CheckLaunch(device, "ResampleSeparable: y");
  ResampleAcrossKernel<T><<<TileGrid(row * to.ny, to.nz, 1), VoxelBlock(), 0, stream>>>(
    tables.first[2], tables.weight[2], axes[2].taps, from.nz, to.nz, row * to.ny, 1, scale, resampledY, target);
  CheckLaunch(device, "ResampleSeparable: z");
}
} // namespace

void
ResampleSeparable(const Device &         device,
                  const AxisResampling (&axes)[3],
                  const float (&scale)[3],
                  const ConstField & input,
                  const Field &      output,
                  float *            workspace)
{
  const cudaStream_t stream = Enter(device);

  std::size_t bytes = 0;
  std::size_t firstAt[3];
  std::size_t weightAt[3];
  for (int axis = 0; axis < 3; ++axis)
  {
    firstAt[axis] = bytes;
    bytes += axes[axis].first.size() * sizeof(int);
    weightAt[axis] = bytes;
    bytes += axes[axis].weight.size() * sizeof(float);
  }
  std::vector<char> packed(bytes);
  for (int axis = 0; axis < 3; ++axis)
  {
    std::memcpy(packed.data() + firstAt[axis], axes[axis].first.data(), axes[axis].first.size() * sizeof(int));
    std::memcpy(packed.data() + weightAt[axis], axes[axis].weight.data(), axes[axis].weight.size() * sizeof(float));
  }
  // Threads that are neighbours along x read the same tap of neighbouring outputs.
  for (int o = 0; o < axes[0].outputSize; ++o)
  {
    for (int t = 0; t < axes[0].taps; ++t)
    {
      const std::size_t at = static_cast<std::size_t>(t) * axes[0].outputSize + o;
      std::memcpy(packed.data() + weightAt[0] + at * sizeof(float),
                  axes[0].weight.data() + static_cast<std::size_t>(o) * axes[0].taps + t,
                  sizeof(float));
    }
  }
  // Nothing else runs on the stream meanwhile, so the scratch memory serves; only enormous kernels need more.
  Buffer<char> large;
  char *       memory = static_cast<char *>(device.Scratch());
  if (bytes > Device::ScratchBytes)
  {
    large = Buffer<char>(device, static_cast<std::int64_t>(bytes));
    memory = large.Data();
  }
  device.CopyFromHost(memory, packed.data(), bytes);
  DeviceTables tables;
  for (int axis = 0; axis < 3; ++axis)
  {
    tables.first[axis] = reinterpret_cast<const int *>(memory + firstAt[axis]);
    tables.weight[axis] = reinterpret_cast<const float *>(memory + weightAt[axis]);
  }

  const Extent  from(input.lattice);
  const Extent  to(output.lattice);
  const int     rows = from.ny * from.nz;
  float * const bufferX = workspace;
  float * const bufferY = workspace + Extent(to.nx, from.ny, from.nz).NumberOfVoxels();
  const bool    fours = to.nx % 4 == 0 && IsAligned(workspace) && IsAligned(output.data);
  const auto    rest = fours ? ResampleRest<float4> : ResampleRest<float>;
  for (int c = 0; c < output.components; ++c)
  {
    const dim3 grid = TileGrid(to.nx, (rows + RowsPerThread - 1) / RowsPerThread, 1);
    ResampleRowsKernel<<<grid, VoxelBlock(), 0, stream>>>(
      tables.first[0], tables.weight[0], axes[0].taps, from.nx, to.nx, rows, input.Component(c), bufferX);
    CheckLaunch(device, "ResampleSeparable: x");
    rest(device, tables, axes, from, to, scale[c % 3], bufferX, bufferY, output.Component(c));
  }
  if (large.Data())
  {
    device.Synchronize();
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
