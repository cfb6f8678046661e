// SPDX-License-Identifier: Apache-2.0
// Per voxel and iteration: 36 bytes (v in, u in once through the caches, v - s e out), about 120 flops, 24 gathered corners as
// in Compose.cu. A warp with clipped voxels reads its field of before in place of v, gathers twice and writes 12 bytes more.
// At the end 24 bytes if the result lies in the workspace, which is after every other iteration. Storing e instead would
// take 60 bytes per iteration and nothing at the end. With the joining of the blocks' norms two launches per
// iteration; those after the last one return at once. ZeroBoundary writes the faces alone.
#include "../Operators/Invert.h"

#include "Reduce.h"
#include "Sample.h"

#include <cstddef>

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
/** Launched before the host looks where the inversion stands. A look leaves the GPU without work for about as long as some
 * launches that return at once take; registrations need two or three iterations. */
constexpr int IterationsPerRead = 4;

/** What is kept from launch to launch, in the device's scratch memory behind the partial results of reductions. */
struct InvertScratch
{
  InvertState state;
  float       largest[ReductionBlocks * VoxelBlockY]; ///< |e| of each warp in the last residual
};
constexpr std::size_t InvertScratchOffset = ReductionBlocks * 2 * sizeof(double);
static_assert(InvertScratchOffset + sizeof(InvertScratch) <= Device::ScratchBytes, "exceeds the scratch memory");

struct InvertArguments
{
  FieldComponents<const float> displacement;
  FieldComponents<float>       fields[2]; ///< the result of iteration n goes to fields[n % 2]
  InvertScratch *              scratch;
  Matrix3                      toIndex;
  int                          size[3]; ///< of the displacement
  int                          zeroAxes;
  bool                         isVoxelUnit;
  bool                         clamp;
  bool                         stepAfterTolerance;
};

__device__ __forceinline__ bool
IsOnBoundary(const Extent & extent, int axes, int x, int y, int z)
{
  return (axes > 0 && (x == 0 || x == extent.nx - 1)) || (axes > 1 && (y == 0 || y == extent.ny - 1)) ||
         (axes > 2 && (z == 0 || z == extent.nz - 1));
}

/** e = v + u(x + v), and its norm. */
template <typename TOffset>
__device__ __forceinline__ float
Residual(const InvertArguments & arguments, int x, int y, int z, const Vector3 & v, Vector3 & e)
{
  e = v;
  float d[3] = { v.v[0], v.v[1], v.v[2] };
  if (!arguments.isVoxelUnit)
  {
    arguments.toIndex.Multiply(v.v, d);
  }
  const AxisPosition p[3] = { LocateOnAxis(x, d[0]), LocateOnAxis(y, d[1]), LocateOnAxis(z, d[2]) };
  if (arguments.clamp || IsInside(p, arguments.size))
  {
    const LinearCell<TOffset> cell(p, arguments.size);
    float                     corners[3][8];
#pragma unroll
    for (int c = 0; c < 3; ++c)
    {
      cell.Load(arguments.displacement.component[c], corners[c]);
    }
#pragma unroll
    for (int c = 0; c < 3; ++c)
    {
      e.v[c] += cell.Value(corners[c]);
    }
  }
  return sqrtf(e.v[0] * e.v[0] + e.v[1] * e.v[1] + e.v[2] * e.v[2]);
}

/** target = v - scale e, 0 on the boundary. */
template <typename TOffset>
__device__ __forceinline__ void
StoreStep(const FieldComponents<float> & target,
          TOffset                        offset,
          bool                           isOnBoundary,
          float                          scale,
          const Vector3 &                e,
          Vector3 &                      v)
{
#pragma unroll
  for (int c = 0; c < 3; ++c)
  {
    v.v[c] = isOnBoundary ? 0.0f : v.v[c] - scale * e.v[c];
    target.component[c][offset] = v.v[c];
  }
}

/** Where this warp keeps its largest |e|. The launches of an inversion share their grid. */
__device__ __forceinline__ float &
LargestOfWarp(const InvertArguments & arguments)
{
  return arguments.scratch->largest[(blockIdx.x + gridDim.x * blockIdx.y) * VoxelBlockY + threadIdx.y];
}

/** The bound of |e| in the step after a residual. */
__device__ __forceinline__ float
StepLimit(const InvertArguments & arguments, int residual)
{
  return InvertStepLength(residual) * static_cast<float>(arguments.scratch->state.norms[1]);
}

