// SPDX-License-Identifier: Apache-2.0
#include "Pyramid.h"

#include "GaussianSmooth.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
LevelGeometry
MakeLevelGeometry(const Lattice & full, const int (&shrinkFactors)[3])
{
  LevelGeometry level;
  int           size[3];
  for (int d = 0; d < 3; ++d)
  {
    if (shrinkFactors[d] < 1)
    {
      ThrowError("shrink factor ", shrinkFactors[d], " is less than 1");
    }
    size[d] = std::max(1, full.size[d] / shrinkFactors[d]);
    level.factor[d] = shrinkFactors[d];
    level.offset[d] = 0.5 * (full.size[d] - 1) - 0.5 * level.factor[d] * (size[d] - 1);
  }
  level.lattice = Lattice(size[0], size[1], size[2]);
  return level;
}

AxisResampling
MakeAxisResampling(int inputSize, int outputSize, double factor, double offset, double variance)
{
  const SymmetricKernel kernel = inputSize > 1 ? MakeGaussianKernel(variance) : SymmetricKernel();
  AxisResampling        axis;
  axis.inputSize = inputSize;
  axis.outputSize = outputSize;
  // the kernel around each of the two samples that linear interpolation mixes
  axis.taps = std::min(inputSize, 2 * kernel.radius + 2);
  axis.first.resize(outputSize);
  axis.weight.assign(static_cast<std::size_t>(outputSize) * axis.taps, 0.0f);
  std::vector<double> weights(axis.taps);
  for (int o = 0; o < outputSize; ++o)
  {
    const double position = std::min(std::max(factor * o + offset, 0.0), inputSize - 1.0);
    const int    cell = std::min(static_cast<int>(std::floor(position)), std::max(0, inputSize - 2));
    const double fraction = position - cell;
    const int    first = std::max(0, std::min(cell - kernel.radius, inputSize - axis.taps));
    std::fill(weights.begin(), weights.end(), 0.0);
    for (int neighbour = 0; neighbour < std::min(2, inputSize); ++neighbour)
    {
      const double share = neighbour == 0 ? 1.0 - fraction : fraction;
      for (int k = -kernel.radius; k <= kernel.radius; ++k)
      {
        const int index = std::min(std::max(cell + neighbour + k, 0), inputSize - 1);
        weights[index - first] += share * kernel.weight[std::abs(k)];
      }
    }
    axis.first[o] = first;
    std::transform(weights.begin(), weights.end(), axis.weight.begin() + static_cast<std::ptrdiff_t>(o) * axis.taps,
                   [](double w) { return static_cast<float>(w); });
  }
  return axis;
}

std::int64_t
ResampleSeparableWorkspace(const Lattice & input, const Lattice & output)
{
  const std::int64_t afterX = static_cast<std::int64_t>(output.size[0]) * input.size[1] * input.size[2];
  const std::int64_t afterY = static_cast<std::int64_t>(output.size[0]) * output.size[1] * input.size[2];
  return afterX + afterY;
}

void
Downsample(const Device &        device,
           const LevelGeometry & level,
           const double (&variance)[3],
           const ConstField & image,
           const Field &      output,
           float *            workspace)
{
  AxisResampling axes[3];
  for (int d = 0; d < 3; ++d)
  {
    axes[d] = MakeAxisResampling(
      image.lattice.size[d], level.lattice.size[d], level.factor[d], level.offset[d], variance[d]);
  }
  ResampleSeparable(device, axes, { 1.0f, 1.0f, 1.0f }, image, output, workspace);
}

void
Upsample(const Device &        device,
         const LevelGeometry & from,
         const LevelGeometry & to,
         const ConstField &    displacement,
         const Field &         output,
         float *               workspace)
{
  AxisResampling axes[3];
  float          scale[3];
  for (int d = 0; d < 3; ++d)
  {
    const double factor = to.factor[d] / from.factor[d];
    const double offset = (to.offset[d] - from.offset[d]) / from.factor[d];
    axes[d] = MakeAxisResampling(from.lattice.size[d], to.lattice.size[d], factor, offset, 0.0);
    scale[d] = static_cast<float>(from.factor[d] / to.factor[d]);
  }
  ResampleSeparable(device, axes, scale, displacement, output, workspace);
}
} // namespace engine
} // namespace itk
