// SPDX-License-Identifier: Apache-2.0
#include "GaussNewtonTesting.h"
#include "ReferenceFields.h"

#include "Operators/RefineInverse.h"

#include <algorithm>
#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
struct Registration
{
  HostField         displacement;
  HostField         velocity;
  HostField         inverse;
  GaussNewtonReport report;
  std::size_t       requiredBytes = 0;
  std::size_t       usedBytes = 0;
};

Registration
Register(const RegistrationProblem &         problem,
         const GaussNewtonParameters &       parameters,
         const GaussNewtonSolver::Callback & callback = GaussNewtonSolver::Callback())
{
  const Lattice &    lattice = problem.fixed.lattice;
  const DeviceFloats displacement(lattice, 3);
  const DeviceFloats velocity(lattice, 3 * parameters.segments);
  const DeviceFloats inverse(lattice, 3);
  GaussNewtonSolver  solver(TestDevice(), problem, parameters);
  Registration       result;
  result.requiredBytes = solver.RequiredBytes();
  const std::size_t before = TestDevice().BytesInUse();
  TestDevice().ResetPeak();
  result.report = solver.Run(displacement, callback, velocity, inverse);
  result.usedBytes = TestDevice().PeakBytes() - before;
  result.displacement = displacement.Download();
  result.velocity = velocity.Download();
  result.inverse = inverse.Download();
  return result;
}
} // namespace

// CLAIRE's synthetic problem: as many Newton steps and products on each grid, and what remains of the difference.
TEST(GaussNewton, SyntheticProblemDoesNotDependOnTheGrid)
{
  for (const TransportKind transport : { TransportKind::Image, TransportKind::Map })
  {
    SCOPED_TRACE(transport == TransportKind::Image ? "image" : "map");
    // the image that the steps have smoothed matches a little less
    const double remaining = transport == TransportKind::Image ? 4e-3 : 3e-3;
    std::vector<int> newton;
    std::vector<int> products;
    for (const int n : { 32, 48 })
    {
      const SyntheticProblem synthetic(n, 0.5);
      const DeviceProblem    device(synthetic.fixed, synthetic.moving, synthetic.margin);
      GaussNewtonParameters  parameters = MakeGaussNewtonParameters({ 1 });
      parameters.transport = transport;
      parameters.weight = 1e-3;
      parameters.gradientReduction = 1e-2;
      const Registration result = Register(device.problem, parameters);
      const auto &       level = result.report.levels[0];
      EXPECT_TRUE(level.converged);
      EXPECT_EQ(result.report.foldedVoxels, 0);
      EXPECT_LE(result.report.finalMetricValue, remaining * result.report.initialMetricValue) << n;
      EXPECT_LE(result.usedBytes, result.requiredBytes);
      newton.push_back(static_cast<int>(level.gradientNorms.size()) - 1);
      products.push_back(level.hessianProducts);
    }
    EXPECT_NEAR(newton[0], newton[1], 1);
    EXPECT_NEAR(products[0], products[1], 0.34 * products[1]);
  }
}

TEST(GaussNewton, PyramidEndsAtTheSameObjectiveSooner)
{
  const SyntheticProblem synthetic(32, 0.5);
  const DeviceProblem    device(synthetic.fixed, synthetic.moving, synthetic.margin);
  GaussNewtonParameters  parameters = MakeGaussNewtonParameters({ 1 });
  parameters.gradientReduction = 5e-3;
  const Registration alone = Register(device.problem, parameters);
  parameters.levels = MakeGaussNewtonParameters({ 2, 1 }).levels;
  const Registration both = Register(device.problem, parameters);
  EXPECT_LT(both.report.levels[1].hessianProducts, alone.report.levels[0].hessianProducts);
  EXPECT_LE(both.report.finalMetricValue, 1.5 * alone.report.finalMetricValue);
}

// Checks the inverse, and that a longer flow of the same velocity is the result.
TEST(GaussNewton, InverseAndVelocityBelongToTheMap)
{
  const Lattice      lattice(30, 27, 25);
  const HostField    moving = MakeImage(lattice, 3, 0.0, 0.0);
  const HostField    truth = MakeDisplacement(lattice, 9, 1.5, true);
  HostField          fixed(lattice);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const Vector3 u = VectorAt(truth, x, y, z);
    fixed(0, x, y, z) = static_cast<float>(InterpolateLinear(moving, 0, Vector3{ { x + u[0], y + u[1], z + u[2] } }));
  });
  const DeviceProblem device(fixed, moving);
  for (const int segments : { 1, 2 })
  {
    GaussNewtonParameters parameters = MakeGaussNewtonParameters({ 1 });
    parameters.segments = segments;
    const Registration result = Register(device.problem, parameters);
    EXPECT_LE(result.report.finalMetricValue, 0.1 * result.report.initialMetricValue);
    EXPECT_GT(result.report.minimumJacobian, 0.2);
    double largest = 0.0;
    ForEachVoxel(lattice, [&](int x, int y, int z) {
      const Vector3 v = VectorAt(result.inverse, x, y, z);
      const Vector3 p{ { x + v[0], y + v[1], z + v[2] } };
      if (!IsInside(lattice, p))
      {
        return;
      }
      for (int d = 0; d < 3; ++d)
      {
        largest = std::max(largest, std::abs(v[d] + InterpolateLinear(result.displacement, d, p)));
      }
    });
    EXPECT_LE(largest, 0.01);

    const DeviceFloats     velocity(result.velocity);
    const DeviceFloats     again(lattice, 3);
    VelocityFlowParameters flow;
    flow.segments = segments;
    const Workspace memory(VelocityFlow::MemoryFloats(TestDevice(), lattice, flow));
    VelocityFlow(TestDevice(), lattice, flow, memory.Data()).Integrate(velocity, again);
    EXPECT_SAME_BITS(again.Download(), result.displacement);
  }
}

