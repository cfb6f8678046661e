// SPDX-License-Identifier: Apache-2.0
#ifndef LinearStarts_h
#define LinearStarts_h

#include "itkAffineTransform.h"
#include "itkImage.h"

#include <string>
#include <vector>

namespace gdreg
{
template <unsigned int VDimension>
struct Start
{
  std::string                                                name;
  typename itk::AffineTransform<double, VDimension>::Pointer transform;
};

/** A copy with at most about `cells` cubic cells along the longest side, averaged, its intensities cut to their
 * 0.5 .. 99.5 % range (inside the mask if there is one): a few hot voxels would take most of a histogram's bins. */
template <unsigned int VDimension>
typename itk::Image<float, VDimension>::Pointer
MakeWorkingCopy(const itk::Image<float, VDimension> * image, const itk::Image<unsigned char, VDimension> * mask,
                double cells);

/** Where the object is: the centre of the mask, else of the voxels brighter than Otsu's threshold. */
template <unsigned int VDimension>
itk::Point<double, VDimension>
CenterOfMass(const itk::Image<float, VDimension> * image, const itk::Image<unsigned char, VDimension> * mask);

/** Maps from fixed to moving points worth trying: centres of mass aligned, image centres aligned, headers as they
 * are; and, if rotations are allowed, small rotations about the fixed centre before each of them. */
template <unsigned int VDimension>
std::vector<Start<VDimension>>
ListStarts(const itk::Image<float, VDimension> * fixed, const itk::Image<float, VDimension> * moving,
           const itk::Image<unsigned char, VDimension> * fixedMask,
           const itk::Image<unsigned char, VDimension> * movingMask, bool mayRotate);
} // namespace gdreg

#endif
