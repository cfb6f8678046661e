// SPDX-License-Identifier: Apache-2.0
#include "RecordWork.h"

namespace itk
{
namespace engine
{
namespace cpu
{
std::function<void()>
RecordWork(const Device &, const std::function<void()> & work)
{
  return work;
}
} // namespace cpu

std::function<void()>
RecordWork(const Device & device, const std::function<void()> & work)
{
  if (!work)
  {
    ThrowError("RecordWork: the work is missing");
  }
  return ITK_ENGINE_DISPATCH(device, RecordWork(device, work));
}
} // namespace engine
} // namespace itk
