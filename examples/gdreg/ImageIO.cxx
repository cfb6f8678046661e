// SPDX-License-Identifier: Apache-2.0
#include "ImageIO.h"

#include "BadInput.h"
#include "NiftiCheck.h"

#include "itkCastImageFilter.h"
#include "itkGPUDiffeomorphicGeometry.h"
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkImageIOFactory.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#ifndef _WIN32
#  include <fcntl.h>
#  include <unistd.h>
#endif

namespace gdreg
{
#ifdef _WIN32
SilentStandardError::SilentStandardError() = default;
SilentStandardError::~SilentStandardError() = default;
#else
SilentStandardError::SilentStandardError()
{
  std::fflush(stderr);
  m_File = std::tmpfile();
  const int target = m_File ? fileno(m_File) : open("/dev/null", O_WRONLY);
  if (target >= 0)
  {
    m_Saved = dup(STDERR_FILENO);
    dup2(target, STDERR_FILENO);
    if (!m_File)
    {
      close(target);
    }
  }
}

SilentStandardError::~SilentStandardError()
{
  if (m_Saved >= 0)
  {
    std::fflush(stderr);
    dup2(m_Saved, STDERR_FILENO);
    close(m_Saved);
  }
  if (m_File)
  {
    std::fclose(m_File);
  }
}
#endif

std::string
SilentStandardError::GetText() const
{
  std::string text;
  if (m_File)
  {
    std::fflush(stderr);
    char buffer[4096];
    std::rewind(m_File);
    for (std::size_t n = std::fread(buffer, 1, sizeof(buffer), m_File); n > 0;
         n = std::fread(buffer, 1, sizeof(buffer), m_File))
    {
      text.append(buffer, n);
    }
  }
  return text;
}

namespace
{
/** The last line of an ITK exception's text, which says what went wrong; the lines before say where. */
std::string
LastLine(const std::string & text)
{
  const auto end = text.find_last_not_of(" \n\r\t");
  if (end == std::string::npos)
  {
    return "unknown error";
  }
  const auto start = text.find_last_of("\n\r", end);
  return text.substr(start == std::string::npos ? 0 : start + 1,
                     end - (start == std::string::npos ? 0 : start + 1) + 1);
}

template <typename TImage>
typename TImage::Pointer
ReadFile(const std::string & argument, const std::string & path)
{
  CheckNiftiData(argument, path);
  try
  {
    const SilentStandardError silent;
    auto                      reader = itk::ImageFileReader<TImage>::New();
    reader->SetFileName(path);
    reader->Update();
    // MetaImage's reader takes what is there, and only says so on standard error.
    const std::string said = silent.GetText();
    if (said.find("not read completely") != std::string::npos || said.find("ncompress") != std::string::npos)
    {
      throw BadInput(argument, "'" + path + "' is truncated or damaged");
    }
    typename TImage::Pointer image = reader->GetOutput();
    image->DisconnectPipeline();
    return image;
  }
  catch (const itk::ExceptionObject & error)
  {
    throw BadInput(argument, "'" + path + "' cannot be read: " + LastLine(error.GetDescription()));
  }
  catch (const std::bad_alloc &)
  {
    throw BadInput(argument, "'" + path + "' does not fit the memory of this machine");
  }
}

template <unsigned int VDimension>
bool
HaveSameGrid(const itk::ImageBase<VDimension> * a, const itk::ImageBase<VDimension> * b)
{
  if (a->GetLargestPossibleRegion().GetSize() != b->GetLargestPossibleRegion().GetSize())
  {
    return false;
  }
  // File formats keep headers in float: a hundredth of a voxel over the whole image is the same grid.
  for (unsigned int corner = 0; corner < (1u << VDimension); ++corner)
  {
    itk::Index<VDimension> index;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      index[d] = (corner >> d) & 1u ? static_cast<itk::IndexValueType>(a->GetLargestPossibleRegion().GetSize()[d]) : 0;
    }
    itk::Point<double, VDimension>           point;
    itk::ContinuousIndex<double, VDimension> other;
    a->TransformIndexToPhysicalPoint(index, point);
    // Whether the point is inside does not matter.
    static_cast<void>(b->TransformPhysicalPointToContinuousIndex(point, other));
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      if (std::abs(other[d] - static_cast<double>(index[d])) > 0.01)
      {
        return false;
      }
    }
  }
  return true;
}

