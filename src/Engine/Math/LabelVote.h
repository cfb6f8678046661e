// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineLabelVote_h
#define itkEngineLabelVote_h

#include "../Core/HostDevice.h"

#include <cstdint>

namespace itk
{
namespace engine
{
struct LabelVote
{
  std::int32_t label;
  float        weight;
};

/** The label with the largest sum of weights among the corners of a cell; index x + 2 y + 4 z. Equal sums: the smaller
 * label. Most cells lie within one region. */
ITK_ENGINE_HOST_DEVICE LabelVote
Vote(const std::int32_t (&labels)[8], float weightX, float weightY, float weightZ)
{
  bool same = true;
  for (int k = 1; k < 8; ++k)
  {
    same = same && labels[k] == labels[0];
  }
  LabelVote best{ labels[0], 1.0f };
  if (same)
  {
    return best;
  }
  float weights[8];
  for (int k = 0; k < 8; ++k)
  {
    weights[k] = ((k & 1) != 0 ? weightX : 1.0f - weightX) * ((k & 2) != 0 ? weightY : 1.0f - weightY) *
                 ((k & 4) != 0 ? weightZ : 1.0f - weightZ);
  }
  best.weight = 0.0f;
  for (int k = 0; k < 8; ++k)
  {
    float sum = 0.0f;
    for (int j = 0; j < 8; ++j)
    {
      sum += labels[j] == labels[k] ? weights[j] : 0.0f;
    }
    if (sum > best.weight || (sum == best.weight && labels[k] < best.label))
    {
      best = LabelVote{ labels[k], sum };
    }
  }
  return best;
}
} // namespace engine
} // namespace itk

#endif
