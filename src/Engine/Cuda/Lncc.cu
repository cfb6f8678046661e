// SPDX-License-Identifier: Apache-2.0
// Box windows: four kernels; the adjoint of a box sum is the same box sum, so that the gradient costs a second pair like
// the first. Gaussian windows: GaussianSmooth takes the place of the sums.
// Bytes of DRAM per voxel, every value moved once, and flops with sliding sums:
//   1 SumProductsInPlane  28 (images in, five box sums over x and y out)                about 60
//   2 EvaluateWindows     32 (five sums in, coefficients A, B, C out; 20 without)       about 60
//   3 SumInPlane          24 (coefficients in, their box sums over x and y out)         about 20
//   4 FinishGradient      24 (three sums and the images in, gradient out; 56 by chain)  about 20 (100)
// A mask adds 5 to kernels 1 and 2 and 1 to kernel 4, gradients to both images 8 to kernel 2, 16 to 3 and 24 to 4, which
// then runs twice: 156 instead of 108 bytes. Halos are read again, from the L2 cache mostly.
#include "../Operators/Lncc.h"

#include "../Math/Lncc.h"
#include "LnccPlaneSums.h"
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
// Kernels 2 and 4: a thread walks along z through a segment of a column. Sums start anew in each segment, which bounds
// both the rounding error that sliding accumulates and the work of a block.
constexpr int ColumnThreads = 256;
constexpr int LongestSegment = 32;
constexpr int ShortestSegment = 8;

/** How kernels 2 and 4 cut a volume into columns. A function of the size alone, as the energy's order of summation. */
struct Columns
{
  int          segment;
  int          tilesPerPlane;
  std::int64_t tiles;

  explicit Columns(const Extent & extent)
    : segment(LongestSegment)
    , tilesPerPlane((extent.PlaneSize() + ColumnThreads - 1) / ColumnThreads)
  {
    // Small volumes in shorter pieces, so that they still reach every multiprocessor.
    constexpr std::int64_t enoughTiles = 1024;
    Count(extent);
    while (tiles < enoughTiles && segment > ShortestSegment)
    {
      segment /= 2;
      Count(extent);
    }
  }

  dim3
  Grid() const
  {
    return dim3(static_cast<unsigned int>(std::min<std::int64_t>(tiles, ReductionBlocks)));
  }

private:
  void
  Count(const Extent & extent)
  {
    tiles = static_cast<std::int64_t>(tilesPerPlane) * ((extent.nz + segment - 1) / segment);
  }
};

/** Calls function(inPlane, firstZ, endZ) for the column segments of this thread. */
template <typename TFunction>
__device__ __forceinline__ void
ForEachColumn(const Columns & columns, const Extent & extent, const TFunction & function)
{
  for (std::int64_t tile = blockIdx.x; tile < columns.tiles; tile += gridDim.x)
  {
    const int segment = static_cast<int>(tile / columns.tilesPerPlane);
    const int tileInPlane = static_cast<int>(tile - static_cast<std::int64_t>(segment) * columns.tilesPerPlane);
    const int inPlane = tileInPlane * ColumnThreads + static_cast<int>(threadIdx.x);
    if (inPlane < extent.PlaneSize())
    {
      const int begin = segment * columns.segment;
      function(inPlane, begin, min(begin + columns.segment, extent.nz));
    }
  }
}

/** Adds (sign 1) or subtracts (sign -1) one plane's values of all quantities. */
template <int quantities, int sign>
__device__ __forceinline__ void
Slide(float (&sum)[quantities], const float * __restrict__ values, std::int64_t voxels)
{
  float value[quantities];
#pragma unroll
  for (int q = 0; q < quantities; ++q)
  {
    value[q] = values[q * voxels];
  }
#pragma unroll
  for (int q = 0; q < quantities; ++q)
  {
    sum[q] = sign > 0 ? sum[q] + value[q] : sum[q] - value[q];
  }
}

/** How a window knows what part of it counts. */
enum class Counting
{
  ByPosition, ///< the part inside the image
  Counted,    ///< the sixth moment is the weight of what counts
  CountedOut  ///< the sixth moment is the weight of what does not, for padding
};

/** What the moments of a window are divided by. */
struct WindowWeight
{
  int   radius[3];
  float whole;         ///< weight of a window inside the image, for zero padding
  float varianceFloor;
  float fixedShift;
  float movingShift;
};

