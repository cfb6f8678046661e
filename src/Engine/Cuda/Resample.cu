// SPDX-License-Identifier: Apache-2.0
// Floor per voxel of a scalar image, linear: 20 bytes (displacement in, image in once through the caches, output out),
// 12 more for the gradient, about 60 flops; the 8 gathers (cubic: 64) load the L1 cache more than the DRAM.
#include "../Operators/Resample.h"

#include "Launch.h"
#include "Sample.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
struct ResampleArguments
{
  SamplingMap           map;
  const float *         moving;
  std::int64_t          movingVoxels;
  int                   components;
  float *               output;   ///< null: not wanted
  FieldComponents<float>         gradient; ///< null: not wanted
  const unsigned char * movingMask;
  unsigned char *       inside; ///< null: not wanted
  bool                  clamp;
  bool                  accumulate;
  float                 outsideValue;

  template <typename TOffset>
  __device__ __forceinline__ void
  Store(int component, TOffset offset, float value) const
  {
    float * const to = output + component * map.plane + offset;
    *to = accumulate ? *to + value : value;
  }
};

/** The four coefficients of one axis: indices, weights and the weights' derivatives. */
struct CubicAxis
{
  int   index[4];
  float weight[4];
  float slope[4];
};

/** Within the half-voxel rim the coefficients are mirrored; with `clamp` a position outside [0, size - 1] moves to the
 * edge and the value no longer depends on it. */
__device__ __forceinline__ CubicAxis
MakeCubicAxis(AxisPosition p, int size, bool clamp)
{
  CubicAxis  axis;
  const bool clamped = clamp && (p.cell < 0 || p.cell >= size - 1);
  if (clamped)
  {
    p.cell = ClampIndex(p.cell, size);
    p.fraction = 0.0f;
  }
  CubicBSplineWeights(p.fraction, axis.weight, axis.slope);
  for (int k = 0; k < 4; ++k)
  {
    axis.index[k] = MirrorIndex(p.cell - 1 + k, size);
    if (size == 1)
    {
      axis.weight[k] = k == 1 ? 1.0f : 0.0f;
    }
    if (clamped || size == 1)
    {
      axis.slope[k] = 0.0f;
    }
  }
  return axis;
}

/** Value and gradient of the spline; the gradient costs little beside the 64 loads. */
template <typename TOffset>
__device__ __forceinline__ float
CubicValue(const float * coefficients,
           const int (&size)[3],
           const CubicAxis & x,
           const CubicAxis & y,
           const CubicAxis & z,
           float (&gradient)[3])
{
  float value = 0.0f;
  gradient[0] = gradient[1] = gradient[2] = 0.0f;
#pragma unroll
  for (int k = 0; k < 4; ++k)
  {
    float planeValue = 0.0f;
    float planeX = 0.0f;
    float planeY = 0.0f;
#pragma unroll
    for (int j = 0; j < 4; ++j)
    {
      const TOffset row = (static_cast<TOffset>(z.index[k]) * size[1] + y.index[j]) * size[0];
      float         rowValue = 0.0f;
      float         rowX = 0.0f;
#pragma unroll
      for (int i = 0; i < 4; ++i)
      {
        const float c = coefficients[row + x.index[i]];
        rowValue += x.weight[i] * c;
        rowX += x.slope[i] * c;
      }
      planeValue += y.weight[j] * rowValue;
      planeX += y.weight[j] * rowX;
      planeY += y.slope[j] * rowValue;
    }
    value += z.weight[k] * planeValue;
    gradient[0] += z.weight[k] * planeX;
    gradient[1] += z.weight[k] * planeY;
    gradient[2] += z.slope[k] * planeValue;
  }
  return value;
}

template <typename TOffset>
__device__ __forceinline__ TOffset
NearestOffset(const AxisPosition (&p)[3], const int (&size)[3])
{
  int index[3];
  for (int d = 0; d < 3; ++d)
  {
    index[d] = ClampIndex(p[d].cell + (p[d].fraction >= 0.5f ? 1 : 0), size[d]);
  }
  return (static_cast<TOffset>(index[2]) * size[1] + index[1]) * size[0] + index[0];
}

/** What is sampled. */
enum class Content
{
  Scalar,
  ScalarAndGradient,
  Components
};

