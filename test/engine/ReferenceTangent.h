// SPDX-License-Identifier: Apache-2.0
#ifndef itkReferenceTangent_h
#define itkReferenceTangent_h

#include "ReferenceFields.h"

#include "Operators/Compose.h"

namespace itk
{
namespace engine
{
namespace test
{
/** a s v(x) + b u(x + s v(x)) in double, with the scale and the weights of `parameters`, whose map must be the identity. */
template <typename TU, typename TV>
HostDoubles
WeightedComposeInDouble(const ComposeParameters & parameters, const HostFieldOf<TU> & u, const HostFieldOf<TV> & v)
{
  const bool   clamp = parameters.outside == Outside::Clamp;
  const double scale = parameters.innerScale;
  HostDoubles  result = ComposeInDouble(u, v, IdentityAffine(), clamp, false, scale);
  for (std::size_t i = 0; i < result.values.size(); ++i)
  {
    result.values[i] = static_cast<double>(parameters.outerScale.scale) * result.values[i] +
                       parameters.innerWeight * scale * static_cast<double>(v.values[i]);
  }
  return result;
}

/** Its derivative in the direction (du, dv). */
template <typename TU, typename TV, typename TD>
HostDoubles
ComposeTangentInDouble(const ComposeParameters &                 parameters,
                       const HostFieldOf<TU> &                   u,
                       const HostFieldOf<TV> &                   v,
                       const HostFieldOf<TD> &                   du,
                       const HostFieldOf<TD> &                   dv)
{
  const bool     clamp = parameters.outside == Outside::Clamp;
  const double   scale = parameters.innerScale;
  const Matrix33 identity = LinearPart(IdentityAffine());
  HostDoubles    result = WeightedComposeInDouble(parameters, du, v);
  ForEachVoxel(v.lattice, [&](int x, int y, int z) {
    Vector3 inner = VectorAt(v, x, y, z);
    for (double & component : inner)
    {
      component *= scale;
    }
    const Vector3 index{ { double(x), double(y), double(z) } };
    const Vector3 p = MapPoint(IdentityAffine(), identity, index, inner);
    const Vector3 direction = VectorAt(dv, x, y, z);
    for (int c = 0; c < 3; ++c)
    {
      double derivative = 0.0;
      if (clamp || IsInside(u.lattice, p))
      {
        const Vector3 gradient = GradientLinear(u, c, p);
        derivative = gradient[0] * direction[0] + gradient[1] * direction[1] + gradient[2] * direction[2];
      }
      // what WeightedComposeInDouble added of v, instead of dv
      result(c, x, y, z) += parameters.innerWeight * scale * (direction[c] - static_cast<double>(v(c, x, y, z))) +
                            static_cast<double>(parameters.outerScale.scale) * scale * derivative;
    }
  });
  return result;
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
