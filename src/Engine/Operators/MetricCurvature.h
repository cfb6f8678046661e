// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMetricCurvature_h
#define itkEngineMetricCurvature_h

#include "Lncc.h"

namespace itk
{
namespace engine
{
// The Gauss-Newton matrix of an image metric with respect to the displacement u is, voxel by voxel, a sum over the
// channels of h(x) q(x) q(x)^T, with q = B^T grad M the gradient of the moving image to u and h >= 0 the second derivative
// of the metric with respect to the sampled intensity, N times. It is kept as one vector per voxel, sqrt(h) q, or, for
// several channels or on a coarser lattice, as the 3x3 matrix: 6 components xx, xy, xz, yy, yz, zz.

/** gradient <- sqrt(scale h(x)) B^T gradient, 0 where not valid, in place.
 *
 * \param matrix    B: displacement -> moving voxels, see ResampleParameters.
 * \param scale     a number >= 0, and \param curvature h, scalar, >= 0; absent: 1.
 * \param valid     optional: 0 excludes a voxel.
 * \param gradient  3 components: grad M at the sampled positions, as Resample writes it.
 * Deterministic. */
ITK_ENGINE_DECLARE(void CurvatureFactor(const Device &     device,
                                        const Matrix3 &    matrix,
                                        float              scale,
                                        const ConstField & curvature,
                                        const ConstMask &  valid,
                                        const Field &      gradient))

void
CurvatureFactor(const Device &     device,
                const Matrix3 &    matrix,
                float              scale,
                const ConstField & curvature,
                const ConstMask &  valid,
                const Field &      gradient);

/** output <- scale h(x), or the scale alone, 0 where not valid: the curvature as a weight of intensities.
 *
 * \param scale     a number >= 0, and \param curvature h, scalar, >= 0; absent: 1.
 * \param valid     optional: 0 excludes a voxel.
 * \param output    scalar; it may be h. Deterministic. */
ITK_ENGINE_DECLARE(void CurvatureWeight(const Device &     device,
                                        float              scale,
                                        const ConstField & curvature,
                                        const ConstMask &  valid,
                                        const Field &      output))

void
CurvatureWeight(const Device &     device,
                float              scale,
                const ConstField & curvature,
                const ConstMask &  valid,
                const Field &      output);

/** Mean of the matrices over the voxels of `factor` that make one of the coarser lattice, for coarser voxels:
 *
 *   output(X)_ij = factor_i factor_j mean over the block of X of (g g^T)_ij or G_ij.
 *
 * \param factor    fine voxels per coarse voxel, whole numbers >= 1 along each axis; (1, 1, 1) makes G of g. A block holds
 *                  the fine voxels factor X .. factor X + factor - 1 that there are.
 * \param curvature g with 3 components, or G with 6.
 * \param accumulate output += instead of =.
 * \param output    6 components on a lattice of ceil(n / factor) points, not `curvature`.
 * Deterministic; float32. */
ITK_ENGINE_DECLARE(void CurvatureMatrix(const Device &     device,
                                        const int (&factor)[3],
                                        const ConstField & curvature,
                                        bool               accumulate,
                                        const Field &      output))

void
CurvatureMatrix(const Device &     device,
                const int (&factor)[3],
                const ConstField & curvature,
                bool               accumulate,
                const Field &      output);

/** output = G vector, voxel by voxel. \param curvature g (3 components: G = g g^T) or G (6).
 * \param accumulate output += instead of =. `output` may be `vector` if not accumulated. Deterministic. */
ITK_ENGINE_DECLARE(void CurvatureProduct(const Device &     device,
                                         const ConstField & curvature,
                                         const ConstField & vector,
                                         bool               accumulate,
                                         const Field &      output))

void
CurvatureProduct(const Device &     device,
                 const ConstField & curvature,
                 const ConstField & vector,
                 bool               accumulate,
                 const Field &      output);

/** The curvature h of the local correlation's loss, mean(1 - cc): within a window 1 - cc is the share of M's variance that
 * a line through (F, M) leaves, a sum of squares, whose second derivative to one intensity is 2 / var M when the line and
 * the variance are held. Hence
 *
 *   h(y) = 2 mean over the windows x that hold y of var F / (var F var M + varianceFloor),
 *
 * an upper bound, and 0 where the windows are flat. Box windows of parameters.radius, or Gaussian ones of parameters.sigma;
 * windows go beyond the image with its edge values, and do not know masks: the matrix guides a search, it is not a derivative.
 *
 * \param fixed, warped scalar. \param curvature h, may not be an input.
 * \param workspace LnccCurvatureWorkspace(lattice) floats. Deterministic. */
void
LnccCurvature(const Device &         device,
              const LnccParameters & parameters,
              const ConstField &     fixed,
              const ConstField &     warped,
              const Field &          curvature,
              float *                workspace);
std::int64_t
LnccCurvatureWorkspace(const Lattice & lattice);

/** The two pointwise parts of LnccCurvature. Products: (F - shift, M - shift, and their squares) into 4 components;
 * ratio: of their means, into a scalar field. */
ITK_ENGINE_DECLARE(void LnccCurvatureProducts(const Device &         device,
                                              const LnccParameters & parameters,
                                              const ConstField &     fixed,
                                              const ConstField &     warped,
                                              const Field &          products))
ITK_ENGINE_DECLARE(void LnccCurvatureRatio(const Device &         device,
                                           const LnccParameters & parameters,
                                           const ConstField &     means,
                                           const Field &          ratio))
} // namespace engine
} // namespace itk

#endif
