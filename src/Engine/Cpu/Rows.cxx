// SPDX-License-Identifier: Apache-2.0
#include "Rows.h"

#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
ITK_ENGINE_ROW void
AddScaledRow(const float * row, float scale, float * sum, std::int64_t count)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    sum[i] += scale * row[i];
  }
}

ITK_ENGINE_ROW void
ScaleRow(const float * row, float scale, float * output, std::int64_t count)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    output[i] = scale * row[i];
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
