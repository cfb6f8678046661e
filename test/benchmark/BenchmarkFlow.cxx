// SPDX-License-Identifier: Apache-2.0
#include "Benchmark.h"

#include "../engine/ReferenceSampling.h"
#include "../engine/ReferenceTangent.h"

#include "Operators/Arithmetic.h"
#include "Operators/ComposeGradient.h"
#include "Operators/GaussianSmooth.h"
#include "Operators/Reductions.h"
#include "Solvers/ImageTransport.h"

#include <algorithm>
#include <cmath>

// What a Gauss-Newton solver does in every product, at displacements of up to five voxels.
namespace benchmark
{
namespace
{
using test::RelativeError;

constexpr double largestDisplacement = 5.0;

/** A field in memory of its own. */
struct OwnField
{
  std::shared_ptr<Buffer<float>> memory;
  Field                          view;

  OwnField(Problem & p, int components)
    : memory(std::make_shared<Buffer<float>>(p.device, components * p.lattice.NumberOfVoxels()))
    , view(memory->Data(), p.lattice, components)
  {}
};

/** White noise of 3 components, smoothed by a standard deviation of 8 voxels, of this largest norm. */
OwnField
MakeSmoothNoise(Problem & p, unsigned int seed, double maximum)
{
  OwnField        field(p, 3);
  const HostField noise = test::MakeNoise(p.lattice, 3, seed, -1.0, 1.0);
  SymmetricKernel kernels[3];
  std::fill_n(kernels, 3, MakeGaussianKernel(64.0));
  p.device.CopyFromHost(field.view.data, noise.values.data(), sizeof(float) * noise.values.size());
  GaussianSmooth(p.device, kernels, SmoothBoundary::ZeroFlux, field.view, p.vector[0], p.vector[1]);
  Norms(p.device, p.vector[0], p.numbers);
  LinearCombination(
    p.device, static_cast<float>(maximum / p.Number(1)), p.vector[0], 0.0f, ConstField(), field.view, nullptr);
  return field;
}

ComposeParameters
Clamped()
{
  ComposeParameters parameters;
  parameters.outside = Outside::Clamp;
  return parameters;
}

/** 1 where x + u(x) keeps away from the kinks of what is sampled there. */
HostMask
AwayFromKinks(const HostField & u)
{
  test::SamplingCase host;
  host.moving = u;
  host.displacement = u;
  return test::AwayFromKinks(host, 2e-5);
}

Case
MakeTangent(Problem & p, bool hasProduct)
{
  const OwnField u = MakeSmoothNoise(p, 1, largestDisplacement);
  Case           one{ 12 + 12 + 12 + (hasProduct ? 12.0 : 0.0),
            std::string("read u 12, du 12 (outer and inner are one field)") + (hasProduct ? ", H 12" : "") + "; write 12" };
  TangentProduct product;
  product.vectors = hasProduct ? p.small : ConstField();
  one.work = [&p, u, product] {
    ComposeTangent(p.device, Clamped(), u.view, u.view, p.slope, p.slope, p.vector[0], product);
  };
  one.error = [&p, u, hasProduct] {
    const HostField host = p.Download(u.view);
    const HostField slope = p.Download(p.slope);
    const HostField g = p.Download(p.small);
    HostDoubles     expected = test::ComposeTangentInDouble(Clamped(), host, host, slope, slope);
    test::ForEachVoxel(p.lattice, [&](int x, int y, int z) {
      const test::Vector3 d = test::VectorAt(expected, x, y, z);
      const test::Vector3 a = test::VectorAt(g, x, y, z);
      for (int c = 0; hasProduct && c < 3; ++c)
      {
        expected(c, x, y, z) = a[c] * (a[0] * d[0] + a[1] * d[1] + a[2] * d[2]);
      }
    });
    return RelativeError(p.Download(p.vector[0]), expected, AwayFromKinks(host));
  };
  return one;
}

/** The transpose of a composition: of a field with itself, both parts in one field (`isSum`), or dL/du alone. */
Case
MakeGradient(Problem & p, bool isSum, bool isPlanned)
{
  const OwnField   u = MakeSmoothNoise(p, 1, largestDisplacement);
  Case             one{ 36, "read u 12, slope 12; write 12" };
  ComposeGradients gradients;
  gradients.outer = p.vector[0];
  gradients.inner = isSum ? p.vector[0] : Field();
  const auto planFloats = std::max<std::int64_t>(1, ComposeGradientPlan(p.device, p.lattice));
  const auto floats = isPlanned ? planFloats : ComposeGradientWorkspace(p.device, p.lattice, gradients);
  const auto plan = std::make_shared<Buffer<float>>(p.device, planFloats);
  p.workspace.Reserve(isPlanned ? 0 : floats);
  one.workspaceBytes = 4 * floats;
  PlanComposeGradient(p.device, Clamped(), p.lattice, u.view, plan->Data());
  one.work = [&p, u, gradients, plan, isPlanned] {
    ComposeGradient(p.device,
                    Clamped(),
                    u.view,
                    u.view,
                    p.slope,
                    gradients,
                    false,
                    p.workspace.Data(),
                    isPlanned ? plan->Data() : nullptr);
  };
  one.error = [&p, u, isSum] {
    // the transpose of the tangent in one direction
    const HostField host = p.Download(u.view);
    const HostField direction = p.Download(p.displacement);
    const HostField still(p.lattice, 3);
    const double    expected = test::Dot(
      test::ComposeTangentInDouble(Clamped(), host, host, direction, isSum ? direction : still), p.Download(p.slope));
    return std::abs(test::Dot(p.Download(p.vector[0]), direction) / expected - 1.0);
  };
  return one;
}

Case
MakePlan(Problem & p)
{
  const OwnField u = MakeSmoothNoise(p, 1, largestDisplacement);
  const auto     floats = std::max<std::int64_t>(1, ComposeGradientPlan(p.device, p.lattice));
  const auto     plan = std::make_shared<Buffer<float>>(p.device, floats);
  Case           one{ 24, "read u 12 for the boxes, 12 for the weights" };
  one.workspaceBytes = 4 * floats;
  one.work = [&p, u, plan] { PlanComposeGradient(p.device, Clamped(), p.lattice, u.view, plan->Data()); };
  return one;
}

/** A flow of four steps along a velocity, with all that it needs. */
struct FlowCase
{
  OwnField                       velocity;
  OwnField                       direction;
  OwnField                       gradient;
  std::shared_ptr<Buffer<float>> memory;
  std::shared_ptr<Buffer<float>> workspace;
  std::shared_ptr<VelocityFlow>  flow;

