// SPDX-License-Identifier: Apache-2.0
#include "StepRule.h"

#include "../Operators/GradientDirection.h"
#include "../Operators/Reductions.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace itk
{
namespace engine
{
void
StepRule::Check(const StepRuleParameters & parameters)
{
  const auto requirePositive = [](double value, const char * name) {
    if (!(value > 0.0) || !std::isfinite(value))
    {
      ThrowError(name, " is ", value, ": a number > 0 is needed");
    }
  };
  requirePositive(parameters.epsilon, "epsilon");
  requirePositive(parameters.damping, "damping");
  if (!(parameters.beta1 >= 0.0 && parameters.beta1 < 1.0) || !(parameters.beta2 >= 0.0 && parameters.beta2 < 1.0))
  {
    ThrowError("beta1 is ", parameters.beta1, " and beta2 is ", parameters.beta2, ": both must be in [0, 1)");
  }
}

std::size_t
StepRule::Bytes(const StepRuleParameters & parameters, const Lattice & lattice, int iterations)
{
  const std::int64_t voxels = lattice.NumberOfVoxels();
  std::size_t        bytes = Arena::Round(3 * sizeof(double));
  if (parameters.kind == StepRuleKind::Adam)
  {
    bytes += Arena::Round(std::max(1, iterations) * sizeof(AdamCorrections)) + Arena::Round(sizeof(int));
    bytes += Arena::Round(3 * voxels * sizeof(float)) + Arena::Round(voxels * sizeof(float));
  }
  return bytes;
}

StepRule::StepRule(const Device &             device,
                   Arena &                    arena,
                   const StepRuleParameters & parameters,
                   const Lattice &            lattice,
                   int                        iterations,
                   double                     gradientScale,
                   double                     lossSign)
  : m_Device(device)
  , m_Parameters(parameters)
  , m_LossSign(lossSign)
{
  m_Parameters.epsilon *= gradientScale;
  m_Parameters.damping *= gradientScale * gradientScale;
  m_Norms = arena.Take<double>(3);
  m_Damping = m_Norms + 2;
  device.CopyFromHost(m_Damping, &m_Parameters.damping, sizeof(double));
  if (parameters.kind == StepRuleKind::Adam)
  {
    m_First = Field(arena.Take<float>(3 * lattice.NumberOfVoxels()), lattice, 3);
    m_Second = Field(arena.Take<float>(lattice.NumberOfVoxels()), lattice);
    device.SetZero(m_First.data, sizeof(float) * m_First.NumberOfValues());
    device.SetZero(m_Second.data, sizeof(float) * m_Second.NumberOfValues());
    std::vector<AdamCorrections> corrections;
    for (int step = 1; step <= std::max(1, iterations); ++step)
    {
      corrections.push_back(MakeAdamCorrections(parameters.beta1, parameters.beta2, step));
    }
    m_Clock.count = static_cast<int>(corrections.size());
    AdamCorrections * const table = arena.Take<AdamCorrections>(m_Clock.count);
    device.CopyFromHost(table, corrections.data(), sizeof(AdamCorrections) * corrections.size());
    m_Clock.corrections = table;
    m_Clock.steps = arena.Take<int>(1);
    device.SetZero(m_Clock.steps, sizeof(int));
  }
}

void
StepRule::TakeDirection(const double *          previousEnergy,
                        const double *          energy,
                        const SymmetricKernel (&kernels)[3],
                        const Field & gradient,
                        const Field & direction) const
{
  const bool smooths = gradient.data != direction.data;
  if (m_Parameters.kind == StepRuleKind::Adam)
  {
    AdamParameters adam;
    adam.beta1 = static_cast<float>(m_Parameters.beta1);
    adam.beta2 = static_cast<float>(m_Parameters.beta2);
    adam.epsilon = static_cast<float>(m_Parameters.epsilon);
    if (smooths)
    {
      SmoothedAdamUpdate(m_Device, kernels, adam, m_Clock, gradient, direction, m_First, m_Second, m_Norms);
    }
    else
    {
      AdamUpdate(m_Device, adam, m_Clock, direction, m_First, m_Second, m_Norms);
    }
    return;
  }
  if (smooths)
  {
    GaussianSmooth(m_Device, kernels, SmoothBoundary::ZeroFlux, gradient, direction, gradient);
  }
  DirectionParameters rule;
  rule.floor = static_cast<float>(m_Parameters.epsilon);
  if (m_Parameters.kind == StepRuleKind::Levenberg)
  {
    rule.rule = DirectionRule::Levenberg;
    rule.damping = m_Damping;
    if (previousEnergy)
    {
      AdaptDamping(m_Device, m_LossSign, previousEnergy, energy, m_Damping);
    }
  }
  GradientDirection(m_Device, rule, direction);
  Norms(m_Device, direction, m_Norms);
}
} // namespace engine
} // namespace itk
