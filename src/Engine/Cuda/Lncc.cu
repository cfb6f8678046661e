// SPDX-License-Identifier: Apache-2.0
// Bytes of DRAM per voxel, every value moved once, and flops with sliding sums.
// Box windows as wide along x as along y, of radius 1 to 4 there, LnccMarch.h:
//   1 EvaluateBoxes       20 (images in, coefficients A, B, C out; 8 without)            about 110
//   2 SumCoefficients     24 (coefficients and images in, gradient out)                  about 50
//   On an H200 at 256^3, both, windows of 3, 5, 7 and 9: 0.26, 0.28, 0.31 and 0.38 ms, 0.72 to 0.48 of a copy's bandwidth; the
//   first limit is the issue of instructions. 96 registers, no spills (with radius 4: 80, 8 bytes).
// Others of radius up to 15 along x and y, LnccWideMarch.h:
//   1 SumMomentsAlongZ        28 (images in, five sums along z out)                      about 60
//   2 EvaluateWideBoxes       32 (five sums in, coefficients A, B, C out; 20 without)    about 80
//   3 SumCoefficientsAlongZ   24 (coefficients in, their sums along z out)               about 10
//   4 FinishWideGradient      24 (three sums and the images in, gradient out)            about 30
//   On an H200 at 256^3, window of 21: 0.17, 0.25, 0.16 and 0.18 ms. The second moves 55 bytes: a row that leaves the
//   windows has left the L2 cache too, which finds 22 % of what is asked of it.
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

/** Several components: their energies are averaged batch by batch. They count the same voxels. */
__global__ void
AddEnergyKernel(const double * batch, int components, double scale, bool first, double * energy)
{
  energy[0] = (first ? 0.0 : energy[0]) + scale * batch[0];
  energy[1] = batch[1] / components;
}

// Workspace, in planes of one float per voxel.
// Marching: the coefficients and the slopes that find no room elsewhere, of every component of a batch. A single component's
// gradients by chain rule are written last and hold coefficients until then; other gradients hold the slopes.
// Marching with wide windows: 0-5 sums along z of the moments, of which 0-4 take those of the coefficients later; then the
// coefficients, where they find no room in the gradients; slopes lie where coefficients did, or in 5 and 6.
// Box windows in planes: 0-5 box sums of the moments, of which 0-4 take those of the coefficients later; 6-10 the
// coefficients. A spare plane for large windows is 6 while there are no coefficients yet. 5 holds slopes.
// Gaussian windows: 6-11 products, then the coefficients; 0-5 what smoothing makes of either, then slopes in 5.
// Images of 16 bits, except for windows of LnccMarch.h: two more at the end, the images of a component as float32.
constexpr int MomentPlanes = MaximumMoments;
constexpr int SlopePlane = 5;

/** Components that the marching kernels take at once: small volumes alone do not fill a GPU, and coefficients of large ones
 * would take memory. */
int
BatchSize(const LnccParameters & parameters, const Lattice & lattice, int components)
{
  constexpr std::int64_t enoughVoxels = std::int64_t{ 1 } << 25;
  if (!CanMarch(parameters))
  {
    return 1;
  }
  const auto most = static_cast<int>(
    std::min<std::int64_t>(components, std::max<std::int64_t>(1, enoughVoxels / lattice.NumberOfVoxels())));
  return DivideUp(components, DivideUp(components, most));
}

std::int64_t
Planes(const LnccParameters & parameters, const Lattice & lattice, int components, bool bothGradients, bool toDisplacement)
{
  if (parameters.weights == LnccWeights::Gaussian)
  {
    return 2 * MomentPlanes;
  }
  const int  coefficients = bothGradients ? NumberOfCoefficientsForBoth : NumberOfCoefficients;
  const int  slopes = bothGradients ? 2 : 1;
  const bool room = components == 1 && toDisplacement;
  if (CanMarch(parameters))
  {
    const int batch = BatchSize(parameters, lattice, components);
    return room ? slopes : batch * (coefficients + (components == 1 ? slopes - 1 : slopes));
  }
  return MomentPlanes + (CanMarchWide(parameters) && room ? slopes - 1 : coefficients);
}

int
ConvertedPlanes(const LnccParameters & parameters, Storage storage)
{
  return storage == Storage::Float32 || CanMarch(parameters) ? 0 : 2;
}

