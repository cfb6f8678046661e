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
#include "itkGPUMetricTesting.h"

#include "itkCompositeTransform.h"
#include "itkEllipseSpatialObject.h"
#include "itkEuler2DTransform.h"
#include "itkEuler3DTransform.h"
#include "itkImageMaskSpatialObject.h"
#include "itkNearestNeighborInterpolateImageFunction.h"
#include "itkObjectToObjectMultiMetricv4.h"
#include "itkTestingMacros.h"
#include "itkTranslationTransform.h"

#include <limits>

namespace
{
using namespace GPUMetricTesting;

template <typename TImage>
using Correlation = itk::GPULocalNormalizedCrossCorrelationImageToImageMetricv4<TImage, TImage>;
template <typename TImage>
using ItkCorrelation = itk::ANTSNeighborhoodCorrelationImageToImageMetricv4<TImage, TImage>;
template <typename TImage>
using Mattes = itk::GPUMattesMutualInformationImageToImageMetricv4<TImage, TImage>;
template <typename TImage>
using ItkMattes = itk::MattesMutualInformationImageToImageMetricv4<TImage, TImage>;
template <typename TImage>
using MeanSquares = itk::GPUMeanSquaresImageToImageMetricv4<TImage, TImage>;
template <typename TImage>
using ItkMeanSquares = itk::MeanSquaresImageToImageMetricv4<TImage, TImage>;

template <typename TImage>
using BaseMetric = itk::ImageToImageMetricv4<TImage, TImage>;

template <typename TMetric, typename TImage>
typename TMetric::Pointer
MakeMetric(const Pair<TImage> & pair)
{
  auto metric = TMetric::New();
  metric->SetFixedImage(pair.fixed);
  metric->SetMovingImage(pair.moving);
  metric->SetUseFixedImageGradientFilter(false);
  metric->SetUseMovingImageGradientFilter(false);
  return metric;
}

/** The same done to both metrics, and compared. */
template <typename TMetric, typename TItkMetric, typename TImage>
void
CompareAfter(Checker &                                          check,
             const std::string &                                device,
             const Pair<TImage> &                               pair,
             const std::function<void(BaseMetric<TImage> &)> & prepare,
             const std::string &                                name)
{
  auto metric = MakeMetric<TMetric>(pair);
  auto itkMetric = MakeMetric<TItkMetric>(pair);
  metric->SetDevice(device);
  prepare(*metric);
  prepare(*itkMetric);
  Compare(check,
          metric.GetPointer(),
          itkMetric.GetPointer(),
          std::string(metric->GetNameOfClass()) + ", " + std::to_string(TImage::ImageDimension) + "D, " + name);
}

template <typename TMetric, typename TItkMetric, typename TImage>
void
CompareCases(Checker & check, const std::string & device)
{
  constexpr unsigned int dimension = TImage::ImageDimension;
  using MetricType = BaseMetric<TImage>;
  const auto run = [&](const Pair<TImage> & pair, const std::function<void(MetricType &)> & prepare, const char * name) {
    CompareAfter<TMetric, TItkMetric, TImage>(check, device, pair, prepare, name);
  };
  const Pair<TImage> oblique(true);

  // aligned grids, where central differences at the border end on the rim, to which rounding decides in ITK
  for (const double spacing : { 1.0, 0.7, 1.1, 1.3, 0.3 })
  {
    const Pair<TImage> aligned(false);
    for (TImage * const image : { aligned.fixed.GetPointer(), aligned.moving.GetPointer() })
    {
      auto spacings = image->GetSpacing();
      auto origin = image->GetOrigin();
      for (unsigned int d = 0; d < dimension; ++d)
      {
        spacings[d] = spacing * (1.0 + 0.2 * d);
        origin[d] = spacing == 1.0 ? 5.0 : 7.3 * spacing - 3.1 * d;
      }
      image->SetSpacing(spacings);
      image->SetOrigin(origin);
    }
    run(aligned, [&](MetricType & m) { m.SetMovingTransform(aligned.MakeField(aligned.fixed, 0.0)); }, "aligned grids");
  }
  run(oblique, [&](MetricType & m) { m.SetMovingTransform(oblique.MakeField(oblique.fixed, 2.0)); }, "field");
  run(oblique, [&](MetricType & m) { m.SetMovingTransform(oblique.MakeAffine()); }, "affine");
  run(
    oblique,
    [&](MetricType & m) {
      m.SetUseMovingImageGradientFilter(true);
      m.SetMovingTransform(oblique.MakeField(oblique.fixed, 2.0));
    },
    "gradient filter");

  using EulerType =
    std::conditional_t<dimension == 2, itk::Euler2DTransform<double>, itk::Euler3DTransform<double>>;
  auto euler = EulerType::New();
  euler->SetCenter(oblique.centre);
  auto angles = euler->GetParameters();
  for (unsigned int i = 0; i < angles.Size(); ++i)
  {
    angles[i] = 0.05 + 0.03 * i;
  }
  euler->SetParameters(angles);
  run(
    oblique,
    [&](MetricType & m) {
      m.SetUseMovingImageGradientFilter(true);
      m.SetMovingTransform(euler);
    },
    "Euler, gradient filter");

  // a virtual grid of its own, a fixed transform, and composites on either side
  auto       grid = MakeGrid<TImage>({ 19, 17, 11 }, { 1.6, 1.4, 1.9 }, 0.0, -0.2);
  const auto shift = oblique.centre - Centre(grid.GetPointer());
  grid->SetOrigin(grid->GetOrigin() + shift);
  using CompositeType = itk::CompositeTransform<double, dimension>;
  auto movingComposite = CompositeType::New();
  movingComposite->AddTransform(oblique.MakeAffine());
  movingComposite->AddTransform(oblique.MakeField(grid, 2.0));
  movingComposite->SetOnlyMostRecentTransformToOptimizeOn();
  auto fixedComposite = CompositeType::New();
  fixedComposite->AddTransform(oblique.MakeAffine(-0.4));
  fixedComposite->AddTransform(oblique.MakeField(grid, -0.7));
  run(
    oblique,
    [&](MetricType & m) {
      m.SetVirtualDomainFromImage(grid);
      m.SetFixedTransform(fixedComposite);
      m.SetMovingTransform(movingComposite);
    },
    "composites on a virtual grid");
  auto linearComposite = CompositeType::New();
  linearComposite->AddTransform(oblique.MakeAffine(0.7));
  linearComposite->AddTransform(euler);
  run(
    oblique,
    [&](MetricType & m) {
      m.SetVirtualDomainFromImage(grid);
      m.SetFixedTransform(oblique.MakeAffine(0.5));
      m.SetMovingTransform(linearComposite);
    },
    "linear composite");

  // masks: one of voxels, one of a shape, both with voxels of windows on either side
  using MaskType = itk::Image<unsigned char, dimension>;
  auto mask = MaskType::New();
  mask->CopyInformation(oblique.fixed);
  mask->SetRegions(oblique.fixed->GetBufferedRegion());
  mask->Allocate();
  const Phantom<dimension> blobs(oblique.centre, oblique.extent, 8);
  Fill<MaskType>(mask, [&](const typename MaskType::PointType & p) {
    return static_cast<unsigned char>(blobs(p) > 44.0 ? 1 : 0);
  });
  auto fixedMask = itk::ImageMaskSpatialObject<dimension>::New();
  fixedMask->SetImage(mask);
  fixedMask->Update();
  auto movingMask = itk::EllipseSpatialObject<dimension>::New();
  movingMask->SetRadiusInObjectSpace(0.3 * oblique.extent);
  movingMask->SetCenterInObjectSpace(oblique.centre);
  movingMask->Update();
  // the same voxels as a mask of the moving image: on a grid of its own, and moved
  auto movedMask = itk::ImageMaskSpatialObject<dimension>::New();
  movedMask->SetImage(mask);
  auto move = itk::AffineTransform<double, dimension>::New();
  auto offset = move->GetOffset();
  offset.Fill(1.7);
  move->SetOffset(offset);
  movedMask->SetObjectToParentTransform(move);
  movedMask->Update();
  run(
    oblique,
    [&](MetricType & m) {
      m.SetMovingImageMask(movedMask);
      m.SetMovingTransform(oblique.MakeField(oblique.fixed, 2.0));
    },
    "mask of the moving image");
  run(
    oblique,
    [&](MetricType & m) {
      m.SetFixedImageMask(fixedMask);
      m.SetMovingImageMask(movingMask);
      m.SetMovingTransform(oblique.MakeField(oblique.fixed, 2.0));
    },
    "masks");
}

/** The exact derivative is that of the value, by central differences. */
template <typename TMetric, typename TImage>
void
CheckExactGradient(Checker & check, const std::string & device, bool dividedByN)
{
  const Pair<TImage> pair(true);
  for (const bool local : { true, false })
  {
    auto metric = MakeMetric<TMetric>(pair);
    metric->SetDevice(device);
    metric->SetGradientMode(itk::GPUMetricEnums::GradientMode::Exact);
    if (local)
    {
      metric->SetMovingTransform(pair.MakeField(pair.fixed, 2.0));
    }
    else
    {
      metric->SetMovingTransform(pair.MakeAffine());
    }
    metric->Initialize();
    typename TMetric::DerivativeType derivative;
    typename TMetric::MeasureType    value;
    metric->GetValueAndDerivative(value, derivative);
    const double scale = local && !dividedByN ? 1.0 / static_cast<double>(metric->GetNumberOfValidPoints()) : 1.0;
    double       largest = 0.0;
    double       worst = 0.0;
    for (unsigned int i = 0; i < derivative.Size(); ++i)
    {
      largest = std::max(largest, std::abs(scale * derivative[i]));
    }
    const unsigned int stride = local ? derivative.Size() / 23 : 1;
    // only voxels of sensible slope, inside
    for (unsigned int i = local ? derivative.Size() / 4 : 0; i < (local ? 3 * derivative.Size() / 4 : derivative.Size());
         i += stride)
    {
      const double                     step = local ? 1e-5 : 1e-7;
      typename TMetric::ParametersType parameters = metric->GetParameters();
      const double                     center = parameters[i];
      parameters[i] = center + step;
      metric->SetParameters(parameters);
      const double above = metric->GetValue();
      parameters[i] = center - step;
      metric->SetParameters(parameters);
      const double below = metric->GetValue();
      parameters[i] = center;
      metric->SetParameters(parameters);
      worst = std::max(worst, std::abs((below - above) / (2.0 * step) - scale * derivative[i]));
    }
    check.ExpectBelow(
      worst / largest, 1e-3, std::string(metric->GetNameOfClass()) + (local ? ", field" : ", affine") + ", exact gradient");
  }
}

template <typename TMetric, typename TItkMetric, typename TImage>
void
CheckUncovered(Checker & check, const std::string & device)
{
  const Pair<TImage> pair(true);
  const auto         compare = [&](const std::function<void(BaseMetric<TImage> &)> & prepare, const std::string & name) {
    auto metric = MakeMetric<TMetric>(pair);
    auto itkMetric = MakeMetric<TItkMetric>(pair);
    metric->SetDevice(device);
    metric->SetMovingTransform(pair.MakeAffine());
    itkMetric->SetMovingTransform(pair.MakeAffine());
    prepare(*metric);
    prepare(*itkMetric);
    metric->Initialize();
    itkMetric->Initialize();
    const double value = metric->GetValue();
    check.Expect(metric->GetDeviceName().empty(), name + " is not covered, but ran on the device");
    // ITK's value depends on how its threads take turns
    check.ExpectBelow(std::abs(value - itkMetric->GetValue()), 1e-9, name);
  };
  compare(
    [](BaseMetric<TImage> & metric) {
      metric.SetMovingInterpolator(itk::NearestNeighborInterpolateImageFunction<TImage, double>::New());
    },
    "nearest neighbours");
  compare(
    [&](BaseMetric<TImage> & metric) {
      auto composite = itk::CompositeTransform<double, TImage::ImageDimension>::New();
      composite->AddTransform(pair.MakeField(pair.fixed, 1.0));
      composite->AddTransform(pair.MakeAffine());
      metric.SetMovingTransform(composite);
    },
    "a field after a linear transform");
  compare([](BaseMetric<TImage> & metric) { metric.SetUseFloatingPointCorrection(true); }, "floating point correction");
}

template <typename TMetric, typename TImage>
void
CheckErrors(Checker & check, const std::string & device, bool throwsWithoutPoints)
{
  const Pair<TImage> pair(true);
  auto               metric = MakeMetric<TMetric>(pair);
  metric->SetMovingTransform(pair.MakeAffine());
  metric->Initialize();
  metric->SetDevice("abacus");
  check.ExpectThrow([&] { metric->GetValue(); }, "abacus");
  metric->SetDevice(device);
  check.Expect(std::isfinite(metric->GetValue()), "the metric does not recover from an error");
  using TranslationType = itk::TranslationTransform<double, TImage::ImageDimension>;
  auto far = TranslationType::New();
  auto offset = far->GetOffset();
  offset.Fill(1e4);
  far->SetOffset(offset);
  metric->SetMovingTransform(far);
  metric->Initialize();
  if (throwsWithoutPoints)
  {
    check.ExpectThrow([&] { metric->GetValue(); }, "overlap");
    return;
  }
  typename TMetric::DerivativeType derivative;
  typename TMetric::MeasureType    value;
  metric->GetValueAndDerivative(value, derivative);
  check.Expect(value == std::numeric_limits<typename TMetric::MeasureType>::max(), "the value without valid points");
  check.Expect(derivative.one_norm() == 0.0, "the derivative without valid points");
}

void
CheckEngine(Checker & check, const std::string & device)
{
  using EngineType = itk::GPUMetricEngine;
  check.ExpectThrow([] { EngineType("cuda:no"); }, "cuda:no");
  EngineType             engine(device);
  EngineType::Evaluation evaluation;
  EngineType::Images     images;
  check.ExpectThrow([&] { engine.Evaluate(evaluation); }, "missing");
  check.ExpectThrow([&] { engine.SetImages(images); }, "missing");
  const std::vector<float> values(4 * 3 * 2, 1.0f);
  images.fixedFloats = images.movingFloats = values.data();
  images.fixedSize = { { 4, 0, 2 } };
  check.ExpectThrow([&] { engine.SetImages(images); }, "the fixed image has size 4x0x2");
  images.fixedSize = images.movingSize = { { 4, 3, 2 } };
  engine.SetImages(images);
  evaluation.virtualSize = { { 4, 3, 40000 } };
  check.ExpectThrow([&] { engine.Evaluate(evaluation); }, "the virtual domain has size 4x3x40000");
  evaluation.virtualSize = images.fixedSize;
  evaluation.dimension = 1;
  check.ExpectThrow([&] { engine.Evaluate(evaluation); }, "the dimension is 1");
  evaluation.dimension = 3;
  evaluation.fixedMap.affine = evaluation.movingMap.affine = itk::GPUDiffeomorphicEngine::IdentityAffine();
  evaluation.metric = EngineType::MetricEnum::MutualInformation;
  evaluation.numberOfBins = 300;
  check.ExpectThrow([&] { engine.Evaluate(evaluation); }, "300");
  evaluation.metric = EngineType::MetricEnum::MeanSquares;
  evaluation.derivative = true;
  evaluation.sums = true;
  evaluation.gradient = EngineType::GradientEnum::GradientImage;
  check.ExpectThrow([&] { engine.Evaluate(evaluation); }, "gradient image");
  evaluation.gradient = EngineType::GradientEnum::CentralDifference;
  const EngineType::Result result = engine.Evaluate(evaluation);
  check.Expect(result.sum == 0.0 && result.numberOfValidPoints == values.size(), "the engine after errors");
}

template <typename TImage>
void
CheckMultiMetric(Checker & check, const std::string & device)
{
  using MultiType = itk::ObjectToObjectMultiMetricv4<TImage::ImageDimension, TImage::ImageDimension, TImage>;
  const Pair<TImage>                  pair(true);
  typename MultiType::DerivativeType derivatives[2];
  for (const bool onDevice : { false, true })
  {
    auto                                    transform = pair.MakeField(pair.fixed, 2.0);
    typename BaseMetric<TImage>::Pointer first = MakeMetric<ItkCorrelation<TImage>>(pair).GetPointer();
    typename BaseMetric<TImage>::Pointer second = MakeMetric<ItkMattes<TImage>>(pair).GetPointer();
    if (onDevice)
    {
      auto correlation = MakeMetric<Correlation<TImage>>(pair);
      auto mattes = MakeMetric<Mattes<TImage>>(pair);
      correlation->SetDevice(device);
      mattes->SetDevice(device);
      first = correlation.GetPointer();
      second = mattes.GetPointer();
    }
    auto multi = MultiType::New();
    multi->AddMetric(first);
    multi->AddMetric(second);
    multi->SetMovingTransform(transform);
    multi->Initialize();
    typename MultiType::MeasureType value;
    multi->GetValueAndDerivative(value, derivatives[onDevice]);
  }
  check.ExpectBelow(RelativeDifference(derivatives[1], derivatives[0]), 1e-5, "multi metric, derivative");
}
} // namespace

