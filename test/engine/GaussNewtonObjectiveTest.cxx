// SPDX-License-Identifier: Apache-2.0
#include "GaussNewtonTesting.h"

#include "Operators/Arithmetic.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** An objective at a velocity that is not zero, with what its checks need. */
class Case
{
public:
  Case(const Lattice & lattice,
       MetricKind      kind,
       int             segments,
       int             channels,
       bool            masked,
       TransportKind   transport = TransportKind::Image)
    : m_Fixed(lattice, channels)
    , m_Moving(Lattice(lattice.size[0] + 2, lattice.size[1] + 3, lattice.size[2] == 1 ? 1 : lattice.size[2] + 1), channels)
    , m_Mask(MakeMask(lattice, 11, 0.3))
    , m_Velocity(MakeVelocity(lattice, segments, 21, 2.0))
    , m_Direction(MakeVelocity(lattice, segments, 31, 1.0))
  {
    for (int c = 0; c < channels; ++c)
    {
      const HostField f = MakeImage(lattice, 1 + c, 0.0, 0.0);
      const HostField m = MakeImage(m_Moving.lattice, 5 + c, 0.0, 0.0);
      std::copy(f.values.begin(), f.values.end(), m_Fixed.values.begin() + c * lattice.NumberOfVoxels());
      std::copy(m.values.begin(), m.values.end(), m_Moving.values.begin() + c * m_Moving.lattice.NumberOfVoxels());
    }
    MetricParameters metric;
    metric.kind = kind;
    metric.lncc.radius[0] = metric.lncc.radius[1] = metric.lncc.radius[2] = 2;
    metric.lncc.varianceFloor = 1e-4f;
    metric.weights.assign(channels, 1.0);
    metric.weights[0] = 2.0;
    m_Metric = std::make_unique<SolverMetric>(TestDevice(), metric, 0.5f, 0.5f);

    GaussNewtonObjective::Setup setup;
    m_DeviceFixed = std::make_unique<DeviceFloats>(m_Fixed);
    m_DeviceMoving = std::make_unique<DeviceFloats>(m_Moving);
    m_DeviceMask = std::make_unique<DeviceMask>(m_Mask);
    setup.inputs.fixed = *m_DeviceFixed;
    setup.inputs.moving = *m_DeviceMoving;
    setup.inputs.fixedMask = masked ? ConstMask(*m_DeviceMask) : ConstMask();
    // The fixed grid lies inside the moving one: what begins or ceases to count has no derivative.
    Matrix34 affine = MakeAffine(lattice, m_Moving.lattice, 3);
    for (int i = 0; i < 3; ++i)
    {
      const double centre = 0.5 * (m_Moving.lattice.size[i] - 1);
      for (int j = 0; m_Moving.lattice.size[i] > 1 && j < 4; ++j)
      {
        affine[i][j] = 0.7 * (affine[i][j] - (j == 3 ? centre : 0.0)) + (j == 3 ? centre : 0.0);
      }
    }
    setup.inputs.sampling.affine = ToAffineMap(affine);
    setup.inputs.sampling.displacementMatrix = ToMatrix3(LinearPart(affine));
    setup.inputs.sampling.outside = Outside::Clamp;
    setup.flow.segments = segments;
    setup.transport = transport;
    setup.regularization.weight = 0.02;
    setup.regularization.divergenceWeight = 0.01;
    for (int d = 0; d < 3; ++d)
    {
      setup.regularization.spacing[d] = TwoPi / std::max(8, lattice.size[d]) * (1.0 + 0.2 * d);
    }
    setup.scale.distance = kind == MetricKind::MeanSquares ? 0.5 : 0.3;
    setup.scale.offset = kind == MetricKind::Lncc ? 1.0 : 0.0;
    setup.scale.curvature = kind == MetricKind::Lncc ? 0.3 : 1.0;
    m_Objective = std::make_unique<GaussNewtonObjective>(TestDevice(), *m_Metric, setup);
    m_DeviceVelocity = std::make_unique<DeviceFloats>(m_Velocity);
    m_DeviceDirection = std::make_unique<DeviceFloats>(m_Direction);
    m_DeviceTrial = std::make_unique<DeviceFloats>(m_Velocity);
  }

