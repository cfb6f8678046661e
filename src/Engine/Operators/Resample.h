// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineResample_h
#define itkEngineResample_h

#include "../Core/Dispatch.h"
#include "../Math/Affine.h"

namespace itk
{
namespace engine
{
enum class Interpolation
{
  Nearest,     ///< ties go to the higher index, as itk::Math::RoundHalfIntegerUp
  Linear,      ///< multilinear
  CubicBSpline ///< the `moving` argument holds B-spline coefficients, see BSplineCoefficients
};

enum class Outside
{
  Value, ///< outsideValue where the position is not inside the buffer
  Clamp  ///< the value at the nearest edge
};

struct ResampleParameters
{
  AffineMap     affine;             ///< output index -> moving index
  Matrix3       displacementMatrix; ///< turns the displacement (output voxels) into moving voxels
  Interpolation interpolation = Interpolation::Linear;
  Outside       outside = Outside::Value;
  float         outsideValue = 0.0f;
  bool          accumulate = false; ///< output += the samples, outsideValue included, instead of =
};

/** Samples an image through an affine map and a displacement field in one pass: output(x) = I(A x + B u(x)).
 *
 * \param moving       image I on its own lattice, any number of components; for CubicBSpline its coefficients.
 * \param displacement u, 3 components on the output lattice, in output voxels; absent: u = 0.
 * \param output       as many components as `moving`; may be absent when only `inside` or `gradient` is wanted.
 * \param gradient     optional, 3 components: dI/dp at the sampled position p, in intensity per moving voxel, exact
 *                     for the interpolant (0 along axes where the position is clamped, 0 outside for Outside::Value,
 *                     0 for Nearest). `moving` must be scalar.
 * \param movingMask   optional, on the moving lattice.
 * \param inside       optional: 1 where p is inside the buffer and, with a mask, the nearest mask voxel is not 0.
 *
 * Inside the buffer means ITK's half-voxel rim, -0.5 <= p < size - 0.5 along each axis; within the rim and with
 * Outside::Clamp the nearest edge is taken.
 * B-spline: mirrored coefficients within the rim for Outside::Value, the position clamped to [0, size - 1] for
 * Outside::Clamp. `gradient` and `inside` are never accumulated. The two lattices need not be alike; a batch is a loop
 * over calls, which may share `moving` or `displacement`. Deterministic. No workspace. `output` must not alias an
 * input. */
ITK_ENGINE_DECLARE(void Resample(const Device &             device,
                                 const ResampleParameters & parameters,
                                 const ConstField &         moving,
                                 const ConstField &         displacement,
                                 const Field &              output,
                                 const Field &              gradient,
                                 const ConstMask &          movingMask,
                                 const Mask &               inside))

void
Resample(const Device &             device,
         const ResampleParameters & parameters,
         const ConstField &         moving,
         const ConstField &         displacement,
         const Field &              output,
         const Field &              gradient = Field(),
         const ConstMask &          movingMask = ConstMask(),
         const Mask &               inside = Mask());

/** Cubic B-spline coefficients of an image, by the recursive prefilter along each axis (mirror boundaries), so that
 * the interpolant passes through the samples; an axis of one voxel is left alone.
 * Unser, Aldroubi, Eden: B-spline signal processing, IEEE Trans. Signal Processing 41 (1993). In place is allowed.
 * Deterministic; float32 storage, float64 recursion. */
ITK_ENGINE_DECLARE(void BSplineCoefficients(const Device & device, const ConstField & image, const Field & coefficients))

void
BSplineCoefficients(const Device & device, const ConstField & image, const Field & coefficients);
} // namespace engine
} // namespace itk

#endif
