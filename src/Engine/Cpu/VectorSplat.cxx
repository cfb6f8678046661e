// SPDX-License-Identifier: Apache-2.0
#include "../Operators/VectorSplat.h"

#include "../Operators/ResampleGradient.h"

namespace itk
{
namespace engine
{
namespace cpu
{
void
VectorSplat(const Device &             device,
            const ResampleParameters & parameters,
            const ConstField &         value,
            const ConstField &         displacement,
            float                      scale,
            const VectorSplatAddend &  addend,
            const Field &              output,
            float *)
{
  cpu::Splat(device, parameters, value, displacement, scale, output, nullptr);
  if (addend.outer)
  {
    ResampleParameters addition = parameters;
    addition.accumulate = true;
    ResampleGradients gradients;
    gradients.displacement = output;
    cpu::PositionGradient(device, addition, addend.outer, displacement, value, scale, addend.direct, gradients);
  }
}

void
PlanVectorSplat(const Device &, const ResampleParameters &, const ConstField &, const Lattice &, float *)
{}

std::int64_t
VectorSplatPlan(const Lattice &)
{
  return 0;
}
} // namespace cpu
} // namespace engine
} // namespace itk