/** The residual of this number, of what is in `current` after clipping it, and the step after it, not clipped, to `next`,
 * which holds the field before. */
template <typename TOffset>
__global__ void
__launch_bounds__(VoxelThreads, 4) InvertStepKernel(const __grid_constant__ InvertArguments arguments,
                                                    const Extent                            extent,
                                                    const int                               residual,
                                                    double * __restrict__ partials)
{
  if (residual > 0 && arguments.scratch->state.isFinished)
  {
    return;
  }
  const FieldComponents<float> & current = arguments.fields[residual % 2];
  const FieldComponents<float> & next = arguments.fields[(residual + 1) % 2];
  const float                    step = InvertStepLength(residual);
  const float                    stepBefore = InvertStepLength(residual - 1);
  const float                    limit = residual > 0 ? StepLimit(arguments, residual - 1) : 0.0f;
  const bool                     isClipped = residual > 0 && LargestOfWarp(arguments) > limit;
  const FieldComponents<float> & source = isClipped ? next : current;

  double     sum = 0.0;
  float      maximum = 0.0f;
  const auto load = [&](TOffset offset) { return LoadVector(source, offset); };
  ForEachVoxelAhead<TOffset>(extent, load, [&](int x, int y, int z, TOffset offset, const Vector3 & from) {
    const bool isOnBoundary = IsOnBoundary(extent, arguments.zeroAxes, x, y, z);
    Vector3    v = from;
    Vector3    e;
    float      norm = Residual<TOffset>(arguments, x, y, z, v, e);
    if (isClipped)
    {
      StoreStep(current, offset, isOnBoundary, InvertStepScale(stepBefore, norm, limit), e, v);
      norm = Residual<TOffset>(arguments, x, y, z, v, e);
    }
    sum += norm;
    maximum = norm > maximum ? norm : maximum;
    StoreStep(next, offset, isOnBoundary, step, e, v);
  });
  float largest = maximum;
  for (int distance = 16; distance > 0; distance >>= 1)
  {
    const float other = __shfl_down_sync(0xffffffffu, largest, distance);
    largest = other > largest ? other : largest;
  }
  if (threadIdx.x == 0)
  {
    LargestOfWarp(arguments) = largest;
  }
  StoreBlockResult<Join::Sum, Join::Maximum>(sum, maximum, partials);
}

__global__ void
__launch_bounds__(FinishThreads)
  JoinResidualsKernel(const double * partials, int blocks, InvertStopping stopping, int residual, InvertState * state)
{
  if (residual > 0 && state->isFinished)
  {
    return;
  }
  FinishBlockResults<Join::Sum, Join::Maximum>(partials, blocks, state->norms);
  if (threadIdx.x == 0)
  {
    state->residual = residual;
    state->isFinished = stopping.IsReached(*state);
  }
}

/** Brings the result to fields[0], once the inversion is finished: with stepAfterTolerance what follows from the last
 * residual, else what it is the residual of. */
template <typename TOffset>
__global__ void
__launch_bounds__(VoxelThreads, 4)
  FinishInvertKernel(const __grid_constant__ InvertArguments arguments, const Extent extent)
{
  const InvertState & state = arguments.scratch->state;
  if (!state.isFinished)
  {
    return;
  }
  const int                      residual = state.residual;
  const float                    limit = StepLimit(arguments, residual);
  const bool                     isClipped = arguments.stepAfterTolerance && LargestOfWarp(arguments) > limit;
  const int                      last = (residual + (arguments.stepAfterTolerance ? 1 : 0)) % 2;
  const FieldComponents<float> & source = arguments.fields[isClipped ? residual % 2 : last];
  const FieldComponents<float> & result = arguments.fields[0];
  if (!isClipped && last == 0)
  {
    return;
  }
  const auto load = [&](TOffset offset) { return LoadVector(source, offset); };
  ForEachVoxelAhead<TOffset>(extent, load, [&](int x, int y, int z, TOffset offset, const Vector3 & from) {
    Vector3 v = from;
    Vector3 e = { { 0.0f, 0.0f, 0.0f } };
    float   scale = 0.0f;
    if (isClipped)
    {
      scale = InvertStepScale(
        InvertStepLength(residual), Residual<TOffset>(arguments, x, y, z, v, e), limit);
    }
    StoreStep(result, offset, isClipped && IsOnBoundary(extent, arguments.zeroAxes, x, y, z), scale, e, v);
  });
}