template <typename TOutput, unsigned int VDimension>
void
WriteAs(const LabelImage<VDimension> * image, const std::string & path)
{
  using OutputType = itk::Image<TOutput, VDimension>;
  auto cast = itk::CastImageFilter<LabelImage<VDimension>, OutputType>::New();
  cast->SetInput(image);
  cast->Update();
  WriteImage(cast->GetOutput(), path, true);
}
} // namespace

ImageInformation
ReadImageInformation(const std::string & argument, const std::string & path)
{
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
  {
    throw BadInput(argument, "'" + path + "' does not exist");
  }
  if (std::filesystem::is_directory(path, ignored))
  {
    throw BadInput(argument, "'" + path + "' is a folder");
  }
  ImageInformation          information;
  const SilentStandardError silent;
  itk::ImageIOBase::Pointer io = itk::ImageIOFactory::CreateImageIO(path.c_str(), itk::IOFileModeEnum::ReadMode);
  if (!io)
  {
    throw BadInput(argument, "'" + path + "' is not an image that ITK can read");
  }
  try
  {
    io->SetFileName(path);
    io->ReadImageInformation();
  }
  catch (const itk::ExceptionObject & error)
  {
    throw BadInput(argument, "'" + path + "' is not an image: " + LastLine(error.GetDescription()));
  }
  for (unsigned int d = 0; d < io->GetNumberOfDimensions(); ++d)
  {
    information.size.push_back(io->GetDimensions(d));
  }
  while (information.size.size() > 2 && information.size.back() == 1)
  {
    information.size.pop_back();
  }
  information.dimension = static_cast<unsigned int>(information.size.size());
  information.components = io->GetNumberOfComponents();
  information.component = io->GetComponentType();
  information.numberOfVoxels = 1;
  for (const auto n : information.size)
  {
    information.numberOfVoxels *= n;
  }
  if (information.numberOfVoxels == 0)
  {
    throw BadInput(argument, "'" + path + "' holds no voxels");
  }
  return information;
}

ImageInformation
ReadScalarImageInformation(const std::string & argument, const std::string & path)
{
  auto information = ReadImageInformation(argument, path);
  if (information.components != 1)
  {
    throw BadInput(argument,
                   "'" + path + "' has " + std::to_string(information.components) +
                     " values per voxel; an image of one value per voxel is needed");
  }
  if (information.dimension != 2 && information.dimension != 3)
  {
    throw BadInput(argument,
                   "'" + path + "' has " + std::to_string(information.dimension) + " dimensions (" +
                     DescribeSize(information.size) + "); a 2D or 3D image is needed");
  }
  return information;
}

std::string
DescribeSize(const std::vector<std::size_t> & size)
{
  std::string text;
  for (const auto n : size)
  {
    text += (text.empty() ? "" : "x") + std::to_string(n);
  }
  return text;
}

template <unsigned int VDimension>
std::string
DescribeSize(const itk::ImageBase<VDimension> * image)
{
  std::vector<std::size_t> size;
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    size.push_back(image->GetLargestPossibleRegion().GetSize()[d]);
  }
  return DescribeSize(size);
}

