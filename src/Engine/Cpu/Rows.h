// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineRows_h
#define itkEngineRows_h

#include <cstdint>

namespace itk
{
namespace engine
{
namespace cpu
{
/** sum[i] += scale row[i]: the step that the separable operators have in common. */
void
AddScaledRow(const float * row, float scale, float * sum, std::int64_t count);

/** output[i] = scale row[i]. */
void
ScaleRow(const float * row, float scale, float * output, std::int64_t count);

/** sum[i] += row[i] - old[i]: a running sum moves on. */
void
ExchangeRow(const float * row, const float * old, float * sum, int count);

/** out[x] = sum of padded[x .. x + width), the sum over each power of two in `width` taken as a tree. `padded` has
 * count + width - 1 values, `scratch` room for as many. */
void
SumWindows(const float * padded, int width, float * out, int count, float * scratch);

/** The sum in double, in an order that no instruction set changes. */
double
SumRow(const float * row, int count);
} // namespace cpu
} // namespace engine
} // namespace itk

#endif
