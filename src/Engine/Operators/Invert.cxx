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
  RequireField(inverse, inverse.lattice, 3, "inverse");
  RequireField(workspace, inverse.lattice, 3, "workspace");
  if (!parameters.useInitialEstimate)
  {
    device.SetZero(inverse.data, sizeof(float) * inverse.NumberOfValues());
  }
  const auto voxels = static_cast<double>(inverse.lattice.NumberOfVoxels());

  InvertResult result;
  while (true)
  {
    ComposeInUnit(device, parameters.toIndex, parameters.outside, displacement, inverse, workspace);
    Norms(device, workspace, scalars);
    double norms[2];
    device.CopyToHost(norms, scalars, sizeof(norms));
    result.meanResidual = norms[0] / voxels;
    result.maximumResidual = norms[1];
    if (!(norms[0] == norms[0]))
    {
      ThrowError("Invert: the displacement field holds values that are not numbers");
    }
    const bool isGood =
      result.meanResidual <= parameters.meanTolerance || result.maximumResidual <= parameters.maximumTolerance;
    if (result.iterations == parameters.maximumIterations || (isGood && !parameters.stepAfterTolerance))
    {
      return result;
    }
    const float step = result.iterations == 0 ? 0.75f : 0.5f;
    InvertUpdate(device, step, workspace, scalars, inverse);
    if (parameters.zeroBoundaryAxes > 0)
    {
      ZeroBoundary(device, parameters.zeroBoundaryAxes, inverse);
    }
    ++result.iterations;
    if (parameters.stepAfterTolerance && (isGood || result.iterations == parameters.maximumIterations))
    {
      return result;
    }
  }
}

void
InvertUpdate(const Device & device, float step, const ConstField & error, const double * norms, const Field & inverse)
{
  ITK_ENGINE_DISPATCH(device, InvertUpdate(device, step, error, norms, inverse));
}

void
ZeroBoundary(const Device & device, int axes, const Field & field)
{
  RequireField(field, field.lattice, field.components, "field");
  if (axes < 0 || axes > 3)
  {
    ThrowError("ZeroBoundary: ", axes, " axes: 0 to 3 are possible");
  }
  ITK_ENGINE_DISPATCH(device, ZeroBoundary(device, axes, field));
}
} // namespace engine
} // namespace itk
