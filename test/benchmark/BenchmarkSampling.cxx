// SPDX-License-Identifier: Apache-2.0
#include "BenchmarkSampling.h"

#include "../engine/ReferenceSpline.h"

#include "Operators/ResampleGradient.h"
#include "Operators/ResampleLabels.h"
#include "Operators/Splat.h"

#include <algorithm>
#include <cmath>

namespace benchmark
{
namespace
{
using test::RelativeError;
using test::Vector3;

ResampleParameters
Clamped(Interpolation interpolation = Interpolation::Linear)
{
  ResampleParameters parameters;
  parameters.interpolation = interpolation;
  parameters.outside = Outside::Clamp;
  return parameters;
}

template <typename TFunction>
HostDoubles
SampleInDouble(const test::SamplingCase & host, int components, const TFunction & sample)
{
  HostDoubles output(host.displacement.lattice, components);
  test::ForEachVoxel(output.lattice, [&](int x, int y, int z) {
    for (int c = 0; c < components; ++c)
    {
      output(c, x, y, z) = sample(c, host.Position(x, y, z));
    }
  });
  return output;
}

Case
MakeLinear(Problem & p)
{
  Case one{ 4 + 12 + 4, "read M 4, u 12; write 4" };
  one.work = [&p] { Resample(p.device, Clamped(), p.moving, p.displacement, p.scalar[0]); };
  one.error = [&p] {
    const auto host = HostCase(p);
    return RelativeError(
      p.Download(p.scalar[0]),
      SampleInDouble(host, 1, [&](int c, const Vector3 & at) { return test::InterpolateLinear(host.moving, c, at); }));
  };
  return one;
}

Case
MakeLinearWithGradient(Problem & p)
{
  Case one{ 4 + 12 + 4 + 12, "read M 4, u 12; write value 4, gradient 12" };
  one.work = [&p] { Resample(p.device, Clamped(), p.moving, p.displacement, p.scalar[0], p.vector[0]); };
  one.error = [&p] {
    const auto host = HostCase(p);
    const auto expected =
      SampleInDouble(host, 3, [&](int c, const Vector3 & at) { return test::GradientLinear(host.moving, 0, at)[c]; });
    return RelativeError(p.Download(p.vector[0]), expected, test::AwayFromKinks(host, 2e-5));
  };
  return one;
}

Case
MakeLinearVector(Problem & p)
{
  Case one{ 12 + 12 + 12, "read 3 components 12, u 12; write 12" };
  one.work = [&p] { Resample(p.device, Clamped(), p.slope, p.displacement, p.vector[0]); };
  one.error = [&p] {
    const auto host = HostCase(p);
    const auto slope = p.Download(p.slope);
    return RelativeError(
      p.Download(p.vector[0]),
      SampleInDouble(host, 3, [&](int c, const Vector3 & at) { return test::InterpolateLinear(slope, c, at); }));
  };
  return one;
}

Case
MakeLinearAffine(Problem & p)
{
  const auto rows = test::MakeAffine(p.lattice, p.lattice, 5);
  Case       one{ 4 + 4, "read M 4; write 4" };
  one.work = [&p, rows] {
    ResampleParameters parameters = Clamped();
    parameters.affine = test::ToAffineMap(rows);
    Resample(p.device, parameters, p.moving, ConstField(), p.scalar[0]);
  };
  one.error = [&p, rows] {
    test::SamplingCase host = HostCase(p);
    host.affine = rows;
    host.displacement = HostField(p.lattice, 3);
    return RelativeError(
      p.Download(p.scalar[0]),
      SampleInDouble(host, 1, [&](int c, const Vector3 & at) { return test::InterpolateLinear(host.moving, c, at); }));
  };
  return one;
}

Case
MakeNearest(Problem & p)
{
  Case one{ 4 + 12 + 4, "read M 4, u 12; write 4" };
  one.work = [&p] {
    Resample(p.device, Clamped(Interpolation::Nearest), p.moving, p.displacement, p.scalar[0]);
  };
  one.error = [&p] {
    const auto host = HostCase(p);
    const auto expected = SampleInDouble(host, 1, [&](int, const Vector3 & at) {
      const auto round = [](double value) { return static_cast<int>(std::floor(value + 0.5)); };
      return host.moving.Clamped(0, round(at[0]), round(at[1]), round(at[2]));
    });
    return RelativeError(p.Download(p.scalar[0]), expected, test::AwayFromKinks(host, 2e-5));
  };
  return one;
}

Case
MakeCubic(Problem & p)
{
  Case one{ 4 + 12 + 4, "read coefficients 4, u 12; write 4" };
  BSplineCoefficients(p.device, p.moving, p.scalar[1]);
  one.work = [&p] {
    Resample(p.device, Clamped(Interpolation::CubicBSpline), p.scalar[1], p.displacement, p.scalar[0]);
  };
  one.error = [&p] {
    const auto        host = HostCase(p);
    const HostDoubles coefficients = test::ReferenceCoefficients(host.moving);
    return RelativeError(p.Download(p.scalar[0]), SampleInDouble(host, 1, [&](int, const Vector3 & at) {
                           return test::EvaluateSpline(coefficients, at, -1, true);
                         }));
  };
  return one;
}

Case
MakeCoefficients(Problem & p)
{
  Case one{ 4 + 4, "read the image 4; write 4" };
  one.work = [&p] { BSplineCoefficients(p.device, p.moving, p.scalar[1]); };
  one.error = [&p] {
    return RelativeError(p.Download(p.scalar[1]), test::ReferenceCoefficients(p.Download(p.moving)));
  };
  return one;
}

Case
MakeLabels(Problem & p)
{
  // labels 0 to 3 in blocks of 16 x 8 x 8 voxels
  test::HostFieldOf<std::int32_t> host(p.lattice);
  test::ForEachVoxel(p.lattice, [&](int x, int y, int z) { host(0, x, y, z) = (x / 16 + y / 8 + z / 8) % 4; });
  const auto labels = std::make_shared<test::DeviceField<std::int32_t>>(host);
  const auto output = std::make_shared<test::DeviceField<std::int32_t>>(p.lattice);
  Case       one{ 4 + 12 + 4, "read labels 4, u 12; write 4" };
  one.work = [&p, labels, output] { ResampleLabels(p.device, Clamped(), *labels, p.displacement, 0, *output); };
  one.error = [&p, host, output] {
    // the share of the voxels whose label is not the heaviest by more than rounding
    const auto sampling = HostCase(p);
    const auto actual = output->Download();
    double     wrong = 0.0;
    test::ForEachVoxel(p.lattice, [&](int x, int y, int z) {
      double weights[4] = { 0, 0, 0, 0 };
      test::ForEachCorner(p.lattice, sampling.Position(x, y, z), Outside::Clamp, [&](int i, int j, int k, double weight) {
        weights[host(0, i, j, k)] += weight;
      });
      const int label = actual(0, x, y, z);
      wrong += label < 0 || label > 3 || weights[label] < *std::max_element(weights, weights + 4) - 1e-5;
    });
    return wrong / static_cast<double>(p.lattice.NumberOfVoxels());
  };
  return one;
}

Case
MakeSplat(Problem & p, bool isVector)
{
  const double width = isVector ? 12 : 4;
  Case         one{ 2 * width + 12, isVector ? "read values 12, u 12; write 12" : "read values 4, u 12; write 4" };
  const auto   floats = SplatWorkspace(p.device, p.lattice);
  p.workspace.Reserve(floats);
  one.workspaceBytes = 4 * floats;
  const ConstField value = isVector ? p.slope : p.slopeImage;
  const Field      output = isVector ? p.vector[0] : p.scalar[0];
  one.work = [&p, value, output] { Splat(p.device, Clamped(), value, p.displacement, output, p.workspace.Data()); };
  one.error = [&p, value, output] {
    return RelativeError(p.Download(output), SplatInDouble(HostCase(p), p.Download(value)));
  };
  return one;
}

Case
MakeResampleGradient(Problem & p, bool toDisplacement, bool toMoving, bool toAffine)
{
  Case one;
  one.bytesPerVoxel = 12 + 4 + (toDisplacement || toAffine ? 4 : 0) + (toDisplacement ? 12 : 0) + (toMoving ? 4 : 0);
  one.floor = std::string("read u 12, slope 4") + (toDisplacement || toAffine ? ", M 4" : "") +
              (toDisplacement ? "; write to u 12" : "") + (toMoving ? "; write to M 4" : "") +
              (toAffine ? "; write 12 numbers" : "");
  ResampleGradients gradients;
  gradients.displacement = toDisplacement ? p.vector[0] : Field();
  gradients.moving = toMoving ? p.scalar[0] : Field();
  gradients.affine = toAffine ? p.numbers : nullptr;
  const auto floats = ResampleGradientWorkspace(p.device, p.lattice, gradients);
  p.workspace.Reserve(floats);
  one.workspaceBytes = 4 * floats;
  one.work = [&p, gradients] {
    ResampleGradient(p.device, Clamped(), p.moving, p.displacement, p.slopeImage, gradients, p.workspace.Data());
  };
  one.error = [&p, gradients] {
    const auto        host = HostCase(p);
    const HostField   slope = p.Download(p.slopeImage);
    const HostDoubles q = PositionGradientInDouble(host, host.moving, slope);
    double            error = 0.0;
    if (gradients.displacement)
    {
      error = RelativeError(p.Download(gradients.displacement), q, test::AwayFromKinks(host, 2e-5));
    }
    if (gradients.moving)
    {
      error = std::max(error, RelativeError(p.Download(gradients.moving), SplatInDouble(host, slope)));
    }
    if (gradients.affine)
    {
      HostDoubles expected(Lattice(12, 1, 1)), actual = expected;
      test::ForEachVoxel(p.lattice, [&](int x, int y, int z) {
        const double at[4] = { double(x), double(y), double(z), 1.0 };
        for (int i = 0; i < 12; ++i)
        {
          expected.values[i] += q(i / 4, x, y, z) * at[i % 4];
        }
      });
      for (int i = 0; i < 12; ++i)
      {
        actual.values[i] = p.Number(i);
      }
      error = std::max(error, RelativeError(actual, expected));
    }
    return error;
  };
  return one;
}

} // namespace

void
AddSamplingCases(std::vector<Entry> & entries)
{
  entries.push_back({ "Resample/linear/value", MakeLinear });
  entries.push_back({ "Resample/linear/value+gradient", MakeLinearWithGradient });
  entries.push_back({ "Resample/linear/vector", MakeLinearVector });
  entries.push_back({ "Resample/linear/affine-alone", MakeLinearAffine });
  entries.push_back({ "Resample/nearest/value", MakeNearest });
  entries.push_back({ "Resample/cubic/value", MakeCubic });
  entries.push_back({ "BSplineCoefficients", MakeCoefficients });
  entries.push_back({ "ResampleLabels", MakeLabels });
  entries.push_back({ "Splat/scalar", [](Problem & p) { return MakeSplat(p, false); } });
  entries.push_back({ "Splat/vector", [](Problem & p) { return MakeSplat(p, true); } });
  entries.push_back(
    { "ResampleGradient/displacement", [](Problem & p) { return MakeResampleGradient(p, true, false, false); } });
  entries.push_back(
    { "ResampleGradient/moving", [](Problem & p) { return MakeResampleGradient(p, false, true, false); } });
  entries.push_back(
    { "ResampleGradient/affine", [](Problem & p) { return MakeResampleGradient(p, false, false, true); } });
  entries.push_back(
    { "ResampleGradient/all", [](Problem & p) { return MakeResampleGradient(p, true, true, true); } });
}
} // namespace benchmark
