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
  int                  offset[Capacity];          ///< of the cell's lowest corner
  int                  step[3][Capacity];         ///< to its neighbour along each axis; 0 where clamped
  float                weight[3][Capacity];
  int                  inside[Capacity]; ///< 1 within ITK's half-voxel rim
};

/** Sizes that offsets of 32 bits can address; throws beyond. */
void
RequireSamplingSize(const Lattice & lattice);

/** Fills the block for voxels x0 .. x0 + count of row y, z, whose positions in a volume of this size are A x + B u
 * (`matrix`), A x + scale u (`matrix` null) or A x (u null). */
void
Locate(SamplingBlock &     block,
       const AffineMap &   affine,
       const Matrix3 *     matrix,
       const float * const (&u)[3],
       float       scale,
       const int (&size)[3],
       int x0,
       int y,
       int z,
       int count);

/** Trilinear values; outsideValue where not inside, unless `clamp`. */
void
SampleValues(const SamplingBlock & block, const float * volume, bool clamp, float outsideValue, float * values);

/** Exact derivatives of the values with respect to the position; 0 where not inside, unless `clamp`. */
void
SampleGradients(const SamplingBlock & block, const float * volume, bool clamp, float * const (&gradient)[3]);
} // namespace cpu
} // namespace engine
} // namespace itk

#endif
