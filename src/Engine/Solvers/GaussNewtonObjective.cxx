// SPDX-License-Identifier: Apache-2.0
#include "GaussNewtonObjective.h"

#include "../Operators/Arithmetic.h"
#include "../Operators/MetricCurvature.h"
#include "../Operators/Reductions.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
namespace
{
std::int64_t
Round(std::int64_t floats)
{
  return (floats + 63) / 64 * 64;
}

/** Floats that the curvature of one channel needs: warped image, its curvature, and their workspace and mask. */
std::int64_t
CurvatureFloats(const SolverMetric & metric, const Lattice & lattice)
{
  const std::int64_t voxels = Round(lattice.NumberOfVoxels());
  return voxels + (metric.Parameters().kind == MetricKind::Lncc ? 2 * voxels + LnccCurvatureWorkspace(lattice) : 0);
}
} // namespace

GaussNewtonObjective::Sizes
GaussNewtonObjective::MakeSizes(const Device &       device,
                                const SolverMetric & metric,
                                const Setup &        setup,
                                std::int64_t         spectralFloats)
{
  const Lattice &    lattice = setup.inputs.fixed.lattice;
  const std::int64_t voxels = lattice.NumberOfVoxels();
  Sizes              sizes;
  sizes.vectors = Round(3 * setup.flow.segments * voxels);
  sizes.curvature = Round((metric.NumberOfComponents() > 1 ? 6 : 3) * voxels);
  const int  channels = metric.NumberOfComponents();
  const bool isImage = setup.transport == TransportKind::Image;
  sizes.transport =
    Round(isImage ? ImageTransport::MemoryFloats(device, lattice, channels, setup.flow)
                  : VelocityFlow::MemoryFloats(device, lattice, setup.flow));
  sizes.images = isImage ? Round(channels * voxels) : 0;
  sizes.mask = isImage && setup.inputs.HasValidity() ? Round((voxels + 3) / 4) : 0;
  // While the metric is evaluated, residual and curvature are free; before the first product, step and direction are.
  const std::int64_t forMetric = isImage ? metric.WarpedWorkspace(lattice) : metric.Workspace(setup.inputs);
  sizes.workspace = Round(std::max({ spectralFloats,
                                     isImage ? ImageTransport::WorkspaceFloats(lattice, channels, setup.flow)
                                             : VelocityFlow::WorkspaceFloats(lattice, setup.flow),
                                     forMetric - sizes.vectors - sizes.curvature,
                                     CurvatureFloats(metric, lattice) - 3 * sizes.vectors,
                                     std::int64_t{ 64 } }));
  return sizes;
}

std::size_t
GaussNewtonObjective::ArenaBytes(const Sizes & sizes)
{
  return Arena::Round(sizeof(float) * (6 * sizes.vectors + sizes.curvature + sizes.workspace)) +
         Arena::Round(sizeof(float) * (sizes.transport + 2 * sizes.images + sizes.mask)) + Arena::Round(4 * sizeof(double));
}

std::size_t
GaussNewtonObjective::Bytes(const Device & device, const SolverMetric & metric, const Setup & setup)
{
  const Lattice & lattice = setup.inputs.fixed.lattice;
  // The spectrum, and what the transform of one component needs besides: as much again, aligned.
  const std::int64_t floats = SpectrumFloats(lattice, 3) + SpectrumFloats(lattice) + 64;
  return ArenaBytes(MakeSizes(device, metric, setup, floats));
}

