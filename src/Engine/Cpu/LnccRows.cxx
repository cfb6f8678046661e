// SPDX-License-Identifier: Apache-2.0
#include "LnccRows.h"

#include "../Math/Lncc.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
template <bool masked>
ITK_ENGINE_HOST_DEVICE void
AccumulateProductsOf(const LnccImages & row, float sign, float * sums, std::int64_t stride, int count)
{
  for (int x = 0; x < count; ++x)
  {
    const float f = !masked || row.valid[x] ? row.fixed[x] - row.fixedShift : 0.0f;
    const float m = !masked || row.valid[x] ? row.warped[x] - row.movingShift : 0.0f;
    const float sf = sign * f;
    const float sm = sign * m;
    sums[x] += sf;
    sums[x + stride] += sm;
    sums[x + 2 * stride] += sf * f;
    sums[x + 3 * stride] += sm * m;
    sums[x + 4 * stride] += sf * m;
    if (masked)
    {
      sums[x + 5 * stride] += row.valid[x] ? sign : 0.0f;
    }
  }
}

template <bool padded, int numberOfCoefficients>
ITK_ENGINE_HOST_DEVICE void
EvaluateWindowsOf(const LnccParameters & parameters,
                  const float *          sums,
                  std::int64_t           sumStride,
                  const float *          inverse,
                  const float *          padding,
                  float *                coefficients,
                  std::int64_t           stride,
                  float *                correlations,
                  int                    count)
{
#pragma GCC ivdep
  for (int x = 0; x < count; ++x)
  {
    LnccMoments moments = TakeLnccMoments(sums[x],
                                          sums[x + sumStride],
                                          sums[x + 2 * sumStride],
                                          sums[x + 3 * sumStride],
                                          sums[x + 4 * sumStride],
                                          inverse[x]);
    if (padded)
    {
      AddLnccPadding(moments, padding[x], parameters.fixedShift, parameters.movingShift);
    }
    const LnccWindow window = EvaluateLnccWindow(moments, inverse[x], parameters.varianceFloor);
    correlations[x] = window.correlation;
    if (numberOfCoefficients > 0)
    {
      coefficients[x] = window.a;
      coefficients[x + stride] = window.b;
      coefficients[x + 2 * stride] = window.c;
    }
    if (numberOfCoefficients == NumberOfCoefficientsForBoth)
    {
      coefficients[x + 3 * stride] = window.fixedA;
      coefficients[x + 4 * stride] = window.fixedB;
    }
  }
}

ITK_ENGINE_ROW void
SetTruncated(const double * inside, double factor, float * inverse, int count)
{
  for (int x = 0; x < count; ++x)
  {
    inverse[x] = 1.0f / static_cast<float>(factor * inside[x]);
  }
}

ITK_ENGINE_ROW void
SetPadding(const double * inside, double factor, float * padding, int count)
{
  for (int x = 0; x < count; ++x)
  {
    padding[x] = static_cast<float>(1.0 - factor * inside[x]);
  }
}

ITK_ENGINE_ROW void
SetTruncatedByCount(const float * counted, float minimum, float * inverse, int count)
{
  for (int x = 0; x < count; ++x)
  {
    inverse[x] = 1.0f / (counted[x] > minimum ? counted[x] : minimum);
  }
}
} // namespace

ITK_ENGINE_ROW void
AccumulateProducts(const LnccImages & row, float sign, float * sums, std::int64_t stride, int count)
{
  if (row.valid)
  {
    AccumulateProductsOf<true>(row, sign, sums, stride, count);
  }
  else
  {
    AccumulateProductsOf<false>(row, sign, sums, stride, count);
  }
}

// Differences of products are formed from the differences of the intensities, so the running sums never see the
// products themselves.
ITK_ENGINE_ROW void
ExchangeProducts(const LnccImages & row, const LnccImages & old, float * sums, std::int64_t stride, int count)
{
  const float * const fixed = row.fixed;
  const float * const warped = row.warped;
  const float * const fixedOld = old.fixed;
  const float * const warpedOld = old.warped;
  const float         fixedShift = row.fixedShift;
  const float         movingShift = row.movingShift;
  for (int x = 0; x < count; ++x)
  {
    const float f = fixed[x] - fixedShift;
    const float m = warped[x] - movingShift;
    const float fo = fixedOld[x] - fixedShift;
    const float mo = warpedOld[x] - movingShift;
    const float df = f - fo;
    const float dm = m - mo;
    sums[x] += df;
    sums[x + stride] += dm;
    sums[x + 2 * stride] += df * (f + fo);
    sums[x + 3 * stride] += dm * (m + mo);
    sums[x + 4 * stride] += df * m + fo * dm;
  }
}

