// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaLnccStorage_h
#define itkEngineCudaLnccStorage_h

#include "../Core/StoredField.h"

#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// Included by Lncc.cu alone.
namespace
{
/** Floor: 6 bytes per voxel, 2 read and 4 written. */
template <typename TPixel>
__global__ void
__launch_bounds__(StreamThreads)
  ToFloatKernel(const TPixel * __restrict__ input, std::int64_t count, float * __restrict__ output)
{
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < count; i += stride)
  {
    output[i] = ToFloat(input[i]);
  }
}

/** A component as float32: where it lies, or if it is stored otherwise converted into `plane`. */
const float *
FloatComponent(const Device & device, cudaStream_t stream, const StoredField & field, int c, float * plane)
{
  const std::int64_t voxels = field.lattice.NumberOfVoxels();
  const float *      component = plane;
  field.WithPixel([&](auto pixel) {
    using Pixel = decltype(pixel);
    const Pixel * const stored = field.Component<Pixel>(c);
    if constexpr (std::is_same<Pixel, float>::value)
    {
      component = stored;
    }
    else
    {
      const auto kernel = ToFloatKernel<Pixel>;
      kernel<<<StreamGrid(voxels), StreamThreads, 0, stream>>>(stored, voxels, plane);
      CheckLaunch(device, "Lncc: to float");
    }
  });
  return component;
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
