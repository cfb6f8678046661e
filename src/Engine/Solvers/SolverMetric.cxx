// SPDX-License-Identifier: Apache-2.0
#include "SolverMetric.h"

#include <cmath>

namespace itk
{
namespace engine
{
SolverMetric::SolverMetric(const Device &           device,
                           const MetricParameters & parameters,
                           float                    fixedMean,
                           float                    movingMean)
  : m_Device(device)
  , m_Parameters(parameters)
{
  if (!(parameters.lncc.varianceFloor > 0.0f) || !std::isfinite(parameters.lncc.varianceFloor))
  {
    ThrowError("variance floor is ", parameters.lncc.varianceFloor, ": a number > 0 is needed");
  }
  for (const int radius : parameters.lncc.radius)
  {
    if (radius < 0)
    {
      ThrowError("radius is ", radius, ": a number >= 0 is needed");
    }
  }
  RequireMutualInformationParameters(parameters.mutualInformation, Field(), Field());
  m_Parameters.lncc.fixedShift = fixedMean;
  m_Parameters.lncc.movingShift = movingMean;
}

void
SolverMetric::Evaluate(const MetricInputs & inputs, double * energy, const Field & gradient, float * workspace) const
{
  switch (m_Parameters.kind)
  {
    case MetricKind::Lncc:
      LnccToDisplacement(m_Device, m_Parameters.lncc, inputs, energy, gradient, workspace);
      break;
    case MetricKind::MeanSquares:
      MeanSquaresToDisplacement(m_Device, inputs, energy, gradient, workspace);
      break;
    case MetricKind::MutualInformation:
      MutualInformationToDisplacement(m_Device, m_Parameters.mutualInformation, inputs, energy, gradient, workspace);
      break;
  }
}

std::int64_t
SolverMetric::Workspace(const MetricInputs & inputs) const
{
  switch (m_Parameters.kind)
  {
    case MetricKind::MeanSquares:
      return MeanSquaresToDisplacementWorkspace(inputs);
    case MetricKind::MutualInformation:
      return MutualInformationToDisplacementWorkspace(m_Device, m_Parameters.mutualInformation, inputs);
    case MetricKind::Lncc:
      break;
  }
  return LnccToDisplacementWorkspace(m_Device, m_Parameters.lncc, inputs);
}

double
SolverMetric::LossSign() const
{
  return m_Parameters.kind == MetricKind::MeanSquares ? 1.0 : -1.0;
}

double
SolverMetric::ToLoss(const double (&energy)[2]) const
{
  if (energy[1] == 0.0)
  {
    ThrowError("the images do not overlap: no voxel of the fixed image maps into the moving image and the masks");
  }
  const double mean = energy[0] / energy[1];
  if (!std::isfinite(mean))
  {
    ThrowError("the metric is ", mean, ": the registration diverged; a smaller learning rate may help");
  }
  return LossSign() * mean;
}

double
SolverMetric::GradientScale() const
{
  switch (m_Parameters.kind)
  {
    case MetricKind::MeanSquares:
      return 0.1;
    case MetricKind::MutualInformation:
      return 3.0;
    case MetricKind::Lncc:
      break;
  }
  return 1.0;
}
} // namespace engine
} // namespace itk
