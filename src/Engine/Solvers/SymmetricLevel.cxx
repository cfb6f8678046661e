// SPDX-License-Identifier: Apache-2.0
#include "SymmetricLevel.h"

#include "../Core/RecordWork.h"
#include "../Operators/Arithmetic.h"
#include "../Operators/Compose.h"
#include "../Operators/Invert.h"
#include "../Operators/JacobianDeterminant.h"
#include "../Operators/RecursiveGaussian.h"
#include "../Operators/RefineInverse.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
namespace
{
constexpr int VectorFields = 4;

std::size_t
ArenaBytes(const SymmetricProblem &    problem,
           const SymmetricParameters & parameters,
           const MidpointMetric &      metric,
           unsigned int                level,
           const Lattice &             lattice)
{
  const std::int64_t voxels = lattice.NumberOfVoxels();
  std::size_t        bytes = metric.Bytes(lattice);
  bytes += 2 * Arena::Round(voxels * sizeof(float)); // both images at the middle
  bytes += (problem.fixedMask ? Arena::Round(voxels) : 0) + (problem.movingMask ? Arena::Round(voxels) : 0);
  bytes += problem.fixedMask && problem.movingMask ? Arena::Round(voxels) : 0;
  bytes += Arena::Round(sizeof(float) * std::max(metric.Workspace(lattice), 3 * VectorFields * voxels));
  bytes += 4 * Arena::Round(MidpointMetric::NumberOfEnergies * sizeof(double));
  if (parameters.step == SymmetricStep::Rule)
  {
    bytes += 2 * StepRule::Bytes(parameters.stepRule, lattice, parameters.levels[level].iterations);
  }
  return bytes;
}

bool
IsSmoothed(const double (&variance)[3])
{
  return variance[0] > 0.0 || variance[1] > 0.0 || variance[2] > 0.0;
}
} // namespace

std::size_t
SymmetricLevel::Bytes(const SymmetricProblem &    problem,
                      const SymmetricParameters & parameters,
                      const MidpointMetric &      metric,
                      unsigned int                level,
                      const LevelGeometry &       geometry)
{
  const SolverLevel & settings = parameters.levels[level];
  const std::size_t   fixed = sizeof(float) * problem.fixed.lattice.NumberOfVoxels();
  const std::size_t   moving = sizeof(float) * problem.moving.lattice.NumberOfVoxels();
  const std::size_t   smoothed =
    (IsSmoothed(settings.fixedVariance) ? fixed : 0) + (IsSmoothed(settings.movingVariance) ? moving : 0);
  const std::size_t smoothing = smoothed > 0 ? std::max(fixed, moving) : 0;
  return smoothed + smoothing + ArenaBytes(problem, parameters, metric, level, geometry.lattice);
}

