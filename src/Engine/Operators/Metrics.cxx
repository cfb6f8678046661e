// SPDX-License-Identifier: Apache-2.0
// The metrics from images and displacement in one call, for all backends.
#include "Lncc.h"
#include "MeanSquares.h"
#include "MutualInformation.h"

namespace itk
{
namespace engine
{
namespace
{
/** Floats that hold one byte per voxel, rounded to keep the pieces of a workspace aligned. */
std::int64_t
MaskFloats(const Lattice & lattice)
{
  return (lattice.NumberOfVoxels() + 255) / 256 * 64;
}

std::int64_t
ImageFloats(const Lattice & lattice)
{
  return (lattice.NumberOfVoxels() + 63) / 64 * 64;
}

/** What all metrics keep: the warped image and, if needed, which voxels count. */
struct Warped
{
  Field   image;
  Mask    valid;
  float * rest;
};

Warped
WarpIntoWorkspace(const Device & device, const MetricInputs & inputs, const Field & gradient, float * workspace)
{
  const Lattice & lattice = inputs.fixed.lattice;
  RequireField(inputs.fixed, lattice, 1, "fixed image");
  if (gradient)
  {
    RequireField(gradient, lattice, 3, "gradient");
  }
  if (inputs.sampling.interpolation != Interpolation::Linear || inputs.sampling.accumulate)
  {
    ThrowError("a metric samples the moving image by linear interpolation only, and does not accumulate");
  }
  Warped warped;
  warped.image = Field(workspace, lattice);
  workspace += ImageFloats(lattice);
  if (inputs.HasValidity())
  {
    warped.valid = Mask(reinterpret_cast<unsigned char *>(workspace), lattice);
    workspace += MaskFloats(lattice);
  }
  warped.rest = workspace;
  WarpMovingImage(device, inputs, warped.image, warped.valid);
  return warped;
}

std::int64_t
WarpedFloats(const MetricInputs & inputs)
{
  return ImageFloats(inputs.fixed.lattice) + (inputs.HasValidity() ? MaskFloats(inputs.fixed.lattice) : 0);
}
} // namespace

void
WarpMovingImage(const Device & device, const MetricInputs & inputs, const Field & warped, const Mask & valid)
{
  const Mask inside = inputs.HasValidity() ? valid : Mask();
  Resample(device, inputs.sampling, inputs.moving, inputs.displacement, warped, Field(), inputs.movingMask, inside);
  if (inputs.fixedMask)
  {
    RequireField(inputs.fixedMask, inputs.fixed.lattice, 1, "fixed mask");
    ITK_ENGINE_DISPATCH(device, IntersectMasks(device, inputs.fixedMask, inside));
  }
}

void
LnccToDisplacement(const Device &         device,
                   const LnccParameters & parameters,
                   const MetricInputs &   inputs,
                   double *               energy,
                   const Field &          gradient,
                   float *                workspace)
{
  const Warped warped = WarpIntoWorkspace(device, inputs, gradient, workspace);
  ITK_ENGINE_DISPATCH(
    device,
    Lncc(device, parameters, inputs.fixed, warped.image, warped.valid, energy, gradient, &inputs, warped.rest));
}

std::int64_t
LnccToDisplacementWorkspace(const Device & device, const MetricInputs & inputs)
{
  return WarpedFloats(inputs) + LnccWorkspace(device, inputs.fixed.lattice);
}

void
MeanSquaresToDisplacement(const Device &       device,
                          const MetricInputs & inputs,
                          double *             energy,
                          const Field &        gradient,
                          float *              workspace)
{
  const Warped warped = WarpIntoWorkspace(device, inputs, gradient, workspace);
  ITK_ENGINE_DISPATCH(device,
                      MeanSquares(device, inputs.fixed, warped.image, warped.valid, energy, gradient, &inputs));
}

std::int64_t
MeanSquaresToDisplacementWorkspace(const MetricInputs & inputs)
{
  return WarpedFloats(inputs);
}

void
MutualInformationToDisplacement(const Device &                      device,
                                const MutualInformationParameters & parameters,
                                const MetricInputs &                inputs,
                                double *                            energy,
                                const Field &                       gradient,
                                float *                             workspace)
{
  RequireMutualInformationParameters(parameters, gradient, Field());
  const Warped warped = WarpIntoWorkspace(device, inputs, gradient, workspace);
  ITK_ENGINE_DISPATCH(device,
                      MutualInformation(device,
                                        parameters,
                                        inputs.fixed,
                                        warped.image,
                                        warped.valid,
                                        energy,
                                        gradient,
                                        Field(),
                                        &inputs,
                                        warped.rest));
}

std::int64_t
MutualInformationToDisplacementWorkspace(const Device &                      device,
                                         const MutualInformationParameters & parameters,
                                         const MetricInputs &                inputs)
{
  return WarpedFloats(inputs) + MutualInformationWorkspace(device, parameters, inputs.fixed.lattice);
}
} // namespace engine
} // namespace itk
