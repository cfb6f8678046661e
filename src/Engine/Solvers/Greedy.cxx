// SPDX-License-Identifier: Apache-2.0
#include "Greedy.h"

#include "../Operators/AdamUpdate.h"
#include "../Operators/Arithmetic.h"
#include "../Operators/Compose.h"
#include "../Operators/GaussianSmooth.h"
#include "../Operators/JacobianDeterminant.h"
#include "../Operators/Reductions.h"
#include "Convergence.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>

namespace itk
{
namespace engine
{
namespace
{
std::int64_t
RoundUp(std::int64_t floats)
{
  return (floats + 63) / 64 * 64;
}

double
Seconds(std::chrono::steady_clock::time_point since)
{
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}
/** How large a voxel's gradient typically is beside LNCC's, images scaled to [0, 1]: one squared difference of
 * intensities changes less with a displacement than the correlations of all the windows around it. */
double
GradientScale(MetricKind metric)
{
  switch (metric)
  {
    case MetricKind::MeanSquares:
      return 0.1;
    case MetricKind::MutualInformation:
      return std::getenv("MI_SCALE") ? std::atof(std::getenv("MI_SCALE")) : 1.0;
    case MetricKind::Lncc:
      break;
  }
  return 1.0;
}
} // namespace

/** The pyramid images of one level. A level at full resolution without smoothing uses the originals. */
struct GreedySolver::LevelImages
{
  LevelGeometry         fixedGeometry;
  LevelGeometry         movingGeometry;
  Buffer<float>         fixedBuffer;
  Buffer<float>         movingBuffer;
  Buffer<unsigned char> fixedMaskBuffer;
  Buffer<unsigned char> movingMaskBuffer;
  ConstField            fixed;
  ConstField            moving;
  ConstMask             fixedMask;
  ConstMask             movingMask;
};

GreedySolver::GreedySolver(const Device &              device,
                           const RegistrationProblem & problem,
                           const GreedyParameters &    parameters)
  : m_Device(device)
  , m_Problem(problem)
  , m_Parameters(parameters)
{
  RequireField(problem.fixed, problem.fixed.lattice, 1, "fixed image");
  RequireField(problem.moving, problem.moving.lattice, 1, "moving image");
  if (parameters.levels.empty())
  {
    ThrowError("the registration has no levels");
  }
  const auto requirePositive = [](double value, const char * name, bool zeroAllowed) {
    if (!(zeroAllowed ? value >= 0.0 : value > 0.0) || !std::isfinite(value))
    {
      ThrowError(name, " is ", value, ": a number ", zeroAllowed ? ">= 0" : "> 0", " is needed");
    }
  };
  requirePositive(parameters.learningRate, "learning rate", false);
  requirePositive(parameters.updateVariance, "variance for the update field", true);
  requirePositive(parameters.totalVariance, "variance for the total field", true);
  requirePositive(parameters.epsilon, "epsilon", false);
  requirePositive(parameters.lncc.varianceFloor, "variance floor", false);
  if (!(parameters.beta1 >= 0.0 && parameters.beta1 < 1.0) || !(parameters.beta2 >= 0.0 && parameters.beta2 < 1.0))
  {
    ThrowError("beta1 is ", parameters.beta1, " and beta2 is ", parameters.beta2, ": both must be in [0, 1)");
  }
  if (!(parameters.minimumJacobian < 1.0))
  {
    ThrowError("minimum Jacobian is ", parameters.minimumJacobian, ": it must be below 1, the identity's");
  }
  RequireMutualInformationParameters(parameters.mutualInformation, Field(), Field());
  for (const int radius : parameters.lncc.radius)
  {
    requirePositive(radius, "radius", true);
  }
  for (const auto & row : problem.affine)
  {
    for (const double value : row)
    {
      if (!std::isfinite(value))
      {
        ThrowError("the map from the fixed to the moving image holds ", value);
      }
    }
  }
  for (const GreedyLevel & level : parameters.levels)
  {
    if (level.iterations < 0)
    {
      ThrowError("number of iterations is ", level.iterations, ": it must not be negative");
    }
    MakeLevelGeometry(problem.fixed.lattice, level.shrinkFactors);
  }
}

LevelGeometry
GreedySolver::MovingGeometry(const int (&shrinkFactors)[3]) const
{
  // The moving image is reduced to about the sampling distance of the fixed level, never below its own resolution.
  int factors[3];
  for (int i = 0; i < 3; ++i)
  {
    double square = 0.0;
    for (int j = 0; j < 3; ++j)
    {
      square += std::pow(m_Problem.affine[i][j] * shrinkFactors[j], 2);
    }
    factors[i] = std::max(1, static_cast<int>(std::sqrt(square) + 0.25));
    factors[i] = std::min(factors[i], std::max(1, m_Problem.moving.lattice.size[i] / 4));
  }
  return MakeLevelGeometry(m_Problem.moving.lattice, factors);
}

GreedySolver::LevelImages
GreedySolver::MakeLevelImages(const GreedyLevel & level) const
{
  const auto reduce = [this](const LevelGeometry & geometry,
                             const double (&variance)[3],
                             const ConstField & image,
                             Buffer<float> &    buffer) -> ConstField {
    if (geometry.lattice == image.lattice && variance[0] == 0.0 && variance[1] == 0.0 && variance[2] == 0.0)
    {
      return image;
    }
    const Buffer<float> workspace(m_Device, ResampleSeparableWorkspace(image.lattice, geometry.lattice));
    buffer = Buffer<float>(m_Device, geometry.lattice.NumberOfVoxels());
    const Field output(buffer.Data(), geometry.lattice);
    Downsample(m_Device, geometry, variance, image, output, workspace.Data());
    m_Device.Synchronize();
    return output;
  };
  const auto reduceMask = [this](const LevelGeometry & geometry, const ConstMask & mask, Buffer<unsigned char> & buffer) {
    if (!mask || geometry.lattice == mask.lattice)
    {
      return mask;
    }
    // A level's voxel counts if the mask holds at its centre: sampling an empty image leaves just that question.
    buffer = Buffer<unsigned char>(m_Device, geometry.lattice.NumberOfVoxels());
    ResampleParameters sampling;
    double             rows[3][4] = {};
    for (int d = 0; d < 3; ++d)
    {
      rows[d][d] = geometry.factor[d];
      rows[d][3] = geometry.offset[d];
    }
    sampling.affine = AffineMap(rows);
    const Mask output(buffer.Data(), geometry.lattice);
    const bool isFixed = mask.lattice == m_Problem.fixed.lattice && mask.data == m_Problem.fixedMask.data;
    Resample(m_Device, sampling, isFixed ? m_Problem.fixed : m_Problem.moving, ConstField(), Field(), Field(), mask, output);
    return ConstMask(output);
  };

  LevelImages images;
  images.fixedGeometry = MakeLevelGeometry(m_Problem.fixed.lattice, level.shrinkFactors);
  images.movingGeometry = MovingGeometry(level.shrinkFactors);
  images.fixed = reduce(images.fixedGeometry, level.fixedVariance, m_Problem.fixed, images.fixedBuffer);
  images.moving = reduce(images.movingGeometry, level.movingVariance, m_Problem.moving, images.movingBuffer);
  images.fixedMask = reduceMask(images.fixedGeometry, m_Problem.fixedMask, images.fixedMaskBuffer);
  images.movingMask = reduceMask(images.movingGeometry, m_Problem.movingMask, images.movingMaskBuffer);
  return images;
}

MetricInputs
GreedySolver::MakeInputs(const LevelImages & images, const ConstField & displacement) const
{
  MetricInputs inputs;
  inputs.fixed = images.fixed;
  inputs.moving = images.moving;
  inputs.fixedMask = images.fixedMask;
  inputs.movingMask = images.movingMask;
  inputs.displacement = displacement;

  // level of the fixed image -> fixed -> moving -> level of the moving image
  double rows[3][4];
  for (int i = 0; i < 3; ++i)
  {
    double offset = m_Problem.affine[i][3] - images.movingGeometry.offset[i];
    for (int j = 0; j < 3; ++j)
    {
      offset += m_Problem.affine[i][j] * images.fixedGeometry.offset[j];
      rows[i][j] = m_Problem.affine[i][j] * images.fixedGeometry.factor[j] / images.movingGeometry.factor[i];
      inputs.sampling.displacementMatrix.m[i][j] = static_cast<float>(rows[i][j]);
    }
    rows[i][3] = offset / images.movingGeometry.factor[i];
  }
  inputs.sampling.affine = AffineMap(rows);
  inputs.sampling.outside = Outside::Clamp;

  // Where the fixed grid reaches beyond the moving image there is nothing to compare.
  const Lattice & fixed = images.fixed.lattice;
  const Lattice & moving = images.moving.lattice;
  for (int corner = 0; corner < 8; ++corner)
  {
    for (int i = 0; i < 3; ++i)
    {
      double position = rows[i][3];
      for (int j = 0; j < 3; ++j)
      {
        position += rows[i][j] * ((corner >> j) & 1 ? fixed.size[j] - 1 : 0);
      }
      inputs.ignoreOutside = inputs.ignoreOutside || position < -0.51 || position > moving.size[i] - 0.49;
    }
  }
  return inputs;
}

void
GreedySolver::EvaluateMetric(const MetricInputs & inputs,
                             double *             energy,
                             const Field &        gradient,
                             float *              workspace) const
{
  if (m_Parameters.metric == MetricKind::MeanSquares)
  {
    MeanSquaresToDisplacement(m_Device, inputs, energy, gradient, workspace);
    return;
  }
  if (m_Parameters.metric == MetricKind::MutualInformation)
  {
    MutualInformationToDisplacement(m_Device, m_Parameters.mutualInformation, inputs, energy, gradient, workspace);
    return;
  }
  LnccParameters lncc = m_Parameters.lncc;
  lncc.fixedShift = m_Problem.fixedMean;
  lncc.movingShift = m_Problem.movingMean;
  LnccToDisplacement(m_Device, lncc, inputs, energy, gradient, workspace);
}

std::int64_t
GreedySolver::MetricWorkspace(const MetricInputs & inputs) const
{
  switch (m_Parameters.metric)
  {
    case MetricKind::MeanSquares:
      return MeanSquaresToDisplacementWorkspace(inputs);
    case MetricKind::MutualInformation:
      return MutualInformationToDisplacementWorkspace(m_Device, m_Parameters.mutualInformation, inputs);
    case MetricKind::Lncc:
      break;
  }
  return LnccToDisplacementWorkspace(m_Device, m_Parameters.lncc, inputs);
}

double
GreedySolver::ToLoss(const double (&energy)[2]) const
{
  if (energy[1] == 0.0)
  {
    ThrowError("the images do not overlap: no voxel of the fixed image maps into the moving image and the masks");
  }
  const double mean = energy[0] / energy[1];
  if (!std::isfinite(mean))
  {
    ThrowError("the metric is ", mean, ": the registration diverged; a smaller learning rate may help");
  }
  return m_Parameters.metric == MetricKind::MeanSquares ? mean : -mean;
}

std::int64_t
GreedySolver::ScratchFloats(const MetricInputs & inputs) const
{
  // The metric's workspace, and between metric evaluations one vector field.
  return std::max(RoundUp(MetricWorkspace(inputs)), RoundUp(3 * inputs.fixed.lattice.NumberOfVoxels()));
}

std::size_t
GreedySolver::LevelBytes(const MetricInputs & inputs, int iterations) const
{
  const std::int64_t voxels = inputs.fixed.lattice.NumberOfVoxels();
  std::size_t        bytes = 0;
  bytes += 2 * Arena::Round(3 * voxels * sizeof(float));          // gradient, first moment
  bytes += Arena::Round(voxels * sizeof(float));                  // second moment
  bytes += Arena::Round(ScratchFloats(inputs) * sizeof(float));
  bytes += Arena::Round((2 * static_cast<std::size_t>(iterations) + 8) * sizeof(double));
  return bytes;
}

std::size_t
GreedySolver::RequiredBytes() const
{
  std::size_t largest = 0;
  for (const GreedyLevel & level : m_Parameters.levels)
  {
    // sizes only: no image is made
    LevelImages images;
    images.fixedGeometry = MakeLevelGeometry(m_Problem.fixed.lattice, level.shrinkFactors);
    images.movingGeometry = MovingGeometry(level.shrinkFactors);
    images.fixed = ConstField(m_Problem.fixed.data, images.fixedGeometry.lattice);
    images.moving = ConstField(m_Problem.moving.data, images.movingGeometry.lattice);
    images.fixedMask = m_Problem.fixedMask;
    images.movingMask = m_Problem.movingMask;
    const MetricInputs inputs = MakeInputs(images, ConstField());
    const bool isOriginal = images.fixedGeometry.lattice == m_Problem.fixed.lattice && level.fixedVariance[0] == 0.0 &&
                            level.movingVariance[0] == 0.0;
    const std::size_t imageBytes =
      isOriginal ? 0 : sizeof(float) * (images.fixed.lattice.NumberOfVoxels() + images.moving.lattice.NumberOfVoxels());
    const std::size_t fieldBytes =
      isOriginal ? 0 : 3 * sizeof(float) * static_cast<std::size_t>(images.fixed.lattice.NumberOfVoxels());
    largest = std::max(largest, LevelBytes(inputs, level.iterations) + imageBytes + fieldBytes);
  }
  return largest;
}

void
GreedySolver::RemoveFolds(const Field & displacement, const Mask & flags, const Field & workspace) const
{
  if (m_Parameters.minimumJacobian <= 0.0)
  {
    return;
  }
  const Buffer<double> count(m_Device, 1);
  constexpr int        maximumPasses = 200;
  for (int pass = 0; pass < maximumPasses; ++pass)
  {
    RelaxFolds(
      m_Device, static_cast<float>(m_Parameters.minimumJacobian), displacement, count.Data(), flags, workspace);
    double number = 0.0;
    m_Device.CopyToHost(&number, count.Data(), sizeof(number));
    if (number == 0.0)
    {
      return;
    }
  }
}

void
GreedySolver::RunLevel(unsigned int        level,
                       const LevelImages & images,
                       Arena &             arena,
                       const Field &       displacement,
                       const Callback &    callback)
{
  const GreedyLevel & settings = m_Parameters.levels[level];
  const Lattice &     lattice = images.fixed.lattice;
  const std::int64_t  voxels = lattice.NumberOfVoxels();
  const MetricInputs  inputs = MakeInputs(images, displacement);

  const Field    gradient(arena.Take<float>(3 * voxels), lattice, 3);
  const Field    first(arena.Take<float>(3 * voxels), lattice, 3);
  const Field    second(arena.Take<float>(voxels), lattice);
  float * const  scratch = arena.Take<float>(ScratchFloats(inputs));
  double * const scalars = arena.Take<double>(2 * settings.iterations + 8);
  double * const norms = scalars;
  double * const folds = scalars + 2;
  double * const energies = scalars + 8;
  const Field    candidate(scratch, lattice, 3);
  const Mask     flags(reinterpret_cast<unsigned char *>(scratch), lattice);
  m_Device.SetZero(first.data, sizeof(float) * first.NumberOfValues());
  m_Device.SetZero(second.data, sizeof(float) * second.NumberOfValues());

  SymmetricKernel updateKernels[3];
  SymmetricKernel totalKernels[3];
  for (int d = 0; d < 3; ++d)
  {
    updateKernels[d] = MakeGaussianKernel(m_Parameters.updateVariance);
    totalKernels[d] = MakeGaussianKernel(m_Parameters.totalVariance);
  }

  const auto iterate = [&](int iteration) {
    EvaluateMetric(inputs, energies + 2 * iteration, gradient, scratch);
    GaussianSmooth(m_Device, updateKernels, SmoothBoundary::ZeroFlux, gradient, gradient, candidate);
    if (std::getenv("MI_DEBUG") && iteration % 20 == 0)
    {
      Norms(m_Device, gradient, norms);
      std::fprintf(stderr, "DEBUG it %d mean %g max %g\n", iteration, norms[0] / voxels, norms[1]);
    }
    AdamStep step;
    step.beta1 = static_cast<float>(m_Parameters.beta1);
    step.beta2 = static_cast<float>(m_Parameters.beta2);
    step.correction1 = static_cast<float>(1.0 / (1.0 - std::pow(m_Parameters.beta1, iteration + 1)));
    step.correction2 = static_cast<float>(1.0 / (1.0 - std::pow(m_Parameters.beta2, iteration + 1)));
    step.epsilon = static_cast<float>(m_Parameters.epsilon * GradientScale(m_Parameters.metric));
    AdamUpdate(m_Device, step, gradient, first, second, norms);
    ComposeParameters composition;
    composition.outside = Outside::Clamp;
    composition.innerScale = static_cast<float>(m_Parameters.learningRate);
    composition.innerMaximum = norms + 1;
    Compose(m_Device, composition, displacement, gradient, candidate);
    GaussianSmooth(m_Device, totalKernels, SmoothBoundary::ZeroFlux, candidate, displacement, gradient);
    if (m_Parameters.minimumJacobian > 0.0)
    {
      RelaxFolds(m_Device, static_cast<float>(m_Parameters.minimumJacobian), displacement, folds, flags, gradient);
    }
  };

  GreedyLevelReport & report = m_Report.levels[level];
  WindowConvergence   convergence(m_Parameters.convergenceWindow);
  std::vector<double> energy(2 * ReadInterval);
  int                 done = 0;
  while (done < settings.iterations && !report.converged && !m_Report.cancelled)
  {
    const int count = std::min(ReadInterval, settings.iterations - done);
    for (int i = 0; i < count; ++i)
    {
      iterate(done + i);
    }
    m_Device.CopyToHost(energy.data(), energies + 2 * done, sizeof(double) * 2 * count);
    for (int i = 0; i < count; ++i)
    {
      const double pair[2] = { energy[2 * i], energy[2 * i + 1] };
      const double value = ToLoss(pair);
      convergence.AddEnergy(value);
      report.metricValues.push_back(value);
      GreedyProgress progress;
      progress.level = level;
      progress.iteration = static_cast<unsigned int>(done + i + 1);
      progress.iterationsOfLevel = static_cast<unsigned int>(settings.iterations);
      progress.metricValue = value;
      progress.convergenceValue = convergence.Value();
      report.converged = report.converged || progress.convergenceValue < m_Parameters.convergenceThreshold;
      if (callback && !callback(progress))
      {
        m_Report.cancelled = true;
        break;
      }
    }
    done += count;
  }
  RemoveFolds(displacement, flags, gradient);
}

double
GreedySolver::EvaluateFullResolution(const ConstField & displacement) const
{
  const LevelImages    images = MakeLevelImages(GreedyLevel());
  const MetricInputs   inputs = MakeInputs(images, displacement);
  const Buffer<float>  workspace(m_Device, MetricWorkspace(inputs));
  const Buffer<double> energy(m_Device, 2);
  EvaluateMetric(inputs, energy.Data(), Field(), workspace.Data());
  double numbers[2];
  m_Device.CopyToHost(numbers, energy.Data(), sizeof(numbers));
  return ToLoss(numbers);
}

GreedyReport
GreedySolver::Run(const Field & displacement, const Callback & callback)
{
  const Lattice & full = m_Problem.fixed.lattice;
  RequireField(displacement, full, 3, "displacement");
  m_Report = GreedyReport();
  m_Report.levels.resize(m_Parameters.levels.size());
  m_Report.initialMetricValue = EvaluateFullResolution(ConstField());

  m_Device.SetZero(displacement.data, sizeof(float) * displacement.NumberOfValues());

  // Where the last finished level left its displacement; a level on the full grid works in the caller's field.
  const int     ones[3] = { 1, 1, 1 };
  LevelGeometry currentGeometry = MakeLevelGeometry(full, ones);
  ConstField    current = displacement;
  Buffer<float> currentBuffer;
  const auto    transfer = [&](const LevelGeometry & to, const Field & output) {
    const Buffer<float> workspace(m_Device, ResampleSeparableWorkspace(currentGeometry.lattice, to.lattice));
    Upsample(m_Device, currentGeometry, to, current, output, workspace.Data());
    m_Device.Synchronize();
  };
  for (unsigned int level = 0; level < m_Parameters.levels.size() && !m_Report.cancelled; ++level)
  {
    const auto          start = std::chrono::steady_clock::now();
    const GreedyLevel & settings = m_Parameters.levels[level];
    GreedyProgress      progress;
    progress.level = level;
    progress.iterationsOfLevel = static_cast<unsigned int>(settings.iterations);
    progress.startsLevel = true;
    if (callback && !callback(progress))
    {
      m_Report.cancelled = true;
      break;
    }
    const LevelImages images = MakeLevelImages(settings);
    const Lattice &   lattice = images.fixed.lattice;
    m_Report.levels[level].lattice = lattice;

    Buffer<float> buffer = lattice == full ? Buffer<float>() : Buffer<float>(m_Device, 3 * lattice.NumberOfVoxels());
    const Field   u(lattice == full ? displacement.data : buffer.Data(), lattice, 3);
    if (u.data != current.data)
    {
      transfer(images.fixedGeometry, u);
    }
    Arena arena(m_Device, LevelBytes(MakeInputs(images, u), settings.iterations));
    RunLevel(level, images, arena, u, callback);
    m_Device.Synchronize();
    current = u;
    currentGeometry = images.fixedGeometry;
    currentBuffer = std::move(buffer);
    m_Report.levels[level].seconds = Seconds(start);
  }

  if (current.data != displacement.data)
  {
    transfer(MakeLevelGeometry(full, ones), displacement);
    const Buffer<float>         workspace(m_Device, 3 * full.NumberOfVoxels());
    const Buffer<unsigned char> flags(m_Device, full.NumberOfVoxels());
    RemoveFolds(displacement, Mask(flags.Data(), full), Field(workspace.Data(), full, 3));
  }
  const Buffer<double> jacobian(m_Device, 2);
  JacobianDeterminant(m_Device, Matrix3(), displacement, Field(), jacobian.Data());
  double numbers[2];
  m_Device.CopyToHost(numbers, jacobian.Data(), sizeof(numbers));
  m_Report.minimumJacobian = numbers[0];
  m_Report.foldedVoxels = static_cast<std::int64_t>(numbers[1]);
  m_Report.finalMetricValue = EvaluateFullResolution(displacement);
  return m_Report;
}
} // namespace engine
} // namespace itk
