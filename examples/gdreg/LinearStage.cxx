// SPDX-License-Identifier: Apache-2.0
#include "LinearStage.h"

#include "LinearStarts.h"
#include "OrderedMutualInformation.h"
#include "PhysicalStepOptimizer.h"

#include "itkEuler2DTransform.h"
#include "itkEuler3DTransform.h"
#include "itkImageMaskSpatialObject.h"
#include "itkImageRegistrationMethodv4.h"
#include "itkRegistrationParameterScalesFromPhysicalShift.h"
#include "itkTimeProbe.h"
#include "itkTranslationTransform.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace gdreg
{
namespace
{
constexpr unsigned int NumberOfHistogramBins = 32;
constexpr int          SamplingSeed = 121212;

template <unsigned int VDimension>
class Aligner
{
public:
  using InputType = LinearStageInput<VDimension>;
  using ResultType = LinearStageResult<VDimension>;
  using ImageType = typename InputType::ImageType;
  using AffineType = itk::AffineTransform<double, VDimension>;
  using TranslationType = itk::TranslationTransform<double, VDimension>;
  using RigidType = std::conditional_t<VDimension == 2, itk::Euler2DTransform<double>, itk::Euler3DTransform<double>>;
  using MetricType = OrderedMutualInformation<ImageType>;
  using MaskObjectType = itk::ImageMaskSpatialObject<VDimension>;
  using PointType = itk::Point<double, VDimension>;

  explicit Aligner(const InputType & input)
    : m_Input(input)
    , m_FixedMask(MakeMaskObject(input.fixedMask))
    , m_MovingMask(MakeMaskObject(input.movingMask))
  {}

  ResultType
  Run()
  {
    constexpr double cellsOfLevel[] = { 32.0, 64.0, 112.0 };
    constexpr double samplesOfLevel[] = { 20000.0, 30000.0, 60000.0 };

    this->SetLevel(cellsOfLevel[0], samplesOfLevel[0]);
    this->ChooseStart();
    for (unsigned int level = 0; level < 3; ++level)
    {
      if (level > 0)
      {
        this->SetLevel(cellsOfLevel[level], samplesOfLevel[level]);
      }
      // Past the coarse level the map is almost right: shorter steps, and the affine part may be let go.
      const double step = (level == 0 ? 0.5 : 0.25) * m_Spacing;
      if (m_Input.model == LinearModelEnum::Translation)
      {
        this->template Optimise<TranslationType>("translation", step, 60);
      }
      else if (m_Input.model == LinearModelEnum::Rigid || level == 0)
      {
        this->template Optimise<RigidType>("rigid", step, 60);
      }
      if (m_Input.model == LinearModelEnum::Affine)
      {
        this->template Optimise<AffineType>("affine", step, level == 0 ? 60 : 120);
      }
    }
    m_Result.transform = m_Current;
    return m_Result;
  }

private:
  static typename MaskObjectType::Pointer
  MakeMaskObject(const typename InputType::MaskType * mask)
  {
    if (!mask)
    {
      return nullptr;
    }
    auto object = MaskObjectType::New();
    object->SetImage(mask);
    object->Update();
    return object;
  }

  void
  SetLevel(const double cells, const double samples)
  {
    m_Fixed = MakeWorkingCopy<VDimension>(m_Input.fixed, m_Input.fixedMask, cells);
    m_Moving = MakeWorkingCopy<VDimension>(m_Input.moving, m_Input.movingMask, cells);
    m_Spacing = 0.0;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      m_Spacing = std::max(m_Spacing, m_Fixed->GetSpacing()[d]);
    }
    m_SamplingPercentage =
      std::min(1.0, samples / static_cast<double>(m_Fixed->GetLargestPossibleRegion().GetNumberOfPixels()));
  }

  typename MetricType::Pointer
  MakeMetric() const
  {
    auto metric = MetricType::New();
    metric->SetNumberOfHistogramBins(NumberOfHistogramBins);
    metric->SetUseFixedImageGradientFilter(false);
    metric->SetUseMovingImageGradientFilter(false);
    if (m_FixedMask)
    {
      metric->SetFixedImageMask(m_FixedMask);
    }
    if (m_MovingMask)
    {
      metric->SetMovingImageMask(m_MovingMask);
    }
    return metric;
  }

  /** Mutual information of a start (the smaller the better), and how many points both images cover. */
  std::pair<double, double>
  Evaluate(const AffineType * transform) const
  {
    auto metric = this->MakeMetric();
    metric->SetFixedImage(m_Fixed);
    metric->SetMovingImage(m_Moving);
    metric->SetMovingTransform(const_cast<AffineType *>(transform));
    try
    {
      metric->Initialize();
      const double value = metric->GetValue();
      return { value, static_cast<double>(metric->GetNumberOfValidPoints()) };
    }
    catch (const itk::ExceptionObject &)
    {
      return { 0.0, 0.0 }; // no point of the fixed image falls into the moving one
    }
  }

  void
  ChooseStart()
  {
    m_Center = CenterOfMass<VDimension>(m_Fixed, m_Input.fixedMask);
    if (m_Input.initial)
    {
      m_Current = m_Input.initial->Clone();
      m_Result.start = "the given transform";
      return;
    }
    struct Candidate
    {
      Start<VDimension> start;
      double            value;
      double            points;
    };
    std::vector<Candidate> candidates;
    double                 mostPoints = 0.0;
    const bool             mayRotate = m_Input.model != LinearModelEnum::Translation;
    for (auto & start : ListStarts<VDimension>(m_Fixed, m_Moving, m_Input.fixedMask, m_Input.movingMask, mayRotate))
    {
      const auto valueAndPoints = this->Evaluate(start.transform);
      mostPoints = std::max(mostPoints, valueAndPoints.second);
      candidates.push_back({ std::move(start), valueAndPoints.first, valueAndPoints.second });
    }
    // Mutual information of a small overlap means nothing.
    candidates.erase(std::remove_if(candidates.begin(),
                                    candidates.end(),
                                    [&](const Candidate & candidate) { return candidate.points < 0.5 * mostPoints; }),
                     candidates.end());
    if (mostPoints == 0.0 || candidates.empty())
    {
      throw std::runtime_error("the images have no overlap, wherever the linear stage starts");
    }
    std::stable_sort(
      candidates.begin(), candidates.end(), [](const Candidate & a, const Candidate & b) { return a.value < b.value; });

    // A short optimisation of the best few tells a good start from a lucky one.
    constexpr std::size_t        numberOfTrials = 4;
    double                       bestValue = 0.0;
    typename AffineType::Pointer best;
    std::string                  bestName;
    candidates.resize(std::min(candidates.size(), numberOfTrials));
    for (const auto & candidate : candidates)
    {
      m_Current = candidate.start.transform;
      const double value = mayRotate ? this->template Optimise<RigidType>("trial", 0.5 * m_Spacing, 20)
                                     : this->template Optimise<TranslationType>("trial", 0.5 * m_Spacing, 20);
      if (!best || value < bestValue)
      {
        bestValue = value;
        best = m_Current;
        bestName = candidate.start.name;
      }
    }
    m_Current = best;
    m_Result.start = bestName;
  }

  /** Optimises a map T, from the identity, in current(T(x)), and takes it into `current`. */
  template <typename TTransform>
  double
  Optimise(const std::string & name, const double step, const unsigned int iterations)
  {
    itk::TimeProbe clock;
    clock.Start();
    using MethodType = itk::ImageRegistrationMethodv4<ImageType, ImageType, TTransform>;
    auto transform = TTransform::New();
    SetCenter(transform.GetPointer());

    auto metric = this->MakeMetric();
    auto estimator = itk::RegistrationParameterScalesFromPhysicalShift<MetricType>::New();
    estimator->SetMetric(metric);
    estimator->SetTransformForward(true);
    auto optimizer = PhysicalStepOptimizer::New();
    optimizer->SetScalesEstimator(estimator);
    optimizer->SetNumberOfIterations(iterations);
    optimizer->SetStepLength(step);
    optimizer->SetMinimumStepLength(step / 100.0);

    typename MethodType::ShrinkFactorsArrayType            shrinkFactors(1);
    typename MethodType::SmoothingSigmasArrayType          sigmas(1);
    typename MethodType::MetricSamplingPercentageArrayType percentages(1);
    shrinkFactors.Fill(1);
    sigmas.Fill(0.0);
    percentages.Fill(m_SamplingPercentage);
    auto method = MethodType::New();
    method->SetFixedImage(m_Fixed);
    method->SetMovingImage(m_Moving);
    method->SetMovingInitialTransform(m_Current);
    method->SetInitialTransform(transform);
    method->InPlaceOn();
    method->SetMetric(metric);
    method->SetOptimizer(optimizer);
    method->SetNumberOfLevels(1);
    method->SetShrinkFactorsPerLevel(shrinkFactors);
    method->SetSmoothingSigmasPerLevel(sigmas);
    method->SetMetricSamplingStrategy(MethodType::MetricSamplingStrategyEnum::REGULAR);
    method->MetricSamplingReinitializeSeed(SamplingSeed);
    method->SetMetricSamplingPercentagePerLevel(percentages);
    method->Update();

    auto flat = AffineType::New();
    flat->SetMatrix(m_Current->GetMatrix());
    flat->SetOffset(m_Current->GetOffset());
    flat->Compose(ToAffine(transform.GetPointer()), true);
    m_Current = flat;
    clock.Stop();

    const auto & size = m_Fixed->GetLargestPossibleRegion().GetSize();
    std::string  description = name + ", " + std::to_string(size[0]);
    for (unsigned int d = 1; d < VDimension; ++d)
    {
      description += "x" + std::to_string(size[d]);
    }
    const double value = optimizer->GetCurrentMetricValue();
    m_Result.steps.push_back(
      { description, static_cast<unsigned int>(optimizer->GetCurrentIteration()), value, clock.GetTotal() });
    if (m_Input.progress)
    {
      m_Input.progress(description, value);
    }
    return value;
  }

  void
  SetCenter(TranslationType *) const
  {}
  void
  SetCenter(itk::MatrixOffsetTransformBase<double, VDimension, VDimension> * transform) const
  {
    transform->SetCenter(m_Center);
  }

  static typename AffineType::Pointer
  ToAffine(const TranslationType * transform)
  {
    auto affine = AffineType::New();
    affine->SetOffset(transform->GetOffset());
    return affine;
  }
  static typename AffineType::Pointer
  ToAffine(const itk::MatrixOffsetTransformBase<double, VDimension, VDimension> * transform)
  {
    auto affine = AffineType::New();
    affine->SetMatrix(transform->GetMatrix());
    affine->SetOffset(transform->GetOffset());
    return affine;
  }

  const InputType &                m_Input;
  typename MaskObjectType::Pointer m_FixedMask;
  typename MaskObjectType::Pointer m_MovingMask;
  typename ImageType::Pointer      m_Fixed;
  typename ImageType::Pointer      m_Moving;
  PointType                        m_Center;
  double                           m_Spacing{ 1.0 };
  double                           m_SamplingPercentage{ 1.0 };
  typename AffineType::Pointer     m_Current;
  ResultType                       m_Result;
};
} // namespace

template <unsigned int VDimension>
LinearStageResult<VDimension>
RunLinearStage(const LinearStageInput<VDimension> & input)
{
  return Aligner<VDimension>(input).Run();
}

template LinearStageResult<2>
RunLinearStage<2>(const LinearStageInput<2> &);
template LinearStageResult<3>
RunLinearStage<3>(const LinearStageInput<3> &);
} // namespace gdreg