/** Kernel 2: sums along z, correlation, coefficients. Centres that do not count give zeros. */
template <Counting counting, bool padded, bool both>
__global__ void
__launch_bounds__(ColumnThreads, both ? 4 : 6) EvaluateWindowsKernel(const float * __restrict__ planeSums,
                                                       const unsigned char * __restrict__ valid,
                                                       const Extent                         extent,
                                                       const __grid_constant__ Columns      columns,
                                                       const __grid_constant__ WindowWeight weight,
                                                       int                                  radiusZ,
                                                       const __grid_constant__ Coefficients coefficients,
                                                       double * __restrict__ partials)
{
  constexpr bool     counted = counting != Counting::ByPosition;
  constexpr int      moments = NumberOfMoments(counted);
  const std::int64_t voxels = extent.NumberOfVoxels();
  const std::int64_t planeSize = extent.PlaneSize();
  double             energy = 0.0;
  double             count = 0.0;
  ForEachColumn(columns, extent, [&](int inPlane, int begin, int end) {
    const float         countInPlane = static_cast<float>(WindowCount(inPlane % extent.nx, extent.nx, weight.radius[0])) *
                               static_cast<float>(WindowCount(inPlane / extent.nx, extent.ny, weight.radius[1]));
    const float * const column = planeSums + inPlane;
    float               sum[moments] = {};
    for (int z = max(begin - radiusZ, 0); z < min(begin + radiusZ, extent.nz); ++z)
    {
      Slide<moments, 1>(sum, column + z * planeSize, voxels);
    }
    for (int z = begin; z < end; ++z)
    {
      if (z + radiusZ < extent.nz)
      {
        Slide<moments, 1>(sum, column + (z + radiusZ) * planeSize, voxels);
      }
      const std::int64_t offset = z * planeSize + inPlane;
      LnccWindow         window{ 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f };
      if (!counted || !valid || valid[offset] != 0)
      {
        const float windowCount =
          counted ? sum[moments - 1]
                  : countInPlane * static_cast<float>(WindowCount(z, extent.nz, weight.radius[2]));
        const float inverse = 1.0f / (padded ? weight.whole : windowCount);
        LnccMoments window5 =
          TakeLnccMoments(sum[MomentF], sum[MomentM], sum[MomentFF], sum[MomentMM], sum[MomentFM], inverse);
        if (padded)
        {
          const float padding = counting == Counting::CountedOut ? windowCount : weight.whole - windowCount;
          AddLnccPadding(window5, padding * inverse, weight.fixedShift, weight.movingShift);
        }
        window = EvaluateLnccWindow(window5, inverse, weight.varianceFloor);
        energy += window.correlation;
        count += 1.0;
      }
      if (coefficients.a)
      {
        coefficients.a[offset] = window.a;
        coefficients.b[offset] = window.b;
        coefficients.c[offset] = window.c;
        if (both)
        {
          coefficients.fixedB[offset] = window.fixedB;
          coefficients.fixedA[offset] = window.fixedA;
        }
      }
      if (z - radiusZ >= 0)
      {
        Slide<moments, -1>(sum, column + (z - radiusZ) * planeSize, voxels);
      }
    }
  });
  StoreBlockResult<Join::Sum, Join::Sum>(energy, count, partials);
}

enum class Derivative
{
  Intensity,
  Displacement,
  AddToDisplacement
};

/** Kernel 4: sums of the coefficients along z, gradient to the image that `images` calls warped: for the fixed one the
 * two change places. The planes of A, B and C are `stride` apart. Reads the workspace and the images, not the
 * coefficients. `scale` is minus the component's share. */
