// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMathMetricSamples_h
#define itkEngineMathMetricSamples_h

#include "../Core/HostDevice.h"

#include <cmath>
#include <cstdint>

namespace itk
{
namespace engine
{
/** What becomes of an interpolated value: ITK stores it in the image's pixel type. */
enum class SampleRounding
{
  None,
  ToFloat,
  Truncate
};

/** Where the gradient of the moving image comes from. */
enum class SampleGradient
{
  CentralDifference, ///< half a spacing to either side along the physical axes, 0 where an end is outside
  GradientImage,     ///< interpolated from an image of gradients
  Interpolant        ///< of the linear interpolant itself
};

/** p = affine (x, 1) + field u(x): x in voxels of the virtual grid, p of the image, u as stored. */
struct SampleMap
{
  double         affine[3][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 } };
  double         field[3][3] = { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } };
  const double * displacement = nullptr; ///< `dimension` components interleaved, on the virtual grid; or null

  bool
  IsIdentity() const
  {
    bool is = !displacement;
    for (int i = 0; i < 12; ++i)
    {
      is = is && affine[i / 4][i % 4] == (i % 5 == 0 ? 1.0 : 0.0);
    }
    return is;
  }

  ITK_ENGINE_HOST_DEVICE void
  Apply(int dimension, const double (&x)[3], std::int64_t voxel, double (&p)[3]) const
  {
    for (int i = 0; i < 3; ++i)
    {
      p[i] = affine[i][0] * x[0] + affine[i][1] * x[1] + affine[i][2] * x[2] + affine[i][3];
    }
    if (displacement)
    {
      for (int j = 0; j < dimension; ++j)
      {
        const double u = displacement[voxel * dimension + j];
        for (int i = 0; i < dimension; ++i)
        {
          p[i] += field[i][j] * u;
        }
      }
    }
  }
};

/** An image to sample: `components` values interleaved per voxel. */
template <typename T>
struct SampleImage
{
  const T * data = nullptr;
  int       size[3] = { 1, 1, 1 };
  int       components = 1;

  /** ITK's IsInsideBuffer: the half-voxel rim belongs to the image at the low end only. False for NaN. */
  ITK_ENGINE_HOST_DEVICE bool
  IsInside(const double (&p)[3]) const
  {
    bool inside = true;
    for (int d = 0; d < 3; ++d)
    {
      inside = inside && p[d] >= -0.5 && p[d] < size[d] - 0.5;
    }
    return inside;
  }

  /** The same where places on the border of the rim itself, to all digits, are as `low` and `high` say. */
  ITK_ENGINE_HOST_DEVICE bool
  IsInside(const double (&p)[3], const bool (&low)[3], const bool (&high)[3]) const
  {
    bool inside = true;
    for (int d = 0; d < 3; ++d)
    {
      inside = inside && (p[d] > -0.5 || (low[d] && p[d] == -0.5)) &&
               (p[d] < size[d] - 0.5 || (high[d] && p[d] == size[d] - 0.5));
    }
    return inside;
  }

  /** Linear interpolation, clamped to the edge; `gradient`, if not null: of the interpolant, per voxel, 0 along clamped
   * axes. */
  ITK_ENGINE_HOST_DEVICE double
  Interpolate(const double (&p)[3], int component, double * gradient) const
  {
    std::int64_t low[3];
    std::int64_t step[3];
    double       t[3];
    bool         clamped[3];
    std::int64_t stride = components;
    for (int d = 0; d < 3; ++d)
    {
      double base = std::floor(p[d]);
      base = base < 0.0 ? 0.0 : (base > size[d] - 1.0 ? size[d] - 1.0 : base);
      const int i = static_cast<int>(base);
      clamped[d] = p[d] < 0.0 || i + 1 >= size[d];
      t[d] = clamped[d] ? 0.0 : p[d] - base;
      low[d] = i * stride;
      step[d] = i + 1 < size[d] ? stride : 0;
      stride *= size[d];
    }
    const T * const corner = data + low[0] + low[1] + low[2] + component;
    double          alongX[2][2];
    double          slopeX[2][2];
    for (int k = 0; k < 2; ++k)
    {
      for (int j = 0; j < 2; ++j)
      {
        const T * const c = corner + k * step[2] + j * step[1];
        const double    a = static_cast<double>(c[0]);
        slopeX[k][j] = static_cast<double>(c[step[0]]) - a;
        alongX[k][j] = a + slopeX[k][j] * t[0];
      }
    }
    const double y0 = alongX[0][0] + (alongX[0][1] - alongX[0][0]) * t[1];
    const double y1 = alongX[1][0] + (alongX[1][1] - alongX[1][0]) * t[1];
    if (gradient)
    {
      const double x0 = slopeX[0][0] + (slopeX[0][1] - slopeX[0][0]) * t[1];
      const double x1 = slopeX[1][0] + (slopeX[1][1] - slopeX[1][0]) * t[1];
      const double s0 = alongX[0][1] - alongX[0][0];
      const double s1 = alongX[1][1] - alongX[1][0];
      gradient[0] = clamped[0] ? 0.0 : x0 + (x1 - x0) * t[2];
      gradient[1] = clamped[1] ? 0.0 : s0 + (s1 - s0) * t[2];
      gradient[2] = clamped[2] ? 0.0 : y1 - y0;
    }
    return y0 + (y1 - y0) * t[2];
  }
};

