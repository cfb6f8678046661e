// SPDX-License-Identifier: Apache-2.0
// Floor per voxel and axis: 8 bytes, 30 float64 flops that wait for each other: sixteen lines go side by side.
#include "../Operators/RecursiveGaussian.h"

#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
constexpr int Lanes = 16;

/** One step of all lanes; the last four inputs and outputs are those at `step`, 2 `step`, .. from here. */
ITK_ENGINE_ROW void
TakeSteps(const double (&forward)[4],
          const double (&backward)[4],
          const double * x,
          double *       y,
          std::ptrdiff_t step,
          int            count)
{
  for (int i = 0; i < count; ++i, x -= step, y -= step)
  {
    for (int lane = 0; lane < Lanes; ++lane)
    {
      y[lane] = forward[0] * x[lane] + forward[1] * x[lane + step] + forward[2] * x[lane + 2 * step] +
                forward[3] * x[lane + 3 * step] -
                (backward[0] * y[lane + step] + backward[1] * y[lane + 2 * step] + backward[2] * y[lane + 3 * step] +
                 backward[3] * y[lane + 4 * step]);
    }
  }
}
} // namespace

void
FilterLines(const Device &, const RecursiveLine & line, int axis, const ConstField & input, const Field & output)
{
  const int (&sizes)[3] = input.lattice.own.size;
  const int          size = sizes[axis];
  const std::int64_t stride = axis == 0 ? 1 : (axis == 1 ? sizes[0] : static_cast<std::int64_t>(sizes[0]) * sizes[1]);
  const std::int64_t lines = input.lattice.NumberOfVoxels() / size;
  ParallelFor((lines + Lanes - 1) / Lanes, [&](std::int64_t task) {
    const int    lanes = static_cast<int>(std::min<std::int64_t>(Lanes, lines - task * Lanes));
    std::int64_t start[Lanes] = {};
    for (int lane = 0; lane < lanes; ++lane)
    {
      const std::int64_t number = task * Lanes + lane;
      start[lane] = number / stride * stride * size + number % stride;
    }
    // four samples before the line and four behind it hold what is there for ever
    const std::size_t length = static_cast<std::size_t>(size + 8) * Lanes;
    double * const    x = ThreadScratch<double>(3 * length) + 4 * Lanes;
    double * const    y = x + length;
    double * const    z = y + length;
    for (int i = 0; i < size; ++i)
    {
      for (int lane = 0; lane < Lanes; ++lane)
      {
        x[i * Lanes + lane] = input.data[start[lane] + i * stride];
      }
    }
    for (int k = 0; k < 4; ++k)
    {
      for (int lane = 0; lane < Lanes; ++lane)
      {
        const double first = x[lane];
        const double last = x[(size - 1) * Lanes + lane];
        x[lane - (k + 1) * Lanes] = first;
        y[lane - (k + 1) * Lanes] = line.causalGain * first;
        x[lane + (size + k) * Lanes] = last;
        z[lane + (size + k) * Lanes] = line.anticausalGain * last;
      }
    }
    TakeSteps(line.n, line.d, x, y, -Lanes, size);
    TakeSteps(line.m, line.d, x + size * Lanes, z + (size - 1) * Lanes, Lanes, size);
    for (int i = 0; i < size; ++i)
    {
      for (int lane = 0; lane < lanes; ++lane)
      {
        output.data[start[lane] + i * stride] = static_cast<float>(y[i * Lanes + lane] + z[i * Lanes + lane]);
      }
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
