// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: CurvatureFactor 24 bytes (28 with a curvature), CurvatureWeight 4 (8 with one), CurvatureProduct 36 with a vector and 48 with a matrix,
// CurvatureMatrix 12 bytes and 24 per coarse voxel, LnccCurvature 24 and 20 besides its two smoothings. Once per Newton
// step, but for CurvatureProduct.
#include "../Operators/MetricCurvature.h"

#include "../Math/MetricCurvature.h"
#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
/** Calls function(i) for the voxels of this thread. */
template <typename TFunction>
__device__ __forceinline__ void
Stream(std::int64_t voxels, const TFunction & function)
{
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < voxels; i += stride)
  {
    function(i);
  }
}

__global__ void
__launch_bounds__(StreamThreads) CurvatureFactorKernel(const __grid_constant__ Matrix3 matrix,
                                                       float                           scale,
                                                       const float * __restrict__ curvature,
                                                       const unsigned char * __restrict__ valid,
                                                       float * __restrict__ gradient,
                                                       std::int64_t voxels)
{
  Stream(voxels, [&](std::int64_t i) {
    float q[3] = { 0.0f, 0.0f, 0.0f };
    if (!valid || valid[i] != 0)
    {
      const float g[3] = { gradient[i], gradient[i + voxels], gradient[i + 2 * voxels] };
      const float factor = sqrtf(scale * (curvature ? curvature[i] : 1.0f));
      matrix.MultiplyTransposed(g, q);
      q[0] *= factor;
      q[1] *= factor;
      q[2] *= factor;
    }
    gradient[i] = q[0];
    gradient[i + voxels] = q[1];
    gradient[i + 2 * voxels] = q[2];
  });
}

__global__ void
__launch_bounds__(StreamThreads) CurvatureWeightKernel(float                 scale,
                                                       const float *         curvature,
                                                       const unsigned char * valid,
                                                       float *               output,
                                                       std::int64_t          voxels)
{
  Stream(voxels, [&](std::int64_t i) {
    const bool counts = !valid || valid[i] != 0;
    output[i] = counts ? scale * (curvature ? curvature[i] : 1.0f) : 0.0f;
  });
}

struct CoarseBlocks
{
  int size[3];
  int factor[3];
};

__global__ void
__launch_bounds__(VoxelThreads) CurvatureMatrixKernel(const CurvatureView                  curvature,
                                                      const __grid_constant__ CoarseBlocks blocks,
                                                      const Extent                         coarse,
                                                      bool                                 accumulate,
                                                      float * __restrict__ output)
{
  const std::int64_t voxels = coarse.NumberOfVoxels();
  ForEachVoxel(coarse, [&](int x, int y, int z, std::int64_t offset) {
    const int place[3] = { x, y, z };
    float     mean[6];
    MeanCurvature(curvature, blocks.size, blocks.factor, place, mean);
    for (int k = 0; k < 6; ++k)
    {
      float & value = output[offset + k * voxels];
      value = accumulate ? value + mean[k] : mean[k];
    }
  });
}

__global__ void
__launch_bounds__(StreamThreads)
  CurvatureProductKernel(const CurvatureView curvature, const float * vector, bool accumulate, float * output)
{
  const std::int64_t voxels = curvature.plane;
  Stream(voxels, [&](std::int64_t i) {
    const float v[3] = { vector[i], vector[i + voxels], vector[i + 2 * voxels] };
    float       product[3];
    curvature.Multiply(i, v, product);
    for (int c = 0; c < 3; ++c)
    {
      float & value = output[i + c * voxels];
      value = accumulate ? value + product[c] : product[c];
    }
  });
}

__global__ void
__launch_bounds__(StreamThreads) LnccCurvatureProductsKernel(float fixedShift,
                                                             float movingShift,
                                                             const float * __restrict__ fixed,
                                                             const float * __restrict__ warped,
                                                             float * __restrict__ products,
                                                             std::int64_t voxels)
{
  Stream(voxels, [&](std::int64_t i) {
    const float f = fixed[i] - fixedShift;
    const float m = warped[i] - movingShift;
    products[i] = f;
    products[i + voxels] = m;
    products[i + 2 * voxels] = f * f;
    products[i + 3 * voxels] = m * m;
  });
}

