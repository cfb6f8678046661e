/*=========================================================================
 *
 *  Copyright NumFOCUS
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         http://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "itkGPUDiffeomorphicEngine.h"
#include "itkGPUDiffeomorphicTesting.h"

#include "itksys/SystemTools.hxx"

#include <algorithm>
#include <limits>

using namespace GPUDiffeomorphicTesting;

namespace
{
using EngineType = itk::GPUDiffeomorphicEngine;

const EngineType::SizeType   size{ { 24, 20, 16 } };
const EngineType::MatrixType identity{ { { { 1, 0, 0 } }, { { 0, 1, 0 } }, { { 0, 0, 1 } } } };
constexpr std::size_t        voxels = 24 * 20 * 16;

/** Interleaved vectors that vanish at the borders. */
std::vector<float>
MakeField(double amplitude)
{
  std::vector<float> field(3 * voxels);
  std::size_t        i = 0;
  for (int z = 0; z < size[2]; ++z)
  {
    for (int y = 0; y < size[1]; ++y)
    {
      for (int x = 0; x < size[0]; ++x)
      {
        const double fade = std::sin(3.14159265 * x / (size[0] - 1.0)) * std::sin(3.14159265 * y / (size[1] - 1.0)) *
                            std::sin(3.14159265 * z / (size[2] - 1.0));
        field[i++] = static_cast<float>(amplitude * fade * std::cos(0.3 * y));
        field[i++] = static_cast<float>(amplitude * fade * std::cos(0.2 * z + 1.0));
        field[i++] = static_cast<float>(amplitude * fade * std::cos(0.25 * x + 2.0));
      }
    }
  }
  return field;
}

std::vector<float>
MakeImage(double phase)
{
  std::vector<float> image(voxels);
  for (std::size_t i = 0; i < voxels; ++i)
  {
    const double x = static_cast<double>(i % size[0]);
    const double y = static_cast<double>(i / size[0] % size[1]);
    const double z = static_cast<double>(i / size[0] / size[1]);
    image[i] =
      static_cast<float>(200.0 + 100.0 * std::sin(0.6 * x + phase) * std::cos(0.5 * y) * std::sin(0.4 * z + 1.0));
  }
  return image;
}

double
LargestNorm(const std::vector<float> & field)
{
  double largest = 0.0;
  for (std::size_t i = 0; i < field.size(); i += 3)
  {
    largest = std::max(largest,
                       std::sqrt(double(field[i]) * field[i] + double(field[i + 1]) * field[i + 1] +
                                 double(field[i + 2]) * field[i + 2]));
  }
  return largest;
}

void
CheckDevices(Checker & checker)
{
  const auto devices = EngineType::GetDevices();
  checker.Expect(!devices.empty() && devices[0].name == "cpu" && devices[0].usable, "the CPU comes first");
  checker.Expect(devices[0].totalBytes > 0 && !devices[0].description.empty(), "the CPU is described");
  const std::string automatic = EngineType::ResolveDevice("auto");
  checker.Expect(automatic == "cpu" || automatic.compare(0, 5, "cuda:") == 0, "auto resolves to a device");
  checker.Expect(EngineType::ResolveDevice("cpu") == "cpu", "cpu is cpu");
  for (const char * name : { "tpu", "cuda:99", "cuda:x", "CUDA", "" })
  {
    checker.ExpectThrow([name]() { EngineType::ResolveDevice(name); }, name);
  }

  // what the environment says is what "auto" means, and only that
  const char * const variable = "ITK_GPU_DIFFEOMORPHIC_DEVICE";
  std::string        before;
  const bool         wasSet = itksys::SystemTools::GetEnv(variable, before);
  itksys::SystemTools::PutEnv(std::string(variable) + "=cpu");
  checker.Expect(EngineType::ResolveDevice("auto") == "cpu", "auto as the environment says");
  itksys::SystemTools::PutEnv(std::string(variable) + "=abacus");
  checker.ExpectThrow([]() { EngineType::ResolveDevice("auto"); }, "\"abacus\" (from ITK_GPU_DIFFEOMORPHIC_DEVICE)");
  checker.Expect(EngineType::ResolveDevice("cpu") == "cpu", "cpu is cpu, whatever the environment says");
  itksys::SystemTools::PutEnv(std::string(variable) + "=");
  checker.Expect(wasSet || EngineType::ResolveDevice("auto") == automatic, "an empty environment says nothing");
  itksys::SystemTools::PutEnv(std::string(variable) + "=" + before);
}