SymmetricLevel::SymmetricLevel(const Device &              device,
                               const SymmetricProblem &    problem,
                               const SymmetricParameters & parameters,
                               const MidpointMetric &      metric,
                               unsigned int                level,
                               const LevelGeometry &       geometry,
                               const Matrix3 &             toIndex)
  : m_Device(device)
  , m_Problem(problem)
  , m_Parameters(parameters)
  , m_Metric(metric)
  , m_Geometry(geometry)
  , m_Lattice(geometry.lattice)
  , m_Iterations(parameters.levels[level].iterations)
  , m_ToIndex(toIndex)
  , m_Units(problem, geometry)
  , m_Arena(device, ArenaBytes(problem, parameters, metric, level, geometry.lattice))
  , m_Values(device, MidpointMetric::NumberOfEnergies)
{
  const SolverLevel & settings = parameters.levels[level];
  MakeSide(m_Fixed, problem.fixed, problem.fixedMask, settings.fixedVariance, m_FixedBuffer);
  MakeSide(m_Moving, problem.moving, problem.movingMask, settings.movingVariance, m_MovingBuffer);
  SetSampling(m_Fixed, problem.fixedAffine, problem.fixedOutside);
  SetSampling(m_Moving, problem.affine, problem.movingOutside);

  const std::int64_t voxels = m_Lattice.NumberOfVoxels();
  m_Metric.Start(m_Arena, m_Lattice, problem.dimension);
  for (Side * const side : { &m_Fixed, &m_Moving })
  {
    side->atMiddle = Field(m_Arena.Take<float>(voxels), m_Lattice);
    if (side->mask)
    {
      side->maskAtMiddle = Mask(m_Arena.Take<unsigned char>(voxels), m_Lattice);
    }
    side->norms = m_Arena.Take<double>(MidpointMetric::NumberOfEnergies);
    if (parameters.step == SymmetricStep::Rule)
    {
      side->stepRule = std::make_unique<StepRule>(device,
                                                  m_Arena,
                                                  parameters.stepRule,
                                                  m_Lattice,
                                                  settings.iterations,
                                                  metric.Loss().GradientScale(),
                                                  metric.Loss().LossSign());
    }
  }
  if (m_Fixed.mask && m_Moving.mask)
  {
    m_Valid = Mask(m_Arena.Take<unsigned char>(voxels), m_Lattice);
  }
  m_Energies = m_Arena.Take<double>(MidpointMetric::NumberOfEnergies);
  m_Scalars = m_Arena.Take<double>(MidpointMetric::NumberOfEnergies);
  device.SetZero(m_Energies, sizeof(double) * MidpointMetric::NumberOfEnergies);
  m_Scratch = m_Arena.Take<float>(std::max(metric.Workspace(m_Lattice), 3 * VectorFields * voxels));
  for (int i = 0; i < VectorFields; ++i)
  {
    m_Spare[i] = Field(m_Scratch + 3 * i * voxels, m_Lattice, 3);
  }
  const auto setKernels = [&](double variance, SymmetricKernel(&kernels)[3]) {
    for (int d = 0; d < problem.dimension; ++d)
    {
      kernels[d] = MakeGaussianKernel(variance, 0.001, m_Lattice.own.size[d]);
    }
  };
  setKernels(parameters.updateVariance, m_UpdateKernels);
  setKernels(parameters.totalVariance, m_TotalKernels);
  if (parameters.derivative == MidpointDerivative::Exact)
  {
    // differences along the grid's axes, updates in voxels
    m_Units.differences = MidpointGradientParameters();
    m_Units.differences.dimension = problem.dimension;
  }
}

void
SymmetricLevel::MakeSide(Side &             side,
                         const ConstField & image,
                         const ConstMask &  mask,
                         const double (&variance)[3],
                         Buffer<float> & buffer)
{
  side.image = image;
  side.mask = mask;
  if (IsSmoothed(variance))
  {
    const std::int64_t  voxels = image.lattice.NumberOfVoxels();
    const double        sigma[3] = { std::sqrt(variance[0]), std::sqrt(variance[1]), std::sqrt(variance[2]) };
    const Buffer<float> workspace(m_Device, voxels);
    buffer = Buffer<float>(m_Device, voxels);
    const Field smoothed(buffer.Data(), image.lattice);
    RecursiveGaussian(m_Device, sigma, -1, image, smoothed, Field(workspace.Data(), image.lattice));
    m_Device.Synchronize();
    side.image = smoothed;
  }
}

void
SymmetricLevel::SetSampling(Side & side, const double (&affine)[3][4], float outside)
{
  double rows[3][4];
  for (int i = 0; i < 3; ++i)
  {
    rows[i][3] = affine[i][3];
    for (int j = 0; j < 3; ++j)
    {
      rows[i][j] = affine[i][j] * m_Geometry.factor[j];
      rows[i][3] += affine[i][j] * m_Geometry.offset[j];
    }
  }
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      double sum = 0.0;
      for (int k = 0; k < 3; ++k)
      {
        sum += rows[i][k] * m_ToIndex.m[k][j];
      }
      side.sampling.displacementMatrix.m[i][j] = static_cast<float>(sum);
    }
  }
  side.sampling.affine = AffineMap(rows);
  side.sampling.outsideValue = outside;
}

void
SymmetricLevel::WarpToMiddle(const SymmetricState & state)
{
  const auto warp = [&](const Side & side, const Field & inverse) {
    Resample(
      m_Device, side.sampling, side.image, inverse, side.atMiddle, Field(), side.mask, side.maskAtMiddle);
  };
  warp(m_Fixed, state.FixedToMiddleInverse());
  warp(m_Moving, state.MovingToMiddleInverse());
  if (m_Valid)
  {
    m_Device.Copy(m_Valid.data, m_Fixed.maskAtMiddle.data, static_cast<std::size_t>(m_Lattice.NumberOfVoxels()));
    IntersectMasks(m_Device, m_Moving.maskAtMiddle, m_Valid);
  }
}

