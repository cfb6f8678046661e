// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMutualInformationMath_h
#define itkEngineMutualInformationMath_h

#include "../Core/HostDevice.h"
#include "Interpolation.h"

#include <cmath>
#include <limits>

namespace itk
{
namespace engine
{
/** How a sample spreads over the bins of a histogram. t is its intensity in bins. */
enum class ParzenWindow
{
  ZeroOrder,    ///< all into bin floor(t): no derivative
  Linear,       ///< bins floor(t), floor(t) + 1 with weights 1 - s, s, s = t - floor(t); derivative 0 where s is 0 or 1
  CubicBSpline, ///< four bins floor(t) - 1 .. floor(t) + 2 with the weights of the cubic B-spline
  Gaussian      ///< exp(-(q - t)^2 / (2 sigma^2)), bins q up to 4 sigma away, divided by the sum of these weights
};

/** Bins at either end of the histogram that only the tails of windows reach (ITK's padding). */
constexpr int HistogramPadding = 2;
constexpr int MinimumHistogramBins = 8;
constexpr int MaximumHistogramBins = 256;

constexpr float MinimumParzenSigma = 0.25f;
constexpr float MaximumParzenSigma = 4.0f;
constexpr float ParzenSigmasOfSupport = 4.0f;
constexpr int   MaximumParzenTaps = 2 * static_cast<int>(ParzenSigmasOfSupport * MaximumParzenSigma);

/** Probabilities below it count as 0, as in ITK. */
constexpr double SmallestProbability = 2.220446049250313e-16;

/** An intensity on the axis of a histogram: t = padding + cell + fraction, 0 <= fraction <= 1. */
struct HistogramPosition
{
  int   cell;
  float fraction;
};

/** The map from intensities to bins. The minimum has t = 2 and the maximum t = K - 2; beyond them, and for NaN, the nearest
 * end stands in. */
struct HistogramAxis
{
  double minimum;
  double maximum;
  double scale; ///< bins per unit of intensity; 0 for a range without width
  double lastCell;

  HistogramAxis(float low, float high, int bins)
    : minimum(low)
    , maximum(high)
    , lastCell(bins - 2 * HistogramPadding - 1)
  {
    const double width = maximum - minimum;
    scale = width > 0.0 ? (bins - 2 * HistogramPadding) / width : 0.0;
    // narrower than float32 can divide by: as good as none
    scale = scale <= static_cast<double>(std::numeric_limits<float>::max()) ? scale : 0.0;
  }

  /** Written in reals as far as it goes, so that the compiler can put many voxels into one SIMD register. */
  ITK_ENGINE_HOST_DEVICE HistogramPosition
  Locate(float value) const
  {
    // NaN becomes the minimum
    double v = static_cast<double>(value);
    v = v >= minimum ? v : minimum;
    v = v <= maximum ? v : maximum;
    const double t = (v - minimum) * scale;
    double       cell = static_cast<double>(static_cast<int>(t));
    cell = cell < lastCell ? cell : lastCell;
    double fraction = t - cell;
    fraction = fraction < 1.0 ? fraction : 1.0;
    return HistogramPosition{ static_cast<int>(cell), static_cast<float>(fraction) };
  }

  /** Whether the weights of this intensity have a derivative: it is in the range, and the range has a width. */
  ITK_ENGINE_HOST_DEVICE bool
  IsInside(float value) const
  {
    return value >= minimum && value <= maximum && scale > 0.0;
  }
};

/** A window, prepared. */
struct ParzenShape
{
  ParzenWindow window;
  int          before;                      ///< taps below bin floor(t)
  int          taps;                        ///< bins that it covers
  float        inverseVariance;             ///< 1 / sigma^2 of the Gaussian
  float        factors[MaximumParzenTaps];  ///< exp(-k^2 / (2 sigma^2)), k = -before .. taps - before - 1

