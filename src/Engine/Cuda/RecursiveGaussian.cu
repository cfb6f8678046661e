// SPDX-License-Identifier: Apache-2.0
// Per voxel and axis: 20 bytes (the way back reads again, and adds to what is there), 30 float64 flops. One thread has one
// line: along y and z a warp's accesses are contiguous; along x they are not, and the caches bear it. Between levels only.
#include "../Operators/RecursiveGaussian.h"

#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
constexpr int LineThreads = 128;

__global__ void
__launch_bounds__(LineThreads) FilterLinesKernel(const __grid_constant__ RecursiveLine line,
                                                 const float * __restrict__ input,
                                                 float * __restrict__ output,
                                                 int          size,
                                                 std::int64_t stride,
                                                 std::int64_t lines)
{
  const std::int64_t number = static_cast<std::int64_t>(blockIdx.x) * LineThreads + threadIdx.x;
  if (number < lines)
  {
    const std::int64_t start = number / stride * stride * size + number % stride;
    FilterLine(line, input + start, output + start, stride, size);
  }
}
} // namespace

void
FilterLines(const Device & device, const RecursiveLine & line, int axis, const ConstField & input, const Field & output)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(input.lattice);
  const int          size = input.lattice.own.size[axis];
  const std::int64_t stride = axis == 0 ? 1 : (axis == 1 ? extent.nx : extent.PlaneSize());
  const std::int64_t lines = extent.NumberOfVoxels() / size;
  const dim3         grid(static_cast<unsigned int>((lines + LineThreads - 1) / LineThreads));
  FilterLinesKernel<<<grid, LineThreads, 0, stream>>>(line, input.data, output.data, size, stride, lines);
  CheckLaunch(device, "RecursiveGaussian");
}
} // namespace cuda
} // namespace engine
} // namespace itk
