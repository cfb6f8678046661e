// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaLnccMarch_h
#define itkEngineCudaLnccMarch_h

#include "BoxMarch.h"
#include "LnccWindows.h"
#include "PixelGroup.h"
#include "Reduce.h"

#include <type_traits>

namespace itk
{
namespace engine
{
namespace cuda
{
// Box windows as wide along x as along y, of radius 1 to 4 there and any along z: two kernels that march along z.
// Included by Lncc.cu alone.
namespace
{
/** A pixel that holds the shift. */
template <typename TPixel>
TPixel
PixelOf(float shift)
{
  if constexpr (std::is_same<TPixel, float>::value)
  {
    return shift;
  }
  else
  {
    return FromFloat<TPixel>(std::min(std::max(shift, -TPixel::Largest), TPixel::Largest));
  }
}

/** The moments of two images. What does not count holds the shifts, which adds nothing: they must be numbers that a pixel
 * can hold. */
template <typename TPixel, bool masked, bool aligned>
struct MomentSource
{
  ImagesOf<TPixel> images;
  TPixel           fixedShift;
  TPixel           movingShift;

  struct Group
  {
    PixelGroup<TPixel, aligned> fixed;
    PixelGroup<TPixel, aligned> warped;
    float                       counts[masked ? MarchGroup : 1];
  };

  __device__ __forceinline__ void
  Clear(Group & group) const
  {
    group.fixed.Fill(fixedShift);
    group.warped.Fill(movingShift);
    if (masked)
    {
#pragma unroll
      for (int k = 0; k < MarchGroup; ++k)
      {
        group.counts[k] = 0.0f;
      }
    }
  }

  __device__ __forceinline__ void
  Load(Group & group, std::int64_t offset, std::int64_t inVolume, int room) const
  {
    group.fixed.Load(images.fixed + offset, room);
    group.warped.Load(images.warped + offset, room);
    if constexpr (masked)
    {
#pragma unroll
      for (int k = 0; k < MarchGroup; ++k)
      {
        if (k < room)
        {
          const bool counts = images.valid[inVolume + k] != 0;
          group.counts[k] = counts ? 1.0f : 0.0f;
          group.fixed.values[k] = counts ? group.fixed.values[k] : fixedShift;
          group.warped.values[k] = counts ? group.warped.values[k] : movingShift;
        }
      }
    }
  }

  __device__ __forceinline__ void
  Slide(float (&sum)[NumberOfMoments(masked)][MarchGroup], const Group & enters, const Group & leaves) const
  {
#pragma unroll
    for (int k = 0; k < MarchGroup; ++k)
    {
      const float f = enters.fixed.Get(k) - images.fixedShift;
      const float m = enters.warped.Get(k) - images.movingShift;
      const float oldF = leaves.fixed.Get(k) - images.fixedShift;
      const float oldM = leaves.warped.Get(k) - images.movingShift;
      sum[MomentF][k] += f - oldF;
      sum[MomentM][k] += m - oldM;
      sum[MomentFF][k] += (f - oldF) * (f + oldF);
      sum[MomentMM][k] += (m - oldM) * (m + oldM);
      sum[MomentFM][k] += f * m - oldF * oldM;
      if (masked)
      {
        sum[NumberOfMoments(masked) - 1][k] += enters.counts[k] - leaves.counts[k];
      }
    }
  }
};

/** From moments to correlation, energy and, if asked for, coefficients. Centres that do not count give zeros. */
template <bool masked>
struct WindowSink
{
  const Extent &        extent;
  const WindowWeight &  weight;
  const Coefficients &  coefficients;
  const unsigned char * valid;
  double                energy = 0.0;
  std::int64_t          count = 0;

  __device__ __forceinline__ void
  Prepare(int, int, int, int)
  {}

