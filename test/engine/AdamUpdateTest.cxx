// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/AdamUpdate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
AdamParameters
MakeParameters()
{
  AdamParameters parameters;
  parameters.beta1 = 0.8f;
  parameters.beta2 = 0.95f;
  parameters.epsilon = 1e-2f;
  return parameters;
}

/** The corrections of the first three steps, and no step taken. */
class DeviceClock
{
public:
  DeviceClock()
    : m_Corrections(TestDevice(), 3)
    , m_Steps(TestDevice(), 1)
  {
    AdamCorrections corrections[3];
    for (int i = 0; i < 3; ++i)
    {
      corrections[i] = MakeAdamCorrections(0.8, 0.95, i + 1);
    }
    TestDevice().CopyFromHost(m_Corrections.Data(), corrections, sizeof(corrections));
    TestDevice().SetZero(m_Steps.Data(), sizeof(int));
  }

  operator AdamClock() const { return { m_Corrections.Data(), 3, m_Steps.Data() }; }

  int
  Steps() const
  {
    int steps = -1;
    TestDevice().CopyToHost(&steps, m_Steps.Data(), sizeof(steps));
    return steps;
  }

private:
  Buffer<AdamCorrections> m_Corrections;
  Buffer<int>             m_Steps;
};

HostField
GradientOf(const Lattice & lattice, int iteration)
{
  return MakeNoise(lattice, 3, 10 + iteration, -1.0, 1.0);
}
} // namespace

// Checks steps in a row against the update rule in double; the last correction serves the fourth too.
TEST(AdamUpdate, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const std::int64_t  voxels = lattice.NumberOfVoxels();
    HostDoubles         first(lattice, 3);
    HostDoubles         second(lattice);
    const DeviceFloats  deviceFirst(HostField(lattice, 3));
    const DeviceFloats  deviceSecond{ HostField(lattice) };
    const DeviceScalars norms(2);
    const DeviceClock   clock;
    for (int iteration = 1; iteration <= 4; ++iteration)
    {
      const AdamParameters parameters = MakeParameters();
      const double         correction1 = 1.0 / (1.0 - std::pow(0.8, std::min(iteration, 3)));
      const double         correction2 = 1.0 / (1.0 - std::pow(0.95, std::min(iteration, 3)));
      const HostField      gradient = GradientOf(lattice, iteration);
      const DeviceFloats   direction(gradient);
      AdamUpdate(TestDevice(), parameters, clock, direction, deviceFirst, deviceSecond, norms.Data());
      EXPECT_EQ(clock.Steps(), iteration);

      HostDoubles expected(lattice, 3);
      double      sum = 0.0;
      double      maximum = 0.0;
      for (std::int64_t i = 0; i < voxels; ++i)
      {
        double square = 0.0;
        for (int c = 0; c < 3; ++c)
        {
          const double g = gradient.values[i + c * voxels];
          square += g * g;
          first.values[i + c * voxels] = parameters.beta1 * first.values[i + c * voxels] + (1.0 - parameters.beta1) * g;
        }
        second.values[i] = parameters.beta2 * second.values[i] + (1.0 - parameters.beta2) * square;
        double norm = 0.0;
        for (int c = 0; c < 3; ++c)
        {
          const double d = -first.values[i + c * voxels] * correction1 /
                           (std::sqrt(second.values[i] * correction2) + parameters.epsilon);
          expected.values[i + c * voxels] = d;
          norm += d * d;
        }
        sum += std::sqrt(norm);
        maximum = std::max(maximum, std::sqrt(norm));
      }
      EXPECT_RELATIVE_ERROR(direction.Download(), expected, 1e-5);
      EXPECT_RELATIVE_ERROR(deviceFirst.Download(), first, 1e-5);
      EXPECT_RELATIVE_ERROR(deviceSecond.Download(), second, 1e-5);
      EXPECT_RELATIVE_NEAR(norms.Download()[0], sum, 1e-5);
      EXPECT_RELATIVE_NEAR(norms.Download()[1], maximum, 1e-5);
    }
  }
}

// Checks that a zero gradient gives no step and no division by zero.
TEST(AdamUpdate, ZeroGradientGivesNoStep)
{
  const Lattice       lattice(13, 17, 11);
  const DeviceFloats  gradient(HostField(lattice, 3));
  const DeviceFloats  first(HostField(lattice, 3));
  const DeviceFloats  second{ HostField(lattice) };
  const DeviceScalars norms(2);
  const DeviceClock   clock;
  AdamUpdate(TestDevice(), MakeParameters(), clock, gradient, first, second, norms.Data());
  EXPECT_EQ(Norm(gradient.Download()), 0.0);
  EXPECT_EQ(norms.Download(), (std::vector<double>{ 0.0, 0.0 }));
}

// Checks that the first step points against the gradient with a length just below 1.
TEST(AdamUpdate, FirstStepIsTheUnitDescentDirection)
{
  const Lattice       lattice(5, 4, 3);
  const DeviceFloats  gradient(HostField(lattice, 3, 100.0f));
  const DeviceFloats  first(HostField(lattice, 3));
  const DeviceFloats  second{ HostField(lattice) };
  const DeviceScalars norms(2);
  const DeviceClock   clock;
  AdamUpdate(TestDevice(), MakeParameters(), clock, gradient, first, second, norms.Data());
  EXPECT_NEAR(gradient.Download().values[0], -1.0 / std::sqrt(3.0), 1e-3);
  EXPECT_NEAR(norms.Download()[1], 1.0, 1e-3);
}