int
itkGPUImageToImageMetricv4Test(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  using Image2D = itk::Image<float, 2>;
  using Image3D = itk::Image<float, 3>;
  using DoubleImage = itk::Image<double, 2>;
  Checker check;

  {
    using namespace itk;
    auto correlation = Correlation<Image3D>::New();
    ITK_EXERCISE_BASIC_OBJECT_METHODS(
      correlation, GPULocalNormalizedCrossCorrelationImageToImageMetricv4, GPUImageToImageMetricv4);
    auto mattes = Mattes<Image3D>::New();
    ITK_EXERCISE_BASIC_OBJECT_METHODS(mattes, GPUMattesMutualInformationImageToImageMetricv4, GPUImageToImageMetricv4);
    auto meanSquares = MeanSquares<Image3D>::New();
    ITK_EXERCISE_BASIC_OBJECT_METHODS(meanSquares, GPUMeanSquaresImageToImageMetricv4, GPUImageToImageMetricv4);
    check.Expect(std::string(correlation->GetDevice()) == "auto", "the default device");
    correlation->SetDevice("cuda:3");
    check.Expect(std::string(correlation->GetDevice()) == "cuda:3", "SetDevice");
    check.Expect(correlation->GetDeviceName().empty(), "a device's name before any evaluation");
    check.Expect(correlation->GetGradientMode() == GPUMetricEnums::GradientMode::ITK, "the default gradient mode");
    correlation->SetGradientMode(GPUMetricEnums::GradientMode::Exact);
    ITK_TEST_SET_GET_VALUE(GPUMetricEnums::GradientMode::Exact, correlation->GetGradientMode());
  }

  CompareCases<Correlation<Image2D>, ItkCorrelation<Image2D>, Image2D>(check, device);
  CompareCases<Correlation<Image3D>, ItkCorrelation<Image3D>, Image3D>(check, device);
  CompareCases<Mattes<Image2D>, ItkMattes<Image2D>, Image2D>(check, device);
  CompareCases<Mattes<Image3D>, ItkMattes<Image3D>, Image3D>(check, device);
  CompareCases<MeanSquares<Image2D>, ItkMeanSquares<Image2D>, Image2D>(check, device);
  CompareCases<MeanSquares<Image3D>, ItkMeanSquares<Image3D>, Image3D>(check, device);
  {
    const Pair<DoubleImage> pair(true);
    CompareAfter<Mattes<DoubleImage>, ItkMattes<DoubleImage>, DoubleImage>(
      check,
      device,
      pair,
      [&](BaseMetric<DoubleImage> & metric) { metric.SetMovingTransform(pair.MakeAffine()); },
      "images of double precision");
    CompareAfter<Correlation<DoubleImage>, ItkCorrelation<DoubleImage>, DoubleImage>(
      check,
      device,
      pair,
      [&](BaseMetric<DoubleImage> & metric) { metric.SetMovingTransform(pair.MakeField(pair.fixed, 2.0)); },
      "images of double precision");
  }

  CheckExactGradient<Correlation<Image3D>, Image3D>(check, device, false);
  CheckExactGradient<Mattes<Image2D>, Image2D>(check, device, true);
  CheckExactGradient<MeanSquares<Image2D>, Image2D>(check, device, false);

  CheckUncovered<Correlation<Image2D>, ItkCorrelation<Image2D>, Image2D>(check, device);
  CheckErrors<Correlation<Image2D>, Image2D>(check, device, false);
  CheckErrors<Mattes<Image2D>, Image2D>(check, device, true);
  CheckErrors<MeanSquares<Image2D>, Image2D>(check, device, false);
  CheckEngine(check, device);
  CheckMultiMetric<Image2D>(check, device);
  return check.Status();
}
