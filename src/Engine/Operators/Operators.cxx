// SPDX-License-Identifier: Apache-2.0
// Checks the arguments of the operators and sends each to its backend: the one place where both happen.
#include "AdamUpdate.h"
#include "Arithmetic.h"
#include "Compose.h"
#include "GaussianSmooth.h"
#include "GradientDirection.h"
#include "JacobianDeterminant.h"
#include "Lncc.h"
#include "MeanSquares.h"
#include "MutualInformation.h"
#include "Pyramid.h"
#include "Reductions.h"
#include "Regularization.h"
#include "Resample.h"
#include "ResampleLabels.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace
{
/** What every metric compares. */
template <typename TField>
void
RequireImages(const TField & fixed, const TField & warped, const ConstMask & valid, int components)
{
  RequireField(fixed, fixed.lattice, components, "fixed image");
  RequireField(warped, fixed.lattice, components, "warped image");
  if (valid)
  {
    RequireField(valid, fixed.lattice, 1, "valid");
  }
}
} // namespace

void
Resample(const Device &             device,
         const ResampleParameters & parameters,
         const ConstField &         moving,
         const ConstField &         displacement,
         const Field &              output,
         const Field &              gradient,
         const ConstMask &          movingMask,
         const Mask &               inside)
{
  const Lattice & domain = output ? output.lattice : (gradient ? gradient.lattice : inside.lattice);
  if (!output && !gradient && !inside)
  {
    ThrowError("Resample: nothing to compute: output, gradient and inside are all absent");
  }
  RequireField(moving, moving.lattice, moving.components, "moving image");
  if (displacement)
  {
    RequireField(displacement, domain, 3, "displacement");
  }
  if (output)
  {
    RequireField(output, domain, moving.components, "output");
  }
  if (gradient)
  {
    RequireField(gradient, domain, 3, "gradient");
    if (moving.components != 1)
    {
      ThrowError("Resample: the gradient is for scalar images, the moving image has ", moving.components, " components");
    }
  }
  if (movingMask)
  {
    RequireField(movingMask, moving.lattice, 1, "moving mask");
  }
  if (inside)
  {
    RequireField(inside, domain, 1, "inside");
  }
  ITK_ENGINE_DISPATCH(device,
                      Resample(device, parameters, moving, displacement, output, gradient, movingMask, inside));
}

void
ResampleLabels(const Device &             device,
               const ResampleParameters & parameters,
               const ConstLabels &        moving,
               const ConstField &         displacement,
               std::int32_t               outsideLabel,
               const Labels &             output,
               const Field &              weight)
{
  RequireField(moving, moving.lattice, 1, "moving labels");
  RequireField(output, output.lattice, 1, "output");
  if (displacement)
  {
    RequireField(displacement, output.lattice, 3, "displacement");
  }
  if (weight)
  {
    RequireField(weight, output.lattice, 1, "weight");
  }
  if (output.data == moving.data)
  {
    ThrowError("ResampleLabels: the output must not be the moving labels");
  }
  if (parameters.accumulate)
  {
    ThrowError("ResampleLabels: accumulate is set: labels have no sum");
  }
  ITK_ENGINE_DISPATCH(device, ResampleLabels(device, parameters, moving, displacement, outsideLabel, output, weight));
}

void
BSplineCoefficients(const Device & device, const ConstField & image, const Field & coefficients)
{
  RequireField(image, image.lattice, image.components, "image");
  RequireField(coefficients, image.lattice, image.components, "coefficients");
  ITK_ENGINE_DISPATCH(device, BSplineCoefficients(device, image, coefficients));
}

void
Compose(const Device &            device,
        const ComposeParameters & parameters,
        const ConstField &        outer,
        const ConstField &        inner,
        const Field &             output)
{
  RequireField(outer, outer.lattice, 3, "outer displacement");
  RequireField(output, output.lattice, 3, "output");
  if (inner)
  {
    RequireField(inner, output.lattice, 3, "inner displacement");
  }
  if (output.data == outer.data)
  {
    ThrowError("Compose: the output must not be the outer displacement");
  }
  ITK_ENGINE_DISPATCH(device, Compose(device, parameters, outer, inner, output));
}

void
LinearCombination(const Device &     device,
                  float              a,
                  const ConstField & x,
                  float              b,
                  const ConstField & y,
                  const Field &      output,
                  const double *     largest)
{
  RequireField(x, output.lattice, output.components, "x");
  if (y)
  {
    RequireField(y, output.lattice, output.components, "y");
  }
  RequireField(output, output.lattice, output.components, "output");
  ITK_ENGINE_DISPATCH(device, LinearCombination(device, a, x, b, y, output, largest));
}

