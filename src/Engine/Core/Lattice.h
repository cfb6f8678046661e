// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineLattice_h
#define itkEngineLattice_h

#include "HostDevice.h"

#include <cstdint>

namespace itk
{
namespace engine
{
/** A block of grid points: first index and number of points along x, y, z. */
struct Box
{
  int index[3] = { 0, 0, 0 };
  int size[3] = { 1, 1, 1 };
};

/** The index space of an image: global size, the box that this process owns, and the width of the halo stored
 * around that box. On one device the box is everything and the halo is empty. A 2D image is a lattice of depth 1.
 *
 * Memory order: x fastest, rows dense. The components of a vector field are planes one after another
 * (all x components, then all y, then all z), so that every access of a warp or of a SIMD register is contiguous. */
struct Lattice
{
  int size[3] = { 1, 1, 1 };
  Box own;
  int halo = 0;

  Lattice() = default;

  ITK_ENGINE_HOST_DEVICE
  Lattice(int nx, int ny, int nz)
  {
    size[0] = own.size[0] = nx;
    size[1] = own.size[1] = ny;
    size[2] = own.size[2] = nz;
  }

  ITK_ENGINE_HOST_DEVICE std::int64_t
  NumberOfVoxels() const
  {
    return static_cast<std::int64_t>(own.size[0]) * own.size[1] * own.size[2];
  }

  ITK_ENGINE_HOST_DEVICE std::int64_t
  Offset(int x, int y, int z) const
  {
    return (static_cast<std::int64_t>(z) * own.size[1] + y) * own.size[0] + x;
  }

  /** True if the box is the whole lattice: what the single-device operators require. */
  ITK_ENGINE_HOST_DEVICE bool
  IsWhole() const
  {
    return halo == 0 && own.size[0] == size[0] && own.size[1] == size[1] && own.size[2] == size[2];
  }

  ITK_ENGINE_HOST_DEVICE bool
  operator==(const Lattice & other) const
  {
    bool equal = halo == other.halo;
    for (int d = 0; d < 3; ++d)
    {
      equal = equal && size[d] == other.size[d] && own.index[d] == other.own.index[d] && own.size[d] == other.own.size[d];
    }
    return equal;
  }

  ITK_ENGINE_HOST_DEVICE bool
  operator!=(const Lattice & other) const
  {
    return !(*this == other);
  }
};
} // namespace engine
} // namespace itk

#endif