  static HostField
  MakeVelocity(const Lattice & lattice, int segments, unsigned int seed, double amplitude)
  {
    HostField velocity(lattice, 3 * segments);
    for (int k = 0; k < segments; ++k)
    {
      const HostField part = MakeDisplacement(lattice, seed + k, amplitude, true);
      std::copy(part.values.begin(), part.values.end(), velocity.values.begin() + k * 3 * lattice.NumberOfVoxels());
    }
    return velocity;
  }

  GaussNewtonObjective &
  Objective()
  {
    return *m_Objective;
  }
  const DeviceFloats &
  Velocity() const
  {
    return *m_DeviceVelocity;
  }
  const DeviceFloats &
  Direction() const
  {
    return *m_DeviceDirection;
  }

  double
  ValueAt(double step)
  {
    LinearCombination(
      TestDevice(), 1.0f, *m_DeviceVelocity, static_cast<float>(step), *m_DeviceDirection, *m_DeviceTrial);
    return m_Objective->Evaluate(*m_DeviceTrial).Total();
  }

private:
  HostField                             m_Fixed;
  HostField                             m_Moving;
  HostMask                              m_Mask;
  HostField                             m_Velocity;
  HostField                             m_Direction;
  std::unique_ptr<SolverMetric>         m_Metric;
  std::unique_ptr<DeviceFloats>         m_DeviceFixed;
  std::unique_ptr<DeviceFloats>         m_DeviceMoving;
  std::unique_ptr<DeviceMask>           m_DeviceMask;
  std::unique_ptr<DeviceFloats>         m_DeviceVelocity;
  std::unique_ptr<DeviceFloats>         m_DeviceDirection;
  std::unique_ptr<DeviceFloats>         m_DeviceTrial;
  std::unique_ptr<GaussNewtonObjective> m_Objective;
};

const TransportKind bothTransports[] = { TransportKind::Image, TransportKind::Map };

std::string
Describe(MetricKind metric, TransportKind transport)
{
  return " metric " + std::to_string(static_cast<int>(metric)) +
         (transport == TransportKind::Image ? " image " : " map ");
}

const MetricKind allKinds[] = { MetricKind::MeanSquares, MetricKind::Lncc, MetricKind::MutualInformation };
} // namespace

// Checks that the gradient is that of the value, by differences of it on both sides, in 2D and 3D.
TEST(GaussNewtonObjective, GradientMatchesDifferences)
{
  for (const Lattice & lattice : { Lattice(20, 17, 13), Lattice(101, 86, 1) })
  {
    for (const MetricKind kind : allKinds)
    {
      for (const int segments : { 1, 2 })
      {
        for (const bool masked : { false, true })
        {
          for (const int channels : { 1, 2 })
          {
            if (segments + channels + (masked ? 1 : 0) > 3)
            {
              continue;
            }
            for (const TransportKind transport : bothTransports)
            {
              SCOPED_TRACE(Describe(lattice) + Describe(kind, transport) + std::to_string(segments) +
                           (masked ? " masked " : " ") + std::to_string(channels));
              Case test(lattice, kind, segments, channels, masked, transport);
              test.Objective().Evaluate(test.Velocity());
              test.Objective().Gradient();
              const double slope = -test.Objective().Inner(test.Objective().Residual(), test.Direction());
              const double scale = test.Objective().Norm(test.Objective().Residual()) * test.Objective().Norm(test.Direction());
              constexpr double step = 1e-2;
              const double     difference = (test.ValueAt(step) - test.ValueAt(-step)) / (2.0 * step);
              EXPECT_NEAR(slope, difference, 1e-3 * scale);
            }
          }
        }
      }
    }
  }
}