template <unsigned int VDimension>
typename ScalarImage<VDimension>::Pointer
ReadScalarImage(const std::string & argument, const std::string & path)
{
  auto              image = ReadFile<ScalarImage<VDimension>>(argument, path);
  const float *     values = image->GetBufferPointer();
  const std::size_t count = image->GetBufferedRegion().GetNumberOfPixels();
  std::size_t       notFinite = 0;
  float             low = values[0];
  float             high = values[0];
  for (std::size_t i = 0; i < count; ++i)
  {
    notFinite += std::isfinite(values[i]) ? 0 : 1;
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  if (notFinite > 0)
  {
    throw BadInput(argument, "'" + path + "' has " + std::to_string(notFinite) + " voxels that are NaN or infinite");
  }
  if (!(low < high))
  {
    throw BadInput(argument, "'" + path + "' is constant: every voxel is " + std::to_string(low));
  }
  return image;
}

template <unsigned int VDimension>
std::vector<typename ScalarImage<VDimension>::Pointer>
ReadScalarImages(const std::string & argument, const std::vector<std::string> & paths)
{
  std::vector<typename ScalarImage<VDimension>::Pointer> images;
  for (const auto & path : paths)
  {
    const auto dimension = ReadScalarImageInformation(argument, path).dimension;
    if (dimension != VDimension)
    {
      throw BadInput(argument,
                     "'" + path + "' is " + std::to_string(dimension) + "D, '" + paths.front() + "' is " +
                       std::to_string(VDimension) + "D");
    }
    images.push_back(ReadScalarImage<VDimension>(argument, path));
    const ScalarImage<VDimension> * first = images.front();
    const ScalarImage<VDimension> * last = images.back();
    if (!itk::GPUDiffeomorphicGeometry::HaveSameGrid<VDimension>(last, first))
    {
      throw BadInput(argument,
                     "'" + path + "' (" + DescribeSize<VDimension>(last) + ") is not on the grid of '" + paths.front() +
                       "' (" + DescribeSize<VDimension>(first) + ")");
    }
  }
  return images;
}

template <unsigned int VDimension>
typename MaskImage<VDimension>::Pointer
ReadMask(const std::string & argument, const std::string & path, const ScalarImage<VDimension> * reference)
{
  const auto information = ReadScalarImageInformation(argument, path);
  if (information.dimension != VDimension)
  {
    throw BadInput(argument,
                   "'" + path + "' is " + std::to_string(information.dimension) + "D, its image is " +
                     std::to_string(VDimension) + "D");
  }
  const auto values = ReadLabels<VDimension>(argument, path);
  if (!HaveSameGrid<VDimension>(values, reference))
  {
    throw BadInput(argument,
                   "'" + path + "' (" + DescribeSize<VDimension>(values) + ") is not on the grid of its image (" +
                     DescribeSize<VDimension>(reference) + ")");
  }
  auto mask = MaskImage<VDimension>::New();
  mask->CopyInformation(reference);
  mask->SetRegions(reference->GetLargestPossibleRegion());
  mask->Allocate();
  std::size_t       inside = 0;
  const std::size_t count = mask->GetBufferedRegion().GetNumberOfPixels();
  for (std::size_t i = 0; i < count; ++i)
  {
    const bool isInside = values->GetBufferPointer()[i] != 0.0;
    mask->GetBufferPointer()[i] = isInside ? 1 : 0;
    inside += isInside ? 1 : 0;
  }
  if (inside == 0)
  {
    throw BadInput(argument, "'" + path + "' is empty: every voxel is 0");
  }
  const float * intensities = reference->GetBufferPointer();
  float         low = std::numeric_limits<float>::max();
  float         high = std::numeric_limits<float>::lowest();
  for (std::size_t i = 0; i < count; ++i)
  {
    if (mask->GetBufferPointer()[i] != 0)
    {
      low = std::min(low, intensities[i]);
      high = std::max(high, intensities[i]);
    }
  }
  if (!(low < high))
  {
    throw BadInput(argument, "the image is constant inside '" + path + "'");
  }
  return mask;
}

template <unsigned int VDimension>
typename LabelImage<VDimension>::Pointer
ReadLabels(const std::string & argument, const std::string & path)
{
  return ReadFile<LabelImage<VDimension>>(argument, path);
}

template <unsigned int VDimension>
typename itk::ImageBase<VDimension>::Pointer
ReadGrid(const std::string & argument, const std::string & path)
{
  try
  {
    const SilentStandardError silent;
    auto                      reader = itk::ImageFileReader<itk::Image<unsigned char, VDimension>>::New();
    reader->SetFileName(path);
    reader->UpdateOutputInformation();
    auto grid = itk::ImageBase<VDimension>::New();
    grid->CopyInformation(reader->GetOutput());
    grid->SetRegions(reader->GetOutput()->GetLargestPossibleRegion());
    return grid;
  }
  catch (const itk::ExceptionObject & error)
  {
    throw BadInput(argument, "'" + path + "' cannot be read: " + LastLine(error.GetDescription()));
  }
}

template <unsigned int VDimension>
typename FieldImage<VDimension>::Pointer
ReadField(const std::string & argument, const std::string & path)
{
  const auto information = ReadImageInformation(argument, path);
  if (information.dimension != VDimension || information.components != VDimension)
  {
    throw BadInput(argument,
                   "'" + path + "' is a " + std::to_string(information.dimension) + "D image of " +
                     std::to_string(information.components) + " values per voxel; a displacement field of " +
                     std::to_string(VDimension) + " in " + std::to_string(VDimension) + "D is needed");
  }
  auto              field = ReadFile<FieldImage<VDimension>>(argument, path);
  const std::size_t count = field->GetBufferedRegion().GetNumberOfPixels();
  for (std::size_t i = 0; i < count; ++i)
  {
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      if (!std::isfinite(field->GetBufferPointer()[i][d]))
      {
        throw BadInput(argument, "'" + path + "' has vectors that are NaN or infinite");
      }
    }
  }
  return field;
}

