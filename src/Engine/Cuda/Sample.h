// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaSample_h
#define itkEngineCudaSample_h

#include "../Math/Interpolation.h"
#include "../Math/Jacobian.h"
#include "../Operators/MetricInputs.h"

namespace itk
{
namespace engine
{
namespace cuda
{
/** Where the voxels of a domain sample another lattice: A x + B u(x). Goes to kernels by value. */
struct SamplingMap
{
  AffineMap     affine;
  Matrix3       displacementMatrix;
  const float * displacement = nullptr; ///< u, three planes; null: 0
  std::int64_t  plane = 0;              ///< voxels of the domain
  int           size[3] = { 1, 1, 1 };  ///< of the sampled lattice

  SamplingMap() = default;

  SamplingMap(const ResampleParameters & parameters,
              const ConstField &         field,
              std::int64_t               domainVoxels,
              const Lattice &            sampled)
    : affine(parameters.affine)
    , displacementMatrix(parameters.displacementMatrix)
    , displacement(field.data)
    , plane(domainVoxels)
    , size{ sampled.own.size[0], sampled.own.size[1], sampled.own.size[2] }
  {}

  __device__ __forceinline__ void
  Locate(int x, int y, int z, std::int64_t offset, AxisPosition (&p)[3]) const
  {
    float d[3];
    affine.Displacement(x, y, z, d);
    if (displacement)
    {
      const float u[3] = { displacement[offset], displacement[offset + plane], displacement[offset + 2 * plane] };
      float       v[3];
      displacementMatrix.Multiply(u, v);
      d[0] += v[0];
      d[1] += v[1];
      d[2] += v[2];
    }
    p[0] = LocateOnAxis(x, d[0]);
    p[1] = LocateOnAxis(y, d[1]);
    p[2] = LocateOnAxis(z, d[2]);
  }

  __device__ __forceinline__ bool
  IsInside(const AxisPosition (&p)[3]) const
  {
    return IsInsideAxis(p[0], size[0]) && IsInsideAxis(p[1], size[1]) && IsInsideAxis(p[2], size[2]);
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
    const LinearAxis    ax = ClampLinearAxis(p[0], map.size[0]);
    const LinearAxis    ay = ClampLinearAxis(p[1], map.size[1]);
    const LinearAxis    az = ClampLinearAxis(p[2], map.size[2]);
    const LinearCorners corners = LoadCorners(moving, map.size[0], map.size[1], ax, ay, az);
    float               sampled[3];
    LinearGradient(corners, ax, ay, az, sampled);
    map.displacementMatrix.MultiplyTransposed(sampled, gradient);
    gradient[0] *= slope;
    gradient[1] *= slope;
    gradient[2] *= slope;
    if (composedStep)
    {
      MultiplyTransposedJacobianAt(map.displacement, map.plane, domainSize, x, y, z, gradient);
    }
  }
};
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
