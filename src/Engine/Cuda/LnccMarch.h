// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaLnccMarch_h
#define itkEngineCudaLnccMarch_h

#include "BoxMarch.h"
#include "LnccWindows.h"
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
/** Four neighbouring floats, of which `room` are inside the row; the others keep their values. */
template <bool aligned>
__device__ __forceinline__ void
LoadGroup(const float * row, int room, float (&values)[MarchGroup])
{
  if (aligned)
  {
    const float4 four = __ldg(reinterpret_cast<const float4 *>(row));
    values[0] = four.x;
    values[1] = four.y;
    values[2] = four.z;
    values[3] = four.w;
  }
  else
  {
#pragma unroll
    for (int k = 0; k < MarchGroup; ++k)
    {
      if (k < room)
      {
        values[k] = __ldg(row + k);
      }
    }
  }
}

/** True if groups of four of these rows can be read at once. */
bool
IsAligned(const Extent & extent, const float * pointer)
{
  return extent.nx % MarchGroup == 0 && reinterpret_cast<std::uintptr_t>(pointer) % sizeof(float4) == 0;
}

/** The moments of two images. What does not count holds the shifts, which adds nothing. */
template <bool masked, bool aligned>
struct MomentSource
{
  Images images;

  struct Group
  {
    float fixed[MarchGroup];
    float warped[MarchGroup];
    float counts[masked ? MarchGroup : 1];
  };

  __device__ __forceinline__ void
  Clear(Group & group) const
  {
#pragma unroll
    for (int k = 0; k < MarchGroup; ++k)
    {
      group.fixed[k] = images.fixedShift;
      group.warped[k] = images.movingShift;
      if (masked)
      {
        group.counts[k] = 0.0f;
      }
    }
  }