template <Derivative derivative>
__global__ void
__launch_bounds__(ColumnThreads) FinishGradientKernel(const float * __restrict__ planeSums,
                                                      std::int64_t                      stride,
                                                      const __grid_constant__ Images    images,
                                                      const Extent                      extent,
                                                      const __grid_constant__ Columns   columns,
                                                      int                               radiusZ,
                                                      float                             scale,
                                                      const __grid_constant__ ChainRule chain,
                                                      float * __restrict__ gradient)
{
  const std::int64_t planeSize = extent.PlaneSize();
  ForEachColumn(columns, extent, [&](int inPlane, int begin, int end) {
    const int           x = inPlane % extent.nx;
    const int           y = inPlane / extent.nx;
    const float * const column = planeSums + inPlane;
    float               sum[3] = {};
    for (int z = max(begin - radiusZ, 0); z < min(begin + radiusZ, extent.nz); ++z)
    {
      Slide<3, 1>(sum, column + z * planeSize, stride);
    }
    for (int z = begin; z < end; ++z)
    {
      if (z + radiusZ < extent.nz)
      {
        Slide<3, 1>(sum, column + (z + radiusZ) * planeSize, stride);
      }
      const std::int64_t offset = z * planeSize + inPlane;
      float              slope = 0.0f;
      if (!images.valid || images.valid[offset] != 0)
      {
        const float f = images.fixed[offset] - images.fixedShift;
        const float m = images.warped[offset] - images.movingShift;
        slope = scale * (sum[0] + 2.0f * m * sum[1] + f * sum[2]);
      }
      if (derivative == Derivative::Intensity)
      {
        gradient[offset] = slope;
      }
      else
      {
        const std::int64_t voxels = extent.NumberOfVoxels();
        float              g[3];
        chain.Apply(slope, x, y, z, offset, g);
#pragma unroll
        for (int d = 0; d < 3; ++d)
        {
          float & target = gradient[offset + d * voxels];
          target = derivative == Derivative::AddToDisplacement ? target + g[d] : g[d];
        }
      }
      if (z - radiusZ >= 0)
      {
        Slide<3, -1>(sum, column + (z - radiusZ) * planeSize, stride);
      }
    }
  });
}

/** Gaussian windows: the moments of every voxel, which GaussianSmooth then sums. */
__global__ void
__launch_bounds__(VoxelThreads)
  ProductsKernel(const Images images, const Extent extent, bool countOut, float * __restrict__ output)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int, int, int, std::int64_t offset) {
    const bool  included = !images.valid || images.valid[offset] != 0;
    const float f = included ? images.fixed[offset] - images.fixedShift : 0.0f;
    const float m = included ? images.warped[offset] - images.movingShift : 0.0f;
    output[offset + MomentF * voxels] = f;
    output[offset + MomentM * voxels] = m;
    output[offset + MomentFF * voxels] = f * f;
    output[offset + MomentMM * voxels] = m * m;
    output[offset + MomentFM * voxels] = f * m;
    output[offset + MomentCount * voxels] = included != countOut ? 1.0f : 0.0f;
  });
}

/** Weight of a Gaussian window that is more than `distance` voxels from its centre, to one side. */
struct Tails
{
  int   radius[3];
  float tail[3][SymmetricKernel::MaximumRadius];

  explicit Tails(const SymmetricKernel (&kernels)[3])
  {
    for (int axis = 0; axis < 3; ++axis)
    {
      radius[axis] = kernels[axis].radius;
      float sum = 0.0f;
      for (int k = radius[axis]; k > 0; --k)
      {
        sum += kernels[axis].weight[k];
        tail[axis][k - 1] = sum;
      }
    }
  }

  __device__ __forceinline__ float
  Missing(int axis, int i, int size) const
  {
    const int after = size - 1 - i;
    return (i < radius[axis] ? tail[axis][i] : 0.0f) + (after < radius[axis] ? tail[axis][after] : 0.0f);
  }
};

/** Adds the part of each window outside the image. It is summed and not taken from 1: inside it has to be 0. */
__global__ void
__launch_bounds__(VoxelThreads)
  AddMissingKernel(const __grid_constant__ Tails tails, const Extent extent, float * __restrict__ countedOut)
{
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    const float missing[3] = { tails.Missing(0, x, extent.nx),
                               tails.Missing(1, y, extent.ny),
                               tails.Missing(2, z, extent.nz) };
    const float inPlane = missing[0] + missing[1] - missing[0] * missing[1];
    countedOut[offset] += inPlane + missing[2] - inPlane * missing[2];
  });
}

/** Several components: their energies are averaged one by one. */
__global__ void
AddEnergyKernel(const double * component, double scale, bool first, double * energy)
{
  energy[0] = (first ? 0.0 : energy[0]) + scale * component[0];
  energy[1] = component[1];
}