/** Components of a call that are worked on at once, one after another in memory. */
struct Batch
{
  float                scale; ///< the share of each
  int                  index; ///< of the first
  int                  size;
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
    for (int c = 0; chain && c < size; ++c)
    {
      ApplyChainKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(
        ChainRule(ComponentOf(*chain, index + c, lattice)),
        extent,
        slopes + c * extent.NumberOfVoxels(),
        index + c > 0,
        (fixed ? gradients.fixed : gradients.moving).data);
      CheckLaunch(device, "Lncc: chain rule");
    }
  }

  /** Where the coefficients lie: in the gradients, if those are written last and have room, or where `take` says. */
  template <typename TTake>
  Coefficients
  PlaceCoefficients(int components, const TTake & take) const
  {
    const bool   both = static_cast<bool>(gradients.fixed);
    const bool   room = HasRoom(components);
    Coefficients planes{};
    if (gradients.moving)
    {
      planes.a = room ? gradients.moving.Component(0) : take();
      planes.b = room ? gradients.moving.Component(1) : take();
      planes.c = room ? gradients.moving.Component(2) : take();
      if (both)
      {
        planes.fixedB = room ? gradients.fixed.Component(0) : take();
        planes.fixedA = room ? gradients.fixed.Component(1) : take();
      }
    }
    return planes;
  }

  bool
  HasRoom(int components) const
  {
    return components == 1 && gradients.movingChain && (!gradients.fixed || gradients.fixedChain);
  }
};

bool
AreAligned(const Extent & extent, const Coefficients & planes)
{
  return IsAligned(extent, planes.a) && IsAligned(extent, planes.b) && IsAligned(extent, planes.c) &&
         IsAligned(extent, planes.fixedB) && IsAligned(extent, planes.fixedA);
}

/** Windows of LnccMarch.h. */
template <typename TPixel>
void
March(const Device &           device,
      cudaStream_t             stream,
      const ImagesOf<TPixel> & images,
      const Batch &            batch,
      const WindowWeight &     weight,
      int                      radius,
      int                      components,
      float *                  workspace)
{
  const Extent extent(batch.lattice);
  const auto   take = [&] {
    float * const plane = workspace;
    workspace += batch.size * extent.NumberOfVoxels();
    return plane;
  };
  const LnccGradients & gradients = batch.gradients;
  const bool            both = static_cast<bool>(gradients.fixed);
  const Coefficients    planes = batch.PlaceCoefficients(components, take);
  const bool            aligned = IsAligned(extent, images.fixed) && IsAligned(extent, images.warped);
  const auto            evaluate =
    images.valid ? EvaluateBoxes<TPixel, true, false>
                            : (aligned ? EvaluateBoxes<TPixel, false, true> : EvaluateBoxes<TPixel, false, false>);
  const dim3 grid = evaluate(device, stream, images, extent, batch.size, weight, radius, planes);
  if (!gradients.moving)
  {
    FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, batch.energy);
    return;
  }
  const PendingEnergy pending{ Partials(device), static_cast<int>(grid.x), batch.energy };
  float * const  slopes = batch.Slopes(false, gradients.movingChain ? take() : nullptr);
  float * const  fixedSlopes = both ? batch.Slopes(true, gradients.fixedChain ? take() : nullptr) : nullptr;
  const bool     alignedPlanes = AreAligned(extent, planes);
  constexpr int  one = NumberOfCoefficients;
  constexpr int  two = NumberOfCoefficientsForBoth;
  const auto     sum = both ? (alignedPlanes ? SumCoefficients<TPixel, two, true> : SumCoefficients<TPixel, two, false>)
                            : (alignedPlanes ? SumCoefficients<TPixel, one, true> : SumCoefficients<TPixel, one, false>);
  sum(device,
      stream,
      images,
      extent,
      batch.size,
      radius,
      weight.radius[2],
      -batch.scale,
      pending,
      planes,
      slopes,
      fixedSlopes);
  batch.ApplyChain(device, stream, extent, false, slopes);
  if (both)
  {
    batch.ApplyChain(device, stream, extent, true, fixedSlopes);
  }
}

