// SPDX-License-Identifier: Apache-2.0
#include "BadInput.h"
#include "Commands.h"
#include "DeformableStage.h"
#include "NonlinearStart.h"
#include "OutputFiles.h"
#include "ProgressLine.h"
#include "Report.h"
#include "Resample.h"
#include "RunRecord.h"
#include "TransformIO.h"

#include "itkMultiThreaderBase.h"
#include "itkTimeProbe.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>

namespace gdreg
{
namespace
{
/** Seconds since the last call. */
class Stopwatch
{
public:
  double
  Lap()
  {
    const double now = itk::RealTimeClock::New()->GetTimeInSeconds();
    const double lap = now - m_Last;
    m_Last = now;
    return lap;
  }

private:
  double m_Last{ itk::RealTimeClock::New()->GetTimeInSeconds() };
};

void
StopIfInterrupted()
{
  if (IsInterrupted())
  {
    throw std::runtime_error("interrupted");
  }
}

template <unsigned int VDimension>
RunRecord::ImageFacts
DescribeImage(const std::string & path, const itk::ImageBase<VDimension> * image)
{
  RunRecord::ImageFacts facts;
  facts.path = path;
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    facts.size.push_back(static_cast<int>(image->GetLargestPossibleRegion().GetSize()[i]));
    facts.spacing.push_back(image->GetSpacing()[i]);
    facts.origin.push_back(image->GetOrigin()[i]);
    for (unsigned int j = 0; j < VDimension; ++j)
    {
      facts.direction.push_back(image->GetDirection()(i, j));
    }
  }
  return facts;
}

/** Says no before anything is read: what the solver keeps per voxel of the finest level, and the images themselves. */
void
CheckMemory(const RegisterSettings & settings, const ImageInformation & fixed, const ImageInformation & moving)
{
  const auto   channels = static_cast<double>(settings.fixedImages.size());
  const double images = 4.0 * channels * (static_cast<double>(fixed.numberOfVoxels) + static_cast<double>(moving.numberOfVoxels));
  double       needed = images + 12.0 * static_cast<double>(fixed.numberOfVoxels);
  if (settings.solver != SolverEnum::None)
  {
    const double perVoxel = settings.solver == SolverEnum::Symmetric     ? 190.0
                            : settings.solver == SolverEnum::GaussNewton ? 50.0 + 125.0 * settings.gaussNewton.segments
                                                                         : 60.0;
    needed += perVoxel * static_cast<double>(fixed.numberOfVoxels) /
              std::pow(settings.shrinkFactors.back(), static_cast<double>(fixed.dimension));
  }
  const std::string chosen = ResolveDevice(settings.device);
  for (const auto & device : itk::GPUDiffeomorphicEngine::GetDevices())
  {
    const double neededHere = device.name == chosen ? needed : images;
    if ((device.name == chosen || device.name == "cpu") && device.freeBytes > 0 &&
        neededHere > static_cast<double>(device.freeBytes))
    {
      const bool movingIsLarger = moving.numberOfVoxels > fixed.numberOfVoxels;
      throw BadInput(movingIsLarger ? "--moving" : "--fixed",
                     "an image of " + DescribeSize(movingIsLarger ? moving.size : fixed.size) + " voxels needs " +
                       DescribeBytes(neededHere) + " on " + device.name + ", which has " +
                       DescribeBytes(static_cast<double>(device.freeBytes)) + " free");
    }
  }
}

template <unsigned int VDimension>
class Registration
{
public:
  using AffineType = itk::AffineTransform<double, VDimension>;

  explicit Registration(const RegisterSettings & settings)
    : m_Settings(settings)
    , m_Progress(settings.quiet)
  {}