/** One component at one position. */
template <typename TOffset, Interpolation interpolation>
struct Sampler;

template <typename TOffset>
struct Sampler<TOffset, Interpolation::Nearest>
{
  TOffset nearest;

  __device__ __forceinline__
  Sampler(const AxisPosition (&p)[3], const int (&size)[3], bool)
    : nearest(NearestOffset<TOffset>(p, size))
  {}

  template <bool withGradient>
  __device__ __forceinline__ float
  Sample(const float * volume, float (&)[3]) const
  {
    return __ldg(volume + nearest);
  }
};

template <typename TOffset>
struct Sampler<TOffset, Interpolation::Linear>
{
  LinearCell<TOffset> cell;

  __device__ __forceinline__
  Sampler(const AxisPosition (&p)[3], const int (&size)[3], bool)
    : cell(p, size)
  {}

  template <bool withGradient>
  __device__ __forceinline__ float
  Sample(const float * volume, float (&gradient)[3]) const
  {
    float corners[8];
    cell.Load(volume, corners);
    if (withGradient)
    {
      cell.Gradient(corners, gradient);
    }
    return cell.Value(corners);
  }
};

template <typename TOffset>
struct Sampler<TOffset, Interpolation::CubicBSpline>
{
  const int (&size)[3];
  CubicAxis x;
  CubicAxis y;
  CubicAxis z;

  __device__ __forceinline__
  Sampler(const AxisPosition (&p)[3], const int (&sampledSize)[3], bool clamp)
    : size(sampledSize)
    , x(MakeCubicAxis(p[0], size[0], clamp))
    , y(MakeCubicAxis(p[1], size[1], clamp))
    , z(MakeCubicAxis(p[2], size[2], clamp))
  {}

  template <bool withGradient>
  __device__ __forceinline__ float
  Sample(const float * volume, float (&gradient)[3]) const
  {
    return CubicValue<TOffset>(volume, size, x, y, z, gradient);
  }
};

template <typename TOffset, Interpolation interpolation, Content content>
__global__ void
__launch_bounds__(VoxelThreads, interpolation == Interpolation::CubicBSpline ? 2 : 4)
  ResampleKernel(const __grid_constant__ ResampleArguments arguments, const Extent extent)
{
  const SamplingMap & map = arguments.map;
  const auto          load = [&](TOffset offset) { return LoadVectorIfAny(map.field, offset); };
  ForEachVoxelAhead<TOffset>(extent, load, [&](int x, int y, int z, TOffset offset, const Vector3 & u) {
    AxisPosition p[3];
    map.Locate(x, y, z, u, p);
    bool use = true;
    if (arguments.inside || !arguments.clamp)
    {
      const bool inside = map.IsInside(p);
      use = inside || arguments.clamp;
      if (arguments.inside)
      {
        const bool counts =
          inside && (!arguments.movingMask || arguments.movingMask[NearestOffset<TOffset>(p, map.size)] != 0);
        arguments.inside[offset] = counts ? 1 : 0;
      }
    }
    float gradient[3] = { 0.0f, 0.0f, 0.0f };
    if constexpr (content == Content::Components)
    {
      const Sampler<TOffset, interpolation> sampler(p, map.size, arguments.clamp);
#pragma unroll 1
      for (int c = 0; arguments.output && c < arguments.components; ++c)
      {
        arguments.Store(c,
                        offset,
                        use ? sampler.template Sample<false>(arguments.moving + c * arguments.movingVoxels, gradient)
                            : arguments.outsideValue);
      }
    }
    else
    {
      constexpr bool withGradient = content == Content::ScalarAndGradient;
      float          value = arguments.outsideValue;
      if (use && (withGradient || arguments.output))
      {
        const Sampler<TOffset, interpolation> sampler(p, map.size, arguments.clamp);
        value = sampler.template Sample<withGradient>(arguments.moving, gradient);
      }
      if (arguments.output)
      {
        arguments.Store(0, offset, value);
      }
      if (withGradient)
      {
#pragma unroll
        for (int d = 0; d < 3; ++d)
        {
          arguments.gradient.component[d][offset] = gradient[d];
        }
      }
    }
  });
}

using ResampleFunction = decltype(&ResampleKernel<int, Interpolation::Linear, Content::Scalar>);