void
SymmetricLevel::TakeGradient(bool ofFixed, const ConstField & image, float scale, const Field & gradient)
{
  const bool filtered = m_Parameters.gradientFilter && m_Parameters.derivative == MidpointDerivative::Itk;
  MidpointGradientParameters parameters = filtered ? m_Units.filtered : m_Units.differences;
  parameters.scale = scale;
  if (!filtered)
  {
    m_Metric.Gradient(ofFixed, parameters, image, gradient);
    return;
  }
  const Field & derivatives = m_Spare[3];
  const Field   workspace(m_Spare[2].data, m_Lattice);
  for (int d = 0; d < 3; ++d)
  {
    RecursiveGaussian(m_Device, m_Units.filterSigma, d, image, Field(derivatives.Component(d), m_Lattice), workspace);
  }
  m_Metric.Gradient(ofFixed, parameters, derivatives, gradient);
}

void
SymmetricLevel::Smooth(const SymmetricKernel (&kernels)[3], double variance, const Field & input, const Field & output)
{
  if (variance <= 0.0)
  {
    m_Device.Copy(output.data, input.data, sizeof(float) * input.NumberOfValues());
    return;
  }
  GaussianSmooth(m_Device, kernels, SmoothBoundary::ZeroFlux, input, output, m_Spare[3]);
  if (m_Parameters.derivative == MidpointDerivative::Itk && variance < 0.5)
  {
    const auto share = static_cast<float>(variance / 0.5);
    LinearCombination(m_Device, 1.0f - share, output, share, input, output);
  }
  ZeroBoundary(m_Device, m_Problem.dimension, output);
}

void
SymmetricLevel::TakeStep(Side & side, const Field & gradient, const Field & step)
{
  const bool isRule = m_Parameters.step == SymmetricStep::Rule;
  side.update = step;
  if (isRule && m_Parameters.updateVariance > 0.0)
  {
    side.stepRule->TakeDirection(nullptr, m_Energies, m_UpdateKernels, gradient, step);
    ZeroBoundary(m_Device, m_Problem.dimension, step);
  }
  else
  {
    Smooth(m_UpdateKernels, m_Parameters.updateVariance, gradient, step);
    if (isRule)
    {
      side.stepRule->TakeDirection(nullptr, m_Energies, m_UpdateKernels, step, step);
    }
    else
    {
      Norms(m_Device, step, side.norms);
    }
  }
  side.largest = isRule ? side.stepRule->LargestNorm() : side.norms + 1;
  if (m_Parameters.averageMidPointGradients || !m_ToIndex.IsIdentity())
  {
    NormalizeStepParameters normalization;
    normalization.scale = static_cast<float>(m_Parameters.learningRate);
    normalization.limitOnly = isRule;
    NormalizeStep(m_Device, normalization, side.largest, step);
    side.largest = nullptr;
  }
}

void
SymmetricLevel::ApplyUpdate(const Side & side, const Field & spare, const Field & map, const Field & inverse)
{
  if (side.largest)
  {
    ComposeParameters composition;
    composition.outerScale.scale = static_cast<float>(m_Parameters.learningRate);
    composition.outerScale.largest = side.largest;
    composition.outerScale.limitOnly = m_Parameters.step == SymmetricStep::Rule;
    Compose(m_Device, composition, side.update, map, spare);
  }
  else
  {
    ComposeInUnit(m_Device, m_ToIndex, Outside::Value, side.update, map, spare);
  }
  Smooth(m_TotalKernels, m_Parameters.totalVariance, spare, map);
  if (m_Parameters.minimumJacobian > 0.0)
  {
    const Mask flags(reinterpret_cast<unsigned char *>(m_Spare[3].data), m_Lattice);
    RelaxFolds(m_Device, { static_cast<float>(m_Parameters.minimumJacobian) }, map, m_Scalars, flags, spare);
  }
  if (m_Parameters.derivative == MidpointDerivative::Exact)
  {
    // Near at each voxel is enough for warping, and needs no number from the device; the level's end inverts well.
    RefineInverseParameters refinement;
    refinement.maximumIterations = 5;
    refinement.maximumCells = 0;
    refinement.tolerance = 0.02f;
    RefineInverse(m_Device, refinement, map, inverse, m_Scalars);
    return;
  }
  InvertParameters inversion;
  inversion.useInitialEstimate = true;
  inversion.stepAfterTolerance = true;
  inversion.zeroBoundaryAxes = m_Problem.dimension;
  inversion.toIndex = m_ToIndex;
  Invert(m_Device, inversion, map, inverse, spare);
  Invert(m_Device, inversion, inverse, map, spare);
}

