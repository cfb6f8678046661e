// SPDX-License-Identifier: Apache-2.0
#ifndef GaussNewtonSettings_h
#define GaussNewtonSettings_h

#include "itkGPUGaussNewtonDiffeomorphicSolver.h"

#include <string>
#include <utility>
#include <vector>

namespace gdreg
{
/** The options of `gdreg register` that only --solver gauss-newton has: as they were typed, and what they mean. */
struct GaussNewtonSettings
{
  std::string regularizationName{ "h1-seminorm" };
  std::string forcingName{ "superlinear" };
  std::string transportName{ "map" };
  std::string preconditionerName{ "auto" };
  std::string paddingText{ "auto" };
  std::string velocity; ///< file to write; empty: none
  double      beta{ 5e-4 };
  double      betaDiv{ 1e-4 };
  double      initialBeta{ 0.0 };
  double      gradientReduction{ 5e-2 };
  int         timeSteps{ 4 };
  int         segments{ 1 };
  int         krylovIterations{ 50 };

  itk::GPUGaussNewtonDiffeomorphicSolver::NormEnum           norm{};
  itk::GPUGaussNewtonDiffeomorphicSolver::ForcingEnum        forcing{};
  itk::GPUGaussNewtonDiffeomorphicSolver::TransportEnum      transport{};
  itk::GPUGaussNewtonDiffeomorphicSolver::PreconditionerEnum preconditioner{};

  double krylovTolerance{ 0.1 };
  int    padding{ -1 };

  /** Fills the last part from the rest. Throws BadInput; if another solver is to run, for every option that is set. */
  void
  Interpret(bool isGaussNewton);

  /** Option and value, as RegisterSettings::Describe. */
  std::vector<std::pair<std::string, std::string>>
  Describe() const;

  itk::GPUGaussNewtonDiffeomorphicSolver::Pointer
  MakeSolver() const;

  /** The file of each segment's velocity: with several a number stands before the ending. */
  std::vector<std::string>
  VelocityPaths() const;
};
} // namespace gdreg

#endif
