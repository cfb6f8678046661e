// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceFields.h"

#include "Operators/Invert.h"

#include "itkInvertDisplacementFieldImageFilter.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
struct Inversion
{
  HostField    field;
  InvertResult result;
};

Inversion
Evaluate(const InvertParameters & parameters, const HostField & u, const HostField & estimate = HostField())
{
  const DeviceFloats  displacement(u);
  const DeviceFloats  inverse = estimate.values.empty() ? DeviceFloats(u.lattice, 3) : DeviceFloats(estimate);
  const DeviceFloats  workspace(u.lattice, 3);
  const DeviceScalars scalars(2);
  const InvertResult  result = Invert(TestDevice(), parameters, displacement, inverse, workspace, scalars.Data());
  return Inversion{ inverse.Download(), result };
}

/** A fixed number of relaxed steps in double. */
HostDoubles
InvertInDouble(const HostField & u, int iterations, bool clampOutside)
{
  HostDoubles v(u.lattice, 3);
  for (int n = 0; n < iterations; ++n)
  {
    const HostDoubles error = ComposeInDouble(u, v, IdentityAffine(), clampOutside);
    const double      step = n == 0 ? 0.75 : 0.5;
    const double      bound = step * MaximumAndMeanNorm(error)[0];
    ForEachVoxel(u.lattice, [&](int x, int y, int z) {
      const Vector3 e = VectorAt(error, x, y, z);
      const double  norm = std::sqrt(e[0] * e[0] + e[1] * e[1] + e[2] * e[2]);
      const double  factor = norm > bound ? step * bound / norm : step;
      for (int d = 0; d < 3; ++d)
      {
        v(d, x, y, z) -= factor * e[d];
      }
    });
  }
  return v;
}

InvertParameters
FixedIterations(int iterations)
{
  InvertParameters parameters;
  parameters.maximumIterations = iterations;
  parameters.meanTolerance = 0.0;
  parameters.maximumTolerance = 0.0;
  return parameters;
}
} // namespace

TEST(Invert, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField u = MakeDisplacement(lattice, 1, 1.5, true);
    for (const int iterations : { 1, 2, 5 })
    {
      for (const Outside outside : { Outside::Value, Outside::Clamp })
      {
        InvertParameters parameters = FixedIterations(iterations);
        parameters.outside = outside;
        const Inversion actual = Evaluate(parameters, u);
        EXPECT_RELATIVE_ERROR(actual.field, InvertInDouble(u, iterations, outside == Outside::Clamp), 1e-5);
      }
    }
  }
}

// Checks that the reported residual is that of the returned field, and that it is below the tolerance.
TEST(Invert, ReportsTheResidualOfItsResult)
{
  for (const Lattice & lattice : { Lattice(37, 41, 29), Lattice(37, 41, 1) })
  {
    const HostField  u = MakeDisplacement(lattice, 2, 3.0, true);
    InvertParameters parameters;
    parameters.maximumIterations = 200;
    parameters.meanTolerance = 1e-4;
    parameters.maximumTolerance = 1e-4;
    const Inversion actual = Evaluate(parameters, u);
    const auto      residual = MaximumAndMeanNorm(ComposeInDouble(u, actual.field));
    EXPECT_NEAR(actual.result.maximumResidual, residual[0], 1e-5);
    EXPECT_NEAR(actual.result.meanResidual, residual[1], 1e-6);
    EXPECT_TRUE(residual[0] <= 1.01e-4 || residual[1] <= 1.01e-4) << residual[0] << ' ' << residual[1];
    EXPECT_GT(actual.result.iterations, 1);
    EXPECT_LT(actual.result.iterations, 200);
  }
}

TEST(Invert, StopsAtItsIterations)
{
  const HostField u = MakeDisplacement(Lattice(13, 17, 11), 3, 1.5, true);
  const Inversion actual = Evaluate(FixedIterations(3), u);
  EXPECT_EQ(actual.result.iterations, 3);
  EXPECT_NEAR(actual.result.maximumResidual, MaximumAndMeanNorm(ComposeInDouble(u, actual.field))[0], 1e-5);
}

