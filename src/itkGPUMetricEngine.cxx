// SPDX-License-Identifier: Apache-2.0
#include "itkGPUMetricEngine.h"

#include "itkGPUDiffeomorphicEngineTransfer.h"

#include "Operators/SampledMetrics.h"

#include <algorithm>

namespace itk
{
using facade::Guard;

namespace
{
std::int64_t
CountVoxels(const GPUMetricEngine::SizeType & size, const char * name)
{
  for (const int n : size)
  {
    if (n < 1 || n > 32767)
    {
      engine::ThrowError(name, " has size ", size[0], 'x', size[1], 'x', size[2], ", not 1 to 32767 along each axis");
    }
  }
  return std::int64_t{ size[0] } * size[1] * size[2];
}

void
CopyMatrix(const GPUMetricEngine::MatrixType & from, double (&to)[3][3])
{
  for (int i = 0; i < 3; ++i)
  {
    std::copy_n(from[i].begin(), 3, to[i]);
  }
}
} // namespace

struct GPUMetricEngine::State
{
  engine::Device device;
  Images         images;

  engine::Buffer<float>         fixedFloats, movingFloats;
  engine::Buffer<double>        fixedDoubles, movingDoubles, movingGradient;
  engine::Buffer<double>        fixedField, movingField;
  engine::Buffer<double>        fixedSamples, movingSamples, slope, local, workspace, scalars;
  engine::Buffer<unsigned char> valid, mask, movingMask;

  /** A buffer of `count` values at least; what it held is lost if it has to grow. */
  template <typename T>
  T *
  Reserve(engine::Buffer<T> & buffer, std::int64_t count)
  {
    if (buffer.Count() < count)
    {
      buffer = engine::Buffer<T>();
      buffer = engine::Buffer<T>(device, count);
    }
    return buffer.Data();
  }

  template <typename T>
  T *
  Upload(engine::Buffer<T> & buffer, const T * values, std::int64_t count)
  {
    if (!values)
    {
      return nullptr;
    }
    T * const data = this->Reserve(buffer, count);
    device.CopyFromHost(data, values, static_cast<std::size_t>(count) * sizeof(T));
    return data;
  }

  engine::SampleMap
  MakeMap(const Map & map, engine::Buffer<double> & buffer, std::int64_t count)
  {
    engine::SampleMap result;
    for (int i = 0; i < 3; ++i)
    {
      std::copy_n(map.affine[i].begin(), 4, result.affine[i]);
    }
    CopyMatrix(map.displacementMatrix, result.field);
    result.displacement = this->Upload(buffer, map.displacement, count);
    return result;
  }