// Checks that what remains after the first order falls with the square of the step, over four decades of it.
TEST(GaussNewtonObjective, TaylorRemainderIsOfSecondOrder)
{
  for (const TransportKind transport : bothTransports)
  {
    SCOPED_TRACE(Describe(MetricKind::MeanSquares, transport));
    Case         test(Lattice(48, 40, 44), MetricKind::MeanSquares, 1, 1, false, transport);
    const double value = test.ValueAt(0.0);
    test.Objective().Evaluate(test.Velocity());
    test.Objective().Gradient();
    const double slope = -test.Objective().Inner(test.Objective().Residual(), test.Direction());
    // each sampling of an image rounds it
    const double rounding = 1e-9 * value * (transport == TransportKind::Image ? VelocityFlowParameters().timeSteps : 1);
    double       before = 0.0;
    for (int i = 0; i <= 8; ++i)
    {
      const double step = std::pow(10.0, -0.5 * i);
      const double remainder = std::abs(test.ValueAt(step) - value - step * slope);
      // a line of slope 2 in the logarithms, down to the rounding of the value
      if (i > 0)
      {
        EXPECT_LE(remainder, before / 10.0 * 1.6 + rounding) << "at step " << step;
      }
      before = remainder;
    }
  }
}

TEST(GaussNewtonObjective, HessianIsSymmetricAndPositive)
{
  for (const MetricKind kind : allKinds)
  {
    for (const int segments : { 1, 3 })
    {
      for (const int channels : { 1, 2 })
      {
        for (const TransportKind transport : bothTransports)
        {
          SCOPED_TRACE(Describe(kind, transport) + std::to_string(segments) + ' ' + std::to_string(channels));
          const Lattice lattice(22, 17, 15);
          Case          test(lattice, kind, segments, channels, channels == 1, transport);
          auto &        objective = test.Objective();
          objective.Evaluate(test.Velocity());
          objective.Gradient();
          objective.PrepareCurvature();
          const DeviceFloats a(MakeNoise(lattice, 3 * segments, 51, -1.0, 1.0));
          const DeviceFloats b(MakeNoise(lattice, 3 * segments, 52, -1.0, 1.0));
          const DeviceFloats ha(lattice, 3 * segments);
          const DeviceFloats hb(lattice, 3 * segments);
          objective.DataProduct(a, ha);
          objective.DataProduct(b, hb);
          const double dataScale = objective.Inner(a, ha) + objective.Inner(b, hb);
          EXPECT_GT(objective.Inner(a, ha), 0.0);
          EXPECT_NEAR(objective.Inner(b, ha), objective.Inner(a, hb), 1e-5 * dataScale);
          objective.Regularize(a, ha);
          objective.Regularize(b, hb);
          const double scale = objective.Inner(a, ha) + objective.Inner(b, hb);
          EXPECT_GT(objective.Inner(a, ha), 0.0);
          EXPECT_NEAR(objective.Inner(b, ha), objective.Inner(a, hb), 1e-5 * scale);
        }
      }
    }
  }
}