/** Invert, Compose and JacobianDeterminant agree with each other. */
void
CheckFields(Checker & checker, const std::string & device)
{
  const auto         field = MakeField(1.2);
  std::vector<float> inverse(field.size());
  std::vector<float> composed(field.size());
  const auto         residual = EngineType::InvertByNewton(device, field.data(), size, inverse.data());
  checker.ExpectBelow(residual[0], 1e-3, "mean residual of the inverse");
  EngineType::Compose(device, field.data(), inverse.data(), size, composed.data());
  checker.ExpectBelow(std::abs(LargestNorm(composed) - residual[1]), 1e-4, "residual minus composition");

  // a block of the inner field gives that block of the composition, and may be written over
  const EngineType::SizeType start{ { 5, 0, 3 } };
  const EngineType::SizeType blockSize{ { 12, 20, 7 } };
  std::vector<float>         block;
  std::vector<float>         expected;
  for (int z = 0; z < blockSize[2]; ++z)
  {
    for (int y = 0; y < blockSize[1]; ++y)
    {
      const auto offset = 3 * (start[0] + size[0] * (start[1] + y + size[1] * std::size_t(start[2] + z)));
      block.insert(block.end(), &inverse[offset], &inverse[offset] + 3 * blockSize[0]);
      expected.insert(expected.end(), &composed[offset], &composed[offset] + 3 * blockSize[0]);
    }
  }
  EngineType::Compose(device, field.data(), size, block.data(), blockSize, start, block.data());
  double difference = 0.0;
  for (std::size_t i = 0; i < block.size(); ++i)
  {
    difference = std::max(difference, std::abs(double(block[i]) - expected[i]));
  }
  checker.ExpectBelow(difference, 1e-5, "difference of a composed block");

  // no squaring multiplies; a constant velocity that clamps stays constant, one that does not leaves the grid
  std::vector<float> flow(field.size());
  EngineType::Exponential(device, field.data(), size, 0, -2.0, true, flow.data());
  checker.Expect(flow[4321] == -2.0f * field[4321], "an exponential without squarings");
  const std::vector<float> constant(field.size(), 0.5f);
  EngineType::Exponential(device, constant.data(), size, 3, 1.0, true, flow.data());
  checker.ExpectBelow(std::abs(LargestNorm(flow) - 0.5 * std::sqrt(3.0)), 1e-5, "exponential of a constant velocity");
  checker.ExpectBelow(std::abs(flow.back() - 0.5), 1e-5, "the same at the last voxel");
  EngineType::Exponential(device, constant.data(), size, 0, 2.0, false, flow.data());
  EngineType::Exponential(device, flow.data(), size, 1, 1.0, false, flow.data());
  checker.ExpectBelow(std::abs(flow.back() - 0.5), 1e-5, "a velocity that ends at the border");
  checker.ExpectThrow([&]() { EngineType::Exponential(device, field.data(), size, -1, 1.0, true, flow.data()); },
                      "squarings");

  std::vector<float> determinant(voxels);
  EngineType::JacobianDeterminant(device, field.data(), size, identity, determinant.data());
  checker.Expect(*std::min_element(determinant.begin(), determinant.end()) > 0.0f, "the field is invertible");
  checker.ExpectBelow(std::abs(determinant[0] - 1.0), 0.3, "determinant at the corner minus 1");
  std::fill(composed.begin(), composed.end(), 0.0f);
  EngineType::JacobianDeterminant(device, composed.data(), size, identity, determinant.data());
  checker.Expect(*std::min_element(determinant.begin(), determinant.end()) == 1.0f &&
                   *std::max_element(determinant.begin(), determinant.end()) == 1.0f,
                 "the determinant of the identity is 1");
}

