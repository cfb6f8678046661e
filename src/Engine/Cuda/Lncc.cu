// SPDX-License-Identifier: Apache-2.0
// Bytes of DRAM per voxel, every value moved once, and flops with sliding sums.
// Box windows of radius up to 15 along x and y, LnccMarch.h and LnccWideMarch.h:
//   1 EvaluateBoxes       20 (images in, coefficients A, B, C out; 8 without)            about 110
//   2 SumCoefficients     24 (coefficients and images in, gradient out)                  about 50
//   On an H200 at 256^3, both, windows of 3, 5, 7 and 9: 0.26, 0.30, 0.34 and 0.39 ms, 0.69 to 0.47 of a copy's bandwidth; the
//   first limit is the issue of instructions. 96 registers, no spills (with radius 4: 80, at most 12 bytes).
// Wider ones, LnccPlaneSums.h and LnccColumns.h:
//   1 SumProductsInPlane  28 (images in, five box sums over x and y out)                about 60
//   2 EvaluateWindows     32 (five sums in, coefficients A, B, C out; 20 without)       about 60
//   3 SumInPlane          24 (coefficients in, their box sums over x and y out)         about 20
//   4 FinishGradient      24 (three sums and the images in, gradient out)               about 20
// The adjoint of a box sum is the same box sum, so that the second half of each is like the first.
// Gaussian windows, LnccGaussian.h: GaussianSmooth takes the place of the sums.
// The chain rule to a displacement: 32 (slope, displacement and moving image in, gradient out), about 100 flops.
// Images of 16 bits take 2 instead of 4 each where the kernels march; for the others ToFloat, LnccStorage.h, comes first: 12
// for both images.
// A mask adds 1 to every kernel that reads images, and 4 to sums of moments; gradients to both images make five
// coefficients of three. Halos are read again, from the L2 cache mostly.
#include "../Operators/Lncc.h"

#include "../Math/Lncc.h"
#include "LnccColumns.h"
#include "LnccGaussian.h"
#include "LnccMarch.h"
#include "LnccPlaneSums.h"
#include "LnccStorage.h"
#include "LnccWideMarch.h"
#include "Reduce.h"
#include "Sample.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
/** From the derivatives to the intensities of an image to those to the displacement that made it. */
__global__ void
__launch_bounds__(VoxelThreads) ApplyChainKernel(const __grid_constant__ ChainRule chain,
                                                 const Extent                      extent,
                                                 const float * __restrict__ slopes,
                                                 bool add,
                                                 float * __restrict__ gradient)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    float g[3];
    chain.Apply(slopes[offset], x, y, z, offset, g);
#pragma unroll
    for (int d = 0; d < 3; ++d)
    {
      float & target = gradient[offset + d * voxels];
      target = add ? target + g[d] : g[d];
    }
  });
}

/** Several components: their energies are averaged one by one. */
__global__ void
AddEnergyKernel(const double * component, double scale, bool first, double * energy)
{
  energy[0] = (first ? 0.0 : energy[0]) + scale * component[0];
  energy[1] = component[1];
}

// Workspace, in planes of one float per voxel.
// Marching: the coefficients and the slopes that find no room elsewhere. A single component's gradients by chain rule are
// written last and hold coefficients until then; other gradients hold the slopes.
// Box windows in planes: 0-5 box sums of the moments, of which 0-4 take those of the coefficients later; 6-10 the
// coefficients. A spare plane for large windows is 6 while there are no coefficients yet. 5 holds slopes.
// Gaussian windows: 6-11 products, then the coefficients; 0-5 what smoothing makes of either, then slopes in 5.
// Images of 16 bits, except for windows of LnccMarch.h: two more at the end, the images of a component as float32.
constexpr int MomentPlanes = MaximumMoments;
constexpr int SlopePlane = 5;

std::int64_t
Planes(const LnccParameters & parameters, int components, bool bothGradients, bool toDisplacement)
{
  if (parameters.weights == LnccWeights::Gaussian)
  {
    return 2 * MomentPlanes;
  }
  const int coefficients = bothGradients ? NumberOfCoefficientsForBoth : NumberOfCoefficients;
  if (CanMarchWide(parameters))
  {
    const int slopes = bothGradients ? 2 : 1;
    return components == 1 && toDisplacement ? slopes
                                             : coefficients + (components == 1 ? slopes - 1 : slopes);
  }
  return MomentPlanes + coefficients;
}

