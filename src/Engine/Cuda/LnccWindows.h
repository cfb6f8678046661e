// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaLnccWindows_h
#define itkEngineCudaLnccWindows_h

#include "../Math/Lncc.h"
#include "../Operators/Lncc.h"

#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// What all ways of summing windows share. Included by Lncc.cu alone.
namespace
{
/** What the sums are of. The last is there with a mask only, or for Gaussian windows; without it the count follows
 * from the position. */
enum Moment
{
  MomentF,
  MomentM,
  MomentFF,
  MomentMM,
  MomentFM,
  MomentCount,
  MaximumMoments
};

__host__ __device__ constexpr int
NumberOfMoments(bool masked)
{
  return masked ? 6 : 5;
}

template <typename TPixel>
struct ImagesOf
{
  const TPixel *        fixed;
  const TPixel *        warped;
  const unsigned char * valid; ///< null: all
  float                 fixedShift;
  float                 movingShift;
};
using Images = ImagesOf<float>;

/** Planes of the adjoint's coefficients. They are not always neighbours: the gradients' memory holds them while it
 * waits. */
struct Coefficients
{
  float * a; ///< null: none wanted
  float * b;
  float * c;
  float * fixedB; ///< null: no gradient to the fixed image wanted
  float * fixedA;
};

/** Order of their sums: A, B, C for the moving image, and from the other end A', B', C for the fixed one. */
constexpr int NumberOfCoefficients = 3;
constexpr int NumberOfCoefficientsForBoth = 5;

/** How a window knows what part of it counts. */
enum class Counting
{
  ByPosition, ///< the part inside the image
  Counted,    ///< the sixth moment is the weight of what counts
  CountedOut  ///< the sixth moment is the weight of what does not, for padding
};

/** What the moments of a window are divided by. */
struct WindowWeight
{
  int   radius[3];
  float whole;         ///< weight of a window inside the image
  float inverse;       ///< 1 / whole
  bool  padded;
  float varianceFloor;
  float fixedShift;
  float movingShift;
};

/** What the sums of a window's moments amount to. */
template <Counting counting, int moments>
__device__ __forceinline__ LnccWindow
EvaluateWindow(const float (&sum)[moments], float windowCount, const WindowWeight & weight, bool padded)
{
  const float inverse = padded || windowCount == weight.whole ? weight.inverse : Quotient(1.0f, windowCount);
  LnccMoments window =
    TakeLnccMoments(sum[MomentF], sum[MomentM], sum[MomentFF], sum[MomentMM], sum[MomentFM], inverse);
  if (padded)
  {
    // none in most warps
    const float padding = counting == Counting::CountedOut ? windowCount : weight.whole - windowCount;
    if (padding != 0.0f)
    {
      AddLnccPadding(window, padding * inverse, weight.fixedShift, weight.movingShift);
    }
  }
  return EvaluateLnccWindow(window, inverse, weight.varianceFloor);
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