using EvaluateWindowsFunction = decltype(&EvaluateWindowsKernel<Counting::ByPosition, false, false>);

template <Counting counting>
EvaluateWindowsFunction
ChooseEvaluation(bool padded, bool both)
{
  if (padded)
  {
    return both ? EvaluateWindowsKernel<counting, true, true> : EvaluateWindowsKernel<counting, true, false>;
  }
  return both ? EvaluateWindowsKernel<counting, false, true> : EvaluateWindowsKernel<counting, false, false>;
}

/** One component of a call. */
struct Component
{
  Images       images;
  Coefficients coefficients;
  float        scale;
  bool         first;
  double *     energy;
};

/** From coefficients or their sums to the gradient of one image. */
void
FinishGradient(const Device &       device,
               cudaStream_t         stream,
               const Component &    component,
               const Extent &       extent,
               int                  radiusZ,
               const float *        planeSums,
               bool                 toFixed,
               const MetricInputs * chain,
               float *              gradient)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  Images             images = component.images;
  if (toFixed)
  {
    std::swap(images.fixed, images.warped);
    std::swap(images.fixedShift, images.movingShift);
  }
  const Columns columns(extent);
  const auto    finish = !chain ? FinishGradientKernel<Derivative::Intensity>
                                : (component.first ? FinishGradientKernel<Derivative::Displacement>
                                                   : FinishGradientKernel<Derivative::AddToDisplacement>);
  finish<<<columns.Grid(), ColumnThreads, 0, stream>>>(
    toFixed ? planeSums + (NumberOfCoefficientsForBoth - 1) * voxels : planeSums,
    toFixed ? -voxels : voxels,
    images,
    extent,
    columns,
    radiusZ,
    -component.scale,
    chain ? ChainRule(*chain) : ChainRule(),
    gradient);
  CheckLaunch(device, "Lncc: finish gradient");
}
} // namespace

// Workspace, in planes of one float per voxel. Box windows: 0-5 box sums of the moments, of which 0-4 take those of the
// coefficients later; 6-10 the coefficients that find no room in the gradients' memory. A spare plane for large windows
// is 6 while there are no coefficients yet, and 5 when the moments are no longer needed.
// Gaussian windows: 0-5 moments, then the smoothed coefficients; 6-11 scratch of the smoothing, then the coefficients.
namespace
{
std::int64_t
Planes(const LnccParameters & parameters, int components, bool bothGradients)
{
  if (parameters.weights == LnccWeights::Gaussian)
  {
    return 12;
  }
  return components > 1 ? (bothGradients ? 11 : 9) : (bothGradients ? 9 : 8);
}
} // namespace

std::int64_t
LnccWorkspace(const LnccParameters & parameters, const Lattice & lattice, int components, bool bothGradients)
{
  // several components: two doubles at the end, at an even place
  return Planes(parameters, components, bothGradients) * lattice.NumberOfVoxels() + (components > 1 ? 5 : 0);
}

