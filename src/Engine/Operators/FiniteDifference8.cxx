// SPDX-License-Identifier: Apache-2.0
#include "FiniteDifference8.h"

namespace itk
{
namespace engine
{
namespace
{
/** Values that are written must not be read by another voxel. */
void
RequireApart(const ConstField & input, const Field & output, const char * name)
{
  if (input.data < output.data + output.NumberOfValues() && output.data < input.data + input.NumberOfValues())
  {
    ThrowError(name, ": the output overlaps the input");
  }
}
} // namespace

void
DifferenceGradient(const Device & device, const ConstField & input, const Field & gradient)
{
  RequireField(input, input.lattice, 1, "input");
  RequireField(gradient, input.lattice, 3, "gradient");
  RequireApart(input, gradient, "DifferenceGradient");
  ITK_ENGINE_DISPATCH(device, DifferenceGradient(device, input, gradient));
}

void
DifferenceDivergence(const Device & device, const ConstField & vector, const Field & divergence)
{
  RequireField(vector, vector.lattice, 3, "vector");
  RequireField(divergence, vector.lattice, 1, "divergence");
  RequireApart(vector, divergence, "DifferenceDivergence");
  ITK_ENGINE_DISPATCH(device, DifferenceDivergence(device, vector, divergence));
}
} // namespace engine
} // namespace itk
