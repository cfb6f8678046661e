// SPDX-License-Identifier: Apache-2.0
#include "LinearStage.h"

#include "LinearStarts.h"
#include "PhysicalStepOptimizer.h"

#include "itkCompositeTransform.h"
#include "itkEuler2DTransform.h"
#include "itkEuler3DTransform.h"
#include "itkGPUMattesMutualInformationImageToImageMetricv4.h"
#include "itkImageMaskSpatialObject.h"
#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkRegistrationParameterScalesFromPhysicalShift.h"
#include "itkSimilarity2DTransform.h"
#include "itkSimilarity3DTransform.h"
#include "itkTimeProbe.h"
#include "itkTranslationTransform.h"

#include <vnl/algo/vnl_svd.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <type_traits>

namespace gdreg
{
namespace
{
constexpr unsigned int NumberOfHistogramBins = 32;
constexpr std::size_t  NumberOfTrials = 6;

struct Level
{
  double cells;   ///< of the copies' longest side
  double samples; ///< points at which they are compared
};
constexpr Level Levels[] = { { 28.0, 10000.0 }, { 56.0, 40000.0 }, { 112.0, 100000.0 } };

/** Mutual information knows no size: what it stretches beyond these factors has matched something small. */
constexpr double LargestStretch = 2.0;

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
  using SimilarityType =
    std::conditional_t<VDimension == 2, itk::Similarity2DTransform<double>, itk::Similarity3DTransform<double>>;
  using MetricType = itk::GPUMattesMutualInformationImageToImageMetricv4<ImageType, ImageType>;
  using MaskObjectType = itk::ImageMaskSpatialObject<VDimension>;
  using PointType = itk::Point<double, VDimension>;

  explicit Aligner(const InputType & input)
    : m_Input(input)
    , m_FixedMask(MakeMaskObject(input.fixedMask))
    , m_MovingMask(MakeMaskObject(input.movingMask))
    , m_FinestFixed(MakeWorkingCopy<VDimension>(input.fixed, input.fixedMask, std::end(Levels)[-1].cells))
    , m_FinestMoving(MakeWorkingCopy<VDimension>(input.moving, input.movingMask, std::end(Levels)[-1].cells))
  {}

