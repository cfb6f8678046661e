// SPDX-License-Identifier: Apache-2.0
#include "BadInput.h"
#include "Commands.h"
#include "OutputFiles.h"
#include "PointFile.h"
#include "Resample.h"
#include "TransformIO.h"

#include "itkGPUWarpImageFilter.h"
#include "itkNearestNeighborInterpolateImageFunction.h"
#include "itkResampleImageFilter.h"

#include <filesystem>

namespace gdreg
{
namespace
{
/** Labels of any size are kept exactly. */
template <unsigned int VDimension>
typename LabelImage<VDimension>::Pointer
ResampleLabels(const std::string & device, const LabelImage<VDimension> * moving, const PointMap<VDimension> & map,
               const itk::ImageBase<VDimension> * grid, const bool vote)
{
  using ImageType = LabelImage<VDimension>;
  if (vote)
  {
    using FilterType = itk::GPUWarpImageFilter<ImageType, ImageType, FieldImage<VDimension>>;
    auto filter = FilterType::New();
    filter->SetDevice(device);
    filter->SetInput(moving);
    filter->SetInterpolation(InterpolationEnum::Label);
    filter->SetOutputParametersFromImage(grid);
    if (map.IsLinear())
    {
      filter->SetTransform(map.MakeAffine());
    }
    else
    {
      filter->SetDisplacementField(map.MakeField(grid));
    }
    filter->Update();
    return filter->GetOutput();
  }
  auto resample = itk::ResampleImageFilter<ImageType, ImageType>::New();
  resample->SetInput(moving);
  resample->SetTransform(map.MakeComposite());
  resample->SetOutputParametersFromImage(grid);
  resample->SetInterpolator(itk::NearestNeighborInterpolateImageFunction<ImageType, double>::New());
  resample->Update();
  return resample->GetOutput();
}

template <unsigned int VDimension>
void
ApplyInDimension(const ApplySettings & settings, const std::string & device, const std::string & temporary)
{
  auto map = ReadPointMap<VDimension>("--transform", settings.transforms);
  if (settings.invert)
  {
    map = map.MakeInverse(device);
  }
  const auto grid = ReadGrid<VDimension>("--reference", settings.reference);
  if (settings.interpolation == "nearest" || settings.interpolation == "label")
  {
    const auto component = ReadScalarImageInformation("--moving", settings.moving).component;
    const auto moving = ReadLabels<VDimension>("--moving", settings.moving);
    const auto warped = ResampleLabels<VDimension>(device, moving, map, grid, settings.interpolation == "label");
    WriteLabels<VDimension>(warped, component, temporary);
    return;
  }
  const auto moving = ReadScalarImage<VDimension>("--moving", settings.moving);
  const auto interpolation =
    settings.interpolation == "cubic" ? InterpolationEnum::CubicBSpline : InterpolationEnum::Linear;
  const float outside = BackgroundOf<VDimension>(moving);
  const auto  warped = map.IsLinear()
                         ? Warp<VDimension>(device, moving, map.MakeAffine(), nullptr, grid, interpolation, outside)
                         : Warp<VDimension>(device, moving, nullptr, map.MakeField(grid), grid, interpolation, outside);
  WriteImage<ScalarImage<VDimension>>(warped, temporary, true);
}

template <unsigned int VDimension>
void
MapPoints(const ApplySettings & settings, const std::string & device, const std::string & temporary)
{
  auto file = ReadPointFile<VDimension>("--points", settings.points);
  auto map = ReadPointMap<VDimension>("--transform", settings.transforms);
  if (settings.invert)
  {
    map = map.MakeInverse(device);
  }
  for (auto & point : file.points)
  {
    point = map.TransformPoint(point);
  }
  WritePointFile<VDimension>(file, settings.output, temporary);
}

void
RunApplyToPoints(const ApplySettings & settings)
{
  for (const auto & other : { std::make_pair("--moving", &settings.moving), { "--reference", &settings.reference } })
  {
    if (!other.second->empty())
    {
      throw BadInput(other.first, "does not go with --points: an image is resampled, or points are mapped");
    }
  }
  std::string ending = std::filesystem::path(settings.output).extension().string();
  if (ending != ".csv" && !IsSlicerPointFileName(settings.output))
  {
    throw BadInput("--output", "'" + settings.output + "' is not the name of a point file (.csv, .fcsv)");
  }
  const auto device = ResolveDevice(settings.device);
  const auto dimension = ReadTransformDimension("--transform", settings.transforms.front());
  for (const auto & path : settings.transforms)
  {
    const auto other = ReadTransformDimension("--transform", path);
    if (other != dimension || (other != 2 && other != 3))
    {
      throw BadInput("--transform",
                     "'" + path + "' is " + std::to_string(other) + "D, '" + settings.transforms.front() + "' is " +
                       std::to_string(dimension) + "D; all 2D or all 3D are needed");
    }
  }
  OutputFiles       outputs;
  const std::string temporary = outputs.Add("--output", settings.output);
  dimension == 2 ? MapPoints<2>(settings, device, temporary) : MapPoints<3>(settings, device, temporary);
  outputs.Commit();
}
} // namespace

void
RunApply(const ApplySettings & settings)
{
  if (!settings.points.empty())
  {
    RunApplyToPoints(settings);
    return;
  }
  for (const auto & needed : { std::make_pair("--moving", &settings.moving), { "--reference", &settings.reference } })
  {
    if (needed.second->empty())
    {
      throw BadInput(needed.first, "is required (or --points)");
    }
  }
  const std::string & interpolation = settings.interpolation;
  if (interpolation != "linear" && interpolation != "nearest" && interpolation != "label" && interpolation != "cubic")
  {
    throw BadInput("--interpolation", "unknown '" + interpolation + "'; there are: cubic, label, linear, nearest");
  }
  const auto device = ResolveDevice(settings.device);
  const auto moving = ReadScalarImageInformation("--moving", settings.moving);
  const auto reference = ReadImageInformation("--reference", settings.reference);
  if (reference.dimension != moving.dimension)
  {
    throw BadInput("--reference",
                   "'" + settings.reference + "' is " + std::to_string(reference.dimension) +
                     "D, the moving image is " + std::to_string(moving.dimension) + "D");
  }
  for (const auto & path : settings.transforms)
  {
    const auto dimension = ReadTransformDimension("--transform", path);
    if (dimension != moving.dimension)
    {
      throw BadInput("--transform",
                     "'" + path + "' is " + std::to_string(dimension) + "D, the moving image is " +
                       std::to_string(moving.dimension) + "D");
    }
  }
  CheckImageName("--output", settings.output);
  OutputFiles       outputs;
  const std::string temporary = outputs.Add("--output", settings.output);
  moving.dimension == 2 ? ApplyInDimension<2>(settings, device, temporary)
                        : ApplyInDimension<3>(settings, device, temporary);
  outputs.Commit();
}
} // namespace gdreg