  template <typename T>
  Result
  Run(const Evaluation & evaluation, const T * fixedData, const T * movingData);
};

template <typename T>
GPUMetricEngine::Result
GPUMetricEngine::State::Run(const Evaluation & evaluation, const T * fixedData, const T * movingData)
{
  const std::int64_t    voxels = CountVoxels(evaluation.virtualSize, "the virtual domain");
  const int             dimension = evaluation.dimension;
  engine::MetricSamples samples;
  samples.lattice =
    engine::Lattice(evaluation.virtualSize[0], evaluation.virtualSize[1], evaluation.virtualSize[2]);
  samples.dimension = dimension;
  samples.fixed = this->Reserve(fixedSamples, voxels);
  samples.moving = this->Reserve(movingSamples, voxels);
  samples.valid = this->Reserve(valid, voxels);
  samples.mask = this->Upload(mask, evaluation.mask, voxels);
  if (evaluation.movingMask)
  {
    samples.movingMask.data = this->Upload(
      movingMask, evaluation.movingMask, CountVoxels(evaluation.movingMaskSize, "the mask of the moving image"));
    std::copy_n(evaluation.movingMaskSize.begin(), 3, samples.movingMask.size);
    for (int i = 0; i < 3; ++i)
    {
      std::copy_n(evaluation.movingMaskAffine[i].begin(), 4, samples.movingMask.affine[i]);
    }
  }
  samples.fixedMap = this->MakeMap(evaluation.fixedMap, fixedField, voxels * dimension);
  samples.movingMap = this->MakeMap(evaluation.movingMap, movingField, voxels * dimension);
  samples.fixedRounding = static_cast<engine::SampleRounding>(evaluation.fixedRounding);
  samples.movingRounding = static_cast<engine::SampleRounding>(evaluation.movingRounding);
  engine::SampleImage<T> fixed;
  engine::SampleImage<T> moving;
  fixed.data = fixedData;
  moving.data = movingData;
  std::copy_n(images.fixedSize.begin(), 3, fixed.size);
  std::copy_n(images.movingSize.begin(), 3, moving.size);
  engine::SampleImages(device, samples, fixed, moving);

  double * const energy = this->Reserve(scalars, 14);
  double * const slopes = evaluation.derivative ? this->Reserve(slope, voxels) : nullptr;
  switch (evaluation.metric)
  {
    case MetricEnum::LocalNormalizedCrossCorrelation:
    {
      engine::SampledCorrelationParameters parameters;
      std::copy_n(evaluation.radius.begin(), 3, parameters.radius);
      parameters.epsilon = evaluation.epsilon;
      parameters.allWindows = evaluation.allWindows;
      engine::SampledCorrelation(device,
                                 parameters,
                                 samples,
                                 energy,
                                 slopes,
                                 this->Reserve(workspace, engine::SampledCorrelationWorkspace(samples.lattice)));
      break;
    }
    case MetricEnum::MeanSquares:
      engine::SampledMeanSquares(device, samples, energy, slopes);
      break;
    case MetricEnum::MutualInformation:
    {
      engine::MattesBins bins;
      bins.numberOfBins = evaluation.numberOfBins;
      bins.fixedBinSize = evaluation.fixedBinSize;
      bins.fixedNormalizedMinimum = evaluation.fixedNormalizedMinimum;
      bins.movingBinSize = evaluation.movingBinSize;
      bins.movingNormalizedMinimum = evaluation.movingNormalizedMinimum;
      bins.movingMinimum = evaluation.movingMinimum;
      bins.movingMaximum = evaluation.movingMaximum;
      // not yet checked, and the workspace needs it
      const std::int64_t count = evaluation.numberOfBins > 0 && evaluation.numberOfBins <= 256
                                   ? engine::SampledMattesWorkspace(bins)
                                   : 1;
      engine::SampledMattes(device, bins, samples, energy, slopes, this->Reserve(workspace, count));
      break;
    }
  }
  if (evaluation.derivative)
  {
    engine::SampleGradientRule rule;
    rule.source = static_cast<engine::SampleGradient>(evaluation.gradient);
    CopyMatrix(evaluation.halfStep, rule.halfStep);
    CopyMatrix(evaluation.gradientMatrix, rule.matrix);
    std::copy_n(evaluation.spacing.begin(), 3, rule.spacing);
    std::copy_n(evaluation.lowInside.begin(), 3, rule.lowInside);
    std::copy_n(evaluation.highInside.begin(), 3, rule.highInside);
    rule.gradientImage.data = images.movingGradient ? movingGradient.Data() : nullptr;
    rule.gradientImage.components = images.dimension;
    std::copy_n(images.movingSize.begin(), 3, rule.gradientImage.size);
    double * const sums = evaluation.sums ? energy + 2 : nullptr;
    engine::MetricDerivative(device,
                             samples,
                             moving,
                             rule,
                             slopes,
                             evaluation.local ? this->Reserve(local, voxels * dimension) : nullptr,
                             sums,
                             sums ? this->Reserve(workspace, engine::DerivativeScratch(samples.lattice)) : nullptr);
  }
  double numbers[14] = {};
  device.CopyToHost(numbers, energy, sizeof(double) * (evaluation.derivative && evaluation.sums ? 14 : 2));
  Result result;
  result.sum = numbers[0];
  result.numberOfValidPoints = static_cast<std::size_t>(numbers[1]);
  for (int i = 0; i < 12; ++i)
  {
    result.sums[i / 4][i % 4] = numbers[2 + i];
  }
  if (evaluation.derivative && evaluation.local && result.numberOfValidPoints > 0)
  {
    std::vector<double> values(voxels * dimension);
    device.CopyToHost(values.data(), local.Data(), sizeof(double) * values.size());
    std::transform(values.begin(), values.end(), evaluation.local, evaluation.local, [](double a, double b) {
      return a + b;
    });
  }
  return result;
}

GPUMetricEngine::GPUMetricEngine(const std::string & device)
  : m_State(new State)
{
  Guard([&] { m_State->device = engine::Device::Open(device); });
}

GPUMetricEngine::~GPUMetricEngine() = default;

std::string
GPUMetricEngine::GetDeviceName() const
{
  return m_State->device.Name();
}

void
GPUMetricEngine::SetImages(const Images & images)
{
  Guard([&] {
    const bool floats = images.fixedFloats && images.movingFloats;
    if (!floats && !(images.fixedDoubles && images.movingDoubles))
    {
      engine::ThrowError("the fixed or the moving image is missing");
    }
    const std::int64_t fixedVoxels = CountVoxels(images.fixedSize, "the fixed image");
    const std::int64_t movingVoxels = CountVoxels(images.movingSize, "the moving image");
    State &            state = *m_State;
    state.images = images;
    state.Upload(state.fixedFloats, floats ? images.fixedFloats : nullptr, fixedVoxels);
    state.Upload(state.movingFloats, floats ? images.movingFloats : nullptr, movingVoxels);
    state.Upload(state.fixedDoubles, floats ? nullptr : images.fixedDoubles, fixedVoxels);
    state.Upload(state.movingDoubles, floats ? nullptr : images.movingDoubles, movingVoxels);
    state.Upload(state.movingGradient, images.movingGradient, movingVoxels * images.dimension);
  });
}

GPUMetricEngine::Result
GPUMetricEngine::Evaluate(const Evaluation & evaluation)
{
  return Guard([&] {
    State & state = *m_State;
    if (evaluation.dimension < 2 || evaluation.dimension > 3)
    {
      engine::ThrowError("the dimension is ", evaluation.dimension, ", not 2 or 3");
    }
    if (state.images.fixedFloats)
    {
      return state.Run(evaluation, state.fixedFloats.Data(), state.movingFloats.Data());
    }
    if (state.images.fixedDoubles)
    {
      return state.Run(evaluation, state.fixedDoubles.Data(), state.movingDoubles.Data());
    }
    engine::ThrowError("the fixed or the moving image is missing");
  });
}
} // namespace itk
