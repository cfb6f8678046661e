// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineRemoveFolds_h
#define itkEngineRemoveFolds_h

#include "../Operators/JacobianDeterminant.h"

namespace itk
{
namespace engine
{
/** Relaxes (RelaxFolds) until no central determinant is below the threshold and no one-sided one below a tenth of it, as a
 * guarantee outside of the iterations; at most 200 passes. Nothing if the threshold is not positive. Arguments as RelaxFolds. */
void
RemoveFolds(const Device & device,
            double         threshold,
            const Field &  displacement,
            const Mask &   flags,
            const Field &  workspace);
} // namespace engine
} // namespace itk

#endif
