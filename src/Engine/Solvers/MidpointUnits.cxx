// SPDX-License-Identifier: Apache-2.0
#include "MidpointUnits.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
MidpointUnits::MidpointUnits(const SymmetricProblem & problem, const LevelGeometry & geometry)
{
  const int    dimension = problem.dimension;
  const auto & direction = problem.direction;
  double       spacing[3] = { 1, 1, 1 };
  double       largest = 0.0;
  bool         isAlongAxes = true;
  for (int i = 0; i < dimension; ++i)
  {
    spacing[i] = problem.spacing[i] * geometry.factor[i];
    largest = std::max(largest, spacing[i]);
    for (int j = 0; j < dimension; ++j)
    {
      isAlongAxes = isAlongAxes && (i == j || direction[i][j] == 0.0);
    }
  }
  for (int i = 0; i < dimension && !isAlongAxes; ++i)
  {
    isVoxelNorm = isVoxelNorm && std::abs(spacing[i] - largest) < 1e-6 * largest;
  }
  differences.dimension = filtered.dimension = dimension;
  for (int i = 0; i < dimension; ++i)
  {
    filterSigma[i] = largest / spacing[i];
    for (int j = 0; j < dimension; ++j)
    {
      toIndex.m[i][j] = static_cast<float>(direction[j][i] * spacing[j] / spacing[i]);
      fromIndex.m[i][j] = static_cast<float>(direction[i][j] * spacing[j] / spacing[i]);
      const double along = i == j ? 1.0 / (spacing[i] * spacing[i]) : 0.0;
      const double across = 1.0 / (spacing[i] * spacing[j]);
      // a difference along an axis that points down the physical one is taken upwards
      const double sign = isAlongAxes && direction[j][j] < 0.0 ? -1.0 : 1.0;
      differences.matrix.m[i][j] = static_cast<float>(sign * (isVoxelNorm ? direction[j][i] * across : along));
      filtered.matrix.m[i][j] = static_cast<float>(isVoxelNorm ? along : direction[i][j] * across);
      differences.halfStep[i][j] = isAlongAxes ? (i == j ? 0.5 : 0.0) : 0.5 * spacing[j] * direction[j][i] / spacing[i];
    }
  }
}
} // namespace engine
} // namespace itk
