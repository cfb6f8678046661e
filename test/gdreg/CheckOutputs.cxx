// SPDX-License-Identifier: Apache-2.0
// What gdreg wrote, read back by ITK alone:
//   CheckOutputs composite <fixed> <moving> <transform file> <warped> <tolerance>
//     resampling `moving` onto `fixed` with the transform gives `warped`
//   CheckOutputs field <fixed> <field> <transform file> <tolerance>
//     the field holds what the transform does to the points of `fixed`
//   CheckOutputs same <image> <image> <tolerance>
//   CheckOutputs fields <field> <field> <tolerance>
//   CheckOutputs above <image> <bound>         all voxels are larger than the bound
//   CheckOutputs inverse <field> <field> <tolerance>
//     the second undoes the first: mean distance in voxels of the first where that stays inside both
#include "itkCompositeTransform.h"
#include "itkDisplacementFieldTransform.h"
#include "itkImageFileReader.h"
#include "itkImageIOFactory.h"
#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkResampleImageFilter.h"
#include "itkTransformFileReader.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string>

namespace
{
template <typename TImage>
typename TImage::Pointer
Read(const std::string & path)
{
  auto reader = itk::ImageFileReader<TImage>::New();
  reader->SetFileName(path);
  reader->Update();
  return reader->GetOutput();
}

template <unsigned int VDimension>
typename itk::Transform<double, VDimension, VDimension>::Pointer
ReadTransform(const std::string & path)
{
  auto reader = itk::TransformFileReader::New();
  reader->SetFileName(path);
  reader->Update();
  if (reader->GetTransformList()->size() != 1)
  {
    itkGenericExceptionMacro(<< path << " holds " << reader->GetTransformList()->size() << " transforms");
  }
  auto * transform =
    dynamic_cast<itk::Transform<double, VDimension, VDimension> *>(reader->GetTransformList()->front().GetPointer());
  if (!transform)
  {
    itkGenericExceptionMacro(<< path << " holds no transform of this dimension in double");
  }
  return transform;
}

/** Prints and judges; voxels at the border of the buffer may fall to either side in float32. */
template <typename TImage>
bool
AreSame(const TImage * a, const TImage * b, double tolerance)
{
  if (a->GetLargestPossibleRegion() != b->GetLargestPossibleRegion() ||
      (a->GetOrigin() - b->GetOrigin()).GetNorm() > 1e-3 || (a->GetSpacing() - b->GetSpacing()).GetNorm() > 1e-3)
  {
    std::cerr << "the images lie on different grids" << std::endl;
    return false;
  }
  const auto  count = a->GetLargestPossibleRegion().GetNumberOfPixels();
  std::size_t different = 0;
  double      sum = 0.0;
  for (itk::SizeValueType i = 0; i < count; ++i)
  {
    const double difference = std::abs(static_cast<double>(a->GetBufferPointer()[i]) - b->GetBufferPointer()[i]);
    sum += difference;
    different += !(difference <= tolerance);
  }
  std::cout << "mean difference " << sum / count << ", " << different << " of " << count
            << " voxels differ by more than " << tolerance << std::endl;
  return different <= count / 1000;
}

template <unsigned int VDimension>
bool
Check(const std::string & what, char * argv[])
{
  using ImageType = itk::Image<float, VDimension>;
  using FieldType = itk::Image<itk::Vector<double, VDimension>, VDimension>;
  if (what == "composite")
  {
    const auto fixed = Read<ImageType>(argv[2]);
    auto       resampler = itk::ResampleImageFilter<ImageType, ImageType>::New();
    resampler->SetInput(Read<ImageType>(argv[3]));
    resampler->SetTransform(ReadTransform<VDimension>(argv[4]));
    resampler->SetReferenceImage(fixed);
    resampler->UseReferenceImageOn();
    resampler->Update();
    return AreSame<ImageType>(resampler->GetOutput(), Read<ImageType>(argv[5]), std::atof(argv[6]));
  }
  if (what == "same")
  {
    return AreSame<ImageType>(Read<ImageType>(argv[2]), Read<ImageType>(argv[3]), std::atof(argv[4]));
  }
  if (what == "above")
  {
    const auto image = Read<ImageType>(argv[2]);
    float      lowest = image->GetBufferPointer()[0];
    for (itk::SizeValueType i = 0; i < image->GetLargestPossibleRegion().GetNumberOfPixels(); ++i)
    {
      lowest = image->GetBufferPointer()[i] >= lowest ? lowest : image->GetBufferPointer()[i];
    }
    std::cout << "smallest value " << lowest << std::endl;
    return lowest > std::atof(argv[3]);
  }
  using FieldTransformType = itk::DisplacementFieldTransform<double, VDimension>;
  if (what == "field")
  {
    const auto fixed = Read<ImageType>(argv[2]);
    const auto field = Read<FieldType>(argv[3]);
    const auto transform = ReadTransform<VDimension>(argv[4]);
    double     largest = 0.0;
    if (field->GetLargestPossibleRegion() != fixed->GetLargestPossibleRegion())
    {
      std::cerr << "the field is not on the fixed grid" << std::endl;
      return false;
    }
    for (itk::ImageRegionConstIteratorWithIndex<FieldType> it(field, field->GetLargestPossibleRegion()); !it.IsAtEnd();
         ++it)
    {
      typename ImageType::PointType point;
      fixed->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      const double distance = (point + it.Get()).EuclideanDistanceTo(transform->TransformPoint(point));
      largest = distance <= largest ? largest : distance;
    }
    std::cout << "largest distance " << largest << std::endl;
    return largest <= std::atof(argv[5]);
  }
  if (what == "fields")
  {
    const auto a = Read<FieldType>(argv[2]);
    const auto b = Read<FieldType>(argv[3]);
    double     largest = a->GetLargestPossibleRegion() == b->GetLargestPossibleRegion() ? 0.0 : 1e30;
    for (itk::SizeValueType i = 0; largest < 1e30 && i < a->GetLargestPossibleRegion().GetNumberOfPixels(); ++i)
    {
      largest = std::max(largest, (a->GetBufferPointer()[i] - b->GetBufferPointer()[i]).GetNorm());
    }
    std::cout << "largest difference " << largest << std::endl;
    return largest <= std::atof(argv[4]);
  }
  if (what == "inverse")
  {
    auto forward = FieldTransformType::New();
    auto backward = FieldTransformType::New();
    auto field = Read<FieldType>(argv[2]);
    auto inverse = Read<FieldType>(argv[3]);
    forward->SetDisplacementField(field);
    backward->SetDisplacementField(inverse);
    double sum = 0.0;
    double count = 0.0;
    for (itk::ImageRegionConstIteratorWithIndex<FieldType> it(field, field->GetLargestPossibleRegion()); !it.IsAtEnd();
         ++it)
    {
      typename ImageType::PointType            point;
      itk::ContinuousIndex<double, VDimension> index;
      field->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      const auto mapped = point + it.Get();
      if (inverse->TransformPhysicalPointToContinuousIndex(mapped, index))
      {
        sum += backward->TransformPoint(mapped).EuclideanDistanceTo(point) / field->GetSpacing()[0];
        count += 1.0;
      }
    }
    std::cout << "mean distance " << sum / count << " voxels of " << count << " points" << std::endl;
    return count > 0.3 * field->GetLargestPossibleRegion().GetNumberOfPixels() && sum / count <= std::atof(argv[4]);
  }
  itkGenericExceptionMacro(<< "unknown check " << what);
}
} // namespace

int
main(int argc, char * argv[])
try
{
  if (argc < 4)
  {
    std::cerr << "usage: see the head of CheckOutputs.cxx" << std::endl;
    return 2;
  }
  const auto io = itk::ImageIOFactory::CreateImageIO(argv[2], itk::CommonEnums::IOFileMode::ReadMode);
  if (!io)
  {
    std::cerr << argv[2] << " is not an image" << std::endl;
    return 1;
  }
  io->SetFileName(argv[2]);
  io->ReadImageInformation();
  const bool good = io->GetNumberOfDimensions() == 2 ? Check<2>(argv[1], argv) : Check<3>(argv[1], argv);
  return good ? 0 : 1;
}
catch (const itk::ExceptionObject & error)
{
  std::cerr << error << std::endl;
  return 1;
}
