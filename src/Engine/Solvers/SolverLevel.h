// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSolverLevel_h
#define itkEngineSolverLevel_h

#include "PyramidLevel.h"

#include <vector>

namespace itk
{
namespace engine
{
// What the solvers have in common: a level's settings, what an observer is told, and what is reported of a level.

struct SolverLevel : PyramidLevel
{
  int iterations = 50;
};

/** See GPUDiffeomorphicEngine::Progress. */
struct SolverProgress
{
  unsigned int level = 0;
  unsigned int iteration = 0;
  unsigned int iterationsOfLevel = 0;
  double       metricValue = 0.0;
  double       convergenceValue = 0.0;
  bool         startsLevel = false;
};

struct SolverLevelReport
{
  Lattice             lattice;
  std::vector<double> metricValues;
  double              seconds = 0.0;
  bool                converged = false;
};
} // namespace engine
} // namespace itk

#endif
