// SPDX-License-Identifier: Apache-2.0
#include "Rows.h"

#include "../Core/HostDevice.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
/** Sum of `size` values, a power of two, as a tree. */
template <int size>
ITK_ENGINE_HOST_DEVICE float
SumTree(const float * values)
{
  if constexpr (size == 1)
  {
    return values[0];
  }
  else
  {
    return SumTree<size / 2>(values) + SumTree<size / 2>(values + size / 2);
  }
}

/** Sum of `width` values: trees of the powers of two in `width`, the small ones first. */
template <int width, int size = 1>
ITK_ENGINE_HOST_DEVICE float
AddTrees(float sum, const float * values)
{
  if constexpr (size > width)
  {
    return sum;
  }
  else if constexpr ((width & size) != 0)
  {
    return AddTrees<width, 2 * size>(size == 1 ? values[0] : sum + SumTree<size>(values), values + size);
  }
  else
  {
    return AddTrees<width, 2 * size>(sum, values);
  }
}

template <int width>
ITK_ENGINE_HOST_DEVICE void
SumNarrowWindows(const float * __restrict__ padded, float * __restrict__ out, int count)
{
  for (int x = 0; x < count; ++x)
  {
    out[x] = AddTrees<width>(0.0f, padded + x);
  }
}
} // namespace

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

ITK_ENGINE_ROW void
ExchangeRow(const float * row, const float * old, float * sum, int count)
{
  for (int x = 0; x < count; ++x)
  {
    sum[x] += row[x] - old[x];
  }
}

ITK_ENGINE_ROW void
SumWindows(const float * padded, int width, float * out, int count, float * scratch)
{
  switch (width)
  {
    case 3:
      return SumNarrowWindows<3>(padded, out, count);
    case 5:
      return SumNarrowWindows<5>(padded, out, count);
    case 7:
      return SumNarrowWindows<7>(padded, out, count);
    case 9:
      return SumNarrowWindows<9>(padded, out, count);
    default:
      break;
  }
  int length = count + width - 1;
  int offset = 0;
  std::copy_n(padded, length, scratch);
  std::fill_n(out, count, 0.0f);
  for (int size = 1;; size *= 2)
  {
    if (width & size)
    {
      for (int x = 0; x < count; ++x)
      {
        out[x] += scratch[x + offset];
      }
      offset += size;
    }
    if (2 * size > width)
    {
      return;
    }
    length -= size;
    for (int x = 0; x < length; ++x)
    {
      scratch[x] += scratch[x + size];
    }
  }
}

ITK_ENGINE_ROW double
SumRow(const float * row, int count)
{
  constexpr int lanes = 16;
  double        sums[lanes] = {};
  int           x = 0;
  for (; x + lanes <= count; x += lanes)
  {
    for (int lane = 0; lane < lanes; ++lane)
    {
      sums[lane] += row[x + lane];
    }
  }
  double sum = 0.0;
  for (; x < count; ++x)
  {
    sum += row[x];
  }
  for (const double lane : sums)
  {
    sum += lane;
  }
  return sum;
}
} // namespace cpu
} // namespace engine
} // namespace itk
