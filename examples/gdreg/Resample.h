// SPDX-License-Identifier: Apache-2.0
#ifndef Resample_h
#define Resample_h

#include "ImageIO.h"

#include "itkAffineTransform.h"
#include "itkGPUDiffeomorphicEngine.h"

namespace gdreg
{
using InterpolationEnum = itk::GPUDiffeomorphicEngine::InterpolationEnum;

/** image(linear(x + u(x))) on a grid, on a device. `linear` may be null (identity), `field` too (zero); the field is on
 * the grid. Points outside the image get `outsideValue`. */
template <unsigned int VDimension>
typename ScalarImage<VDimension>::Pointer
Warp(const std::string & device, const ScalarImage<VDimension> * image,
     const itk::AffineTransform<double, VDimension> * linear, const FieldImage<VDimension> * field,
     const itk::ImageBase<VDimension> * grid, InterpolationEnum interpolation, float outsideValue);

/** 0, or the smallest intensity where that is negative (air in CT). */
template <unsigned int VDimension>
float
BackgroundOf(const ScalarImage<VDimension> * image);

/** Normalised cross-correlation of two images on one grid, inside the mask if there is one. */
template <unsigned int VDimension>
double
Correlation(const ScalarImage<VDimension> * a, const ScalarImage<VDimension> * b, const MaskImage<VDimension> * mask);

/** det(1 + du/dx) at each point of a field. */
template <unsigned int VDimension>
typename ScalarImage<VDimension>::Pointer
JacobianDeterminant(const std::string & device, const FieldImage<VDimension> * field);

/** linear(x + u(x)) - x on the grid of u; `field` is null for zero. */
template <unsigned int VDimension>
typename FieldImage<VDimension>::Pointer
TotalField(const FieldImage<VDimension> * field, const itk::AffineTransform<double, VDimension> * linear,
           const itk::ImageBase<VDimension> * grid);

/** The share of the fixed image (inside its mask) that a linear map takes into the moving image (inside its mask). */
template <unsigned int VDimension>
double
Overlap(const itk::ImageBase<VDimension> * fixed, const itk::ImageBase<VDimension> * moving,
        const MaskImage<VDimension> * fixedMask, const MaskImage<VDimension> * movingMask,
        const itk::AffineTransform<double, VDimension> * linear);
} // namespace gdreg

#endif
