// SPDX-License-Identifier: Apache-2.0
#include "RemoveFolds.h"

namespace itk
{
namespace engine
{
void
RemoveFolds(const Device & device,
            double         threshold,
            const Field &  displacement,
            const Mask &   flags,
            const Field &  workspace)
{
  if (threshold <= 0.0)
  {
    return;
  }
  const Buffer<double> count(device, 1);
  FoldLimits           limits;
  limits.central = static_cast<float>(threshold);
  limits.oneSided = 0.1f * limits.central;
  constexpr int maximumPasses = 200;
  for (int pass = 0; pass < maximumPasses; ++pass)
  {
    RelaxFolds(device, limits, displacement, count.Data(), flags, workspace);
    double number = 0.0;
    device.CopyToHost(&number, count.Data(), sizeof(number));
    if (number == 0.0)
    {
      return;
    }
  }
}
} // namespace engine
} // namespace itk
