// SPDX-License-Identifier: Apache-2.0
#ifndef itkReferenceSampling_h
#define itkReferenceSampling_h

#include "EngineTesting.h"

#include "Operators/Resample.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace test
{
/** Everything that goes into one resampling. */
struct SamplingCase
{
  HostField moving;
  HostField displacement;
  Matrix34  affine = IdentityAffine();
  Matrix33  matrix = LinearPart(IdentityAffine());
  HostMask  movingMask;

  ResampleParameters
  Parameters(Interpolation interpolation, Outside outside, float outsideValue = 0.0f) const
  {
    ResampleParameters parameters;
    parameters.affine = ToAffineMap(affine);
    parameters.displacementMatrix = ToMatrix3(matrix);
    parameters.interpolation = interpolation;
    parameters.outside = outside;
    parameters.outsideValue = outsideValue;
    return parameters;
  }
  Vector3
  Position(int x, int y, int z) const
  {
    return MapPoint(affine, matrix, Vector3{ { double(x), double(y), double(z) } }, VectorAt(displacement, x, y, z));
  }
};

inline Lattice
MovingLattice(const Lattice & lattice)
{
  const auto change = [](int size, int by) { return size == 1 ? 1 : std::max(2, size + by); };
  return Lattice(change(lattice.size[0], -5), change(lattice.size[1], 3), change(lattice.size[2], -2));
}

/** An affine map between different grids, a displacement of some voxels, and a matrix of its own. */
inline SamplingCase
MakeSamplingCase(const Lattice & lattice, unsigned int seed, double offset = 0.0)
{
  SamplingCase  c;
  const Lattice moving = MovingLattice(lattice);
  c.moving = MakeImage(moving, seed, offset, 0.5);
  c.displacement = MakeDisplacement(lattice, seed + 1, 3.0);
  c.affine = MakeAffine(lattice, moving, seed + 2);
  c.matrix = LinearPart(MakeAffine(lattice, moving, seed + 3));
  c.movingMask = MakeMask(moving, seed + 4, 0.4);
  return c;
}

/** Calls function(x, y, z, weight) for the grid points whose values make up the multilinear sample at p, each once per
 * corner; none where p is outside and not clamped. */
template <typename TFunction>
void
ForEachCorner(const Lattice & lattice, const Vector3 & p, Outside outside, const TFunction & function)
{
  if (outside == Outside::Value && !IsInside(lattice, p))
  {
    return;
  }
  for (int k = 0; k < 8; ++k)
  {
    double weight = 1.0;
    int    index[3];
    for (int d = 0; d < 3; ++d)
    {
      const double low = std::floor(p[d]);
      const bool   upper = ((k >> d) & 1) != 0;
      weight *= upper ? p[d] - low : 1.0 - (p[d] - low);
      const int i = static_cast<int>(low) + (upper ? 1 : 0);
      index[d] = std::min(std::max(i, 0), lattice.size[d] - 1);
    }
    function(index[0], index[1], index[2], weight);
  }
}

/** 1 where a position is farther than `distance` from the places where a sample's weights jump and from those where
 * they bend. */
inline HostMask
AwayFromKinks(const SamplingCase & c, double distance)
{
  HostMask use(c.displacement.lattice);
  ForEachVoxel(use.lattice, [&](int x, int y, int z) {
    const Vector3 p = c.Position(x, y, z);
    use(0, x, y, z) = DistanceToDecision(c.moving.lattice, p, true) > distance &&
                      DistanceToDecision(c.moving.lattice, p, false) > distance;
  });
  return use;
}

/** Sets the values of all components to 0 where `use` is. */
inline void
ApplyMask(const HostMask & use, HostField & field)
{
  const std::size_t voxels = use.values.size();
  for (std::size_t i = 0; i < field.values.size(); ++i)
  {
    field.values[i] = use.values[i % voxels] != 0 ? field.values[i] : 0.0f;
  }
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
