// SPDX-License-Identifier: Apache-2.0
// Registers a moving image to a fixed one that it overlaps, and writes the transform.
#include "itkGPUDiffeomorphicRegistrationMethod.h"
#include "itkImageFileReader.h"
#include "itkTransformFileWriter.h"

#include <iostream>

int
main(int argc, char * argv[])
{
  if (argc != 4)
  {
    std::cerr << "usage: " << argv[0] << " fixed.nii.gz moving.nii.gz transform.h5" << std::endl;
    return 1;
  }
  using ImageType = itk::Image<float, 3>;
  auto method = itk::GPUDiffeomorphicRegistrationMethod<ImageType, ImageType>::New();
  method->SetFixedImage(itk::ReadImage<ImageType>(argv[1]));
  method->SetMovingImage(itk::ReadImage<ImageType>(argv[2]));
  method->SetDevice("auto"); // a GPU if there is one
  method->Update();
  std::cout << "ran on " << method->GetDeviceName() << ", smallest Jacobian determinant "
            << method->GetMinimumJacobianDeterminant() << std::endl;

  auto writer = itk::TransformFileWriter::New();
  writer->SetInput(method->GetTransform());
  writer->SetFileName(argv[3]);
  writer->Update();
  return 0;
}