template <typename TOffset, Interpolation interpolation>
ResampleFunction
ChooseContent(Content content)
{
  // Before a loop over components the compiler would keep the cubic's 64 offsets, and spill them.
  using TLoopOffset = std::conditional_t<interpolation == Interpolation::CubicBSpline, std::int64_t, TOffset>;
  if (content == Content::Scalar)
  {
    return ResampleKernel<TOffset, interpolation, Content::Scalar>;
  }
  return content == Content::Components ? ResampleKernel<TLoopOffset, interpolation, Content::Components>
                                        : ResampleKernel<TOffset, interpolation, Content::ScalarAndGradient>;
}

ResampleFunction
ChooseKernel(Interpolation interpolation, Content content, bool isSmall)
{
  if (interpolation == Interpolation::Linear)
  {
    return isSmall ? ChooseContent<int, Interpolation::Linear>(content)
                   : ChooseContent<std::int64_t, Interpolation::Linear>(content);
  }
  if (interpolation == Interpolation::Nearest)
  {
    return isSmall ? ChooseContent<int, Interpolation::Nearest>(content)
                   : ChooseContent<std::int64_t, Interpolation::Nearest>(content);
  }
  return isSmall ? ChooseContent<int, Interpolation::CubicBSpline>(content)
                 : ChooseContent<std::int64_t, Interpolation::CubicBSpline>(content);
}

/** Four bytes of a word at once; bytes become 0 or 1. */
__device__ __forceinline__ unsigned int
NonZeroBytes(unsigned int word)
{
  return __vsetgtu4(word, 0u);
}

__global__ void
__launch_bounds__(StreamThreads) IntersectMasksKernel(const unsigned char * __restrict__ mask,
                                                      unsigned char * __restrict__ valid,
                                                      std::int64_t count,
                                                      bool         inWords)
{
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  const std::int64_t words = inWords ? count / 4 : 0;
  for (std::int64_t i = thread; i < words; i += step)
  {
    unsigned int * const target = reinterpret_cast<unsigned int *>(valid) + i;
    *target = NonZeroBytes(*target) & NonZeroBytes(reinterpret_cast<const unsigned int *>(mask)[i]);
  }
  for (std::int64_t i = 4 * words + thread; i < count; i += step)
  {
    valid[i] = valid[i] != 0 && mask[i] != 0 ? 1 : 0;
  }
}
} // namespace

void
Resample(const Device &             device,
         const ResampleParameters & parameters,
         const ConstField &         moving,
         const ConstField &         displacement,
         const Field &              output,
         const Field &              gradient,
         const ConstMask &          movingMask,
         const Mask &               inside)
{
  const cudaStream_t stream = Enter(device);
  const Lattice &    domain = output ? output.lattice : (gradient ? gradient.lattice : inside.lattice);
  const Extent       extent(domain);
  ResampleArguments  arguments{};
  arguments.map = SamplingMap(parameters, displacement, domain.NumberOfVoxels(), moving.lattice);
  arguments.moving = moving.data;
  arguments.movingVoxels = moving.lattice.NumberOfVoxels();
  arguments.components = moving.components;
  arguments.output = output.data;
  arguments.gradient = FieldComponents<float>(gradient);
  arguments.movingMask = movingMask.data;
  arguments.inside = inside.data;
  arguments.clamp = parameters.outside == Outside::Clamp;
  arguments.accumulate = parameters.accumulate;
  arguments.outsideValue = parameters.outsideValue;
  const Content content =
    gradient ? Content::ScalarAndGradient : (moving.components == 1 ? Content::Scalar : Content::Components);
  const auto kernel = ChooseKernel(parameters.interpolation, content, arguments.map.isSmall);
  kernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(arguments, extent);
  CheckLaunch(device, "Resample");
}

void
IntersectMasks(const Device & device, const ConstMask & mask, const Mask & valid)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t count = valid.NumberOfValues();
  const bool         inWords =
    reinterpret_cast<std::uintptr_t>(mask.data) % 4 == 0 && reinterpret_cast<std::uintptr_t>(valid.data) % 4 == 0;
  IntersectMasksKernel<<<StreamGrid(inWords ? count / 4 : count), StreamThreads, 0, stream>>>(
    mask.data, valid.data, count, inWords);
  CheckLaunch(device, "IntersectMasks");
}
} // namespace cuda
} // namespace engine
} // namespace itk
