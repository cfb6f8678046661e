// SPDX-License-Identifier: Apache-2.0
#include "MidpointMetric.h"

#include "../Operators/Arithmetic.h"
#include "../Operators/Reductions.h"
#include "../Operators/SampledMetrics.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
namespace
{
/** ITK's histogram of two images from their ranges. */
MattesBins
MakeBins(int numberOfBins, const double * fixedRange, const double * movingRange)
{
  constexpr int padding = 2;
  const auto    binSize = [&](const double * range) {
    const double size = (range[1] - range[0]) / (numberOfBins - 2 * padding);
    return size > 0.0 ? size : 1.0;
  };
  MattesBins bins;
  bins.numberOfBins = numberOfBins;
  bins.fixedBinSize = binSize(fixedRange);
  bins.fixedNormalizedMinimum = fixedRange[0] / bins.fixedBinSize - padding;
  bins.movingBinSize = binSize(movingRange);
  bins.movingNormalizedMinimum = movingRange[0] / bins.movingBinSize - padding;
  bins.movingMinimum = movingRange[0];
  bins.movingMaximum = movingRange[1];
  return bins;
}
} // namespace

MidpointMetric::MidpointMetric(const Device &           device,
                               const MetricParameters & parameters,
                               MidpointDerivative       derivative,
                               float                    fixedMean,
                               float                    movingMean)
  : m_Device(device)
  , m_Parameters(parameters)
  , m_Derivative(derivative)
  , m_Loss(device, parameters, fixedMean, movingMean)
{
  m_Parameters.lncc.fixedShift = fixedMean;
  m_Parameters.lncc.movingShift = movingMean;
}

std::size_t
MidpointMetric::Bytes(const Lattice & lattice) const
{
  const std::size_t slope = m_Derivative == MidpointDerivative::Itk ? sizeof(double) : sizeof(float);
  return 2 * Arena::Round(slope * lattice.NumberOfVoxels()) + Arena::Round(8 * sizeof(double));
}

void
MidpointMetric::Start(Arena & arena, const Lattice & lattice, int dimension)
{
  m_Lattice = lattice;
  m_Dimension = dimension;
  for (int i = 0; i < 2; ++i)
  {
    if (m_Derivative == MidpointDerivative::Itk)
    {
      m_Slopes[i] = arena.Take<double>(lattice.NumberOfVoxels());
    }
    else
    {
      m_FloatSlopes[i] = Field(arena.Take<float>(lattice.NumberOfVoxels()), lattice);
    }
  }
  m_Ranges = arena.Take<double>(8);
}

std::int64_t
MidpointMetric::Workspace(const Lattice & lattice) const
{
  const std::int64_t voxels = lattice.NumberOfVoxels();
  if (m_Derivative == MidpointDerivative::Itk)
  {
    // both images and which voxels count, and what the metric needs, in doubles
    std::int64_t doubles = 2 * voxels + (voxels + 7) / 8;
    if (m_Parameters.kind == MetricKind::Lncc)
    {
      doubles += SampledCorrelationWorkspace(lattice);
    }
    if (m_Parameters.kind == MetricKind::MutualInformation)
    {
      MattesBins bins;
      bins.numberOfBins = m_Parameters.mutualInformation.numberOfBins;
      doubles += SampledMattesWorkspace(bins);
    }
    return 2 * doubles;
  }
  switch (m_Parameters.kind)
  {
    case MetricKind::MeanSquares:
      return 0;
    case MetricKind::MutualInformation:
      return MutualInformationWorkspace(m_Device, m_Parameters.mutualInformation, lattice);
    case MetricKind::Lncc:
      break;
  }
  return LnccWorkspace(m_Device, m_Parameters.lncc, lattice, 1, true);
}

void
MidpointMetric::Evaluate(const MidpointImages & images, double * energies, float * workspace) const
{
  if (m_Derivative == MidpointDerivative::Itk)
  {
    this->EvaluateItk(images, energies, reinterpret_cast<double *>(workspace));
  }
  else
  {
    this->EvaluateExact(images, energies, workspace);
  }
}

