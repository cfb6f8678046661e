// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineLinearSampling_h
#define itkEngineLinearSampling_h

#include "../Math/Affine.h"
#include "../Operators/Resample.h"

namespace itk
{
namespace engine
{
namespace cpu
{
/** Part of a row of voxels and where each of them samples a volume. Working in blocks, with positions and gathers in
 * separate loops over plain arrays, lets the compiler use SIMD for everything but the loads themselves. */
struct SamplingBlock
{
  static constexpr int Capacity = 256;
  int                  count;
  float                displacement[3][Capacity]; ///< of the sampled position from the voxel's own index
  int                  offset[Capacity];          ///< of the cell's lowest corner
  int                  step[3][Capacity];         ///< to its neighbour along each axis; 0 where clamped
  float                weight[3][Capacity];
  int                  inside[Capacity]; ///< 1 within ITK's half-voxel rim
  bool                 atEnd;            ///< a corner is the last voxel of the volume
};

/** Sizes that offsets of 32 bits can address; throws beyond. */
void
RequireSamplingSize(const Lattice & lattice);

/** displacement = affine displacement + matrix u (`matrix` null: u itself; u null: none) of voxels x0 .. x0+count of row y, z. */
void
SetDisplacements(SamplingBlock &       block,
                 const AffineMap &     affine,
                 const Matrix3 *       matrix,
                 const float * const (&u)[3],
                 float                 scale,
                 int                   x0,
                 int                   y,
                 int                   z,
                 int                   count);

/** Fills the rest of the block from its displacements, for sampling a volume of this size. */
void
Locate(SamplingBlock & block, const int (&size)[3], int x0, int y, int z);

/** Trilinear values, outsideValue where not inside, and their exact derivatives with respect to the position, 0 where not
 * inside; with `clamp` every voxel counts as inside. Either may be null. */
void
Sample(const SamplingBlock & block,
       const float *         volume,
       bool                  clamp,
       float                 outsideValue,
       float *               values,
       float * const (&gradient)[3]);
} // namespace cpu
} // namespace engine
} // namespace itk

#endif
