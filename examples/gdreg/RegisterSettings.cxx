// SPDX-License-Identifier: Apache-2.0
#include "RegisterSettings.h"

#include "SettingsText.h"

#include "itkMultiThreaderBase.h"

namespace gdreg
{
void
RegisterSettings::Interpret()
{
  linear = Choose<LinearModelEnum>("--linear",
                                   linearName,
                                   { { "none", LinearModelEnum::None },
                                     { "translation", LinearModelEnum::Translation },
                                     { "rigid", LinearModelEnum::Rigid },
                                     { "similarity", LinearModelEnum::Similarity },
                                     { "affine", LinearModelEnum::Affine } });
  solver = Choose<SolverEnum>(
    "--solver",
    solverName,
    { { "greedy", SolverEnum::Greedy },
      { "syn", SolverEnum::Symmetric },
      { "gauss-newton", SolverEnum::GaussNewton },
      { "none", SolverEnum::None } });
  const bool isGaussNewton = solver == SolverEnum::GaussNewton;
  this->ChooseDefaults();
  gaussNewton.Interpret(isGaussNewton);
  metric = Choose<SimilarityEnum>("--metric",
                                  metricName,
                                  { { "lncc", SimilarityEnum::LocalCorrelation },
                                    { "mi", SimilarityEnum::MutualInformation },
                                    { "ssd", SimilarityEnum::MeanSquares } });
  using Engine = itk::GPUDiffeomorphicEngine;
  itkSteps = solver == SolverEnum::Symmetric && stepRuleName == "itk";
  stepRule = Choose<Engine::StepRuleEnum>("--step-rule",
                                          itkSteps ? "adam" : stepRuleName,
                                          { { "adam", Engine::StepRuleEnum::Adam },
                                            { "gradient", Engine::StepRuleEnum::NormalizedGradient },
                                            { "levenberg", Engine::StepRuleEnum::Levenberg } });
  parametrization =
    Choose<Engine::ParametrizationEnum>("--parametrization",
                                        parametrizationName,
                                        { { "compositive", Engine::ParametrizationEnum::Compositive },
                                          { "velocity", Engine::ParametrizationEnum::StationaryVelocity },
                                          { "additive", Engine::ParametrizationEnum::Additive } });

  const auto greedyOnly = [this](const std::string & argument, const bool isSet) {
    if ((solver == SolverEnum::Symmetric || solver == SolverEnum::GaussNewton) && isSet)
    {
      throw BadInput(
        argument, "--solver " + solverName + " does not take " + (argument == "--fixed" ? "several images" : "this"));
    }
  };
  const RegisterSettings defaults;
  greedyOnly("--fixed", solver == SolverEnum::Symmetric && fixedImages.size() > 1);
  greedyOnly("--step-rule", isGaussNewton && stepRuleName != defaults.stepRuleName);
  greedyOnly("--learning-rate", isGaussNewton && learningRate != defaults.learningRate);
  greedyOnly("--update-variance", isGaussNewton && updateVariance != defaults.updateVariance);
  greedyOnly("--total-variance", isGaussNewton && totalVariance != defaults.totalVariance);
  greedyOnly("--convergence", isGaussNewton && convergenceText != defaults.convergenceText);
  greedyOnly("--step-rule levenberg", stepRule == Engine::StepRuleEnum::Levenberg);
  greedyOnly("--parametrization " + parametrizationName, parametrization != Engine::ParametrizationEnum::Compositive);
  greedyOnly("--step-reductions", stepReductions != 0);
  greedyOnly("--diffusion-weight", diffusionWeight != 0.0);
  greedyOnly("--volume-weight", volumeWeight != 0.0);

  shrinkFactors.clear();
  smoothingSigmas.clear();
  iterations.clear();
  for (const auto & part : Split(shrinkFactorsText, 'x'))
  {
    shrinkFactors.push_back(ParseCount("--shrink-factors", part, 1, 64));
  }
  for (const auto & part : Split(smoothingSigmasText, 'x'))
  {
    smoothingSigmas.push_back(ParseNumber("--smoothing-sigmas", part));
    CheckRange("--smoothing-sigmas", smoothingSigmas.back(), 0.0, 64.0);
  }
  for (const auto & part : Split(iterationsText, 'x'))
  {
    iterations.push_back(ParseCount("--iterations", part, 0, 100000));
  }
  const std::size_t levels = shrinkFactors.size();
  const auto        complain = [levels](const std::string & argument, const std::size_t count) {
    if (count != levels)
    {
      throw BadInput(argument,
                     "there are " + std::to_string(count) + " values for the " + std::to_string(levels) +
                       " levels of --shrink-factors");
    }
  };
  complain("--smoothing-sigmas", smoothingSigmas.size());
  complain("--iterations", iterations.size());
  if (levels > 10)
  {
    throw BadInput("--shrink-factors", std::to_string(levels) + " levels are more than 10");
  }

  const auto convergence = Split(convergenceText, ',');
  if (convergence.size() != 2)
  {
    throw BadInput("--convergence", "'" + convergenceText + "' is not of the form threshold,window, such as 1e-6,10");
  }
  convergenceThreshold = ParseNumber("--convergence", convergence[0]);
  CheckRange("--convergence", convergenceThreshold, 0.0, 1.0);
  convergenceWindow = ParseCount("--convergence", convergence[1], 2, 1000);

  if (movingImages.size() != fixedImages.size())
  {
    throw BadInput("--moving",
                   "there are " + std::to_string(movingImages.size()) + " moving images for " +
                     std::to_string(fixedImages.size()) + " fixed ones");
  }
  if (fixedImages.size() > 16)
  {
    throw BadInput("--fixed", std::to_string(fixedImages.size()) + " pairs of images are more than 16");
  }
  if (!weights.empty() && weights.size() != fixedImages.size())
  {
    throw BadInput("--weight",
                   "there are " + std::to_string(weights.size()) + " weights for " +
                     std::to_string(fixedImages.size()) + " pairs of images");
  }
  for (const double weight : weights)
  {
    CheckRange("--weight", weight, 1e-6, 1e6);
  }
  CheckRange("--radius", radius, 1, 32);
  CheckRange("--bins", bins, 8, 256);
  CheckRange("--learning-rate", learningRate, 1e-6, 10.0);
  CheckRange("--update-variance", updateVariance, 0.0, 1000.0);
  CheckRange("--total-variance", totalVariance, 0.0, 1000.0);
  CheckRange("--minimum-jacobian", minimumJacobian, 0.0, 0.99);
  CheckRange("--diffusion-weight", diffusionWeight, 0.0, 1e6);
  CheckRange("--volume-weight", volumeWeight, 0.0, 1e6);
  CheckRange("--step-reductions", stepReductions, 0, 20);
  CheckRange("--threads", threads, 0, 1024);
}

void
RegisterSettings::ChooseDefaults()
{
  const bool isGaussNewton = solver == SolverEnum::GaussNewton;
  if (metricName == "auto")
  {
    metricName = isGaussNewton ? "ssd" : "lncc";
  }
  const auto choose = [&](std::string & text, const std::string & greedy, const std::string & gaussNewtonText) {
    if (text == "auto")
    {
      text = isGaussNewton ? gaussNewtonText : greedy;
    }
  };
  std::string newtonSteps;
  for (std::size_t level = 0; level < Split(shrinkFactorsText, 'x').size(); ++level)
  {
    newtonSteps += level > 0 ? "x20" : "20";
  }
  choose(smoothingSigmasText, "1x0x0", shrinkFactorsText);
  choose(iterationsText, "200x100x50", newtonSteps);
}

std::string
RegisterSettings::DescribeMetric() const
{
  switch (metric)
  {
    case SimilarityEnum::MutualInformation:
      return "mutual information";
    case SimilarityEnum::MeanSquares:
      return "mean squares";
    case SimilarityEnum::LocalCorrelation:
      break;
  }
  return "local correlation";
}

std::vector<std::pair<std::string, std::string>>
RegisterSettings::Describe() const
{
  const auto number = NumberText;
  std::vector<std::pair<std::string, std::string>> list;
  const auto                                       add = [&list](const std::string & name, const std::string & value) {
    if (!value.empty())
    {
      list.emplace_back(name, value);
    }
  };
  std::string moreFixed;
  std::string moreMoving;
  std::string allWeights;
  for (std::size_t n = 1; n < fixedImages.size(); ++n)
  {
    moreFixed += (n > 1 ? ", " : "") + fixedImages[n];
    moreMoving += (n > 1 ? ", " : "") + movingImages[n];
  }
  for (const double weight : weights)
  {
    allWeights += (allWeights.empty() ? "" : ", ") + number(weight);
  }
  add("more fixed images", moreFixed);
  add("more moving images", moreMoving);
  add("weight", allWeights);
  add("fixed-mask", fixedMask);
  add("moving-mask", movingMask);
  add("initial-transform", initialTransform);
  add("linear", linearName);
  add("solver", solverName);
  if (solver != SolverEnum::None)
  {
    add("metric", metricName);
    add("radius", metric == SimilarityEnum::LocalCorrelation ? std::to_string(radius) : "");
    add("bins", metric == SimilarityEnum::MutualInformation ? std::to_string(bins) : "");
    add("shrink-factors", shrinkFactorsText);
    add("smoothing-sigmas", smoothingSigmasText);
    add("iterations", iterationsText);
  }
  if (solver == SolverEnum::GaussNewton)
  {
    for (const auto & each : gaussNewton.Describe())
    {
      add(each.first, each.second);
    }
  }
  else if (solver != SolverEnum::None)
  {
    add("step-rule", stepRuleName);
    add("parametrization", parametrizationName);
    add("step-reductions", std::to_string(stepReductions));
    add("learning-rate", number(learningRate));
    add("update-variance", number(updateVariance));
    add("total-variance", number(totalVariance));
    add("diffusion-weight", number(diffusionWeight));
    add("volume-weight", number(volumeWeight));
    add("convergence", convergenceText);
  }
  add("minimum-jacobian", solver == SolverEnum::None ? "" : number(minimumJacobian));
  add("threads", std::to_string(itk::MultiThreaderBase::GetGlobalDefaultNumberOfThreads()));
  return list;
}
} // namespace gdreg