/** One thread per voxel of the faces, both of the first axis before those of the next. */
__global__ void
__launch_bounds__(StreamThreads) ZeroBoundaryKernel(Extent extent, int axes, int components, float * __restrict__ values)
{
  const std::int64_t voxels = extent.NumberOfVoxels();
  const int          size[3] = { extent.nx, extent.ny, extent.nz };
  std::int64_t       number = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x;
  for (int axis = 0; axis < axes; ++axis)
  {
    const std::int64_t face = voxels / size[axis];
    if (number < 2 * face)
    {
      const int          first = axis == 0 ? 1 : 0;
      const int          second = axis == 2 ? 1 : 2;
      const std::int64_t inFace = number < face ? number : number - face;
      std::int64_t       place[3];
      place[axis] = number < face ? 0 : size[axis] - 1;
      place[first] = inFace % size[first];
      place[second] = inFace / size[first];
      float * const value = values + (place[2] * extent.ny + place[1]) * extent.nx + place[0];
      for (int c = 0; c < components; ++c)
      {
        value[c * voxels] = 0.0f;
      }
      return;
    }
    number -= 2 * face;
  }
}

template <typename TOffset>
InvertState
InvertWithOffset(const Device &         device,
                 const InvertStopping & stopping,
                 const InvertArguments & arguments,
                 const Extent &         extent)
{
  const cudaStream_t stream = Enter(device);
  const dim3         grid = VoxelGrid(extent, ReductionBlocks);
  InvertState        state;
  for (int residual = 0; !state.isFinished; ++residual)
  {
    InvertStepKernel<TOffset><<<grid, VoxelBlock(), 0, stream>>>(arguments, extent, residual, Partials(device));
    CheckLaunch(device, "InvertStep");
    JoinResidualsKernel<<<1, FinishThreads, 0, stream>>>(
      Partials(device), static_cast<int>(grid.x * grid.y), stopping, residual, &arguments.scratch->state);
    CheckLaunch(device, "JoinResiduals");
    if ((residual + 1) % IterationsPerRead == 0 || residual == stopping.lastResidual)
    {
      FinishInvertKernel<TOffset><<<grid, VoxelBlock(), 0, stream>>>(arguments, extent);
      CheckLaunch(device, "FinishInvert");
      device.CopyToHost(&state, &arguments.scratch->state, sizeof(state));
    }
  }
  return state;
}
} // namespace

InvertState
Invert(const Device &           device,
       const InvertParameters & parameters,
       const InvertStopping &   stopping,
       const ConstField &       displacement,
       const Field &            inverse,
       const Field &            workspace)
{
  InvertArguments arguments{};
  arguments.displacement = FieldComponents<const float>(displacement);
  arguments.fields[0] = FieldComponents<float>(inverse);
  arguments.fields[1] = FieldComponents<float>(workspace);
  arguments.scratch =
    reinterpret_cast<InvertScratch *>(static_cast<std::byte *>(device.Scratch()) + InvertScratchOffset);
  arguments.toIndex = parameters.toIndex;
  std::copy(displacement.lattice.own.size, displacement.lattice.own.size + 3, arguments.size);
  arguments.zeroAxes = parameters.zeroBoundaryAxes;
  arguments.isVoxelUnit = parameters.toIndex.IsIdentity();
  arguments.clamp = parameters.outside == Outside::Clamp;
  arguments.stepAfterTolerance = parameters.stepAfterTolerance;
  const Extent extent(inverse.lattice);
  const bool   isSmall = IsSmall(displacement.lattice) && IsSmall(inverse.lattice);
  return isSmall ? InvertWithOffset<int>(device, stopping, arguments, extent)
                 : InvertWithOffset<std::int64_t>(device, stopping, arguments, extent);
}

void
ZeroBoundary(const Device & device, int axes, const Field & field)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(field.lattice);
  std::int64_t       faces = 0;
  for (int axis = 0; axis < axes; ++axis)
  {
    faces += 2 * extent.NumberOfVoxels() / field.lattice.own.size[axis];
  }
  if (faces > 0)
  {
    const auto blocks = static_cast<unsigned int>(DivideUp(faces, StreamThreads));
    ZeroBoundaryKernel<<<blocks, StreamThreads, 0, stream>>>(extent, axes, field.components, field.data);
    CheckLaunch(device, "ZeroBoundary");
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
