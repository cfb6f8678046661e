// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineChain_h
#define itkEngineChain_h

#include "../Operators/MetricInputs.h"

namespace itk
{
namespace engine
{
namespace cpu
{
/** One row of the chain rule that the metrics share: gradient(y) = slope(y) B^T grad M(A y + B u(y)), where `slope` is
 * the derivative with respect to the warped intensity, and (1 + du/dx)^T times that for composed steps. Voxels of slope 0 are not sampled.
 * `accumulate` adds to the gradient instead. */
void
ChainRow(const MetricInputs & inputs,
         int                  y,
         int                  z,
         const float *        slope,
         const Field &        gradient,
         bool                 accumulate = false);
} // namespace cpu
} // namespace engine
} // namespace itk

#endif
