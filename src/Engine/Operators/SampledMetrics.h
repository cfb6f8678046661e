// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSampledMetrics_h
#define itkEngineSampledMetrics_h

#include "../Core/Dispatch.h"
#include "../Math/MetricSamples.h"

#include <algorithm>

namespace itk
{
namespace engine
{
// ITK's v4 metrics as ITK defines them, in float64 throughout: windows of little variance multiply the rounding of
// float32 beyond what may differ from ITK. Three steps: sample both images on the virtual grid; evaluate a metric, which
// gives each voxel its slope, minus the derivative to the moving intensity there; and take the slopes to a displacement
// or to an affine map through the gradient of the moving image. All are deterministic.

/** Both images on the virtual grid. */
struct MetricSamples
{
  Lattice               lattice;
  int                   dimension = 3; ///< 2 or 3: components of displacements and gradients
  double *              fixed = nullptr;
  double *              moving = nullptr;
  unsigned char *       valid = nullptr; ///< 1 where both points are inside, and no mask is 0
  const unsigned char * mask = nullptr;  ///< optional, on the virtual grid
  SampleMask            movingMask;      ///< optional, at the mapped points
  SampleMap             fixedMap;
  SampleMap             movingMap;
  SampleRounding        fixedRounding = SampleRounding::None;
  SampleRounding        movingRounding = SampleRounding::None;
};

/** Whether the voxels of the virtual grid are those of both images: then their values are taken as they are. */
template <typename T>
bool
AreSamplesVoxels(const MetricSamples & samples, const SampleImage<T> & fixed, const SampleImage<T> & moving)
{
  const int * const size = samples.lattice.own.size;
  return samples.fixedMap.IsIdentity() && samples.movingMap.IsIdentity() && !samples.movingMask.data &&
         fixed.components == 1 && moving.components == 1 && std::equal(size, size + 3, fixed.size) &&
         std::equal(size, size + 3, moving.size);
}

/** Linear interpolation of both images at the mapped places. Voxels that are not valid hold 0. T: float or double. */
template <typename T>
void
SampleImages(const Device &         device,
             const MetricSamples &  samples,
             const SampleImage<T> & fixed,
             const SampleImage<T> & moving);

/** g(x) = slope(x) rule(grad M)(p(x)) for valid x, 0 elsewhere.
 * \param local  optional: g, `dimension` components interleaved.
 * \param sums   optional, 12: row i: sum of g_i(x) (x, y, z, 1), x in voxels of the virtual grid.
 * \param scratch DerivativeScratch(lattice) doubles if `sums` is given. */
template <typename T>
void
MetricDerivative(const Device &             device,
                 const MetricSamples &      samples,
                 const SampleImage<T> &     moving,
                 const SampleGradientRule & rule,
                 const double *             slope,
                 double *                   local,
                 double *                   sums,
                 double *                   scratch);
std::int64_t
DerivativeScratch(const Lattice & lattice);

/** Sum of (F - M)^2 over the valid voxels and their number N in energy[0 .. 1]; slope = 2 (F - M). `slope` is optional
 * in all metrics. */
ITK_ENGINE_DECLARE(void SampledMeanSquares(const Device &        device,
                                           const MetricSamples & samples,
                                           double *              energy,
                                           double *              slope))
void
SampledMeanSquares(const Device & device, const MetricSamples & samples, double * energy, double * slope);

struct SampledCorrelationParameters
{
  int    radius[3] = { 2, 2, 2 };
  double epsilon = 2.220446049250313e-16; ///< products of variances up to this count as correlation 1
  bool   allWindows = false;              ///< the slope of all windows that hold a voxel, or of its own alone
};

/** Sum of cc(x) = sFM^2 / (sFF sMM) over the valid x and their number; sums of products of deviations from the means over
 * the valid voxels of the window inside the grid. cc = 1 where |sFF sMM| <= epsilon; a variance below 1e-13 of the sum of
 * squares is what rounding leaves of none, and counts as 0. But where samples are rounded to float their products are too,
 * and what that leaves of the variance is kept, as in ITK, whose windows of no variance are not always of cc 1. Slope: 2 sFM / (sFF sMM) (F - mean F - sFM / sMM (M - mean M)),
 * summed over the windows that hold x if `allWindows`, which makes it the derivative of the sum of cc; ITK has that of the
 * window around x alone. 0 for windows with sFF or sMM <= epsilon. Workspace: SampledCorrelationWorkspace doubles.
 * `fixedSlope`, optional beside the slope and not with allWindows: the slope with the images' roles exchanged.
 * Source: Avants, Epstein, Grossman, Gee: Symmetric diffeomorphic image registration with cross-correlation, Medical Image
 * Analysis 12 (2008), as in itk::ANTSNeighborhoodCorrelationImageToImageMetricv4. */
ITK_ENGINE_DECLARE(void SampledCorrelation(const Device &                       device,
                                           const SampledCorrelationParameters & parameters,
                                           const MetricSamples &                samples,
                                           double *                             energy,
                                           double *                             slope,
                                           double *                             workspace,
                                           double *                             fixedSlope))
void
SampledCorrelation(const Device &                       device,
                   const SampledCorrelationParameters & parameters,
                   const MetricSamples &                samples,
                   double *                             energy,
                   double *                             slope,
                   double *                             workspace,
                   double *                             fixedSlope = nullptr);
inline CorrelationRounding
GetCorrelationRounding(const MetricSamples & samples)
{
  CorrelationRounding rounding;
  rounding.fixed = samples.fixedRounding == SampleRounding::ToFloat;
  rounding.moving = samples.movingRounding == SampleRounding::ToFloat;
  return rounding;
}
inline std::int64_t
SampledCorrelationWorkspace(const Lattice & lattice)
{
  return (CorrelationPlanes + 1) * lattice.NumberOfVoxels();
}

/** Mattes' mutual information in energy[0] and the number of voxels that count in energy[1]. A voxel is in one bin of the
 * fixed image and in four of the moving image by a cubic B-spline. Slope: minus the derivative of the loss -I, 1 / N
 * included. Workspace: SampledMattesWorkspace doubles.
 * Source: Mattes, Haynor, Vesselle, Lewellen, Eubank: PET-CT image registration in the chest using free-form deformations,
 * IEEE Transactions on Medical Imaging 22 (2003), as in itk::MattesMutualInformationImageToImageMetricv4. */
ITK_ENGINE_DECLARE(void SampledMattes(const Device &        device,
                                      const MattesBins &    bins,
                                      const MetricSamples & samples,
                                      double *              energy,
                                      double *              slope,
                                      double *              workspace))
void
SampledMattes(const Device &        device,
              const MattesBins &    bins,
              const MetricSamples & samples,
              double *              energy,
              double *              slope,
              double *              workspace);

/** Copies of the histogram that are filled side by side. */
constexpr int MattesReplicas = 32;
inline std::int64_t
SampledMattesWorkspace(const MattesBins & bins)
{
  return (MattesReplicas + 1) * static_cast<std::int64_t>(bins.numberOfBins) * bins.numberOfBins +
         2 * bins.numberOfBins + MattesReplicas;
}

// The backends of the templates above.
#define ITK_ENGINE_DECLARE_SAMPLING(T)                                                                        \
  ITK_ENGINE_DECLARE(                                                                                         \
    void SampleImages(const Device &, const MetricSamples &, const SampleImage<T> &, const SampleImage<T> &)) \
  ITK_ENGINE_DECLARE(void MetricDerivative(const Device &,                                                    \
                                           const MetricSamples &,                                             \
                                           const SampleImage<T> &,                                            \
                                           const SampleGradientRule &,                                        \
                                           const double *,                                                    \
                                           double *,                                                          \
                                           double *,                                                          \
                                           double *))
ITK_ENGINE_DECLARE_SAMPLING(float)
ITK_ENGINE_DECLARE_SAMPLING(double)
#undef ITK_ENGINE_DECLARE_SAMPLING
} // namespace engine
} // namespace itk

#endif