  void
  Run()
  {
    Stopwatch total;
    this->ReserveOutputs();
    this->ReadInputs();
    this->Align();
    this->Deform();
    StopIfInterrupted();
    this->Resample();
    m_Record.totalSeconds = total.Lap();
    m_Progress.Show("writing");
    Stopwatch watch;
    this->WriteTransforms();
    m_Record.writeSeconds = watch.Lap();
    m_Record.totalSeconds += m_Record.writeSeconds;
    StopIfInterrupted();
    this->WriteReport();
    m_Outputs.Commit();
    m_Progress.Show("");
    if (!m_Settings.quiet)
    {
      PrintSummary(m_Record);
    }
  }

private:
  void
  ReserveOutputs()
  {
    const auto add = [this](const std::string & name, const std::string & ending) {
      const std::string path = m_Settings.outputPrefix + "_" + ending;
      m_Record.outputs.emplace_back(name, path);
      return m_Outputs.Add("--output-prefix", path);
    };
    m_CompositePath = add("composite", "Composite.h5");
    m_FieldPath = add("field", "Field.mha");
    m_InversePath = add("inverse_field", "InverseField.mha");
    m_WarpedPath = add("warped", "Warped.nii.gz");
    for (const std::string & path : m_Settings.gaussNewton.VelocityPaths())
    {
      CheckImageName("--velocity", path);
      m_Record.outputs.emplace_back("velocity", path);
      m_VelocityPaths.push_back(m_Outputs.Add("--velocity", path));
    }
    if (!m_Settings.report.empty())
    {
      m_Record.outputs.emplace_back("report", m_Settings.report);
      m_ReportPath = m_Outputs.Add("--report", m_Settings.report);
    }
    if (!m_Settings.json.empty())
    {
      m_Record.outputs.emplace_back("json", m_Settings.json);
      m_JsonPath = m_Outputs.Add("--json", m_Settings.json);
    }
  }

  void
  ReadInputs()
  {
    m_Progress.Show("reading");
    Stopwatch watch;
    m_Initial = AffineType::New();
    if (!m_Settings.initialTransform.empty())
    {
      m_Start.Append("--initial-transform", m_Settings.initialTransform);
      m_HasNonlinearStart = !m_Start.IsLinear();
      m_Initial = m_HasNonlinearStart ? m_Initial : m_Start.MakeAffine();
      if (!(std::abs(vnl_determinant(m_Initial->GetMatrix().GetVnlMatrix().as_matrix())) > 1e-9))
      {
        throw BadInput("--initial-transform", "'" + m_Settings.initialTransform + "' has no inverse");
      }
    }
    m_FixedChannels = ReadScalarImages<VDimension>("--fixed", m_Settings.fixedImages);
    m_MovingChannels = ReadScalarImages<VDimension>("--moving", m_Settings.movingImages);
    m_Fixed = m_FixedChannels.front();
    m_Moving = m_MovingChannels.front();
    if (!m_Settings.fixedMask.empty())
    {
      m_FixedMask = ReadMask<VDimension>("--fixed-mask", m_Settings.fixedMask, m_Fixed);
    }
    if (!m_Settings.movingMask.empty())
    {
      m_MovingMask = ReadMask<VDimension>("--moving-mask", m_Settings.movingMask, m_Moving);
    }
    m_Record.moving = DescribeImage<VDimension>(m_Settings.movingImages.front(), m_Moving);
    m_OriginalMoving = m_Moving;
    if (m_HasNonlinearStart)
    {
      const auto mask = m_MovingMask;
      for (auto & moving : m_MovingChannels)
      {
        const auto warped =
          WarpMovingThrough<VDimension>(m_Start, moving, mask, m_Fixed, ResolveDevice(m_Settings.device));
        moving = warped.image;
        m_MovingMask = warped.mask;
      }
      m_Moving = m_MovingChannels.front();
    }
    // The search of the linear stage aligns centres; anything else starts where it is told to.
    if (m_Settings.linear == LinearModelEnum::None || !m_Settings.initialTransform.empty())
    {
      this->RequireOverlap(m_Initial, m_Settings.initialTransform.empty() ? "--moving" : "--initial-transform");
    }
    m_Record.dimension = VDimension;
    m_Record.fixed = DescribeImage<VDimension>(m_Settings.fixedImages.front(), m_Fixed);
    m_Record.settings = m_Settings.Describe();
    m_Record.device = ResolveDevice(m_Settings.device);
    for (const auto & device : itk::GPUDiffeomorphicEngine::GetDevices())
    {
      if (device.name == m_Record.device)
      {
        m_Record.deviceDescription = device.description;
      }
    }
    m_Record.readSeconds = watch.Lap();
  }

