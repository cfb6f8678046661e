// SPDX-License-Identifier: Apache-2.0
#include "ReferenceLncc.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
struct Evaluation
{
  std::vector<double> energy;
  HostField           gradient;
};

Evaluation
EvaluateOnProblem(const LnccParameters & parameters, const MetricProblem & problem)
{
  const DeviceMetricProblem device(problem);
  const DeviceFloats        gradient(problem.fixed.lattice, 3);
  const DeviceScalars       energy(2);
  const Workspace           workspace(LnccToDisplacementWorkspace(TestDevice(), parameters, device.inputs));
  LnccToDisplacement(TestDevice(), parameters, device.inputs, energy.Data(), gradient, workspace.Data());
  const Evaluation    result{ energy.Download(), gradient.Download() };
  const DeviceScalars alone(2);
  LnccToDisplacement(TestDevice(), parameters, device.inputs, alone.Data(), Field(), workspace.Data());
  EXPECT_RELATIVE_NEAR(alone.Download()[0], result.energy[0], 1e-6);
  EXPECT_EQ(alone.Download()[1], result.energy[1]);
  return result;
}
} // namespace

TEST(LnccToDisplacement, TwoRunsGiveTheSameBits)
{
  const Lattice       lattice(70, 35, 33);
  const MetricProblem problem = MakeMetricProblem(lattice, Lattice(61, 40, 37), 19);
  const Evaluation    first = EvaluateOnProblem(LnccParameters(), problem);
  const Evaluation    second = EvaluateOnProblem(LnccParameters(), problem);
  EXPECT_EQ(first.energy, second.energy);
  EXPECT_SAME_BITS(first.gradient, second.gradient);
}

TEST(LnccToDisplacement, MatchesDouble)
{
  const std::pair<Lattice, Lattice> grids[] = { { Lattice(37, 41, 29), Lattice(41, 33, 35) },
                                                { Lattice(70, 35, 33), Lattice(70, 35, 33) },
                                                { Lattice(13, 17, 11), Lattice(11, 19, 12) },
                                                { Lattice(17, 13, 1), Lattice(21, 12, 1) },
                                                { Lattice(2, 3, 1), Lattice(4, 2, 1) } };
  const int                         radius[3] = { 3, 2, 4 };
  for (const auto & grid : grids)
  {
    int number = 0;
    for (const MetricProblem & problem : WithAllMasks(MakeMetricProblem(grid.first, grid.second, 20), 21))
    {
      SCOPED_TRACE(::testing::Message() << Describe(grid.first) << " masks " << number++);
      const LnccParameters  parameters = MakeLnccParameters(radius);
      const WarpedReference warped = WarpInDouble(problem);
      const LnccReference    expected = LnccInDouble(parameters, problem.fixed, warped.image, warped.valid);
      const Evaluation actual = EvaluateOnProblem(parameters, problem);
      EXPECT_EQ(actual.energy[1], expected.count);
      EXPECT_NEAR(actual.energy[0], expected.sum, 1e-5 * expected.count);
      EXPECT_RELATIVE_ERROR_WHERE(
        warped.smooth, actual.gradient, ChainInDouble(expected.gradient, warped.gradient), 1e-5);
    }
  }
}

// Checks <gradient, direction> against the change of the energy in that direction.
TEST(LnccToDisplacement, GradientMatchesDirectionalDerivative)
{
  const int radius[3] = { 2, 2, 2 };
  for (const auto & grid : { std::make_pair(Lattice(13, 17, 11), Lattice(15, 16, 12)),
                             std::make_pair(Lattice(37, 41, 1), Lattice(35, 44, 1)) })
  {
    for (const MetricProblem & problem : WithAllMasks(MakeMetricProblem(grid.first, grid.second, 22), 23))
    {
      const LnccParameters parameters = MakeLnccParameters(radius);
      const Evaluation     actual = EvaluateOnProblem(parameters, problem);
      for (const unsigned int seed : { 24u, 25u })
      {
        // a smooth and a rough direction
        const HostField direction =
          seed == 24u ? MakeDisplacement(grid.first, seed, 1.0) : MakeNoise(grid.first, 3, seed, -1.0, 1.0);
        constexpr double h = 1e-6;
        double           energy[2];
        for (int side = 0; side < 2; ++side)
        {
          const WarpedReference warped = WarpInDouble(problem, side == 0 ? -h : h, direction);
          energy[side] = LnccInDouble(parameters, problem.fixed, warped.image, warped.valid).sum;
        }
        EXPECT_RELATIVE_NEAR(Dot(actual.gradient, direction), -(energy[1] - energy[0]) / (2 * h), 1e-3);
      }
    }
  }
}

