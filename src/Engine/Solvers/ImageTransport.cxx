// SPDX-License-Identifier: Apache-2.0
#include "ImageTransport.h"

#include "../Operators/ComposeGradient.h"
#include "../Operators/ResampleTangent.h"

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
Floats(const Lattice & lattice, int components)
{
  return Aligned(components * lattice.NumberOfVoxels());
}

std::int64_t
PlanFloats(const Device & device, const Lattice & lattice)
{
  return Aligned(ResampleGradientPlan(device, lattice));
}

ResampleParameters
Sampling()
{
  ResampleParameters sampling;
  sampling.outside = Outside::Clamp;
  return sampling;
}

void
RequireApart(const ConstField & a, const ConstField & b, const char * what)
{
  if (a.data < b.data + b.NumberOfValues() && b.data < a.data + a.NumberOfValues())
  {
    ThrowError("ImageTransport: ", what, " share memory");
  }
}

void
RequireMemory(const float * memory, std::int64_t needed, const char * name)
{
  if (!memory)
  {
    ThrowError("ImageTransport: the ", name, " is missing, ", needed, " floats are needed");
  }
}
} // namespace

ImageTransport::ImageTransport(const Device &                 device,
                               const Lattice &                lattice,
                               int                            components,
                               const VelocityFlowParameters & parameters,
                               float *                        memory)
  : m_Device(device)
  , m_Lattice(lattice)
  , m_Components(components)
  , m_Parameters(parameters)
  , m_Memory(memory)
{
  RequireMemory(memory, MemoryFloats(device, lattice, components, parameters), "memory");
  m_Steps = FlowStepsPerSegment(parameters);
}

std::int64_t
ImageTransport::MemoryFloats(const Device &                 device,
                             const Lattice &                lattice,
                             int                            components,
                             const VelocityFlowParameters & parameters)
{
  VelocityFlow::Check(parameters);
  if (components < 1)
  {
    ThrowError("ImageTransport: ", components, " components of the images: at least 1 is needed");
  }
  const int steps = parameters.segments * FlowStepsPerSegment(parameters);
  return parameters.segments * (Floats(lattice, 3) + 2 * PlanFloats(device, lattice)) +
         Floats(lattice, (steps + 1) * components);
}

std::int64_t
ImageTransport::WorkspaceFloats(const Lattice & lattice, int components, const VelocityFlowParameters & parameters)
{
  return Floats(lattice, 3) + Floats(lattice, FlowStepsPerSegment(parameters) * components);
}

Field
ImageTransport::Displacement(int segment) const
{
  return Field(m_Memory + segment * Floats(m_Lattice, 3), m_Lattice, 3);
}

Field
ImageTransport::Images(int step, int count) const
{
  float * const images = m_Memory + m_Parameters.segments * Floats(m_Lattice, 3);
  return Field(images + step * m_Components * m_Lattice.NumberOfVoxels(), m_Lattice, count * m_Components);
}

float *
ImageTransport::Plan(int segment, bool ofVelocity) const
{
  const std::int64_t floats = PlanFloats(m_Device, m_Lattice);
  const int          images = m_Parameters.segments * m_Steps + 1;
  float * const      plans = this->Image(0).data + Floats(m_Lattice, images * m_Components);
  return floats == 0 ? nullptr : plans + (2 * segment + (ofVelocity ? 1 : 0)) * floats;
}

void
ImageTransport::RequireIntegrated(const char * name) const
{
  if (!m_Velocity)
  {
    ThrowError("ImageTransport: ", name, " before Integrate: there is no image yet");
  }
}

void
ImageTransport::Integrate(const ConstField & velocity)
{
  RequireField(velocity, m_Lattice, 3 * m_Parameters.segments, "velocity");
  m_Velocity = velocity;
  m_IsPlanned = false;
  for (int segment = 0; segment < m_Parameters.segments; ++segment)
  {
    const ConstField v = SegmentOf(velocity, segment);
    Compose(m_Device, FlowStep(m_Parameters), v, v, Displacement(segment));
    for (int step = segment * m_Steps; step < (segment + 1) * m_Steps; ++step)
    {
      Resample(m_Device, Sampling(), Image(step), Displacement(segment), Image(step + 1));
    }
  }
}