  ResultType
  Run()
  {
    this->SetLevel(Levels[0]);
    this->ChooseStart();
    const typename AffineType::Pointer start = m_Current;
    this->Refine(m_Input.model);
    if (!m_Input.initial && m_Input.model != LinearModelEnum::Translation && !this->IsBelievable())
    {
      m_Current = start;
      this->SetLevel(Levels[0]);
      this->Refine(LinearModelEnum::Rigid);
      m_Result.start += ", rigid";
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

  /** From the coarsest level, which is set, to the finest. */
  void
  Refine(const LinearModelEnum model)
  {
    for (const Level & level : Levels)
    {
      const bool isFirst = &level == Levels;
      if (!isFirst)
      {
        this->SetLevel(level);
      }
      // Past the coarse level the map is almost right: shorter steps, and what is not rigid may be let go.
      const double       step = (isFirst ? 0.5 : 0.25) * m_Spacing;
      const unsigned int iterations = isFirst ? 60 : 120;
      if (model == LinearModelEnum::Translation)
      {
        this->template Optimise<TranslationType>("translation", step, iterations);
      }
      else if (model == LinearModelEnum::Rigid || isFirst)
      {
        this->template Optimise<RigidType>("rigid", step, iterations);
      }
      if (model == LinearModelEnum::Similarity)
      {
        this->template Optimise<SimilarityType>("similarity", step, iterations);
      }
      if (model == LinearModelEnum::Affine)
      {
        this->template Optimise<AffineType>("affine", step, iterations);
      }
    }
  }

  bool
  IsBelievable() const
  {
    const vnl_svd<double> svd(m_Current->GetMatrix().GetVnlMatrix().as_matrix());
    return svd.sigma_max() <= LargestStretch && svd.sigma_min() >= 1.0 / LargestStretch;
  }

  void
  SetLevel(const Level & level)
  {
    m_Fixed = Coarsen<VDimension>(m_FinestFixed, level.cells);
    m_Moving = Coarsen<VDimension>(m_FinestMoving, level.cells);
    m_Spacing = 0.0;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      m_Spacing = std::max(m_Spacing, m_Fixed->GetSpacing()[d]);
    }
    m_Metric = MetricType::New();
    m_Metric->SetDevice(m_Input.device);
    m_Metric->SetNumberOfHistogramBins(NumberOfHistogramBins);
    m_Metric->SetUseFixedImageGradientFilter(false);
    m_Metric->SetUseMovingImageGradientFilter(false);
    m_Metric->SetFixedImage(m_Fixed);
    m_Metric->SetMovingImage(m_Moving);
    m_Metric->SetMovingTransform(AffineType::New());
    if (m_FixedMask)
    {
      m_Metric->SetFixedImageMask(m_FixedMask);
    }
    if (m_MovingMask)
    {
      m_Metric->SetMovingImageMask(m_MovingMask);
    }
    this->SetSamples(level.samples);
    m_Metric->Initialize();
  }

  /** Lays the grid of the points over the fixed image, or the box of its mask. */
  void
  SetSamples(const double samples)
  {
    const typename ImageType::RegionType box = this->FindBox();
    double                               volume = 1.0;
    double                               finest = m_Spacing;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      volume *= static_cast<double>(box.GetSize(d)) * m_Input.fixed->GetSpacing()[d];
      finest = std::min(finest, m_Fixed->GetSpacing()[d]);
    }
    // No ratio of small whole numbers to the spacing of the image: points that repeat their place in the voxels make
    // mutual information prefer whole shifts.
    const double                    spacing = std::max(0.9363 * finest, std::pow(volume / samples, 1.0 / VDimension));
    typename ImageType::SpacingType spacings(spacing);
    typename ImageType::SizeType    size;
    itk::ContinuousIndex<double, VDimension> first;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      const double length = static_cast<double>(box.GetSize(d)) * m_Input.fixed->GetSpacing()[d];
      size[d] = std::max<itk::SizeValueType>(1, static_cast<itk::SizeValueType>(length / spacing));
      const double margin = 0.5 * (length - static_cast<double>(size[d] - 1) * spacing);
      first[d] = static_cast<double>(box.GetIndex(d)) - 0.5 + margin / m_Input.fixed->GetSpacing()[d];
    }
    PointType origin;
    m_Input.fixed->TransformContinuousIndexToPhysicalPoint(first, origin);
    m_Metric->SetVirtualDomain(spacings, origin, m_Input.fixed->GetDirection(), typename ImageType::RegionType(size));
  }

  typename ImageType::RegionType
  FindBox() const
  {
    if (!m_FixedMask)
    {
      return m_Input.fixed->GetLargestPossibleRegion();
    }
    using MaskType = typename InputType::MaskType;
    typename ImageType::IndexType low;
    typename ImageType::IndexType high;
    low.Fill(itk::NumericTraits<itk::IndexValueType>::max());
    high.Fill(itk::NumericTraits<itk::IndexValueType>::NonpositiveMin());
    for (itk::ImageRegionConstIteratorWithIndex<MaskType> it(m_Input.fixedMask,
                                                             m_Input.fixedMask->GetLargestPossibleRegion());
         !it.IsAtEnd();
         ++it)
    {
      if (it.Get() != 0)
      {
        for (unsigned int d = 0; d < VDimension; ++d)
        {
          low[d] = std::min(low[d], it.GetIndex()[d]);
          high[d] = std::max(high[d], it.GetIndex()[d]);
        }
      }
    }
    typename ImageType::RegionType box;
    box.SetIndex(low);
    box.SetUpperIndex(high);
    return box;
  }

  struct Candidate
  {
    Start<VDimension> start;
    double            value{ 0.0 };  ///< the smaller the better
    double            points{ 0.0 }; ///< that both images cover
  };

  std::vector<Candidate>
  EvaluateStarts(const bool mayRotate)
  {
    std::vector<Candidate> candidates;
    double                 mostPoints = 0.0;
    for (auto & start : ListStarts<VDimension>(m_Fixed, m_Moving, m_Input.fixedMask, m_Input.movingMask, mayRotate))
    {
      Candidate candidate;
      candidate.start = std::move(start);
      m_Metric->SetMovingTransform(candidate.start.transform);
      try
      {
        candidate.value = m_Metric->GetValue();
        candidate.points = static_cast<double>(m_Metric->GetNumberOfValidPoints());
      }
      catch (const itk::ExceptionObject &)
      {
        continue; // no point of the fixed image falls into the moving one
      }
      mostPoints = std::max(mostPoints, candidate.points);
      candidates.push_back(std::move(candidate));
    }
    // Mutual information of a small overlap means nothing.
    candidates.erase(std::remove_if(candidates.begin(),
                                    candidates.end(),
                                    [&](const Candidate & candidate) { return candidate.points < 0.5 * mostPoints; }),
                     candidates.end());
    if (mostPoints == 0.0)
    {
      throw std::runtime_error("the images have no overlap, wherever the linear stage starts");
    }
    std::stable_sort(
      candidates.begin(), candidates.end(), [](const Candidate & a, const Candidate & b) { return a.value < b.value; });
    return candidates;
  }

