// SPDX-License-Identifier: Apache-2.0
// Floor: 28 bytes in, 28 out per voxel.
#include "../Operators/AdamUpdate.h"

#include "Parallel.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
struct Planes
{
  float * gradient[3];
  float * first[3];
  float * second;
};

ITK_ENGINE_ROW void
AdamRow(const AdamParameters &  parameters,
        const AdamCorrections & corrections,
        const Planes &          planes,
        float *                 squares,
        std::int64_t            count)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    float g[3] = { planes.gradient[0][i], planes.gradient[1][i], planes.gradient[2][i] };
    float m[3] = { planes.first[0][i], planes.first[1][i], planes.first[2][i] };
    float v = planes.second[i];
    AdamDirection(parameters, corrections, g, m, v);
    planes.second[i] = v;
    for (int c = 0; c < 3; ++c)
    {
      planes.gradient[c][i] = g[c];
      planes.first[c][i] = m[c];
    }
    squares[i] = g[0] * g[0] + g[1] * g[1] + g[2] * g[2];
  }
}
} // namespace

void
AdamUpdate(const Device &,
           const AdamParameters & parameters,
           const AdamClock &      clock,
           const Field &          gradient,
           const Field &          first,
           const Field &          second,
           double *               norms)
{
  constexpr std::int64_t strip = 1024;
  const AdamCorrections  corrections = clock.corrections[std::min(*clock.steps, clock.count - 1)];
  const std::int64_t     count = gradient.lattice.NumberOfVoxels();
  std::vector<double>    sums(NumberOfPieces(count));
  std::vector<double>    maxima(NumberOfPieces(count));
  ParallelForPieces(count, [&](std::int64_t begin, std::int64_t end, std::int64_t piece) {
    float  squares[strip];
    double sum = 0.0;
    float  largest = 0.0f;
    for (std::int64_t start = begin; start < end; start += strip)
    {
      const std::int64_t length = std::min(strip, end - start);
      Planes             planes;
      for (int c = 0; c < 3; ++c)
      {
        planes.gradient[c] = gradient.Component(c) + start;
        planes.first[c] = first.Component(c) + start;
      }
      planes.second = second.data + start;
      AdamRow(parameters, corrections, planes, squares, length);
      for (std::int64_t i = 0; i < length; ++i)
      {
        sum += std::sqrt(squares[i]);
        largest = squares[i] <= largest ? largest : squares[i]; // NaN shows in the sum
      }
    }
    sums[piece] = sum;
    maxima[piece] = std::sqrt(static_cast<double>(largest));
  });
  ++*clock.steps;
  norms[0] = norms[1] = 0.0;
  for (std::size_t piece = 0; piece < sums.size(); ++piece)
  {
    norms[0] += sums[piece];
    norms[1] = maxima[piece] <= norms[1] ? norms[1] : maxima[piece];
  }
}

void
SmoothedAdamUpdate(const Device &          device,
                   const SymmetricKernel (&kernels)[3],
                   const AdamParameters & parameters,
                   const AdamClock &      clock,
                   const Field &          gradient,
                   const Field &          direction,
                   const Field &          first,
                   const Field &          second,
                   double *               norms)
{
  cpu::GaussianSmooth(device, kernels, SmoothBoundary::ZeroFlux, gradient, direction, gradient);
  cpu::AdamUpdate(device, parameters, clock, direction, first, second, norms);
}
} // namespace cpu
} // namespace engine
} // namespace itk
