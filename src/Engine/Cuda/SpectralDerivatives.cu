// SPDX-License-Identifier: Apache-2.0
// Floor per voxel and component: 8 bytes (12 where it accumulates). A gradient is four transforms of 24 bytes and three of
// these; one kernel for its three axes would read 8 bytes less of 120, and need 8 more of memory per voxel.
#include "../Operators/SpectralDerivatives.h"

#include "SpectrumComponents.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
__global__ void
__launch_bounds__(VoxelThreads)
  DifferentiateKernel(const Complex *   input,
                      Complex *         output,
                      int               components,
                      std::int64_t      modes,
                      int               axis,
                      float             scale,
                      bool              accumulate,
                      const WaveNumbers wave,
                      const Extent      extent)
{
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    const int   place = axis == 0 ? x : (axis == 1 ? y : z);
    const float factor = scale * wave.Odd(axis, FrequencyAt(place, wave.size[axis]));
    for (int c = 0; c < components; ++c)
    {
      const Complex value = input[offset + c * modes];
      Complex       result{ -factor * value.imaginary, factor * value.real };
      if (accumulate)
      {
        const Complex before = output[offset + c * modes];
        result.real += before.real;
        result.imaginary += before.imaginary;
      }
      output[offset + c * modes] = result;
    }
  });
}
} // namespace

void
DifferentiateSpectrum(const Device &        device,
                      int                   axis,
                      const ConstSpectrum & input,
                      const Spectrum &      output,
                      float                 scale,
                      bool                  accumulate)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(ModesOf(input));
  const WaveNumbers  wave(input.lattice, { 1.0, 1.0, 1.0 });
  DifferentiateKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(
    input.data, output.data, input.components, input.NumberOfModes(), axis, scale, accumulate, wave, extent);
  CheckLaunch(device, "DifferentiateSpectrum");
}
} // namespace cuda
} // namespace engine
} // namespace itk