/** A mask on a grid of its own; 0 and what is outside of it leave places out. */
struct SampleMask
{
  const unsigned char * data = nullptr;
  int                   size[3] = { 1, 1, 1 };
  double                affine[3][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 } }; ///< image -> mask, in voxels

  /** At the nearest voxel, half way up, as ITK rounds. */
  ITK_ENGINE_HOST_DEVICE bool
  Contains(const double (&p)[3]) const
  {
    std::int64_t offset = 0;
    std::int64_t stride = 1;
    for (int d = 0; d < 3; ++d)
    {
      const double i =
        std::floor(affine[d][0] * p[0] + affine[d][1] * p[1] + affine[d][2] * p[2] + affine[d][3] + 0.5);
      if (!(i >= 0.0 && i < size[d]))
      {
        return false;
      }
      offset += static_cast<int>(i) * stride;
      stride *= size[d];
    }
    return data[offset] != 0;
  }
};

ITK_ENGINE_HOST_DEVICE double
RoundSample(double value, SampleRounding rounding)
{
  return rounding == SampleRounding::None
           ? value
           : (rounding == SampleRounding::ToFloat ? static_cast<double>(static_cast<float>(value)) : std::trunc(value));
}

/** How the gradient of the moving image is taken, and to what it is brought. */
struct SampleGradientRule
{
  SampleGradient      source = SampleGradient::CentralDifference;
  double              halfStep[3][3] = {}; ///< column d: half a spacing along physical axis d, in voxels of the moving image
  double              spacing[3] = { 1, 1, 1 };
  bool                lowInside[3] = { true, true, true };     ///< ends of differences at -0.5 exactly are inside
  bool                highInside[3] = { false, false, false }; ///< the same at size - 0.5
  SampleImage<double> gradientImage;
  double              matrix[3][3] = {}; ///< applied to what the source gives
};

template <typename T>
ITK_ENGINE_HOST_DEVICE void
SampleMovingGradient(const SampleGradientRule & rule,
                     const SampleImage<T> &     moving,
                     int                        dimension,
                     const double (&p)[3],
                     double (&result)[3])
{
  double g[3] = { 0.0, 0.0, 0.0 };
  if (rule.source == SampleGradient::Interpolant)
  {
    moving.Interpolate(p, 0, g);
  }
  else
  {
    for (int d = 0; d < dimension; ++d)
    {
      if (rule.source == SampleGradient::GradientImage)
      {
        g[d] = rule.gradientImage.Interpolate(p, d, nullptr);
        continue;
      }
      const double before[3] = { p[0] - rule.halfStep[0][d], p[1] - rule.halfStep[1][d], p[2] - rule.halfStep[2][d] };
      const double after[3] = { p[0] + rule.halfStep[0][d], p[1] + rule.halfStep[1][d], p[2] + rule.halfStep[2][d] };
      if (moving.IsInside(before, rule.lowInside, rule.highInside) &&
          moving.IsInside(after, rule.lowInside, rule.highInside))
      {
        g[d] = (moving.Interpolate(after, 0, nullptr) - moving.Interpolate(before, 0, nullptr)) / rule.spacing[d];
      }
    }
  }
  for (int i = 0; i < 3; ++i)
  {
    result[i] = rule.matrix[i][0] * g[0] + rule.matrix[i][1] * g[1] + rule.matrix[i][2] * g[2];
  }
}

/** Window sums of the correlation, in the order in which the planes are stored. */
struct CorrelationSums
{
  double count, f, m, ff, fm, mm;
};
constexpr int CorrelationPlanes = 6;

/** cc of one window and the coefficients of its gradients: d cc / dM(y) = a F(y) - b M(y) - c and
 * d cc / dF(y) = a M(y) - fixedB F(y) - fixedC for y in the window. */
struct CorrelationTerms
{
  double cc, a, b, c, fixedB, fixedC;
};

/** How ITK rounds the products of intensities: those of floats are floats. */
struct CorrelationRounding
{
  bool fixed = false;
  bool moving = false;