TEST(Invert, InverseOfZeroIsZero)
{
  const Inversion actual = Evaluate(InvertParameters(), HostField(Lattice(13, 17, 11), 3));
  EXPECT_EQ(Norm(actual.field), 0.0);
  EXPECT_EQ(actual.result.maximumResidual, 0.0);
}

// Checks that a good start needs fewer iterations.
TEST(Invert, UsesTheInitialEstimate)
{
  const HostField  u = MakeDisplacement(Lattice(37, 41, 29), 4, 2.0, true);
  InvertParameters parameters;
  parameters.maximumIterations = 100;
  parameters.maximumTolerance = 1e-3;
  parameters.meanTolerance = 1e-5;
  const Inversion first = Evaluate(parameters, u);
  parameters.useInitialEstimate = true;
  const Inversion second = Evaluate(parameters, u, first.field);
  EXPECT_LE(second.result.iterations, 2);
  EXPECT_LE(second.result.maximumResidual, first.result.maximumResidual * 1.01);
}

TEST(Invert, TwoRunsGiveTheSameBits)
{
  const HostField u = MakeDisplacement(Lattice(70, 35, 33), 5, 3.0);
  EXPECT_SAME_BITS(Evaluate(InvertParameters(), u).field, Evaluate(InvertParameters(), u).field);
}

// Checks one step by itself: errors above the bound are cut to it, the others are not.
TEST(Invert, UpdateClipsLargeErrors)
{
  const Lattice   lattice(13, 17, 11);
  const HostField error = MakeNoise(lattice, 3, 6, -2.0, 2.0);
  const HostField start = MakeNoise(lattice, 3, 7, -1.0, 1.0);
  const double    norms[2] = { 0.0, MaximumAndMeanNorm(error)[0] };
  HostDoubles     expected = ToDoubles(start);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const Vector3 e = VectorAt(error, x, y, z);
    const double  norm = std::sqrt(e[0] * e[0] + e[1] * e[1] + e[2] * e[2]);
    const double  factor = 0.5 * std::min(1.0, 0.5 * norms[1] / norm);
    for (int d = 0; d < 3; ++d)
    {
      expected(d, x, y, z) -= factor * e[d];
    }
  });
  const Buffer<double> deviceNorms(TestDevice(), 2);
  TestDevice().CopyFromHost(deviceNorms.Data(), norms, sizeof(norms));
  const DeviceFloats inverse(start);
  InvertUpdate(TestDevice(), 0.5f, DeviceFloats(error), deviceNorms.Data(), inverse);
  EXPECT_RELATIVE_ERROR(inverse.Download(), expected, 1e-6);
}

namespace
{
template <unsigned int VDimension>
void
CompareWithItk(const Lattice & lattice)
{
  const auto      geometry = MakeGeometry<VDimension>(41);
  const HostField u = MakeDisplacement(lattice, 42, 2.0, true);
  auto            filter = InvertDisplacementFieldImageFilter<ItkDisplacement<VDimension>>::New();
  filter->SetInput(ToItkDisplacement(u, geometry));
  filter->SetMaximumNumberOfIterations(60);
  filter->SetMeanErrorToleranceThreshold(1e-9);
  filter->SetMaxErrorToleranceThreshold(1e-9);
  filter->SetEnforceBoundaryCondition(false);
  filter->Update();
  const HostDoubles expected = FromItkDisplacement<VDimension>(filter->GetOutput(), lattice, geometry);
  EXPECT_GT(MaximumAndMeanNorm(expected)[0], 1.0);
  EXPECT_MAXIMUM_ERROR(Evaluate(FixedIterations(60), u).field, expected, 1e-4);
}
} // namespace

TEST(Invert, MatchesItkInvertDisplacementFieldImageFilter)
{
  CompareWithItk<3>(Lattice(37, 41, 29));
  CompareWithItk<2>(Lattice(37, 41, 1));
}
} // namespace test
} // namespace engine
} // namespace itk