int
ConvertedPlanes(const LnccParameters & parameters, Storage storage)
{
  return storage == Storage::Float32 || CanMarch(parameters) ? 0 : 2;
}

/** One component of a call. */
struct Component
{
  float                scale; ///< its share
  int                  index;
  double *             energy;
  const LnccGradients & gradients;
  const Lattice &      lattice;

  /** Where the slopes of an image go: its gradient, or `spare` if that takes more. */
  float *
  Slopes(bool fixed, float * spare) const
  {
    const Field & gradient = fixed ? gradients.fixed : gradients.moving;
    return (fixed ? gradients.fixedChain : gradients.movingChain) ? spare : gradient.Component(index);
  }

  /** From slopes to the gradient, where there is a chain. */
  void
  ApplyChain(const Device & device, cudaStream_t stream, const Extent & extent, bool fixed, const float * slopes) const
  {
    const MetricInputs * const chain = fixed ? gradients.fixedChain : gradients.movingChain;
    if (chain)
    {
      ApplyChainKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(ChainRule(ComponentOf(*chain, index, lattice)),
                                                                       extent,
                                                                       slopes,
                                                                       index > 0,
                                                                       (fixed ? gradients.fixed : gradients.moving).data);
      CheckLaunch(device, "Lncc: chain rule");
    }
  }
};

/** `radius` along x and y is one of LnccMarch.h's, or 0 for all others, which take float32. */
template <typename TPixel>
void
March(const Device &           device,
      cudaStream_t             stream,
      const ImagesOf<TPixel> & images,
      const Component &        component,
      const WindowWeight &     weight,
      int                      radius,
      int                      components,
      float *                  workspace)
{
  const Extent       extent(component.lattice);
  const std::int64_t voxels = extent.NumberOfVoxels();
  const auto         take = [&] {
    float * const plane = workspace;
    workspace += voxels;
    return plane;
  };
  const LnccGradients & gradients = component.gradients;
  const bool            both = static_cast<bool>(gradients.fixed);
  Coefficients          planes{};
  if (gradients.moving)
  {
    const bool room = components == 1 && gradients.movingChain && (!both || gradients.fixedChain);
    planes.a = room ? gradients.moving.Component(0) : take();
    planes.b = room ? gradients.moving.Component(1) : take();
    planes.c = room ? gradients.moving.Component(2) : take();
    if (both)
    {
      planes.fixedB = room ? gradients.fixed.Component(0) : take();
      planes.fixedA = room ? gradients.fixed.Component(1) : take();
    }
  }
  const bool aligned = IsAligned(extent, images.fixed) && IsAligned(extent, images.warped);
  dim3       grid;
  if (radius > 0)
  {
    const auto evaluate =
      images.valid ? EvaluateBoxes<TPixel, true, false>
                   : (aligned ? EvaluateBoxes<TPixel, false, true> : EvaluateBoxes<TPixel, false, false>);
    grid = evaluate(device, stream, images, extent, weight, radius, planes);
  }
  else if constexpr (std::is_same<TPixel, float>::value)
  {
    const auto evaluate = images.valid
                            ? EvaluateWideBoxes<true, false>
                            : (aligned ? EvaluateWideBoxes<false, true> : EvaluateWideBoxes<false, false>);
    grid = evaluate(device, stream, images, extent, weight, planes);
  }
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, component.energy);
  if (!gradients.moving)
  {
    return;
  }
  float * const slopes = component.Slopes(false, gradients.movingChain ? take() : nullptr);
  float * const fixedSlopes = both ? component.Slopes(true, gradients.fixedChain ? take() : nullptr) : nullptr;
  const bool    alignedPlanes = IsAligned(extent, planes.a) && IsAligned(extent, planes.b) && IsAligned(extent, planes.c) &&
                             IsAligned(extent, planes.fixedB) && IsAligned(extent, planes.fixedA);
  constexpr int one = NumberOfCoefficients;
  constexpr int two = NumberOfCoefficientsForBoth;
  if (radius > 0)
  {
    const auto sum = both ? (alignedPlanes ? SumCoefficients<TPixel, two, true> : SumCoefficients<TPixel, two, false>)
                          : (alignedPlanes ? SumCoefficients<TPixel, one, true> : SumCoefficients<TPixel, one, false>);
    sum(device, stream, images, extent, radius, weight.radius[2], -component.scale, planes, slopes, fixedSlopes);
  }
  else if constexpr (std::is_same<TPixel, float>::value)
  {
    const auto sum = both ? (alignedPlanes ? SumWideCoefficients<two, true> : SumWideCoefficients<two, false>)
                          : (alignedPlanes ? SumWideCoefficients<one, true> : SumWideCoefficients<one, false>);
    sum(device, stream, images, extent, weight, -component.scale, planes, slopes, fixedSlopes);
  }
  component.ApplyChain(device, stream, extent, false, slopes);
  if (both)
  {
    component.ApplyChain(device, stream, extent, true, fixedSlopes);
  }
}