void
CheckWarp(Checker & checker, const std::string & device)
{
  const auto         image = MakeImage(0.0);
  std::vector<float> output(voxels);
  for (const auto interpolation : { EngineType::InterpolationEnum::NearestNeighbor,
                                    EngineType::InterpolationEnum::Linear,
                                    EngineType::InterpolationEnum::CubicBSpline })
  {
    EngineType::Warp(device,
                     image.data(),
                     size,
                     EngineType::IdentityAffine(),
                     identity,
                     nullptr,
                     interpolation,
                     0.0f,
                     size,
                     output.data());
    double difference = 0.0;
    for (std::size_t i = 0; i < voxels; ++i)
    {
      difference = std::max(difference, std::abs(double(output[i]) - image[i]));
    }
    checker.ExpectBelow(difference, 1e-2, "difference after warping by the identity");
  }
  // labels: the facade's float images and its integers agree, and the weights are whole at grid points
  std::vector<std::int32_t> labels(voxels);
  std::vector<std::int32_t> warpedLabels(voxels);
  std::vector<float>        labelImage(voxels);
  std::vector<float>        weights(voxels);
  for (std::size_t i = 0; i < voxels; ++i)
  {
    labels[i] = static_cast<std::int32_t>(image[i] * 0.1f);
    labelImage[i] = static_cast<float>(labels[i]);
  }
  auto half = EngineType::IdentityAffine();
  half[1][3] = 0.3;
  for (const auto & affine : { EngineType::IdentityAffine(), half })
  {
    EngineType::WarpLabels(
      device, labels.data(), size, affine, identity, nullptr, -1, size, warpedLabels.data(), weights.data());
    EngineType::Warp(device,
                     labelImage.data(),
                     size,
                     affine,
                     identity,
                     nullptr,
                     EngineType::InterpolationEnum::Label,
                     -1.0f,
                     size,
                     output.data());
    bool same = true;
    for (std::size_t i = 0; i < voxels; ++i)
    {
      same = same && output[i] == static_cast<float>(warpedLabels[i]);
    }
    checker.Expect(same, "labels as float and as integers");
    checker.Expect(*std::min_element(weights.begin(), weights.end()) >= 0.0f &&
                     *std::max_element(weights.begin(), weights.end()) <= 1.00001f,
                   "the weights of the labels");
    if (affine == EngineType::IdentityAffine())
    {
      checker.Expect(warpedLabels == labels, "the identity keeps the labels");
    }
  }
  auto shift = EngineType::IdentityAffine();
  shift[0][3] = 1.0;
  EngineType::Warp(device,
                   image.data(),
                   size,
                   shift,
                   identity,
                   nullptr,
                   EngineType::InterpolationEnum::Linear,
                   -5.0f,
                   size,
                   output.data());
  checker.Expect(output[0] == image[1] && output[size[0] - 1] == -5.0f, "a shift by one voxel");
}