template <typename TImage>
void
WriteImage(const TImage * image, const std::string & path, const bool compress)
{
  auto writer = itk::ImageFileWriter<TImage>::New();
  writer->SetFileName(path);
  writer->SetInput(image);
  writer->SetUseCompression(compress);
  writer->Update();
}

template <unsigned int VDimension>
void
WriteLabels(const LabelImage<VDimension> * image, const ComponentEnum component, const std::string & path)
{
  switch (component)
  {
    case ComponentEnum::UCHAR:
      return WriteAs<unsigned char, VDimension>(image, path);
    case ComponentEnum::CHAR:
      return WriteAs<signed char, VDimension>(image, path);
    case ComponentEnum::USHORT:
      return WriteAs<unsigned short, VDimension>(image, path);
    case ComponentEnum::SHORT:
      return WriteAs<short, VDimension>(image, path);
    case ComponentEnum::UINT:
      return WriteAs<unsigned int, VDimension>(image, path);
    case ComponentEnum::INT:
      return WriteAs<int, VDimension>(image, path);
    case ComponentEnum::ULONG:
    case ComponentEnum::ULONGLONG:
      return WriteAs<unsigned long, VDimension>(image, path);
    case ComponentEnum::LONG:
    case ComponentEnum::LONGLONG:
      return WriteAs<long, VDimension>(image, path);
    case ComponentEnum::FLOAT:
      return WriteAs<float, VDimension>(image, path);
    default:
      return WriteImage(image, path, true);
  }
}

void
CheckImageName(const std::string & argument, const std::string & path)
{
  const SilentStandardError silent;
  if (!itk::ImageIOFactory::CreateImageIO(path.c_str(), itk::IOFileModeEnum::WriteMode))
  {
    throw BadInput(argument, "'" + path + "' has no ending of an image that ITK can write, such as .nii.gz or .mha");
  }
}

#define gdregInstantiate(dimension)                                                                                    \
  template std::string                     DescribeSize<dimension>(const itk::ImageBase<dimension> *);                 \
  template ScalarImage<dimension>::Pointer ReadScalarImage<dimension>(const std::string &, const std::string &);       \
  template std::vector<ScalarImage<dimension>::Pointer> ReadScalarImages<dimension>(                                   \
    const std::string &, const std::vector<std::string> &);                                                            \
  template MaskImage<dimension>::Pointer   ReadMask<dimension>(                                                        \
    const std::string &, const std::string &, const ScalarImage<dimension> *);                                       \
  template LabelImage<dimension>::Pointer     ReadLabels<dimension>(const std::string &, const std::string &);         \
  template itk::ImageBase<dimension>::Pointer ReadGrid<dimension>(const std::string &, const std::string &);           \
  template FieldImage<dimension>::Pointer     ReadField<dimension>(const std::string &, const std::string &);          \
  template void WriteImage<ScalarImage<dimension>>(const ScalarImage<dimension> *, const std::string &, bool);         \
  template void WriteImage<FieldImage<dimension>>(const FieldImage<dimension> *, const std::string &, bool);           \
  template void WriteLabels<dimension>(const LabelImage<dimension> *, ComponentEnum, const std::string &)
gdregInstantiate(2);
gdregInstantiate(3);
#undef gdregInstantiate
} // namespace gdreg
