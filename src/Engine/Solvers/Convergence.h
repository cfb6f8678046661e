// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineConvergence_h
#define itkEngineConvergence_h

#include <cstddef>
#include <deque>

namespace itk
{
namespace engine
{
/** ITK's rule of convergence: minus the slope of a straight line through the last `window` energies, each divided by
 * the sum of the magnitudes of all energies so far; the largest double until the window is full.
 *
 * Same values as itk::Function::WindowConvergenceMonitoringFunction (a linear B-spline with two control points fitted
 * by multilevel B-spline approximation: Lee, Wolberg, Shin 1997), in closed form, because ITK's class builds a filter
 * pipeline per call and that would cost more than an iteration. */
class WindowConvergence
{
public:
  explicit WindowConvergence(std::size_t window)
    : m_Window(window)
  {}

  void
  AddEnergy(double energy);

  double
  Value() const;

private:
  std::size_t        m_Window;
  std::deque<double> m_Energies;
  double             m_Total = 0.0;
};
} // namespace engine
} // namespace itk

#endif