  /** The largest distance of where two maps take the corners of the samples' grid. */
  double
  Distance(const AffineType * a, const AffineType * b) const
  {
    const auto region = m_Metric->GetVirtualRegion();
    double     largest = 0.0;
    for (unsigned int corner = 0; corner < (1u << VDimension); ++corner)
    {
      auto index = region.GetIndex();
      for (unsigned int d = 0; d < VDimension; ++d)
      {
        index[d] += (corner >> d) & 1u ? static_cast<itk::IndexValueType>(region.GetSize(d)) - 1 : 0;
      }
      PointType point;
      m_Metric->GetVirtualImage()->TransformIndexToPhysicalPoint(index, point);
      largest = std::max(largest, a->TransformPoint(point).EuclideanDistanceTo(b->TransformPoint(point)));
    }
    return largest;
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
    // A short optimisation of the best few that differ tells a good start from a lucky one, unless it only leaves the
    // overlap.
    const bool                                mayRotate = m_Input.model != LinearModelEnum::Translation;
    double                                    bestValue = 0.0;
    typename AffineType::Pointer              best;
    std::vector<typename AffineType::Pointer> tried;
    for (const auto & candidate : this->EvaluateStarts(mayRotate))
    {
      const auto & transform = candidate.start.transform;
      if (std::any_of(tried.begin(), tried.end(), [&](const typename AffineType::Pointer & other) {
            return this->Distance(transform, other) < 2.0 * m_Spacing;
          }))
      {
        continue;
      }
      tried.push_back(transform);
      m_Current = transform;
      const double value = mayRotate ? this->template Optimise<RigidType>("trial", 0.5 * m_Spacing, 20)
                                     : this->template Optimise<TranslationType>("trial", 0.5 * m_Spacing, 20);
      const bool   overlaps = static_cast<double>(m_Metric->GetNumberOfValidPoints()) >= 0.5 * candidate.points;
      if (!best || (overlaps && value < bestValue))
      {
        bestValue = value;
        best = m_Current;
        m_Result.start = candidate.start.name;
      }
      if (tried.size() == NumberOfTrials)
      {
        break;
      }
    }
    m_Current = best;
  }

  /** Optimises a map T, from the identity, in current(T(x)), and takes it into `current`. */
  template <typename TTransform>
  double
  Optimise(const std::string & name, const double step, const unsigned int iterations)
  {
    itk::TimeProbe clock;
    clock.Start();
    auto transform = TTransform::New();
    SetCenter(transform.GetPointer());
    auto composite = itk::CompositeTransform<double, VDimension>::New();
    composite->AddTransform(m_Current);
    composite->AddTransform(transform);
    composite->SetOnlyMostRecentTransformToOptimizeOn();
    m_Metric->SetMovingTransform(composite);

    auto estimator = itk::RegistrationParameterScalesFromPhysicalShift<MetricType>::New();
    estimator->SetMetric(m_Metric);
    estimator->SetTransformForward(true);
    auto optimizer = PhysicalStepOptimizer::New();
    optimizer->SetMetric(m_Metric);
    optimizer->SetScalesEstimator(estimator);
    optimizer->SetNumberOfIterations(iterations);
    optimizer->SetStepLength(step);
    optimizer->SetMinimumStepLength(step / 100.0);
    optimizer->StartOptimization();

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
  typename ImageType::Pointer      m_FinestFixed;
  typename ImageType::Pointer      m_FinestMoving;
  typename ImageType::Pointer      m_Fixed;
  typename ImageType::Pointer      m_Moving;
  typename MetricType::Pointer     m_Metric;
  PointType                        m_Center;
  double                           m_Spacing{ 1.0 };
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
