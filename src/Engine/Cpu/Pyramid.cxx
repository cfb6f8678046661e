// SPDX-License-Identifier: Apache-2.0
#include "../Operators/Pyramid.h"

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
void
ResampleRow(const AxisResampling & axis, const float * input, float * output)
{
  for (int o = 0; o < axis.outputSize; ++o)
  {
    const float * const weight = axis.weight.data() + static_cast<std::int64_t>(o) * axis.taps;
    const float * const value = input + axis.first[o];
    float               sum = 0.0f;
    for (int t = 0; t < axis.taps; ++t)
    {
      sum += weight[t] * value[t];
    }
    output[o] = sum;
  }
}

/** Output row o of an axis whose input rows are `stride` apart. */
void
ResampleAcross(const AxisResampling & axis,
               int                    o,
               const float *          rows,
               std::int64_t           stride,
               float                  scale,
               float *                output,
               int                    count)
{
  std::fill_n(output, count, 0.0f);
  for (int t = 0; t < axis.taps; ++t)
  {
    const float weight = axis.weight[static_cast<std::int64_t>(o) * axis.taps + t] * scale;
    AddScaledRow(rows + (axis.first[o] + t) * stride, weight, output, count);
  }
}
} // namespace

void
ResampleSeparable(const Device &,
                  const AxisResampling (&axes)[3],
                  const float (&scale)[3],
                  const ConstField & input,
                  const Field &      output,
                  float *            workspace)
{
  const int          inX = axes[0].inputSize;
  const int          inY = axes[1].inputSize;
  const int          inZ = axes[2].inputSize;
  const int          outX = axes[0].outputSize;
  const int          outY = axes[1].outputSize;
  const int          outZ = axes[2].outputSize;
  const std::int64_t outPlane = static_cast<std::int64_t>(outX) * outY;
  for (int c = 0; c < input.components; ++c)
  {
    // x and y of one plane at a time, then z
    const float * const source = input.Component(c);
    float * const       target = output.Component(c);
    ParallelFor(inZ, [&](std::int64_t z) {
      float * const rows = ThreadScratch<float>(static_cast<std::size_t>(outX) * inY);
      for (int y = 0; y < inY; ++y)
      {
        ResampleRow(axes[0], source + (z * inY + y) * inX, rows + static_cast<std::int64_t>(y) * outX);
      }
      for (int y = 0; y < outY; ++y)
      {
        ResampleAcross(axes[1], y, rows, outX, 1.0f, workspace + z * outPlane + static_cast<std::int64_t>(y) * outX, outX);
      }
    });
    ParallelFor(outZ, [&](std::int64_t z) {
      for (int y = 0; y < outY; ++y)
      {
        const std::int64_t offset = static_cast<std::int64_t>(y) * outX;
        ResampleAcross(
          axes[2], static_cast<int>(z), workspace + offset, outPlane, scale[c % 3], target + z * outPlane + offset, outX);
      }
    });
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