GaussNewtonObjective::GaussNewtonObjective(const Device & device, const SolverMetric & metric, const Setup & setup)
  : m_Device(device)
  , m_Metric(metric)
  , m_Setup(setup)
  , m_Transform(device, setup.inputs.fixed.lattice)
  , m_Sizes(MakeSizes(device, metric, setup, RegularizationWorkspace(m_Transform)))
  , m_Arena(device, ArenaBytes(m_Sizes))
{
  const Lattice & lattice = this->GetLattice();
  const int       components = 3 * setup.flow.segments;
  float *         memory = m_Arena.Take<float>(6 * m_Sizes.vectors + m_Sizes.curvature + m_Sizes.workspace);
  const auto      take = [&](std::int64_t floats, int count) {
    const Field field(memory, lattice, count);
    memory += floats;
    return field;
  };
  m_Regularized = take(m_Sizes.vectors, components);
  m_Product = take(m_Sizes.vectors, components);
  // What lies side by side here also serves as one workspace: see Evaluate and PrepareCurvature.
  m_Residual = take(m_Sizes.vectors, components);
  m_Curvature = take(m_Sizes.curvature, metric.NumberOfComponents() > 1 ? 6 : 3);
  m_Workspace = take(m_Sizes.workspace, 1).data;
  m_Conditioned = take(m_Sizes.vectors, components);
  m_Step = take(m_Sizes.vectors, components);
  m_Direction = take(m_Sizes.vectors, components);
  m_Scalars = m_Arena.Take<double>(4);
  float * const  transport = m_Arena.Take<float>(m_Sizes.transport + 2 * m_Sizes.images + m_Sizes.mask);
  if (!this->IsImageTransported())
  {
    m_Flow.emplace(device, lattice, setup.flow, transport);
    m_Slope = Field(m_Conditioned.data, lattice, 3);
    m_Setup.inputs.displacement = Field(m_Product.data, lattice, 3);
    return;
  }
  const int channels = metric.NumberOfComponents();
  memory = transport + m_Sizes.transport;
  m_Slope = take(m_Sizes.images, channels);
  m_Weights = take(m_Sizes.images, channels);
  if (m_Setup.inputs.HasValidity())
  {
    m_Valid = Mask(reinterpret_cast<unsigned char *>(memory), lattice);
  }
  m_Images.emplace(device, lattice, channels, setup.flow, transport);
  m_Setup.inputs.displacement = ConstField();
  WarpMovingImage(m_Device, m_Setup.inputs, m_Images->Start(), m_Valid);
}

ObjectiveValue
GaussNewtonObjective::Evaluate(const ConstField & velocity)
{
  if (this->IsImageTransported())
  {
    m_Images->Integrate(velocity);
    m_Metric.EvaluateWarped(m_Setup.inputs.fixed, m_Images->End(), m_Valid, m_Scalars, m_Slope, m_Residual.data);
  }
  else
  {
    m_Flow->Integrate(velocity, Field(m_Product.data, this->GetLattice(), 3), false, false);
    m_Metric.Evaluate(m_Setup.inputs, m_Scalars, m_Slope, m_Residual.data);
  }
  double energy[2];
  m_Device.CopyToHost(energy, m_Scalars, sizeof(energy));
  ObjectiveValue value;
  value.loss = m_Metric.ToLoss(energy);
  const double share = energy[1] / static_cast<double>(this->GetLattice().NumberOfVoxels());
  m_Coverage = m_Coverage > 0.0 ? m_Coverage : share;
  m_SlopeScale = m_Setup.scale.distance * m_Coverage / share;
  value.distance = m_Setup.scale.distance * m_Coverage * (value.loss + m_Setup.scale.offset);
  value.regularization = this->Regularize(velocity, m_Regularized, true);
  return value;
}

double
GaussNewtonObjective::Gradient()
{
  if (this->IsImageTransported())
  {
    m_Images->Adjoint(m_Slope, m_Residual, false, m_Workspace);
  }
  else
  {
    m_Flow->PlanAdjoint(); // not for the trials that the line search refuses
    m_Flow->Adjoint(m_Slope, m_Residual, false, m_Workspace);
  }
  LinearCombination(m_Device, static_cast<float>(-m_SlopeScale), m_Residual, -1.0f, m_Regularized, m_Residual);
  this->SolveRegularization(m_Residual, m_Conditioned);
  return std::sqrt(std::max(0.0, this->Inner(m_Residual, m_Conditioned)));
}

float
GaussNewtonObjective::CurvatureScale(int channel) const
{
  return static_cast<float>(m_Setup.scale.curvature * m_Metric.Weight(channel) * m_SlopeScale / m_Setup.scale.distance);
}

void
GaussNewtonObjective::ChannelCurvature(int channel, const Field & factor)
{
  const Lattice &    lattice = this->GetLattice();
  const std::int64_t voxels = Round(lattice.NumberOfVoxels());
  const bool         isLncc = m_Metric.Parameters().kind == MetricKind::Lncc;
  MetricInputs       inputs = m_Setup.inputs;
  inputs.fixed = ConstField(inputs.fixed.Component(channel), lattice);
  inputs.moving = ConstField(inputs.moving.Component(channel), inputs.moving.lattice);
  float * const workspace = m_Workspace;
  const Mask    valid = inputs.HasValidity() ? Mask(reinterpret_cast<unsigned char *>(workspace), lattice) : Mask();
  const Field   warped = isLncc ? Field(workspace + voxels, lattice) : Field();
  const Field   curvature = isLncc ? Field(workspace + 2 * voxels, lattice) : Field();
  WarpMovingImage(m_Device, inputs, warped, valid, factor);
  if (isLncc)
  {
    LnccCurvature(
      m_Device, m_Metric.Parameters().lncc, inputs.fixed, warped, curvature, workspace + 3 * voxels);
  }
  CurvatureFactor(
    m_Device, inputs.sampling.displacementMatrix, this->CurvatureScale(channel), curvature, valid, factor);
}

