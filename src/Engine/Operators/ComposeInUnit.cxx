// SPDX-License-Identifier: Apache-2.0
#include "Arithmetic.h"
#include "Compose.h"

namespace itk
{
namespace engine
{
void
ComposeInUnit(const Device &     device,
              const Matrix3 &    toIndex,
              Outside            outside,
              const ConstField & outer,
              const ConstField & inner,
              const Field &      output)
{
  if (toIndex.IsIdentity())
  {
    ComposeParameters composition;
    composition.outside = outside;
    Compose(device, composition, outer, inner, output);
    return;
  }
  ResampleParameters sampling;
  sampling.displacementMatrix = toIndex;
  sampling.outside = outside;
  sampling.accumulate = true;
  LinearCombination(device, 1.0f, inner, 0.0f, ConstField(), output);
  Resample(device, sampling, outer, inner, output);
}
} // namespace engine
} // namespace itk
