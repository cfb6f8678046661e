// SPDX-License-Identifier: Apache-2.0
#include "RefineInverse.h"

namespace itk
{
namespace engine
{
void
RefineInverse(const Device &                  device,
              const RefineInverseParameters & parameters,
              const ConstField &              displacement,
              const Field &                   inverse,
              double *                        residuals)
{
  RequireField(displacement, displacement.lattice, 3, "displacement");
  RequireField(inverse, inverse.lattice, 3, "inverse");
  if (inverse.data == displacement.data)
  {
    ThrowError("RefineInverse: the inverse must not be the displacement");
  }
  if (parameters.maximumIterations < 0)
  {
    ThrowError("RefineInverse: ", parameters.maximumIterations, " iterations: a number >= 0 is needed");
  }
  if (parameters.maximumCells < 0)
  {
    ThrowError("RefineInverse: at most ", parameters.maximumCells, " cells: a number >= 0 is needed");
  }
  if (!(parameters.tolerance >= 0.0f))
  {
    ThrowError("RefineInverse: the tolerance is ", parameters.tolerance, ": a number >= 0 is needed");
  }
  ITK_ENGINE_DISPATCH(device, RefineInverse(device, parameters, displacement, inverse, residuals));
}

InvertResult
InvertByNewton(const Device &                  device,
               const RefineInverseParameters & parameters,
               const ConstField &              displacement,
               const Field &                   inverse,
               const Field &                   workspace,
               double *                        scalars)
{
  InvertParameters start;
  start.maximumIterations = 5;
  start.outside = parameters.outside;
  InvertResult result = Invert(device, start, displacement, inverse, workspace);
  RefineInverse(device, parameters, displacement, inverse, scalars);
  double residuals[2];
  device.CopyToHost(residuals, scalars, sizeof(residuals));
  result.meanResidual = residuals[0] / static_cast<double>(inverse.lattice.NumberOfVoxels());
  result.maximumResidual = residuals[1];
  return result;
}
} // namespace engine
} // namespace itk
