// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 24 bytes of spectrum (3 components in and out once; 36 where it accumulates), some 45 flops per mode,
// which is half of that per voxel: below the memory's time. Between real fields the transforms on both sides take
// 6 x 24 bytes at least (three passes of 8 bytes each, in and out, where cuFFT needs one per axis), so that this kernel, one
// for all components with the scale 1 / N, is a seventh of the whole; solvers that stay in Fourier space pay it alone.
// SpectralProduct: 24 bytes.
#include "../Operators/SpectralRegularization.h"

#include "Reduce.h"
#include "SpectrumComponents.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
struct BlockArguments
{
  SpectralBlock                  block;
  FieldComponents<const Complex> input;
  FieldComponents<Complex>       output;
  bool                           accumulate;
  double *                       partials; ///< null if no energy is wanted
  double                         energyScale;
};

struct ComplexVector
{
  Complex v[3];
};

/** The output may be the input: a mode of it is written by the thread that has read it, and after that. */
template <typename TOffset, SpectralAction action, int power>
__global__ void
__launch_bounds__(VoxelThreads, 4)
  MultiplyKernel(const __grid_constant__ BlockArguments arguments, const Extent extent)
{
  const SpectralBlock & block = arguments.block;
  const auto            load = [&](TOffset offset) {
    return ComplexVector{ { arguments.input.component[0][offset],
                            arguments.input.component[1][offset],
                            arguments.input.component[2][offset] } };
  };
  double sum = 0.0;
  ForEachVoxelAhead<TOffset>(
    extent, load, [&](int x, int y, int z, TOffset offset, const ComplexVector & input) {
      Wave wave;
      wave.Add(block.wave, 0, x);
      wave.Add(block.wave, 1, FrequencyAt(y, block.wave.size[1]));
      wave.Add(block.wave, 2, FrequencyAt(z, block.wave.size[2]));
      Complex output[3];
      MultiplyByBlock<action, power>(block, wave, input.v, output);
      float product = 0.0f;
#pragma unroll
      for (int c = 0; c < 3; ++c)
      {
        product += RealProduct(input.v[c], output[c]);
        Complex result{ block.scale * output[c].real, block.scale * output[c].imaginary };
        if (arguments.accumulate)
        {
          const Complex before = arguments.output.component[c][offset];
          result.real += before.real;
          result.imaginary += before.imaginary;
        }
        arguments.output.component[c][offset] = result;
      }
      sum += Multiplicity(x, block.wave.size[0]) * product;
    });
  if (arguments.partials)
  {
    StoreBlockResult<Join::Sum, Join::Sum>(arguments.energyScale * sum, 0.0, arguments.partials);
  }
}

using MultiplyFunction = void (*)(const BlockArguments, const Extent);

template <typename TOffset>
MultiplyFunction
ChooseKernel(SpectralAction action, int power)
{
  constexpr auto         apply = SpectralAction::Apply;
  constexpr auto         solve = SpectralAction::Solve;
  const MultiplyFunction applies[4] = { MultiplyKernel<TOffset, apply, 0>,
                                        MultiplyKernel<TOffset, apply, 1>,
                                        MultiplyKernel<TOffset, apply, 2>,
                                        MultiplyKernel<TOffset, apply, 3> };
  const MultiplyFunction solves[4] = { MultiplyKernel<TOffset, solve, 0>,
                                       MultiplyKernel<TOffset, solve, 1>,
                                       MultiplyKernel<TOffset, solve, 2>,
                                       MultiplyKernel<TOffset, solve, 3> };
  return action == apply ? applies[power]
                         : (action == solve ? solves[power] : MultiplyKernel<TOffset, SpectralAction::Project, 0>);
}

__global__ void
__launch_bounds__(VoxelThreads)
  ProductKernel(const Complex * __restrict__ a,
                const Complex * __restrict__ b,
                int          components,
                std::int64_t modes,
                int          size,
                double       scale,
                double *     partials,
                const Extent extent)
{
  double sum = 0.0;
  ForEachVoxel(extent, [&](int x, int, int, std::int64_t offset) {
    float product = 0.0f;
    for (int c = 0; c < components; ++c)
    {
      product += RealProduct(a[offset + c * modes], b[offset + c * modes]);
    }
    sum += Multiplicity(x, size) * product;
  });
  StoreBlockResult<Join::Sum, Join::Sum>(scale * sum, 0.0, partials);
}

double
OneOverSquareOfVoxels(const Lattice & lattice)
{
  const double voxels = static_cast<double>(lattice.NumberOfVoxels());
  return 1.0 / (voxels * voxels);
}
} // namespace

void
MultiplyByBlocks(const Device &        device,
                 SpectralAction        action,
                 int                   power,
                 const SpectralBlock & block,
                 const ConstSpectrum & input,
                 const Spectrum &      output,
                 double *              energy,
                 bool                  accumulate)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(ModesOf(input));
  BlockArguments     arguments{};
  arguments.block = block;
  arguments.input = ComponentsOf(input);
  arguments.output = ComponentsOf(output);
  arguments.accumulate = accumulate;
  arguments.partials = energy ? Partials(device) : nullptr;
  arguments.energyScale = 0.5 * OneOverSquareOfVoxels(input.lattice);
  const dim3 grid = energy ? VoxelGrid(extent, ReductionBlocks) : VoxelGrid(extent);
  const auto kernel =
    IsSmall(ModesOf(input)) ? ChooseKernel<int>(action, power) : ChooseKernel<std::int64_t>(action, power);
  kernel<<<grid, VoxelBlock(), 0, stream>>>(arguments, extent);
  CheckLaunch(device, "MultiplyByBlocks");
  if (energy)
  {
    FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, energy, 1);
  }
}

void
SpectralProduct(const Device & device, const ConstSpectrum & a, const ConstSpectrum & b, double * result)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(ModesOf(a));
  const dim3         grid = VoxelGrid(extent, ReductionBlocks);
  ProductKernel<<<grid, VoxelBlock(), 0, stream>>>(a.data,
                                                   b.data,
                                                   a.components,
                                                   a.NumberOfModes(),
                                                   a.lattice.size[0],
                                                   OneOverSquareOfVoxels(a.lattice),
                                                   Partials(device),
                                                   extent);
  CheckLaunch(device, "SpectralProduct");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, result, 1);
}
} // namespace cuda
} // namespace engine
} // namespace itk
