// SPDX-License-Identifier: Apache-2.0
#include "GaussianSmooth.h"

#include "itkGaussianOperator.h"

#include <cmath>

namespace itk
{
namespace engine
{
SymmetricKernel
MakeGaussianKernel(double variance, double maximumError, int maximumWidth)
{
  if (!(variance >= 0.0) || !std::isfinite(variance))
  {
    ThrowError("Gaussian variance ", variance, " is not a number >= 0");
  }
  if (!(maximumError > 0.0 && maximumError < 1.0))
  {
    ThrowError("Gaussian maximum error ", maximumError, " is not between 0 and 1");
  }
  SymmetricKernel kernel;
  if (variance == 0.0)
  {
    return kernel;
  }
  // The radius grows with the standard deviation; a kernel that the table cannot hold would be cut silently.
  if (6.0 * std::sqrt(variance) > SymmetricKernel::MaximumRadius)
  {
    ThrowError("Gaussian standard deviation ", std::sqrt(variance), " voxels is larger than ",
               SymmetricKernel::MaximumRadius / 6.0);
  }
  GaussianOperator<double, 1> gaussian;
  gaussian.SetDirection(0);
  gaussian.SetVariance(variance);
  gaussian.SetMaximumError(maximumError);
  gaussian.SetMaximumKernelWidth(std::min(maximumWidth, 2 * SymmetricKernel::MaximumRadius - 1));
  // ITK warns on the console when it truncates; the limit is the caller's wish.
  const bool warnings = Object::GetGlobalWarningDisplay();
  Object::SetGlobalWarningDisplay(false);
  gaussian.CreateDirectional();
  Object::SetGlobalWarningDisplay(warnings);
  kernel.radius = static_cast<int>(gaussian.GetRadius()[0]);
  for (int k = 0; k <= kernel.radius; ++k)
  {
    kernel.weight[k] = static_cast<float>(gaussian[kernel.radius + k]);
  }
  return kernel;
}
} // namespace engine
} // namespace itk
