// SPDX-License-Identifier: Apache-2.0
#include "DeformableStage.h"

#include "itkANTSNeighborhoodCorrelationImageToImageMetricv4.h"
#include "itkGPUDiffeomorphicRegistrationMethod.h"
#include "itkImageMaskSpatialObject.h"
#include "itkMattesMutualInformationImageToImageMetricv4.h"
#include "itkMeanSquaresImageToImageMetricv4.h"

namespace gdreg
{
template <unsigned int VDimension>
DeformableStageResult<VDimension>
RunDeformableStage(const DeformableStageInput<VDimension> & input)
{
  using ImageType = ScalarImage<VDimension>;
  // Fields in float: double would need twice the memory and gives nothing, the solver works in float.
  using OutputTransformType = itk::DisplacementFieldTransform<float, VDimension>;
  using MethodType = itk::GPUDiffeomorphicRegistrationMethod<ImageType, ImageType, OutputTransformType>;
  using CorrelationType = itk::
    ANTSNeighborhoodCorrelationImageToImageMetricv4<ImageType, ImageType, ImageType, typename MethodType::RealType>;
  using MeanSquaresType =
    itk::MeanSquaresImageToImageMetricv4<ImageType, ImageType, ImageType, typename MethodType::RealType>;
  using MutualInformationType =
    itk::MattesMutualInformationImageToImageMetricv4<ImageType, ImageType, ImageType, typename MethodType::RealType>;
  using MaskObjectType = itk::ImageMaskSpatialObject<VDimension>;
  const RegisterSettings & settings = *input.settings;

  auto                                       linear = itk::AffineTransform<float, VDimension>::New();
  itk::Matrix<float, VDimension, VDimension> matrix;
  itk::Vector<float, VDimension>             offset;
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    for (unsigned int j = 0; j < VDimension; ++j)
    {
      matrix(i, j) = static_cast<float>(input.linear->GetMatrix()(i, j));
    }
    offset[i] = static_cast<float>(input.linear->GetOffset()[i]);
  }
  linear->SetMatrix(matrix);
  linear->SetOffset(offset);

  const auto makeMaskObject = [](const MaskImage<VDimension> * mask) {
    auto object = MaskObjectType::New();
    object->SetImage(mask);
    object->Update();
    return object;
  };
  const auto fixedMask = input.fixedMask ? makeMaskObject(input.fixedMask) : nullptr;
  const auto movingMask = input.movingMask ? makeMaskObject(input.movingMask) : nullptr;
  const auto makeMetric = [&]() -> typename MethodType::ImageMetricType::Pointer {
    typename MethodType::ImageMetricType::Pointer metric;
    if (settings.metric == SimilarityEnum::LocalCorrelation)
    {
      auto                                 correlation = CorrelationType::New();
      typename CorrelationType::RadiusType radius;
      radius.Fill(static_cast<itk::SizeValueType>(settings.radius));
      correlation->SetRadius(radius);
      metric = correlation;
    }
    else if (settings.metric == SimilarityEnum::MutualInformation)
    {
      auto information = MutualInformationType::New();
      information->SetNumberOfHistogramBins(static_cast<itk::SizeValueType>(settings.bins));
      metric = information;
    }
    else
    {
      metric = MeanSquaresType::New();
    }
    metric->SetUseMovingImageGradientFilter(false);
    metric->SetFixedImageMask(fixedMask);
    metric->SetMovingImageMask(movingMask);
    return metric;
  };

  auto method = MethodType::New();
  if (input.fixed.size() == 1)
  {
    method->SetMetric(makeMetric());
  }
  else
  {
    auto                                                   metrics = MethodType::MultiMetricType::New();
    typename MethodType::MultiMetricType::WeightsArrayType weights(input.fixed.size());
    for (std::size_t n = 0; n < input.fixed.size(); ++n)
    {
      metrics->AddMetric(makeMetric());
      weights[n] = settings.weights.empty() ? 1.0 : settings.weights[n];
    }
    metrics->SetMetricWeights(weights);
    method->SetMetric(metrics);
  }

