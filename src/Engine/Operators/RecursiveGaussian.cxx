// SPDX-License-Identifier: Apache-2.0
#include "RecursiveGaussian.h"

#include <cmath>

namespace itk
{
namespace engine
{
void
RecursiveGaussian(const Device &     device,
                  const double (&sigma)[3],
                  int                derivativeAxis,
                  const ConstField & input,
                  const Field &      output,
                  const Field &      workspace)
{
  const Lattice & lattice = input.lattice;
  RequireField(input, lattice, 1, "input");
  RequireField(output, lattice, 1, "output");
  RequireField(workspace, lattice, 1, "workspace");
  if (output.data == input.data || workspace.data == input.data || workspace.data == output.data)
  {
    ThrowError("RecursiveGaussian: input, output and workspace must be three fields");
  }
  if (derivativeAxis >= 0 && lattice.own.size[derivativeAxis] == 1)
  {
    device.SetZero(output.data, sizeof(float) * output.NumberOfValues());
    return;
  }
  int passes = 0;
  for (int axis = 0; axis < 3; ++axis)
  {
    if (!(sigma[axis] >= 0.0) || !std::isfinite(sigma[axis]))
    {
      ThrowError("Gaussian standard deviation is ", sigma[axis], ": a number >= 0 is needed");
    }
    const int size = lattice.own.size[axis];
    if (axis == derivativeAxis && sigma[axis] == 0.0)
    {
      ThrowError("Gaussian standard deviation is 0 along the axis of the derivative");
    }
    if (size > 1 && sigma[axis] > 0.0)
    {
      ++passes;
      if (size < 4)
      {
        ThrowError("an image of ", size, " voxels along axis ", axis, " is smoothed: at least 4 are needed");
      }
    }
  }
  if (passes == 0)
  {
    device.Copy(output.data, input.data, sizeof(float) * output.NumberOfValues());
    return;
  }
  ConstField from = input;
  for (int axis = 0; axis < 3; ++axis)
  {
    if (lattice.own.size[axis] > 1 && sigma[axis] > 0.0)
    {
      const Field         to = --passes % 2 == 0 ? output : workspace;
      const RecursiveLine line = MakeRecursiveGaussian(sigma[axis], axis == derivativeAxis);
      ITK_ENGINE_DISPATCH(device, FilterLines(device, line, axis, from, to));
      from = to;
    }
  }
}
} // namespace engine
} // namespace itk