/** Windows of LnccWideMarch.h, one component at a time. */
void
MarchWide(const Device &       device,
          cudaStream_t         stream,
          const Images &       images,
          const Batch &        batch,
          const WindowWeight & weight,
          int                  components,
          float *              sums)
{
  const Extent          extent(batch.lattice);
  const std::int64_t    voxels = extent.NumberOfVoxels();
  const LnccGradients & gradients = batch.gradients;
  const bool            both = static_cast<bool>(gradients.fixed);
  // After the sums, or with coefficients in the gradients from the first plane that sums of those leave free.
  float * const spare = sums + (batch.HasRoom(components) ? SlopePlane : MomentPlanes) * voxels;
  float *       next = spare;
  const auto    take = [&] {
    float * const plane = next;
    next += voxels;
    return plane;
  };
  const Coefficients planes = batch.PlaceCoefficients(components, take);
  const bool         aligned =
    IsAligned(extent, images.fixed) && IsAligned(extent, images.warped) && IsAligned(extent, sums) && AreAligned(extent, planes);
  const auto evaluate = images.valid ? EvaluateWideBoxes<true, false>
                                     : (aligned ? EvaluateWideBoxes<false, true> : EvaluateWideBoxes<false, false>);
  const dim3 grid = evaluate(device, stream, images, extent, weight, sums, planes);
  FinishReduction<Join::Sum, Join::Sum>(device, stream, grid, batch.energy);
  if (!gradients.moving)
  {
    return;
  }
  float * const slopes = batch.Slopes(false, spare);
  float * const fixedSlopes = both ? batch.Slopes(true, spare + voxels) : nullptr;
  const bool    alignedAll = aligned && IsAligned(extent, slopes) && IsAligned(extent, fixedSlopes);
  constexpr int one = NumberOfCoefficients;
  constexpr int two = NumberOfCoefficientsForBoth;
  const auto    sum = both ? (alignedAll ? SumWideCoefficients<two, true> : SumWideCoefficients<two, false>)
                           : (alignedAll ? SumWideCoefficients<one, true> : SumWideCoefficients<one, false>);
  sum(device, stream, images, extent, weight, -batch.scale, planes, sums, slopes, fixedSlopes);
  batch.ApplyChain(device, stream, extent, false, slopes);
  if (both)
  {
    batch.ApplyChain(device, stream, extent, true, fixedSlopes);
  }
}

void
SumByPlanes(const Device &          device,
            cudaStream_t            stream,
            const Images &          originals,
            const Batch &           batch,
            const LnccParameters &  parameters,
            const WindowWeight &    weight,
            const SymmetricKernel (&kernels)[3],
            float *                 workspace)
{
  const Extent          extent(batch.lattice);
  const std::int64_t    voxels = extent.NumberOfVoxels();
  const Columns         columns(extent);
  const LnccGradients & gradients = batch.gradients;
  const bool            gaussian = parameters.weights == LnccWeights::Gaussian;
  const bool            both = static_cast<bool>(gradients.fixed);
  const Field           sums(workspace, batch.lattice, MomentPlanes);
  const Field           others(workspace + MomentPlanes * voxels, batch.lattice, MomentPlanes);
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
  FinishReduction<Join::Sum, Join::Sum>(device, stream, columns.Grid(), batch.energy);
  if (!gradients.moving)
  {
    return;
  }

  if (gaussian)
  {
    const int   quantities = both ? NumberOfCoefficientsForBoth : NumberOfCoefficients;
    const Field coefficients(others.data, batch.lattice, quantities);
    cuda::GaussianSmooth(device,
                         kernels,
                         SmoothBoundary::Zero,
                         coefficients,
                         Field(sums.data, batch.lattice, quantities),
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
    float * const slopes = batch.Slopes(fixed, sums.Component(SlopePlane));
    FinishGradientKernel<<<columns.Grid(), ColumnThreads, 0, stream>>>(
      fixed ? sums.data + (NumberOfCoefficientsForBoth - 1) * voxels : sums.data,
      fixed ? -voxels : voxels,
      images,
      extent,
      columns,
      radiusZ,
      -batch.scale,
      slopes);
    CheckLaunch(device, "Lncc: finish gradient");
    batch.ApplyChain(device, stream, extent, fixed, slopes);
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
  return (Planes(parameters, lattice, components, bothGradients, toDisplacement) +
          ConvertedPlanes(parameters, storage)) *
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
  const std::int64_t planes = Planes(parameters, lattice, components, both, false);
  double * const     batchEnergy =
    components == 1
      ? energy
      : reinterpret_cast<double *>(
          workspace + ((planes + ConvertedPlanes(parameters, fixed.storage)) * voxels + 1) / 2 * 2);
  const int batchSize = BatchSize(parameters, lattice, components);
  for (int c = 0; c < components; c += batchSize)
  {
    const Batch batch{
      1.0f / static_cast<float>(components), c, std::min(batchSize, components - c), batchEnergy, gradients, lattice
    };
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
        March(device, stream, images, batch, shifted, parameters.radius[0], components, workspace);
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
        MarchWide(device, stream, images, batch, weight, components, workspace);
      }
      else
      {
        SumByPlanes(device, stream, images, batch, parameters, weight, kernels, workspace);
      }
    }
    if (components > 1)
    {
      AddEnergyKernel<<<1, 1, 0, stream>>>(batchEnergy, batch.size, 1.0 / components, c == 0, energy);
      CheckLaunch(device, "Lncc: add energy");
    }
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