  void
  RequireOverlap(const AffineType * linear, const std::string & argument) const
  {
    const double overlap =
      Overlap<VDimension>(m_Fixed, m_Moving, m_FixedMask.GetPointer(), m_MovingMask.GetPointer(), linear);
    if (overlap < 0.001)
    {
      throw BadInput(
        argument,
        std::string("the fixed and the moving image") + (m_FixedMask || m_MovingMask ? " (their masks)" : "") +
          " have no overlap where the registration starts" +
          (m_Settings.linear == LinearModelEnum::None ? "; a linear stage or another start is needed" : ""));
    }
  }

  void
  Align()
  {
    Stopwatch watch;
    m_Linear = m_Initial;
    if (m_Settings.linear != LinearModelEnum::None)
    {
      m_Progress.Show("linear stage");
      LinearStageInput<VDimension> input;
      input.fixed = m_Fixed;
      input.moving = m_Moving;
      input.fixedMask = m_FixedMask;
      input.movingMask = m_MovingMask;
      input.initial = m_Settings.initialTransform.empty() ? nullptr : m_Initial.GetPointer();
      input.model = m_Settings.linear;
      input.device = m_Settings.device;
      input.progress = [this](const std::string & step, const double value) {
        char text[160];
        std::snprintf(text, sizeof(text), "linear stage: %s, mutual information %.4f", step.c_str(), -value);
        m_Progress.Show(text);
        StopIfInterrupted();
      };
      const auto result = RunLinearStage<VDimension>(input);
      m_Linear = result.transform;
      m_Record.linearStart = result.start;
      for (const auto & step : result.steps)
      {
        m_Record.linearSteps.push_back({ step.description, step.iterations, step.metricValue, step.seconds });
      }
    }
    this->RoundLinear();
    this->RequireOverlap(m_Linear, "--moving");
    m_Record.linearSeconds = watch.Lap();
  }

  /** The composite is written in float; the field files shall say the same. */
  void
  RoundLinear()
  {
    auto matrix = m_Linear->GetMatrix();
    auto offset = m_Linear->GetOffset();
    for (unsigned int i = 0; i < VDimension; ++i)
    {
      for (unsigned int j = 0; j < VDimension; ++j)
      {
        matrix(i, j) = static_cast<float>(matrix(i, j));
        m_Record.linearMatrix.push_back(matrix(i, j));
      }
      offset[i] = static_cast<float>(offset[i]);
      m_Record.linearOffset.push_back(offset[i]);
    }
    m_Linear = AffineType::New();
    m_Linear->SetMatrix(matrix);
    m_Linear->SetOffset(offset);
    m_Record.linearDeterminant = vnl_determinant(matrix.GetVnlMatrix().as_matrix());
  }

