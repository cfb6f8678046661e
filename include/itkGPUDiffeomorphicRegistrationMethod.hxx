/*=========================================================================
 *
 *  Copyright NumFOCUS
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         http://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkGPUDiffeomorphicRegistrationMethod_hxx
#define itkGPUDiffeomorphicRegistrationMethod_hxx

#include "itkGPUDiffeomorphicRegistrationMethod.h"

#include "itkGPUDiffeomorphicGeometry.h"
#include "itkImageMaskSpatialObject.h"
#include "itkMultiThreaderBase.h"

namespace itk
{
template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  GPUDiffeomorphicRegistrationMethod()
  : m_Solver(SolverType::New())
{
  auto                             metric = CorrelationMetricType::New();
  typename CorrelationMetricType::RadiusType radius;
  radius.Fill(3);
  metric->SetRadius(radius);
  this->m_Metric = metric;

  constexpr SizeValueType                          levels = 3;
  typename Superclass::ShrinkFactorsArrayType      shrinkFactors(levels);
  typename Superclass::SmoothingSigmasArrayType    sigmas(levels);
  typename Superclass::NumberOfIterationsArrayType iterations(levels);
  for (SizeValueType level = 0; level < levels; ++level)
  {
    shrinkFactors[level] = SizeValueType{ 4 } >> level;
    sigmas[level] = level == 0 ? 1.0 : 0.0;
    iterations[level] = SizeValueType{ 200 } >> level;
  }
  this->SetNumberOfLevels(levels);
  this->SetShrinkFactorsPerLevel(shrinkFactors);
  this->SetSmoothingSigmasPerLevel(sigmas);
  this->SetSmoothingSigmasAreSpecifiedInPhysicalUnits(false);
  this->SetNumberOfIterationsPerLevel(iterations);
  this->SetLearningRate(0.5);
  this->SetGaussianSmoothingVarianceForTheUpdateField(2.0);
  this->SetGaussianSmoothingVarianceForTheTotalField(0.3);
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
std::string
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  DescribeUncoveredCase() const
{
  const auto   metrics = this->GetImageMetrics();
  const auto * imageMetric = metrics.empty() ? nullptr : metrics.front();
  if (!dynamic_cast<const CorrelationMetricType *>(imageMetric) &&
      !dynamic_cast<const MeanSquaresMetricType *>(imageMetric) &&
      !dynamic_cast<const MutualInformationMetricType *>(imageMetric))
  {
    return std::string("the metric is ") + (this->m_Metric ? this->m_Metric->GetNameOfClass() : "missing");
  }
  const std::string uncoveredChannels = this->DescribeUncoveredChannels();
  if (!uncoveredChannels.empty())
  {
    return uncoveredChannels;
  }
  if (m_SymmetricSolver && metrics.size() > 1)
  {
    return "several metrics are set";
  }
  const auto * virtualImage = imageMetric->GetVirtualImage();
  if (virtualImage &&
      !GPUDiffeomorphicGeometry::HaveSameGrid<ImageDimension>(virtualImage, this->GetFixedImage()))
  {
    return "the metric has a virtual domain of its own";
  }
  if (this->m_MetricSamplingStrategy != Superclass::MetricSamplingStrategyEnum::NONE)
  {
    return "the metric is sampled";
  }
  if (this->m_OptimizerWeights.Size() > 0 && !this->m_OptimizerWeightsAreIdentity)
  {
    return "optimizer weights are set";
  }
  if (!m_SymmetricSolver && (this->m_FixedToMiddleTransform || this->m_MovingToMiddleTransform))
  {
    return "a state is to be restored from middle transforms";
  }
  if (m_SymmetricSolver && !this->m_DownsampleImagesForMetricDerivatives)
  {
    return "the images are not to be downsampled for the derivatives of the metric";
  }
  const auto isIdentity = [](const auto * transform) {
    const auto * composite = dynamic_cast<const typename Superclass::CompositeTransformType *>(transform);
    return !transform || std::string(transform->GetNameOfClass()) == "IdentityTransform" ||
           (composite && composite->GetNumberOfTransforms() == 0);
  };
  const auto * fixed = this->GetFixedInitialTransform();
  if (!isIdentity(fixed) && !(m_SymmetricSolver && fixed->IsLinear()))
  {
    return m_SymmetricSolver ? "the fixed initial transform is not linear" : "a fixed initial transform is set";
  }
  const auto * moving = this->GetMovingInitialTransform();
  if (!isIdentity(moving) && !moving->IsLinear())
  {
    return "the moving initial transform is not linear";
  }
  const auto * initial = dynamic_cast<const OutputTransformType *>(this->GetInitialTransform());
  // SyN starts from its middle transforms alone
  if (!m_SymmetricSolver && initial && initial->GetDisplacementField())
  {
    using IteratorType = ImageRegionConstIterator<DisplacementFieldType>;
    const auto * field = initial->GetDisplacementField();
    for (IteratorType it(field, field->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      if (it.Get().GetSquaredNorm() > 0)
      {
        return "the initial transform holds a displacement";
      }
    }
  }
  return std::string();
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
void
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::GenerateData()
{
  m_Result = ResultType();
  m_GaussNewtonResult = GPUGaussNewtonDiffeomorphicEngine::Result();
  m_VelocityFields.clear();
  if (m_SymmetricSolver && m_GaussNewtonSolver)
  {
    itkExceptionMacro("a symmetric solver and a Gauss-Newton solver are set; only one of them can run");
  }
  const std::string uncovered = this->DescribeUncoveredCase();
  if (uncovered.empty())
  {
    m_SymmetricSolver     ? this->GenerateSymmetricDataOnDevice()
    : m_GaussNewtonSolver ? this->GenerateGaussNewtonDataOnDevice()
                          : this->GenerateDataOnDevice();
    return;
  }
  if (!m_Warned)
  {
    itkWarningMacro(<< "running in SyNImageRegistrationMethod on the CPU, because " << uncovered);
    m_Warned = true;
  }
  // A device that does not exist is an error on both paths.
  GPUDiffeomorphicEngine::ResolveDevice(m_Device);
  Superclass::GenerateData();
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
template <typename TParameters>
void
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  FillLevels(TParameters & parameters) const
{
  const SizeValueType levels = this->m_NumberOfLevels;
  // the superclass never shortens its list of shrink factors
  if (this->m_ShrinkFactorsPerLevel.size() < levels || this->m_SmoothingSigmasPerLevel.Size() != levels ||
      this->m_NumberOfIterationsPerLevel.Size() != levels)
  {
    itkExceptionMacro(<< "there are " << levels << " levels, but " << this->m_ShrinkFactorsPerLevel.size()
                      << " shrink factors, " << this->m_SmoothingSigmasPerLevel.Size() << " smoothing sigmas and "
                      << this->m_NumberOfIterationsPerLevel.Size() << " numbers of iterations");
  }
  if (const auto * correlation = dynamic_cast<const CorrelationMetricType *>(this->GetImageMetrics().front()))
  {
    parameters.metric = GPUDiffeomorphicEngine::MetricEnum::LocalNormalizedCrossCorrelation;
    parameters.radius.fill(0);
    for (unsigned int d = 0; d < ImageDimension; ++d)
    {
      parameters.radius[d] = static_cast<int>(correlation->GetRadius()[d]);
    }
  }
  else if (const auto * information = dynamic_cast<const MutualInformationMetricType *>(this->GetImageMetrics().front()))
  {
    parameters.metric = GPUDiffeomorphicEngine::MetricEnum::MutualInformation;
    parameters.numberOfBins = static_cast<int>(information->GetNumberOfHistogramBins());
  }
  else
  {
    parameters.metric = GPUDiffeomorphicEngine::MetricEnum::MeanSquares;
  }
  for (SizeValueType l = 0; l < levels; ++l)
  {
    GPUDiffeomorphicEngine::Level level;
    const double                  sigma = this->m_SmoothingSigmasPerLevel[l];
    if (!(sigma >= 0.0))
    {
      itkExceptionMacro(<< "smoothing sigma " << sigma << " of level " << l << " is not a number >= 0");
    }
    const bool physical = this->m_SmoothingSigmasAreSpecifiedInPhysicalUnits;
    for (unsigned int d = 0; d < ImageDimension; ++d)
    {
      level.shrinkFactors[d] = static_cast<int>(this->m_ShrinkFactorsPerLevel[l][d]);
      level.fixedSigmas[d] = physical ? sigma / this->GetFixedImage()->GetSpacing()[d] : sigma;
      level.movingSigmas[d] = physical ? sigma / this->GetMovingImage()->GetSpacing()[d] : sigma;
    }
    level.iterations = static_cast<int>(this->m_NumberOfIterationsPerLevel[l]);
    parameters.levels.push_back(level);
  }
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
template <typename TParameters>
void
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  FillParameters(TParameters & parameters) const
{
  this->FillLevels(parameters);
  parameters.learningRate = this->m_LearningRate;
  parameters.updateFieldVariance = this->GetGaussianSmoothingVarianceForTheUpdateField();
  parameters.totalFieldVariance = this->GetGaussianSmoothingVarianceForTheTotalField();
  parameters.convergenceThreshold = this->m_ConvergenceThreshold;
  parameters.convergenceWindowSize = this->m_ConvergenceWindowSize;
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
GPUDiffeomorphicEngine::GreedyParameters
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  MakeParameters() const
{
  GPUDiffeomorphicEngine::GreedyParameters parameters;
  this->FillParameters(parameters);
  parameters.stepRule = m_Solver->GetStepRule();
  parameters.parametrization = m_Solver->GetParametrization();
  parameters.diffusionWeight = m_Solver->GetDiffusionWeight();
  parameters.volumeWeight = m_Solver->GetVolumeWeight();
  parameters.squarings = m_Solver->GetNumberOfSquarings();
  parameters.stepReductions = static_cast<int>(m_Solver->GetNumberOfStepReductions());
  parameters.damping = m_Solver->GetDamping();
  parameters.beta1 = m_Solver->GetBeta1();
  parameters.beta2 = m_Solver->GetBeta2();
  parameters.epsilon = m_Solver->GetEpsilon();
  parameters.minimumJacobian = m_Solver->GetMinimumJacobian();
  parameters.varianceFloor = m_Solver->GetVarianceFloor();
  return parameters;
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
template <typename TImage, typename TMask>
const unsigned char *
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  MakeMask(const TImage * image, const TMask * mask, std::vector<unsigned char> & storage)
{
  if (!mask)
  {
    return nullptr;
  }
  using ImageMaskType = ImageMaskSpatialObject<ImageDimension>;
  const auto * imageMask = dynamic_cast<const ImageMaskType *>(mask);
  const auto isIdentity = [](const auto * transform) {
    const auto matrix = transform->GetMatrix() - transform->GetMatrix().GetIdentity();
    return matrix.GetVnlMatrix().absolute_value_max() == 0.0 && transform->GetOffset().GetNorm() == 0.0;
  };
  if (imageMask && imageMask->GetImage() && isIdentity(imageMask->GetObjectToWorldTransform()) &&
      GPUDiffeomorphicGeometry::HaveSameGrid<ImageDimension>(imageMask->GetImage(), image))
  {
    return imageMask->GetImage()->GetBufferPointer();
  }
  storage.resize(image->GetBufferedRegion().GetNumberOfPixels());
  const auto        region = image->GetBufferedRegion();
  const std::size_t row = region.GetSize(0);
  const auto        threader = MultiThreaderBase::New();
  threader->ParallelizeArray(
    0,
    storage.size() / row,
    [&](SizeValueType line) {
      for (std::size_t x = 0; x < row; ++x)
      {
        const auto offset = static_cast<OffsetValueType>(line * row + x);
        typename TImage::PointType point;
        image->TransformIndexToPhysicalPoint(image->ComputeIndex(offset), point);
        storage[offset] = mask->IsInsideInWorldSpace(point) ? 1 : 0;
      }
    },
    nullptr);
  return storage.data();
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
typename GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  DisplacementFieldType::Pointer
  GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::MakeField()
    const
{
  const auto field = DisplacementFieldType::New();
  field->CopyInformation(this->GetFixedImage());
  field->SetRegions(this->GetFixedImage()->GetBufferedRegion());
  field->Allocate();
  return field;
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
void
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  FillProblem(GPUDiffeomorphicEngine::Problem & problem, ProblemStorage & storage) const
{
  const auto * fixed = this->GetFixedImage();
  const auto * moving = this->GetMovingImage();
  problem.fixedSize = GPUDiffeomorphicGeometry::GetSize<ImageDimension>(fixed);
  problem.movingSize = GPUDiffeomorphicGeometry::GetSize<ImageDimension>(moving);
  problem.fixedImage = GPUDiffeomorphicGeometry::GetInputPixels(fixed);
  problem.movingImage = GPUDiffeomorphicGeometry::GetInputPixels(moving);
  this->SetChannels(problem);
  const auto * metric = this->GetImageMetrics().front();
  problem.fixedMask = MakeMask(fixed, metric->GetFixedImageMask(), storage.fixedMask);
  problem.movingMask = MakeMask(moving, metric->GetMovingImageMask(), storage.movingMask);
  problem.affine = this->MakeIndexMap(this->GetMovingInitialTransform(), moving);
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
template <typename TImage>
GPUDiffeomorphicEngine::AffineType
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  MakeIndexMap(const typename Superclass::InitialTransformType * transform, const TImage * image) const
{
  // ITK's transforms are in double or float; the map is taken in double.
  using TransformType = Transform<double, ImageDimension, ImageDimension>;
  const auto * fixed = this->GetFixedImage();
  if constexpr (std::is_same<typename OutputTransformType::ScalarType, double>::value)
  {
    return GPUDiffeomorphicGeometry::GetIndexToIndexMap<ImageDimension>(
      fixed, static_cast<const TransformType *>(transform), image);
  }
  else
  {
    const auto linear = MakeDoubleTransform(transform);
    return GPUDiffeomorphicGeometry::GetIndexToIndexMap<ImageDimension>(
      fixed, static_cast<const TransformType *>(linear.GetPointer()), image);
  }
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
bool
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  Report(const GPUDiffeomorphicEngine::Progress & progress)
{
  this->m_CurrentLevel = progress.level;
  this->m_CurrentIteration = progress.iteration;
  if (progress.startsLevel)
  {
    this->m_IsConverged = false;
    this->InvokeEvent(MultiResolutionIterationEvent());
  }
  else
  {
    this->m_CurrentMetricValue = progress.metricValue;
    this->m_CurrentConvergenceValue = progress.convergenceValue;
    this->m_IsConverged = progress.convergenceValue < (m_GaussNewtonSolver ? m_GaussNewtonSolver->GetGradientReduction()
                                                                           : this->m_ConvergenceThreshold);
    SizeValueType before = 0;
    SizeValueType total = 0;
    for (SizeValueType l = 0; l < this->m_NumberOfLevels; ++l)
    {
      before += l < progress.level ? this->m_NumberOfIterationsPerLevel[l] : 0;
      total += this->m_NumberOfIterationsPerLevel[l];
    }
    this->UpdateProgress(static_cast<float>(before + progress.iteration) / static_cast<float>(total));
    this->InvokeEvent(IterationEvent());
  }
  return !this->GetAbortGenerateData();
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
void
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  GenerateDataOnDevice()
{
  this->AllocateOutputs();
  GPUDiffeomorphicEngine::Problem problem;
  ProblemStorage                  storage;
  this->FillProblem(problem, storage);
  const auto parameters = this->MakeParameters();
  const auto observe = [this](const GPUDiffeomorphicEngine::Progress & progress) { return this->Report(progress); };
  const auto field = this->MakeField();
  const auto inverse = m_ComputeInverse ? this->MakeField() : nullptr;
  problem.displacement = GPUDiffeomorphicGeometry::GetPhysicalVectors(field.GetPointer());
  if (inverse)
  {
    problem.inverseDisplacement = GPUDiffeomorphicGeometry::GetPhysicalVectors(inverse.GetPointer());
  }
  m_Result = GPUDiffeomorphicEngine::RegisterGreedy(m_Device, problem, parameters, observe);
  if (m_Result.cancelled)
  {
    throw ProcessAborted(__FILE__, __LINE__);
  }

  this->m_OutputTransform->SetDisplacementField(field);
  if (inverse)
  {
    this->m_OutputTransform->SetInverseDisplacementField(inverse);
  }
  this->GetTransformOutput()->Set(this->m_OutputTransform);
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
typename GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
  DoubleTransformType::Pointer
  GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::
    MakeDoubleTransform(const typename Superclass::InitialTransformType * transform)
{
  const auto result = DoubleTransformType::New();
  if (!transform)
  {
    return result;
  }
  using PointType = typename Superclass::InitialTransformType::InputPointType;
  // Differences over a long step keep the digits that a float transform has.
  constexpr double                               step = 1024.0;
  PointType                                      zero;
  typename DoubleTransformType::MatrixType       matrix;
  typename DoubleTransformType::OutputVectorType offset;
  zero.Fill(0);
  const auto origin = transform->TransformPoint(zero);
  for (unsigned int j = 0; j < ImageDimension; ++j)
  {
    PointType point = zero;
    point[j] = step;
    const auto mapped = transform->TransformPoint(point);
    for (unsigned int i = 0; i < ImageDimension; ++i)
    {
      matrix(i, j) = (static_cast<double>(mapped[i]) - origin[i]) / step;
    }
    offset[j] = origin[j];
  }
  result->SetMatrix(matrix);
  result->SetOffset(offset);
  return result;
}

template <typename TFixedImage, typename TMovingImage, typename TOutputTransform, typename TVirtualImage, typename TPointSet>
void
GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>::PrintSelf(
  std::ostream & os,
  Indent         indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Device: " << m_Device << std::endl;
  os << indent << "DeviceName: " << m_Result.device << std::endl;
  os << indent << "ComputeInverse: " << (m_ComputeInverse ? "On" : "Off") << std::endl;
  itkPrintSelfObjectMacro(Solver);
  itkPrintSelfObjectMacro(SymmetricSolver);
  itkPrintSelfObjectMacro(GaussNewtonSolver);
}
} // namespace itk

#endif