// Checks that where the images match, and nothing but the Gauss-Newton part is left of it, the matrix is the derivative of
// the gradient: the fixed image is the moving one, warped.
TEST(GaussNewtonObjective, HessianIsTheDerivativeOfTheGradientAtAMatch)
{
  const Lattice               lattice(33, 29, 31);
  const HostField             moving = MakeImage(lattice, 5, 0.0, 0.0);
  const DeviceFloats          deviceMoving(moving);
  const DeviceFloats          deviceFixed(lattice);
  const DeviceFloats          velocity(Case::MakeVelocity(lattice, 1, 21, 1.5));
  const DeviceFloats          direction(Case::MakeVelocity(lattice, 1, 31, 1.0));
  MetricParameters            metric;
  GaussNewtonObjective::Setup setup;
  metric.kind = MetricKind::MeanSquares;
  setup.inputs.fixed = deviceFixed;
  setup.inputs.moving = deviceMoving;
  setup.inputs.sampling.outside = Outside::Clamp;
  setup.regularization.weight = 1e-6;
  for (const TransportKind transport : bothTransports)
  {
    SCOPED_TRACE(Describe(metric.kind, transport));
    setup.transport = transport;
    if (transport == TransportKind::Map)
    {
      const Workspace    memory(VelocityFlow::MemoryFloats(TestDevice(), lattice, setup.flow));
      VelocityFlow       flow(TestDevice(), lattice, setup.flow, memory.Data());
      const DeviceFloats displacement(lattice, 3);
      flow.Integrate(velocity, displacement);
      Resample(TestDevice(), setup.inputs.sampling, deviceMoving, displacement, deviceFixed);
    }
    else
    {
      const Workspace memory(ImageTransport::MemoryFloats(TestDevice(), lattice, 1, setup.flow));
      ImageTransport  images(TestDevice(), lattice, 1, setup.flow, memory.Data());
      LinearCombination(TestDevice(), 1.0f, deviceMoving, 0.0f, ConstField(), images.Start());
      images.Integrate(velocity);
      LinearCombination(TestDevice(), 1.0f, images.End(), 0.0f, ConstField(), deviceFixed);
    }
    GaussNewtonObjective objective(TestDevice(), SolverMetric(TestDevice(), metric, 0.5f, 0.5f), setup);
    EXPECT_LE(objective.Evaluate(velocity).loss, 1e-12);
    objective.Gradient();
    objective.PrepareCurvature();
    const DeviceFloats product(lattice, 3);
    const DeviceFloats regularized(lattice, 3);
    objective.DataProduct(direction, product);
    objective.Regularize(direction, regularized);
    LinearCombination(TestDevice(), 1.0f, product, 1.0f, regularized, product);

    constexpr float    step = 2e-3f;
    const DeviceFloats trial(lattice, 3);
    const DeviceFloats difference(lattice, 3);
    for (const float sign : { 1.0f, -1.0f })
    {
      LinearCombination(TestDevice(), 1.0f, velocity, sign * step, direction, trial);
      objective.Evaluate(trial);
      objective.Gradient();
      const float scale = -sign / (2.0f * step);
      LinearCombination(TestDevice(),
                        scale,
                        objective.Residual(),
                        sign > 0.0f ? 0.0f : 1.0f,
                        sign > 0.0f ? ConstField() : ConstField(difference),
                        difference);
    }
    // kinks of the linear interpolant
    EXPECT_RELATIVE_ERROR(difference.Download(), product.Download(), 2e-2);
  }
}

TEST(GaussNewtonObjective, TheInverseOfTheRegularizationIsThat)
{
  Case               test(Lattice(18, 15, 20), MetricKind::MeanSquares, 2, 1, false);
  auto &             objective = test.Objective();
  const DeviceFloats product(Lattice(18, 15, 20), 6);
  const DeviceFloats solved(Lattice(18, 15, 20), 6);
  objective.Evaluate(test.Velocity());
  objective.Regularize(test.Velocity(), product);
  objective.SolveRegularization(product, solved);
  objective.Regularize(solved, solved);
  EXPECT_RELATIVE_ERROR(solved.Download(), product.Download(), 1e-4);
}

TEST(GaussNewtonObjective, BytesAreWhatItTakes)
{
  for (const TransportKind transport : bothTransports)
  {
    Case test(Lattice(18, 15, 20), MetricKind::MeanSquares, 1, 1, true, transport);
    TestDevice().ResetPeak();
    const std::size_t before = TestDevice().BytesInUse();
    MetricParameters  parameters;
    parameters.kind = MetricKind::MeanSquares;
    const SolverMetric         metric(TestDevice(), parameters, 0.5f, 0.5f);
    const GaussNewtonObjective objective(TestDevice(), metric, test.Objective().GetSetup());
    EXPECT_LE(TestDevice().PeakBytes() - before, GaussNewtonObjective::Bytes(TestDevice(), metric, objective.GetSetup()));
  }
}
} // namespace test
} // namespace engine
} // namespace itk