void
MidpointMetric::EvaluateItk(const MidpointImages & images, double * energies, double * workspace) const
{
  const std::int64_t voxels = m_Lattice.NumberOfVoxels();
  MetricSamples      samples;
  samples.lattice = m_Lattice;
  samples.dimension = m_Dimension;
  samples.fixed = workspace;
  samples.moving = workspace + voxels;
  samples.valid = reinterpret_cast<unsigned char *>(workspace + 2 * voxels);
  samples.mask = images.valid.data;
  samples.fixedRounding = samples.movingRounding = SampleRounding::ToFloat;
  double * const rest = workspace + 2 * voxels + (voxels + 7) / 8;

  const auto image = [](const ConstField & field) {
    SampleImage<float> result;
    result.data = field.data;
    std::copy_n(field.lattice.own.size, 3, result.size);
    return result;
  };
  SampleImages(m_Device, samples, image(images.fixed), image(images.moving));
  MetricSamples swapped = samples;
  std::swap(swapped.fixed, swapped.moving);
  switch (m_Parameters.kind)
  {
    case MetricKind::Lncc:
    {
      SampledCorrelationParameters correlation;
      std::copy_n(m_Parameters.lncc.radius, 3, correlation.radius);
      SampledCorrelation(m_Device, correlation, samples, energies, m_Slopes[0], rest, m_Slopes[1]);
      break;
    }
    case MetricKind::MeanSquares:
      SampledMeanSquares(m_Device, samples, energies, m_Slopes[0]);
      SampledMeanSquares(m_Device, swapped, energies, m_Slopes[1]);
      break;
    case MetricKind::MutualInformation:
    {
      // With one mask alone ITK's second direction finds that of the first still in place.
      const ConstMask any = images.fixedMask ? images.fixedMask : images.movingMask;
      MinimumMaximum(m_Device, images.fixed, m_Ranges, images.fixedMask);
      MinimumMaximum(m_Device, images.moving, m_Ranges + 2, images.movingMask);
      MinimumMaximum(m_Device, images.moving, m_Ranges + 4, images.movingMask ? images.movingMask : any);
      MinimumMaximum(m_Device, images.fixed, m_Ranges + 6, images.fixedMask ? images.fixedMask : any);
      double ranges[8];
      m_Device.CopyToHost(ranges, m_Ranges, sizeof(ranges));
      const int bins = m_Parameters.mutualInformation.numberOfBins;
      SampledMattes(m_Device, MakeBins(bins, ranges, ranges + 2), samples, energies, m_Slopes[0], rest);
      SampledMattes(m_Device, MakeBins(bins, ranges + 4, ranges + 6), swapped, energies + 2, m_Slopes[1], rest);
      break;
    }
  }
}

void
MidpointMetric::EvaluateExact(const MidpointImages & images, double * energies, float * workspace) const
{
  const ConstField & fixed = images.fixed;
  const ConstField & moving = images.moving;
  const ConstMask &  valid = images.valid;
  switch (m_Parameters.kind)
  {
    case MetricKind::Lncc:
      Lncc(m_Device,
           m_Parameters.lncc,
           fixed,
           moving,
           valid,
           energies,
           LnccGradients(m_FloatSlopes[0], m_FloatSlopes[1]),
           workspace);
      break;
    case MetricKind::MeanSquares:
      MeanSquares(m_Device, fixed, moving, valid, energies, m_FloatSlopes[0]);
      LinearCombination(m_Device, -1.0f, m_FloatSlopes[0], 0.0f, ConstField(), m_FloatSlopes[1]);
      break;
    case MetricKind::MutualInformation:
    {
      const auto & parameters = m_Parameters.mutualInformation;
      MutualInformation(m_Device, parameters, fixed, moving, valid, energies, m_FloatSlopes[0], Field(), workspace);
      MutualInformation(m_Device, parameters, moving, fixed, valid, energies + 2, m_FloatSlopes[1], Field(), workspace);
      break;
    }
  }
}

void
MidpointMetric::Gradient(bool                               ofFixed,
                         const MidpointGradientParameters & parameters,
                         const ConstField &                 image,
                         const Field &                      gradient) const
{
  if (m_Derivative == MidpointDerivative::Itk)
  {
    MidpointGradient(m_Device, parameters, image, m_Slopes[ofFixed ? 1 : 0], gradient);
  }
  else
  {
    MidpointGradient(m_Device, parameters, image, m_FloatSlopes[ofFixed ? 1 : 0].data, gradient);
  }
}

double
MidpointMetric::ToLoss(const double (&energies)[NumberOfEnergies]) const
{
  const bool itkInformation =
    m_Derivative == MidpointDerivative::Itk && m_Parameters.kind == MetricKind::MutualInformation;
  const auto loss = [&](int i) {
    // ITK's information is a mean already
    const double pair[2] = { itkInformation ? energies[i] * energies[i + 1] : energies[i], energies[i + 1] };
    return m_Loss.ToLoss(pair);
  };
  const bool bothWays = m_Parameters.kind == MetricKind::MutualInformation;
  return bothWays ? 0.5 * (loss(0) + loss(2)) : loss(0);
}
} // namespace engine
} // namespace itk
