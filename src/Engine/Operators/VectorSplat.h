// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineVectorSplat_h
#define itkEngineVectorSplat_h

#include "Resample.h"

namespace itk
{
namespace engine
{
/** What VectorSplat adds to its sums: the other part of the gradient of a composition of a field with itself. */
struct VectorSplatAddend
{
  ConstField outer;         ///< I, 3 components on the output's lattice; absent: nothing is added
  float      direct = 0.0f; ///< multiplies the value itself
};

/** Splat at positions that several calls have in common, as the products of a Krylov solver do:
 *
 *   output(y) = scale (sum over x of w(y, p(x)) value(x)) + direct value(y) + scale B^T (grad I)^T value(y) at p(y),
 *
 * the latter two only with an addend, whose lattice and the value's must be the output's, for three components. In Splat.h
 * is what w and p are. Any number of components; three go in one pass, else each in its own.
 *
 * \param parameters   as given to PlanVectorSplat, but for `accumulate`: output += instead of =.
 * \param displacement as given to PlanVectorSplat, with the same values.
 * \param plan         what PlanVectorSplat wrote: VectorSplatPlan(device, value's lattice) floats, aligned to 8 bytes.
 *                     Part of it is overwritten. Null if that is 0.
 * \param output       neither `value` nor `displacement` nor I.
 *
 * CPU: Splat, then PositionGradient; the plan is empty.
 * CUDA: every block owns a tile of the output, goes over all points that reach it, which the plan tells, and adds up their
 * float32 products in 32-bit fixed point in shared memory; no voxel is touched in global memory but to read each input
 * and to write the output. The unit is 2^(m - 30) times the largest |value| rounded up to a power of two, where 2^m is not
 * less than the sum of the weights that any voxel receives (the plan has counted it): no sum can overflow, and each
 * product is off by at most 2^(m - 30) of the largest value; m <= 1 where the map nowhere compresses to half of the volume.
 * A value that is not finite makes all of the output NaN. Without a workspace.
 * Deterministic: the same bits for any number of threads and any scheduling. */
ITK_ENGINE_DECLARE(void VectorSplat(const Device &             device,
                                    const ResampleParameters & parameters,
                                    const ConstField &         value,
                                    const ConstField &         displacement,
                                    float                      scale,
                                    const VectorSplatAddend &  addend,
                                    const Field &              output,
                                    float *                    plan))

/** Largest sum of weights, and for bricks of points the box of voxels that they reach. CPU: nothing. */
ITK_ENGINE_DECLARE(void PlanVectorSplat(const Device &             device,
                                        const ResampleParameters & parameters,
                                        const ConstField &         displacement,
                                        const Lattice &            outputLattice,
                                        float *                    plan))

ITK_ENGINE_DECLARE(std::int64_t VectorSplatPlan(const Lattice & valueLattice))
} // namespace engine
} // namespace itk

#endif
