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
  float *               gradient; ///< null: not wanted
  const unsigned char * movingMask;
  unsigned char *       inside; ///< null: not wanted
  bool                  clamp;
  bool                  accumulate;
  float                 outsideValue;

  __device__ __forceinline__ void
  Store(std::int64_t at, float value) const
  {
    output[at] = accumulate ? output[at] + value : value;
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
      const float * row = coefficients + (static_cast<std::int64_t>(z.index[k]) * size[1] + y.index[j]) * size[0];
      float         rowValue = 0.0f;
      float         rowX = 0.0f;
#pragma unroll
      for (int i = 0; i < 4; ++i)
      {
        const float c = row[x.index[i]];
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

__device__ __forceinline__ std::int64_t
NearestOffset(const AxisPosition (&p)[3], const int (&size)[3])
{
  int index[3];
  for (int d = 0; d < 3; ++d)
  {
    index[d] = ClampIndex(p[d].cell + (p[d].fraction >= 0.5f ? 1 : 0), size[d]);
  }
  return (static_cast<std::int64_t>(index[2]) * size[1] + index[1]) * size[0] + index[0];
}

template <Interpolation interpolation>
__global__ void
__launch_bounds__(VoxelThreads)
  ResampleKernel(const __grid_constant__ ResampleArguments arguments, const Extent extent)
{
  const int(&size)[3] = arguments.map.size;
  const std::int64_t voxels = extent.NumberOfVoxels();
  ForEachVoxel(extent, [&](int x, int y, int z, std::int64_t offset) {
    AxisPosition p[3];
    arguments.map.Locate(x, y, z, offset, p);
    const bool inside = arguments.map.IsInside(p);
    const bool use = inside || arguments.clamp;
    if (arguments.inside)
    {
      const bool counts = inside && (!arguments.movingMask || arguments.movingMask[NearestOffset(p, size)] != 0);
      arguments.inside[offset] = counts ? 1 : 0;
    }
    float gradient[3] = { 0.0f, 0.0f, 0.0f };
    if (interpolation == Interpolation::Nearest)
    {
      const std::int64_t nearest = NearestOffset(p, size);
      for (int c = 0; arguments.output && c < arguments.components; ++c)
      {
        arguments.Store(offset + c * voxels,
                        use ? arguments.moving[nearest + c * arguments.movingVoxels] : arguments.outsideValue);
      }
    }
    else if (interpolation == Interpolation::Linear)
    {
      const LinearAxis ax = ClampLinearAxis(p[0], size[0]);
      const LinearAxis ay = ClampLinearAxis(p[1], size[1]);
      const LinearAxis az = ClampLinearAxis(p[2], size[2]);
      for (int c = 0; (arguments.output || arguments.gradient) && c < arguments.components; ++c)
      {
        float value = arguments.outsideValue;
        if (use)
        {
          const LinearCorners corners =
            LoadCorners(arguments.moving + c * arguments.movingVoxels, size[0], size[1], ax, ay, az);
          value = LinearValue(corners, ax, ay, az);
          if (arguments.gradient)
          {
            LinearGradient(corners, ax, ay, az, gradient);
          }
        }
        if (arguments.output)
        {
          arguments.Store(offset + c * voxels, value);
        }
      }
    }
    else if (arguments.output || arguments.gradient)
    {
      const CubicAxis ax = MakeCubicAxis(p[0], size[0], arguments.clamp);
      const CubicAxis ay = MakeCubicAxis(p[1], size[1], arguments.clamp);
      const CubicAxis az = MakeCubicAxis(p[2], size[2], arguments.clamp);
      for (int c = 0; c < arguments.components; ++c)
      {
        float value = arguments.outsideValue;
        if (use)
        {
          value = CubicValue(arguments.moving + c * arguments.movingVoxels, size, ax, ay, az, gradient);
        }
        if (arguments.output)
        {
          arguments.Store(offset + c * voxels, value);
        }
      }
    }
    for (int c = 0; arguments.gradient && c < 3; ++c)
    {
      arguments.gradient[offset + c * voxels] = gradient[c];
    }
  });
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
  arguments.gradient = gradient.data;
  arguments.movingMask = movingMask.data;
  arguments.inside = inside.data;
  arguments.clamp = parameters.outside == Outside::Clamp;
  arguments.accumulate = parameters.accumulate;
  arguments.outsideValue = parameters.outsideValue;
  auto kernel = ResampleKernel<Interpolation::Linear>;
  if (parameters.interpolation != Interpolation::Linear)
  {
    kernel = parameters.interpolation == Interpolation::Nearest ? ResampleKernel<Interpolation::Nearest>
                                                                : ResampleKernel<Interpolation::CubicBSpline>;
  }
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