  void
  Deform()
  {
    if (m_Settings.solver == SolverEnum::None)
    {
      return;
    }
    Stopwatch                        watch;
    DeformableStageInput<VDimension> input;
    input.fixed.assign(m_FixedChannels.begin(), m_FixedChannels.end());
    input.moving.assign(m_MovingChannels.begin(), m_MovingChannels.end());
    input.fixedMask = m_FixedMask;
    input.movingMask = m_MovingMask;
    input.linear = m_Linear;
    input.settings = &m_Settings;
    m_Progress.Show("deformable stage");
    // Solvers minimise; people like to see a correlation grow.
    const double sign = m_Settings.metric == SimilarityEnum::MeanSquares ? 1.0 : -1.0;
    input.progress = [this, sign](unsigned int level, unsigned int iteration, double metric, double convergence) {
      char text[200];
      char slope[32] = "-";
      if (convergence < 1e30)
      {
        std::snprintf(slope, sizeof(slope), "%.1e", convergence);
      }
      std::snprintf(text,
                    sizeof(text),
                    "level %u/%zu  iteration %u/%u  metric %.6f  convergence %s",
                    level,
                    m_Settings.iterations.size(),
                    iteration,
                    m_Settings.iterations[level - 1],
                    sign * metric,
                    slope);
      m_Progress.Show(text);
      return !IsInterrupted();
    };
    DeformableStageResult<VDimension> result;
    try
    {
      result = RunDeformableStage<VDimension>(input);
    }
    catch (const itk::ProcessAborted &)
    {
      throw std::runtime_error("interrupted");
    }
    catch (const itk::ExceptionObject & error)
    {
      const std::string text = error.GetDescription();
      if (text.find(" MiB on ") != std::string::npos)
      {
        throw BadInput("--fixed", text); // the engine's own account of the memory it needs
      }
      throw;
    }
    m_Field = result.field;
    m_Inverse = result.inverse;
    const auto & numbers = result.numbers;
    m_Record.hasDeformable = true;
    m_Record.metricName = m_Settings.DescribeMetric();
    m_Record.device = numbers.device;
    m_Record.deviceDescription = numbers.deviceDescription;
    m_Record.peakDeviceBytes = numbers.peakDeviceBytes;
    m_Record.deformableDeviceSeconds = numbers.seconds;
    m_Record.deformablePrepareSeconds = numbers.prepareSeconds;
    m_Record.deformableUploadSeconds = numbers.uploadSeconds;
    m_Record.deformableDownloadSeconds = numbers.downloadSeconds;
    m_Record.initialMetricValue = sign * numbers.initialMetricValue;
    m_Record.finalMetricValue = sign * numbers.finalMetricValue;
    m_Record.minimumJacobian = numbers.minimumJacobian;
    m_Record.foldedVoxels = numbers.foldedVoxels;
    m_Record.inverseMeanResidual = numbers.inverseMeanResidual;
    m_Record.inverseMaximumResidual = numbers.inverseMaximumResidual;
    for (std::size_t i = 0; i < numbers.levels.size(); ++i)
    {
      RunRecord::Level level;
      level.shrinkFactor = m_Settings.shrinkFactors[i];
      level.smoothingSigma = m_Settings.smoothingSigmas[i];
      level.maximumIterations = m_Settings.iterations[i];
      level.size.assign(numbers.levels[i].size.begin(), numbers.levels[i].size.begin() + VDimension);
      for (const double value : numbers.levels[i].metricValues)
      {
        level.metricValues.push_back(sign * value);
      }
      level.seconds = numbers.levels[i].seconds;
      level.converged = numbers.levels[i].converged;
      m_Record.levels.push_back(level);
    }
    if (m_Settings.solver == SolverEnum::GaussNewton)
    {
      m_Record.AddNewton(result.gaussNewton, VDimension);
      for (std::size_t i = 0; i < m_VelocityPaths.size(); ++i)
      {
        WriteImage<FieldImage<VDimension>>(result.velocities[i], m_VelocityPaths[i]);
      }
    }
    m_Record.deformableSeconds = watch.Lap();
  }

