// SPDX-License-Identifier: Apache-2.0
#include "ZeroVelocityPreconditioner.h"

#include "../Operators/Arithmetic.h"
#include "../Operators/MetricCurvature.h"

#include <algorithm>

namespace itk
{
namespace engine
{
namespace
{
constexpr int SmallestSize = 12;

struct HalfGrid
{
  explicit HalfGrid(const Lattice & fine)
  {
    int size[3];
    for (int d = 0; d < 3; ++d)
    {
      factor[d] = fine.size[d] > 1 ? 2 : 1;
      size[d] = (fine.size[d] + factor[d] - 1) / factor[d];
    }
    lattice = Lattice(size[0], size[1], size[2]);
  }

  Lattice lattice;
  int     factor[3];
};

std::int64_t
Round(std::int64_t floats)
{
  return (floats + 63) / 64 * 64;
}

Spectrum
TakeSpectrum(float *& memory, const Lattice & lattice)
{
  const Spectrum spectrum(reinterpret_cast<Complex *>(memory), lattice, 3);
  memory += SpectrumFloats(lattice, 3);
  return spectrum;
}

/** Vector fields of the solution by conjugate gradients, and the right side. */
constexpr int CoarseFields = 7;
} // namespace

bool
ZeroVelocityPreconditioner::IsPossible(const Lattice & lattice)
{
  for (const int size : lattice.size)
  {
    if (size > 1 && size < SmallestSize)
    {
      return false;
    }
  }
  return true;
}

std::size_t
ZeroVelocityPreconditioner::Bytes(const GaussNewtonObjective::Setup & setup)
{
  const Lattice      lattice = HalfGrid(setup.inputs.fixed.lattice).lattice;
  const std::int64_t floats = 6 * Round(lattice.NumberOfVoxels()) +
                              CoarseFields * Round(3 * setup.flow.segments * lattice.NumberOfVoxels()) +
                              2 * SpectrumFloats(lattice, 3);
  return sizeof(float) * static_cast<std::size_t>(floats) + Arena::Round(2 * sizeof(double));
}

ZeroVelocityPreconditioner::ZeroVelocityPreconditioner(const Device &               device,
                                                       const GaussNewtonObjective & objective,
                                                       const Parameters &           parameters)
  : m_Device(device)
  , m_Objective(objective)
  , m_Parameters(parameters)
  , m_CoarseRegularization(objective.GetSetup().regularization)
  , m_Coarse(device, HalfGrid(objective.GetLattice()).lattice)
  , m_Scalars(device, 2)
{
  const Lattice & fine = objective.GetLattice();
  const Lattice & coarse = m_Coarse.GetLattice();
  const int       components = 3 * objective.GetSetup().flow.segments;
  for (int d = 0; d < 3; ++d)
  {
    const double factor = static_cast<double>(fine.size[d]) / coarse.size[d];
    m_CoarseRegularization.spacing[d] *= factor;
    m_Transfer.shift[d] = 0.5 * (factor - 1.0);
  }
  const std::int64_t vectors = Round(components * coarse.NumberOfVoxels());
  const std::int64_t workspace = Round(RegularizationWorkspace(m_Coarse)) + SpectrumFloats(coarse, 3);
  m_Memory = Buffer<float>(device, Round(6 * coarse.NumberOfVoxels()) + CoarseFields * vectors + workspace);
  float *    memory = m_Memory.Data();
  const auto take = [&](std::int64_t floats, int count) {
    const Field field(memory, coarse, count);
    memory += floats;
    return field;
  };
  m_Curvature = take(Round(6 * coarse.NumberOfVoxels()), 6);
  m_Fields.solution = take(vectors, components);
  m_Fields.residual = take(vectors, components);
  m_Fields.direction = take(vectors, components);
  m_Fields.regularized = take(vectors, components);
  m_Fields.product = take(vectors, components);
  m_Fields.conditioned = take(vectors, components);
  m_Right = take(vectors, components);
  m_Fields.scalars = m_Scalars.Data();
  m_Workspace = memory;
}

void
ZeroVelocityPreconditioner::Update()
{
  const HalfGrid half(m_Objective.GetLattice());
  CurvatureMatrix(m_Device, half.factor, m_Objective.Curvature(), false, m_Curvature);
}

void
ZeroVelocityPreconditioner::Solve(const ConstField & r, const Field & z)
{
  const FourierTransform & transform = m_Objective.Transform();
  const int                segments = m_Objective.GetSetup().flow.segments;
  const Lattice &          coarse = m_Coarse.GetLattice();
  float *                  fineMemory = m_Objective.Workspace();
  const Spectrum           fineSpectrum = TakeSpectrum(fineMemory, m_Objective.GetLattice());
  float *                  coarseMemory = m_Workspace;
  const Spectrum           coarseSpectrum = TakeSpectrum(coarseMemory, coarse);
  const auto               restrictTo = [&](int segment, const Field & output) {
    transform.Forward(SegmentOf(r, segment), fineSpectrum, fineMemory);
    m_Transfer.quantity = Quantity::Gradient;
    RestrictSpectrum(m_Device, m_Transfer, fineSpectrum, coarseSpectrum, transform.Normalization());
    m_Coarse.Inverse(coarseSpectrum, output, coarseMemory);
  };
  for (int segment = 0; segment < segments; ++segment)
  {
    restrictTo(segment, SegmentOf(m_Right, segment));
  }
  m_Device.Copy(m_Fields.residual.data,
                m_Right.data,
                sizeof(float) * static_cast<std::size_t>(m_Right.NumberOfValues()));

  ConjugateGradientOperators operators;
  operators.data = [&](const ConstField & p, const Field & q) {
    // Without displacement all segments move a voxel alike, each for its part of the time.
    const double share = 1.0 / segments;
    Field        sum = SegmentOf(q, 0);
    for (int segment = 0; segment < segments; ++segment)
    {
      CurvatureProduct(m_Device, m_Curvature, SegmentOf(p, segment), segment > 0, sum);
    }
    LinearCombination(m_Device, static_cast<float>(share * share), sum, 0.0f, ConstField(), sum);
    for (int segment = 1; segment < segments; ++segment)
    {
      m_Device.Copy(SegmentOf(q, segment).data, sum.data, sizeof(float) * static_cast<std::size_t>(sum.NumberOfValues()));
    }
  };
  operators.precondition = [&](const ConstField & a, const Field & b) {
    for (int segment = 0; segment < segments; ++segment)
    {
      SolveRegularization(
        m_Coarse, m_CoarseRegularization, SegmentOf(a, segment), SegmentOf(b, segment), nullptr, m_Workspace);
    }
  };
  ConjugateGradientParameters parameters;
  parameters.relativeTolerance = m_Parameters.tolerance;
  parameters.maximumIterations = m_Parameters.maximumIterations;
  m_InnerIterations += SolveByConjugateGradients(m_Device, parameters, operators, m_Fields).iterations;

  for (int segment = 0; segment < segments; ++segment)
  {
    if (segments > 1)
    {
      transform.Forward(SegmentOf(r, segment), fineSpectrum, fineMemory);
    }
    SolveRegularization(m_Device,
                        m_Objective.GetSetup().regularization,
                        fineSpectrum,
                        fineSpectrum,
                        nullptr,
                        transform.Normalization());
    m_Coarse.Forward(SegmentOf(ConstField(m_Fields.solution), segment), coarseSpectrum, coarseMemory);
    m_Transfer.quantity = Quantity::Velocity;
    ProlongSpectrum(m_Device, m_Transfer, coarseSpectrum, fineSpectrum, true, m_Coarse.Normalization());
    transform.Inverse(fineSpectrum, SegmentOf(z, segment), fineMemory);
  }
}

void
ZeroVelocityPreconditioner::Regularize(const ConstField & r, const Field & y)
{
  const FourierTransform & transform = m_Objective.Transform();
  float *                  fineMemory = m_Objective.Workspace();
  const Spectrum           fineSpectrum = TakeSpectrum(fineMemory, m_Objective.GetLattice());
  float *                  coarseMemory = m_Workspace;
  const Spectrum           coarseSpectrum = TakeSpectrum(coarseMemory, m_Coarse.GetLattice());
  for (int segment = 0; segment < m_Objective.GetSetup().flow.segments; ++segment)
  {
    const Field change = SegmentOf(m_Fields.product, segment);
    ApplyRegularization(m_Coarse,
                        m_CoarseRegularization,
                        SegmentOf(ConstField(m_Fields.solution), segment),
                        change,
                        nullptr,
                        m_Workspace);
    LinearCombination(m_Device, 1.0f, change, -1.0f, SegmentOf(ConstField(m_Right), segment), change);
    m_Coarse.Forward(change, coarseSpectrum, coarseMemory);
    m_Transfer.quantity = Quantity::Gradient;
    ProlongSpectrum(m_Device, m_Transfer, coarseSpectrum, fineSpectrum, false, m_Coarse.Normalization());
    transform.Inverse(fineSpectrum, SegmentOf(y, segment), fineMemory);
  }
  LinearCombination(m_Device, 1.0f, y, 1.0f, r, y);
}
} // namespace engine
} // namespace itk
