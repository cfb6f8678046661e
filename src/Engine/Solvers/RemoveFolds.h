// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineRemoveFolds_h
#define itkEngineRemoveFolds_h

#include "../Operators/JacobianDeterminant.h"

namespace itk
{
namespace engine
{
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