  void
  Resample()
  {
    m_Progress.Show("resampling");
    Stopwatch         watch;
    const std::string device = m_Record.device;
    const float       outside = BackgroundOf<VDimension>(m_Moving);
    constexpr auto    interpolation = InterpolationEnum::Linear;
    m_Before = Warp<VDimension>(device, m_Moving, m_Initial, nullptr, m_Fixed, interpolation, outside);
    m_AfterLinear = m_Settings.linear == LinearModelEnum::None
                      ? m_Before
                      : Warp<VDimension>(device, m_Moving, m_Linear, nullptr, m_Fixed, interpolation, outside);
    if (m_HasNonlinearStart)
    {
      this->JoinStart();
    }
    m_After =
      m_Field ? Warp<VDimension>(device, m_Moving, m_Linear, m_Field, m_Fixed, interpolation, outside) : m_AfterLinear;
    m_Record.correlationBefore = Correlation<VDimension>(m_Fixed, m_Before, m_FixedMask);
    m_Record.correlationLinear = Correlation<VDimension>(m_Fixed, m_AfterLinear, m_FixedMask);
    m_Record.correlationAfter = Correlation<VDimension>(m_Fixed, m_After, m_FixedMask);
    if (m_Field)
    {
      m_Jacobian = JacobianDeterminant<VDimension>(device, m_Field);
      const std::size_t count = m_Jacobian->GetBufferedRegion().GetNumberOfPixels();
      double            largest = 0.0;
      double            highest = -std::numeric_limits<double>::max();
      double            lowest = std::numeric_limits<double>::max();
      std::size_t       folded = 0;
      for (std::size_t i = 0; i < count; ++i)
      {
        const double determinant = m_Jacobian->GetBufferPointer()[i];
        highest = std::max(highest, determinant);
        lowest = std::min(lowest, determinant);
        folded += determinant > 0.0 ? 0 : 1;
        largest = std::max(largest, static_cast<double>(m_Field->GetBufferPointer()[i].GetSquaredNorm()));
      }
      m_Record.maximumJacobian = highest;
      if (m_HasNonlinearStart)
      {
        m_Record.minimumJacobian = lowest;
        m_Record.foldedVoxels = folded;
      }
      m_Record.maximumDisplacement = std::sqrt(largest);
    }
    m_Record.resampleSeconds = watch.Lap();
  }

  /** From what the stages found on the warped moving image to the whole map. */
  void
  JoinStart()
  {
    const auto joined = JoinWithStart<VDimension>(m_Start, m_Linear, m_Field, m_Fixed, m_Record.device);
    m_Field = joined.field;
    m_Inverse = joined.inverse.field;
    m_LinearInverse = joined.inverse.affineInverse;
    m_Record.inverseMeanResidual = joined.inverse.meanResidual;
    m_Record.inverseMaximumResidual = joined.inverse.maximumResidual;
    m_Linear = AffineType::New();
    m_Moving = m_OriginalMoving;
  }

  void
  WriteTransforms()
  {
    WriteComposite<VDimension>(m_Linear, m_Field, m_CompositePath);
    WriteImage<FieldImage<VDimension>>(TotalField<VDimension>(m_Field, m_Linear, m_Fixed), m_FieldPath);
    WriteImage<ScalarImage<VDimension>>(m_After, m_WarpedPath, true);
    // y -> p + v(p), p = L^-1(y): on the moving grid, where every point of the moving image has its value.
    if (!m_LinearInverse)
    {
      m_LinearInverse = AffineType::New();
      if (!m_Linear->GetInverse(m_LinearInverse))
      {
        throw std::runtime_error("the linear transform has no inverse");
      }
    }
    PointMap<VDimension> inverse;
    inverse.Append(m_LinearInverse.GetPointer());
    if (m_Inverse)
    {
      inverse.AppendField(m_Inverse, true);
    }
    WriteImage<FieldImage<VDimension>>(inverse.MakeField(m_Moving), m_InversePath);
  }

