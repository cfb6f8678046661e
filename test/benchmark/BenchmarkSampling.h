// SPDX-License-Identifier: Apache-2.0
#ifndef BenchmarkSampling_h
#define BenchmarkSampling_h

#include "Benchmark.h"

#include "../engine/ReferenceSampling.h"

// Sampling in double: what the references of the cases that sample, and of those that compose, are made of.
namespace benchmark
{
/** The sampling of a case, on the host: `moving` through the identity and the displacement. */
inline test::SamplingCase
HostCase(const Problem & problem)
{
  test::SamplingCase host;
  host.moving = problem.Download(problem.moving);
  host.displacement = problem.Download(problem.displacement);
  return host;
}

/** The adjoint of sampling, positions clamped to the image. */
inline HostDoubles
SplatInDouble(const test::SamplingCase & host, const HostField & value)
{
  HostDoubles result(host.moving.lattice, value.components);
  test::ForEachVoxel(value.lattice, [&](int x, int y, int z) {
    test::ForEachCorner(
      result.lattice, host.Position(x, y, z), Outside::Clamp, [&](int i, int j, int k, double weight) {
        for (int c = 0; c < value.components; ++c)
        {
          result(c, i, j, k) += weight * value(c, x, y, z);
        }
      });
  });
  return result;
}

/** Gradient of sum(slope image(position)) to the positions of a case, clamped to the image, in double. */
inline HostDoubles
PositionGradientInDouble(const test::SamplingCase & host, const HostField & image, const HostField & slope)
{
  HostDoubles result(slope.lattice, 3);
  test::ForEachVoxel(slope.lattice, [&](int x, int y, int z) {
    for (int c = 0; c < image.components; ++c)
    {
      const test::Vector3 gradient = test::GradientLinear(image, c, host.Position(x, y, z));
      for (int d = 0; d < 3; ++d)
      {
        result(d, x, y, z) += gradient[d] * slope(c, x, y, z);
      }
    }
  });
  return result;
}
} // namespace benchmark

#endif
