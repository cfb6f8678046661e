// SPDX-License-Identifier: Apache-2.0
#include "BenchmarkItk.h"

#include "Operators/Lncc.h"
#include "Operators/MutualInformation.h"

#include "itkANTSNeighborhoodCorrelationImageToImageMetricv4.h"
#include "itkDisplacementFieldTransform.h"
#include "itkIdentityTransform.h"
#include "itkMattesMutualInformationImageToImageMetricv4.h"

namespace benchmark
{
namespace
{
/** ITK's metric with local support: a displacement field as moving transform, image gradients by central differences. */
template <typename TMetric>
void
PrepareMetric(TMetric * metric, const Scene & scene)
{
  auto transform = itk::DisplacementFieldTransform<double, 3>::New();
  transform->SetDisplacementField(scene.fieldImage);
  metric->SetFixedImage(scene.fixedImage);
  metric->SetMovingImage(scene.movingImage);
  metric->SetVirtualDomainFromImage(scene.fixedImage);
  metric->SetFixedTransform(itk::IdentityTransform<double, 3>::New());
  metric->SetMovingTransform(transform);
  metric->SetUseFixedImageGradientFilter(false);
  metric->SetUseMovingImageGradientFilter(false);
  metric->SetMaximumNumberOfWorkUnits(static_cast<itk::ThreadIdType>(scene.GetOptions().threads));
  metric->Initialize();
}
} // namespace

void
CompareMutualInformation(const Scene & scene)
{
  const Device &                                                                        device = scene.GetDevice();
  auto metric = itk::MattesMutualInformationImageToImageMetricv4<ImageType, ImageType>::New();
  metric->SetNumberOfHistogramBins(static_cast<itk::SizeValueType>(scene.GetOptions().bins));
  PrepareMetric(metric.GetPointer(), scene);
  itk::Array<double> derivative(metric->GetNumberOfParameters());

  MutualInformationParameters parameters;
  parameters.numberOfBins = scene.GetOptions().bins;
  const auto range = [&](const ImageType * image, ParzenParameters & axis) {
    const auto ends =
      std::minmax_element(image->GetBufferPointer(), image->GetBufferPointer() + scene.GetOptions().lattice.NumberOfVoxels());
    axis.minimum = *ends.first;
    axis.maximum = *ends.second;
  };
  range(scene.fixedImage, parameters.fixed);
  range(scene.movingImage, parameters.moving);
  const Buffer<float>  gradient(device, 3 * scene.GetOptions().lattice.NumberOfVoxels());
  const Buffer<double> energy(device, 2);
  const Buffer<float>  workspace(device, MutualInformationToDisplacementWorkspace(device, parameters, scene.inputs));
  const auto           evaluate = [&](const Field & output) {
    MutualInformationToDisplacement(device, parameters, scene.inputs, energy.Data(), output, workspace.Data());
    double numbers[2];
    device.CopyToHost(numbers, energy.Data(), sizeof(numbers));
    return -numbers[0] / numbers[1];
  };
  scene.Time(
    "Mattes MI, value and derivative",
    [&] {
      double value = 0.0;
      metric->GetValueAndDerivative(value, derivative);
      return value;
    },
    [&] { return evaluate(Field(gradient.Data(), scene.GetOptions().lattice, 3)); });
  scene.Time(
    "Mattes MI, value", [&] { return metric->GetValue(); }, [&] { return evaluate(Field()); });
}

/** ITK's is the metric for dense fields. Its derivative leaves out all windows that hold a voxel but the one around it,
 * and it counts flat windows, here the background, as correlated: that is the difference of the values. */
void
CompareLncc(const Scene & scene)
{
  const Device & device = scene.GetDevice();
  using MetricType = itk::ANTSNeighborhoodCorrelationImageToImageMetricv4<ImageType, ImageType>;
  auto                   metric = MetricType::New();
  MetricType::RadiusType radius;
  radius.Fill(static_cast<itk::SizeValueType>(scene.GetOptions().radius));
  metric->SetRadius(radius);
  PrepareMetric(metric.GetPointer(), scene);
  itk::Array<double> derivative(metric->GetNumberOfParameters());

  LnccParameters parameters;
  std::fill_n(parameters.radius, 3, scene.GetOptions().radius);
  parameters.fixedShift = parameters.movingShift = 0.5f;
  const Buffer<float>  gradient(device, 3 * scene.GetOptions().lattice.NumberOfVoxels());
  const Buffer<double> energy(device, 2);
  const Buffer<float>  workspace(device, LnccToDisplacementWorkspace(device, parameters, scene.inputs));
  const auto           evaluate = [&](const Field & output) {
    LnccToDisplacement(device, parameters, scene.inputs, energy.Data(), output, workspace.Data());
    double numbers[2];
    device.CopyToHost(numbers, energy.Data(), sizeof(numbers));
    return -numbers[0] / numbers[1];
  };
  scene.Time(
    "LNCC, value and derivative",
    [&] {
      double value = 0.0;
      metric->GetValueAndDerivative(value, derivative);
      return value;
    },
    [&] { return evaluate(Field(gradient.Data(), scene.GetOptions().lattice, 3)); });
}
} // namespace benchmark
