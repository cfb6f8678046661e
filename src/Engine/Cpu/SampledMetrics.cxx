// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: the corners of both images in, 17 bytes out; per moment of the correlation three passes of 16 bytes.
#include "../Operators/SampledMetrics.h"

#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
/** Calls task(y, z, row) for all rows. */
template <typename TTask>
void
ForRows(const Lattice & lattice, const TTask & task)
{
  const int ny = lattice.own.size[1];
  ParallelForRows(lattice, [&](int y, int z, std::int64_t) { task(y, z, static_cast<std::int64_t>(z) * ny + y); });
}

std::int64_t
NumberOfRows(const Lattice & lattice)
{
  return static_cast<std::int64_t>(lattice.own.size[1]) * lattice.own.size[2];
}

/** Adds up pairs that rows have left. */
void
SumRows(const std::vector<double> & pairs, double * energy)
{
  energy[0] = energy[1] = 0.0;
  for (std::size_t i = 0; i < pairs.size(); i += 2)
  {
    energy[0] += pairs[i];
    energy[1] += pairs[i + 1];
  }
}

template <typename T>
void
SampleImagesOf(const MetricSamples & samples, const SampleImage<T> & fixed, const SampleImage<T> & moving)
{
  const int nx = samples.lattice.own.size[0];
  if (AreSamplesVoxels(samples, fixed, moving))
  {
    ForRows(samples.lattice, [&](int, int, std::int64_t row) {
      for (std::int64_t voxel = row * nx; voxel < (row + 1) * nx; ++voxel)
      {
        const bool valid = !samples.mask || samples.mask[voxel];
        samples.valid[voxel] = valid ? 1 : 0;
        samples.fixed[voxel] = valid ? RoundSample(fixed.data[voxel], samples.fixedRounding) : 0.0;
        samples.moving[voxel] = valid ? RoundSample(moving.data[voxel], samples.movingRounding) : 0.0;
      }
    });
    return;
  }
  ForRows(samples.lattice, [&](int y, int z, std::int64_t row) {
    for (int x = 0; x < nx; ++x)
    {
      const std::int64_t voxel = row * nx + x;
      const double       place[3] = { double(x), double(y), double(z) };
      double             f[3];
      double             m[3];
      samples.fixedMap.Apply(samples.dimension, place, voxel, f);
      samples.movingMap.Apply(samples.dimension, place, voxel, m);
      const bool valid = (!samples.mask || samples.mask[voxel]) && fixed.IsInside(f) && moving.IsInside(m) &&
                       (!samples.movingMask.data || samples.movingMask.Contains(m));
      samples.valid[voxel] = valid ? 1 : 0;
      samples.fixed[voxel] = valid ? RoundSample(fixed.Interpolate(f, 0, nullptr), samples.fixedRounding) : 0.0;
      samples.moving[voxel] = valid ? RoundSample(moving.Interpolate(m, 0, nullptr), samples.movingRounding) : 0.0;
    }
  });
}

template <typename T>
void
MetricDerivativeOf(const MetricSamples &      samples,
                   const SampleImage<T> &     moving,
                   const SampleGradientRule & rule,
                   const double *             slope,
                   double *                   local,
                   double *                   sums,
                   double *                   scratch)
{
  const int nx = samples.lattice.own.size[0];
  const int dimension = samples.dimension;
  ForRows(samples.lattice, [&](int y, int z, std::int64_t row) {
    double rowSums[12] = {};
    for (int x = 0; x < nx; ++x)
    {
      const std::int64_t voxel = row * nx + x;
      const double       place[4] = { double(x), double(y), double(z), 1.0 };
      double             g[3] = { 0.0, 0.0, 0.0 };
      if (samples.valid[voxel] && slope[voxel] != 0.0)
      {
        double p[3];
        samples.movingMap.Apply(dimension, { place[0], place[1], place[2] }, voxel, p);
        SampleMovingGradient(rule, moving, dimension, p, g);
        for (double & component : g)
        {
          component *= slope[voxel];
        }
      }
      for (int d = 0; local && d < dimension; ++d)
      {
        local[voxel * dimension + d] = g[d];
      }
      for (int i = 0; sums && i < 12; ++i)
      {
        rowSums[i] += g[i / 4] * place[i % 4];
      }
    }
    if (sums)
    {
      std::copy_n(rowSums, 12, scratch + 12 * row);
    }
  });
  if (sums)
  {
    std::fill_n(sums, 12, 0.0);
    for (std::int64_t i = 0; i < 12 * NumberOfRows(samples.lattice); ++i)
    {
      sums[i % 12] += scratch[i];
    }
  }
}