void
SymmetricLevel::Evaluate(int iteration, const SymmetricState & state)
{
  WarpToMiddle(state);
  MidpointImages images;
  images.fixed = m_Fixed.atMiddle;
  images.moving = m_Moving.atMiddle;
  images.fixedMask = m_Fixed.maskAtMiddle;
  images.movingMask = m_Moving.maskAtMiddle;
  images.valid = m_Valid ? m_Valid : (m_Fixed.mask ? m_Fixed.maskAtMiddle : m_Moving.maskAtMiddle);
  if (iteration > 0 && images.valid)
  {
    // ITK's metric keeps a mask that is alone for both images, from the second direction of the first iteration on
    images.fixedMask = images.fixedMask ? images.fixedMask : images.valid;
    images.movingMask = images.movingMask ? images.movingMask : images.valid;
  }
  m_Metric.Evaluate(images, m_Energies, m_Scratch);
}

void
SymmetricLevel::Update(const SymmetricState & state)
{
  if (m_Parameters.derivative == MidpointDerivative::Itk)
  {
    // the moving image's gradient moves the map of the fixed image, and the other way round, as ITK has it
    TakeGradient(false, m_Moving.atMiddle, 1.0f, m_Spare[0]);
    TakeGradient(true, m_Fixed.atMiddle, 1.0f, m_Spare[1]);
  }
  else
  {
    // An update d of a map takes its image at the middle from x - d. A step rule wants the gradient, of which the step is
    // the other direction.
    const float scale = m_Parameters.step == SymmetricStep::Rule ? -1.0f : 1.0f;
    TakeGradient(true, m_Fixed.atMiddle, scale, m_Spare[0]);
    TakeGradient(false, m_Moving.atMiddle, scale, m_Spare[1]);
  }
  TakeStep(m_Fixed, m_Spare[0], m_Spare[2]);
  TakeStep(m_Moving, m_Spare[1], m_Spare[0]);
  if (m_Parameters.averageMidPointGradients)
  {
    LinearCombination(m_Device, 1.0f, m_Fixed.update, -1.0f, m_Moving.update, m_Fixed.update);
    LinearCombination(m_Device, -1.0f, m_Fixed.update, 0.0f, ConstField(), m_Moving.update);
  }
  ApplyUpdate(m_Fixed, m_Spare[1], state.FixedToMiddle(), state.FixedToMiddleInverse());
  ApplyUpdate(m_Moving, m_Spare[1], state.MovingToMiddle(), state.MovingToMiddleInverse());
}

double
SymmetricLevel::Iterate(int iteration, const SymmetricState & state)
{
  // ITK's inversions look at the device, which cannot be recorded.
  if (iteration == 1 && m_Iterations >= IterationsToRecord && m_Parameters.derivative == MidpointDerivative::Exact)
  {
    m_Evaluate = RecordWork(m_Device, [this, &state] { this->Evaluate(1, state); });
    m_Update = RecordWork(m_Device, [this, &state] { this->Update(state); });
  }
  if (m_Evaluate)
  {
    m_Evaluate();
  }
  else
  {
    this->Evaluate(iteration, state);
  }
  m_Values.Queue(m_Energies);
  if (m_Update)
  {
    m_Update();
  }
  else
  {
    this->Update(state);
  }
  // There long since: what has been queued meanwhile keeps the device busy until the next iteration is.
  double energies[MidpointMetric::NumberOfEnergies];
  std::copy_n(m_Values.Wait(), MidpointMetric::NumberOfEnergies, energies);
  return m_Metric.ToLoss(energies);
}
} // namespace engine
} // namespace itk
