// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceOperators.h"

#include "Operators/Exponential.h"

#include "itkExponentialDisplacementFieldImageFilter.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
struct Flow
{
  HostField displacement;
  int       squarings;
};

Flow
Evaluate(const ExponentialParameters & parameters, const HostField & velocity)
{
  const DeviceFloats input(velocity);
  const DeviceFloats output(velocity.lattice, 3);
  const DeviceFloats workspace(velocity.lattice, 3);
  const int          n = Exponential(TestDevice(), parameters, input, output, workspace);
  return Flow{ output.Download(), n };
}

} // namespace

TEST(Exponential, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    // zero at the border: no position comes to lie near the step to zero outside
    const HostField velocity = MakeDisplacement(lattice, 1, 3.0, true);
    for (const int squarings : { 0, 1, 6 })
    {
      for (const float scale : { 1.0f, -1.0f, 0.5f })
      {
        ExponentialParameters parameters;
        parameters.squarings = squarings;
        parameters.scale = scale;
        const Flow flow = Evaluate(parameters, velocity);
        EXPECT_EQ(flow.squarings, squarings);
        EXPECT_RELATIVE_ERROR(flow.displacement, ExponentialInDouble(velocity, squarings, scale), 1e-5);
      }
    }
  }
}

// Checks fields that are large at the border, where they continue with their edge.
TEST(Exponential, ClampsOutside)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField       velocity = MakeDisplacement(lattice, 5, 3.0);
    ExponentialParameters parameters;
    parameters.squarings = 5;
    parameters.outside = Outside::Clamp;
    EXPECT_RELATIVE_ERROR(
      Evaluate(parameters, velocity).displacement, ExponentialInDouble(velocity, 5, 1.0, true), 1e-5);
  }
}

// Checks ITK's rule for the number of squarings: min(maximum, int(2 + 0.5 log2(max |v|^2) + 1)), not below 0.
TEST(Exponential, NumberOfSquaringsIsItks)
{
  const Lattice lattice(13, 17, 11);
  for (const double amplitude : { 1e-6, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0 })
  {
    SCOPED_TRACE(amplitude);
    const HostField velocity = MakeDisplacement(lattice, 2, amplitude, true);
    for (const float scale : { 1.0f, -2.0f })
    {
      const double          largest = std::abs(scale) * MaximumAndMeanNorm(velocity)[0];
      ExponentialParameters parameters;
      parameters.scale = scale;
      const int automatic = static_cast<int>(2.0 + 0.5 * std::log2(largest * largest) + 1.0);
      EXPECT_EQ(Evaluate(parameters, velocity).squarings, std::max(0, automatic));
      parameters.maximum = 2;
      EXPECT_EQ(Evaluate(parameters, velocity).squarings, std::min(2, std::max(0, automatic)));
    }
  }
  const Flow still = Evaluate(ExponentialParameters(), HostField(lattice, 3));
  EXPECT_GE(still.squarings, 0);
  EXPECT_LE(still.squarings, 20);
  EXPECT_EQ(Norm(still.displacement), 0.0);
}

// Checks that exp(-v) undoes exp(v).
TEST(Exponential, OppositeVelocityGivesTheInverse)
{
  const Lattice         lattice(37, 41, 29);
  const HostField       velocity = MakeDisplacement(lattice, 3, 2.0, true);
  ExponentialParameters parameters;
  parameters.squarings = 7;
  const Flow forward = Evaluate(parameters, velocity);
  parameters.scale = -1.0f;
  const Flow backward = Evaluate(parameters, velocity);
  EXPECT_LE(MaximumAndMeanNorm(ComposeInDouble(forward.displacement, backward.displacement))[0], 0.1);
  EXPECT_LE(MaximumAndMeanNorm(ComposeInDouble(forward.displacement, backward.displacement))[1], 0.01);
}

TEST(Exponential, TwoRunsGiveTheSameBits)
{
  const HostField velocity = MakeDisplacement(Lattice(70, 35, 33), 4, 3.0);
  EXPECT_SAME_BITS(Evaluate(ExponentialParameters(), velocity).displacement,
                   Evaluate(ExponentialParameters(), velocity).displacement);
}

namespace
{
template <unsigned int VDimension>
void
CompareWithItk(const Lattice & lattice, bool inverse)
{
  const auto      geometry = MakeGeometry<VDimension>(31);
  const HostField velocity = MakeDisplacement(lattice, 32, 3.0, true);
  using FilterType = ExponentialDisplacementFieldImageFilter<ItkDisplacement<VDimension>, ItkDisplacement<VDimension>>;
  auto filter = FilterType::New();
  filter->SetInput(ToItkDisplacement(velocity, geometry));
  filter->AutomaticNumberOfIterationsOff();
  filter->SetMaximumNumberOfIterations(6);
  filter->SetComputeInverse(inverse);
  filter->Update();
  ExponentialParameters parameters;
  parameters.squarings = 6;
  parameters.scale = inverse ? -1.0f : 1.0f;
  const HostDoubles expected = FromItkDisplacement<VDimension>(filter->GetOutput(), lattice, geometry);
  EXPECT_GT(MaximumAndMeanNorm(expected)[0], 1.0);
  EXPECT_MAXIMUM_ERROR(Evaluate(parameters, velocity).displacement, expected, 1e-4);
}
} // namespace

TEST(Exponential, MatchesItkExponentialDisplacementFieldImageFilter)
{
  for (const bool inverse : { false, true })
  {
    CompareWithItk<3>(Lattice(37, 41, 29), inverse);
    CompareWithItk<2>(Lattice(37, 41, 1), inverse);
  }
}
} // namespace test
} // namespace engine
} // namespace itk
