// SPDX-License-Identifier: Apache-2.0
#ifndef itkLnccTesting_h
#define itkLnccTesting_h

#include "ReferenceLncc.h"

namespace itk
{
namespace engine
{
namespace test
{
struct LnccEvaluation
{
  std::vector<double> energy;
  HostField           gradient; ///< asked for alone
  HostField           movingGradient; ///< both asked for
  HostField           fixedGradient;
};

/** Value, gradient to the moving image and gradient to both; the values must agree. */
template <typename TPixel>
LnccEvaluation
Evaluate(const LnccParameters &      parameters,
         const HostFieldOf<TPixel> & fixed,
         const HostFieldOf<TPixel> & moving,
         const HostMask &            valid)
{
  const DeviceMask          mask(valid.values.empty() ? HostMask(Lattice(1, 1, 1)) : valid);
  const DeviceField<TPixel> deviceFixed(fixed);
  const DeviceField<TPixel> deviceMoving(moving);
  const auto                evaluate = [&](const LnccGradients & gradients) {
    const DeviceScalars energy(2);
    const Workspace     workspace(LnccWorkspace(TestDevice(),
                                            parameters,
                                            fixed.lattice,
                                            fixed.components,
                                            static_cast<bool>(gradients.fixed),
                                            false,
                                            StorageOf<TPixel>));
    Lncc(TestDevice(),
         parameters,
         deviceFixed,
         deviceMoving,
         valid.values.empty() ? ConstMask() : ConstMask(mask),
         energy.Data(),
         gradients,
         workspace.Data());
    return energy.Download();
  };
  const DeviceFloats gradient(fixed.lattice, fixed.components);
  LnccEvaluation         result;
  result.energy = evaluate(LnccGradients(gradient));
  result.gradient = gradient.Download();
  const DeviceFloats both[2] = { DeviceFloats(fixed.lattice, fixed.components),
                                 DeviceFloats(fixed.lattice, fixed.components) };
  for (const std::vector<double> & energy : { evaluate(Field()), evaluate(LnccGradients(both[0], both[1])) })
  {
    EXPECT_RELATIVE_NEAR(energy[0], result.energy[0], 1e-6);
    EXPECT_EQ(energy[1], result.energy[1]);
  }
  result.fixedGradient = both[1].Download();
  result.movingGradient = both[0].Download();
  return result;
}

/** What was computed from these images, stored in any way, against the reference. */
inline void
CompareWithDouble(const LnccParameters & parameters,
                  const HostField &      fixed,
                  const HostField &      moving,
                  const HostMask &       valid,
                  const LnccEvaluation &     actual)
{
  const LnccReference expected = LnccInDouble(parameters, fixed, ToDoubles(moving), valid);
  EXPECT_EQ(actual.energy[1], expected.count);
  EXPECT_NEAR(actual.energy[0], expected.sum, 1e-5 * expected.count);
  // windows of one or two voxels are flat or correlate perfectly: what is left of the gradient is rounding
  const auto compare = [&](const HostField & gradient, int image) {
    const HostDoubles & reference = image == 0 ? expected.gradient : expected.fixedGradient;
    const double        norm = Norm(reference);
    EXPECT_LE(RelativeError(gradient, reference) * (norm > 0.0 ? norm : 1.0),
              1e-5 * norm + 5e-7 * expected.terms[image] + 1e-9 * std::sqrt(expected.count));
  };
  compare(actual.gradient, 0);
  compare(actual.movingGradient, 0);
  compare(actual.fixedGradient, 1);
}

inline void
CompareWithDouble(const LnccParameters & parameters,
                  const HostField &      fixed,
                  const HostField &      moving,
                  const HostMask &       valid)
{
  CompareWithDouble(parameters, fixed, moving, valid, Evaluate(parameters, fixed, moving, valid));
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
