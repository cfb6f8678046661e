// SPDX-License-Identifier: Apache-2.0
#include "NormalizeStep.h"

namespace itk
{
namespace engine
{
void
NormalizeStep(const Device &                  device,
              const NormalizeStepParameters & parameters,
              const double *                  largest,
              const Field &                   step)
{
  RequireField(step, step.lattice, 3, "step");
  ITK_ENGINE_DISPATCH(device, NormalizeStep(device, parameters, largest, step));
}
} // namespace engine
} // namespace itk
