// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaLnccWideMarch_h
#define itkEngineCudaLnccWideMarch_h

#include "LnccMarch.h"
#include "WideBoxMarch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// All other box windows of radius up to 15 along x and y. Included by Lncc.cu alone.
namespace
{
bool
CanMarchWide(const LnccParameters & parameters)
{
  return parameters.weights == LnccWeights::Box && std::max(parameters.radius[0], parameters.radius[1]) <= WideRadius;
}

template <bool masked, bool aligned>
__global__ void
__launch_bounds__(WideThreads, MarchBlocks) EvaluateWideBoxesKernel(
  const __grid_constant__ MomentSource<float, masked, aligned> source,
  const Extent                                          extent,
  const __grid_constant__ MarchPlan                     plan,
  const __grid_constant__ WindowWeight                  weight,
  const __grid_constant__ Coefficients                  coefficients,
  double * __restrict__ partials)
{
  WindowSink<masked> sink{ extent, weight, coefficients, source.images.valid };
  MarchWideBoxes<NumberOfMoments(masked)>(
    plan, extent, weight.radius[0], weight.radius[1], weight.radius[2], source, sink);
  StoreBlockResult<Join::Sum, Join::Sum>(sink.energy, static_cast<double>(sink.count), partials);
}

template <int quantities, bool aligned>
__global__ void
__launch_bounds__(WideThreads, MarchBlocks)
  SumWideCoefficientsKernel(const __grid_constant__ CoefficientSource<quantities, aligned> source,
                            const __grid_constant__ Images                                 images,
                            const Extent                                                   extent,
                            const __grid_constant__ MarchPlan                              plan,
                            const __grid_constant__ WindowWeight                           weight,
                            float                                                          scale,
                            float *                                                        moving,
                            float *                                                        fixed)
{
  SlopeSink<float, quantities> sink{ extent, images, scale, moving, fixed, {}, {}, {} };
  MarchWideBoxes<quantities>(plan, extent, weight.radius[0], weight.radius[1], weight.radius[2], source, sink);
}

/** As EvaluateBoxes. */
template <bool masked, bool aligned>
dim3
EvaluateWideBoxes(const Device &       device,
                  cudaStream_t         stream,
                  const Images &       images,
                  const Extent &       extent,
                  const WindowWeight & weight,
                  const Coefficients & coefficients)
{
  const MarchPlan                     plan(extent, weight.radius[2]);
  const dim3                          grid = plan.Grid(ReductionBlocks);
  const MomentSource<float, masked, aligned> source{ images, images.fixedShift, images.movingShift };
  const std::size_t                   bytes = WideSharedBytes(NumberOfMoments(masked), weight.radius[1]);
  const auto                          kernel = EvaluateWideBoxesKernel<masked, aligned>;
  AllowSharedMemory(device, kernel, bytes);
  kernel<<<grid, WideThreads, bytes, stream>>>(source, extent, plan, weight, coefficients, Partials(device));
  CheckLaunch(device, "Lncc: evaluate wide boxes");
  return grid;
}

/** As SumCoefficients. */
template <int quantities, bool aligned>
void
SumWideCoefficients(const Device &       device,
                    cudaStream_t         stream,
                    const Images &       images,
                    const Extent &       extent,
                    const WindowWeight & weight,
                    float                scale,
                    const Coefficients & coefficients,
                    float *              moving,
                    float *              fixed)
{
  const MarchPlan   plan(extent, weight.radius[2]);
  const std::size_t bytes = WideSharedBytes(quantities, weight.radius[1]);
  const auto        kernel = SumWideCoefficientsKernel<quantities, aligned>;
  AllowSharedMemory(device, kernel, bytes);
  kernel<<<plan.Grid(plan.items), WideThreads, bytes, stream>>>(
    MakeCoefficientSource<quantities, aligned>(coefficients), images, extent, plan, weight, scale, moving, fixed);
  CheckLaunch(device, "Lncc: sum wide coefficients");
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