  ITK_ENGINE_HOST_DEVICE static double
  Round(double product, bool toFloat)
  {
    return toFloat ? static_cast<double>(static_cast<float>(product)) : product;
  }
  /** What is left of a constant window after the subtraction is rounding, and counts as nothing; but ITK keeps what its
   * rounded products leave. */
  ITK_ENGINE_HOST_DEVICE static double
  Variance(double sumOfSquares, double mean, double sum, bool toFloat)
  {
    const double variance = sumOfSquares - mean * sum;
    return toFloat || variance > 1e-13 * sumOfSquares ? variance : 0.0;
  }
};

ITK_ENGINE_HOST_DEVICE CorrelationTerms
ComputeCorrelationTerms(const CorrelationSums & s, double epsilon, const CorrelationRounding & rounding)
{
  const double     meanF = s.f / s.count;
  const double     meanM = s.m / s.count;
  const double     ff = CorrelationRounding::Variance(s.ff, meanF, s.f, rounding.fixed);
  const double     mm = CorrelationRounding::Variance(s.mm, meanM, s.m, rounding.moving);
  const double     fm = s.fm - meanF * s.m;
  const double     product = ff * mm;
  CorrelationTerms terms = { 1.0, 0.0, 0.0, 0.0, 0.0, 0.0 };
  if (std::fabs(product) > epsilon)
  {
    terms.cc = fm * fm / product;
  }
  if (ff > epsilon && mm > epsilon)
  {
    terms.a = 2.0 * fm / product;
    // the quotients first: they are exactly 1 for identical images, whose slope then is exactly 0
    terms.b = terms.a * (fm / mm);
    terms.c = terms.a * meanF - terms.b * meanM;
    terms.fixedB = terms.a * (fm / ff);
    terms.fixedC = terms.a * meanM - terms.fixedB * meanF;
  }
  return terms;
}

/** Mattes' histogram: where intensities fall in it. */
struct MattesBins
{
  int    numberOfBins = 50;
  double fixedBinSize = 1.0;
  double fixedNormalizedMinimum = 0.0;
  double movingBinSize = 1.0;
  double movingNormalizedMinimum = 0.0;
  double movingMinimum = 0.0; ///< moving intensities beyond these do not count
  double movingMaximum = 0.0;

  ITK_ENGINE_HOST_DEVICE int
  Clamp(double term) const
  {
    const int last = numberOfBins - 3;
    return !(term >= 2.0) ? 2 : (term >= last ? last : static_cast<int>(term));
  }
  ITK_ENGINE_HOST_DEVICE int
  FixedBin(double value) const
  {
    return this->Clamp(value / fixedBinSize - fixedNormalizedMinimum);
  }
  ITK_ENGINE_HOST_DEVICE double
  MovingTerm(double value) const
  {
    return value / movingBinSize - movingNormalizedMinimum;
  }
  ITK_ENGINE_HOST_DEVICE bool
  Counts(double moving) const
  {
    return !(moving < movingMinimum || moving > movingMaximum);
  }
};

ITK_ENGINE_HOST_DEVICE double
CubicBSplineInDouble(double u)
{
  const double v = std::fabs(u);
  if (v < 1.0)
  {
    return (4.0 - 6.0 * v * v + 3.0 * v * v * v) / 6.0;
  }
  return v < 2.0 ? (2.0 - v) * (2.0 - v) * (2.0 - v) / 6.0 : 0.0;
}

ITK_ENGINE_HOST_DEVICE double
CubicBSplineSlopeInDouble(double u)
{
  const double v = std::fabs(u);
  const double slope = v < 1.0 ? v * (1.5 * v - 2.0) : (v < 2.0 ? -0.5 * (2.0 - v) * (2.0 - v) : 0.0);
  return u < 0.0 ? -slope : slope;
}

/** One bin's share of the information, and ln(p / pM) for the derivative; both 0 where a probability is 0. */
ITK_ENGINE_HOST_DEVICE double
MattesBinInformation(double p, double fixedMarginal, double movingMarginal, double & logRatio)
{
  constexpr double zero = 2.220446049250313e-16;
  logRatio = 0.0;
  if (!(p > zero && fixedMarginal > zero && movingMarginal > zero))
  {
    return 0.0;
  }
  logRatio = std::log(p / movingMarginal);
  return p * (logRatio - std::log(fixedMarginal));
}

/** Minus the derivative of Mattes' loss to the moving intensity, times N and the width of a bin. */
ITK_ENGINE_HOST_DEVICE double
MattesSlope(const MattesBins & bins, const double * logRatios, double fixed, double moving)
{
  const double         term = bins.MovingTerm(moving);
  const int            first = bins.Clamp(term) - 1;
  const double * const row = logRatios + static_cast<std::int64_t>(bins.FixedBin(fixed)) * bins.numberOfBins;
  double               sum = 0.0;
  for (int bin = first; bin < first + 4; ++bin)
  {
    sum += CubicBSplineSlopeInDouble(bin - term) * row[bin];
  }
  return -sum;
}
} // namespace engine
} // namespace itk

#endif
