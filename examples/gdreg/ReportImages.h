// SPDX-License-Identifier: Apache-2.0
#ifndef ReportImages_h
#define ReportImages_h

#include "ImageIO.h"

#include <array>
#include <string>
#include <vector>

namespace gdreg
{
/** A plane through the fixed image along two of its index axes, drawn with square pixels. Radiological view: the
 * patient's right is on the left of axial and coronal pictures, the front on the left of sagittal ones. */
struct Plane
{
  std::string                name;
  int                        axis[2]{ 0, 1 };         ///< index axes to the right and down
  bool                       flip[2]{ false, false }; ///< true if the index falls in that direction
  int                        through{ -1 };           ///< the third index axis, -1 in 2D
  int                        slice{ 0 };              ///< index along it
  int                        width{ 0 };              ///< pixels
  int                        height{ 0 };
  double                     pixelSize{ 1.0 }; ///< mm
  std::array<std::string, 4> letters;          ///< left, right, top, bottom
};

/** One number per pixel of a plane. */
struct Raster
{
  int                width{ 0 };
  int                height{ 0 };
  std::vector<float> values;
};

/** Axial, coronal and sagittal planes (only one in 2D) through a point. */
template <unsigned int VDimension>
std::vector<Plane>
ListPlanes(const itk::ImageBase<VDimension> * image, const itk::Point<double, VDimension> & point);

template <unsigned int VDimension>
Raster
Sample(const ScalarImage<VDimension> * image, const Plane & plane);

/** Where x + u(x) goes along the plane's axes, in mm from the plane's corner: one raster to the right, one down. */
template <unsigned int VDimension>
std::array<Raster, 2>
SampleMap(const FieldImage<VDimension> * field, const Plane & plane);

/** Intensities that become black and white. */
struct Window
{
  float low{ 0.0f };
  float high{ 1.0f };
};

/** From the 0.5 % to the 99.5 % quantile, of the mask's inside if there is one. */
template <unsigned int VDimension>
Window
FindWindow(const ScalarImage<VDimension> * image, const MaskImage<VDimension> * mask);

/** The pictures, as data URLs of PNG files. */
std::string
DrawGray(const Raster & image, const Window & window);

std::string
DrawCheckerboard(const Raster & a, const Window & windowA, const Raster & b, const Window & windowB);

/** a - b of the windowed images: equal is middle grey. */
std::string
DrawDifference(const Raster & a, const Window & windowA, const Raster & b, const Window & windowB);

/** Lines of the map every `step` mm over the darkened image. */
std::string
DrawGrid(const Raster & image, const Window & window, const std::array<Raster, 2> & map, double pixelSize, double step);

/** Blue where log det J is below 0, red above, saturated at +-range; green where det J <= 0. */
std::string
DrawLogJacobian(const Raster & determinant, double range);

/** The colour of the log-Jacobian map at a value from -1 to 1. */
std::array<unsigned char, 3>
DivergingColor(double value);
} // namespace gdreg

#endif
