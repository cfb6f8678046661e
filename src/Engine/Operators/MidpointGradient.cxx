// SPDX-License-Identifier: Apache-2.0
#include "MidpointGradient.h"

namespace itk
{
namespace engine
{
template <typename TSlope>
void
MidpointGradient(const Device &                     device,
                 const MidpointGradientParameters & parameters,
                 const ConstField &                 image,
                 const TSlope *                     slope,
                 const Field &                      gradient)
{
  RequireField(image, gradient.lattice, image.components == 3 ? 3 : 1, "image");
  RequireField(gradient, gradient.lattice, 3, "gradient");
  if (!slope)
  {
    ThrowError("MidpointGradient: the slope is missing");
  }
  if (gradient.data == image.data)
  {
    ThrowError("MidpointGradient: the gradient must not be the image");
  }
  if (parameters.dimension < 1 || parameters.dimension > 3)
  {
    ThrowError("MidpointGradient: ", parameters.dimension, " dimensions: 1 to 3 are possible");
  }
  MidpointStencil stencil;
  stencil.matrix = parameters.matrix;
  stencil.dimension = parameters.dimension;
  stencil.scale = parameters.scale;
  stencil.isGradient = image.components == 3;
  for (int d = 0; d < 3; ++d)
  {
    const auto & h = parameters.halfStep;
    stencil.after[d] = GridStep(h[0][d], h[1][d], h[2][d]);
    stencil.before[d] = GridStep(-h[0][d], -h[1][d], -h[2][d]);
    for (int i = 0; i < 3; ++i)
    {
      stencil.onAxes = stencil.onAxes && (d >= parameters.dimension || h[i][d] == (i == d ? 0.5 : 0.0));
    }
  }
  ITK_ENGINE_DISPATCH(device, MidpointGradient(device, stencil, image, slope, gradient));
}

template void
MidpointGradient(const Device &, const MidpointGradientParameters &, const ConstField &, const float *, const Field &);
template void
MidpointGradient(const Device &, const MidpointGradientParameters &, const ConstField &, const double *, const Field &);
} // namespace engine
} // namespace itk