void
SumByPlanes(const Device &          device,
            cudaStream_t            stream,
            const Images &          originals,
            const Component &       component,
            const LnccParameters &  parameters,
            const WindowWeight &    weight,
            const SymmetricKernel (&kernels)[3],
            float *                 workspace)
{
  const Extent          extent(component.lattice);
  const std::int64_t    voxels = extent.NumberOfVoxels();
  const Columns         columns(extent);
  const LnccGradients & gradients = component.gradients;
  const bool            gaussian = parameters.weights == LnccWeights::Gaussian;
  const bool            both = static_cast<bool>(gradients.fixed);
  const Field           sums(workspace, component.lattice, MomentPlanes);
  const Field           others(workspace + MomentPlanes * voxels, component.lattice, MomentPlanes);
  Coefficients          planes{};
  if (gradients.moving)
  {
    planes = Coefficients{ others.Component(0), others.Component(1), others.Component(2), nullptr, nullptr };
    if (both)
    {
      planes.fixedB = others.Component(3);
      planes.fixedA = others.Component(4);
    }
  }

  if (gaussian)
  {
    ProductsKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(originals, extent, weight.padded, others.data);
    CheckLaunch(device, "Lncc: products");
    cuda::GaussianSmooth(device, kernels, SmoothBoundary::Zero, others, sums, others);
    if (weight.padded)
    {
      AddMissingKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(
        Tails(kernels), extent, sums.Component(MomentCount));
      CheckLaunch(device, "Lncc: padding");
    }
  }
  else
  {
    SumProductsInPlane(device, stream, originals, extent, weight.radius, sums.data, others.data);
  }
  const auto evaluate = !gaussian ? (originals.valid ? ChooseEvaluation<Counting::Counted>(weight.padded, both)
                                                    : ChooseEvaluation<Counting::ByPosition>(weight.padded, both))
                                  : (weight.padded ? ChooseEvaluation<Counting::CountedOut>(true, both)
                                                   : ChooseEvaluation<Counting::Counted>(false, both));
  const int radiusZ = gaussian ? 0 : weight.radius[2];
  evaluate<<<columns.Grid(), ColumnThreads, 0, stream>>>(
    sums.data, originals.valid, extent, columns, weight, radiusZ, planes, Partials(device));
  CheckLaunch(device, "Lncc: evaluate windows");
  FinishReduction<Join::Sum, Join::Sum>(device, stream, columns.Grid(), component.energy);
  if (!gradients.moving)
  {
    return;
  }

  if (gaussian)
  {
    const int   quantities = both ? NumberOfCoefficientsForBoth : NumberOfCoefficients;
    const Field coefficients(others.data, component.lattice, quantities);
    cuda::GaussianSmooth(device,
                         kernels,
                         SmoothBoundary::Zero,
                         coefficients,
                         Field(sums.data, component.lattice, quantities),
                         coefficients);
  }
  else
  {
    SumInPlane(device, stream, planes, extent, weight.radius, sums.data, sums.Component(SlopePlane));
  }
  for (const bool fixed : { false, true })
  {
    if (fixed && !both)
    {
      continue;
    }
    Images images = originals;
    if (fixed)
    {
      std::swap(images.fixed, images.warped);
      std::swap(images.fixedShift, images.movingShift);
    }
    float * const slopes = component.Slopes(fixed, sums.Component(SlopePlane));
    FinishGradientKernel<<<columns.Grid(), ColumnThreads, 0, stream>>>(
      fixed ? sums.data + (NumberOfCoefficientsForBoth - 1) * voxels : sums.data,
      fixed ? -voxels : voxels,
      images,
      extent,
      columns,
      radiusZ,
      -component.scale,
      slopes);
    CheckLaunch(device, "Lncc: finish gradient");
    component.ApplyChain(device, stream, extent, fixed, slopes);
  }
}
} // namespace