TEST(AdamUpdate, RefusesAClockWithoutCorrections)
{
  const Lattice       lattice(5, 4, 3);
  const DeviceFloats  vector(HostField(lattice, 3));
  const DeviceFloats  second{ HostField(lattice) };
  const DeviceScalars norms(2);
  const DeviceClock   memory;
  AdamClock           clock = memory;
  EXPECT_THROW(AdamUpdate(TestDevice(), MakeParameters(), AdamClock(), vector, vector, second, norms.Data()), Error);
  clock.count = 0;
  EXPECT_THROW(AdamUpdate(TestDevice(), MakeParameters(), clock, vector, vector, second, norms.Data()), Error);
}

// Checks that a step with the smoothing in front of it is the two of them, to the bit, on columns of many planes and few, on
// tiles that end beyond the volume, and for kernels that the fused pass does not take.
TEST(AdamUpdate, SmoothedStepsAreSmoothingAndSteps)
{
  const std::pair<Lattice, std::array<double, 3>> cases[] = {
    { Lattice(13, 11, 9), { { 2.0, 2.0, 2.0 } } },   { Lattice(68, 21, 7), { { 1.0, 1.0, 1.0 } } },
    { Lattice(6, 23, 16), { { 0.3, 0.0, 2.0 } } },   { Lattice(5, 1, 8), { { 0.5, 1.0, 0.1 } } },
    { Lattice(17, 12, 1), { { 1.0, 1.0, 1.0 } } },   { Lattice(13, 11, 9), { { 1.0, 2.0, 0.0 } } },
    { Lattice(12, 10, 11), { { 5.0, 1.0, 20.0 } } }, { Lattice(4, 3, 23), { { 0.5, 0.5, 0.5 } } },
    { Lattice(1, 1, 1), { { 2.0, 2.0, 2.0 } } },
  };
  for (const auto & one : cases)
  {
    const Lattice & lattice = one.first;
    SCOPED_TRACE(Describe(lattice));
    SymmetricKernel kernels[3];
    for (int axis = 0; axis < 3; ++axis)
    {
      kernels[axis] = MakeGaussianKernel(one.second[axis]);
    }
    const DeviceFloats  direction(lattice, 3);
    const DeviceFloats  expected(lattice, 3);
    const DeviceFloats  first[2] = { DeviceFloats(HostField(lattice, 3)), DeviceFloats(HostField(lattice, 3)) };
    const DeviceFloats  second[2] = { DeviceFloats(HostField{ lattice }), DeviceFloats(HostField{ lattice }) };
    const DeviceScalars norms[2] = { DeviceScalars(2), DeviceScalars(2) };
    const DeviceClock   clock[2];
    for (int iteration = 1; iteration <= 2; ++iteration)
    {
      const DeviceFloats gradient[2] = { DeviceFloats(GradientOf(lattice, iteration)),
                                         DeviceFloats(GradientOf(lattice, iteration)) };
      SmoothedAdamUpdate(TestDevice(),
                         kernels,
                         MakeParameters(),
                         clock[0],
                         gradient[0],
                         direction,
                         first[0],
                         second[0],
                         norms[0].Data());
      GaussianSmooth(TestDevice(), kernels, SmoothBoundary::ZeroFlux, gradient[1], expected, gradient[1]);
      AdamUpdate(TestDevice(), MakeParameters(), clock[1], expected, first[1], second[1], norms[1].Data());
      EXPECT_SAME_BITS(direction.Download(), expected.Download());
      EXPECT_SAME_BITS(first[0].Download(), first[1].Download());
      EXPECT_SAME_BITS(second[0].Download(), second[1].Download());
      EXPECT_EQ(norms[0].Download()[1], norms[1].Download()[1]);
      EXPECT_EQ(clock[0].Steps(), iteration);
    }
  }
}

// Checks that NaN in one voxel is not lost on the way to the largest norm.
TEST(AdamUpdate, NotANumberShowsInSmoothedSteps)
{
  const Lattice         lattice(9, 12, 10);
  HostField             noise = GradientOf(lattice, 1);
  const SymmetricKernel kernels[3] = { MakeGaussianKernel(0.5), MakeGaussianKernel(0.5), MakeGaussianKernel(0.5) };
  noise(1, 2, 3, 9) = std::numeric_limits<float>::quiet_NaN();
  const DeviceFloats  gradient(noise);
  const DeviceFloats  direction(lattice, 3);
  const DeviceFloats  first(HostField(lattice, 3));
  const DeviceFloats  second{ HostField(lattice) };
  const DeviceScalars norms(2);
  const DeviceClock   clock;
  SmoothedAdamUpdate(
    TestDevice(), kernels, MakeParameters(), clock, gradient, direction, first, second, norms.Data());
  EXPECT_TRUE(std::isnan(norms.Download()[1]) || std::isnan(norms.Download()[0]));
  EXPECT_THROW(
    SmoothedAdamUpdate(TestDevice(), kernels, MakeParameters(), clock, gradient, gradient, first, second, norms.Data()),
    Error);
}

TEST(AdamUpdate, TwoRunsGiveTheSameBits)
{
  const Lattice       lattice(70, 35, 33);
  HostField           results[2];
  std::vector<double> norms[2];
  for (int run = 0; run < 2; ++run)
  {
    const DeviceFloats  direction(GradientOf(lattice, 1));
    const DeviceFloats  first(HostField(lattice, 3));
    const DeviceFloats  second{ HostField(lattice) };
    const DeviceScalars scalars(2);
    const DeviceClock   clock;
    AdamUpdate(TestDevice(), MakeParameters(), clock, direction, first, second, scalars.Data());
    results[run] = direction.Download();
    norms[run] = scalars.Download();
  }
  EXPECT_SAME_BITS(results[0], results[1]);
  EXPECT_EQ(norms[0], norms[1]);
}
} // namespace test
} // namespace engine
} // namespace itk