/** target = sums of source over the window along one axis, of the part of it inside the grid. */
void
SumWindow(const Lattice & lattice, int axis, int radius, const double * source, double * target)
{
  const int nx = lattice.own.size[0];
  const int n = lattice.own.size[axis];
  ForRows(lattice, [&](int y, int z, std::int64_t row) {
    double * const out = target + row * nx;
    std::fill_n(out, nx, 0.0);
    if (axis == 0)
    {
      const double * const in = source + row * nx;
      for (int x = 0; x < nx; ++x)
      {
        for (int k = std::max(0, x - radius); k <= std::min(nx - 1, x + radius); ++k)
        {
          out[x] += in[k];
        }
      }
      return;
    }
    const int          center = axis == 1 ? y : z;
    const std::int64_t stride = axis == 1 ? nx : static_cast<std::int64_t>(nx) * lattice.own.size[1];
    for (int k = std::max(0, center - radius); k <= std::min(n - 1, center + radius); ++k)
    {
      const double * const in = source + row * nx + (k - center) * stride;
      for (int x = 0; x < nx; ++x)
      {
        out[x] += in[x];
      }
    }
  });
}

/** plane = its window sums along all axes; `other` is overwritten. */
void
SumWindows(const MetricSamples & samples, const int (&radius)[3], double * plane, double * other)
{
  SumWindow(samples.lattice, 0, radius[0], plane, other);
  SumWindow(samples.lattice, 1, radius[1], other, plane);
  SumWindow(samples.lattice, 2, radius[2], plane, other);
  std::copy_n(other, samples.lattice.NumberOfVoxels(), plane);
}
} // namespace

#define ITK_ENGINE_SAMPLING(T)                                                                                     \
  void SampleImages(                                                                                               \
    const Device &, const MetricSamples & samples, const SampleImage<T> & fixed, const SampleImage<T> & moving)    \
  {                                                                                                                \
    SampleImagesOf(samples, fixed, moving);                                                                        \
  }                                                                                                                \
  void MetricDerivative(const Device &,                                                                            \
                        const MetricSamples &      samples,                                                        \
                        const SampleImage<T> &     moving,                                                         \
                        const SampleGradientRule & rule,                                                           \
                        const double *             slope,                                                          \
                        double *                   local,                                                          \
                        double *                   sums,                                                           \
                        double *                   scratch)                                                        \
  {                                                                                                                \
    MetricDerivativeOf(samples, moving, rule, slope, local, sums, scratch);                                        \
  }
ITK_ENGINE_SAMPLING(float)
ITK_ENGINE_SAMPLING(double)
#undef ITK_ENGINE_SAMPLING

void
SampledMeanSquares(const Device &, const MetricSamples & samples, double * energy, double * slope)
{
  const int           nx = samples.lattice.own.size[0];
  std::vector<double> pairs(2 * NumberOfRows(samples.lattice));
  ForRows(samples.lattice, [&](int, int, std::int64_t row) {
    double sum = 0.0;
    double count = 0.0;
    for (std::int64_t voxel = row * nx; voxel < (row + 1) * nx; ++voxel)
    {
      const double difference = samples.valid[voxel] ? samples.fixed[voxel] - samples.moving[voxel] : 0.0;
      sum += difference * difference;
      count += samples.valid[voxel];
      if (slope)
      {
        slope[voxel] = 2.0 * difference;
      }
    }
    pairs[2 * row] = sum;
    pairs[2 * row + 1] = count;
  });
  SumRows(pairs, energy);
}

