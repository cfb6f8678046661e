// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMidpointGradient_h
#define itkEngineMidpointGradient_h

#include "../Core/Dispatch.h"
#include "../Math/MidpointGradient.h"

namespace itk
{
namespace engine
{
struct MidpointGradientParameters
{
  /** Column d, in voxels: half the step along which the difference d is taken. */
  double halfStep[3][3] = { { 0.5, 0, 0 }, { 0, 0.5, 0 }, { 0, 0, 0.5 } };
  Matrix3 matrix;        ///< from differences to the components of the result
  int     dimension = 3; ///< differences taken; the others are 0
  float   scale = 1.0f;
};

/** gradient(x) = scale slope(x) matrix g(x), g_d(x) = I(x + h_d) - I(x - h_d), h_d column d of halfStep.
 *
 * I is the linear interpolant, the edge value within ITK's half-voxel rim; g_d is 0 where either end lies outside of
 * -0.5 <= p < size - 0.5. This is itk::CentralDifferenceImageFunction at grid points, whose steps go half a spacing along the
 * physical axes, and so what ITK's metrics multiply with at the mid-point of a symmetric registration.
 *
 * \param image    scalar: I; or with 3 components: g itself, from elsewhere.
 * \param slope    derivative of the metric to the intensity, like the image, float or double; NaN and infinities show.
 * \param gradient 3 components.
 * float32 differences. Deterministic. No workspace. `gradient` must not be the image. */
template <typename TSlope>
void
MidpointGradient(const Device &                     device,
                 const MidpointGradientParameters & parameters,
                 const ConstField &                 image,
                 const TSlope *                     slope,
                 const Field &                      gradient);

#define ITK_ENGINE_DECLARE_MIDPOINT(TSlope)                                  \
  ITK_ENGINE_DECLARE(void MidpointGradient(const Device &          device,   \
                                           const MidpointStencil & stencil,  \
                                           const ConstField &      image,    \
                                           const TSlope *          slope,    \
                                           const Field &           gradient))
ITK_ENGINE_DECLARE_MIDPOINT(float)
ITK_ENGINE_DECLARE_MIDPOINT(double)
#undef ITK_ENGINE_DECLARE_MIDPOINT
} // namespace engine
} // namespace itk

#endif
