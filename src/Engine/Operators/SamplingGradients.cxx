// SPDX-License-Identifier: Apache-2.0
// Checks the arguments of the adjoint operators of sampling, and writes the composite ones on the others.
#include "ExponentialGradient.h"
#include "VectorSplat.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
namespace
{
void
RequireLinear(const ResampleParameters & parameters, const char * name)
{
  if (parameters.interpolation != Interpolation::Linear)
  {
    ThrowError(name, ": interpolation ", static_cast<int>(parameters.interpolation), " where Linear (",
               static_cast<int>(Interpolation::Linear), ") is needed");
  }
}

void
RequireWorkspace(const float * workspace, std::int64_t needed, const char * name)
{
  if (!workspace && needed > 0)
  {
    ThrowError(name, ": the workspace is missing, ", needed, " floats are needed");
  }
}

std::int64_t
VectorFloats(const Lattice & lattice)
{
  return (3 * lattice.NumberOfVoxels() + 63) / 64 * 64;
}
} // namespace

namespace
{
void
RequireSplatOutput(const ConstField & value, const ConstField & displacement, const Field & output)
{
  if (output.data == value.data || output.data == displacement.data)
  {
    ThrowError("Splat: the output must be neither the value nor the displacement");
  }
}
} // namespace

void
Splat(const Device &             device,
      const ResampleParameters & parameters,
      const ConstField &         value,
      const ConstField &         displacement,
      const Field &              output,
      float *                    workspace)
{
  RequireLinear(parameters, "Splat");
  RequireField(value, value.lattice, value.components, "value");
  RequireField(output, output.lattice, value.components, "output");
  if (displacement)
  {
    RequireField(displacement, value.lattice, 3, "displacement");
  }
  RequireSplatOutput(value, displacement, output);
  RequireWorkspace(workspace, SplatWorkspace(device, output.lattice), "Splat");
  ITK_ENGINE_DISPATCH(device, Splat(device, parameters, value, displacement, 1.0f, output, workspace));
}

std::int64_t
SplatWorkspace(const Device & device, const Lattice & outputLattice)
{
  static_cast<void>(device); // not asked without the CUDA backend
  return ITK_ENGINE_DISPATCH(device, SplatWorkspace(outputLattice));
}

namespace
{
/** What the samples and the slope itself are multiplied by. */
struct BackwardsWeights
{
  float sample = 1.0f;
  float direct = 0.0f; ///< goes to the displacement alone
};

/** dL/dI, and if that is one field with dL/du their sum; returns whether dL/du is done. */
bool
ScatterPlanned(const Device &             device,
               const ResampleParameters & parameters,
               const ConstField &         moving,
               const ConstField &         displacement,
               const ConstField &         slope,
               const BackwardsWeights &   weights,
               const ResampleGradients &  gradients,
               float *                    plan)
{
  const bool        isSum = gradients.moving.data == gradients.displacement.data;
  VectorSplatAddend addend;
  if (isSum)
  {
    addend.outer = moving;
    addend.direct = weights.direct;
  }
  ITK_ENGINE_DISPATCH(
    device,
    VectorSplat(device, parameters, slope, displacement, weights.sample, addend, gradients.moving, plan));
  return isSum;
}

/** All gradients of sampling. Splat first, since the one-pass part may overwrite the slope; but last if both add up in
 * one field. */
void
SampleBackwards(const Device &             device,
                const ResampleParameters & parameters,
                const ConstField &         moving,
                const ConstField &         displacement,
                const ConstField &         slope,
                const BackwardsWeights &   weights,
                const ResampleGradients &  gradients,
                float *                    workspace,
                float *                    plan)
{
  const bool         isSum = gradients.moving && gradients.moving.data == gradients.displacement.data;
  ResampleParameters scattering = parameters;
  scattering.accumulate = parameters.accumulate || isSum;
  ResampleGradients remaining = gradients;
  if (gradients.moving)
  {
    RequireSplatOutput(slope, displacement, gradients.moving);
  }
  const auto scatter = [&] {
    RequireWorkspace(workspace, SplatWorkspace(device, moving.lattice), "Splat");
    ITK_ENGINE_DISPATCH(
      device, Splat(device, scattering, slope, displacement, weights.sample, gradients.moving, workspace));
  };
  if (gradients.moving && plan)
  {
    if (ScatterPlanned(device, parameters, moving, displacement, slope, weights, gradients, plan))
    {
      remaining.displacement = Field();
    }
  }
  else if (gradients.moving && !isSum)
  {
    scatter();
  }
  if (remaining.displacement || remaining.affine || remaining.matrix)
  {
    ITK_ENGINE_DISPATCH(
      device,
      PositionGradient(device, parameters, moving, displacement, slope, weights.sample, weights.direct, remaining));
  }
  if (isSum && !plan)
  {
    scatter();
  }
}
} // namespace