void
SampledCorrelation(const Device &,
                   const SampledCorrelationParameters & parameters,
                   const MetricSamples &                samples,
                   double *                             energy,
                   double *                             slope,
                   double *                             workspace,
                   double *                             fixedSlope)
{
  const std::int64_t voxels = samples.lattice.NumberOfVoxels();
  const int          nx = samples.lattice.own.size[0];
  const auto         rounding = GetCorrelationRounding(samples);
  double *           planes[CorrelationPlanes];
  for (int i = 0; i < CorrelationPlanes; ++i)
  {
    planes[i] = workspace + i * voxels;
  }
  double * const other = workspace + CorrelationPlanes * voxels;
  ForRows(samples.lattice, [&](int, int, std::int64_t row) {
    for (std::int64_t voxel = row * nx; voxel < (row + 1) * nx; ++voxel)
    {
      const double f = samples.fixed[voxel];
      const double m = samples.moving[voxel];
      planes[0][voxel] = samples.valid[voxel];
      planes[1][voxel] = f;
      planes[2][voxel] = m;
      planes[3][voxel] = CorrelationRounding::Round(f * f, rounding.fixed);
      planes[4][voxel] = CorrelationRounding::Round(f * m, rounding.fixed && rounding.moving);
      planes[5][voxel] = CorrelationRounding::Round(m * m, rounding.moving);
    }
  });
  for (double * const plane : planes)
  {
    SumWindows(samples, parameters.radius, plane, other);
  }
  std::vector<double> pairs(2 * NumberOfRows(samples.lattice));
  ForRows(samples.lattice, [&](int, int, std::int64_t row) {
    double sum = 0.0;
    double count = 0.0;
    for (std::int64_t voxel = row * nx; voxel < (row + 1) * nx; ++voxel)
    {
      CorrelationTerms terms = { 0.0, 0.0, 0.0, 0.0, 0.0, 0.0 };
      if (samples.valid[voxel])
      {
        terms = ComputeCorrelationTerms({ planes[0][voxel],
                                          planes[1][voxel],
                                          planes[2][voxel],
                                          planes[3][voxel],
                                          planes[4][voxel],
                                          planes[5][voxel] },
                                        parameters.epsilon,
                                        rounding);
        count += 1.0;
      }
      sum += terms.cc;
      if (slope)
      {
        slope[voxel] = terms.a * samples.fixed[voxel] - terms.b * samples.moving[voxel] - terms.c;
      }
      if (fixedSlope)
      {
        fixedSlope[voxel] = terms.a * samples.moving[voxel] - terms.fixedB * samples.fixed[voxel] - terms.fixedC;
      }
      planes[0][voxel] = terms.a;
      planes[1][voxel] = terms.b;
      planes[2][voxel] = terms.c;
    }
    pairs[2 * row] = sum;
    pairs[2 * row + 1] = count;
  });
  SumRows(pairs, energy);
  if (!slope || !parameters.allWindows)
  {
    return;
  }
  for (int i = 0; i < 3; ++i)
  {
    SumWindows(samples, parameters.radius, planes[i], other);
  }
  ForRows(samples.lattice, [&](int, int, std::int64_t row) {
    for (std::int64_t voxel = row * nx; voxel < (row + 1) * nx; ++voxel)
    {
      slope[voxel] = samples.valid[voxel] ? planes[0][voxel] * samples.fixed[voxel] -
                                              planes[1][voxel] * samples.moving[voxel] - planes[2][voxel]
                                          : 0.0;
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
