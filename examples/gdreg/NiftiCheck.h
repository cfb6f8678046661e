// SPDX-License-Identifier: Apache-2.0
#ifndef NiftiCheck_h
#define NiftiCheck_h

#include <string>

namespace gdreg
{
/** Throws BadInput if a NIfTI-1 file (.nii, .nii.gz) is truncated, damaged or holds NaN or infinite voxels. The NIfTI
 * library that ITK reads with fills what is missing with zeros, and puts zeros where a voxel is not a number, without a
 * word to its caller. Other files are left to ITK. */
void
CheckNiftiData(const std::string & argument, const std::string & path);
} // namespace gdreg

#endif
