// SPDX-License-Identifier: Apache-2.0
#include "BenchmarkItk.h"

#include "Operators/Exponential.h"
#include "Operators/GaussianSmooth.h"
#include "Operators/ResampleLabels.h"

#include "itkComposeDisplacementFieldsImageFilter.h"
#include "itkDisplacementFieldTransform.h"
#include "itkExponentialDisplacementFieldImageFilter.h"
#include "itkGaussianOperator.h"
#include "itkLabelImageGaussianInterpolateImageFunction.h"
#include "itkResampleImageFilter.h"
#include "itkVectorNeighborhoodOperatorImageFilter.h"
#include "itkWarpImageFilter.h"

namespace benchmark
{
namespace
{
/** What both sides give back to compare: the value in the middle. */
std::size_t
Middle(const Lattice & lattice)
{
  return static_cast<std::size_t>(lattice.Offset(lattice.size[0] / 2, lattice.size[1] / 2, lattice.size[2] / 2));
}

double
Read(const Device & device, const float * values, std::size_t at)
{
  float value = 0.0f;
  device.CopyToHost(&value, values + at, sizeof(value));
  return value;
}
} // namespace

void
CompareResample(const Scene & scene)
{
  const Device &      device = scene.GetDevice();
  const Lattice &     lattice = scene.GetOptions().lattice;
  const std::size_t   middle = Middle(lattice);
  const Buffer<float> output(device, lattice.NumberOfVoxels());
  const Field         field(output.Data(), lattice);
  const auto          ours = [&] {
    Resample(device, scene.inputs.sampling, scene.inputs.moving, scene.inputs.displacement, field);
    return Read(device, output.Data(), middle);
  };
  auto warp = itk::WarpImageFilter<ImageType, ImageType, FieldType>::New();
  warp->SetInput(scene.movingImage);
  warp->SetDisplacementField(scene.fieldImage);
  warp->SetOutputParametersFromImage(scene.movingImage);
  scene.Time(
    "WarpImageFilter",
    [&] {
      warp->Modified();
      warp->Update();
      return static_cast<double>(warp->GetOutput()->GetBufferPointer()[middle]);
    },
    ours);
  auto transform = itk::DisplacementFieldTransform<double, 3>::New();
  transform->SetDisplacementField(scene.fieldImage);
  auto resample = itk::ResampleImageFilter<ImageType, ImageType>::New();
  resample->SetInput(scene.movingImage);
  resample->SetTransform(transform);
  resample->SetOutputParametersFromImage(scene.movingImage);
  scene.Time(
    "ResampleImageFilter",
    [&] {
      resample->Modified();
      resample->Update();
      return static_cast<double>(resample->GetOutput()->GetBufferPointer()[middle]);
    },
    ours);

  // A vote over the neighbours: ITK's has Gaussian weights of one voxel on 3 voxels along each axis.
  using LabelImageType = itk::Image<short, 3>;
  auto                      labelImage = MakeGrid<LabelImageType>(lattice);
  std::vector<std::int32_t> labels(lattice.NumberOfVoxels());
  for (std::size_t i = 0; i < labels.size(); ++i)
  {
    labels[i] = static_cast<std::int32_t>(8.0f * scene.movingImage->GetBufferPointer()[i]);
    labelImage->GetBufferPointer()[i] = static_cast<short>(labels[i]);
  }
  auto         vote = itk::LabelImageGaussianInterpolateImageFunction<LabelImageType, double>::New();
  double       sigma[3] = { 1.0, 1.0, 1.0 };
  vote->SetParameters(sigma, 1.5);
  auto resampleLabels = itk::ResampleImageFilter<LabelImageType, LabelImageType>::New();
  resampleLabels->SetInput(labelImage);
  resampleLabels->SetTransform(transform);
  resampleLabels->SetInterpolator(vote);
  resampleLabels->SetOutputParametersFromImage(labelImage);
  const Buffer<std::int32_t> moving(device, lattice.NumberOfVoxels());
  const Buffer<std::int32_t> warped(device, lattice.NumberOfVoxels());
  device.CopyFromHost(moving.Data(), labels.data(), moving.Bytes());
  scene.Time(
    "ResampleImageFilter, label vote",
    [&] {
      resampleLabels->Modified();
      resampleLabels->Update();
      return static_cast<double>(resampleLabels->GetOutput()->GetBufferPointer()[middle]);
    },
    [&] {
      ResampleLabels(device,
                     scene.inputs.sampling,
                     ConstLabels(moving.Data(), lattice),
                     scene.inputs.displacement,
                     0,
                     Labels(warped.Data(), lattice));
      std::int32_t label = 0;
      device.CopyToHost(&label, warped.Data() + middle, sizeof(label));
      return static_cast<double>(label);
    });
}

void
CompareCompose(const Scene & scene)
{
  const Device &      device = scene.GetDevice();
  const Lattice &     lattice = scene.GetOptions().lattice;
  const std::size_t   middle = Middle(lattice);
  const Buffer<float> output(device, 3 * lattice.NumberOfVoxels());
  const Buffer<float> workspace(device, 3 * lattice.NumberOfVoxels());
  const Field         field(output.Data(), lattice, 3);
  auto                compose = itk::ComposeDisplacementFieldsImageFilter<FieldType>::New();
  compose->SetDisplacementField(scene.fieldImage);
  compose->SetWarpingField(scene.fieldImage);
  scene.Time(
    "ComposeDisplacementFieldsImageFilter",
    [&] {
      compose->Modified();
      compose->Update();
      return compose->GetOutput()->GetBufferPointer()[middle][0];
    },
    [&] {
      Compose(device, ComposeParameters(), scene.inputs.displacement, scene.inputs.displacement, field);
      return Read(device, output.Data(), middle);
    });
  auto exponential = itk::ExponentialDisplacementFieldImageFilter<FieldType, FieldType>::New();
  exponential->SetInput(scene.fieldImage);
  exponential->AutomaticNumberOfIterationsOff();
  exponential->SetMaximumNumberOfIterations(6);
  scene.Time(
    "ExponentialDisplacementFieldIma...",
    [&] {
      exponential->Modified();
      exponential->Update();
      return exponential->GetOutput()->GetBufferPointer()[middle][0];
    },
    [&] {
      ExponentialParameters parameters;
      parameters.squarings = 6;
      Exponential(device, parameters, scene.inputs.displacement, field, Field(workspace.Data(), lattice, 3));
      return Read(device, output.Data(), middle);
    });
}

/** Gaussian smoothing of a field as SyNImageRegistrationMethod does it: one pass of a neighborhood operator per axis. */
void
CompareSmoothing(const Scene & scene)
{
  const Device & device = scene.GetDevice();
  const Lattice  lattice = scene.GetOptions().lattice;
  const auto     voxels = lattice.NumberOfVoxels();
  const auto     middle = Middle(lattice);
  const Buffer<float> output(device, 3 * voxels);
  const Buffer<float> workspace(device, 3 * voxels);
  for (const double variance : { 3.0, 0.5 })
  {
    const auto itkSmooth = [&] {
      FieldType::Pointer field = scene.fieldImage;
      for (unsigned int axis = 0; axis < 3; ++axis)
      {
        itk::GaussianOperator<double, 3> gaussian;
        gaussian.SetDirection(axis);
        gaussian.SetVariance(variance);
        gaussian.SetMaximumError(0.001);
        gaussian.SetMaximumKernelWidth(32);
        gaussian.CreateDirectional();
        auto filter = itk::VectorNeighborhoodOperatorImageFilter<FieldType, FieldType>::New();
        filter->SetOperator(gaussian);
        filter->SetInput(field);
        filter->SetNumberOfWorkUnits(static_cast<itk::ThreadIdType>(scene.GetOptions().threads));
        filter->Update();
        field = filter->GetOutput();
        field->DisconnectPipeline();
      }
      return field->GetBufferPointer()[middle][0];
    };
    const auto ourSmooth = [&] {
      SymmetricKernel kernels[3];
      std::fill_n(kernels, 3, MakeGaussianKernel(variance, 0.001, 32));
      GaussianSmooth(device,
                     kernels,
                     SmoothBoundary::ZeroFlux,
                     scene.inputs.displacement,
                     Field(output.Data(), lattice, 3),
                     Field(workspace.Data(), lattice, 3));
      return Read(device, output.Data(), middle);
    };
    scene.Time(variance > 1.0 ? "Smooth a field, variance 3" : "Smooth a field, variance 0.5", itkSmooth, ourSmooth);
  }
}
} // namespace benchmark
