// SPDX-License-Identifier: Apache-2.0
#ifndef itkReferenceInformation_h
#define itkReferenceInformation_h

#include "EngineTesting.h"

#include "Operators/MutualInformation.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace test
{
/** The weights of a sample at t in all bins, and their derivatives, word for word from the definition. */
struct ReferenceWindow
{
  std::vector<double> weight;
  std::vector<double> derivative;
};

inline ReferenceWindow
WindowInDouble(const ParzenParameters & parameters, int bins, double t)
{
  ReferenceWindow result{ std::vector<double>(bins, 0.0), std::vector<double>(bins, 0.0) };
  const int       cell = std::min(bins - 3, std::max(2, static_cast<int>(std::floor(t))));
  switch (parameters.window)
  {
    case ParzenWindow::ZeroOrder:
      result.weight[cell] = 1.0;
      break;
    case ParzenWindow::Linear:
      result.weight[cell] = 1.0 - (t - cell);
      result.weight[cell + 1] = t - cell;
      // no derivative at a bin's centre, up to the rounding of t
      result.derivative[cell + 1] = std::abs(t - std::floor(t + 0.5)) > 1e-9 ? 1.0 : 0.0;
      result.derivative[cell] = -result.derivative[cell + 1];
      break;
    case ParzenWindow::CubicBSpline:
      for (int q = cell - 1; q <= cell + 2; ++q)
      {
        const double u = std::abs(q - t);
        const double sign = t > q ? 1.0 : -1.0;
        result.weight[q] = u < 1.0 ? (4.0 - 6.0 * u * u + 3.0 * u * u * u) / 6.0 : std::pow(std::max(0.0, 2.0 - u), 3) / 6.0;
        result.derivative[q] = sign * (u < 1.0 ? (-12.0 * u + 9.0 * u * u) / 6.0 : -0.5 * std::pow(std::max(0.0, 2.0 - u), 2));
      }
      break;
    case ParzenWindow::Gaussian:
    {
      const double variance = static_cast<double>(parameters.sigma) * parameters.sigma;
      const int    radius = static_cast<int>(std::ceil(4.0 * parameters.sigma));
      const int    low = std::max(0, cell - radius + 1);
      const int    high = std::min(bins - 1, cell + radius);
      double       sum = 0.0;
      double       slope = 0.0;
      for (int q = low; q <= high; ++q)
      {
        const double g = std::exp(-(q - t) * (q - t) / (2.0 * variance));
        sum += g;
        slope += g * (q - t) / variance;
      }
      for (int q = low; q <= high; ++q)
      {
        const double g = std::exp(-(q - t) * (q - t) / (2.0 * variance));
        result.weight[q] = g / sum;
        result.derivative[q] = g * (q - t) / variance / sum - g * slope / (sum * sum);
      }
      break;
    }
  }
  return result;
}

struct InformationReference
{
  double      information = 0.0; ///< mean over the components
  double      count = 0.0;
  HostDoubles gradient;      ///< N d(-I)/dM
  HostDoubles fixedGradient; ///< N d(-I)/dF
};

/** An empty mask: all voxels count. */
inline InformationReference
InformationInDouble(const MutualInformationParameters & parameters,
                    const HostDoubles &                 fixed,
                    const HostDoubles &                 moving,
                    const HostMask &                    valid,
                    bool                                withGradients = true)
{
  const int            bins = parameters.numberOfBins;
  const auto           voxels = static_cast<std::size_t>(fixed.lattice.NumberOfVoxels());
  InformationReference result;
  result.gradient = HostDoubles(fixed.lattice, fixed.components);
  result.fixedGradient = HostDoubles(fixed.lattice, fixed.components);
  const auto counts = [&](std::size_t i) { return valid.values.empty() || valid.values[i] != 0; };
  const auto scale = [bins](const ParzenParameters & axis) {
    const double width = static_cast<double>(axis.maximum) - axis.minimum;
    return width > 0.0 ? (bins - 4) / width : 0.0;
  };
  const auto window = [&](const ParzenParameters & axis, double value) {
    const double clamped = std::min<double>(axis.maximum, std::max<double>(axis.minimum, value));
    return WindowInDouble(axis, bins, 2.0 + (clamped - axis.minimum) * scale(axis));
  };
  const auto isInside = [](const ParzenParameters & axis, double value) {
    return value >= axis.minimum && value <= axis.maximum;
  };
  for (int c = 0; c < fixed.components; ++c)
  {
    std::vector<double> joint(static_cast<std::size_t>(bins) * bins, 0.0);
    double              number = 0.0;
    for (std::size_t i = 0; i < voxels; ++i)
    {
      if (counts(i))
      {
        const ReferenceWindow f = window(parameters.fixed, fixed.values[c * voxels + i]);
        const ReferenceWindow m = window(parameters.moving, moving.values[c * voxels + i]);
        for (int a = 0; a < bins; ++a)
        {
          for (int b = 0; f.weight[a] != 0.0 && b < bins; ++b)
          {
            joint[a * bins + b] += f.weight[a] * m.weight[b];
          }
        }
        number += 1.0;
      }
    }
    result.count = number;
    std::vector<double> marginalF(bins, 0.0);
    std::vector<double> marginalM(bins, 0.0);
    for (int a = 0; a < bins; ++a)
    {
      for (int b = 0; b < bins; ++b)
      {
        joint[a * bins + b] /= std::max(1.0, number);
        marginalF[a] += joint[a * bins + b];
        marginalM[b] += joint[a * bins + b];
      }
    }
    const auto entropy = [](const std::vector<double> & p) {
      double sum = 0.0;
      for (const double value : p)
      {
        sum -= value > 0.0 ? value * std::log(value) : 0.0;
      }
      return sum;
    };
    const double hF = entropy(marginalF);
    const double hM = entropy(marginalM);
    const double h = entropy(joint);
    const bool   empty = !(h > 1e-14);
    const double value = parameters.normalized ? (empty ? 1.0 : (hF + hM) / h) : hF + hM - h;
    result.information += value / fixed.components;
    if (!withGradients)
    {
      continue;
    }
    // d H(q) = -sum of ln q dq, constants vanishing since the weights' derivatives sum to 0
    const double jointFactor = parameters.normalized ? (empty ? 0.0 : value / h) : 1.0;
    const double marginalFactor = parameters.normalized ? (empty ? 0.0 : 1.0 / h) : 1.0;
    const auto   logarithm = [](double p) { return p > 2.2204e-16 ? std::log(p) : 0.0; };
    for (std::size_t i = 0; i < voxels; ++i)
    {
      if (!counts(i))
      {
        continue;
      }
      const ReferenceWindow f = window(parameters.fixed, fixed.values[c * voxels + i]);
      const ReferenceWindow m = window(parameters.moving, moving.values[c * voxels + i]);
      double                toMoving = 0.0;
      double                toFixed = 0.0;
      for (int a = 0; a < bins; ++a)
      {
        for (int b = 0; (f.weight[a] != 0.0 || f.derivative[a] != 0.0) && b < bins; ++b)
        {
          const double p = logarithm(joint[a * bins + b]);
          toMoving += f.weight[a] * m.derivative[b] * (jointFactor * p - marginalFactor * logarithm(marginalM[b]));
          toFixed += f.derivative[a] * m.weight[b] * (jointFactor * p - marginalFactor * logarithm(marginalF[a]));
        }
      }
      if (isInside(parameters.moving, moving.values[c * voxels + i]))
      {
        result.gradient.values[c * voxels + i] = -toMoving * scale(parameters.moving) / fixed.components;
      }
      if (isInside(parameters.fixed, fixed.values[c * voxels + i]))
      {
        result.fixedGradient.values[c * voxels + i] = -toFixed * scale(parameters.fixed) / fixed.components;
      }
    }
  }
  return result;
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
