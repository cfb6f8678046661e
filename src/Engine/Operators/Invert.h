// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineInvert_h
#define itkEngineInvert_h

#include "../Math/Invert.h"
#include "Compose.h"
#include "Reductions.h"

namespace itk
{
namespace engine
{
struct InvertParameters
{
  int     maximumIterations = 20;
  double  meanTolerance = 0.001;  ///< of the mean of |e|
  double  maximumTolerance = 0.1; ///< of the maximum of |e|
  Outside outside = Outside::Value;
  bool    useInitialEstimate = false; ///< start from the contents of `inverse` instead of 0
  Matrix3 toIndex;                ///< turns displacement and inverse into voxels, when they are in another unit
  int     zeroBoundaryAxes = 0;   ///< after each step v = 0 on the first and last planes of this many axes, x first
  /** false: ends as soon as a residual is within its tolerance, and reports that of the returned field. true: ITK's
   * order: the step that belongs to that residual is still taken, and the residual before the last step reported. */
  bool stepAfterTolerance = false;
};

struct InvertResult
{
  int    iterations = 0;
  double meanResidual = 0.0;    ///< of the returned field, or see stepAfterTolerance
  double maximumResidual = 0.0; ///< likewise
};

/** Inverse displacement v of u, (1 + u) o (1 + v) = 1, by the relaxed fixed point of ITK's
 * InvertDisplacementFieldImageFilter: e = v + u o (1 + v); v <- v - s clip(e), where clip bounds |e| by s max |e| and
 * s = 0.75 in the first iteration and 0.5 after. Ends when the mean or the maximum of |e| is within its tolerance
 * (ITK's rule) or after maximumIterations.
 *
 * |e| is the norm of the vectors in the unit they come in: voxels, or with toIndex any other. ITK's filter divides
 * physical components by the spacing: on an oblique grid with unlike spacings these are not the voxel components.
 *
 * Chen et al.: A simple fixed-point approach to invert a deformation field, Medical Physics 35 (2008).
 * \param displacement u, on its own lattice. \param inverse v. \param workspace a field like `inverse`.
 * |e| is taken in float32, its mean in float64. One pass over the grid per iteration. Where it ends is decided on the
 * device; the host reads that after every fourth iteration, and waits for it. Deterministic. Throws Error if u holds NaN. */
InvertResult
Invert(const Device &           device,
       const InvertParameters & parameters,
       const ConstField &       displacement,
       const Field &            inverse,
       const Field &            workspace);

/** The iterations of the above, from the contents of `inverse`; returns where they ended. */
ITK_ENGINE_DECLARE(InvertState Invert(const Device &           device,
                                      const InvertParameters & parameters,
                                      const InvertStopping &   stopping,
                                      const ConstField &       displacement,
                                      const Field &            inverse,
                                      const Field &            workspace))

/** Sets all components to 0 on the first and last planes along the first `axes` axes. Deterministic. */
ITK_ENGINE_DECLARE(void ZeroBoundary(const Device & device, int axes, const Field & field))

void
ZeroBoundary(const Device & device, int axes, const Field & field);
} // namespace engine
} // namespace itk

#endif
