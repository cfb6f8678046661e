// SPDX-License-Identifier: Apache-2.0
#ifndef RegisterSettings_h
#define RegisterSettings_h

#include "GaussNewtonSettings.h"
#include "LinearStage.h"

#include "itkGPUDiffeomorphicEngine.h"

#include <string>
#include <utility>
#include <vector>

namespace gdreg
{
enum class SolverEnum
{
  Greedy,
  Symmetric,
  GaussNewton,
  None
};

/** What the deformable stage maximises, or minimises if it is mean squares. */
enum class SimilarityEnum
{
  LocalCorrelation,
  MeanSquares,
  MutualInformation
};

/** The command line of `gdreg register`: as it was typed, and what it means. */
struct RegisterSettings
{
  std::vector<std::string> fixedImages;  ///< one for each channel
  std::vector<std::string> movingImages; ///< as many
  std::vector<double>      weights;      ///< as many, or none: all count the same

  std::string outputPrefix;
  std::string fixedMask;
  std::string movingMask;
  std::string initialTransform;
  std::string report;
  std::string json;
  bool        quiet{ false };

  std::string linearName{ "affine" };
  std::string solverName{ "greedy" };
  std::string metricName{ "auto" }; ///< auto, here and below: as the solver likes it
  std::string stepRuleName{ "adam" };
  std::string parametrizationName{ "compositive" };
  std::string shrinkFactorsText{ "4x2x1" };
  std::string smoothingSigmasText{ "auto" };
  std::string iterationsText{ "auto" };
  std::string convergenceText{ "1e-6,10" };
  std::string device{ "auto" };
  int         radius{ 3 };
  int         bins{ 32 };
  int         threads{ 0 };
  double      learningRate{ 0.5 };
  double      updateVariance{ 2.0 };
  double      totalVariance{ 0.3 };
  double      minimumJacobian{ 0.1 };
  int         stepReductions{ 0 };
  double      diffusionWeight{ 0.0 };
  double      volumeWeight{ 0.0 };

  GaussNewtonSettings gaussNewton;

  LinearModelEnum           linear{ LinearModelEnum::Affine };
  SolverEnum                solver{ SolverEnum::Greedy };
  bool                      itkSteps{ false }; ///< of the symmetric solver: SyN as in ITK
  SimilarityEnum            metric{ SimilarityEnum::LocalCorrelation };
  itk::GPUDiffeomorphicEngine::StepRuleEnum        stepRule{};
  itk::GPUDiffeomorphicEngine::ParametrizationEnum parametrization{};
  std::vector<unsigned int> shrinkFactors;
  std::vector<double>       smoothingSigmas;
  std::vector<unsigned int> iterations;
  double                    convergenceThreshold{ 1e-6 };
  unsigned int              convergenceWindow{ 10 };

  /** Fills the second half from the first. Throws BadInput. */
  void
  Interpret();

  /** The metric in words. */
  std::string
  DescribeMetric() const;

  /** Option and value, in the order of the command line's help, of what matters in a run. */
  std::vector<std::pair<std::string, std::string>>
  Describe() const;

private:
  /** Replaces auto. */
  void
  ChooseDefaults();
};
} // namespace gdreg

#endif
