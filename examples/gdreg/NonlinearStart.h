// SPDX-License-Identifier: Apache-2.0
#ifndef NonlinearStart_h
#define NonlinearStart_h

#include "TransformIO.h"

namespace gdreg
{
/** The moving image as a map from fixed to moving points shows it. */
template <unsigned int VDimension>
struct WarpedMoving
{
  typename ScalarImage<VDimension>::Pointer image; ///< on the fixed grid
  typename MaskImage<VDimension>::Pointer
    mask; ///< where the map leads into the moving image and its mask; null: everywhere
};

/** A registration that starts from a map that is not linear finds what comes before it: the stages get the moving image
 * as the map shows it. Throws BadInput naming --initial-transform if nothing is seen. */
template <unsigned int VDimension>
WarpedMoving<VDimension>
WarpMovingThrough(const PointMap<VDimension> & start, const ScalarImage<VDimension> * moving,
                  const MaskImage<VDimension> * movingMask, const ScalarImage<VDimension> * fixed,
                  const std::string & device);

/** start(linear(x + u(x))) as a displacement field of the fixed grid, and its inverse. `field` may be null. */
template <unsigned int VDimension>
struct JoinedMap
{
  typename FieldImage<VDimension>::Pointer field;
  InverseOfField<VDimension>               inverse;
};

template <unsigned int VDimension>
JoinedMap<VDimension>
JoinWithStart(const PointMap<VDimension> & start, const itk::AffineTransform<double, VDimension> * linear,
              const FieldImage<VDimension> * field, const itk::ImageBase<VDimension> * fixed,
              const std::string & device);
} // namespace gdreg

#endif
