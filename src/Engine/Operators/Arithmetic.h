// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineArithmetic_h
#define itkEngineArithmetic_h

#include "../Core/Dispatch.h"

namespace itk
{
namespace engine
{
/** output = a x + b y, value by value; y absent: output = a x. `output` may be x or y. Deterministic. */
ITK_ENGINE_DECLARE(
  void LinearCombination(const Device & device, float a, const ConstField & x, float b, const ConstField & y, const Field & output))

void
LinearCombination(const Device &     device,
                  float              a,
                  const ConstField & x,
                  float              b,
                  const ConstField & y,
                  const Field &      output);
} // namespace engine
} // namespace itk

#endif