std::int64_t
LnccWorkspace(const LnccParameters & parameters,
              const Lattice &        lattice,
              int                    components,
              bool                   bothGradients,
              bool                   toDisplacement,
              Storage                storage)
{
  // several components: two doubles at the end, at an even place
  return (Planes(parameters, components, bothGradients, toDisplacement) + ConvertedPlanes(parameters, storage)) *
           lattice.NumberOfVoxels() +
         (components > 1 ? 5 : 0);
}

void
Lncc(const Device &         device,
     const LnccParameters & parameters,
     const StoredField &    fixed,
     const StoredField &    warped,
     const ConstMask &      valid,
     double *               energy,
     const LnccGradients &  gradients,
     float *                workspace)
{
  if (gradients.fixed && !gradients.moving)
  {
    // correlation is symmetric: the fixed image takes the place of the moving one
    LnccParameters swapped = parameters;
    std::swap(swapped.fixedShift, swapped.movingShift);
    LnccGradients alone(gradients.fixed);
    alone.movingChain = gradients.fixedChain;
    cuda::Lncc(device, swapped, warped, fixed, valid, energy, alone, workspace);
    return;
  }
  const cudaStream_t stream = Enter(device);
  const Lattice &    lattice = fixed.lattice;
  const bool         gaussian = parameters.weights == LnccWeights::Gaussian;
  const bool         both = static_cast<bool>(gradients.fixed);
  const int          components = fixed.components;

  WindowWeight weight{};
  weight.whole = 1.0f;
  weight.padded = parameters.boundary == LnccBoundary::ZeroPadding;
  weight.varianceFloor = parameters.varianceFloor;
  weight.fixedShift = parameters.fixedShift;
  weight.movingShift = parameters.movingShift;
  for (int axis = 0; axis < 3 && !gaussian; ++axis)
  {
    const int size = lattice.own.size[axis];
    weight.whole *= size > 1 ? 2.0f * static_cast<float>(parameters.radius[axis]) + 1.0f : 1.0f;
    // A window that covers an axis does not change when it grows.
    weight.radius[axis] = std::min(parameters.radius[axis], size - 1);
  }
  weight.inverse = 1.0f / weight.whole;
  SymmetricKernel kernels[3];
  if (gaussian)
  {
    MakeLnccKernels(parameters, lattice, kernels);
  }

  const std::int64_t voxels = lattice.NumberOfVoxels();
  const std::int64_t planes = Planes(parameters, components, both, false);
  double * const     componentEnergy =
    components == 1
      ? energy
      : reinterpret_cast<double *>(
          workspace + ((planes + ConvertedPlanes(parameters, fixed.storage)) * voxels + 1) / 2 * 2);
  for (int c = 0; c < components; ++c)
  {
    const Component component{ 1.0f / static_cast<float>(components), c, componentEnergy, gradients, lattice };
    if (CanMarch(parameters))
    {
      fixed.WithPixel([&](auto pixel) {
        using Pixel = decltype(pixel);
        WindowWeight shifted = weight;
        shifted.fixedShift = ToFloat(PixelOf<Pixel>(weight.fixedShift));
        shifted.movingShift = ToFloat(PixelOf<Pixel>(weight.movingShift));
        const ImagesOf<Pixel> images{
          fixed.Component<Pixel>(c), warped.Component<Pixel>(c), valid.data, shifted.fixedShift, shifted.movingShift
        };
        March(device, stream, images, component, shifted, parameters.radius[0], components, workspace);
      });
    }
    else
    {
      float * const converted = workspace + planes * voxels;
      const Images  images{ FloatComponent(device, stream, fixed, c, converted),
                            FloatComponent(device, stream, warped, c, converted + voxels),
                            valid.data,
                            parameters.fixedShift,
                            parameters.movingShift };
      if (CanMarchWide(parameters))
      {
        March(device, stream, images, component, weight, 0, components, workspace);
      }
      else
      {
        SumByPlanes(device, stream, images, component, parameters, weight, kernels, workspace);
      }
    }
    if (components > 1)
    {
      AddEnergyKernel<<<1, 1, 0, stream>>>(componentEnergy, 1.0 / components, c == 0, energy);
      CheckLaunch(device, "Lncc: add energy");
    }
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
