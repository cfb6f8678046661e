// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineConjugateGradient_h
#define itkEngineConjugateGradient_h

#include "../Operators/Reductions.h"

#include <functional>

namespace itk
{
namespace engine
{
/** The parts of H = B + C, B the regularisation, which is symmetric and positive, and C >= 0 that of the images. */
struct ConjugateGradientOperators
{
  /** q = C p. */
  std::function<void(const ConstField & p, const Field & q)> data;
  /** z = M^-1 r, M the preconditioner. */
  std::function<void(const ConstField & r, const Field & z)> precondition;
  /** y = B z; absent if M is B, as then B z is r. */
  std::function<void(const ConstField & z, const Field & y)> regularize;
  /** M changes from call to call, as one that solves to a tolerance does: the direction is then made conjugate to
   * the last one by what M really did (Polak and Ribiere's rule), at the price of one more inner product. */
  bool isFlexible = false;
};

struct ConjugateGradientParameters
{
  double relativeTolerance = 0.1; ///< of |r| / |r_0|, |r|^2 = r.M^-1 r
  int    maximumIterations = 50;
};

struct ConjugateGradientResult
{
  int    iterations = 0;       ///< products with H
  double relativeResidual = 1; ///< |r| / |r_0| at the end, as of relativeTolerance
  double decrease = 0;         ///< r_0 . x, sum over the values of the fields: x.(H x) but for rounding
};

/** Memory of the method: fields of 3 components on one lattice. */
struct ConjugateGradientFields
{
  Field    solution;    ///< x
  Field    residual;    ///< r: the right side when it begins
  Field    direction;   ///< p
  Field    regularized; ///< B p
  Field    product;     ///< q; not kept between iterations
  Field    conditioned; ///< z; not kept between iterations
  double * scalars = nullptr; ///< 2 doubles of device memory
};

/** Solves H x = r by preconditioned conjugate gradients from x = 0.
 *
 * B p is carried along by the recurrence of p, B p <- B z + beta B p, so that an iteration costs one product with C and
 * one preconditioning, and with M = B, where B z = r, no product with B at all. Ends at the tolerance, after
 * maximumIterations, or where p.H p is not positive, which rounding alone can cause; x is then the last iterate.
 * Two numbers are read back twice per iteration, three times with the flexible rule. Deterministic.
 * Hestenes, Stiefel: Methods of conjugate gradients for solving linear systems, 1952; Golub, Ye: Inexact preconditioned
 * conjugate gradient method with inner-outer iteration, SIAM J. Sci. Comput. 21 (1999) for the flexible rule. */
ConjugateGradientResult
SolveByConjugateGradients(const Device &                      device,
                          const ConjugateGradientParameters & parameters,
                          const ConjugateGradientOperators &  operators,
                          const ConjugateGradientFields &     fields);
} // namespace engine
} // namespace itk

#endif