// Checks the derivative to the displacement for images of several components, and for both images at once: the fixed
// image is warped too, and the second component is the first of another problem.
TEST(LnccToDisplacement, ComponentsAndBothImages)
{
  const Lattice       lattice(23, 19, 17);
  const Lattice       movingLattice(21, 22, 18);
  const MetricProblem problems[2] = { MakeMetricProblem(lattice, movingLattice, 42), MakeMetricProblem(lattice, movingLattice, 52) };
  const auto          join = [](const HostField & a, const HostField & b) {
    HostField joined(a.lattice, 2);
    std::copy(a.values.begin(), a.values.end(), joined.values.begin());
    std::copy(b.values.begin(), b.values.end(), joined.values.begin() + a.values.size());
    return joined;
  };
  // the images of both warps; the first problem's displacement warps the moving images, the second's the fixed ones
  MetricProblem warps[2] = { problems[0], problems[1] };
  for (const LnccParameters & parameters : WithAllWindows({ 2, 3, 2 }))
  {
    HostField     warpedFixed[2];
    LnccReference expected[2];
    HostDoubles   movingGradient(lattice, 3);
    HostDoubles   fixedGradient(lattice, 3);
    HostMask      smooth(lattice, 1, 1);
    double        sum = 0.0;
    for (const int c : { 0, 1 })
    {
      warps[0].moving = problems[c].moving;
      warps[1].moving = problems[c].fixed;
      warps[1].affine = IdentityAffine();
      warps[1].matrix = LinearPart(IdentityAffine());
      const WarpedReference moving = WarpInDouble(warps[0]);
      const WarpedReference fixed = WarpInDouble(warps[1]);
      warpedFixed[c] = ToFloats(fixed.image);
      expected[c] = LnccInDouble(parameters, warpedFixed[c], moving.image, HostMask());
      sum += expected[c].sum / 2;
      const HostDoubles toMoving = ChainInDouble(expected[c].gradient, moving.gradient);
      const HostDoubles toFixed = ChainInDouble(expected[c].fixedGradient, fixed.gradient);
      for (std::size_t i = 0; i < toMoving.values.size(); ++i)
      {
        movingGradient.values[i] += toMoving.values[i] / 2;
        fixedGradient.values[i] += toFixed.values[i] / 2;
      }
      for (std::size_t i = 0; i < smooth.values.size(); ++i)
      {
        smooth.values[i] = smooth.values[i] && moving.smooth.values[i] && fixed.smooth.values[i];
      }
    }
    const DeviceFloats  fixedImages(join(warpedFixed[0], warpedFixed[1]));
    const DeviceFloats  movingImages(join(problems[0].moving, problems[1].moving));
    const DeviceFloats  originals(join(problems[0].fixed, problems[1].fixed));
    DeviceMetricProblem toMoving(warps[0]);
    DeviceMetricProblem toFixed(warps[1]);
    toMoving.inputs.fixed = fixedImages;
    toMoving.inputs.moving = movingImages;
    toFixed.inputs.moving = originals;
    const DeviceFloats  gradient(lattice, 3);
    const DeviceScalars energy(2);
    const Workspace     workspace(LnccToDisplacementWorkspace(TestDevice(), parameters, toMoving.inputs));
    const Workspace     workspaceForBoth(LnccWorkspace(TestDevice(), parameters, lattice, 2, true));
    LnccToDisplacement(TestDevice(), parameters, toMoving.inputs, energy.Data(), gradient, workspace.Data());
    EXPECT_RELATIVE_NEAR(energy.Download()[0], sum, 1e-5);
    EXPECT_RELATIVE_ERROR_WHERE(smooth, gradient.Download(), movingGradient, 1e-5);

    const DeviceFloats warped(lattice, 2);
    WarpMovingImage(TestDevice(), toMoving.inputs, warped, Mask());
    const DeviceFloats both[2] = { DeviceFloats(lattice, 3), DeviceFloats(lattice, 3) };
    LnccGradients      gradients(both[0], both[1]);
    gradients.movingChain = &toMoving.inputs;
    gradients.fixedChain = &toFixed.inputs;
    Lncc(TestDevice(), parameters, fixedImages, warped, ConstMask(), energy.Data(), gradients, workspaceForBoth.Data());
    EXPECT_RELATIVE_NEAR(energy.Download()[0], sum, 1e-5);
    EXPECT_RELATIVE_ERROR_WHERE(smooth, both[0].Download(), movingGradient, 1e-5);
    EXPECT_RELATIVE_ERROR_WHERE(smooth, both[1].Download(), fixedGradient, 1e-5);
  }
}

TEST(LnccToDisplacement, AbsentDisplacementIsZero)
{
  MetricProblem problem = MakeMetricProblem(Lattice(13, 17, 11), Lattice(15, 16, 12), 26);
  problem.displacement = HostField(problem.fixed.lattice, 3);
  const Evaluation    expected = EvaluateOnProblem(LnccParameters(), problem);
  DeviceMetricProblem device(problem);
  device.inputs.displacement = ConstField();
  const DeviceFloats  gradient(problem.fixed.lattice, 3);
  const DeviceScalars energy(2);
  const Workspace     workspace(LnccToDisplacementWorkspace(TestDevice(), LnccParameters(), device.inputs));
  LnccToDisplacement(TestDevice(), LnccParameters(), device.inputs, energy.Data(), gradient, workspace.Data());
  EXPECT_EQ(energy.Download(), expected.energy);
  EXPECT_SAME_BITS(gradient.Download(), expected.gradient);
}

// Checks that a point that maps nowhere has the outside value, or does not count.
TEST(LnccToDisplacement, NotANumberLandsOutside)
{
  MetricProblem problem = MakeMetricProblem(Lattice(13, 17, 11), Lattice(15, 16, 12), 27);
  MetricProblem far = problem;
  for (const int c : { 0, 1, 2 })
  {
    problem.displacement(c, 6, 6, 6) = std::numeric_limits<float>::quiet_NaN();
    far.displacement(c, 6, 6, 6) = 1e6f;
  }
  for (const bool ignore : { false, true })
  {
    problem.ignoreOutside = far.ignoreOutside = ignore;
    const Evaluation actual = EvaluateOnProblem(LnccParameters(), problem);
    const Evaluation expected = EvaluateOnProblem(LnccParameters(), far);
    EXPECT_EQ(actual.energy, expected.energy);
    EXPECT_SAME_BITS(actual.gradient, expected.gradient);
  }
}
} // namespace test
} // namespace engine
} // namespace itk