void
Multiply(const Device & device, const ConstField & x, const ConstField & y, const Field & output)
{
  RequireField(x, output.lattice, output.components, "x");
  RequireField(y, output.lattice, output.components, "y");
  RequireField(output, output.lattice, output.components, "output");
  ITK_ENGINE_DISPATCH(device, Multiply(device, x, y, output));
}

void
CombineEnergies(const Device & device, const EnergyWeights & weights, const double * energies, double * result)
{
  if (weights.count < 1 || weights.count > EnergyWeights::Maximum)
  {
    ThrowError("CombineEnergies: there are ", weights.count, " weights: 1 to ", EnergyWeights::Maximum, " are needed");
  }
  ITK_ENGINE_DISPATCH(device, CombineEnergies(device, weights, energies, result));
}

void
Sum(const Device & device, const ConstField & field, double * result)
{
  RequireField(field, field.lattice, field.components, "field");
  ITK_ENGINE_DISPATCH(device, Sum(device, field, result));
}

void
Norms(const Device & device, const ConstField & field, double * result)
{
  RequireField(field, field.lattice, field.components, "field");
  ITK_ENGINE_DISPATCH(device, Norms(device, field, result));
}

void
MinimumMaximum(const Device & device, const ConstField & field, double * result, const ConstMask & mask)
{
  RequireField(field, field.lattice, mask ? 1 : field.components, "field");
  if (mask)
  {
    RequireField(mask, field.lattice, 1, "mask");
  }
  ITK_ENGINE_DISPATCH(device, MinimumMaximum(device, field, result, mask));
}

void
InnerProduct(const Device & device, const ConstField & a, const ConstField & b, double * result)
{
  RequireField(a, a.lattice, a.components, "first field");
  RequireField(b, a.lattice, a.components, "second field");
  ITK_ENGINE_DISPATCH(device, InnerProduct(device, a, b, result));
}

void
JacobianDeterminant(const Device &     device,
                    const Matrix3 &    toIndex,
                    const ConstField & displacement,
                    const Field &      output,
                    double *           minimum)
{
  RequireField(displacement, displacement.lattice, 3, "displacement");
  if (output)
  {
    RequireField(output, displacement.lattice, 1, "output");
  }
  ITK_ENGINE_DISPATCH(device, JacobianDeterminant(device, toIndex, displacement, output, minimum));
}

void
RelaxFolds(const Device &     device,
           const FoldLimits & limits,
           const Field &      displacement,
           double *           count,
           const Mask &       flags,
           const Field &      workspace)
{
  RequireField(displacement, displacement.lattice, 3, "displacement");
  RequireField(flags, displacement.lattice, 1, "flags");
  RequireField(workspace, displacement.lattice, 3, "workspace");
  ITK_ENGINE_DISPATCH(device, RelaxFolds(device, limits, displacement, count, flags, workspace));
}

void
GaussianSmooth(const Device &          device,
               const SymmetricKernel (&kernels)[3],
               SmoothBoundary     boundary,
               const ConstField & input,
               const Field &      output,
               const Field &      workspace)
{
  RequireField(input, output.lattice, output.components, "input");
  RequireField(output, output.lattice, output.components, "output");
  RequireField(workspace, output.lattice, output.components, "workspace");
  for (const auto & kernel : kernels)
  {
    if (kernel.radius < 0 || kernel.radius > SymmetricKernel::MaximumRadius)
    {
      ThrowError("GaussianSmooth: kernel radius ", kernel.radius, " is not in 0 .. ", SymmetricKernel::MaximumRadius);
    }
  }
  ITK_ENGINE_DISPATCH(device, GaussianSmooth(device, kernels, boundary, input, output, workspace));
}

void
ResampleSeparable(const Device &         device,
                  const AxisResampling (&axes)[3],
                  const float (&scale)[3],
                  const ConstField & input,
                  const Field &      output,
                  float *            workspace)
{
  RequireField(input, input.lattice, output.components, "input");
  RequireField(output, output.lattice, output.components, "output");
  for (int axis = 0; axis < 3; ++axis)
  {
    if (axes[axis].inputSize != input.lattice.size[axis] || axes[axis].outputSize != output.lattice.size[axis])
    {
      ThrowError("ResampleSeparable: axis ", axis, " maps ", axes[axis].inputSize, " to ", axes[axis].outputSize,
                 " samples, the fields have ", input.lattice.size[axis], " and ", output.lattice.size[axis]);
    }
  }
  ITK_ENGINE_DISPATCH(device, ResampleSeparable(device, axes, scale, input, output, workspace));
}