void
CheckRegistration(Checker & checker, const std::string & device)
{
  const auto          fixed = MakeImage(0.0);
  const auto          moving = MakeImage(0.5);
  EngineType::Problem problem;
  problem.fixedSize = problem.movingSize = size;
  problem.fixedImage = fixed.data();
  problem.movingImage = moving.data();
  problem.affine = EngineType::IdentityAffine();
  EngineType::GreedyParameters parameters;
  parameters.metric = EngineType::MetricEnum::MeanSquares;
  parameters.levels.resize(2);
  parameters.levels[0].shrinkFactors.fill(2);
  parameters.levels[0].iterations = 15;
  parameters.levels[1].iterations = 10;
  parameters.convergenceThreshold = -1e9;

  int        calls = 0;
  const auto count = [&calls](const EngineType::Progress &) { return ++calls > 0; };
  std::vector<float> displacement(3 * voxels);
  std::vector<float> inverse(3 * voxels);
  problem.displacement = displacement.data();
  problem.inverseDisplacement = inverse.data();
  const auto result = EngineType::RegisterGreedy(device, problem, parameters, count);
  checker.Expect(calls == 2 + 25, "a call per level and per iteration");
  checker.ExpectBelow(result.finalMetricValue, 0.5 * result.initialMetricValue, "final metric value");
  checker.Expect(LargestNorm(displacement) > 0.1 && LargestNorm(inverse) > 0.1, "both fields are there");
  checker.ExpectBelow(result.inverseMeanResidual, 0.1, "mean residual of the inverse, voxels");
  checker.Expect(result.device == EngineType::ResolveDevice(device) && !result.deviceDescription.empty(),
                 "the device is named");
  checker.Expect(result.seconds > 0.0 && result.peakDeviceBytes > 0, "time and memory are reported");

  // the same images and fields as double, vectors twice as long, and no inverse
  const std::vector<double> fixedDoubles(fixed.begin(), fixed.end());
  const std::vector<double> movingDoubles(moving.begin(), moving.end());
  std::vector<double>       doubles(3 * voxels);
  auto                      twice = identity;
  for (int d = 0; d < 3; ++d)
  {
    twice[d][d] = 2.0;
  }
  EngineType::Problem again = problem;
  again.fixedImage = fixedDoubles.data();
  again.movingImage = movingDoubles.data();
  again.displacement = EngineType::OutputVectors(doubles.data(), 3, twice);
  again.inverseDisplacement = nullptr;
  const auto withoutInverse = EngineType::RegisterGreedy(device, again, parameters);
  bool       same = true;
  for (std::size_t i = 0; i < doubles.size(); ++i)
  {
    same = same && doubles[i] == 2.0 * displacement[i];
  }
  checker.Expect(same, "two runs give the same bits");
  checker.Expect(withoutInverse.inverseMaximumResidual == 0.0, "no inverse where none is asked for");

  const auto cancelled = EngineType::RegisterGreedy(
    device, problem, parameters, [](const EngineType::Progress & p) { return p.startsLevel; });
  checker.Expect(cancelled.cancelled && cancelled.downloadSeconds == 0.0, "a callback can cancel");

  const auto expectThrow =
    [&](const EngineType::Problem & bad, const EngineType::GreedyParameters & settings, const char * text) {
      checker.ExpectThrow([&]() { EngineType::RegisterGreedy(device, bad, settings); }, text);
    };
  const std::vector<float>   flat(voxels, 1.0f);
  std::vector<float>         spoilt = fixed;
  std::vector<unsigned char> empty(voxels, 0);
  spoilt[77] = std::numeric_limits<float>::quiet_NaN();
  EngineType::Problem bad = problem;
  bad.fixedImage = nullptr;
  expectThrow(bad, parameters, "missing");
  bad = problem;
  bad.fixedImage = spoilt.data();
  expectThrow(bad, parameters, "NaN");
  bad = problem;
  bad.movingImage = flat.data();
  expectThrow(bad, parameters, "constant");
  bad = problem;
  bad.fixedMask = empty.data();
  expectThrow(bad, parameters, "mask");
  bad = problem;
  bad.affine[1][3] = 1e5;
  expectThrow(bad, parameters, "overlap");
  bad = problem;
  bad.affine[1][3] = std::numeric_limits<double>::quiet_NaN();
  expectThrow(bad, parameters, "map");

  const auto expectBadSetting = [&](const std::function<void(EngineType::GreedyParameters &)> & change,
                                    const char *                                                text) {
    EngineType::GreedyParameters settings = parameters;
    change(settings);
    expectThrow(problem, settings, text);
  };
  expectBadSetting([](auto & p) { p.levels.clear(); }, "level");
  expectBadSetting([](auto & p) { p.levels[0].shrinkFactors[1] = 0; }, "shrink");
  expectBadSetting([](auto & p) { p.levels[0].iterations = -1; }, "iterations");
  expectBadSetting([](auto & p) { p.levels[1].fixedSigmas[0] = -1.0; }, "sigma");
  expectBadSetting([](auto & p) { p.learningRate = 0.0; }, "learning rate");
  expectBadSetting([](auto & p) { p.updateFieldVariance = -1.0; }, "variance");
  expectBadSetting([](auto & p) { p.totalFieldVariance = std::numeric_limits<double>::infinity(); }, "variance");
  expectBadSetting([](auto & p) { p.beta1 = 1.0; }, "beta");
  expectBadSetting([](auto & p) { p.damping = 0.0; }, "damping");
  expectBadSetting([](auto & p) { p.diffusionWeight = -1.0; }, "diffusion weight");
  expectBadSetting([](auto & p) { p.volumeWeight = std::numeric_limits<double>::quiet_NaN(); }, "volume weight");
  expectBadSetting([](auto & p) { p.squarings = 21; }, "squarings");
  expectBadSetting([](auto & p) { p.stepReductions = -1; }, "step reductions");
  expectBadSetting(
    [](auto & p) {
      p.metric = EngineType::MetricEnum::LocalNormalizedCrossCorrelation;
      p.radius[2] = -1;
    },
    "radius");
}
} // namespace

int
itkGPUDiffeomorphicEngineTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  Checker checker;
  CheckDevices(checker);
  CheckFields(checker, device);
  CheckWarp(checker, device);
  CheckRegistration(checker, device);
  return checker.Status();
}