void
ResampleGradient(const Device &             device,
                 const ResampleParameters & parameters,
                 const ConstField &         moving,
                 const ConstField &         displacement,
                 const ConstField &         slope,
                 const ResampleGradients &  gradients,
                 float *                    workspace,
                 float *                    plan)
{
  RequireLinear(parameters, "ResampleGradient");
  RequireField(moving, moving.lattice, moving.components, "moving image");
  RequireField(slope, slope.lattice, moving.components, "slope");
  if (displacement)
  {
    RequireField(displacement, slope.lattice, 3, "displacement");
  }
  if (gradients.displacement)
  {
    RequireField(gradients.displacement, slope.lattice, 3, "gradient to the displacement");
    if (gradients.displacement.data == moving.data || gradients.displacement.data == displacement.data)
    {
      ThrowError("ResampleGradient: the gradient to the displacement must be neither the moving image nor the "
                 "displacement");
    }
  }
  if (gradients.moving)
  {
    RequireField(gradients.moving, moving.lattice, moving.components, "gradient to the moving image");
    if (gradients.moving.data == moving.data)
    {
      ThrowError("ResampleGradient: the gradient to the moving image must not be the moving image");
    }
  }
  if (!gradients.displacement && !gradients.moving && !gradients.affine && !gradients.matrix)
  {
    ThrowError("ResampleGradient: nothing to compute: all gradients are absent");
  }
  SampleBackwards(device, parameters, moving, displacement, slope, BackwardsWeights(), gradients, workspace, plan);
}

std::int64_t
ResampleGradientWorkspace(const Device & device, const Lattice & movingLattice, const ResampleGradients & gradients)
{
  return gradients.moving ? SplatWorkspace(device, movingLattice) : 0;
}

void
PlanResampleGradient(const Device &             device,
                     const ResampleParameters & parameters,
                     const Lattice &            movingLattice,
                     const ConstField &         displacement,
                     float *                    plan)
{
  RequireLinear(parameters, "PlanResampleGradient");
  RequireField(displacement, displacement.lattice, 3, "displacement");
  RequireWorkspace(plan, ResampleGradientPlan(device, displacement.lattice), "PlanResampleGradient");
  ITK_ENGINE_DISPATCH(device, PlanVectorSplat(device, parameters, displacement, movingLattice, plan));
}

std::int64_t
ResampleGradientPlan(const Device & device, const Lattice & displacementLattice)
{
  static_cast<void>(device); // not asked without the CUDA backend
  return ITK_ENGINE_DISPATCH(device, VectorSplatPlan(displacementLattice));
}

namespace
{
/** How Compose samples its outer field. */
ResampleParameters
SamplingOf(const ComposeParameters & parameters)
{
  ResampleParameters sampling;
  sampling.affine = parameters.affine;
  sampling.outside = parameters.outside;
  for (int d = 0; d < 3; ++d)
  {
    sampling.displacementMatrix.m[d][d] = parameters.innerScale;
  }
  return sampling;
}
} // namespace

