// SPDX-License-Identifier: Apache-2.0
// Resamples a moving image onto the grid of a fixed one through a transform file, which ITK reads like any other.
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkResampleImageFilter.h"
#include "itkTransformFileReader.h"

#include <iostream>

int
main(int argc, char * argv[])
{
  if (argc != 5)
  {
    std::cerr << "usage: " << argv[0] << " fixed.nii.gz moving.nii.gz transform.h5 warped.nii.gz" << std::endl;
    return 1;
  }
  using ImageType = itk::Image<float, 3>;
  using TransformType = itk::Transform<double, 3, 3>;
  auto reader = itk::TransformFileReader::New();
  reader->SetFileName(argv[3]);
  reader->Update();

  auto resample = itk::ResampleImageFilter<ImageType, ImageType>::New();
  resample->SetInput(itk::ReadImage<ImageType>(argv[2]));
  resample->SetTransform(dynamic_cast<const TransformType *>(reader->GetTransformList()->front().GetPointer()));
  resample->SetReferenceImage(itk::ReadImage<ImageType>(argv[1]));
  resample->UseReferenceImageOn();
  itk::WriteImage(resample->GetOutput(), argv[4], true);
  return 0;
}
