// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineRefineInverse_h
#define itkEngineRefineInverse_h

#include "Invert.h"

namespace itk
{
namespace engine
{
struct RefineInverseParameters
{
  int     maximumIterations = 30; ///< per voxel
  int     maximumCells = 200;     ///< that a voxel walks through when these have not ended at the tolerance; 0: none
  float   tolerance = 1e-3f;      ///< of |e|, in voxels: where it is smaller nothing more is done
  Outside outside = Outside::Value;
};

/** Inverse displacement v of u, (1 + u) o (1 + v) = 1, from an estimate of it: Newton's method at each voxel on its own.
 *
 * e(v) = v + u(x + v), u by trilinear interpolation; v <- v - t (1 + grad u)^-1 e with the gradient of the interpolant at
 * x + v, the step no longer than 2 voxels, and t the first of 1, 1/2, 1/4, 1/8 that makes |e| smaller. Where the matrix has no
 * positive determinant, or no t helps, v <- v - e / 2 is tried. Ends at the tolerance, after maximumIterations, or when
 * nothing helps: u bends at the faces between cells, beyond which a step's gradient is another. What is then not at the
 * tolerance walks on along Newton's flow, dv/dt = -(1 + grad u)^-1 e, one cell of the grid at a time. The flow passes every
 * face where the map does not fold (the gradients of both cells differ by c n^T, n the face's normal, so that n dv/dt is on both
 * sides of one sign if the determinants are), and e(t) = e(0) exp(-t): where nothing folds it ends at the inverse.
 * |e| never grows. Converges where the relaxed fixed point does not, because u stretches more than twofold.
 *
 * \param displacement u, in voxels. \param inverse v, in voxels: the estimate, then the result.
 * \param residuals 2 doubles of device memory: the sum and the maximum of |e| over all voxels.
 * Deterministic. No workspace. NaN in u: that voxel keeps its estimate, and the residuals are NaN. */
ITK_ENGINE_DECLARE(void RefineInverse(const Device &                  device,
                                      const RefineInverseParameters & parameters,
                                      const ConstField &              displacement,
                                      const Field &                   inverse,
                                      double *                        residuals))

void
RefineInverse(const Device &                  device,
              const RefineInverseParameters & parameters,
              const ConstField &              displacement,
              const Field &                   inverse,
              double *                        residuals);

/** Inverse of u from nothing: five steps of the relaxed fixed point (Invert), which bring the estimate near, then
 * RefineInverse. \param workspace a field like `inverse`. \param scalars 2 doubles of device memory. Reads them back. */
InvertResult
InvertByNewton(const Device &                  device,
               const RefineInverseParameters & parameters,
               const ConstField &              displacement,
               const Field &                   inverse,
               const Field &                   workspace,
               double *                        scalars);
} // namespace engine
} // namespace itk

#endif