void
ImageTransport::PlanAdjoint()
{
  for (int segment = 0; segment < m_Parameters.segments && !m_IsPlanned; ++segment)
  {
    PlanResampleGradient(m_Device, Sampling(), m_Lattice, Displacement(segment), Plan(segment, false));
    PlanComposeGradient(
      m_Device, FlowStep(m_Parameters), m_Lattice, SegmentOf(m_Velocity, segment), Plan(segment, true));
  }
  m_IsPlanned = true;
}

void
ImageTransport::Tangent(const ConstField & direction,
                        const ConstField & weight,
                        const Field &      output,
                        float *            workspace) const
{
  RequireIntegrated("Tangent");
  RequireField(direction, m_Lattice, 3 * m_Parameters.segments, "direction");
  RequireField(output, m_Lattice, m_Components, "output");
  RequireApart(direction, output, "the direction and the output");
  RequireApart(m_Velocity, output, "the velocity and the output");
  if (weight)
  {
    RequireField(weight, m_Lattice, m_Components, "weight");
    RequireApart(weight, output, "the weight and the output");
  }
  RequireMemory(workspace, WorkspaceFloats(m_Lattice, m_Components, m_Parameters), "workspace of Tangent");
  const Field change(workspace, m_Lattice, 3);
  const Field other(workspace + Floats(m_Lattice, 3), m_Lattice, m_Components);
  const int   end = m_Parameters.segments * m_Steps;
  const auto  at = [&](int step) { return (end - step) % 2 == 0 ? output : other; };
  for (int segment = 0; segment < m_Parameters.segments; ++segment)
  {
    const ConstField v = SegmentOf(m_Velocity, segment);
    const ConstField dv = SegmentOf(direction, segment);
    ComposeTangent(m_Device, FlowStep(m_Parameters), v, v, dv, dv, change);
    for (int step = segment * m_Steps; step < (segment + 1) * m_Steps; ++step)
    {
      ResampleDirections directions;
      directions.displacement = change;
      if (step > 0)
      {
        directions.moving = at(step);
      }
      if (step + 1 == end)
      {
        directions.weight = weight;
      }
      ResampleTangent(m_Device, Sampling(), Image(step), Displacement(segment), directions, at(step + 1));
    }
  }
}

void
ImageTransport::Adjoint(const Field & slope, const Field & gradient, bool accumulate, float * workspace)
{
  RequireIntegrated("Adjoint");
  RequireField(slope, m_Lattice, m_Components, "slope");
  RequireField(gradient, m_Lattice, 3 * m_Parameters.segments, "gradient");
  RequireApart(slope, gradient, "the slope and the gradient");
  RequireApart(m_Velocity, slope, "the velocity and the slope");
  RequireApart(m_Velocity, gradient, "the velocity and the gradient");
  RequireMemory(workspace, WorkspaceFloats(m_Lattice, m_Components, m_Parameters), "workspace of Adjoint");
  PlanAdjoint();
  const Field        toStep(workspace, m_Lattice, 3);
  const Field        slopes(workspace + Floats(m_Lattice, 3), m_Lattice, m_Steps * m_Components);
  const std::int64_t count = slope.NumberOfValues();
  const auto         at = [&](int step) { return Field(slopes.data + (step - 1) * count, m_Lattice, m_Components); };
  for (int segment = m_Parameters.segments - 1; segment >= 0; --segment)
  {
    const int  first = segment * m_Steps;
    const auto scatter = [&](int step, const Field & from, const Field & to) {
      ResampleGradients gradients;
      gradients.moving = to;
      ResampleGradient(
        m_Device, Sampling(), Image(step), Displacement(segment), from, gradients, nullptr, Plan(segment, false));
    };
    // Slopes to the images that this segment makes, side by side: their gradients are then one pass.
    m_Device.Copy(at(m_Steps).data, slope.data, sizeof(float) * static_cast<std::size_t>(count));
    for (int step = m_Steps - 1; step > 0; --step)
    {
      scatter(first + step, at(step + 1), at(step));
    }
    ResampleGradients toPosition;
    toPosition.displacement = toStep;
    ResampleGradient(
      m_Device, Sampling(), Images(first, m_Steps), Displacement(segment), slopes, toPosition, nullptr);
    const ConstField v = SegmentOf(m_Velocity, segment);
    ComposeGradients toVelocity;
    toVelocity.outer = toVelocity.inner = SegmentOf(gradient, segment);
    ComposeGradient(
      m_Device, FlowStep(m_Parameters), v, v, toStep, toVelocity, accumulate, nullptr, Plan(segment, true));
    if (segment > 0)
    {
      scatter(first, at(1), slope);
    }
  }
}
} // namespace engine
} // namespace itk
