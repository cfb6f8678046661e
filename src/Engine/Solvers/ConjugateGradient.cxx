// SPDX-License-Identifier: Apache-2.0
#include "ConjugateGradient.h"

#include "../Operators/Arithmetic.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
namespace
{
struct Products
{
  double product;
  double square;
};

Products
InnerProducts(const Device & device, const ConstField & a, const ConstField & b, double * scalars)
{
  InnerProduct(device, a, b, scalars);
  double values[2];
  device.CopyToHost(values, scalars, sizeof(values));
  return Products{ values[0], values[1] };
}

/** y <- y + a x, or x + a y. */
void
AddTo(const Device & device, double a, const ConstField & x, const Field & y)
{
  LinearCombination(device, 1.0f, y, static_cast<float>(a), x, y);
}
void
Advance(const Device & device, const ConstField & x, double a, const Field & y)
{
  LinearCombination(device, static_cast<float>(a), y, 1.0f, x, y);
}

std::size_t
BytesOf(const Field & field)
{
  return sizeof(float) * static_cast<std::size_t>(field.NumberOfValues());
}
} // namespace

ConjugateGradientResult
SolveByConjugateGradients(const Device &                      device,
                          const ConjugateGradientParameters & parameters,
                          const ConjugateGradientOperators &  operators,
                          const ConjugateGradientFields &     fields)
{
  const Field &           x = fields.solution;
  const Field &           r = fields.residual;
  const Field &           p = fields.direction;
  const Field &           q = fields.product;
  const Field &           z = fields.conditioned;
  ConjugateGradientResult result;
  device.SetZero(x.data, BytesOf(x));

  operators.precondition(r, p);
  if (operators.regularize)
  {
    operators.regularize(p, fields.regularized);
  }
  else
  {
    device.Copy(fields.regularized.data, r.data, BytesOf(r));
  }
  const Products start = InnerProducts(device, r, p, fields.scalars);
  double         rz = start.product;
  if (!(start.square > 0.0) || !(rz > 0.0))
  {
    result.relativeResidual = 0.0;
    return result;
  }
  while (result.iterations < parameters.maximumIterations)
  {
    operators.data(p, q);
    AddTo(device, 1.0, fields.regularized, q);
    const double curvature = InnerProducts(device, p, q, fields.scalars).product;
    ++result.iterations;
    if (!(curvature > 0.0) || !std::isfinite(curvature))
    {
      break;
    }
    const double alpha = rz / curvature;
    result.decrease += alpha * rz; // r_0.p = r.p = r.z, as r - r_0 is conjugate to p
    AddTo(device, alpha, p, x);
    AddTo(device, -alpha, q, r);
    // q still holds H p, by which the residual has changed.
    operators.precondition(r, z);
    const double next = InnerProducts(device, r, z, fields.scalars).product;
    result.relativeResidual = std::sqrt(std::max(0.0, next) / start.product);
    if (result.relativeResidual <= parameters.relativeTolerance || result.iterations == parameters.maximumIterations)
    {
      break;
    }
    double beta = next / rz;
    if (operators.isFlexible)
    {
      beta = -alpha * InnerProducts(device, q, z, fields.scalars).product / rz;
    }
    if (!(next > 0.0) || !std::isfinite(beta))
    {
      break;
    }
    rz = next;
    Advance(device, z, beta, p);
    if (operators.regularize)
    {
      operators.regularize(z, q);
    }
    Advance(device, operators.regularize ? q : r, beta, fields.regularized);
  }
  return result;
}
} // namespace engine
} // namespace itk
