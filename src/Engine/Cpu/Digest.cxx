// SPDX-License-Identifier: Apache-2.0
#include "../Operators/Digest.h"

#include "../Math/Digest.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
ITK_ENGINE_ROW std::uint64_t
SumWords(const std::uint64_t * words, std::int64_t begin, std::int64_t end)
{
  std::uint64_t sum = 0;
  for (std::int64_t i = begin; i < end; ++i)
  {
    sum += MixWord(words[i], static_cast<std::uint64_t>(i));
  }
  return sum;
}
} // namespace

void
Digest(const Device &, const void * data, std::size_t bytes, std::uint64_t * result)
{
  const auto                 words = static_cast<std::int64_t>(bytes / 8);
  const auto * const         values = static_cast<const std::uint64_t *>(data);
  std::vector<std::uint64_t> sums(NumberOfPieces(words));
  ParallelForPieces(words, [&](std::int64_t begin, std::int64_t end, std::int64_t piece) {
    sums[piece] = SumWords(values, begin, end);
  });
  result[0] = 0;
  for (const std::uint64_t sum : sums)
  {
    result[0] += sum;
  }
  if (bytes % 8 != 0)
  {
    result[0] +=
      MixWord(LastWord(static_cast<const unsigned char *>(data), bytes), static_cast<std::uint64_t>(words));
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
