// SPDX-License-Identifier: Apache-2.0
// Floor per component: 8 bytes per voxel of the coarse lattice; prolonging with zeros 4 per voxel of both. One sine and cosine
// per mode where there is a shift.
#include "../Operators/SpectralTransfer.h"

#include "SpectrumComponents.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
struct TransferArguments
{
  FrequencyMap map;
  int          components;
  std::int64_t fineModes;
  std::int64_t coarseModes;
};

/** Where the frequencies are in the fine spectrum and in the coarse one. */
__device__ __forceinline__ std::int64_t
OffsetOf(const int (&size)[3], int x, int fy, int fz)
{
  return (static_cast<std::int64_t>(PlaceOf(fz, size[2])) * size[1] + PlaceOf(fy, size[1])) * (size[0] / 2 + 1) + x;
}

__device__ __forceinline__ bool
IsShared(const FrequencyMap & map, int x, int fy, int fz)
{
  return map.Shares(0, x) && map.Shares(1, fy) && map.Shares(2, fz);
}

/** One thread per coarse mode: down, or up to the modes that both know. */
__global__ void
__launch_bounds__(VoxelThreads)
  CoarseModesKernel(const __grid_constant__ TransferArguments arguments,
                    const Complex *                           input,
                    Complex *                                 output,
                    bool                                      isUp,
                    const Extent                              extent)
{
  const FrequencyMap & map = arguments.map;
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t coarse) {
    const int          fy = FrequencyAt(y, map.coarse[1]);
    const int          fz = FrequencyAt(z, map.coarse[2]);
    const bool         isShared = IsShared(map, x, fy, fz);
    const std::int64_t fine = isShared ? OffsetOf(map.fine, x, fy, fz) : 0;
    const Complex      phase = isShared ? map.Phase(x, fy, fz) : Complex{ 0.0f, 0.0f };
    for (int c = 0; c < arguments.components; ++c)
    {
      const float        scale = map.scale[min(c, 2)];
      const std::int64_t fineOffset = fine + c * arguments.fineModes;
      const std::int64_t coarseOffset = coarse + c * arguments.coarseModes;
      if (!isUp)
      {
        output[coarseOffset] = isShared ? MultiplyScaled(phase, input[fineOffset], scale) : Complex{ 0.0f, 0.0f };
      }
      else if (isShared)
      {
        output[fineOffset] = MultiplyScaled(phase, input[coarseOffset], scale);
      }
    }
  });
}

/** One thread per fine mode: up, with zeros. */
__global__ void
__launch_bounds__(VoxelThreads)
  FineModesKernel(const __grid_constant__ TransferArguments arguments,
                  const Complex *                           input,
                  Complex *                                 output,
                  const Extent                              extent)
{
  const FrequencyMap & map = arguments.map;
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t fine) {
    const int          fy = FrequencyAt(y, map.fine[1]);
    const int          fz = FrequencyAt(z, map.fine[2]);
    const bool         isShared = IsShared(map, x, fy, fz);
    const std::int64_t coarse = isShared ? OffsetOf(map.coarse, x, fy, fz) : 0;
    const Complex      phase = isShared ? map.Phase(x, fy, fz) : Complex{ 0.0f, 0.0f };
    for (int c = 0; c < arguments.components; ++c)
    {
      output[fine + c * arguments.fineModes] =
        isShared ? MultiplyScaled(phase, input[coarse + c * arguments.coarseModes], map.scale[min(c, 2)])
                 : Complex{ 0.0f, 0.0f };
    }
  });
}

TransferArguments
MakeArguments(const FrequencyMap & map, const ConstSpectrum & fine, const ConstSpectrum & coarse)
{
  return TransferArguments{ map, fine.components, fine.NumberOfModes(), coarse.NumberOfModes() };
}
} // namespace

void
RestrictSpectrum(const Device & device, const FrequencyMap & map, const ConstSpectrum & fine, const Spectrum & coarse)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(ModesOf(coarse));
  CoarseModesKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(
    MakeArguments(map, fine, coarse), fine.data, coarse.data, false, extent);
  CheckLaunch(device, "RestrictSpectrum");
}

void
ProlongSpectrum(const Device &        device,
                const FrequencyMap &  map,
                const ConstSpectrum & coarse,
                const Spectrum &      fine,
                bool                  keepOthers)
{
  const cudaStream_t      stream = Enter(device);
  const TransferArguments arguments = MakeArguments(map, fine, coarse);
  if (keepOthers)
  {
    const Extent extent(ModesOf(coarse));
    CoarseModesKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(arguments, coarse.data, fine.data, true, extent);
  }
  else
  {
    const Extent extent(ModesOf(fine));
    FineModesKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(arguments, coarse.data, fine.data, extent);
  }
  CheckLaunch(device, "ProlongSpectrum");
}
} // namespace cuda
} // namespace engine
} // namespace itk
