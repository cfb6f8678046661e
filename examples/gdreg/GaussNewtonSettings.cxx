// SPDX-License-Identifier: Apache-2.0
#include "GaussNewtonSettings.h"

#include "SettingsText.h"

#include <filesystem>

namespace gdreg
{
void
GaussNewtonSettings::Interpret(const bool isGaussNewton)
{
  const GaussNewtonSettings defaults;
  const auto                only = [isGaussNewton](const std::string & argument, const bool isSet) {
    if (!isGaussNewton && isSet)
    {
      throw BadInput(argument, "belongs to --solver gauss-newton");
    }
  };
  only("--regularization", regularizationName != defaults.regularizationName);
  only("--beta", beta != defaults.beta);
  only("--beta-div", betaDiv != defaults.betaDiv);
  only("--initial-beta", initialBeta != defaults.initialBeta);
  only("--time-steps", timeSteps != defaults.timeSteps);
  only("--segments", segments != defaults.segments);
  only("--gradient-reduction", gradientReduction != defaults.gradientReduction);
  only("--forcing", forcingName != defaults.forcingName);
  only("--krylov-iterations", krylovIterations != defaults.krylovIterations);
  only("--transport", transportName != defaults.transportName);
  only("--preconditioner", preconditionerName != defaults.preconditionerName);
  only("--padding", paddingText != defaults.paddingText);
  only("--velocity", !velocity.empty());

  using Solver = itk::GPUGaussNewtonDiffeomorphicSolver;
  using NormEnum = Solver::NormEnum;
  norm = Choose<NormEnum>("--regularization",
                          regularizationName,
                          { { "l2", NormEnum::L2 },
                            { "h1", NormEnum::H1 },
                            { "h2", NormEnum::H2 },
                            { "h3", NormEnum::H3 },
                            { "h1-seminorm", NormEnum::H1Seminorm },
                            { "h2-seminorm", NormEnum::H2Seminorm },
                            { "h3-seminorm", NormEnum::H3Seminorm },
                            { "h1s", NormEnum::H1Seminorm },
                            { "h2s", NormEnum::H2Seminorm },
                            { "h3s", NormEnum::H3Seminorm } });
  using TransportEnum = Solver::TransportEnum;
  transport = Choose<TransportEnum>(
    "--transport", transportName, { { "map", TransportEnum::Map }, { "image", TransportEnum::Image } });
  using PreconditionerEnum = Solver::PreconditionerEnum;
  preconditioner = Choose<PreconditionerEnum>("--preconditioner",
                                              preconditionerName,
                                              { { "auto", PreconditionerEnum::Automatic },
                                                { "inverse-regularization", PreconditionerEnum::InverseRegularization },
                                                { "zero-velocity", PreconditionerEnum::ZeroVelocity } });
  forcing = Solver::ForcingEnum::Constant;
  if (forcingName == "superlinear" || forcingName == "quadratic")
  {
    forcing = forcingName == "quadratic" ? Solver::ForcingEnum::Quadratic : Solver::ForcingEnum::Superlinear;
  }
  else
  {
    char * end = nullptr;
    krylovTolerance = std::strtod(forcingName.c_str(), &end);
    if (forcingName.empty() || *end != '\0')
    {
      throw BadInput("--forcing", "unknown '" + forcingName + "'; there are: quadratic, superlinear, and numbers");
    }
    CheckRange("--forcing", krylovTolerance, 1e-6, 0.9);
  }
  padding = paddingText == "auto"   ? -1
            : paddingText == "none" ? 0
                                    : static_cast<int>(ParseCount("--padding", paddingText, 0, 10000));
  CheckRange("--beta", beta, 1e-12, 1e6);
  CheckRange("--beta-div", betaDiv, 0.0, 1e6);
  CheckRange("--initial-beta", initialBeta, 0.0, 1e6);
  CheckRange("--time-steps", timeSteps, 1, 64);
  CheckRange("--segments", segments, 1, 16);
  CheckRange("--gradient-reduction", gradientReduction, 1e-6, 1.0);
  CheckRange("--krylov-iterations", krylovIterations, 1, 1000);
}

std::vector<std::pair<std::string, std::string>>
GaussNewtonSettings::Describe() const
{
  return { { "regularization", regularizationName },
           { "beta", NumberText(beta) },
           { "beta-div", NumberText(betaDiv) },
           { "initial-beta", initialBeta > 0.0 ? NumberText(initialBeta) : "" },
           { "time-steps", std::to_string(timeSteps) },
           { "segments", std::to_string(segments) },
           { "gradient-reduction", NumberText(gradientReduction) },
           { "forcing", forcingName },
           { "krylov-iterations", std::to_string(krylovIterations) },
           { "transport", transportName },
           { "preconditioner", preconditionerName },
           { "padding", paddingText } };
}

itk::GPUGaussNewtonDiffeomorphicSolver::Pointer
GaussNewtonSettings::MakeSolver() const
{
  const auto solver = itk::GPUGaussNewtonDiffeomorphicSolver::New();
  solver->SetNorm(norm);
  solver->SetRegularizationWeight(beta);
  solver->SetDivergenceWeight(betaDiv);
  solver->SetInitialRegularizationWeight(initialBeta);
  solver->SetNumberOfTimeSteps(timeSteps);
  solver->SetNumberOfSegments(segments);
  solver->SetGradientReduction(gradientReduction);
  solver->SetForcing(forcing);
  solver->SetKrylovTolerance(krylovTolerance);
  solver->SetMaximumNumberOfKrylovIterations(krylovIterations);
  solver->SetTransport(transport);
  solver->SetPreconditioner(preconditioner);
  solver->SetPadding(padding);
  solver->SetComputeVelocity(!velocity.empty());
  return solver;
}

std::vector<std::string>
GaussNewtonSettings::VelocityPaths() const
{
  std::vector<std::string> paths;
  for (int segment = 0; !velocity.empty() && segment < segments; ++segment)
  {
    // .nii.gz has two endings
    std::filesystem::path path(velocity);
    std::string           ending = path.extension().string();
    path.replace_extension();
    if (ending == ".gz")
    {
      ending = path.extension().string() + ending;
      path.replace_extension();
    }
    paths.push_back(segments == 1 ? velocity : path.string() + "_" + std::to_string(segment + 1) + ending);
  }
  return paths;
}
} // namespace gdreg
