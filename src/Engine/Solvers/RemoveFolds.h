// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineRemoveFolds_h
#define itkEngineRemoveFolds_h

#include "../Operators/JacobianDeterminant.h"

namespace itk
{
namespace engine
{
/** What a map is held to at the end of a level or of a run: the determinants of a cell's corners are not to fall below a share of
 * the limit of the central one, so that it does not fold between grid points either. */
inline FoldLimits
LimitsAtEnd(double minimumJacobian, float shareOfCorners = 0.1f)
{
  const auto limit = static_cast<float>(minimumJacobian);
  return FoldLimits{ limit, shareOfCorners * limit };
}

/** Relaxes (RelaxFolds) until no determinant is below its limit, as a guarantee outside of the iterations; at most 200
 * passes. Nothing if the central one's limit is not positive. Arguments as RelaxFolds. */
void
RemoveFolds(const Device &     device,
            const FoldLimits & limits,
            const Field &      displacement,
            const Mask &       flags,
            const Field &      workspace);
} // namespace engine
} // namespace itk

#endif
