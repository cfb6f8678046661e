// SPDX-License-Identifier: Apache-2.0
#ifndef PointFile_h
#define PointFile_h

#include "itkPoint.h"

#include <string>
#include <vector>

namespace gdreg
{
/** Landmarks, one per row of a file: CSV in LPS mm, its columns named by a header (x, y and z anywhere among them) or
 * x, y and z first; or 3D Slicer's .fcsv, in the coordinates that it says. */
template <unsigned int VDimension>
struct PointFile
{
  std::vector<itk::Point<double, VDimension>> points;     ///< LPS mm
  std::vector<std::string>                    otherNames; ///< of the columns that are no coordinates
  std::vector<std::vector<std::string>>       others;     ///< their fields, row by row
};

/** True for the ending of 3D Slicer's point files. */
bool
IsSlicerPointFileName(const std::string & path);

/** Throws BadInput that names the first line that is no point. */
template <unsigned int VDimension>
PointFile<VDimension>
ReadPointFile(const std::string & argument, const std::string & path);

/** Writes the kind of file that the ending of `name` says to `path`. CSV keeps all columns, .fcsv label and desc. */
template <unsigned int VDimension>
void
WritePointFile(const PointFile<VDimension> & file, const std::string & name, const std::string & path);
} // namespace gdreg

#endif
