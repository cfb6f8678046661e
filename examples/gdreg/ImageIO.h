// SPDX-License-Identifier: Apache-2.0
#ifndef ImageIO_h
#define ImageIO_h

#include "itkImage.h"
#include "itkImageIOBase.h"
#include "itkVector.h"

#include <cstdio>
#include <string>
#include <vector>

namespace gdreg
{
using ComponentEnum = itk::IOComponentEnum;

/** Takes in what the process writes to standard error while it lives: libraries that ITK reads files with print there
 * on their own, and this program promises one line. */
class SilentStandardError
{
public:
  SilentStandardError();
  ~SilentStandardError();
  SilentStandardError(const SilentStandardError &) = delete;
  SilentStandardError &
  operator=(const SilentStandardError &) = delete;

  /** What was written. */
  std::string
  GetText() const;

private:
  int         m_Saved{ -1 };
  std::FILE * m_File{ nullptr };
};

/** What a file's header says. */
struct ImageInformation
{
  unsigned int             dimension{ 0 }; ///< axes of one voxel at the end are not counted
  unsigned int             components{ 1 };
  std::vector<std::size_t> size;
  ComponentEnum            component{ ComponentEnum::UNKNOWNCOMPONENTTYPE };
  std::size_t              numberOfVoxels{ 0 };
};

/** Throws BadInput, naming `argument`, if the file is missing or no image. */
ImageInformation
ReadImageInformation(const std::string & argument, const std::string & path);

/** The same, and throws BadInput unless it is a 2D or 3D image of one number per voxel. */
ImageInformation
ReadScalarImageInformation(const std::string & argument, const std::string & path);

/** "181x217x181" */
std::string
DescribeSize(const std::vector<std::size_t> & size);

template <unsigned int VDimension>
std::string
DescribeSize(const itk::ImageBase<VDimension> * image);

template <unsigned int VDimension>
using ScalarImage = itk::Image<float, VDimension>;
template <unsigned int VDimension>
using MaskImage = itk::Image<unsigned char, VDimension>;
template <unsigned int VDimension>
using FieldImage = itk::Image<itk::Vector<float, VDimension>, VDimension>;
/** Holds every label of up to 53 bits exactly. */
template <unsigned int VDimension>
using LabelImage = itk::Image<double, VDimension>;

/** Reads an image to register: finite and not constant, else BadInput. */
template <unsigned int VDimension>
typename ScalarImage<VDimension>::Pointer
ReadScalarImage(const std::string & argument, const std::string & path);

/** Reads images to register that have to be on one grid. */
template <unsigned int VDimension>
std::vector<typename ScalarImage<VDimension>::Pointer>
ReadScalarImages(const std::string & argument, const std::vector<std::string> & paths);

/** Reads a mask (not 0 is inside) that must be on the grid of `reference` and not be empty. */
template <unsigned int VDimension>
typename MaskImage<VDimension>::Pointer
ReadMask(const std::string & argument, const std::string & path, const ScalarImage<VDimension> * reference);

template <unsigned int VDimension>
typename LabelImage<VDimension>::Pointer
ReadLabels(const std::string & argument, const std::string & path);

/** Reads the grid of an image; its voxels are not allocated. */
template <unsigned int VDimension>
typename itk::ImageBase<VDimension>::Pointer
ReadGrid(const std::string & argument, const std::string & path);

/** Reads a displacement field: as many finite components as axes. */
template <unsigned int VDimension>
typename FieldImage<VDimension>::Pointer
ReadField(const std::string & argument, const std::string & path);

template <typename TImage>
void
WriteImage(const TImage * image, const std::string & path, bool compress = false);

/** Writes labels in the voxel type they were read in. */
template <unsigned int VDimension>
void
WriteLabels(const LabelImage<VDimension> * image, ComponentEnum component, const std::string & path);

/** Throws BadInput if ITK cannot write an image of this name. */
void
CheckImageName(const std::string & argument, const std::string & path);
} // namespace gdreg

#endif