  const auto                                       levels = settings.shrinkFactors.size();
  typename MethodType::ShrinkFactorsArrayType      shrinkFactors(levels);
  typename MethodType::SmoothingSigmasArrayType    sigmas(levels);
  typename MethodType::NumberOfIterationsArrayType iterations(levels);
  for (std::size_t level = 0; level < levels; ++level)
  {
    shrinkFactors[level] = settings.shrinkFactors[level];
    sigmas[level] = static_cast<float>(settings.smoothingSigmas[level]);
    iterations[level] = settings.iterations[level];
  }
  for (std::size_t n = 0; n < input.fixed.size(); ++n)
  {
    method->SetFixedImage(n, input.fixed[n]);
    method->SetMovingImage(n, input.moving[n]);
  }
  method->SetMovingInitialTransform(linear);
  method->SetNumberOfLevels(levels);
  method->SetShrinkFactorsPerLevel(shrinkFactors);
  method->SetSmoothingSigmasPerLevel(sigmas);
  method->SmoothingSigmasAreSpecifiedInPhysicalUnitsOff();
  method->SetNumberOfIterationsPerLevel(iterations);
  method->SetLearningRate(static_cast<float>(settings.learningRate));
  method->SetGaussianSmoothingVarianceForTheUpdateField(static_cast<float>(settings.updateVariance));
  method->SetGaussianSmoothingVarianceForTheTotalField(static_cast<float>(settings.totalVariance));
  method->SetConvergenceThreshold(static_cast<float>(settings.convergenceThreshold));
  method->SetConvergenceWindowSize(settings.convergenceWindow);
  method->GetModifiableSolver()->SetMinimumJacobian(settings.minimumJacobian);
  method->GetModifiableSolver()->SetDiffusionWeight(settings.diffusionWeight);
  method->GetModifiableSolver()->SetVolumeWeight(settings.volumeWeight);
  method->GetModifiableSolver()->SetStepRule(settings.stepRule);
  method->GetModifiableSolver()->SetParametrization(settings.parametrization);
  method->GetModifiableSolver()->SetNumberOfStepReductions(static_cast<unsigned int>(settings.stepReductions));
  if (settings.solver == SolverEnum::Symmetric)
  {
    using SolverType = itk::GPUSymmetricDiffeomorphicSolver;
    const auto solver = SolverType::New();
    if (!settings.itkSteps)
    {
      const bool adam = settings.stepRule == itk::GPUDiffeomorphicEngine::StepRuleEnum::Adam;
      solver->SetDerivative(SolverType::DerivativeEnum::Exact);
      solver->SetStep(adam ? SolverType::StepEnum::Adam : SolverType::StepEnum::NormalizedGradient);
      solver->SetMinimumJacobian(settings.minimumJacobian);
      // both images move, each by up to that
      method->SetLearningRate(static_cast<float>(0.5 * settings.learningRate));
    }
    method->SetSymmetricSolver(solver);
  }
  if (settings.solver == SolverEnum::GaussNewton)
  {
    const auto solver = settings.gaussNewton.MakeSolver();
    solver->SetMinimumJacobian(settings.minimumJacobian);
    method->SetGaussNewtonSolver(solver);
  }
  method->SetDevice(settings.device);

  if (input.progress)
  {
    const auto observe = [&input, &method](const itk::EventObject & event) {
      // A new level announces itself by an event derived from IterationEvent, before its first iteration.
      if (typeid(event) != typeid(itk::MultiResolutionIterationEvent) && method->GetCurrentIteration() > 0 &&
          !input.progress(static_cast<unsigned int>(method->GetCurrentLevel()) + 1,
                          static_cast<unsigned int>(method->GetCurrentIteration()),
                          method->GetCurrentMetricValue(),
                          method->GetCurrentConvergenceValue()))
      {
        method->AbortGenerateDataOn();
      }
    };
    // For an observer of its iterations the symmetric solver fetches four fields from the device each time.
    settings.solver == SolverEnum::Symmetric ? method->AddObserver(itk::ProgressEvent(), observe)
                                             : method->AddObserver(itk::IterationEvent(), observe);
  }
  method->Update();
  if (settings.solver == SolverEnum::Symmetric)
  {
    // its field lies on the grid of the last level
    const auto adaptor = itk::DisplacementFieldTransformParametersAdaptor<OutputTransformType>::New();
    adaptor->SetRequiredSize(input.fixed.front()->GetBufferedRegion().GetSize());
    adaptor->SetRequiredSpacing(input.fixed.front()->GetSpacing());
    adaptor->SetRequiredOrigin(input.fixed.front()->GetOrigin());
    adaptor->SetRequiredDirection(input.fixed.front()->GetDirection());
    adaptor->SetTransform(method->GetModifiableTransform());
    adaptor->AdaptTransformParameters();
  }

  DeformableStageResult<VDimension> result;
  result.field = method->GetModifiableTransform()->GetModifiableDisplacementField();
  result.inverse = method->GetModifiableTransform()->GetModifiableInverseDisplacementField();
  result.numbers = method->GetResult();
  result.gaussNewton = method->GetGaussNewtonResult();
  for (unsigned int segment = 0; method->GetVelocityField(segment); ++segment)
  {
    result.velocities.push_back(method->GetVelocityField(segment));
  }
  return result;
}

template DeformableStageResult<2>
RunDeformableStage<2>(const DeformableStageInput<2> &);
template DeformableStageResult<3>
RunDeformableStage<3>(const DeformableStageInput<3> &);
} // namespace gdreg
