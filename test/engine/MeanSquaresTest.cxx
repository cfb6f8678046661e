// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceMetrics.h"

#include "Operators/MeanSquares.h"

#include "itkIdentityTransform.h"
#include "itkMeanSquaresImageToImageMetricv4.h"

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
Evaluate(const HostField & fixed, const HostField & moving, const HostMask & valid)
{
  const DeviceMask    mask(valid.values.empty() ? HostMask(Lattice(1, 1, 1)) : valid);
  const DeviceFloats  deviceFixed(fixed);
  const DeviceFloats  deviceMoving(moving);
  const DeviceFloats  gradient(fixed.lattice);
  const DeviceScalars energy(2);
  const DeviceScalars alone(2);
  const ConstMask     view = valid.values.empty() ? ConstMask() : ConstMask(mask);
  MeanSquares(TestDevice(), deviceFixed, deviceMoving, view, energy.Data(), gradient);
  MeanSquares(TestDevice(), deviceFixed, deviceMoving, view, alone.Data(), Field());
  EXPECT_EQ(alone.Download(), energy.Download());
  return Evaluation{ energy.Download(), gradient.Download() };
}

Evaluation
EvaluateOnProblem(const MetricProblem & problem)
{
  const DeviceMetricProblem device(problem);
  const DeviceFloats        gradient(problem.fixed.lattice, 3);
  const DeviceScalars       energy(2);
  const DeviceScalars       alone(2);
  const Workspace           workspace(MeanSquaresToDisplacementWorkspace(device.inputs));
  MeanSquaresToDisplacement(TestDevice(), device.inputs, energy.Data(), gradient, workspace.Data());
  MeanSquaresToDisplacement(TestDevice(), device.inputs, alone.Data(), Field(), workspace.Data());
  EXPECT_EQ(alone.Download()[1], energy.Download()[1]);
  EXPECT_RELATIVE_NEAR(alone.Download()[0], energy.Download()[0], 1e-6);
  return Evaluation{ energy.Download(), gradient.Download() };
}
} // namespace

TEST(MeanSquares, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField fixed = MakeImage(lattice, 1, 1000.0, 0.3);
    const HostField moving = MakeImage(lattice, 2, 1000.0, 0.3);
    for (const HostMask & valid : { HostMask(), MakeMask(lattice, 3, 0.4), HostMask(lattice) })
    {
      const MetricReference expected = MeanSquaresInDouble(fixed, ToDoubles(moving), valid);
      const Evaluation      actual = Evaluate(fixed, moving, valid);
      EXPECT_EQ(actual.energy[1], expected.count);
      EXPECT_RELATIVE_NEAR(actual.energy[0], expected.sum, 1e-6);
      EXPECT_RELATIVE_ERROR(actual.gradient, expected.gradient, 1e-6);
    }
  }
}

TEST(MeanSquares, MaskedVoxelsHaveNoInfluence)
{
  const Lattice   lattice(13, 17, 11);
  const HostField fixed = MakeImage(lattice, 4);
  HostField       moving = MakeImage(lattice, 5);
  const HostMask  valid = MakeMask(lattice, 6, 0.4);
  const double    before = Evaluate(fixed, moving, valid).energy[0];
  for (std::size_t i = 0; i < moving.values.size(); ++i)
  {
    moving.values[i] = valid.values[i] ? moving.values[i] : 1e6f;
  }
  EXPECT_EQ(Evaluate(fixed, moving, valid).energy[0], before);
}

TEST(MeanSquares, TwoRunsGiveTheSameBits)
{
  const MetricProblem problem = MakeMetricProblem(Lattice(70, 35, 33), Lattice(61, 40, 37), 7);
  const Evaluation    first = EvaluateOnProblem(problem);
  const Evaluation    second = EvaluateOnProblem(problem);
  EXPECT_EQ(first.energy, second.energy);
  EXPECT_SAME_BITS(first.gradient, second.gradient);
}

TEST(MeanSquaresToDisplacement, MatchesDouble)
{
  const std::pair<Lattice, Lattice> grids[] = { { Lattice(37, 41, 29), Lattice(41, 33, 35) },
                                                { Lattice(13, 17, 11), Lattice(11, 19, 12) },
                                                { Lattice(17, 13, 1), Lattice(21, 12, 1) },
                                                { Lattice(2, 3, 1), Lattice(4, 2, 1) },
                                                { Lattice(1, 1, 1), Lattice(1, 1, 1) } };
  for (const auto & grid : grids)
  {
    int number = 0;
    for (const MetricProblem & problem : WithAllMasks(MakeMetricProblem(grid.first, grid.second, 8), 9))
    {
      SCOPED_TRACE(::testing::Message() << Describe(grid.first) << " masks " << number++);
      const WarpedReference warped = WarpInDouble(problem);
      const MetricReference expected = MeanSquaresInDouble(problem.fixed, warped.image, warped.valid);
      const Evaluation      actual = EvaluateOnProblem(problem);
      EXPECT_EQ(actual.energy[1], expected.count);
      EXPECT_RELATIVE_NEAR(actual.energy[0], expected.sum, 1e-5);
      EXPECT_RELATIVE_ERROR_WHERE(
        warped.smooth, actual.gradient, ChainInDouble(expected.gradient, warped.gradient), 1e-5);
    }
  }
}

TEST(MeanSquaresToDisplacement, GradientMatchesDirectionalDerivative)
{
  for (const MetricProblem & problem :
       WithAllMasks(MakeMetricProblem(Lattice(13, 17, 11), Lattice(15, 16, 12), 10), 11))
  {
    const Evaluation actual = EvaluateOnProblem(problem);
    for (const unsigned int seed : { 12u, 13u })
    {
      const HostField  direction = MakeNoise(problem.fixed.lattice, 3, seed, -1.0, 1.0);
      constexpr double h = 1e-6;
      double           energy[2];
      for (int side = 0; side < 2; ++side)
      {
        const WarpedReference warped = WarpInDouble(problem, side == 0 ? -h : h, direction);
        energy[side] = MeanSquaresInDouble(problem.fixed, warped.image, warped.valid).sum;
      }
      EXPECT_RELATIVE_NEAR(Dot(actual.gradient, direction), (energy[1] - energy[0]) / (2 * h), 1e-3);
    }
  }
}

TEST(MeanSquares, ValueMatchesItkMeanSquaresImageToImageMetricv4)
{
  using ImageType = Image<double, 3>;
  const Lattice   lattice(37, 41, 29);
  const auto      geometry = MakeGeometry<3>(14);
  const HostField fixed = MakeImage(lattice, 15);
  const HostField moving = MakeImage(lattice, 16);
  auto            metric = MeanSquaresImageToImageMetricv4<ImageType, ImageType>::New();
  metric->SetFixedImage(ToItkImage(fixed, geometry));
  metric->SetMovingImage(ToItkImage(moving, geometry));
  metric->SetFixedTransform(IdentityTransform<double, 3>::New());
  metric->SetMovingTransform(IdentityTransform<double, 3>::New());
  metric->Initialize();
  const Evaluation actual = Evaluate(fixed, moving, HostMask());
  EXPECT_RELATIVE_NEAR(actual.energy[0] / actual.energy[1], metric->GetValue(), 1e-5);
}
} // namespace test
} // namespace engine
} // namespace itk
