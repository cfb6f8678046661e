// SPDX-License-Identifier: Apache-2.0
// Floor per value: 8 bytes (12 with y), 1 or 2 flops.
#include "../Operators/Arithmetic.h"

#include "../Math/LimitedScale.h"
#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
/** Four values at a time where all pointers allow it. The output may be an input: no __restrict__. */
template <bool vectorised, bool hasY>
__global__ void
__launch_bounds__(StreamThreads)
  LinearCombinationKernel(float          a,
                          const float *  x,
                          float          b,
                          const float *  y,
                          float *        output,
                          std::int64_t   count,
                          const double * largest)
{
  b = LimitedScale(b, largest);
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  const std::int64_t quads = vectorised ? count / 4 : 0;
  for (std::int64_t i = thread; i < quads; i += step)
  {
    float4 v = reinterpret_cast<const float4 *>(x)[i];
    v = make_float4(a * v.x, a * v.y, a * v.z, a * v.w);
    if (hasY)
    {
      const float4 w = reinterpret_cast<const float4 *>(y)[i];
      v = make_float4(v.x + b * w.x, v.y + b * w.y, v.z + b * w.z, v.w + b * w.w);
    }
    reinterpret_cast<float4 *>(output)[i] = v;
  }
  for (std::int64_t i = 4 * quads + thread; i < count; i += step)
  {
    output[i] = hasY ? a * x[i] + b * y[i] : a * x[i];
  }
}

__global__ void
CombineEnergiesKernel(EnergyWeights weights, const double * __restrict__ energies, double * __restrict__ result)
{
  double sum = 0.0;
  for (int c = 0; c < weights.count; ++c)
  {
    sum += weights.weight[c] * energies[2 * c];
  }
  result[0] = sum;
  result[1] = energies[1];
}

bool
IsVectorAligned(const float * pointer)
{
  return reinterpret_cast<std::uintptr_t>(pointer) % sizeof(float4) == 0;
}

__global__ void
__launch_bounds__(StreamThreads) MultiplyKernel(const float * x, const float * y, float * output, std::int64_t count)
{
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < count; i += step)
  {
    output[i] = x[i] * y[i];
  }
}
} // namespace

void
LinearCombination(const Device &     device,
                  float              a,
                  const ConstField & x,
                  float              b,
                  const ConstField & y,
                  const Field &      output,
                  const double *     largest)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t count = output.NumberOfValues();
  const bool         vectorised = IsVectorAligned(x.data) && IsVectorAligned(y.data) && IsVectorAligned(output.data);
  const auto kernel = vectorised ? (y ? LinearCombinationKernel<true, true> : LinearCombinationKernel<true, false>)
                                 : (y ? LinearCombinationKernel<false, true> : LinearCombinationKernel<false, false>);
  kernel<<<StreamGrid(vectorised ? count / 4 : count), StreamThreads, 0, stream>>>(
    a, x.data, b, y.data, output.data, count, largest);
  CheckLaunch(device, "LinearCombination");
}

void
Multiply(const Device & device, const ConstField & x, const ConstField & y, const Field & output)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t count = output.NumberOfValues();
  MultiplyKernel<<<StreamGrid(count), StreamThreads, 0, stream>>>(x.data, y.data, output.data, count);
  CheckLaunch(device, "Multiply");
}

void
CombineEnergies(const Device & device, const EnergyWeights & weights, const double * energies, double * result)
{
  const cudaStream_t stream = Enter(device);
  CombineEnergiesKernel<<<1, 1, 0, stream>>>(weights, energies, result);
  CheckLaunch(device, "CombineEnergies");
}
} // namespace cuda
} // namespace engine
} // namespace itk
