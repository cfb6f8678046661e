// SPDX-License-Identifier: Apache-2.0
// ITK's SyN with local correlation, as it is written for ITK but for one line: the class.
#include "itkDisplacementFieldTransformParametersAdaptor.h"
#include "itkGPUSyNImageRegistrationMethod.h" // includes itkSyNImageRegistrationMethod.h
#include "itkImageFileReader.h"
#include "itkTransformFileWriter.h"

int
main(int argc, char * argv[])
{
  if (argc != 4)
  {
    return EXIT_FAILURE; // fixed.nii.gz moving.nii.gz transform.h5
  }
  using ImageType = itk::Image<float, 3>;
  using MethodType = itk::GPUSyNImageRegistrationMethod<ImageType, ImageType>; // ITK: SyNImageRegistrationMethod
  using TransformType = MethodType::OutputTransformType;
  using FieldType = TransformType::DisplacementFieldType;
  auto fixed = itk::ReadImage<ImageType>(argv[1]);
  auto metric = itk::ANTSNeighborhoodCorrelationImageToImageMetricv4<ImageType, ImageType>::New();
  metric->SetUseMovingImageGradientFilter(false); // ITK's would smooth them
  auto field = FieldType::New();
  field->CopyInformation(fixed);
  field->SetRegions(fixed->GetBufferedRegion());
  field->Allocate(true);
  auto transform = TransformType::New();
  auto method = MethodType::New();
  MethodType::ShrinkFactorsArrayType shrinkFactors(2);
  MethodType::SmoothingSigmasArrayType sigmas(2);
  MethodType::NumberOfIterationsArrayType iterations(2);
  MethodType::TransformParametersAdaptorsContainerType adaptors(2);
  for (unsigned int level = 0; level < 2; ++level)
  {
    shrinkFactors[level] = 2 - level;
    sigmas[level] = 1.0 - level;
    iterations[level] = 30 - 20 * level;
    auto shrinker = itk::ShrinkImageFilter<FieldType, FieldType>::New();
    shrinker->SetInput(field);
    shrinker->SetShrinkFactors(shrinkFactors[level]);
    shrinker->Update();
    transform->SetDisplacementField(shrinker->GetOutput());
    adaptors[level] = itk::DisplacementFieldTransformParametersAdaptor<TransformType>::New();
    adaptors[level]->SetRequiredFixedParameters(transform->GetFixedParameters());
  }
  transform->SetDisplacementField(field);
  method->SetNumberOfLevels(2);
  method->SetShrinkFactorsPerLevel(shrinkFactors);
  method->SetSmoothingSigmasPerLevel(sigmas);
  method->SetNumberOfIterationsPerLevel(iterations);
  method->SetTransformParametersAdaptorsPerLevel(adaptors);
  method->SetFixedImage(fixed);
  method->SetMovingImage(itk::ReadImage<ImageType>(argv[2]));
  method->SetInitialTransform(transform);
  method->SetMetric(metric);
  method->Update();
  auto writer = itk::TransformFileWriter::New();
  writer->SetInput(method->GetTransform());
  writer->SetFileName(argv[3]);
  writer->Update();
}
