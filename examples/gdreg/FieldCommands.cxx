// SPDX-License-Identifier: Apache-2.0
#include "BadInput.h"
#include "Commands.h"
#include "OutputFiles.h"
#include "Resample.h"
#include "SettingsText.h"
#include "TransformIO.h"

#include "itkGPUDiffeomorphicGeometry.h"
#include "itkGPUGaussNewtonDiffeomorphicEngine.h"
#include "itkTransformFileWriter.h"

#include <cstdio>

namespace gdreg
{
namespace
{
/** The dimension of a displacement field file, or BadInput. */
unsigned int
ReadFieldDimension(const std::string & argument, const std::string & path)
{
  const auto information = ReadImageInformation(argument, path);
  if (information.components != information.dimension || information.dimension < 2 || information.dimension > 3)
  {
    throw BadInput(argument,
                   "'" + path + "' is no displacement field: " + std::to_string(information.components) +
                     " values per voxel in " + std::to_string(information.dimension) + "D");
  }
  return information.dimension;
}

template <unsigned int VDimension>
void
InvertInDimension(const FieldSettings & settings, const std::string & device, const std::string & temporary)
{
  const auto field = ReadField<VDimension>("--field", settings.field);
  const auto inverse = InvertField<VDimension>(field, device);
  // More than this on average, and the field folds or maps most of its grid elsewhere.
  if (!(inverse.meanResidual < 0.5))
  {
    char text[160];
    std::snprintf(text,
                  sizeof(text),
                  "the field cannot be inverted: the inverse misses by %.3g voxels on average",
                  inverse.meanResidual);
    throw std::runtime_error(text);
  }
  PointMap<VDimension> map;
  map.Append(inverse.affineInverse.GetPointer());
  map.AppendField(inverse.field, true);
  typename itk::ImageBase<VDimension>::ConstPointer grid = field.GetPointer();
  if (!settings.reference.empty())
  {
    grid = ReadGrid<VDimension>("--reference", settings.reference);
  }
  WriteImage<FieldImage<VDimension>>(map.MakeField(grid), temporary);
  std::printf("residual  %.5f voxels mean, %.5f at most\n", inverse.meanResidual, inverse.maximumResidual);
}

template <unsigned int VDimension>
void
JacobianInDimension(const FieldSettings & settings, const std::string & device, const std::string & temporary)
{
  const auto  field = ReadField<VDimension>("--field", settings.field);
  const auto  determinant = JacobianDeterminant<VDimension>(device, field);
  std::size_t folded = 0;
  float       low = determinant->GetBufferPointer()[0];
  float       high = low;
  for (std::size_t i = 0; i < determinant->GetBufferedRegion().GetNumberOfPixels(); ++i)
  {
    const float value = determinant->GetBufferPointer()[i];
    low = std::min(low, value);
    high = std::max(high, value);
    folded += value > 0.0f ? 0 : 1;
  }
  WriteImage<ScalarImage<VDimension>>(determinant, temporary, true);
  std::printf("Jacobian  %.5f to %.5f, %zu folded voxels\n", low, high, folded);
}

template <unsigned int VDimension>
void
ComposeInDimension(const ComposeSettings & settings, const std::string & device, const std::string & temporary)
{
  auto map = ReadPointMap<VDimension>("--transform", settings.transforms);
  if (settings.invert)
  {
    map = map.MakeInverse(device);
  }
  if (!IsTransformFileName(settings.output))
  {
    WriteImage<FieldImage<VDimension>>(map.MakeField(ReadGrid<VDimension>("--reference", settings.reference)),
                                       temporary);
    return;
  }
  if (map.IsLinear())
  {
    auto writer = itk::TransformFileWriter::New();
    writer->SetFileName(temporary);
    writer->SetInput(map.MakeAffine());
    writer->Update();
    return;
  }
  const auto grid = ReadGrid<VDimension>("--reference", settings.reference);
  auto       identity = itk::AffineTransform<double, VDimension>::New();
  WriteComposite<VDimension>(identity, map.MakeField(grid), temporary);
}

template <unsigned int VDimension>
void
IntegrateInDimension(const VelocitySettings & settings, const std::string & device, const std::string & temporary)
{
  namespace Geometry = itk::GPUDiffeomorphicGeometry;
  std::vector<typename FieldImage<VDimension>::Pointer>  fields;
  std::vector<itk::GPUDiffeomorphicEngine::InputVectors> velocities;
  for (const auto & path : settings.velocities)
  {
    fields.push_back(ReadField<VDimension>("--velocity", path));
    velocities.push_back(Geometry::GetIndexVectors(fields.back().GetPointer()));
    if (!Geometry::HaveSameGrid<VDimension>(fields.back(), fields.front()))
    {
      throw BadInput("--velocity", "'" + path + "' is on another grid than '" + settings.velocities.front() + "'");
    }
  }
  const auto output = FieldImage<VDimension>::New();
  output->CopyInformation(fields.front());
  output->SetRegions(fields.front()->GetBufferedRegion());
  output->Allocate();
  itk::GPUGaussNewtonDiffeomorphicEngine::IntegrateVelocity(device,
                                                            velocities,
                                                            Geometry::GetSize<VDimension>(output),
                                                            settings.timeSteps,
                                                            settings.invert,
                                                            Geometry::GetPhysicalVectors(output.GetPointer()));
  WriteImage<FieldImage<VDimension>>(output, temporary);
}
} // namespace

void
RunVelocity(const VelocitySettings & settings)
{
  const auto device = ResolveDevice(settings.device);
  CheckRange("--time-steps", settings.timeSteps, 1, 64);
  CheckRange("--velocity", static_cast<double>(settings.velocities.size()), 1, 16);
  const auto dimension = ReadFieldDimension("--velocity", settings.velocities.front());
  for (const auto & path : settings.velocities)
  {
    if (ReadFieldDimension("--velocity", path) != dimension)
    {
      throw BadInput("--velocity", "'" + path + "' is not " + std::to_string(dimension) + "D as the first");
    }
  }
  CheckImageName("--output", settings.output);
  OutputFiles       outputs;
  const std::string temporary = outputs.Add("--output", settings.output);
  dimension == 2 ? IntegrateInDimension<2>(settings, device, temporary)
                 : IntegrateInDimension<3>(settings, device, temporary);
  outputs.Commit();
}

void
RunInvert(const FieldSettings & settings)
{
  const auto device = ResolveDevice(settings.device);
  const auto dimension = ReadFieldDimension("--field", settings.field);
  if (!settings.reference.empty() && ReadImageInformation("--reference", settings.reference).dimension != dimension)
  {
    throw BadInput("--reference",
                   "'" + settings.reference + "' is not " + std::to_string(dimension) + "D as the field");
  }
  CheckImageName("--output", settings.output);
  OutputFiles       outputs;
  const std::string temporary = outputs.Add("--output", settings.output);
  dimension == 2 ? InvertInDimension<2>(settings, device, temporary)
                 : InvertInDimension<3>(settings, device, temporary);
  outputs.Commit();
}

void
RunJacobian(const FieldSettings & settings)
{
  const auto device = ResolveDevice(settings.device);
  const auto dimension = ReadFieldDimension("--field", settings.field);
  CheckImageName("--output", settings.output);
  OutputFiles       outputs;
  const std::string temporary = outputs.Add("--output", settings.output);
  dimension == 2 ? JacobianInDimension<2>(settings, device, temporary)
                 : JacobianInDimension<3>(settings, device, temporary);
  outputs.Commit();
}

void
RunCompose(const ComposeSettings & settings)
{
  const auto device = ResolveDevice(settings.device);
  const auto reference = ReadImageInformation("--reference", settings.reference);
  if (reference.dimension != 2 && reference.dimension != 3)
  {
    throw BadInput("--reference", "'" + settings.reference + "' is not a 2D or 3D image");
  }
  for (const auto & path : settings.transforms)
  {
    const auto dimension = ReadTransformDimension("--transform", path);
    if (dimension != reference.dimension)
    {
      throw BadInput("--transform",
                     "'" + path + "' is " + std::to_string(dimension) + "D, the reference is " +
                       std::to_string(reference.dimension) + "D");
    }
  }
  if (!IsTransformFileName(settings.output))
  {
    CheckImageName("--output", settings.output);
  }
  OutputFiles       outputs;
  const std::string temporary = outputs.Add("--output", settings.output);
  reference.dimension == 2 ? ComposeInDimension<2>(settings, device, temporary)
                           : ComposeInDimension<3>(settings, device, temporary);
  outputs.Commit();
}
} // namespace gdreg
