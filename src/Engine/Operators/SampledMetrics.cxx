// SPDX-License-Identifier: Apache-2.0
#include "SampledMetrics.h"

namespace itk
{
namespace engine
{
namespace
{
void
RequireSamples(const MetricSamples & samples)
{
  if (!samples.fixed || !samples.moving || !samples.valid)
  {
    ThrowError("the samples of the metric have no memory");
  }
  if (samples.dimension < 2 || samples.dimension > 3)
  {
    ThrowError("the samples of the metric have ", samples.dimension, " dimensions, not 2 or 3");
  }
}
} // namespace

template <typename T>
void
SampleImages(const Device &         device,
             const MetricSamples &  samples,
             const SampleImage<T> & fixed,
             const SampleImage<T> & moving)
{
  RequireSamples(samples);
  if (!fixed.data || !moving.data)
  {
    ThrowError("the ", fixed.data ? "moving" : "fixed", " image is missing");
  }
  ITK_ENGINE_DISPATCH(device, SampleImages(device, samples, fixed, moving));
}
template void
SampleImages(const Device &, const MetricSamples &, const SampleImage<float> &, const SampleImage<float> &);
template void
SampleImages(const Device &, const MetricSamples &, const SampleImage<double> &, const SampleImage<double> &);

template <typename T>
void
MetricDerivative(const Device &             device,
                 const MetricSamples &      samples,
                 const SampleImage<T> &     moving,
                 const SampleGradientRule & rule,
                 const double *             slope,
                 double *                   local,
                 double *                   sums,
                 double *                   scratch)
{
  RequireSamples(samples);
  if (!slope || (sums && !scratch))
  {
    ThrowError("the ", slope ? "scratch memory" : "slope", " of the metric's derivative is missing");
  }
  if (rule.source == SampleGradient::GradientImage &&
      (!rule.gradientImage.data || rule.gradientImage.components != samples.dimension))
  {
    ThrowError("the gradient image has ", rule.gradientImage.components, " components, not ", samples.dimension);
  }
  ITK_ENGINE_DISPATCH(device, MetricDerivative(device, samples, moving, rule, slope, local, sums, scratch));
}
template void
MetricDerivative(const Device &,
                 const MetricSamples &,
                 const SampleImage<float> &,
                 const SampleGradientRule &,
                 const double *,
                 double *,
                 double *,
                 double *);
template void
MetricDerivative(const Device &,
                 const MetricSamples &,
                 const SampleImage<double> &,
                 const SampleGradientRule &,
                 const double *,
                 double *,
                 double *,
                 double *);

std::int64_t
DerivativeScratch(const Lattice & lattice)
{
  return 12 * (static_cast<std::int64_t>(lattice.own.size[1]) * lattice.own.size[2] + 4096);
}

void
SampledMeanSquares(const Device & device, const MetricSamples & samples, double * energy, double * slope)
{
  RequireSamples(samples);
  ITK_ENGINE_DISPATCH(device, SampledMeanSquares(device, samples, energy, slope));
}

void
SampledCorrelation(const Device &                       device,
                   const SampledCorrelationParameters & parameters,
                   const MetricSamples &                samples,
                   double *                             energy,
                   double *                             slope,
                   double *                             workspace,
                   double *                             fixedSlope)
{
  RequireSamples(samples);
  if (fixedSlope && (!slope || parameters.allWindows))
  {
    ThrowError("the slope of the fixed image is wanted ", slope ? "of all windows" : "alone");
  }
  for (const int radius : parameters.radius)
  {
    if (radius < 0)
    {
      ThrowError("the radius of the correlation's window is ", radius, ", below 0");
    }
  }
  ITK_ENGINE_DISPATCH(device, SampledCorrelation(device, parameters, samples, energy, slope, workspace, fixedSlope));
}

void
SampledMattes(const Device &        device,
              const MattesBins &    bins,
              const MetricSamples & samples,
              double *              energy,
              double *              slope,
              double *              workspace)
{
  RequireSamples(samples);
  if (bins.numberOfBins < 5 || bins.numberOfBins > 256)
  {
    ThrowError("the number of bins is ", bins.numberOfBins, ", not 5 to 256");
  }
  ITK_ENGINE_DISPATCH(device, SampledMattes(device, bins, samples, energy, slope, workspace));
}
} // namespace engine
} // namespace itk
