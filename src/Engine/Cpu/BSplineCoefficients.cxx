// SPDX-License-Identifier: Apache-2.0
#include "../Math/BSplinePrefilter.h"
#include "../Operators/Resample.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
void
BSplineCoefficients(const Device & device, const ConstField & image, const Field & coefficients)
{
  if (coefficients.data != image.data)
  {
    device.Copy(coefficients.data, image.data, sizeof(float) * image.NumberOfValues());
  }
  const Lattice & lattice = image.lattice;
  for (int axis = 0; axis < 3; ++axis)
  {
    const int size = lattice.own.size[axis];
    if (size == 1)
    {
      continue;
    }
    const int          other[2] = { axis == 0 ? 1 : 0, axis == 2 ? 1 : 2 };
    const std::int64_t strides[3] = { 1,
                                      lattice.own.size[0],
                                      static_cast<std::int64_t>(lattice.own.size[0]) * lattice.own.size[1] };
    for (int c = 0; c < image.components; ++c)
    {
      float * const data = coefficients.Component(c);
      ParallelFor(lattice.own.size[other[1]], [&](std::int64_t j) {
        for (int i = 0; i < lattice.own.size[other[0]]; ++i)
        {
          PrefilterCubicBSplineLine(data + i * strides[other[0]] + j * strides[other[1]], strides[axis], size);
        }
      });
    }
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
