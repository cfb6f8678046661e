// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineLnccRows_h
#define itkEngineLnccRows_h

#include "../Operators/Lncc.h"

#include <vector>

namespace itk
{
namespace engine
{
namespace cpu
{
// The steps of LNCC on one row, shared by box and Gaussian windows. Fields lie `stride` apart.

/** Sums that a window needs: F, M, FF, MM, FM, and with a mask the weight of what counts. */
constexpr int NumberOfMoments = 5;
/** Adjoint coefficients: A, B, C for the gradient to M, and A', B' when the one to F is wanted too. */
constexpr int NumberOfCoefficients = 3;
constexpr int NumberOfCoefficientsForBoth = 5;

/** One component of the images, and which voxels count (null: all). */
struct LnccImages
{
  const float *         fixed;
  const float *         warped;
  const unsigned char * valid;
  float                 fixedShift;
  float                 movingShift;

  LnccImages
  At(std::int64_t offset) const
  {
    return LnccImages{ fixed + offset, warped + offset, valid ? valid + offset : nullptr, fixedShift, movingShift };
  }
};

/** Products of a row, added to (sign 1) or taken from (sign -1) the sums; with a mask also its number of voxels. */
void
AccumulateProducts(const LnccImages & row, float sign, float * sums, std::int64_t stride, int count);

/** The row that enters and the row that leaves the window at once, without a mask. */
void
ExchangeProducts(const LnccImages & row, const LnccImages & old, float * sums, std::int64_t stride, int count);

/** What the moments of a row of windows are divided by, and which part of each window is padding. */
class LnccWindowWeights
{
public:
  LnccWindowWeights(const LnccParameters & parameters, const Lattice & lattice);

  /** Weight of the window around (x, y, z) that lies inside the image, relative to the whole, is the product of three. */
  struct Row
  {
    std::vector<float> inverse; ///< 1 / weight
    std::vector<float> padding; ///< empty with truncated windows
    double             factor = -1.0;
  };
  Row
  MakeRow() const;
  /** Without a mask. */
  void
  Set(int y, int z, Row & row) const;
  /** With a mask: `counted` is the weight of what counts, or for Gaussian windows with zero padding of what does not. */
  void
  Set(int y, int z, const float * counted, Row & row) const;

private:
  bool                m_Gaussian;
  bool                m_Padded;
  double              m_Whole;         ///< weight of a window inside the image
  float               m_CenterWeight;  ///< no window that counts weighs less
  std::vector<double> m_Inside[3];     ///< part of the weight inside, along each axis
};

/** Correlations of a row of windows, and unless `coefficients` is null the coefficients (A', B' if `both`). */
void
EvaluateWindows(const LnccParameters &         parameters,
                const float *                  sums,
                std::int64_t                   sumStride,
                const LnccWindowWeights::Row & weights,
                bool                           both,
                float *                        coefficients,
                std::int64_t                   stride,
                float *                        correlations,
                int                            count);

/** Zeros correlations and coefficients of centres that do not count. Returns the number of those that do. */
int
ClearInvalid(const unsigned char * valid, int fields, float * coefficients, std::int64_t stride, float * correlations, int count);

/** slope = -scale (a + 2 value b + other c), the derivative to the image that holds `value`; 0 where not valid. */
void
GradientRow(const LnccImages & row, bool toFixed, float scale, const float * a, const float * b, const float * c, float * slope, int count);
} // namespace cpu
} // namespace engine
} // namespace itk

#endif
