// SPDX-License-Identifier: Apache-2.0
#include "../Operators/Arithmetic.h"

#include "../Math/LimitedScale.h"
#include "Parallel.h"
#include "Rows.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
ITK_ENGINE_ROW void
CombineRows(float a, const float * x, float b, const float * y, float * output, std::int64_t count)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    output[i] = a * x[i] + b * y[i];
  }
}

ITK_ENGINE_ROW void
MultiplyRows(const float * x, const float * y, float * output, std::int64_t count)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    output[i] = x[i] * y[i];
  }
}
} // namespace

void
LinearCombination(const Device &,
                  float              a,
                  const ConstField & x,
                  float              b,
                  const ConstField & y,
                  const Field &      output,
                  const double *     largest)
{
  b = LimitedScale(b, largest);
  ParallelForPieces(output.NumberOfValues(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    if (y)
    {
      CombineRows(a, x.data + begin, b, y.data + begin, output.data + begin, end - begin);
    }
    else
    {
      ScaleRow(x.data + begin, a, output.data + begin, end - begin);
    }
  });
}

void
Multiply(const Device &, const ConstField & x, const ConstField & y, const Field & output)
{
  ParallelForPieces(output.NumberOfValues(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    MultiplyRows(x.data + begin, y.data + begin, output.data + begin, end - begin);
  });
}

void
CombineEnergies(const Device &, const EnergyWeights & weights, const double * energies, double * result)
{
  double sum = 0.0;
  for (int c = 0; c < weights.count; ++c)
  {
    sum += weights.weight[c] * energies[2 * c];
  }
  result[0] = sum;
  result[1] = energies[1];
}
} // namespace cpu
} // namespace engine
} // namespace itk
