/*=========================================================================
 *
 *  Copyright NumFOCUS
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         http://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkGPUDiffeomorphicLabels_h
#define itkGPUDiffeomorphicLabels_h

#include "itkMacro.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace itk
{
/** \class GPUDiffeomorphicLabels
 * \brief Labels of any pixel type as the engine's 32-bit integers: each value's rank among the values of its image.
 *
 * Ranks keep the order, which decides ties, and every value comes back exactly.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TPixel>
class GPUDiffeomorphicLabels
{
public:
  /** The rank that stands for a point outside the image. */
  static constexpr std::int32_t OutsideRank = -1;

  GPUDiffeomorphicLabels(const TPixel * pixels, std::size_t count)
    : m_Ranks(count)
  {
    std::set<TPixel> values;
    for (std::size_t i = 0; i < count; ++i)
    {
      if (!(pixels[i] == pixels[i]))
      {
        itkGenericExceptionMacro(<< "the label image holds a value that is not a number, at voxel " << i);
      }
      if (i == 0 || pixels[i] != pixels[i - 1])
      {
        values.insert(pixels[i]);
      }
    }
    m_Values.assign(values.begin(), values.end());
    for (std::size_t i = 0; i < count; ++i)
    {
      m_Ranks[i] = i > 0 && pixels[i] == pixels[i - 1]
                     ? m_Ranks[i - 1]
                     : static_cast<std::int32_t>(std::lower_bound(m_Values.begin(), m_Values.end(), pixels[i]) -
                                                 m_Values.begin());
    }
  }

  const std::vector<std::int32_t> &
  GetRanks() const
  {
    return m_Ranks;
  }

  /** The value of a rank, or `outside`. */
  template <typename TOutput>
  TOutput
  GetValue(std::int32_t rank, TOutput outside) const
  {
    return rank == OutsideRank ? outside : static_cast<TOutput>(m_Values[static_cast<std::size_t>(rank)]);
  }

private:
  std::vector<TPixel>       m_Values;
  std::vector<std::int32_t> m_Ranks;
};
} // namespace itk

#endif
