// SPDX-License-Identifier: Apache-2.0
#include "VelocityFlow.h"

#include "../Operators/Arithmetic.h"
#include "../Operators/ComposeGradient.h"
#include "../Operators/JacobianDeterminant.h"

#include <algorithm>

namespace itk
{
namespace engine
{
namespace
{
std::int64_t
Aligned(std::int64_t floats)
{
  return (floats + 63) / 64 * 64;
}

std::int64_t
VectorFloats(const Lattice & lattice)
{
  return Aligned(3 * lattice.NumberOfVoxels());
}

std::int64_t
PlanFloats(const Device & device, const Lattice & lattice)
{
  return Aligned(ComposeGradientPlan(device, lattice));
}

bool
Overlap(const ConstField & a, const ConstField & b)
{
  return a.data < b.data + b.NumberOfValues() && b.data < a.data + a.NumberOfValues();
}

void
RequireApart(const ConstField & a, const ConstField & b, const char * what)
{
  if (Overlap(a, b))
  {
    ThrowError("VelocityFlow: ", what, " share memory");
  }
}

void
RequireMemory(const float * memory, std::int64_t needed, const char * name)
{
  if (!memory && needed > 0)
  {
    ThrowError("VelocityFlow: the ", name, " is missing, ", needed, " floats are needed");
  }
}
} // namespace

int
FlowStepsPerSegment(const VelocityFlowParameters & parameters)
{
  return (parameters.timeSteps + parameters.segments - 1) / parameters.segments;
}

/** -h v at the second point, and half of both: -h / 2 v(x) - h / 2 v(x - h v(x)). */
ComposeParameters
FlowStep(const VelocityFlowParameters & parameters, bool inverse)
{
  const int         steps = parameters.segments * FlowStepsPerSegment(parameters);
  ComposeParameters step;
  step.outside = parameters.outside;
  step.innerScale = static_cast<float>((inverse ? 1.0 : -1.0) / steps);
  step.innerWeight = 0.5f;
  step.outerScale.scale = 0.5f * step.innerScale;
  return step;
}

void
VelocityFlow::Check(const VelocityFlowParameters & parameters)
{
  if (parameters.segments < 1)
  {
    ThrowError("VelocityFlow: ", parameters.segments, " segments of the velocity: at least 1 is needed");
  }
  if (parameters.timeSteps < 1 || FlowStepsPerSegment(parameters) > MaximumFlowSteps)
  {
    ThrowError("VelocityFlow: ", parameters.timeSteps, " time steps for ", parameters.segments,
               " segments: 1 to ", MaximumFlowSteps, " for each are possible");
  }
}

VelocityFlow::VelocityFlow(const Device &                 device,
                           const Lattice &                lattice,
                           const VelocityFlowParameters & parameters,
                           float *                        memory)
  : m_Device(device)
  , m_Lattice(lattice)
  , m_Parameters(parameters)
  , m_Memory(memory)
{
  RequireMemory(memory, MemoryFloats(device, lattice, parameters), "memory");
  m_Steps = FlowStepsPerSegment(parameters);
  m_Tape = MakeFlowTape(m_Steps, parameters.segments);
}

std::int64_t
VelocityFlow::MemoryFloats(const Device & device, const Lattice & lattice, const VelocityFlowParameters & parameters)
{
  Check(parameters);
  const auto nodes = static_cast<std::int64_t>(MakeFlowTape(FlowStepsPerSegment(parameters), parameters.segments).nodes.size());
  return (nodes - 1) * VectorFloats(lattice) + nodes * PlanFloats(device, lattice);
}

std::int64_t
VelocityFlow::WorkspaceFloats(const Lattice & lattice, const VelocityFlowParameters & parameters)
{
  Check(parameters);
  const FlowTape tape = MakeFlowTape(FlowStepsPerSegment(parameters), parameters.segments);
  return (std::max(tape.tangentPlaces, tape.adjointPlaces) - 1) * VectorFloats(lattice);
}

std::int64_t
VelocityFlow::TangentWorkspace() const
{
  return (m_Tape.tangentPlaces - 1) * VectorFloats(m_Lattice);
}

std::int64_t
VelocityFlow::AdjointWorkspace() const
{
  return (m_Tape.adjointPlaces - 1) * VectorFloats(m_Lattice);
}

Field
VelocityFlow::Kept(int node) const
{
  return Field(m_Memory + node * VectorFloats(m_Lattice), m_Lattice, 3);
}

float *
VelocityFlow::Plan(int node) const
{
  const std::int64_t floats = PlanFloats(m_Device, m_Lattice);
  const auto         kept = static_cast<std::int64_t>(m_Tape.nodes.size()) - 1;
  return floats == 0 ? nullptr : m_Memory + kept * VectorFloats(m_Lattice) + node * floats;
}

ComposeParameters
VelocityFlow::CompositionParameters() const
{
  ComposeParameters parameters;
  parameters.outside = m_Parameters.outside;
  return parameters;
}

void
VelocityFlow::RequireIntegrated(const char * name) const
{
  if (!m_Velocity)
  {
    ThrowError("VelocityFlow: ", name, " before Integrate: there is no map yet");
  }
}

void
VelocityFlow::Integrate(const ConstField & velocity, const Field & displacement, bool inverse, bool plans)
{
  RequireField(velocity, m_Lattice, 3 * m_Parameters.segments, "velocity");
  RequireField(displacement, m_Lattice, 3, "displacement");
  RequireApart(velocity, displacement, "the velocity and the displacement");
  m_Velocity = velocity;
  m_Inverse = inverse;
  m_IsPlanned = false;
  const int last = static_cast<int>(m_Tape.nodes.size()) - 1;
  for (int i = 0; i <= last; ++i)
  {
    const FlowTape::Node & node = m_Tape.nodes[i];
    const Field            to = i == last ? displacement : Kept(i);
    if (node.IsStep())
    {
      const ConstField v = Segment(velocity, node.segment);
      Compose(m_Device, StepParameters(), v, v, to);
    }
    else
    {
      Compose(m_Device, CompositionParameters(), Kept(node.outer), Kept(node.inner), to);
    }
  }
  if (plans)
  {
    PlanAdjoint();
  }
}

void
VelocityFlow::PlanAdjoint()
{
  RequireIntegrated("PlanAdjoint");
  for (int i = 0; i < static_cast<int>(m_Tape.nodes.size()); ++i)
  {
    const FlowTape::Node &  node = m_Tape.nodes[i];
    const ComposeParameters parameters = node.IsStep() ? StepParameters() : CompositionParameters();
    const ConstField        inner = node.IsStep() ? Segment(m_Velocity, node.segment) : ConstField(Kept(node.inner));
    PlanComposeGradient(m_Device, parameters, m_Lattice, inner, Plan(i));
  }
  m_IsPlanned = true;
}

void
VelocityFlow::Tangent(const ConstField &     direction,
                      const Field &          output,
                      float *                workspace,
                      const TangentProduct & product) const
{
  RequireIntegrated("Tangent");
  RequireField(direction, m_Lattice, 3 * m_Parameters.segments, "direction");
  RequireField(output, m_Lattice, 3, "output");
  RequireApart(direction, output, "the direction and the output");
  RequireApart(m_Velocity, output, "the velocity and the output");
  RequireMemory(workspace, TangentWorkspace(), "workspace of Tangent");
  const auto at = [&](int node) {
    const int place = m_Tape.tangentPlace[node];
    return place == 0 ? output : Field(workspace + (place - 1) * VectorFloats(m_Lattice), m_Lattice, 3);
  };
  const int last = static_cast<int>(m_Tape.nodes.size()) - 1;
  for (int i = 0; i <= last; ++i)
  {
    const FlowTape::Node & node = m_Tape.nodes[i];
    const TangentProduct   end = i == last ? product : TangentProduct();
    if (node.IsStep())
    {
      const ConstField v = Segment(m_Velocity, node.segment);
      const ConstField dv = Segment(direction, node.segment);
      ComposeTangent(m_Device, StepParameters(), v, v, dv, dv, at(i), end);
    }
    else
    {
      ComposeTangent(m_Device,
                     CompositionParameters(),
                     Kept(node.outer),
                     Kept(node.inner),
                     at(node.outer),
                     at(node.inner),
                     at(i),
                     end);
    }
  }
}

void
VelocityFlow::Adjoint(const Field & slope, const Field & gradient, bool accumulate, float * workspace) const
{
  RequireIntegrated("Adjoint");
  if (!m_IsPlanned)
  {
    ThrowError("VelocityFlow: Adjoint before PlanAdjoint: the last Integrate was told not to plan");
  }
  RequireField(slope, m_Lattice, 3, "slope");
  RequireField(gradient, m_Lattice, 3 * m_Parameters.segments, "gradient");
  RequireApart(slope, gradient, "the slope and the gradient");
  RequireApart(m_Velocity, slope, "the velocity and the slope");
  RequireApart(m_Velocity, gradient, "the velocity and the gradient");
  RequireMemory(workspace, AdjointWorkspace(), "workspace of Adjoint");
  const auto at = [&](int node) {
    const int place = m_Tape.adjointPlace[node];
    return place == 0 ? slope : Field(workspace + (place - 1) * VectorFloats(m_Lattice), m_Lattice, 3);
  };
  const auto compose = [&](int                       node,
                           const ComposeParameters & parameters,
                           const ConstField &        outer,
                           const ConstField &        inner,
                           const Field &             from,
                           const Field &             toOuter,
                           const Field &             toInner,
                           bool                      adds) {
    ComposeGradients gradients;
    gradients.outer = toOuter;
    gradients.inner = toInner;
    ComposeGradient(m_Device, parameters, outer, inner, from, gradients, adds, nullptr, Plan(node));
  };
  std::vector<bool> isBegun(m_Tape.nodes.size(), false);
  for (int i = static_cast<int>(m_Tape.nodes.size()) - 1; i >= 0; --i)
  {
    const FlowTape::Node & node = m_Tape.nodes[i];
    if (node.IsStep())
    {
      const ConstField v = Segment(m_Velocity, node.segment);
      const Field      to = Segment(gradient, node.segment);
      compose(i, StepParameters(), v, v, at(i), to, to, accumulate);
      continue;
    }
    const ComposeParameters composition = CompositionParameters();
    const ConstField        outer = Kept(node.outer);
    const ConstField        inner = Kept(node.inner);
    if (node.outer == node.inner)
    {
      compose(i, composition, outer, inner, at(i), at(node.outer), at(node.outer), isBegun[node.outer]);
    }
    else
    {
      // The outer part first: the inner part may take the place of what both come from.
      compose(i, composition, outer, inner, at(i), at(node.outer), Field(), isBegun[node.outer]);
      compose(i, composition, outer, inner, at(i), Field(), at(node.inner), isBegun[node.inner]);
    }
    isBegun[node.outer] = isBegun[node.inner] = true;
  }
}

void
VelocityFlow::TransportDeterminant(const ConstField & displacement, const Field & determinant, float * workspace) const
{
  RequireIntegrated("TransportDeterminant");
  RequireField(displacement, m_Lattice, 3, "displacement");
  RequireField(determinant, m_Lattice, 1, "determinant");
  RequireApart(displacement, determinant, "the displacement and the determinant");
  RequireMemory(workspace, DeterminantWorkspace(), "workspace of TransportDeterminant");
  const auto field = [&](int place) {
    return Field(workspace + (place - 1) * Aligned(m_Lattice.NumberOfVoxels()), m_Lattice);
  };
  // A place for each node as for its tangent, and one more for what is sampled.
  const auto at = [&](int node) {
    const int place = m_Tape.tangentPlace[node];
    return place == 0 ? determinant : field(place);
  };
  ResampleParameters sampling;
  sampling.outside = m_Parameters.outside;
  sampling.outsideValue = 1.0f;
  const int last = static_cast<int>(m_Tape.nodes.size()) - 1;
  for (int i = 0; i <= last; ++i)
  {
    const FlowTape::Node & node = m_Tape.nodes[i];
    if (node.IsStep())
    {
      JacobianDeterminant(m_Device, Matrix3(), i == last ? displacement : ConstField(Kept(i)), at(i));
    }
    else
    {
      const Field sampled = field(m_Tape.tangentPlaces);
      Resample(m_Device, sampling, at(node.outer), Kept(node.inner), sampled);
      Multiply(m_Device, sampled, at(node.inner), at(i));
    }
  }
}

std::int64_t
VelocityFlow::DeterminantWorkspace() const
{
  return m_Tape.nodes.size() == 1 ? 0 : m_Tape.tangentPlaces * Aligned(m_Lattice.NumberOfVoxels());
}
} // namespace engine
} // namespace itk
