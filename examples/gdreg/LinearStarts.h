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

/** A copy with at most about `cells` cubic cells along the longest side, averaged. */
template <unsigned int VDimension>
typename itk::Image<float, VDimension>::Pointer
Coarsen(const itk::Image<float, VDimension> * image, double cells);

/** The same with the intensities cut to the 0.5 .. 99.5 % range of the image (inside the mask if there is one): a few
 * hot voxels would take most of a histogram's bins. */
template <unsigned int VDimension>
typename itk::Image<float, VDimension>::Pointer
MakeWorkingCopy(const itk::Image<float, VDimension> * image, const itk::Image<unsigned char, VDimension> * mask,
                double cells);

/** Where the object is: the centre of the mask, else of the voxels brighter than Otsu's threshold. */
template <unsigned int VDimension>
itk::Point<double, VDimension>
CenterOfMass(const itk::Image<float, VDimension> * image, const itk::Image<unsigned char, VDimension> * mask);

/** Maps from fixed to moving points worth trying: centres of mass aligned, image centres aligned, headers as they are.
 * If rotations are allowed, centres of mass aligned also with all rotations that take the principal axes of one object
 * to those of the other: the directions of the axes have no sign, and axes of nearly one length no order. Each of these
 * as it is, and after rotations about the fixed centre by 15 and 30 (2D: 20 and 40) degrees. */
template <unsigned int VDimension>
std::vector<Start<VDimension>>
ListStarts(const itk::Image<float, VDimension> * fixed, const itk::Image<float, VDimension> * moving,
           const itk::Image<unsigned char, VDimension> * fixedMask,
           const itk::Image<unsigned char, VDimension> * movingMask, bool mayRotate);
} // namespace gdreg

#endif
