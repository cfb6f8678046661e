// SPDX-License-Identifier: Apache-2.0
// Floor per voxel and axis: 16 bytes (forward and backward recursion each read and write), 4 float64 flops. One thread
// has one line: along y and z a warp's accesses are contiguous; along x they are not, and the caches bear it.
#include "../Operators/Resample.h"

#include "../Math/BSplinePrefilter.h"
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

/** Filters the lines along one axis in place. `stride` is the distance of neighbours on a line, and the number of lines
 * that lie interleaved. */
__global__ void
__launch_bounds__(LineThreads) PrefilterKernel(float * values, int size, std::int64_t stride, std::int64_t lines)
{
  const std::int64_t line = static_cast<std::int64_t>(blockIdx.x) * LineThreads + threadIdx.x;
  if (line < lines)
  {
    PrefilterCubicBSplineLine(values + (line / stride * stride * size + line % stride), stride, size);
  }
}
} // namespace

void
BSplineCoefficients(const Device & device, const ConstField & image, const Field & coefficients)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t values = image.NumberOfValues();
  if (coefficients.data != image.data)
  {
    device.Copy(coefficients.data, image.data, static_cast<std::size_t>(values) * sizeof(float));
  }
  std::int64_t stride = 1;
  for (const int size : image.lattice.own.size)
  {
    if (size > 1)
    {
      const std::int64_t lines = values / size;
      const dim3         grid(static_cast<unsigned int>((lines + LineThreads - 1) / LineThreads));
      PrefilterKernel<<<grid, LineThreads, 0, stream>>>(coefficients.data, size, stride, lines);
      CheckLaunch(device, "BSplineCoefficients");
    }
    stride *= size;
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
