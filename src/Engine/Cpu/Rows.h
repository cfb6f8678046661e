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
} // namespace cpu
} // namespace engine
} // namespace itk

#endif
