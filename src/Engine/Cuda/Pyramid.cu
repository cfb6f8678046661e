// SPDX-License-Identifier: Apache-2.0
// Floor per axis: 4 bytes per input and per output voxel, 2 flops per tap; between levels only.
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
template <int axis>
__global__ void
__launch_bounds__(VoxelThreads) ResampleAxisKernel(const int * __restrict__ first,
                                                   const float * __restrict__ weight,
                                                   int   taps,
                                                   int   inputSize,
                                                   float scale,
                                                   const float * __restrict__ input,
                                                   float * __restrict__ output,
                                                   const Extent extent)
{
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    const int    o = axis == 0 ? x : (axis == 1 ? y : z);
    std::int64_t start;
    std::int64_t stride;
    if (axis == 0)
    {
      stride = 1;
      start = (static_cast<std::int64_t>(z) * extent.ny + y) * inputSize + first[o];
    }
    else if (axis == 1)
    {
      stride = extent.nx;
      start = (static_cast<std::int64_t>(z) * inputSize + first[o]) * extent.nx + x;
    }
    else
    {
      stride = extent.PlaneSize();
      start = first[o] * stride + y * extent.nx + x;
    }
    const float * const weights = weight + static_cast<std::int64_t>(o) * taps;
    float               sum = 0.0f;
    for (int t = 0; t < taps; ++t)
    {
      sum += weights[t] * input[start + t * stride];
    }
    output[offset] = scale * sum;
  });
}

/** The tables of the three axes in one block of device memory. */
struct DeviceTables
{
  const int *   first[3];
  const float * weight[3];
};
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
  const Extent  afterX(to.nx, from.ny, from.nz);
  const Extent  afterY(to.nx, to.ny, from.nz);
  float * const bufferX = workspace;
  float * const bufferY = workspace + afterX.NumberOfVoxels();
  for (int c = 0; c < output.components; ++c)
  {
    ResampleAxisKernel<0><<<VoxelGrid(afterX), VoxelBlock(), 0, stream>>>(
      tables.first[0], tables.weight[0], axes[0].taps, from.nx, 1.0f, input.Component(c), bufferX, afterX);
    CheckLaunch(device, "ResampleSeparable: x");
    ResampleAxisKernel<1><<<VoxelGrid(afterY), VoxelBlock(), 0, stream>>>(
      tables.first[1], tables.weight[1], axes[1].taps, from.ny, 1.0f, bufferX, bufferY, afterY);
    CheckLaunch(device, "ResampleSeparable: y");
    ResampleAxisKernel<2><<<VoxelGrid(to), VoxelBlock(), 0, stream>>>(
      tables.first[2], tables.weight[2], axes[2].taps, from.nz, scale[c % 3], bufferY, output.Component(c), to);
    CheckLaunch(device, "ResampleSeparable: z");
  }
  if (large.Data())
  {
    device.Synchronize();
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
