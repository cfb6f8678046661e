// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineRefineInverseMath_h
#define itkEngineRefineInverseMath_h

#include "Jacobian.h"

#include <cmath>

namespace itk
{
namespace engine
{
/** d with (1 + g) d = e; false if the determinant of 1 + g is not clearly positive. */
ITK_ENGINE_HOST_DEVICE bool
SolveNewtonStep(const float (&g)[3][3], const float (&e)[3], float (&d)[3])
{
  float j[3][3];
  for (int i = 0; i < 3; ++i)
  {
    for (int k = 0; k < 3; ++k)
    {
      j[i][k] = g[i][k] + (i == k ? 1.0f : 0.0f);
    }
  }
  // Cramer's rule: the columns' cross products are the rows of the adjugate
  const float a[3] = { j[0][0], j[1][0], j[2][0] };
  const float b[3] = { j[0][1], j[1][1], j[2][1] };
  const float c[3] = { j[0][2], j[1][2], j[2][2] };
  const float bc[3] = { b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0] };
  const float ca[3] = { c[1] * a[2] - c[2] * a[1], c[2] * a[0] - c[0] * a[2], c[0] * a[1] - c[1] * a[0] };
  const float ab[3] = { a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0] };
  const float determinant = a[0] * bc[0] + a[1] * bc[1] + a[2] * bc[2];
  if (!(determinant > 1e-3f))
  {
    return false;
  }
  const float inverse = 1.0f / determinant;
  d[0] = (bc[0] * e[0] + bc[1] * e[1] + bc[2] * e[2]) * inverse;
  d[1] = (ca[0] * e[0] + ca[1] * e[1] + ca[2] * e[2]) * inverse;
  d[2] = (ab[0] * e[0] + ab[1] * e[1] + ab[2] * e[2]) * inverse;
  return true;
}

/** e(v) = v + u(x + v) at one voxel, and the gradient of u there. */
struct InverseError
{
  float e[3];
  float g[3][3];

  /** Gives |e|^2. */
  template <typename TSample>
  ITK_ENGINE_HOST_DEVICE float
  Evaluate(const TSample & sample, const float (&v)[3])
  {
    float u[3];
    float square = 0.0f;
    sample(v, u, g);
    for (int c = 0; c < 3; ++c)
    {
      e[c] = v[c] + u[c];
      square += e[c] * e[c];
    }
    return square;
  }
};

/** Newton's flow dv/dt = -(1 + grad u)^-1 e from cell to cell: a step ends at the first face of the grid's cells that it
 * meets, behind which the next cell's gradient takes over. |e| may grow by the errors of the steps: v becomes the best.
 *
 * \param square |e|^2 of v, then of the result. */
template <typename TSample>
ITK_ENGINE_HOST_DEVICE void
WalkToInverse(const TSample & sample, float tolerance, int maximumCells, float (&v)[3], float & square)
{
  // beyond the face, so that the next sample is the next cell's
  constexpr float overstep = 1e-4f;
  float           walker[3] = { v[0], v[1], v[2] };
  for (int cell = 0; cell <= maximumCells && square > tolerance * tolerance; ++cell)
  {
    InverseError error;
    const float  reached = error.Evaluate(sample, walker);
    if (reached < square)
    {
      square = reached;
      v[0] = walker[0];
      v[1] = walker[1];
      v[2] = walker[2];
    }
    float d[3];
    if (!SolveNewtonStep(error.g, error.e, d))
    {
      return;
    }
    float end[3]; // of the cell, in steps
    float step = 1.0f;
    for (int c = 0; c < 3; ++c)
    {
      const float lower = std::floor(walker[c]);
      end[c] = d[c] != 0.0f ? (walker[c] - (d[c] < 0.0f ? lower + 1.0f : lower)) / d[c] : 1.0f;
      step = end[c] < step ? end[c] : step;
    }
    for (int c = 0; c < 3; ++c)
    {
      const bool isFace = end[c] <= step && step < 1.0f;
      walker[c] -= step * d[c] + (isFace ? (d[c] < 0.0f ? -overstep : overstep) : 0.0f);
    }
  }
}

/** Newton's method for one voxel (see Operators/RefineInverse.h); gives |e| of the v that it leaves.
 *
 * \param sample called as sample(v, u, g): u(x + v) and its gradient, g[component][axis]. */
template <typename TSample>
ITK_ENGINE_HOST_DEVICE float
RefineInverseAt(const TSample & sample, float tolerance, int maximumIterations, int maximumCells, float (&v)[3])
{
  constexpr float longestStep = 2.0f;
  constexpr int   halvings = 3;
  InverseError    error;
  float           square = error.Evaluate(sample, v);
  for (int iteration = 0; iteration < maximumIterations && square > tolerance * tolerance; ++iteration)
  {
    float       d[3] = { 0.0f, 0.0f, 0.0f };
    const bool  isNewton = SolveNewtonStep(error.g, error.e, d);
    const float half[3] = { 0.5f * error.e[0], 0.5f * error.e[1], 0.5f * error.e[2] };
    float       step = 1.0f;
    if (isNewton)
    {
      const float length = std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
      step = length > longestStep ? longestStep / length : 1.0f;
    }
    bool isLess = false;
    // the last attempt is the relaxed fixed point's
    for (int attempt = isNewton ? 0 : halvings + 1; attempt <= halvings + 1 && !isLess; ++attempt)
    {
      const bool  isFixedPoint = attempt == halvings + 1;
      const float candidate[3] = { v[0] - (isFixedPoint ? half[0] : step * d[0]),
                                   v[1] - (isFixedPoint ? half[1] : step * d[1]),
                                   v[2] - (isFixedPoint ? half[2] : step * d[2]) };
      const float attempted = error.Evaluate(sample, candidate);
      isLess = attempted < square;
      if (isLess)
      {
        square = attempted;
        v[0] = candidate[0];
        v[1] = candidate[1];
        v[2] = candidate[2];
      }
      step *= 0.5f;
    }
    if (!isLess)
    {
      break;
    }
  }
  if (maximumCells > 0)
  {
    WalkToInverse(sample, tolerance, maximumCells, v, square);
  }
  return std::sqrt(square);
}
} // namespace engine
} // namespace itk

#endif
