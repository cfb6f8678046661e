// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 56 bytes (seven planes in, seven out), about 40 flops.
#include "../Operators/AdamUpdate.h"

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
__launch_bounds__(StreamThreads) AdamKernel(AdamParameters parameters,
                                            AdamClock      clock,
                                            float * __restrict__ gradient,
                                            float * __restrict__ first,
                                            float * __restrict__ second,
                                            std::int64_t voxels,
                                            double * __restrict__ partials)
{
  const AdamCorrections corrections = clock.corrections[min(*clock.steps, clock.count - 1)];
  double             sum = 0.0;
  double             maximum = 0.0;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < voxels; i += stride)
  {
    float g[3] = { gradient[i], gradient[i + voxels], gradient[i + 2 * voxels] };
    float m[3] = { first[i], first[i + voxels], first[i + 2 * voxels] };
    float v = second[i];
    AdamDirection(parameters, corrections, g, m, v);
    double square = 0.0;
    for (int c = 0; c < 3; ++c)
    {
      gradient[i + c * voxels] = g[c];
      first[i + c * voxels] = m[c];
      square += static_cast<double>(g[c]) * g[c];
    }
    second[i] = v;
    const double norm = sqrt(square);
    sum += norm;
    maximum = JoinValues<Join::Maximum>(maximum, norm);
  }
  StoreBlockResult<Join::Sum, Join::Maximum>(sum, maximum, partials);
}

/** FinishReductionKernel, which also moves the clock: no kernel of this step reads it any more. */
__global__ void
__launch_bounds__(FinishThreads) FinishAdamKernel(const double * partials, int blocks, double * norms, int * steps)
{
  FinishBlockResults<Join::Sum, Join::Maximum>(partials, blocks, norms, 2);
  if (threadIdx.x == 0)
  {
    ++*steps;
  }
}
} // namespace

void
AdamUpdate(const Device &         device,
           const AdamParameters & parameters,
           const AdamClock &      clock,
           const Field &          gradient,
           const Field &          first,
           const Field &          second,
           double *               norms)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t voxels = gradient.lattice.NumberOfVoxels();
  const dim3         grid(StreamGrid(voxels));
  AdamKernel<<<grid, StreamThreads, 0, stream>>>(
    parameters, clock, gradient.data, first.data, second.data, voxels, Partials(device));
  CheckLaunch(device, "AdamUpdate");
  FinishAdamKernel<<<1, FinishThreads, 0, stream>>>(
    Partials(device), static_cast<int>(grid.x), norms, clock.steps);
  CheckLaunch(device, "AdamUpdate: finish");
}
} // namespace cuda
} // namespace engine
} // namespace itk