namespace
{
void
RequireLnccGradient(const Field & gradient, const MetricInputs * chain, const StoredField & fixed, const char * name)
{
  if (!gradient)
  {
    return;
  }
  RequireField(gradient, fixed.lattice, chain ? 3 : fixed.components, name);
  if (chain)
  {
    RequireField(chain->moving, chain->moving.lattice, fixed.components, "moving image of the chain");
    RequireLinearSampling(*chain);
    if (chain->displacement)
    {
      RequireField(chain->displacement, fixed.lattice, 3, "displacement of the chain");
    }
    if (chain->movingGradient)
    {
      RequireField(chain->movingGradient, fixed.lattice, 3, "moving gradient of the chain");
    }
  }
}

void
RequireLnccParameters(const LnccParameters & parameters)
{
  if (!(parameters.varianceFloor > 0.0f))
  {
    ThrowError("Lncc: variance floor ", parameters.varianceFloor, " is not positive");
  }
  for (int axis = 0; axis < 3; ++axis)
  {
    if (parameters.weights == LnccWeights::Box && parameters.radius[axis] < 0)
    {
      ThrowError("Lncc: radius ", parameters.radius[axis], " is negative");
    }
    if (parameters.weights == LnccWeights::Gaussian)
    {
      MakeSampledGaussianKernel(parameters.sigma[axis]);
    }
  }
}
} // namespace

void
Lncc(const Device &         device,
     const LnccParameters & parameters,
     const StoredField &    fixed,
     const StoredField &    warped,
     const ConstMask &      valid,
     double *               energy,
     const LnccGradients &  gradients,
     float *                workspace)
{
  RequireImages(fixed, warped, valid, fixed.components);
  if (warped.storage != fixed.storage)
  {
    ThrowError("Lncc: the warped image is stored as ", Name(warped.storage), ", the fixed image as ", Name(fixed.storage));
  }
  RequireLnccGradient(gradients.moving, gradients.movingChain, fixed, "gradient to the moving image");
  RequireLnccGradient(gradients.fixed, gradients.fixedChain, fixed, "gradient to the fixed image");
  RequireLnccParameters(parameters);
  ITK_ENGINE_DISPATCH(device, Lncc(device, parameters, fixed, warped, valid, energy, gradients, workspace));
}

std::int64_t
LnccWorkspace(const Device &         device,
              const LnccParameters & parameters,
              const Lattice &        lattice,
              int                    components,
              bool                   bothGradients,
              bool                   toDisplacement,
              Storage                storage)
{
  static_cast<void>(device); // not asked without the CUDA backend
  return ITK_ENGINE_DISPATCH(device,
                             LnccWorkspace(parameters, lattice, components, bothGradients, toDisplacement, storage));
}

void
MeanSquares(const Device &     device,
            const ConstField & fixed,
            const ConstField & warped,
            const ConstMask &  valid,
            double *           energy,
            const Field &      gradient)
{
  RequireImages(fixed, warped, valid, 1);
  if (gradient)
  {
    RequireField(gradient, fixed.lattice, 1, "gradient");
  }
  ITK_ENGINE_DISPATCH(device, MeanSquares(device, fixed, warped, valid, energy, gradient, nullptr));
}

namespace
{
void
RequireParzenParameters(const ParzenParameters & parameters, const Field & gradient, const char * name)
{
  if (!(parameters.minimum <= parameters.maximum) || !std::isfinite(parameters.maximum - parameters.minimum))
  {
    ThrowError("MutualInformation: the range of the ", name, " image is ", parameters.minimum, " to ", parameters.maximum);
  }
  if (parameters.window == ParzenWindow::Gaussian &&
      !(parameters.sigma >= MinimumParzenSigma && parameters.sigma <= MaximumParzenSigma))
  {
    ThrowError("MutualInformation: sigma of the ", name, " image is ", parameters.sigma, " bins, not ", MinimumParzenSigma,
               " to ", MaximumParzenSigma);
  }
  if (gradient && parameters.window == ParzenWindow::ZeroOrder)
  {
    ThrowError("MutualInformation: the zero-order window of the ", name, " image has no gradient");
  }
}
} // namespace

void
RequireMutualInformationParameters(const MutualInformationParameters & parameters,
                                   const Field &                       gradient,
                                   const Field &                       fixedGradient)
{
  if (parameters.numberOfBins < MinimumHistogramBins || parameters.numberOfBins > MaximumHistogramBins)
  {
    ThrowError("MutualInformation: number of bins is ", parameters.numberOfBins, ", not ", MinimumHistogramBins, " to ",
               MaximumHistogramBins);
  }
  RequireParzenParameters(parameters.fixed, fixedGradient, "fixed");
  RequireParzenParameters(parameters.moving, gradient, "moving");
}