  __device__ __forceinline__ void
  Load(Group & group, std::int64_t offset, int room) const
  {
    LoadGroup<aligned>(images.fixed + offset, room, group.fixed);
    LoadGroup<aligned>(images.warped + offset, room, group.warped);
    if (masked)
    {
#pragma unroll
      for (int k = 0; k < MarchGroup; ++k)
      {
        if (k < room)
        {
          const bool counts = images.valid[offset + k] != 0;
          group.counts[k] = counts ? 1.0f : 0.0f;
          group.fixed[k] = counts ? group.fixed[k] : images.fixedShift;
          group.warped[k] = counts ? group.warped[k] : images.movingShift;
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
      const float f = enters.fixed[k] - images.fixedShift;
      const float m = enters.warped[k] - images.movingShift;
      const float oldF = leaves.fixed[k] - images.fixedShift;
      const float oldM = leaves.warped[k] - images.movingShift;
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
  Prepare(int, int, int)
  {}

  __device__ __forceinline__ void
  operator()(int x, int y, int z, const float (&sums)[NumberOfMoments(masked)][MarchRun])
  {
    constexpr int moments = NumberOfMoments(masked);
    const float   countXZ = static_cast<float>(WindowCount(x, extent.nx, weight.radius[0]) *
                                             WindowCount(z, extent.nz, weight.radius[2]));
    const std::int64_t plane = static_cast<std::int64_t>(z) * extent.PlaneSize();
    const unsigned int first = y * extent.nx + x;
    float         correlation = 0.0f;
    int           counting = 0;
#pragma unroll
    for (int j = 0; j < MarchRun; ++j)
    {
      if (y + j >= extent.ny)
      {
        break;
      }
      const std::int64_t offset = plane + (first + j * extent.nx);
      LnccWindow         window{ 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f };
      if (!masked || valid[offset] != 0)
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

template <bool masked, bool aligned, int radius>
__global__ void
__launch_bounds__(MarchThreads<radius>, MarchBlocks) EvaluateBoxesKernel(
  const __grid_constant__ MomentSource<masked, aligned> source,
  const Extent                                          extent,
  const __grid_constant__ MarchPlan                     plan,
  const __grid_constant__ WindowWeight                  weight,
  const __grid_constant__ Coefficients                  coefficients,
  double * __restrict__ partials)
{
  WindowSink<masked> sink{ extent, weight, coefficients, source.images.valid };
  MarchBoxes<NumberOfMoments(masked), radius>(plan, extent, weight.radius[2], source, sink);
  StoreBlockResult<Join::Sum, Join::Sum>(sink.energy, static_cast<double>(sink.count), partials);
}

template <int quantities, bool aligned>
struct CoefficientSource
{
  const float * planes[quantities];

  struct Group
  {
    float values[quantities][MarchGroup];
  };

  __device__ __forceinline__ void
  Clear(Group & group) const
  {
#pragma unroll
    for (int q = 0; q < quantities; ++q)
    {
#pragma unroll
      for (int k = 0; k < MarchGroup; ++k)
      {
        group.values[q][k] = 0.0f;
      }
    }
  }

  __device__ __forceinline__ void
  Load(Group & group, std::int64_t offset, int room) const
  {
#pragma unroll
    for (int q = 0; q < quantities; ++q)
    {
      LoadGroup<aligned>(planes[q] + offset, room, group.values[q]);
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
        sum[q][k] += enters.values[q][k] - leaves.values[q][k];
      }
    }
  }
};

/** From sums of coefficients to the derivatives to the intensities. `scale` is minus the component's share. */
template <int quantities>
struct SlopeSink
{
  const Extent & extent;
  const Images & images;
  float          scale;
  float *        moving;
  float *        fixed;
  float          f[MarchRun];
  float          m[MarchRun];
  bool           counts[MarchRun];

  __device__ __forceinline__ void
  Prepare(int x, int y, int z)
  {
    const std::int64_t plane = static_cast<std::int64_t>(z) * extent.PlaneSize();
    const unsigned int first = y * extent.nx + x;
#pragma unroll
    for (int j = 0; j < MarchRun; ++j)
    {
      const std::int64_t offset = plane + (first + (y + j < extent.ny ? j : 0) * extent.nx);
      f[j] = __ldg(images.fixed + offset);
      m[j] = __ldg(images.warped + offset);
      counts[j] = !images.valid || images.valid[offset] != 0;
    }
  }

  __device__ __forceinline__ void
  operator()(int x, int y, int z, const float (&sums)[quantities][MarchRun])
  {
    const std::int64_t plane = static_cast<std::int64_t>(z) * extent.PlaneSize();
    const unsigned int first = y * extent.nx + x;
#pragma unroll
    for (int j = 0; j < MarchRun; ++j)
    {
      if (y + j < extent.ny)
      {
        const std::int64_t offset = plane + (first + j * extent.nx);
        const float inFixed = f[j] - images.fixedShift;
        const float inMoving = m[j] - images.movingShift;
        moving[offset] = counts[j] ? scale * (sums[0][j] + 2.0f * inMoving * sums[1][j] + inFixed * sums[2][j]) : 0.0f;
        if (quantities == NumberOfCoefficientsForBoth)
        {
          fixed[offset] = counts[j] ? scale * (sums[quantities - 1][j] + 2.0f * inFixed * sums[quantities - 2][j] +
                                               inMoving * sums[2][j])
                                    : 0.0f;
        }
      }
    }
  }
};

template <int quantities, bool aligned, int radius>
__global__ void
__launch_bounds__(MarchThreads<radius>, quantities == NumberOfCoefficients ? MarchBlocks : 1)
  SumCoefficientsKernel(const __grid_constant__ CoefficientSource<quantities, aligned> source,
                        const __grid_constant__ Images                                 images,
                        const Extent                                                   extent,
                        const __grid_constant__ MarchPlan                              plan,
                        int                                                            radiusZ,
                        float                                                          scale,
                        float *                                                        moving,
                        float *                                                        fixed)
{
  SlopeSink<quantities> sink{ extent, images, scale, moving, fixed, {}, {}, {} };
  MarchBoxes<quantities, radius>(plan, extent, radiusZ, source, sink);
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

/** First pass; gives the number of blocks whose energies wait in Partials(device). */
template <bool masked, bool aligned>
dim3
EvaluateBoxes(const Device &       device,
              cudaStream_t         stream,
              const Images &       images,
              const Extent &       extent,
              const WindowWeight & weight,
              int                  radius,
              const Coefficients & coefficients)
{
  const MarchPlan                     plan(extent, weight.radius[2]);
  const dim3                          grid = plan.Grid(ReductionBlocks);
  const MomentSource<masked, aligned> source{ images };
  WithConstantRadius(radius, [&](auto constant) {
    constexpr int         r = decltype(constant)::value;
    constexpr std::size_t bytes = MarchSharedBytes<NumberOfMoments(masked), r>;
    const auto            kernel = EvaluateBoxesKernel<masked, aligned, r>;
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
template <int quantities, bool aligned>
void
SumCoefficients(const Device &       device,
                cudaStream_t         stream,
                const Images &       images,
                const Extent &       extent,
                int                  radius,
                int                  radiusZ,
                float                scale,
                const Coefficients & coefficients,
                float *              moving,
                float *              fixed)
{
  const auto      source = MakeCoefficientSource<quantities, aligned>(coefficients);
  const MarchPlan plan(extent, radiusZ);
  WithConstantRadius(radius, [&](auto constant) {
    constexpr int         r = decltype(constant)::value;
    constexpr std::size_t bytes = MarchSharedBytes<quantities, r>;
    const auto            kernel = SumCoefficientsKernel<quantities, aligned, r>;
    AllowSharedMemory(device, kernel, bytes);
    kernel<<<plan.Grid(plan.items), MarchThreads<r>, bytes, stream>>>(
      source, images, extent, plan, radiusZ, scale, moving, fixed);
    CheckLaunch(device, "Lncc: sum coefficients");
  });
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
