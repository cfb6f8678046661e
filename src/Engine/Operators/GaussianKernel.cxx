// SPDX-License-Identifier: Apache-2.0
#include "GaussianSmooth.h"

#include "itkGaussianOperator.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace itk
{
namespace engine
{
namespace
{
/** The same weights exp(-v) I_k(v) by Miller's backward recurrence, which holds for any variance: ITK's series neither
 * reaches its own error bound above a variance of about 180 nor stays finite above 745. */
void
FillWideKernel(double variance, double maximumError, int maximumRadius, SymmetricKernel & kernel)
{
  const int           count = static_cast<int>(20.0 * std::sqrt(variance)) + 50;
  std::vector<double> weights(count + 2, 0.0);
  weights[count] = 1e-250;
  for (int k = count; k > 0; --k)
  {
    weights[k - 1] = weights[k + 1] + 2.0 * k / variance * weights[k];
  }
  const double total = 2.0 * std::accumulate(weights.begin() + 1, weights.end(), 0.0) + weights[0];
  double       sum = weights[0];
  for (kernel.radius = 0; kernel.radius < maximumRadius && sum < (1.0 - maximumError) * total;)
  {
    sum += 2.0 * weights[++kernel.radius];
  }
  for (int k = 0; k <= kernel.radius; ++k)
  {
    kernel.weight[k] = static_cast<float>(weights[k] / sum);
  }
}
} // namespace

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
  // ITK's limit counts the weights of one side.
  const int maximumRadius = std::min(maximumWidth, SymmetricKernel::MaximumRadius);
  if (variance > 100.0)
  {
    FillWideKernel(variance, maximumError, maximumRadius, kernel);
    return kernel;
  }
  GaussianOperator<double, 1> gaussian;
  gaussian.SetDirection(0);
  gaussian.SetVariance(variance);
  gaussian.SetMaximumError(maximumError);
  gaussian.SetMaximumKernelWidth(maximumRadius);
  // ITK warns on the console when it truncates; the limit is the caller's wish.
  const bool warnings = Object::GetGlobalWarningDisplay();
  Object::SetGlobalWarningDisplay(false);
  gaussian.CreateDirectional();
  Object::SetGlobalWarningDisplay(warnings);
  kernel.radius = std::min(static_cast<int>(gaussian.GetRadius()[0]), SymmetricKernel::MaximumRadius);
  for (int k = 0; k <= kernel.radius; ++k)
  {
    kernel.weight[k] = static_cast<float>(gaussian[gaussian.GetRadius()[0] + k]);
  }
  return kernel;
}

SymmetricKernel
MakeSampledGaussianKernel(double sigma)
{
  constexpr int maximumSigma = SymmetricKernel::MaximumRadius / 3;
  if (!(sigma >= 0.0 && sigma <= maximumSigma))
  {
    ThrowError("Gaussian standard deviation ", sigma, " voxels is not in 0 .. ", maximumSigma);
  }
  SymmetricKernel kernel;
  kernel.radius = static_cast<int>(std::ceil(3.0 * sigma));
  double sum = 1.0;
  for (int k = 1; k <= kernel.radius; ++k)
  {
    sum += 2.0 * std::exp(-0.5 * k * k / (sigma * sigma));
  }
  for (int k = 0; k <= kernel.radius; ++k)
  {
    kernel.weight[k] = static_cast<float>((k == 0 ? 1.0 : std::exp(-0.5 * k * k / (sigma * sigma))) / sum);
  }
  return kernel;
}
} // namespace engine
} // namespace itk