  __device__ __forceinline__ void
  operator()(int x, int y, int z, int before, const float (&sums)[NumberOfMoments(masked)][MarchRun])
  {
    constexpr int moments = NumberOfMoments(masked);
    const float   countXZ = static_cast<float>(WindowCount(x, extent.nx, weight.radius[0]) *
                                             WindowCount(z, extent.nz, weight.radius[2]));
    const std::int64_t inVolume = static_cast<std::int64_t>(z) * extent.PlaneSize();
    const std::int64_t plane = static_cast<std::int64_t>(before + z) * extent.PlaneSize();
    const unsigned int first = y * extent.nx + x;
    float              correlation = 0.0f;
    int                counting = 0;
#pragma unroll
    for (int j = 0; j < MarchRun; ++j)
    {
      if (y + j >= extent.ny)
      {
        break;
      }
      const std::int64_t offset = plane + (first + j * extent.nx);
      LnccWindow         window{ 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f };
      if (!masked || valid[inVolume + (first + j * extent.nx)] != 0)
      {
        float sum[moments];
#pragma unroll
        for (int q = 0; q < moments; ++q)
        {
          sum[q] = sums[q][j];
        }
        const float windowCount =
          masked ? sum[moments - 1] : countXZ * static_cast<float>(WindowCount(y + j, extent.ny, weight.radius[1]));
        window = EvaluateWindow<masked ? Counting::Counted : Counting::ByPosition>(
          sum, windowCount, weight, weight.padded);
        correlation += window.correlation;
        ++counting;
      }
      if (coefficients.a)
      {
        coefficients.a[offset] = window.a;
        coefficients.b[offset] = window.b;
        coefficients.c[offset] = window.c;
        if (coefficients.fixedA)
        {
          coefficients.fixedB[offset] = window.fixedB;
          coefficients.fixedA[offset] = window.fixedA;
        }
      }
    }
    energy += correlation;
    count += counting;
  }
};

template <typename TPixel, bool masked, bool aligned, int radius>
__global__ void
__launch_bounds__(MarchThreads<radius>, MarchBlocks) EvaluateBoxesKernel(
  const __grid_constant__ MomentSource<TPixel, masked, aligned> source,
  const Extent                                                  extent,
  const __grid_constant__ MarchPlan                             plan,
  const __grid_constant__ WindowWeight                          weight,
  const __grid_constant__ Coefficients                          coefficients,
  double * __restrict__ partials)
{
  WindowSink<masked> sink{ extent, weight, coefficients, source.images.valid };
  MarchBoxes<NumberOfMoments(masked), radius, false>(plan, extent, weight.radius[2], source, sink);
  StoreBlockResult<Join::Sum, Join::Sum>(sink.energy, static_cast<double>(sink.count), partials);
}

template <int quantities, bool aligned>
struct CoefficientSource
{
  const float * planes[quantities];

  struct Group
  {
    PixelGroup<float, aligned> values[quantities];
  };

  __device__ __forceinline__ void
  Clear(Group & group) const
  {
#pragma unroll
    for (int q = 0; q < quantities; ++q)
    {
      group.values[q].Fill(0.0f);
    }
  }

  __device__ __forceinline__ void
  Load(Group & group, std::int64_t offset, std::int64_t, int room) const
  {
#pragma unroll
    for (int q = 0; q < quantities; ++q)
    {
      group.values[q].Load(planes[q] + offset, room);
    }
  }

  __device__ __forceinline__ void
  Slide(float (&sum)[quantities][MarchGroup], const Group & enters, const Group & leaves) const
  {
#pragma unroll
    for (int q = 0; q < quantities; ++q)
    {
#pragma unroll
      for (int k = 0; k < MarchGroup; ++k)
      {
        sum[q][k] += enters.values[q].Get(k) - leaves.values[q].Get(k);
      }
    }
  }
};

/** From sums of coefficients to the derivatives to the intensities. `scale` is minus the component's share. */
template <typename TPixel, int quantities>
struct SlopeSink
{
  const Extent &           extent;
  const ImagesOf<TPixel> & images;
  float                    scale;
  float *                  moving;
  float *                  fixed;
  TPixel                   f[MarchRun];
  TPixel                   m[MarchRun];
  bool                     counts[MarchRun];

  __device__ __forceinline__ void
  Prepare(int x, int y, int z, int before)
  {
    const std::int64_t inVolume = static_cast<std::int64_t>(z) * extent.PlaneSize();
    const std::int64_t plane = static_cast<std::int64_t>(before + z) * extent.PlaneSize();
    const unsigned int first = y * extent.nx + x;
#pragma unroll
    for (int j = 0; j < MarchRun; ++j)
    {
      const unsigned int inPlane = first + (y + j < extent.ny ? j : 0) * extent.nx;
      f[j] = LoadPixel(images.fixed + (plane + inPlane));
      m[j] = LoadPixel(images.warped + (plane + inPlane));
      counts[j] = !images.valid || images.valid[inVolume + inPlane] != 0;
    }
  }

