// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: a pixel and 4 bytes for an image, 3 components (of 4 or 8 bytes) and 12 bytes for vectors, which a
// link to the host that is 50 times slower hides.
#include "../Operators/ImportExport.h"

#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
template <typename TPixel>
__global__ void
__launch_bounds__(StreamThreads)
  ImportImageKernel(const TPixel * __restrict__ pixels,
                    float        shift,
                    float        scale,
                    std::int64_t count,
                    float * __restrict__ output)
{
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < count; i += stride)
  {
    output[i] = ScalePixel(pixels[i], shift, scale);
  }
}

/** Where a block of a lattice begins, and the lattice's rows and planes. */
struct BlockPlace
{
  std::int64_t first;
  std::int64_t row;
  std::int64_t plane;

  BlockPlace(const Lattice & lattice, const int (&start)[3])
    : first(lattice.Offset(start[0], start[1], start[2]))
    , row(lattice.size[0])
    , plane(static_cast<std::int64_t>(lattice.size[0]) * lattice.size[1])
  {}

  __device__ __forceinline__ std::int64_t
  Offset(int x, int y, int z) const
  {
    return first + z * plane + y * row + x;
  }
};

template <typename TPixel>
__global__ void
__launch_bounds__(VoxelThreads)
  ExportImageKernel(const float * __restrict__ image, BlockPlace place, Extent extent, TPixel * __restrict__ pixels)
{
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    pixels[offset] = ToPixel<TPixel>(image[place.Offset(x, y, z)]);
  });
}

template <int components, typename T>
__global__ void
__launch_bounds__(VoxelThreads) ImportVectorsKernel(DoubleMatrix matrix,
                                                    const T * __restrict__ vectors,
                                                    BlockPlace place,
                                                    Extent     extent,
                                                    float * __restrict__ output)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    T               vector[components];
    const T * const source = vectors + components * place.Offset(x, y, z);
    for (int i = 0; i < components; ++i)
    {
      vector[i] = source[i];
    }
    for (int i = 0; i < 3; ++i)
    {
      output[offset + i * voxels] = i < components ? static_cast<float>(MultiplyRow<components>(matrix, i, vector)) : 0.0f;
    }
  });
}

template <int components, typename T>
__global__ void
__launch_bounds__(VoxelThreads)
  ExportVectorsKernel(DoubleMatrix matrix, const float * __restrict__ field, Extent extent, T * __restrict__ vectors)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int, int, int, std::int64_t offset) {
    const float vector[3] = { field[offset], field[offset + voxels], field[offset + 2 * voxels] };
    for (int i = 0; i < components; ++i)
    {
      vectors[components * offset + i] = static_cast<T>(MultiplyRow<components>(matrix, i, vector));
    }
  });
}
} // namespace

void
ImportImage(const Device & device, const ConstPixels & pixels, float shift, float scale, const Field & output)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t count = output.NumberOfValues();
  WithPixelType(pixels.type, [&](auto pixel) {
    using TPixel = decltype(pixel);
    const auto * const source = static_cast<const TPixel *>(pixels.data);
    ImportImageKernel<TPixel><<<StreamGrid(count), StreamThreads, 0, stream>>>(source, shift, scale, count, output.data);
  });
  CheckLaunch(device, "ImportImage");
}

void
ExportImage(const Device & device, const ConstField & image, const int (&start)[3], const Pixels & pixels)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(pixels.lattice);
  const BlockPlace   place(image.lattice, start);
  WithPixelType(pixels.type, [&](auto pixel) {
    using TPixel = decltype(pixel);
    TPixel * const target = static_cast<TPixel *>(pixels.data);
    ExportImageKernel<TPixel><<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(image.data, place, extent, target);
  });
  CheckLaunch(device, "ExportImage");
}

void
ImportVectors(const Device &       device,
              const DoubleMatrix & matrix,
              const ConstPixels &  vectors,
              const int (&start)[3],
              const Field & output)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(output.lattice);
  const BlockPlace   place(vectors.lattice, start);
  const auto         importAs = [&](auto component) {
    using T = decltype(component);
    const auto kernel = vectors.components == 2 ? ImportVectorsKernel<2, T> : ImportVectorsKernel<3, T>;
    const T *  source = static_cast<const T *>(vectors.data);
    kernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(matrix, source, place, extent, output.data);
  };
  vectors.type == PixelType::Float32 ? importAs(float()) : importAs(double());
  CheckLaunch(device, "ImportVectors");
}

void
ExportVectors(const Device & device, const DoubleMatrix & matrix, const ConstField & field, const Pixels & vectors)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(field.lattice);
  const auto         exportAs = [&](auto component) {
    using T = decltype(component);
    const auto kernel = vectors.components == 2 ? ExportVectorsKernel<2, T> : ExportVectorsKernel<3, T>;
    kernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(matrix, field.data, extent, static_cast<T *>(vectors.data));
  };
  vectors.type == PixelType::Float32 ? exportAs(float()) : exportAs(double());
  CheckLaunch(device, "ExportVectors");
}
} // namespace cuda
} // namespace engine
} // namespace itk
