// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineJacobianDeterminant_h
#define itkEngineJacobianDeterminant_h

#include "../Core/Dispatch.h"
#include "../Math/Affine.h"

#include <limits>

namespace itk
{
namespace engine
{
/** Determinant of the Jacobian of x -> x + T u(x): det(1 + T du/dx), derivatives along the grid's axes.
 *
 * \param toIndex T: the identity for displacements in voxels; the inverse of direction times spacing for physical
 *                displacements, which gives the determinant of the physical map, oblique grids included.
 * \param output  scalar field, or absent when only the minimum is wanted.
 * \param minimum optional, 2 doubles of device memory: the smallest determinant (NaN if one of them is), and the number
 *                of voxels where it is <= 0 or not a number.
 * Central differences; at a border the missing neighbour is replaced by the point itself, as in ITK's
 * DisplacementFieldJacobianDeterminantFilter. An axis of one voxel counts as identity. Deterministic. */
ITK_ENGINE_DECLARE(void JacobianDeterminant(const Device &     device,
                                            const Matrix3 &    toIndex,
                                            const ConstField & displacement,
                                            const Field &      output,
                                            double *           minimum))

void
JacobianDeterminant(const Device &     device,
                    const Matrix3 &    toIndex,
                    const ConstField & displacement,
                    const Field &      output,
                    double *           minimum = nullptr);

/** What the folding guard asks of det(1 + du/dx) at a voxel. */
struct FoldLimits
{
  float central = 0.1f; ///< of the determinant by central differences, as JacobianDeterminant has it
  /** Of each of the eight determinants by differences to the next or the previous neighbour along each axis, of which the
   * central one is the mean; minus infinity: they are not computed. */
  float oneSided = -std::numeric_limits<float>::infinity();
};

/** One pass of the folding guard: where a determinant of x + u(x) is below its limit, u is replaced at that voxel
 * and its 26 neighbours by the mean of u over the 3x3x3 neighbourhood (clamped at borders). Elsewhere u is untouched,
 * bit for bit. Repeated passes contract towards a locally affine map, whose determinant is positive. u must be finite.
 *
 * The one-sided determinants are those of the trilinear map at the corners of the grid's cells (Knupp: On the
 * invertibility of the isoparametric map, 1990), at the border also those of its continuation by u's value there. If they
 * are positive the map folds nowhere, but for cells whose determinant is negative inside and positive at all corners. These
 * exist, and are rare: none among the 26 million cells of two registered pairs of heads, of which 94 fold at corners.
 *
 * \param count 1 double of device memory: voxels below a limit (or not a number) before the pass; a pass with
 *              none changes nothing and costs one read of u.
 * \param flags workspace: one byte per voxel. \param workspace a field like u.
 * Deterministic. */
ITK_ENGINE_DECLARE(void RelaxFolds(const Device &     device,
                                   const FoldLimits & limits,
                                   const Field &      displacement,
                                   double *           count,
                                   const Mask &       flags,
                                   const Field &      workspace))

void
RelaxFolds(const Device &     device,
           const FoldLimits & limits,
           const Field &      displacement,
           double *           count,
           const Mask &       flags,
           const Field &      workspace);
} // namespace engine
} // namespace itk

#endif
