// SPDX-License-Identifier: Apache-2.0
#ifndef itkReferenceFields_h
#define itkReferenceFields_h

#include "EngineTesting.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace test
{
/** u at a position: zero outside its buffer, or the nearest edge's value. */
template <typename T>
Vector3
SampleDisplacement(const HostFieldOf<T> & u, const Vector3 & p, bool clamp)
{
  if (!clamp && !IsInside(u.lattice, p))
  {
    return Vector3{};
  }
  return Vector3{ { InterpolateLinear(u, 0, p), InterpolateLinear(u, 1, p), InterpolateLinear(u, 2, p) } };
}

/** s v(x) + u(A x + s v(x)) in double. */
template <typename TU, typename TV>
HostDoubles
ComposeInDouble(const HostFieldOf<TU> & u,
                const HostFieldOf<TV> & v,
                const Matrix34 &        affine = IdentityAffine(),
                bool                    clamp = false,
                bool                    addInner = true,
                double                  scale = 1.0)
{
  HostDoubles    output(v.lattice, 3);
  const Matrix33 identity = LinearPart(IdentityAffine());
  ForEachVoxel(v.lattice, [&](int x, int y, int z) {
    Vector3 inner = VectorAt(v, x, y, z);
    for (double & component : inner)
    {
      component *= scale;
    }
    const Vector3 p = MapPoint(affine, identity, Vector3{ { double(x), double(y), double(z) } }, inner);
    const Vector3 outer = SampleDisplacement(u, p, clamp);
    for (int d = 0; d < 3; ++d)
    {
      output(d, x, y, z) = outer[d] + (addInner ? inner[d] : 0.0);
    }
  });
  return output;
}

/** 1 where A x + s v(x) is farther than float32's resolution from the border of a buffer. */
template <typename TV>
HostMask
AwayFromBorder(const Lattice &         buffer,
               const HostFieldOf<TV> & v,
               const Matrix34 &        affine = IdentityAffine(),
               double                  scale = 1.0)
{
  HostMask       use(v.lattice);
  const Matrix33 identity = LinearPart(IdentityAffine());
  ForEachVoxel(v.lattice, [&](int x, int y, int z) {
    Vector3 inner = VectorAt(v, x, y, z);
    for (double & component : inner)
    {
      component *= scale;
    }
    const Vector3 p = MapPoint(affine, identity, Vector3{ { double(x), double(y), double(z) } }, inner);
    use(0, x, y, z) = DistanceToDecision(buffer, p, true) > 2e-5;
  });
  return use;
}

/** Largest Euclidean norm, and the mean of the norms. */
template <typename T>
std::array<double, 2>
MaximumAndMeanNorm(const HostFieldOf<T> & field)
{
  double maximum = 0.0;
  double sum = 0.0;
  ForEachVoxel(field.lattice, [&](int x, int y, int z) {
    const Vector3 v = VectorAt(field, x, y, z);
    const double  norm = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    sum += norm;
    maximum = norm > maximum ? norm : maximum;
  });
  return { { maximum, sum / field.lattice.NumberOfVoxels() } };
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
