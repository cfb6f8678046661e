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
ImageFloats(const ConstField & image)
{
  return (image.NumberOfValues() + 63) / 64 * 64;
}

/** What all metrics keep: the warped image and, if needed, which voxels count. */
struct Warped
{
  Field        image;
  Mask         valid;
  MetricInputs inputs; ///< with the moving gradient where it pays to sample it together with the image
  float *      rest;
};

Warped
WarpIntoWorkspace(const Device &       device,
                  const MetricInputs & inputs,
                  int                  components,
                  const Field &        gradient,
                  float *              workspace)
{
  const Lattice & lattice = inputs.fixed.lattice;
  RequireField(inputs.fixed, lattice, components, "fixed image");
  RequireField(inputs.moving, inputs.moving.lattice, components, "moving image");
  if (gradient)
  {
    RequireField(gradient, lattice, 3, "gradient");
  }
  RequireLinearSampling(inputs);
  Warped warped;
  warped.image = Field(workspace, lattice, components);
  workspace += ImageFloats(warped.image);
  if (inputs.HasValidity())
  {
    warped.valid = Mask(reinterpret_cast<unsigned char *>(workspace), lattice);
    workspace += MaskFloats(lattice);
  }
  warped.rest = workspace;
  const Field sampled = gradient && components == 1 && !device.IsCuda() ? gradient : Field();
  WarpMovingImage(device, inputs, warped.image, warped.valid, sampled);
  warped.inputs = inputs;
  warped.inputs.movingGradient = sampled;
  return warped;
}

std::int64_t
WarpedFloats(const MetricInputs & inputs)
{
  return ImageFloats(inputs.fixed) + (inputs.HasValidity() ? MaskFloats(inputs.fixed.lattice) : 0);
}
} // namespace

void
RequireLinearSampling(const MetricInputs & inputs)
{
  if (inputs.sampling.interpolation != Interpolation::Linear || inputs.sampling.accumulate)
  {
    ThrowError("a metric samples the moving image by linear interpolation only, and does not accumulate");
  }
}

MetricInputs
ComponentOf(const MetricInputs & inputs, int component, const Lattice & domain)
{
  MetricInputs one = inputs;
  one.fixed = ConstField(nullptr, domain);
  one.moving = ConstField(inputs.moving.Component(component), inputs.moving.lattice);
  return one;
}

void
WarpMovingImage(const Device &       device,
                const MetricInputs & inputs,
                const Field &        warped,
                const Mask &         valid,
                const Field &        gradient)
{
  const Mask inside = inputs.HasValidity() ? valid : Mask();
  Resample(device, inputs.sampling, inputs.moving, inputs.displacement, warped, gradient, inputs.movingMask, inside);
  if (inputs.fixedMask)
  {
    RequireField(inputs.fixedMask, inputs.fixed.lattice, 1, "fixed mask");
    IntersectMasks(device, inputs.fixedMask, inside);
  }
}

void
IntersectMasks(const Device & device, const ConstMask & mask, const Mask & valid)
{
  RequireField(valid, valid.lattice, 1, "valid");
  RequireField(mask, valid.lattice, 1, "mask");
  ITK_ENGINE_DISPATCH(device, IntersectMasks(device, mask, valid));
}

void
LnccToDisplacement(const Device &         device,
                   const LnccParameters & parameters,
                   const MetricInputs &   inputs,
                   double *               energy,
                   const Field &          gradient,
                   float *                workspace)
{
  const Warped  warped = WarpIntoWorkspace(device, inputs, inputs.fixed.components, gradient, workspace);
  LnccGradients gradients(gradient);
  gradients.movingChain = &warped.inputs;
  Lncc(device, parameters, inputs.fixed, warped.image, warped.valid, energy, gradients, warped.rest);
}

std::int64_t
LnccToDisplacementWorkspace(const Device & device, const LnccParameters & parameters, const MetricInputs & inputs)
{
  return WarpedFloats(inputs) + LnccWorkspace(
                                  device, parameters, inputs.fixed.lattice, inputs.fixed.components, false, true);
}

void
MakeLnccKernels(const LnccParameters & parameters, const Lattice & lattice, SymmetricKernel (&kernels)[3])
{
  for (int axis = 0; axis < 3; ++axis)
  {
    kernels[axis] = lattice.own.size[axis] > 1 ? MakeSampledGaussianKernel(parameters.sigma[axis]) : SymmetricKernel();
  }
}

void
MeanSquaresToDisplacement(const Device &       device,
                          const MetricInputs & inputs,
                          double *             energy,
                          const Field &        gradient,
                          float *              workspace)
{
  const Warped warped = WarpIntoWorkspace(device, inputs, 1, gradient, workspace);
  ITK_ENGINE_DISPATCH(device,
                      MeanSquares(device, inputs.fixed, warped.image, warped.valid, energy, gradient, &warped.inputs));
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
  const Warped warped = WarpIntoWorkspace(device, inputs, 1, gradient, workspace);
  ITK_ENGINE_DISPATCH(device,
                      MutualInformation(device,
                                        parameters,
                                        inputs.fixed,
                                        warped.image,
                                        warped.valid,
                                        energy,
                                        gradient,
                                        Field(),
                                        &warped.inputs,
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
