// SPDX-License-Identifier: Apache-2.0
// Floor per value: 4 bytes; the float64 operations run at half the float32 rate on data-centre GPUs and stay hidden.
#include "../Operators/Reductions.h"

#include "Reduce.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
__global__ void
__launch_bounds__(StreamThreads)
  SumKernel(const float * __restrict__ values, std::int64_t count, double * __restrict__ partials)
{
  double             sum = 0.0;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < count; i += stride)
  {
    sum += values[i];
  }
  StoreBlockResult<Join::Sum, Join::Sum>(sum, 0.0, partials);
}

/** `fixedComponents` is their number where the compiler shall know it: the loads of several voxels are then under way. */
template <int fixedComponents>
__global__ void
__launch_bounds__(StreamThreads)
  NormsKernel(const float * __restrict__ values, int anyComponents, std::int64_t voxels, double * __restrict__ partials)
{
  const int          components = fixedComponents > 0 ? fixedComponents : anyComponents;
  double             sum = 0.0;
  double             maximum = 0.0;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
#pragma unroll(fixedComponents > 0 ? 4 : 1)
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < voxels; i += stride)
  {
    double square = 0.0;
    for (int c = 0; c < components; ++c)
    {
      const double value = values[i + c * voxels];
      square += value * value;
    }
    const double norm = sqrt(square);
    sum += norm;
    maximum = JoinValues<Join::Maximum>(maximum, norm);
  }
  StoreBlockResult<Join::Sum, Join::Maximum>(sum, maximum, partials);
}

__global__ void
__launch_bounds__(StreamThreads)
  MinimumMaximumKernel(const float * __restrict__ values,
                       const unsigned char * __restrict__ mask,
                       std::int64_t count,
                       double * __restrict__ partials)
{
  double             minimum = NeutralValue<Join::Minimum>();
  double             maximum = NeutralValue<Join::Maximum>();
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < count; i += stride)
  {
    if (mask && mask[i] == 0)
    {
      continue;
    }
    const double value = values[i];
    minimum = JoinValues<Join::Minimum>(minimum, value);
    maximum = JoinValues<Join::Maximum>(maximum, value);
  }
  StoreBlockResult<Join::Minimum, Join::Maximum>(minimum, maximum, partials);
}

__global__ void
__launch_bounds__(StreamThreads) InnerProductKernel(const float * __restrict__ a,
                                                    const float * __restrict__ b,
                                                    std::int64_t count,
                                                    double * __restrict__ partials)
{
  double             product = 0.0;
  double             square = 0.0;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
#pragma unroll 4
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < count; i += stride)
  {
    const double value = a[i];
    product += value * b[i];
    square += value * value;
  }
  StoreBlockResult<Join::Sum, Join::Sum>(product, square, partials);
}
} // namespace

void
Sum(const Device & device, const ConstField & field, double * result)
{
  const cudaStream_t stream = Enter(device);
  const dim3         grid(StreamGrid(field.NumberOfValues()));
  SumKernel<<<grid, StreamThreads, 0, stream>>>(field.data, field.NumberOfValues(), Partials(device));
  CheckLaunch(device, "Sum");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, result, 1);
}

void
Norms(const Device & device, const ConstField & field, double * result)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t voxels = field.lattice.NumberOfVoxels();
  const dim3         grid(StreamGrid(voxels));
  const auto         kernel = field.components == 3 ? NormsKernel<3> : NormsKernel<0>;
  kernel<<<grid, StreamThreads, 0, stream>>>(field.data, field.components, voxels, Partials(device));
  CheckLaunch(device, "Norms");
  FinishReduction<Join::Sum, Join::Maximum>(device, stream, grid, result);
}

void
MinimumMaximum(const Device & device, const ConstField & field, double * result, const ConstMask & mask)
{
  const cudaStream_t stream = Enter(device);
  const dim3         grid(StreamGrid(field.NumberOfValues()));
  MinimumMaximumKernel<<<grid, StreamThreads, 0, stream>>>(
    field.data, mask.data, field.NumberOfValues(), Partials(device));
  CheckLaunch(device, "MinimumMaximum");
  FinishReduction<Join::Minimum, Join::Maximum>(device, stream, grid, result);
}

void
InnerProduct(const Device & device, const ConstField & a, const ConstField & b, double * result)
{
  const cudaStream_t stream = Enter(device);
  const dim3         grid(StreamGrid(a.NumberOfValues()));
  InnerProductKernel<<<grid, StreamThreads, 0, stream>>>(a.data, b.data, a.NumberOfValues(), Partials(device));
  CheckLaunch(device, "InnerProduct");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, result);
}
} // namespace cuda
} // namespace engine
} // namespace itk