void
MutualInformation(const Device &                      device,
                  const MutualInformationParameters & parameters,
                  const ConstField &                  fixed,
                  const ConstField &                  warped,
                  const ConstMask &                   valid,
                  double *                            energy,
                  const Field &                       gradient,
                  const Field &                       fixedGradient,
                  float *                             workspace)
{
  RequireImages(fixed, warped, valid, fixed.components);
  if (gradient)
  {
    RequireField(gradient, fixed.lattice, fixed.components, "gradient");
  }
  if (fixedGradient)
  {
    RequireField(fixedGradient, fixed.lattice, fixed.components, "gradient to the fixed image");
  }
  RequireMutualInformationParameters(parameters, gradient, fixedGradient);
  ITK_ENGINE_DISPATCH(
    device,
    MutualInformation(device, parameters, fixed, warped, valid, energy, gradient, fixedGradient, nullptr, workspace));
}

std::int64_t
MutualInformationWorkspace(const Device &                      device,
                           const MutualInformationParameters & parameters,
                           const Lattice &                     lattice,
                           int                                 components)
{
  static_cast<void>(device); // not asked without the CUDA backend
  RequireMutualInformationParameters(parameters, Field(), Field());
  return ITK_ENGINE_DISPATCH(device, MutualInformationWorkspace(parameters, lattice, components));
}

namespace
{
void
RequireAdam(const AdamClock & clock, const Field & gradient, const Field & first, const Field & second)
{
  RequireField(gradient, gradient.lattice, 3, "gradient");
  RequireField(first, gradient.lattice, 3, "first moment");
  RequireField(second, gradient.lattice, 1, "second moment");
  if (!clock.corrections || clock.count < 1 || !clock.steps)
  {
    ThrowError("AdamUpdate: the clock is missing or has ", clock.count, " corrections: at least one is needed");
  }
}
} // namespace

void
AdamUpdate(const Device &         device,
           const AdamParameters & parameters,
           const AdamClock &      clock,
           const Field &          gradient,
           const Field &          first,
           const Field &          second,
           double *               norms)
{
  RequireAdam(clock, gradient, first, second);
  ITK_ENGINE_DISPATCH(device, AdamUpdate(device, parameters, clock, gradient, first, second, norms));
}

void
SmoothedAdamUpdate(const Device &          device,
                   const SymmetricKernel (&kernels)[3],
                   const AdamParameters & parameters,
                   const AdamClock &      clock,
                   const Field &          gradient,
                   const Field &          direction,
                   const Field &          first,
                   const Field &          second,
                   double *               norms)
{
  RequireAdam(clock, gradient, first, second);
  RequireField(direction, gradient.lattice, 3, "direction");
  if (direction.data == gradient.data)
  {
    ThrowError("SmoothedAdamUpdate: the direction is the gradient: two fields are needed");
  }
  ITK_ENGINE_DISPATCH(
    device, SmoothedAdamUpdate(device, kernels, parameters, clock, gradient, direction, first, second, norms));
}

void
GradientDirection(const Device & device, const DirectionParameters & parameters, const Field & gradient)
{
  RequireField(gradient, gradient.lattice, 3, "gradient");
  if (parameters.rule == DirectionRule::Normalized && !(parameters.floor > 0.0f))
  {
    ThrowError("GradientDirection: floor ", parameters.floor, " is not positive");
  }
  if (parameters.rule == DirectionRule::Levenberg && !parameters.damping)
  {
    ThrowError("GradientDirection: the damping is missing");
  }
  ITK_ENGINE_DISPATCH(device, GradientDirection(device, parameters, gradient));
}

void
AdaptDamping(const Device & device,
             double         sign,
             const double * previousEnergy,
             const double * energy,
             double *       damping)
{
  ITK_ENGINE_DISPATCH(device, AdaptDamping(device, sign, previousEnergy, energy, damping));
}

void
AddRegularization(const Device &                   device,
                  const RegularizationParameters & parameters,
                  const ConstField &               displacement,
                  double *                         energy,
                  const Field &                    gradient)
{
  RequireField(displacement, displacement.lattice, 3, "displacement");
  RequireField(gradient, displacement.lattice, 3, "gradient");
  if (!(parameters.diffusion >= 0.0f) || !(parameters.volume >= 0.0f))
  {
    ThrowError("AddRegularization: the weights of diffusion and volume are ",
               parameters.diffusion,
               " and ",
               parameters.volume,
               ": both must be >= 0");
  }
  ITK_ENGINE_DISPATCH(device, AddRegularization(device, parameters, displacement, energy, gradient));
}
} // namespace engine
} // namespace itk