  explicit FlowCase(Problem & p)
    : velocity(MakeSmoothNoise(p, 1, largestDisplacement))
    , direction(MakeSmoothNoise(p, 2, 1.0))
    , gradient(p, 3)
  {
    const VelocityFlowParameters parameters;
    memory = std::make_shared<Buffer<float>>(p.device, VelocityFlow::MemoryFloats(p.device, p.lattice, parameters));
    flow = std::make_shared<VelocityFlow>(p.device, p.lattice, parameters, memory->Data());
    workspace = std::make_shared<Buffer<float>>(p.device, std::max(flow->TangentWorkspace(), flow->AdjointWorkspace()));
    flow->Integrate(velocity.view, p.vector[0]);
  }

  std::int64_t
  Bytes() const
  {
    return static_cast<std::int64_t>(memory->Bytes() + workspace->Bytes());
  }
};

Case
MakeIntegrate(Problem & p, bool plans)
{
  const FlowCase c(p);
  Case           one{ 3 * (plans ? 48.0 : 24.0),
            std::string("3 compositions of a field with itself, each: read 12, write 12") + (plans ? "; plan: read 12, 12" : "") };
  one.workspaceBytes = c.Bytes();
  one.work = [&p, c, plans] { c.flow->Integrate(c.velocity.view, p.vector[0], false, plans); };
  return one;
}

Case
MakeProduct(Problem & p, bool hasTangent, bool hasAdjoint)
{
  const FlowCase c(p);
  Case           one{ 3 * 36.0 * (hasTangent + hasAdjoint) + (hasTangent ? 0 : 24),
            "each way through 3 compositions of a field with itself: read the field 12, the tangent or slope 12, write 12; "
            "the adjoint alone: copy its slope 24" };
  one.workspaceBytes = c.Bytes();
  one.work = [&p, c, hasTangent, hasAdjoint] {
    if (hasTangent)
    {
      c.flow->Tangent(c.direction.view, p.vector[0], c.workspace->Data());
    }
    else
    {
      p.Copy(p.slope, p.vector[0]);
    }
    if (hasAdjoint)
    {
      c.flow->Adjoint(p.vector[0], c.gradient.view, false, c.workspace->Data());
    }
  };
  one.error = [&p, c] {
    // <T a, T a> and <a, T' T a>
    c.flow->Tangent(c.direction.view, p.vector[0], c.workspace->Data());
    const HostField tangent = p.Download(p.vector[0]);
    c.flow->Adjoint(p.vector[0], c.gradient.view, false, c.workspace->Data());
    return std::abs(test::Dot(p.Download(c.gradient.view), p.Download(c.direction.view)) / test::Dot(tangent, tangent) - 1.0);
  };
  return one;
}

/** An image carried along by four steps, with all that it needs. */
struct TransportCase
{
  OwnField                        velocity;
  OwnField                        direction;
  OwnField                        gradient;
  std::shared_ptr<Buffer<float>>  memory;
  std::shared_ptr<Buffer<float>>  workspace;
  std::shared_ptr<ImageTransport> transport;