  void
  WriteReport()
  {
    if (!m_ReportPath.empty())
    {
      m_Progress.Show("report");
      Stopwatch               watch;
      ReportInput<VDimension> input;
      input.record = &m_Record;
      input.fixed = m_Fixed;
      input.fixedMask = m_FixedMask;
      input.movingBefore = m_Before;
      input.movingLinear = m_AfterLinear;
      input.movingAfter = m_After;
      input.field = m_Field;
      input.jacobian = m_Jacobian;
      const std::string page = MakeReport<VDimension>(input);
      WriteText(m_ReportPath, m_Settings.report, page);
      m_Record.reportSeconds = watch.Lap();
      m_Record.totalSeconds += m_Record.reportSeconds;
    }
    if (!m_JsonPath.empty())
    {
      WriteText(m_JsonPath, m_Settings.json, MakeJson(m_Record));
    }
  }

  static void
  WriteText(const std::string & temporary, const std::string & path, const std::string & text)
  {
    std::ofstream file(temporary, std::ios::binary);
    file << text;
    file.close();
    if (!file)
    {
      throw std::runtime_error("cannot write '" + path + "'");
    }
  }

  const RegisterSettings & m_Settings;
  ProgressLine             m_Progress;
  OutputFiles              m_Outputs;
  RunRecord                m_Record;
  std::string              m_CompositePath;
  std::string              m_FieldPath;
  std::string              m_InversePath;
  std::string              m_WarpedPath;
  std::vector<std::string> m_VelocityPaths;
  std::string              m_ReportPath;
  std::string              m_JsonPath;

  typename ScalarImage<VDimension>::Pointer m_Fixed;
  typename ScalarImage<VDimension>::Pointer m_Moving;
  /** All images that are compared; m_Fixed and m_Moving are the first. */
  std::vector<typename ScalarImage<VDimension>::Pointer> m_FixedChannels;
  std::vector<typename ScalarImage<VDimension>::Pointer> m_MovingChannels;
  typename MaskImage<VDimension>::Pointer   m_FixedMask;
  typename MaskImage<VDimension>::Pointer   m_MovingMask;
  typename AffineType::Pointer              m_Initial;
  typename AffineType::Pointer              m_Linear;
  typename AffineType::Pointer              m_LinearInverse;
  /** Of --initial-transform; if it is not linear, the stages see the moving image through it, on the fixed grid. */
  PointMap<VDimension>                      m_Start;
  bool                                      m_HasNonlinearStart{ false };
  typename ScalarImage<VDimension>::Pointer m_OriginalMoving;
  typename FieldImage<VDimension>::Pointer  m_Field;
  typename FieldImage<VDimension>::Pointer  m_Inverse;
  typename ScalarImage<VDimension>::Pointer m_Before;
  typename ScalarImage<VDimension>::Pointer m_AfterLinear;
  typename ScalarImage<VDimension>::Pointer m_After;
  typename ScalarImage<VDimension>::Pointer m_Jacobian;
};
} // namespace

void
RunRegister(const RegisterSettings & given)
{
  RegisterSettings settings = given;
  settings.Interpret();
  if (settings.threads > 0)
  {
    itk::MultiThreaderBase::SetGlobalMaximumNumberOfThreads(static_cast<itk::ThreadIdType>(settings.threads));
    itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(static_cast<itk::ThreadIdType>(settings.threads));
  }
  ResolveDevice(settings.device);
  const auto fixed = ReadScalarImageInformation("--fixed", settings.fixedImages.front());
  const auto moving = ReadScalarImageInformation("--moving", settings.movingImages.front());
  if (fixed.dimension != moving.dimension)
  {
    throw BadInput("--moving",
                   "'" + settings.movingImages.front() + "' is " + std::to_string(moving.dimension) + "D, the fixed image is " +
                     std::to_string(fixed.dimension) + "D");
  }
  CheckMemory(settings, fixed, moving);
  if (fixed.dimension == 2)
  {
    Registration<2>(settings).Run();
  }
  else
  {
    Registration<3>(settings).Run();
  }
}
} // namespace gdreg
