// SPDX-License-Identifier: Apache-2.0
#include "../Operators/Reductions.h"

#include "Parallel.h"

#include <cmath>
#include <limits>

namespace itk
{
namespace engine
{
namespace cpu
{
void
Sum(const Device &, const ConstField & field, double * result)
{
  const std::int64_t  count = field.NumberOfValues();
  std::vector<double> partial(NumberOfPieces(count));
  ParallelForPieces(count, [&](std::int64_t begin, std::int64_t end, std::int64_t piece) {
    double sum = 0.0;
    for (std::int64_t i = begin; i < end; ++i)
    {
      sum += field.data[i];
    }
    partial[piece] = sum;
  });
  result[0] = 0.0;
  for (const double sum : partial)
  {
    result[0] += sum;
  }
}

void
Norms(const Device &, const ConstField & field, double * result)
{
  const std::int64_t  count = field.lattice.NumberOfVoxels();
  std::vector<double> sums(NumberOfPieces(count));
  std::vector<double> maxima(NumberOfPieces(count));
  ParallelForPieces(count, [&](std::int64_t begin, std::int64_t end, std::int64_t piece) {
    double sum = 0.0;
    double maximum = 0.0;
    for (std::int64_t i = begin; i < end; ++i)
    {
      double square = 0.0;
      for (int c = 0; c < field.components; ++c)
      {
        const double value = field.data[i + c * count];
        square += value * value;
      }
      const double norm = std::sqrt(square);
      sum += norm;
      maximum = norm <= maximum ? maximum : norm; // NaN shows in the sum
    }
    sums[piece] = sum;
    maxima[piece] = maximum;
  });
  result[0] = result[1] = 0.0;
  for (std::size_t piece = 0; piece < sums.size(); ++piece)
  {
    result[0] += sums[piece];
    result[1] = maxima[piece] <= result[1] ? result[1] : maxima[piece];
  }
  if (result[0] != result[0])
  {
    result[1] = result[0];
  }
}

void
MinimumMaximum(const Device &, const ConstField & field, double * result, const ConstMask & mask)
{
  const std::int64_t count = field.NumberOfValues();
  std::vector<float> low(NumberOfPieces(count));
  std::vector<float> high(NumberOfPieces(count));
  ParallelForPieces(count, [&](std::int64_t begin, std::int64_t end, std::int64_t piece) {
    float minimum = std::numeric_limits<float>::infinity();
    float maximum = -minimum;
    bool  isNumber = true;
    for (std::int64_t i = begin; i < end; ++i)
    {
      if (mask && mask.data[i] == 0)
      {
        continue;
      }
      const float value = field.data[i];
      minimum = value < minimum ? value : minimum;
      maximum = value > maximum ? value : maximum;
      isNumber = isNumber && value == value;
    }
    low[piece] = isNumber ? minimum : std::numeric_limits<float>::quiet_NaN();
    high[piece] = isNumber ? maximum : std::numeric_limits<float>::quiet_NaN();
  });
  float minimum = low[0];
  float maximum = high[0];
  for (std::size_t piece = 1; piece < low.size() && minimum == minimum; ++piece)
  {
    minimum = low[piece] >= minimum ? minimum : low[piece];
    maximum = high[piece] <= maximum ? maximum : high[piece];
  }
  result[0] = minimum;
  result[1] = minimum == minimum ? maximum : minimum;
}

void
InnerProduct(const Device &, const ConstField & a, const ConstField & b, double * result)
{
  const std::int64_t  count = a.NumberOfValues();
  std::vector<double> products(NumberOfPieces(count));
  std::vector<double> squares(NumberOfPieces(count));
  ParallelForPieces(count, [&](std::int64_t begin, std::int64_t end, std::int64_t piece) {
    // Several sums at once: one alone waits for its own additions.
    constexpr int Lanes = 8;
    double        product[Lanes] = {};
    double        square[Lanes] = {};
    std::int64_t  i = begin;
    for (; i + Lanes <= end; i += Lanes)
    {
      for (int lane = 0; lane < Lanes; ++lane)
      {
        const double value = a.data[i + lane];
        product[lane] += value * b.data[i + lane];
        square[lane] += value * value;
      }
    }
    for (int lane = 0; i < end; ++i, ++lane)
    {
      const double value = a.data[i];
      product[lane] += value * b.data[i];
      square[lane] += value * value;
    }
    products[piece] = squares[piece] = 0.0;
    for (int lane = 0; lane < Lanes; ++lane)
    {
      products[piece] += product[lane];
      squares[piece] += square[lane];
    }
  });
  result[0] = result[1] = 0.0;
  for (std::size_t piece = 0; piece < products.size(); ++piece)
  {
    result[0] += products[piece];
    result[1] += squares[piece];
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