__global__ void
__launch_bounds__(StreamThreads)
  LnccCurvatureRatioKernel(float floor, const float * __restrict__ means, float * __restrict__ ratio, std::int64_t voxels)
{
  Stream(voxels, [&](std::int64_t i) {
    const float m[4] = { means[i], means[i + voxels], means[i + 2 * voxels], means[i + 3 * voxels] };
    ratio[i] = LnccCurvatureOf(m, floor);
  });
}

CurvatureView
ViewOf(const ConstField & curvature)
{
  return CurvatureView{ curvature.data, curvature.lattice.NumberOfVoxels(), curvature.components == 3 };
}
} // namespace

void
CurvatureFactor(const Device &     device,
                const Matrix3 &    matrix,
                float              scale,
                const ConstField & curvature,
                const ConstMask &  valid,
                const Field &      gradient)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t voxels = gradient.lattice.NumberOfVoxels();
  CurvatureFactorKernel<<<StreamGrid(voxels), StreamThreads, 0, stream>>>(
    matrix, scale, curvature.data, valid.data, gradient.data, voxels);
  CheckLaunch(device, "CurvatureFactor");
}

void
CurvatureWeight(const Device &     device,
                float              scale,
                const ConstField & curvature,
                const ConstMask &  valid,
                const Field &      output)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t voxels = output.lattice.NumberOfVoxels();
  CurvatureWeightKernel<<<StreamGrid(voxels), StreamThreads, 0, stream>>>(
    scale, curvature.data, valid.data, output.data, voxels);
  CheckLaunch(device, "CurvatureWeight");
}

void
CurvatureMatrix(const Device &     device,
                const int (&factor)[3],
                const ConstField & curvature,
                bool               accumulate,
                const Field &      output)
{
  const cudaStream_t stream = Enter(device);
  const Extent       coarse(output.lattice);
  CoarseBlocks       blocks;
  std::copy(curvature.lattice.size, curvature.lattice.size + 3, blocks.size);
  std::copy(factor, factor + 3, blocks.factor);
  CurvatureMatrixKernel<<<VoxelGrid(coarse), VoxelBlock(), 0, stream>>>(
    ViewOf(curvature), blocks, coarse, accumulate, output.data);
  CheckLaunch(device, "CurvatureMatrix");
}

void
CurvatureProduct(const Device &     device,
                 const ConstField & curvature,
                 const ConstField & vector,
                 bool               accumulate,
                 const Field &      output)
{
  const cudaStream_t stream = Enter(device);
  CurvatureProductKernel<<<StreamGrid(output.lattice.NumberOfVoxels()), StreamThreads, 0, stream>>>(
    ViewOf(curvature), vector.data, accumulate, output.data);
  CheckLaunch(device, "CurvatureProduct");
}

void
LnccCurvatureProducts(const Device &         device,
                      const LnccParameters & parameters,
                      const ConstField &     fixed,
                      const ConstField &     warped,
                      const Field &          products)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t voxels = fixed.lattice.NumberOfVoxels();
  LnccCurvatureProductsKernel<<<StreamGrid(voxels), StreamThreads, 0, stream>>>(
    parameters.fixedShift, parameters.movingShift, fixed.data, warped.data, products.data, voxels);
  CheckLaunch(device, "LnccCurvatureProducts");
}

void
LnccCurvatureRatio(const Device & device, const LnccParameters & parameters, const ConstField & means, const Field & ratio)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t voxels = means.lattice.NumberOfVoxels();
  LnccCurvatureRatioKernel<<<StreamGrid(voxels), StreamThreads, 0, stream>>>(
    parameters.varianceFloor, means.data, ratio.data, voxels);
  CheckLaunch(device, "LnccCurvatureRatio");
}
} // namespace cuda
} // namespace engine
} // namespace itk
