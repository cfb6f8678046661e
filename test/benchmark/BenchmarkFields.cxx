// SPDX-License-Identifier: Apache-2.0
#include "Benchmark.h"

#include "../engine/ReferenceOperators.h"

#include "Operators/AdamUpdate.h"
#include "Operators/Arithmetic.h"
#include "Operators/GaussianSmooth.h"
#include "Operators/GradientDirection.h"
#include "Operators/JacobianDeterminant.h"
#include "Operators/Pyramid.h"
#include "Operators/Reductions.h"
#include "Operators/Regularization.h"

#include <algorithm>
#include <cmath>

namespace benchmark
{
namespace
{
using test::RelativeError;
using test::Vector3;

double
RelativeDifference(double actual, double expected)
{
  return std::abs(actual - expected) / (expected != 0.0 ? std::abs(expected) : 1.0);
}

Case
MakeSmooth(Problem & p, double variance, bool isVector)
{
  Case one{ isVector ? 24.0 : 8.0, isVector ? "read 12; write 12" : "read 4; write 4" };
  one.workspaceBytes = (isVector ? 12 : 4) * p.lattice.NumberOfVoxels();
  const ConstField input = isVector ? p.slope : p.moving;
  const Field      output = isVector ? p.vector[0] : p.scalar[0];
  const Field      workspace = isVector ? p.vector[1] : p.scalar[1];
  one.work = [&p, variance, input, output, workspace] {
    SymmetricKernel kernels[3];
    std::fill_n(kernels, 3, MakeGaussianKernel(variance));
    GaussianSmooth(p.device, kernels, SmoothBoundary::ZeroFlux, input, output, workspace);
  };
  one.error = [&p, variance, input, output] {
    SymmetricKernel kernels[3];
    std::fill_n(kernels, 3, MakeGaussianKernel(variance));
    return RelativeError(p.Download(output),
                         test::ConvolveInDouble(kernels, SmoothBoundary::ZeroFlux, p.Download(input)));
  };
  return one;
}

Case
MakeDeterminant(Problem & p)
{
  Case one{ 12 + 4, "read u 12; write 4" };
  one.work = [&p] { JacobianDeterminant(p.device, Matrix3(), p.displacement, p.scalar[0], p.numbers); };
  one.error = [&p] {
    return RelativeError(
      p.Download(p.scalar[0]),
      test::DeterminantInDouble(p.Download(p.displacement), test::LinearPart(test::IdentityAffine())));
  };
  return one;
}

Case
MakeRelaxFolds(Problem & p)
{
  Case one{ 12, "read u 12: no voxel folds, nothing is written" };
  p.Copy(p.small, p.vector[0]);
  const std::int64_t voxels = p.lattice.NumberOfVoxels();
  const auto         flags = std::make_shared<Buffer<unsigned char>>(p.device, voxels);
  one.workspaceBytes = voxels + 12 * voxels;
  one.work = [&p, flags] {
    RelaxFolds(p.device, FoldLimits(), p.vector[0], p.numbers, Mask(flags->Data(), p.lattice), p.vector[1]);
  };
  one.error = [&p] {
    // the count is exact and the field keeps its bits
    return p.Number() + (test::SameBits(p.Download(p.vector[0]), p.Download(p.small)) ? 0.0 : 1.0);
  };
  return one;
}

Case
MakeDownsample(Problem & p)
{
  const int           factors[3] = { 2, 2, 2 };
  const LevelGeometry level = MakeLevelGeometry(p.lattice, factors);
  const auto          output = std::make_shared<Buffer<float>>(p.device, level.lattice.NumberOfVoxels());
  const std::int64_t  floats = ResampleSeparableWorkspace(p.lattice, level.lattice);
  p.workspace.Reserve(floats);
  Case one{ 4 + 0.5, "read 4; write 4 / 8" };
  one.workspaceBytes = 4 * floats;
  one.work = [&p, level, output] {
    Downsample(p.device, level, { 1.0, 1.0, 1.0 }, p.fixed, Field(output->Data(), level.lattice), p.workspace.Data());
  };
  one.error = [&p, level, output] {
    test::ResamplingRows rows[3];
    for (int d = 0; d < 3; ++d)
    {
      rows[d] = test::ResamplingInDouble(
        p.lattice.size[d], level.lattice.size[d], level.factor[d], level.offset[d], 1.0);
    }
    return RelativeError(p.Download(ConstField(output->Data(), level.lattice)),
                         test::ApplyRowsInDouble(rows, { 1.0f, 1.0f, 1.0f }, p.Download(p.fixed)));
  };
  return one;
}

Case
MakeUpsample(Problem & p)
{
  const int           twos[3] = { 2, 2, 2 };
  const int           ones[3] = { 1, 1, 1 };
  const LevelGeometry coarse = MakeLevelGeometry(p.lattice, twos);
  const LevelGeometry fine = MakeLevelGeometry(p.lattice, ones);
  const ConstField    input(p.slope.data, coarse.lattice, 3); // the first voxels of a smooth field
  const std::int64_t  floats = ResampleSeparableWorkspace(coarse.lattice, p.lattice);
  p.workspace.Reserve(floats);
  Case one{ 12 + 1.5, "read 12 / 8; write 12" };
  one.workspaceBytes = 4 * floats;
  one.work = [&p, coarse, fine, input] {
    Upsample(p.device, coarse, fine, input, p.vector[0], p.workspace.Data());
  };
  one.error = [&p, coarse, input] {
    test::ResamplingRows rows[3];
    float                scale[3];
    for (int d = 0; d < 3; ++d)
    {
      scale[d] = static_cast<float>(coarse.factor[d]);
      rows[d] = test::ResamplingInDouble(coarse.lattice.size[d],
                                         p.lattice.size[d],
                                         1.0 / coarse.factor[d],
                                         -coarse.offset[d] / coarse.factor[d],
                                         0.0);
    }
    return RelativeError(p.Download(p.vector[0]), test::ApplyRowsInDouble(rows, scale, p.Download(input)));
  };
  return one;
}

/** With a variance, the gradient is smoothed first. */
Case
MakeAdam(Problem & p, double variance)
{
  Case one{ 2 * (12 + 12 + 4), "read g 12, first moment 12, second 4; write the same" };
  p.Copy(p.slope, p.vector[0]);
  p.Copy(p.small, p.vector[1]);
  p.Copy(p.fixed, p.scalar[0]);
  const AdamCorrections corrections;
  AdamClock             clock;
  clock.corrections = reinterpret_cast<AdamCorrections *>(p.numbers + 2);
  clock.count = 1;
  clock.steps = reinterpret_cast<int *>(p.numbers + 3);
  p.device.CopyFromHost(p.numbers + 2, &corrections, sizeof(corrections));
  p.device.SetZero(clock.steps, sizeof(int));
  SymmetricKernel kernels[3];
  std::fill_n(kernels, 3, MakeGaussianKernel(variance));
  if (variance > 0.0)
  {
    const auto memory = std::make_shared<Buffer<float>>(p.device, 3 * p.lattice.NumberOfVoxels());
    p.Copy(p.slope, Field(memory->Data(), p.lattice, 3));
    one.work = [&p, clock, kernels, memory] {
      const Field gradient(memory->Data(), p.lattice, 3);
      SmoothedAdamUpdate(
        p.device, kernels, AdamParameters(), clock, gradient, p.vector[0], p.vector[1], p.scalar[0], p.numbers);
    };
  }
  else
  {
    one.work = [&p, clock] {
      AdamUpdate(p.device, AdamParameters(), clock, p.vector[0], p.vector[1], p.scalar[0], p.numbers);
    };
  }
  one.error = [&p, kernels] {
    const AdamParameters parameters;
    const HostDoubles    g = test::ConvolveInDouble(kernels, SmoothBoundary::ZeroFlux, p.Download(p.slope));
    HostDoubles          first = test::ToDoubles(p.Download(p.small));
    HostDoubles          second = test::ToDoubles(p.Download(p.fixed));
    HostDoubles          direction(p.lattice, 3);
    test::ForEachVoxel(p.lattice, [&](int x, int y, int z) {
      const Vector3 v = test::VectorAt(g, x, y, z);
      double &      s = second(0, x, y, z);
      s = parameters.beta2 * s + (1.0 - parameters.beta2) * (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
      for (int c = 0; c < 3; ++c)
      {
        double & f = first(c, x, y, z);
        f = parameters.beta1 * f + (1.0 - parameters.beta1) * v[c];
        direction(c, x, y, z) = -f / (std::sqrt(s) + parameters.epsilon);
      }
    });
    return std::max({ RelativeError(p.Download(p.vector[0]), direction),
                      RelativeError(p.Download(p.vector[1]), first),
                      RelativeError(p.Download(p.scalar[0]), second) });
  };
  return one;
}

Case
MakeDirection(Problem & p, DirectionRule rule)
{
  Case one{ 12 + 12, "read g 12; write 12" };
  p.Copy(p.slope, p.vector[0]);
  const double damping = 0.01;
  p.device.CopyFromHost(p.numbers, &damping, sizeof(damping));
  DirectionParameters parameters;
  parameters.rule = rule;
  parameters.damping = p.numbers;
  one.work = [&p, parameters] { GradientDirection(p.device, parameters, p.vector[0]); };
  one.error = [&p, parameters, damping] {
    HostDoubles expected = test::ToDoubles(p.Download(p.slope));
    test::ForEachVoxel(p.lattice, [&](int x, int y, int z) {
      const Vector3 v = test::VectorAt(expected, x, y, z);
      const double  square = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
      const double  divisor = parameters.rule == DirectionRule::Levenberg
                                ? square + damping
                                : std::max(std::sqrt(square), static_cast<double>(parameters.floor));
      for (int c = 0; c < 3; ++c)
      {
        expected(c, x, y, z) /= -divisor;
      }
    });
    return RelativeError(p.Download(p.vector[0]), expected);
  };
  return one;
}

Case
MakeRegularization(Problem & p, const RegularizationParameters & parameters)
{
  Case one{ 12 + 12 + 12, "read u 12, g 12; write g 12" };
  p.Copy(p.slope, p.vector[0]);
  one.work = [&p, parameters] { AddRegularization(p.device, parameters, p.displacement, p.numbers, p.vector[0]); };
  one.error = [&p, parameters] {
    // the energy, and the gradient of the roughness if that is all there is
    const HostField u = p.Download(p.displacement);
    HostDoubles     gradient = test::ToDoubles(p.Download(p.slope));
    double          energy = 0.0;
    test::ForEachVoxel(p.lattice, [&](int x, int y, int z) {
      for (int k = 0; k < 6; ++k)
      {
        const int side = k % 2 == 0 ? 1 : -1;
        const int step[3] = { k / 2 == 0 ? side : 0, k / 2 == 1 ? side : 0, k / 2 == 2 ? side : 0 };
        for (int c = 0; c < 3; ++c)
        {
          const double difference = static_cast<double>(u.Clamped(c, x + step[0], y + step[1], z + step[2])) - u(c, x, y, z);
          energy += 0.25 * parameters.diffusion * difference * difference;
          gradient(c, x, y, z) -= parameters.diffusion * difference;
        }
      }
    });
    if (parameters.volume != 0.0f)
    {
      for (const double value : test::DeterminantInDouble(u, test::LinearPart(test::IdentityAffine())).values)
      {
        const double logarithm = std::log(std::max(value, 0.01));
        energy += 0.5 * parameters.volume * logarithm * logarithm;
      }
    }
    const double error = RelativeDifference(p.Number(), energy);
    return parameters.volume != 0.0f ? error : std::max(error, RelativeError(p.Download(p.vector[0]), gradient));
  };
  return one;
}

Case
MakeCombination(Problem & p)
{
  Case one{ 12 + 12 + 12, "read x 12, y 12; write 12" };
  one.work = [&p] { LinearCombination(p.device, 1.0f, p.displacement, 0.3f, p.small, p.vector[0]); };
  one.error = [&p] {
    HostDoubles     expected = test::ToDoubles(p.Download(p.displacement));
    const HostField small = p.Download(p.small);
    for (std::size_t i = 0; i < expected.values.size(); ++i)
    {
      expected.values[i] += static_cast<double>(0.3f) * small.values[i];
    }
    return RelativeError(p.Download(p.vector[0]), expected);
  };
  return one;
}

Case
MakeSum(Problem & p)
{
  Case one{ 4, "read 4" };
  one.work = [&p] { Sum(p.device, p.moving, p.numbers); };
  one.error = [&p] {
    double sum = 0.0;
    for (const float value : p.Download(p.moving).values)
    {
      sum += value;
    }
    return RelativeDifference(p.Number(), sum);
  };
  return one;
}

Case
MakeNorms(Problem & p)
{
  Case one{ 12, "read 12" };
  one.work = [&p] { Norms(p.device, p.displacement, p.numbers); };
  one.error = [&p] {
    const auto expected = test::MaximumAndMeanNorm(p.Download(p.displacement));
    return std::max(
      RelativeDifference(p.Number(0), expected[1] * static_cast<double>(p.lattice.NumberOfVoxels())),
      RelativeDifference(p.Number(1), expected[0]));
  };
  return one;
}

Case
MakeMinimumMaximum(Problem & p)
{
  Case one{ 4, "read 4" };
  one.work = [&p] { MinimumMaximum(p.device, p.slopeImage, p.numbers); };
  one.error = [&p] {
    const HostField image = p.Download(p.slopeImage);
    const auto      range = std::minmax_element(image.values.begin(), image.values.end());
    return std::max(RelativeDifference(p.Number(0), *range.first), RelativeDifference(p.Number(1), *range.second));
  };
  return one;
}
} // namespace

void
AddFieldCases(std::vector<Entry> & entries)
{
  entries.push_back({ "JacobianDeterminant", MakeDeterminant });
  entries.push_back({ "RelaxFolds/none-folds", MakeRelaxFolds });
  for (const bool isVector : { false, true })
  {
    const std::string name = std::string("GaussianSmooth/") + (isVector ? "vector" : "scalar");
    entries.push_back({ name + "/variance2", [isVector](Problem & p) { return MakeSmooth(p, 2.0, isVector); } });
    entries.push_back({ name + "/variance1", [isVector](Problem & p) { return MakeSmooth(p, 1.0, isVector); } });
    entries.push_back({ name + "/variance0.5", [isVector](Problem & p) { return MakeSmooth(p, 0.5, isVector); } });
  }
  entries.push_back({ "Downsample/2", MakeDownsample });
  entries.push_back({ "Upsample/2", MakeUpsample });
  entries.push_back({ "AdamUpdate", [](Problem & p) { return MakeAdam(p, 0.0); } });
  entries.push_back({ "SmoothedAdamUpdate/variance2", [](Problem & p) { return MakeAdam(p, 2.0); } });
  entries.push_back(
    { "GradientDirection/normalized", [](Problem & p) { return MakeDirection(p, DirectionRule::Normalized); } });
  entries.push_back(
    { "GradientDirection/levenberg", [](Problem & p) { return MakeDirection(p, DirectionRule::Levenberg); } });
  const auto addRegularization = [&](const char * name, float diffusion, float volume, bool composedStep) {
    RegularizationParameters parameters;
    parameters.diffusion = diffusion;
    parameters.volume = volume;
    parameters.composedStep = composedStep;
    entries.push_back({ std::string("AddRegularization/") + name,
                        [parameters](Problem & p) { return MakeRegularization(p, parameters); } });
  };
  addRegularization("diffusion", 0.1f, 0.0f, false);
  addRegularization("volume", 0.0f, 0.1f, false);
  addRegularization("both-composed", 0.1f, 0.1f, true);
  entries.push_back({ "LinearCombination", MakeCombination });
  entries.push_back({ "Sum", MakeSum });
  entries.push_back({ "Norms", MakeNorms });
  entries.push_back({ "MinimumMaximum", MakeMinimumMaximum });
}
} // namespace benchmark
