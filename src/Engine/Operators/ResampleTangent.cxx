// SPDX-License-Identifier: Apache-2.0
#include "ResampleTangent.h"

namespace itk
{
namespace engine
{
void
ResampleTangent(const Device &             device,
                const ResampleParameters & parameters,
                const ConstField &         moving,
                const ConstField &         displacement,
                const ResampleDirections & directions,
                const Field &              output)
{
  if (parameters.interpolation != Interpolation::Linear)
  {
    ThrowError("ResampleTangent: interpolation ", static_cast<int>(parameters.interpolation), " where Linear (",
               static_cast<int>(Interpolation::Linear), ") is needed");
  }
  RequireField(moving, moving.lattice, moving.components, "moving image");
  RequireField(output, output.lattice, moving.components, "output");
  if (displacement)
  {
    RequireField(displacement, output.lattice, 3, "displacement");
  }
  if (directions.moving)
  {
    RequireField(directions.moving, moving.lattice, moving.components, "tangent of the moving image");
  }
  if (directions.displacement)
  {
    RequireField(directions.displacement, output.lattice, 3, "tangent of the displacement");
  }
  if (directions.weight)
  {
    RequireField(directions.weight, output.lattice, moving.components, "weight");
  }
  if (!directions.moving && !directions.displacement)
  {
    ThrowError("ResampleTangent: both tangents are absent: at least one is needed");
  }
  if (output.data == moving.data || output.data == directions.moving.data)
  {
    ThrowError("ResampleTangent: the output must be neither the moving image nor its tangent");
  }
  ITK_ENGINE_DISPATCH(device, ResampleTangent(device, parameters, moving, displacement, directions, output));
}
} // namespace engine
} // namespace itk
