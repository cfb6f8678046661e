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
       const Field &            workspace)
{
  if (parameters.maximumIterations < 1)
  {
    ThrowError("Invert: ", parameters.maximumIterations, " iterations are too few");
  }
  if (parameters.zeroBoundaryAxes < 0 || parameters.zeroBoundaryAxes > 3)
  {
    ThrowError("Invert: a zero boundary along ", parameters.zeroBoundaryAxes, " axes: 0 to 3 are possible");
  }
  RequireField(displacement, displacement.lattice, 3, "displacement");
  RequireField(inverse, inverse.lattice, 3, "inverse");
  RequireField(workspace, inverse.lattice, 3, "workspace");
  if (inverse.data == displacement.data || workspace.data == displacement.data || workspace.data == inverse.data)
  {
    ThrowError("Invert: displacement, inverse and workspace must be three fields");
  }
  if (!parameters.useInitialEstimate)
  {
    device.SetZero(inverse.data, sizeof(float) * inverse.NumberOfValues());
  }
  InvertStopping stopping;
  stopping.voxels = static_cast<double>(inverse.lattice.NumberOfVoxels());
  stopping.meanTolerance = parameters.meanTolerance;
  stopping.maximumTolerance = parameters.maximumTolerance;
  stopping.lastResidual = parameters.maximumIterations - (parameters.stepAfterTolerance ? 1 : 0);
  const InvertState state =
    ITK_ENGINE_DISPATCH(device, Invert(device, parameters, stopping, displacement, inverse, workspace));
  if (state.norms[0] != state.norms[0])
  {
    ThrowError("Invert: the displacement field holds values that are not numbers");
  }
  InvertResult result;
  result.iterations = state.residual + (parameters.stepAfterTolerance ? 1 : 0);
  result.meanResidual = state.norms[0] / stopping.voxels;
  result.maximumResidual = state.norms[1];
  return result;
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