void
GaussNewtonObjective::PrepareWeights()
{
  for (int channel = 0; channel < m_Metric.NumberOfComponents(); ++channel)
  {
    const Field weight = this->ChannelOf(m_Weights, channel);
    const bool  isLncc = m_Metric.Parameters().kind == MetricKind::Lncc;
    if (isLncc)
    {
      LnccCurvature(m_Device,
                    m_Metric.Parameters().lncc,
                    ConstField(m_Setup.inputs.fixed.Component(channel), weight.lattice),
                    ConstField(m_Images->End().Component(channel), weight.lattice),
                    weight,
                    m_Workspace);
    }
    CurvatureWeight(
      m_Device, this->CurvatureScale(channel), isLncc ? ConstField(weight) : ConstField(), m_Valid, weight);
  }
}

void
GaussNewtonObjective::TransportedCurvature(int channel, const Field & factor)
{
  ResampleParameters sampling;
  sampling.outside = Outside::Clamp;
  const ConstField image(m_Images->End().Component(channel), this->GetLattice());
  Resample(m_Device, sampling, image, ConstField(), Field(), factor);
  CurvatureFactor(m_Device, Matrix3(), 1.0f, this->ChannelOf(m_Weights, channel), m_Valid, factor);
}

void
GaussNewtonObjective::PrepareCurvature(bool forPreconditioner)
{
  const bool isImage = this->IsImageTransported();
  if (isImage)
  {
    this->PrepareWeights();
    if (!forPreconditioner)
    {
      return;
    }
  }
  const bool isMatrix = m_Curvature.components != 3;
  // The regularised velocity is part of the residual by now.
  const Field factor = isMatrix ? Field(m_Regularized.data, this->GetLattice(), 3) : m_Curvature;
  for (int channel = 0; channel < m_Metric.NumberOfComponents(); ++channel)
  {
    if (isImage)
    {
      this->TransportedCurvature(channel, factor);
    }
    else
    {
      this->ChannelCurvature(channel, factor);
    }
    if (isMatrix)
    {
      const int ones[3] = { 1, 1, 1 };
      CurvatureMatrix(m_Device, ones, factor, channel > 0, m_Curvature);
    }
  }
}

void
GaussNewtonObjective::DataProduct(const ConstField & p, const Field & q)
{
  if (this->IsImageTransported())
  {
    m_Images->Tangent(p, m_Weights, m_Slope, m_Workspace);
    m_Images->Adjoint(m_Slope, q, false, m_Workspace);
    return;
  }
  TangentProduct product;
  (m_Curvature.components == 3 ? product.vectors : product.symmetric) = m_Curvature;
  m_Flow->Tangent(p, m_Slope, m_Workspace, product);
  m_Flow->Adjoint(m_Slope, q, false, m_Workspace);
}

double
GaussNewtonObjective::Regularize(const ConstField & x, const Field & y, bool wantsEnergy)
{
  const int segments = m_Setup.flow.segments;
  double    energy = 0.0;
  for (int segment = 0; segment < segments; ++segment)
  {
    ApplyRegularization(m_Transform,
                        m_Setup.regularization,
                        SegmentOf(x, segment),
                        SegmentOf(y, segment),
                        wantsEnergy ? m_Scalars : nullptr,
                        m_Workspace);
    if (wantsEnergy)
    {
      double part = 0.0;
      m_Device.CopyToHost(&part, m_Scalars, sizeof(part));
      energy += part;
    }
  }
  return energy;
}

void
GaussNewtonObjective::SolveRegularization(const ConstField & r, const Field & z)
{
  for (int segment = 0; segment < m_Setup.flow.segments; ++segment)
  {
    engine::SolveRegularization(
      m_Transform, m_Setup.regularization, SegmentOf(r, segment), SegmentOf(z, segment), nullptr, m_Workspace);
  }
}

double
GaussNewtonObjective::Inner(const ConstField & a, const ConstField & b) const
{
  InnerProduct(m_Device, a, b, m_Scalars);
  double values[2];
  m_Device.CopyToHost(values, m_Scalars, sizeof(values));
  return values[0] / static_cast<double>(this->GetLattice().NumberOfVoxels());
}

double
GaussNewtonObjective::Norm(const ConstField & a) const
{
  return std::sqrt(this->Inner(a, a));
}
} // namespace engine
} // namespace itk
