// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSolverChecks_h
#define itkEngineSolverChecks_h

#include "../Core/Error.h"

#include <chrono>
#include <cmath>

namespace itk
{
namespace engine
{
// What every solver asks of its arguments. All throw an Error that names the argument and its value.

inline void
RequirePositive(double value, const char * name, bool zeroAllowed = false)
{
  if (!(zeroAllowed ? value >= 0.0 : value > 0.0) || !std::isfinite(value))
  {
    ThrowError(name, " is ", value, ": a number ", zeroAllowed ? ">= 0" : "> 0", " is needed");
  }
}

inline void
RequireMinimumJacobian(double value)
{
  if (!(value < 1.0))
  {
    ThrowError("minimum Jacobian is ", value, ": it must be below 1, the identity's");
  }
}

inline void
RequireFiniteMap(const double (&affine)[3][4])
{
  for (const auto & row : affine)
  {
    for (const double value : row)
    {
      if (!std::isfinite(value))
      {
        ThrowError("the map from the fixed to the moving image holds ", value);
      }
    }
  }
}

inline double
SecondsSince(std::chrono::steady_clock::time_point start)
{
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
} // namespace engine
} // namespace itk

#endif