void
Lncc(const Device &         device,
     const LnccParameters & parameters,
     const ConstField &     fixed,
     const ConstField &     warped,
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
  const Extent       extent(lattice);
  const std::int64_t voxels = extent.NumberOfVoxels();
  const Columns      columns(extent);
  const bool         gaussian = parameters.weights == LnccWeights::Gaussian;
  const bool         padded = parameters.boundary == LnccBoundary::ZeroPadding;
  const bool         both = static_cast<bool>(gradients.fixed);
  const int          components = fixed.components;

  WindowWeight weight{ {}, 1.0f, parameters.varianceFloor, parameters.fixedShift, parameters.movingShift };
  int          radius[3] = { 0, 0, 0 };
  for (int axis = 0; axis < 3 && !gaussian; ++axis)
  {
    const int size = lattice.own.size[axis];
    weight.whole *= size > 1 ? 2.0f * static_cast<float>(parameters.radius[axis]) + 1.0f : 1.0f;
    // A window that covers an axis does not change when it grows.
    radius[axis] = weight.radius[axis] = std::min(parameters.radius[axis], size - 1);
  }
  SymmetricKernel kernels[3];
  if (gaussian)
  {
    MakeLnccKernels(parameters, lattice, kernels);
  }
  const auto evaluate = !gaussian ? (valid ? ChooseEvaluation<Counting::Counted>(padded, both)
                                           : ChooseEvaluation<Counting::ByPosition>(padded, both))
                                  : (padded ? ChooseEvaluation<Counting::CountedOut>(padded, both)
                                            : ChooseEvaluation<Counting::Counted>(padded, both));

  for (int c = 0; c < components; ++c)
  {
    Component component;
    component.images = Images{
      fixed.Component(c), warped.Component(c), valid.data, parameters.fixedShift, parameters.movingShift
    };
    component.scale = 1.0f / static_cast<float>(components);
    component.first = c == 0;
    component.energy = components == 1
                         ? energy
                         : reinterpret_cast<double *>(workspace + (Planes(parameters, components, both) * voxels + 1) / 2 * 2);
    component.coefficients = Coefficients{};
    if (gradients.moving)
    {
      Coefficients & planes = component.coefficients;
      float *        next = workspace + 6 * voxels;
      const auto     take = [&] {
        float * const plane = next;
        next += voxels;
        return plane;
      };
      // A single component's gradients are written last and have room until then; Gaussian sums want neighbours.
      const auto room = [&](const Field & gradient, const MetricInputs * chain, int plane) -> float * {
        const bool alone = components == 1 || !chain;
        const bool has = !gaussian && gradient && alone && (plane == 0 || chain);
        return has ? gradient.Component(chain ? plane : c) : take();
      };
      planes.a = room(gradients.moving, gradients.movingChain, 0);
      planes.b = room(gradients.moving, gradients.movingChain, 1);
      planes.c = room(gradients.moving, gradients.movingChain, 2);
      if (both)
      {
        planes.fixedB = room(gradients.fixed, gradients.fixedChain, 1);
        planes.fixedA = room(gradients.fixed, gradients.fixedChain, 0);
      }
    }
    const Field sums(workspace, lattice, 6);
    const Field others(workspace + 6 * voxels, lattice, 6);

    if (gaussian)
    {
      ProductsKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(component.images, extent, padded, others.data);
      CheckLaunch(device, "Lncc: products");
      cuda::GaussianSmooth(device, kernels, SmoothBoundary::Zero, others, sums, others);
      if (padded)
      {
        AddMissingKernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(
          Tails(kernels), extent, sums.Component(MomentCount));
        CheckLaunch(device, "Lncc: padding");
      }
    }
    else
    {
      SumProductsInPlane(device, stream, component.images, extent, radius, sums.data, others.data);
    }

    evaluate<<<columns.Grid(), ColumnThreads, 0, stream>>>(sums.data,
                                                           valid.data,
                                                           extent,
                                                           columns,
                                                           weight,
                                                           radius[2],
                                                           component.coefficients,
                                                           Partials(device));
    CheckLaunch(device, "Lncc: evaluate windows");
    FinishReduction<Join::Sum, Join::Sum>(device, stream, columns.Grid(), component.energy);
    if (components > 1)
    {
      AddEnergyKernel<<<1, 1, 0, stream>>>(component.energy, 1.0 / components, component.first, energy);
      CheckLaunch(device, "Lncc: add energy");
    }
    if (!gradients.moving)
    {
      continue;
    }

    if (gaussian)
    {
      const int   quantities = both ? NumberOfCoefficientsForBoth : NumberOfCoefficients;
      const Field coefficients(others.data, lattice, quantities);
      cuda::GaussianSmooth(
        device, kernels, SmoothBoundary::Zero, coefficients, Field(sums.data, lattice, quantities), coefficients);
    }
    else
    {
      SumInPlane(device, stream, component.coefficients, extent, radius, sums.data, sums.Component(5));
    }
    for (const bool toFixed : { false, true })
    {
      const Field &        gradient = toFixed ? gradients.fixed : gradients.moving;
      const MetricInputs * chain = toFixed ? gradients.fixedChain : gradients.movingChain;
      if (!gradient)
      {
        continue;
      }
      const MetricInputs inputs = chain ? ComponentOf(*chain, c, lattice) : MetricInputs();
      FinishGradient(device,
                     stream,
                     component,
                     extent,
                     radius[2],
                     sums.data,
                     toFixed,
                     chain ? &inputs : nullptr,
                     chain ? gradient.data : gradient.Component(c));
    }
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