LnccWindowWeights::LnccWindowWeights(const LnccParameters & parameters, const Lattice & lattice)
  : m_Gaussian(parameters.weights == LnccWeights::Gaussian)
  , m_Padded(parameters.boundary == LnccBoundary::ZeroPadding)
  , m_Whole(1.0)
  , m_CenterWeight(1.0f)
{
  SymmetricKernel kernels[3];
  if (m_Gaussian)
  {
    MakeLnccKernels(parameters, lattice, kernels);
  }
  for (int axis = 0; axis < 3; ++axis)
  {
    const int size = lattice.own.size[axis];
    m_Inside[axis].resize(size);
    const int radius = m_Gaussian ? kernels[axis].radius : (size > 1 ? parameters.radius[axis] : 0);
    for (int i = 0; i < size; ++i)
    {
      // what is missing is summed, so that a whole window has exactly 1
      double missing = 0.0;
      for (int k = std::min(i, size - 1 - i) + 1; m_Gaussian && k <= radius; ++k)
      {
        missing += kernels[axis].weight[k] * ((k > i ? 1.0 : 0.0) + (k > size - 1 - i ? 1.0 : 0.0));
      }
      m_Inside[axis][i] = m_Gaussian ? 1.0 - missing : WindowCount(i, size, radius) / (2.0 * radius + 1.0);
    }
    m_Whole *= m_Gaussian ? 1.0 : 2.0 * radius + 1.0;
    m_CenterWeight *= m_Gaussian ? kernels[axis].weight[0] : 1.0f;
  }
}

LnccWindowWeights::Row
LnccWindowWeights::MakeRow() const
{
  Row row;
  row.inverse.resize(m_Inside[0].size(), static_cast<float>(1.0 / m_Whole));
  row.padding.resize(m_Padded ? m_Inside[0].size() : 0, 0.0f);
  return row;
}

void
LnccWindowWeights::Set(int y, int z, Row & row) const
{
  const double factor = m_Inside[1][y] * m_Inside[2][z];
  const int    count = static_cast<int>(m_Inside[0].size());
  if (factor == row.factor)
  {
    return;
  }
  row.factor = factor;
  if (m_Padded)
  {
    SetPadding(m_Inside[0].data(), factor, row.padding.data(), count);
  }
  else
  {
    SetTruncated(m_Inside[0].data(), m_Whole * factor, row.inverse.data(), count);
  }
}

void
LnccWindowWeights::Set(int y, int z, const float * counted, Row & row) const
{
  const int count = static_cast<int>(m_Inside[0].size());
  if (!m_Padded)
  {
    SetTruncatedByCount(counted, m_CenterWeight, row.inverse.data(), count);
    return;
  }
  const double factor = m_Inside[1][y] * m_Inside[2][z];
  for (int x = 0; x < count; ++x)
  {
    row.padding[x] = static_cast<float>(m_Gaussian ? 1.0 - factor * m_Inside[0][x] + counted[x]
                                                   : (m_Whole - counted[x]) / m_Whole);
  }
}

ITK_ENGINE_ROW void
EvaluateWindows(const LnccParameters &         parameters,
                const float *                  sums,
                std::int64_t                   sumStride,
                const LnccWindowWeights::Row & weights,
                bool                           both,
                float *                        coefficients,
                std::int64_t                   stride,
                float *                        correlations,
                int                            count)
{
  const float * const inverse = weights.inverse.data();
  const float * const padding = weights.padding.data();
  const bool          padded = !weights.padding.empty();
  const auto          evaluate = [&](auto isPadded, auto numberOfCoefficients)
                          __attribute__((always_inline)) {
    EvaluateWindowsOf<isPadded, numberOfCoefficients>(
      parameters, sums, sumStride, inverse, padding, coefficients, stride, correlations, count);
  };
  using Three = std::integral_constant<int, NumberOfCoefficients>;
  using Five = std::integral_constant<int, NumberOfCoefficientsForBoth>;
  using None = std::integral_constant<int, 0>;
  if (!coefficients)
  {
    padded ? evaluate(std::true_type(), None()) : evaluate(std::false_type(), None());
  }
  else if (both)
  {
    padded ? evaluate(std::true_type(), Five()) : evaluate(std::false_type(), Five());
  }
  else
  {
    padded ? evaluate(std::true_type(), Three()) : evaluate(std::false_type(), Three());
  }
}

int
ClearInvalid(const unsigned char * valid, int fields, float * coefficients, std::int64_t stride, float * correlations, int count)
{
  int number = 0;
  for (int x = 0; x < count; ++x)
  {
    if (valid[x])
    {
      ++number;
      continue;
    }
    correlations[x] = 0.0f;
    for (int f = 0; coefficients && f < fields; ++f)
    {
      coefficients[x + f * stride] = 0.0f;
    }
  }
  return number;
}

ITK_ENGINE_ROW void
GradientRow(const LnccImages & row, bool toFixed, float scale, const float * a, const float * b, const float * c, float * slope, int count)
{
  const float * const value = toFixed ? row.fixed : row.warped;
  const float * const other = toFixed ? row.warped : row.fixed;
  const float         valueShift = toFixed ? row.fixedShift : row.movingShift;
  const float         otherShift = toFixed ? row.movingShift : row.fixedShift;
  for (int x = 0; x < count; ++x)
  {
    slope[x] = -scale * (a[x] + 2.0f * (value[x] - valueShift) * b[x] + (other[x] - otherShift) * c[x]);
  }
  for (int x = 0; row.valid && x < count; ++x)
  {
    slope[x] = row.valid[x] ? slope[x] : 0.0f;
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
