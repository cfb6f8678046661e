// SPDX-License-Identifier: Apache-2.0
#include "Convergence.h"

#include <cmath>
#include <limits>

namespace itk
{
namespace engine
{
void
WindowConvergence::AddEnergy(double energy)
{
  m_Energies.push_back(energy);
  if (m_Energies.size() > m_Window)
  {
    m_Energies.pop_front();
  }
  m_Total += std::abs(energy);
}

double
WindowConvergence::Value() const
{
  if (m_Energies.size() < m_Window || m_Window < 2)
  {
    return std::numeric_limits<double>::max();
  }
  if (m_Total == 0.0)
  {
    return 0.0;
  }
  double numerator[2] = { 0.0, 0.0 };
  double denominator[2] = { 0.0, 0.0 };
  for (std::size_t n = 0; n < m_Window; ++n)
  {
    const double t = static_cast<double>(n) / static_cast<double>(m_Window - 1);
    const double weight[2] = { 1.0 - t, t };
    const double square = weight[0] * weight[0] + weight[1] * weight[1];
    for (int k = 0; k < 2; ++k)
    {
      numerator[k] += weight[k] * weight[k] * weight[k] / square * (m_Energies[n] / m_Total);
      denominator[k] += weight[k] * weight[k];
    }
  }
  return -(numerator[1] / denominator[1] - numerator[0] / denominator[0]);
}
} // namespace engine
} // namespace itk
