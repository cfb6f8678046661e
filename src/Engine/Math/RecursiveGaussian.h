// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMathRecursiveGaussian_h
#define itkEngineMathRecursiveGaussian_h

#include "../Core/HostDevice.h"

#include <cmath>
#include <cstdint>

namespace itk
{
namespace engine
{
/** A recursive filter along a line, x[i] going in: a causal part y[i] = n0 x[i] + .. + n3 x[i-3] - d1 y[i-1] - .. - d4 y[i-4]
 * and an anticausal part z[i] = m1 x[i+1] + .. + m4 x[i+4] - d1 z[i+1] - .. - d4 z[i+4]; the result is y + z. Samples continue
 * with their edge values, which have gone through for ever before the filter meets the line. */
struct RecursiveLine
{
  double n[4];
  double m[4];
  double d[4];
  double causalGain;     ///< y of a constant 1
  double anticausalGain; ///< z of a constant 1
};

/** Deriche's fourth-order approximation of a Gaussian, or of its first derivative, sigma in samples.
 * Deriche: Recursively implementing the Gaussian and its derivatives, INRIA report 1893 (1993); Farneback, Westin:
 * Improving Deriche-style recursive Gaussian filters, Journal of Mathematical Imaging and Vision 26 (2006), whose
 * coefficients itk::RecursiveGaussianImageFilter has. */
inline RecursiveLine
MakeRecursiveGaussian(double sigma, bool derivative)
{
  const double a1 = derivative ? -0.6724 : 1.3530;
  const double b1 = derivative ? -3.4327 : 1.8151;
  const double a2 = derivative ? 0.6724 : -0.3531;
  const double b2 = derivative ? 0.6100 : 0.0902;
  const double s1 = std::sin(0.6681 / sigma);
  const double c1 = std::cos(0.6681 / sigma);
  const double e1 = std::exp(-1.3932 / sigma);
  const double s2 = std::sin(2.0787 / sigma);
  const double c2 = std::cos(2.0787 / sigma);
  const double e2 = std::exp(-1.3732 / sigma);

  RecursiveLine line;
  line.d[0] = -2.0 * (e2 * c2 + e1 * c1);
  line.d[1] = 4.0 * c2 * c1 * e1 * e2 + e1 * e1 + e2 * e2;
  line.d[2] = -2.0 * c1 * e1 * e2 * e2 - 2.0 * c2 * e2 * e1 * e1;
  line.d[3] = e1 * e1 * e2 * e2;
  line.n[0] = a1 + a2;
  line.n[1] = e2 * (b2 * s2 - (a2 + 2.0 * a1) * c2) + e1 * (b1 * s1 - (a1 + 2.0 * a2) * c1);
  line.n[2] = 2.0 * e1 * e2 * ((a1 + a2) * c2 * c1 - b1 * c2 * s1 - b2 * c1 * s2) + a2 * e1 * e1 + a1 * e2 * e2;
  line.n[3] = e2 * e1 * e1 * (b2 * s2 - a2 * c2) + e1 * e2 * e2 * (b1 * s1 - a1 * c1);

  const double sumD = 1.0 + line.d[0] + line.d[1] + line.d[2] + line.d[3];
  const double momentD = line.d[0] + 2.0 * line.d[1] + 3.0 * line.d[2] + 4.0 * line.d[3];
  const double sumN = line.n[0] + line.n[1] + line.n[2] + line.n[3];
  const double momentN = line.n[1] + 2.0 * line.n[2] + 3.0 * line.n[3];
  // so that a constant stays what it is, or a ramp has its slope
  const double norm =
    derivative ? 2.0 * (sumN * momentD - momentN * sumD) / (sumD * sumD) : 2.0 * sumN / sumD - line.n[0];
  const double sign = derivative ? -1.0 : 1.0;
  for (double & value : line.n)
  {
    value /= norm;
  }
  for (int k = 0; k < 4; ++k)
  {
    line.m[k] = sign * ((k < 3 ? line.n[k + 1] : 0.0) - line.d[k] * line.n[0]);
  }
  line.causalGain = sumN / norm / sumD;
  line.anticausalGain = (line.m[0] + line.m[1] + line.m[2] + line.m[3]) / sumD;
  return line;
}

/** One step: x and y hold the last four values, the latest first. */
ITK_ENGINE_HOST_DEVICE double
TakeRecursiveStep(const double (&forward)[4], const double (&backward)[4], const double (&x)[4], double (&y)[4])
{
  const double value = forward[0] * x[0] + forward[1] * x[1] + forward[2] * x[2] + forward[3] * x[3] -
                       (backward[0] * y[0] + backward[1] * y[1] + backward[2] * y[2] + backward[3] * y[3]);
  y[3] = y[2];
  y[2] = y[1];
  y[1] = y[0];
  y[0] = value;
  return value;
}

/** Filters a line of `count` samples, `stride` apart. Not in place. */
ITK_ENGINE_HOST_DEVICE void
FilterLine(const RecursiveLine & line, const float * input, float * output, std::int64_t stride, int count)
{
  const double first = input[0];
  double       x[4] = { first, first, first, first };
  double       y[4];
  for (double & value : y)
  {
    value = line.causalGain * first;
  }
  for (int i = 0; i < count; ++i)
  {
    x[3] = x[2];
    x[2] = x[1];
    x[1] = x[0];
    x[0] = input[i * stride];
    output[i * stride] = static_cast<float>(TakeRecursiveStep(line.n, line.d, x, y));
  }
  const double last = input[(count - 1) * stride];
  for (int k = 0; k < 4; ++k)
  {
    x[k] = last;
    y[k] = line.anticausalGain * last;
  }
  for (int i = count - 1; i >= 0; --i)
  {
    output[i * stride] = static_cast<float>(output[i * stride] + TakeRecursiveStep(line.m, line.d, x, y));
    x[3] = x[2];
    x[2] = x[1];
    x[1] = x[0];
    x[0] = input[i * stride];
  }
}
} // namespace engine
} // namespace itk

#endif
