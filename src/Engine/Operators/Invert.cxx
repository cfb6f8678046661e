// SPDX-License-Identifier: Apache-2.0
#include "Invert.h"

namespace itk
{
namespace engine
{
InvertResult
Invert(const Device &           device,
       const InvertParameters & parameters,
       const ConstField &       displacement,
       const Field &            inverse,
       const Field &            workspace,
       double *                 scalars)
{
  if (parameters.maximumIterations < 1)
  {
    ThrowError("Invert: ", parameters.maximumIterations, " iterations are too few");
  }
  if (!parameters.useInitialEstimate)
  {
    device.SetZero(inverse.data, sizeof(float) * inverse.NumberOfValues());
  }
  ComposeParameters composition;
  composition.outside = parameters.outside;
  const auto voxels = static_cast<double>(inverse.lattice.NumberOfVoxels());

  InvertResult result;
  while (true)
  {
    Compose(device, composition, displacement, inverse, workspace);
    Norms(device, workspace, scalars);
    double norms[2];
    device.CopyToHost(norms, scalars, sizeof(norms));
    result.meanResidual = norms[0] / voxels;
    result.maximumResidual = norms[1];
    if (!(norms[0] == norms[0]))
    {
      ThrowError("Invert: the displacement field holds values that are not numbers");
    }
    if (result.iterations == parameters.maximumIterations ||
        result.meanResidual <= parameters.meanTolerance || result.maximumResidual <= parameters.maximumTolerance)
    {
      return result;
    }
    const float step = result.iterations == 0 ? 0.75f : 0.5f;
    InvertUpdate(device, step, workspace, scalars, inverse);
    ++result.iterations;
  }
}

void
InvertUpdate(const Device & device, float step, const ConstField & error, const double * norms, const Field & inverse)
{
  ITK_ENGINE_DISPATCH(device, InvertUpdate(device, step, error, norms, inverse));
}
} // namespace engine
} // namespace itk
