// SPDX-License-Identifier: Apache-2.0
#ifndef itkInformationTesting_h
#define itkInformationTesting_h

#include "ReferenceInformation.h"
#include "ReferenceMetrics.h"

#include "Operators/MutualInformation.h"

#include <algorithm>

// Evaluates mutual information on the device of this run and compares it with the reference.
namespace itk
{
namespace engine
{
namespace test
{
using Windows = std::pair<ParzenWindow, ParzenWindow>;
const Windows mattes{ ParzenWindow::ZeroOrder, ParzenWindow::CubicBSpline };
const Windows allWindows[] = { mattes,
                               { ParzenWindow::ZeroOrder, ParzenWindow::Linear },
                               { ParzenWindow::CubicBSpline, ParzenWindow::CubicBSpline },
                               { ParzenWindow::Gaussian, ParzenWindow::Gaussian },
                               { ParzenWindow::Linear, ParzenWindow::Gaussian } };

inline void
SetRange(ParzenParameters & axis, const HostField & image, double trim = 0.0)
{
  const auto range = std::minmax_element(image.values.begin(), image.values.end());
  const auto width = static_cast<double>(*range.second) - *range.first;
  axis.minimum = static_cast<float>(*range.first + trim * width);
  axis.maximum = static_cast<float>(*range.second - trim * width);
}

/** `trim`: the part of the range that is left out at either end. */
inline MutualInformationParameters
MakeParameters(int               bins,
               const Windows &   windows,
               const HostField & fixed,
               const HostField & moving,
               double            trim = 0.0,
               bool              normalized = false)
{
  MutualInformationParameters parameters;
  parameters.numberOfBins = bins;
  parameters.fixed.window = windows.first;
  parameters.moving.window = windows.second;
  parameters.moving.sigma = 0.8f;
  parameters.normalized = normalized;
  SetRange(parameters.fixed, fixed, trim);
  SetRange(parameters.moving, moving, trim);
  return parameters;
}

struct Evaluation
{
  std::vector<double> energy;
  HostField           gradient;
  HostField           fixedGradient; ///< of zero-order windows: empty
};

inline Evaluation
Evaluate(const MutualInformationParameters & parameters,
         const HostField &                   fixed,
         const HostField &                   moving,
         const HostMask &                    valid)
{
  const DeviceMask    mask(valid.values.empty() ? HostMask(Lattice(1, 1, 1)) : valid);
  const ConstMask     view = valid.values.empty() ? ConstMask() : ConstMask(mask);
  const DeviceFloats  deviceFixed(fixed);
  const DeviceFloats  deviceMoving(moving);
  const DeviceFloats  gradient(fixed.lattice, fixed.components);
  const DeviceFloats  fixedGradient(fixed.lattice, fixed.components);
  const DeviceScalars energy(2);
  const Workspace     workspace(MutualInformationWorkspace(TestDevice(), parameters, fixed.lattice, fixed.components));
  const bool          both = parameters.fixed.window != ParzenWindow::ZeroOrder;
  MutualInformation(TestDevice(),
                    parameters,
                    deviceFixed,
                    deviceMoving,
                    view,
                    energy.Data(),
                    gradient,
                    both ? Field(fixedGradient) : Field(),
                    workspace.Data());
  const Evaluation    result{ energy.Download(), gradient.Download(), both ? fixedGradient.Download() : HostField() };
  const DeviceScalars alone(2);
  MutualInformation(TestDevice(),
                    parameters,
                    deviceFixed,
                    deviceMoving,
                    view,
                    alone.Data(),
                    Field(),
                    Field(),
                    workspace.Data());
  EXPECT_EQ(alone.Download(), result.energy);
  return result;
}

inline Evaluation
EvaluateOnProblem(const MutualInformationParameters & parameters, const MetricProblem & problem)
{
  const DeviceMetricProblem device(problem);
  const DeviceFloats        gradient(problem.fixed.lattice, 3);
  const DeviceScalars       energy(2);
  const DeviceScalars       alone(2);
  const Workspace workspace(MutualInformationToDisplacementWorkspace(TestDevice(), parameters, device.inputs));
  MutualInformationToDisplacement(
    TestDevice(), parameters, device.inputs, energy.Data(), gradient, workspace.Data());
  MutualInformationToDisplacement(TestDevice(), parameters, device.inputs, alone.Data(), Field(), workspace.Data());
  EXPECT_EQ(alone.Download(), energy.Download());
  return Evaluation{ energy.Download(), gradient.Download(), HostField() };
}

/** Where few samples lie alone in their bins the logarithms cancel; what is left there is rounding. */
inline void
ExpectGradient(const HostField & actual, const HostDoubles & expected, double count)
{
  const double norm = Norm(expected);
  EXPECT_LE(RelativeError(actual, expected) * (norm > 0.0 ? norm : 1.0), 1e-5 * norm + 1e-6 * std::sqrt(count));
}

inline void
Compare(const MutualInformationParameters & parameters,
        const HostField &                   fixed,
        const HostField &                   moving,
        const HostMask &                    valid)
{
  SCOPED_TRACE(::testing::Message() << Describe(fixed.lattice) << " bins " << parameters.numberOfBins << " windows "
                                    << static_cast<int>(parameters.fixed.window)
                                    << static_cast<int>(parameters.moving.window)
                                    << (parameters.normalized ? " normalized" : "")
                                    << (valid.values.empty() ? "" : " masked"));
  const InformationReference expected = InformationInDouble(parameters, ToDoubles(fixed), ToDoubles(moving), valid);
  const Evaluation           actual = Evaluate(parameters, fixed, moving, valid);
  EXPECT_EQ(actual.energy[1], expected.count);
  EXPECT_NEAR(actual.energy[0], expected.information * expected.count, 1e-6 * expected.count);
  ExpectGradient(actual.gradient, expected.gradient, expected.count);
  if (!actual.fixedGradient.values.empty())
  {
    ExpectGradient(actual.fixedGradient, expected.fixedGradient, expected.count);
  }
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