void
ComposeGradient(const Device &            device,
                const ComposeParameters & parameters,
                const ConstField &        outer,
                const ConstField &        inner,
                const ConstField &        slope,
                const ComposeGradients &  gradients,
                bool                      accumulate,
                float *                   workspace,
                float *                   plan)
{
  RequireField(outer, outer.lattice, 3, "outer displacement");
  RequireField(slope, slope.lattice, 3, "slope");
  if (inner)
  {
    RequireField(inner, slope.lattice, 3, "inner displacement");
  }
  if (gradients.outer)
  {
    RequireField(gradients.outer, outer.lattice, 3, "gradient to the outer displacement");
    if (gradients.outer.data == outer.data)
    {
      ThrowError("ComposeGradient: the gradient to the outer displacement must not be the outer displacement");
    }
  }
  if (gradients.inner)
  {
    RequireField(gradients.inner, slope.lattice, 3, "gradient to the inner displacement");
    if (gradients.inner.data == outer.data || gradients.inner.data == inner.data)
    {
      ThrowError("ComposeGradient: the gradient to the inner displacement must be neither of the displacements");
    }
  }
  if (parameters.innerMaximum || parameters.outerScale.largest)
  {
    ThrowError("ComposeGradient: a largest norm is set: the scales of the displacements must be constants");
  }
  if (!gradients.outer && !gradients.inner && !gradients.affine)
  {
    ThrowError("ComposeGradient: nothing to compute: all gradients are absent");
  }
  ResampleParameters sampling = SamplingOf(parameters);
  sampling.accumulate = accumulate;
  ResampleGradients backwards;
  backwards.moving = gradients.outer;
  backwards.displacement = gradients.inner;
  backwards.affine = gradients.affine;
  BackwardsWeights weights;
  weights.sample = parameters.outerScale.scale;
  weights.direct = parameters.innerWeight * parameters.innerScale;
  SampleBackwards(device, sampling, outer, inner, slope, weights, backwards, workspace, plan);
}

std::int64_t
ComposeGradientWorkspace(const Device & device, const Lattice & outerLattice, const ComposeGradients & gradients)
{
  return gradients.outer ? SplatWorkspace(device, outerLattice) : 0;
}

void
PlanComposeGradient(const Device &            device,
                    const ComposeParameters & parameters,
                    const Lattice &           outerLattice,
                    const ConstField &        inner,
                    float *                   plan)
{
  RequireField(inner, inner.lattice, 3, "inner displacement");
  PlanResampleGradient(device, SamplingOf(parameters), outerLattice, inner, plan);
}

std::int64_t
ComposeGradientPlan(const Device & device, const Lattice & innerLattice)
{
  return ResampleGradientPlan(device, innerLattice);
}

void
ExponentialGradient(const Device &                device,
                    const ExponentialParameters & parameters,
                    const ConstField &            velocity,
                    const ConstField &            slope,
                    const Field &                 gradient,
                    float *                       workspace)
{
  const int       squarings = parameters.squarings;
  const Lattice & lattice = gradient.lattice;
  RequireField(gradient, lattice, 3, "gradient");
  RequireField(velocity, lattice, 3, "velocity");
  RequireField(slope, lattice, 3, "slope");
  if (squarings < 0)
  {
    ThrowError("ExponentialGradient: ", squarings, " squarings: the number that Exponential returned is needed");
  }
  if (gradient.data == slope.data || gradient.data == velocity.data)
  {
    ThrowError("ExponentialGradient: the gradient must be neither the slope nor the velocity");
  }
  RequireWorkspace(workspace, ExponentialGradientWorkspace(device, lattice, squarings), "ExponentialGradient");
  const float scale = std::ldexp(parameters.scale, -squarings);
  if (squarings == 0)
  {
    LinearCombination(device, scale, slope, 0.0f, ConstField(), gradient);
    return;
  }
  ComposeParameters composition;
  composition.outside = parameters.outside;
  const auto step = [&](int i) { return Field(workspace + i * VectorFloats(lattice), lattice, 3); };
  LinearCombination(device, scale, velocity, 0.0f, ConstField(), step(0));
  for (int i = 0; i + 1 < squarings; ++i)
  {
    Compose(device, composition, step(i), step(i), step(i + 1));
  }
  float * const adjointWorkspace = workspace + squarings * VectorFloats(lattice);
  ConstField    from = slope;
  for (int i = squarings - 1; i >= 0; --i)
  {
    // The gradients alternate between `gradient` and the step that is no longer needed.
    const Field      to = (squarings - i) % 2 == 1 ? gradient : step(i + 1);
    ComposeGradients gradients;
    gradients.inner = to;
    gradients.outer = to;
    ComposeGradient(device, composition, step(i), step(i), from, gradients, false, adjointWorkspace);
    from = to;
  }
  LinearCombination(device, scale, from, 0.0f, ConstField(), gradient);
}

std::int64_t
ExponentialGradientWorkspace(const Device & device, const Lattice & lattice, int squarings)
{
  const int count = std::max(squarings, 0);
  return count == 0 ? 0 : count * VectorFloats(lattice) + SplatWorkspace(device, lattice);
}
} // namespace engine
} // namespace itk