  __device__ __forceinline__ void
  operator()(int x, int y, int z, int before, const float (&sums)[quantities][MarchRun])
  {
    const std::int64_t plane = static_cast<std::int64_t>(before + z) * extent.PlaneSize();
    const unsigned int first = y * extent.nx + x;
#pragma unroll
    for (int j = 0; j < MarchRun; ++j)
    {
      if (y + j < extent.ny)
      {
        const std::int64_t offset = plane + (first + j * extent.nx);
        const float inFixed = ToFloat(f[j]) - images.fixedShift;
        const float inMoving = ToFloat(m[j]) - images.movingShift;
        // past the cache, which holds what is still to be read
        __stcs(moving + offset,
               counts[j] ? scale * (sums[0][j] + 2.0f * inMoving * sums[1][j] + inFixed * sums[2][j]) : 0.0f);
        if (quantities == NumberOfCoefficientsForBoth)
        {
          __stcs(fixed + offset,
                 counts[j] ? scale * (sums[quantities - 1][j] + 2.0f * inFixed * sums[quantities - 2][j] +
                                      inMoving * sums[2][j])
                           : 0.0f);
        }
      }
    }
  }
};

/** Energies of the first pass that the second one joins, in a block of its own: a kernel less to wait for. */
struct PendingEnergy
{
  const double * partials;
  int            blocks;
  double *       energy;
};

template <typename TPixel, int quantities, bool aligned, int radius>
__global__ void
__launch_bounds__(MarchThreads<radius>, quantities == NumberOfCoefficients ? MarchBlocks : 1)
  SumCoefficientsKernel(const __grid_constant__ CoefficientSource<quantities, aligned> source,
                        const __grid_constant__ ImagesOf<TPixel>                       images,
                        const Extent                                                   extent,
                        const __grid_constant__ MarchPlan                              plan,
                        int                                                            radiusZ,
                        float                                                          scale,
                        const __grid_constant__ PendingEnergy                          pending,
                        float *                                                        moving,
                        float *                                                        fixed)
{
  if (blockIdx.x == static_cast<unsigned int>(plan.items))
  {
    FinishBlockResults<Join::Sum, Join::Sum>(pending.partials, pending.blocks, pending.energy);
    return;
  }
  SlopeSink<TPixel, quantities> sink{ extent, images, scale, moving, fixed, {}, {}, {} };
  MarchBoxes<quantities, radius, true>(plan, extent, radiusZ, source, sink);
}

/** Calls function with the radius as a constant: std::integral_constant<int, 1> to <int, 4>. */
template <typename TFunction>
void
WithConstantRadius(int radius, const TFunction & function)
{
  switch (radius)
  {
    case 1:
      return function(std::integral_constant<int, 1>());
    case 2:
      return function(std::integral_constant<int, 2>());
    case 3:
      return function(std::integral_constant<int, 3>());
    default:
      return function(std::integral_constant<int, MarchHalo>());
  }
}

bool
CanMarch(const LnccParameters & parameters)
{
  const int radius = parameters.radius[0];
  return parameters.weights == LnccWeights::Box && radius >= 1 && radius <= MarchHalo && parameters.radius[1] == radius;
}

/** First pass, of volumes one after another in memory; gives the number of blocks whose energies wait in
 * Partials(device). */
template <typename TPixel, bool masked, bool aligned>
dim3
EvaluateBoxes(const Device &           device,
              cudaStream_t             stream,
              const ImagesOf<TPixel> & images,
              const Extent &           extent,
              int                      volumes,
              const WindowWeight &     weight,
              int                      radius,
              const Coefficients &     coefficients)
{
  const MarchPlan                             plan(extent, weight.radius[2], volumes);
  const dim3                                  grid = plan.Grid(ReductionBlocks);
  const MomentSource<TPixel, masked, aligned> source{ images,
                                                      PixelOf<TPixel>(images.fixedShift),
                                                      PixelOf<TPixel>(images.movingShift) };
  WithConstantRadius(radius, [&](auto constant) {
    constexpr int         r = decltype(constant)::value;
    constexpr std::size_t bytes = MarchSharedBytes<NumberOfMoments(masked), r>;
    const auto            kernel = EvaluateBoxesKernel<TPixel, masked, aligned, r>;
    AllowSharedMemory(device, kernel, bytes);
    kernel<<<grid, MarchThreads<r>, bytes, stream>>>(source, extent, plan, weight, coefficients, Partials(device));
    CheckLaunch(device, "Lncc: evaluate boxes");
  });
  return grid;
}

template <int quantities, bool aligned>
CoefficientSource<quantities, aligned>
MakeCoefficientSource(const Coefficients & coefficients)
{
  CoefficientSource<quantities, aligned> source{ { coefficients.a, coefficients.b, coefficients.c } };
  if (quantities == NumberOfCoefficientsForBoth)
  {
    source.planes[quantities - 2] = coefficients.fixedB;
    source.planes[quantities - 1] = coefficients.fixedA;
  }
  return source;
}

/** Second pass, with `fixed` for both images. Reads the coefficients, which must not lie where it writes. */
template <typename TPixel, int quantities, bool aligned>
void
SumCoefficients(const Device &           device,
                cudaStream_t             stream,
                const ImagesOf<TPixel> & images,
                const Extent &           extent,
                int                      volumes,
                int                      radius,
                int                      radiusZ,
                float                    scale,
                const PendingEnergy &    pending,
                const Coefficients &     coefficients,
                float *                  moving,
                float *                  fixed)
{
  const auto      source = MakeCoefficientSource<quantities, aligned>(coefficients);
  const MarchPlan plan(extent, radiusZ, volumes);
  WithConstantRadius(radius, [&](auto constant) {
    constexpr int         r = decltype(constant)::value;
    constexpr std::size_t bytes = MarchSharedBytes<quantities, r>;
    const auto            kernel = SumCoefficientsKernel<TPixel, quantities, aligned, r>;
    AllowSharedMemory(device, kernel, bytes);
    kernel<<<dim3(plan.items + 1), MarchThreads<r>, bytes, stream>>>(
      source, images, extent, plan, radiusZ, scale, pending, moving, fixed);
    CheckLaunch(device, "Lncc: sum coefficients");
  });
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
