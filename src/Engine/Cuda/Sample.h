// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaSample_h
#define itkEngineCudaSample_h

#include "../Math/Interpolation.h"
#include "../Math/Jacobian.h"
#include "../Operators/MetricInputs.h"
#include "FieldComponents.h"

namespace itk
{
namespace engine
{
namespace cuda
{
/** The eight corners of a trilinear sample, the same for every volume of one size. On a clamped axis they coincide, so
 * that the value is the edge's and the derivative 0. Offsets of 32 bits, where they reach (IsSmall), make an address in
 * one instruction. */
template <typename TOffset>
struct LinearCell
{
  TOffset corner[8]; ///< index: x + 2 y + 4 z
  float   weight[3];

  __device__ __forceinline__
  LinearCell(const AxisPosition (&p)[3], const int (&size)[3])
    : weight{ p[0].fraction, p[1].fraction, p[2].fraction }
  {
    const TOffset row = size[0];
    const TOffset plane = row * size[1];
    const int     stepX = HasNext(p[0].cell, size[0]) ? 1 : 0;
    const int     stepY = HasNext(p[1].cell, size[1]) ? size[0] : 0;
    const TOffset stepZ = HasNext(p[2].cell, size[2]) ? plane : 0;
    corner[0] =
      ClampIndex(p[2].cell, size[2]) * plane + ClampIndex(p[1].cell, size[1]) * row + ClampIndex(p[0].cell, size[0]);
    corner[1] = corner[0] + stepX;
    corner[2] = corner[0] + stepY;
    corner[3] = corner[1] + stepY;
#pragma unroll
    for (int k = 0; k < 4; ++k)
    {
      corner[4 + k] = corner[k] + stepZ;
    }
  }

  /** Values of a volume, which must not change while the kernel runs. */
  template <typename T>
  __device__ __forceinline__ void
  Load(const T * volume, T (&v)[8]) const
  {
#pragma unroll
    for (int k = 0; k < 8; ++k)
    {
      v[k] = __ldg(volume + corner[k]);
    }
  }

  __device__ __forceinline__ float
  Value(const float (&v)[8]) const
  {
    return LinearValue(v, weight[0], weight[1], weight[2]);
  }

  __device__ __forceinline__ void
  Gradient(const float (&v)[8], float (&gradient)[3]) const
  {
    LinearGradient(v, weight[0], weight[1], weight[2], gradient);
  }

private:
  static __device__ __forceinline__ bool
  HasNext(int cell, int size)
  {
    return static_cast<unsigned int>(cell) < static_cast<unsigned int>(size - 1);
  }
};

__device__ __forceinline__ bool
IsInside(const AxisPosition (&p)[3], const int (&size)[3])
{
  return IsInsideAxis(p[0], size[0]) & IsInsideAxis(p[1], size[1]) & IsInsideAxis(p[2], size[2]);
}

/** Where the voxels of a domain sample another lattice: A x + B u(x). Goes to kernels by value. */
struct SamplingMap
{
  AffineMap                    affine;
  Matrix3                      displacementMatrix;
  bool                         isMatrixIdentity = true; ///< the rule: grids that are aligned and alike
  bool                         isSmall = true;          ///< 32 bits reach every voxel of both lattices
  const float *                displacement = nullptr;  ///< u, three planes; null: 0
  std::int64_t                 plane = 0;               ///< voxels of the domain
  FieldComponents<const float> field;                   ///< u again
  int                          size[3] = { 1, 1, 1 };   ///< of the sampled lattice

  SamplingMap() = default;

  SamplingMap(const ResampleParameters & parameters,
              const ConstField &         u,
              std::int64_t               domainVoxels,
              const Lattice &            sampled)
    : affine(parameters.affine)
    , displacementMatrix(parameters.displacementMatrix)
    , isMatrixIdentity(parameters.displacementMatrix.IsIdentity())
    , isSmall(domainVoxels <= std::numeric_limits<int>::max() && IsSmall(sampled))
    , displacement(u.data)
    , plane(domainVoxels)
    , field(u)
    , size{ sampled.own.size[0], sampled.own.size[1], sampled.own.size[2] }
  {}

  /** Of the voxel with this displacement. */
  __device__ __forceinline__ void
  Locate(int x, int y, int z, const Vector3 & u, AxisPosition (&p)[3]) const
  {
    float d[3];
    float v[3] = { u.v[0], u.v[1], u.v[2] };
    if (!isMatrixIdentity)
    {
      displacementMatrix.Multiply(u.v, v);
    }
    affine.Displacement(x, y, z, d);
    p[0] = LocateOnAxis(x, d[0] + v[0]);
    p[1] = LocateOnAxis(y, d[1] + v[1]);
    p[2] = LocateOnAxis(z, d[2] + v[2]);
  }

  __device__ __forceinline__ void
  Locate(int x, int y, int z, std::int64_t offset, AxisPosition (&p)[3]) const
  {
    Locate(x, y, z, LoadVectorIfAny(field, offset), p);
  }

  __device__ __forceinline__ bool
  IsInside(const AxisPosition (&p)[3]) const
  {
    return cuda::IsInside(p, size);
  }

  /** B^T g. */
  __device__ __forceinline__ void
  MultiplyTransposed(float (&g)[3]) const
  {
    if (!isMatrixIdentity)
    {
      const float v[3] = { g[0], g[1], g[2] };
      displacementMatrix.MultiplyTransposed(v, g);
    }
  }
};

/** The chain rule that the metrics share: from the derivative with respect to the warped intensity ("slope") to the
 * one with respect to u, slope B^T grad M(A x + B u(x)), or to a composed step. Goes to kernels by value. */
struct ChainRule
{
  SamplingMap   map;
  const float * moving = nullptr;
  bool          clamp = false;
  bool          composedStep = false;
  int           domainSize[3] = { 1, 1, 1 };

  ChainRule() = default;

  explicit ChainRule(const MetricInputs & inputs)
    : map(inputs.sampling, inputs.displacement, inputs.fixed.lattice.NumberOfVoxels(), inputs.moving.lattice)
    , moving(inputs.moving.data)
    , clamp(inputs.sampling.outside == Outside::Clamp)
    , composedStep(inputs.composedStep && inputs.displacement)
    , domainSize{ inputs.fixed.lattice.own.size[0], inputs.fixed.lattice.own.size[1], inputs.fixed.lattice.own.size[2] }
  {}

  __device__ __forceinline__ void
  Apply(float slope, int x, int y, int z, std::int64_t offset, float (&gradient)[3]) const
  {
    gradient[0] = gradient[1] = gradient[2] = 0.0f;
    // Half of a head's volume is background without slope.
    if (slope == 0.0f)
    {
      return;
    }
    AxisPosition p[3];
    map.Locate(x, y, z, offset, p);
    if (!clamp && !map.IsInside(p))
    {
      return;
    }
    if (map.isSmall)
    {
      SampleGradient<int>(p, gradient);
    }
    else
    {
      SampleGradient<std::int64_t>(p, gradient);
    }
    map.MultiplyTransposed(gradient);
    gradient[0] *= slope;
    gradient[1] *= slope;
    gradient[2] *= slope;
    if (composedStep)
    {
      MultiplyTransposedJacobianAt(map.displacement, map.plane, domainSize, x, y, z, gradient);
    }
  }

private:
  template <typename TOffset>
  __device__ __forceinline__ void
  SampleGradient(const AxisPosition (&p)[3], float (&gradient)[3]) const
  {
    const LinearCell<TOffset> cell(p, map.size);
    float                     corners[8];
    cell.Load(moving, corners);
    cell.Gradient(corners, gradient);
  }
};
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