TEST(GaussNewton, OtherMetricsAlignToo)
{
  for (const bool flat : { false, true })
  {
    const Lattice   lattice = flat ? Lattice(60, 55, 1) : Lattice(30, 27, 25);
    const HostField moving = MakeImage(lattice, 3, 0.0, 0.0);
    const HostField truth = MakeDisplacement(lattice, 9, 1.5, true);
    HostField       fixed(lattice);
    HostField       inverted(lattice);
    ForEachVoxel(lattice, [&](int x, int y, int z) {
      const Vector3 u = VectorAt(truth, x, y, z);
      const Vector3 p{ { x + u[0], y + u[1], z + u[2] } };
      fixed(0, x, y, z) = static_cast<float>(InterpolateLinear(moving, 0, p));
      inverted(0, x, y, z) = 1.0f - fixed(0, x, y, z);
    });
    for (const MetricKind kind : { MetricKind::Lncc, MetricKind::MutualInformation })
    {
      SCOPED_TRACE(Describe(lattice) + " metric " + std::to_string(static_cast<int>(kind)));
      const DeviceProblem   device(kind == MetricKind::Lncc ? fixed : inverted, moving);
      GaussNewtonParameters parameters = MakeGaussNewtonParameters({ 1 }, flat);
      parameters.metric.kind = kind;
      const Registration result = Register(device.problem, parameters);
      const HostField    zero(lattice, 3);
      EXPECT_LE(RelativeError(result.displacement, truth), 0.7);
      EXPECT_LT(result.report.finalMetricValue, result.report.initialMetricValue);
      EXPECT_EQ(result.report.foldedVoxels, 0);
    }
  }
}

TEST(GaussNewton, TwoRunsGiveTheSameBitsAndCancelEnds)
{
  const SyntheticProblem synthetic(16, 0.5);
  const DeviceProblem    device(synthetic.fixed, synthetic.moving, synthetic.margin);
  const auto             parameters = MakeGaussNewtonParameters({ 2, 1 });
  const Registration     first = Register(device.problem, parameters);
  const Registration     second = Register(device.problem, parameters);
  EXPECT_SAME_BITS(first.displacement, second.displacement);
  EXPECT_SAME_BITS(first.inverse, second.inverse);
  const Registration cancelled =
    Register(device.problem, parameters, [](const SolverProgress & progress) { return progress.startsLevel; });
  EXPECT_TRUE(cancelled.report.cancelled);
  EXPECT_EQ(cancelled.report.levels[0].gradientNorms.size(), 2u);
}

TEST(GaussNewton, EqualImagesStay)
{
  const HostField     image = MakeImage(Lattice(17, 16, 15), 3);
  const DeviceProblem device(image, image);
  const Registration  result = Register(device.problem, MakeGaussNewtonParameters({ 1 }));
  EXPECT_LE(Norm(result.displacement), 1e-3);
  const HostField     flat(Lattice(17, 16, 15), 1, 0.5f);
  const DeviceProblem flatProblem(flat, flat);
  EXPECT_EQ(Norm(Register(flatProblem.problem, MakeGaussNewtonParameters({ 1 })).displacement), 0.0);
}

TEST(GaussNewton, ParametersAreChecked)
{
  const HostField     image = MakeImage(Lattice(9, 8, 7), 3);
  const DeviceProblem device(image, image);
  const auto          expectRefusal = [&](const std::function<void(GaussNewtonParameters &)> & change) {
    GaussNewtonParameters parameters = MakeGaussNewtonParameters({ 1 });
    change(parameters);
    EXPECT_THROW(GaussNewtonSolver(TestDevice(), device.problem, parameters), Error);
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  expectRefusal([](GaussNewtonParameters & p) { p.weight = 0.0; });
  expectRefusal([](GaussNewtonParameters & p) { p.weight = -1.0; });
  expectRefusal([nan](GaussNewtonParameters & p) { p.weight = nan; });
  expectRefusal([](GaussNewtonParameters & p) { p.divergenceWeight = -1e-4; });
  expectRefusal([](GaussNewtonParameters & p) { p.timeSteps = 0; });
  expectRefusal([](GaussNewtonParameters & p) { p.segments = 0; });
  expectRefusal([](GaussNewtonParameters & p) { p.gradientReduction = 0.0; });
  expectRefusal([](GaussNewtonParameters & p) { p.krylovIterations = 0; });
  expectRefusal([](GaussNewtonParameters & p) { p.levels.clear(); });
  expectRefusal([](GaussNewtonParameters & p) { p.spacing[1] = 0.0; });
  expectRefusal([nan](GaussNewtonParameters & p) { p.initialWeight = nan; });
  HostField broken = image;
  broken.values[100] = std::numeric_limits<float>::quiet_NaN();
  const DeviceProblem undefined(broken, image);
  EXPECT_THROW(Register(undefined.problem, MakeGaussNewtonParameters({ 1 })), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