  ParzenShape(ParzenWindow kind, float sigma)
    : window(kind)
    , before(0)
    , taps(1)
    , inverseVariance(0.0f)
    , factors{}
  {
    switch (kind)
    {
      case ParzenWindow::ZeroOrder:
        break;
      case ParzenWindow::Linear:
        taps = 2;
        break;
      case ParzenWindow::CubicBSpline:
        before = 1;
        taps = 4;
        break;
      case ParzenWindow::Gaussian:
      {
        const int radius = static_cast<int>(std::ceil(ParzenSigmasOfSupport * sigma));
        before = radius - 1;
        taps = 2 * radius;
        inverseVariance = 1.0f / (sigma * sigma);
        for (int i = 0; i < taps; ++i)
        {
          const double k = i - before;
          factors[i] = static_cast<float>(std::exp(-0.5 * k * k / (static_cast<double>(sigma) * sigma)));
        }
        break;
      }
    }
  }
};

/** The part of a window that lies within the histogram: weights of the bins first .. first + count - 1, which sum to 1,
 * and their derivatives with respect to t, which sum to 0. */
struct ParzenWeights
{
  int   first;
  int   count;
  float weight[MaximumParzenTaps];
  float derivative[MaximumParzenTaps];
};

ITK_ENGINE_HOST_DEVICE void
EvaluateParzenWindow(const ParzenShape & shape, int bins, const HistogramPosition & position, ParzenWeights & result)
{
  const float s = position.fraction;
  const int   lowest = position.cell + HistogramPadding - shape.before;
  result.first = lowest > 0 ? lowest : 0;
  result.count = shape.taps;
  if (shape.window == ParzenWindow::ZeroOrder)
  {
    result.weight[0] = 1.0f;
    result.derivative[0] = 0.0f;
  }
  else if (shape.window == ParzenWindow::Linear)
  {
    result.weight[0] = 1.0f - s;
    result.weight[1] = s;
    result.derivative[1] = s > 0.0f && s < 1.0f ? 1.0f : 0.0f;
    result.derivative[0] = -result.derivative[1];
  }
  else if (shape.window == ParzenWindow::CubicBSpline)
  {
    float w[4];
    float dw[4];
    CubicBSplineWeights(s, w, dw);
    for (int i = 0; i < 4; ++i)
    {
      result.weight[i] = w[i];
      result.derivative[i] = dw[i];
    }
  }
  else
  {
    // exp(-(k - s)^2 / (2 sigma^2)) = exp(-k^2 / (2 sigma^2)) r^k, r = exp(s / sigma^2), times what does not depend on k
    const int highest = lowest + shape.taps - 1;
    const int skipped = result.first - lowest;
    result.count = (highest < bins - 1 ? highest : bins - 1) - result.first + 1;
    const float ratio = expf(s * shape.inverseVariance);
    float       power = 1.0f;
    for (int k = skipped - shape.before; k < 0; ++k)
    {
      power /= ratio;
    }
    float sum = 0.0f;
    float moment = 0.0f;
    for (int i = 0; i < result.count; ++i)
    {
      const float w = shape.factors[skipped + i] * power;
      result.weight[i] = w;
      sum += w;
      moment += w * (static_cast<float>(skipped + i - shape.before) - s);
      power *= ratio;
    }
    // d w_q / dt = w_q ((q - t) - sum of w_r (r - t)) / sigma^2: the derivative of the quotient, exactly
    const float inverse = 1.0f / sum;
    const float mean = moment * inverse;
    for (int i = 0; i < result.count; ++i)
    {
      result.weight[i] *= inverse;
      result.derivative[i] = result.weight[i] * shape.inverseVariance *
                             ((static_cast<float>(skipped + i - shape.before) - s) - mean);
    }
  }
}

/** Value of the measure and the factors of its derivative: with p the joint and q, r the marginal probabilities,
 * N d value / d t = sum over the bins of (derivative of the sample's weight) (joint ln p - marginal ln (q r)). */
struct InformationTerms
{
  double value;
  double joint;
  double marginal;
};

/** From the entropies of the fixed image, the moving image and both. */
ITK_ENGINE_HOST_DEVICE InformationTerms
CombineEntropies(double fixed, double moving, double both, bool normalized)
{
  InformationTerms terms;
  if (!normalized)
  {
    terms.value = fixed + moving - both;
    terms.joint = terms.marginal = 1.0;
    return terms;
  }
  // two images without any information: independent, which is 1
  const bool none = !(both > 0.0);
  terms.value = none ? 1.0 : (fixed + moving) / both;
  terms.marginal = none ? 0.0 : 1.0 / both;
  terms.joint = terms.value * terms.marginal;
  return terms;
}

/** -p ln p. */
ITK_ENGINE_HOST_DEVICE double
EntropyTerm(double p)
{
  return p > SmallestProbability ? -p * log(p) : 0.0;
}

/** joint ln p - marginal ln (q r); 0 for empty bins. One table serves the derivatives to both images: the weights'
 * derivatives sum to 0 along the axis of either, so that what depends on the other one alone drops out. */
ITK_ENGINE_HOST_DEVICE double
LogarithmTerm(const InformationTerms & terms, double p, double q, double r)
{
  const bool empty = !(p > SmallestProbability && q > SmallestProbability && r > SmallestProbability);
  return empty ? 0.0 : terms.joint * log(p) - terms.marginal * (log(q) + log(r));
}

/** sum of l_k w_k'(s) over the four bins of the cubic B-spline as (c2 s + c1) s + c0. */
ITK_ENGINE_HOST_DEVICE void
CombineBSplineDerivatives(double l0, double l1, double l2, double l3, double scale, float (&c)[3])
{
  c[0] = static_cast<float>(scale * 0.5 * (l2 - l0));
  c[1] = static_cast<float>(scale * ((l0 - l1) + (l2 - l1)));
  c[2] = static_cast<float>(scale * 0.5 * ((l3 - l0) + 3.0 * (l1 - l2)));
}
} // namespace engine
} // namespace itk

#endif