  explicit TransportCase(Problem & p)
    : velocity(MakeSmoothNoise(p, 1, largestDisplacement))
    , direction(MakeSmoothNoise(p, 2, 1.0))
    , gradient(p, 3)
  {
    const VelocityFlowParameters parameters;
    memory = std::make_shared<Buffer<float>>(p.device, ImageTransport::MemoryFloats(p.device, p.lattice, 1, parameters));
    transport = std::make_shared<ImageTransport>(p.device, p.lattice, 1, parameters, memory->Data());
    workspace = std::make_shared<Buffer<float>>(p.device, ImageTransport::WorkspaceFloats(p.lattice, 1, parameters));
    p.Copy(p.slopeImage, transport->Start());
    transport->Integrate(velocity.view);
  }
};

Case
MakeTransport(Problem & p)
{
  const TransportCase c(p);
  Case                one{ 24.0 + 4 * 20.0, "the step: read 12, write 12; 4 samplings, each: read it 12, an image 4, write 4" };
  one.workspaceBytes = static_cast<std::int64_t>(c.memory->Bytes());
  one.work = [c] { c.transport->Integrate(c.velocity.view); };
  return one;
}

Case
MakeTransportProduct(Problem & p, bool hasTangent, bool hasAdjoint)
{
  const TransportCase c(p);
  Case                one{ (hasTangent ? 36.0 + 4 * 36.0 - 4.0 : 8.0) + (hasAdjoint ? 8.0 + 3 * 20.0 + 56.0 + 36.0 : 0.0),
            "tangent: of the step 36, 4 times: read the step and its tangent 24, an image and its tangent 8, write 4; "
            "adjoint: copy 8, 3 times: read the step 12, a slope 4, write 4; read it 12, 8 images, write 12; of the step 36; "
            "the adjoint alone: copy its slope 8" };
  one.workspaceBytes = static_cast<std::int64_t>(c.memory->Bytes() + c.workspace->Bytes());
  one.work = [&p, c, hasTangent, hasAdjoint] {
    if (hasTangent)
    {
      c.transport->Tangent(c.direction.view, ConstField(), p.scalar[0], c.workspace->Data());
    }
    else
    {
      p.Copy(p.slopeImage, p.scalar[0]);
    }
    if (hasAdjoint)
    {
      c.transport->Adjoint(p.scalar[0], c.gradient.view, false, c.workspace->Data());
    }
  };
  one.error = [&p, c] {
    // <T a, T a> and <a, T' T a>
    c.transport->Tangent(c.direction.view, ConstField(), p.scalar[0], c.workspace->Data());
    const HostField tangent = p.Download(p.scalar[0]);
    c.transport->Adjoint(p.scalar[0], c.gradient.view, false, c.workspace->Data());
    return std::abs(test::Dot(p.Download(c.gradient.view), p.Download(c.direction.view)) / test::Dot(tangent, tangent) - 1.0);
  };
  return one;
}
} // namespace

void
AddFlowCases(std::vector<Entry> & entries)
{
  entries.push_back({ "ComposeTangent", [](Problem & p) { return MakeTangent(p, false); } });
  entries.push_back({ "ComposeTangent/product", [](Problem & p) { return MakeTangent(p, true); } });
  entries.push_back({ "ComposeGradient/plan", MakePlan });
  entries.push_back({ "ComposeGradient/outer", [](Problem & p) { return MakeGradient(p, false, false); } });
  entries.push_back({ "ComposeGradient/outer-planned", [](Problem & p) { return MakeGradient(p, false, true); } });
  entries.push_back({ "ComposeGradient/sum", [](Problem & p) { return MakeGradient(p, true, false); } });
  entries.push_back({ "ComposeGradient/sum-planned", [](Problem & p) { return MakeGradient(p, true, true); } });
  entries.push_back({ "VelocityFlow/4/integrate", [](Problem & p) { return MakeIntegrate(p, false); } });
  entries.push_back({ "VelocityFlow/4/integrate-plan", [](Problem & p) { return MakeIntegrate(p, true); } });
  entries.push_back({ "VelocityFlow/4/tangent", [](Problem & p) { return MakeProduct(p, true, false); } });
  entries.push_back({ "VelocityFlow/4/adjoint", [](Problem & p) { return MakeProduct(p, false, true); } });
  entries.push_back({ "VelocityFlow/4/product", [](Problem & p) { return MakeProduct(p, true, true); } });
  entries.push_back({ "ImageTransport/4/integrate", MakeTransport });
  entries.push_back({ "ImageTransport/4/tangent", [](Problem & p) { return MakeTransportProduct(p, true, false); } });
  entries.push_back({ "ImageTransport/4/adjoint", [](Problem & p) { return MakeTransportProduct(p, false, true); } });
  entries.push_back({ "ImageTransport/4/product", [](Problem & p) { return MakeTransportProduct(p, true, true); } });
}
} // namespace benchmark
