// SPDX-License-Identifier: Apache-2.0
#include "SolverMetric.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace itk
{
namespace engine
{
namespace
{
/** Floats of the energies of all components and of the gradient of one, before the operators' own workspace. */
std::int64_t
EnergyFloats()
{
  return 4 * EnergyWeights::Maximum;
}
std::int64_t
GradientFloats(const MetricInputs & inputs)
{
  return (3 * inputs.fixed.lattice.NumberOfVoxels() + 63) / 64 * 64;
}

template <typename T>
FieldView<T>
SliceOf(const FieldView<T> & field, int component)
{
  return FieldView<T>(field.Component(component), field.lattice);
}

MetricInputs
SliceOf(const MetricInputs & inputs, int component)
{
  MetricInputs slice = inputs;
  slice.fixed = SliceOf(inputs.fixed, component);
  slice.moving = SliceOf(inputs.moving, component);
  return slice;
}
} // namespace

SolverMetric::SolverMetric(const Device & device, const MetricParameters & parameters, float fixedMean,
                           float movingMean)
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

  const std::vector<double> & weights = parameters.weights;
  if (weights.size() > static_cast<std::size_t>(EnergyWeights::Maximum))
  {
    ThrowError("there are ", weights.size(), " pairs of images: at most ", EnergyWeights::Maximum, " are possible");
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  m_Weights.count = std::max(1, static_cast<int>(weights.size()));
  m_Weights.weight[0] = 1.0;
  for (std::size_t c = 0; c < weights.size(); ++c)
  {
    if (!(weights[c] > 0.0) || !std::isfinite(sum))
    {
      ThrowError("weight of a pair of images is ", weights[c], ": a number > 0 is needed");
    }
    m_Weights.weight[c] = weights[c] / sum;
  }
}

void
SolverMetric::Evaluate(const MetricInputs & inputs, double * energy, const Field & gradient, float * workspace) const
{
  if (m_Weights.count == 1)
  {
    EvaluateComponent(inputs, energy, gradient, workspace);
    return;
  }
  const auto    energies = reinterpret_cast<double *>(workspace);
  const Field   other = gradient ? Field(workspace + EnergyFloats(), inputs.fixed.lattice, 3) : Field();
  float * const rest = workspace + EnergyFloats() + GradientFloats(inputs);
  for (int c = 0; c < m_Weights.count; ++c)
  {
    EvaluateComponent(SliceOf(inputs, c), energies + 2 * c, c == 0 ? gradient : other, rest);
    if (gradient && c > 0)
    {
      const auto before = static_cast<float>(c == 1 ? m_Weights.weight[0] : 1.0);
      LinearCombination(m_Device, before, gradient, static_cast<float>(m_Weights.weight[c]), other, gradient);
    }
  }
  CombineEnergies(m_Device, m_Weights, energies, energy);
}

void
SolverMetric::EvaluateComponent(const MetricInputs & inputs, double * energy, const Field & gradient,
                                float * workspace) const
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
  return m_Weights.count == 1 ? ComponentWorkspace(inputs)
                              : EnergyFloats() + GradientFloats(inputs) + ComponentWorkspace(SliceOf(inputs, 0));
}

std::int64_t
SolverMetric::ComponentWorkspace(const MetricInputs & inputs) const
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

void
SolverMetric::EvaluateWarped(const ConstField & fixed,
                             const ConstField & warped,
                             const ConstMask &  valid,
                             double *           energy,
                             const Field &      gradient,
                             float *            workspace) const
{
  if (m_Weights.count == 1)
  {
    EvaluateWarpedComponent(fixed, warped, valid, energy, gradient, workspace);
    return;
  }
  const auto energies = reinterpret_cast<double *>(workspace);
  for (int c = 0; c < m_Weights.count; ++c)
  {
    const Field to = gradient ? SliceOf(gradient, c) : Field();
    EvaluateWarpedComponent(
      SliceOf(fixed, c), SliceOf(warped, c), valid, energies + 2 * c, to, workspace + EnergyFloats());
    if (gradient)
    {
      LinearCombination(m_Device, static_cast<float>(m_Weights.weight[c]), to, 0.0f, ConstField(), to);
    }
  }
  CombineEnergies(m_Device, m_Weights, energies, energy);
}

void
SolverMetric::EvaluateWarpedComponent(const ConstField & fixed,
                                      const ConstField & warped,
                                      const ConstMask &  valid,
                                      double *           energy,
                                      const Field &      gradient,
                                      float *            workspace) const
{
  switch (m_Parameters.kind)
  {
    case MetricKind::Lncc:
      Lncc(m_Device, m_Parameters.lncc, fixed, warped, valid, energy, gradient, workspace);
      break;
    case MetricKind::MeanSquares:
      MeanSquares(m_Device, fixed, warped, valid, energy, gradient);
      break;
    case MetricKind::MutualInformation:
      MutualInformation(
        m_Device, m_Parameters.mutualInformation, fixed, warped, valid, energy, gradient, Field(), workspace);
      break;
  }
}

std::int64_t
SolverMetric::WarpedWorkspace(const Lattice & lattice) const
{
  const std::int64_t energies = m_Weights.count == 1 ? 0 : EnergyFloats();
  switch (m_Parameters.kind)
  {
    case MetricKind::MeanSquares:
      return energies;
    case MetricKind::MutualInformation:
      return energies + MutualInformationWorkspace(m_Device, m_Parameters.mutualInformation, lattice);
    case MetricKind::Lncc:
      break;
  }
  return energies + LnccWorkspace(m_Device, m_Parameters.lncc, lattice);
}

double
SolverMetric::EvaluateFullResolution(const RegistrationProblem & problem, const ConstField & displacement) const
{
  const LevelImages    images(m_Device, problem, PyramidLevel());
  const MetricInputs   inputs = images.MakeInputs(problem, displacement);
  const Buffer<float>  workspace(m_Device, Workspace(inputs));
  const Buffer<double> energy(m_Device, 2);
  Evaluate(inputs, energy.Data(), Field(), workspace.Data());
  double numbers[2];
  m_Device.CopyToHost(numbers, energy.Data(), sizeof(numbers));
  return ToLoss(numbers);
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
