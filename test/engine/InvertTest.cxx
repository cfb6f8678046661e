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

bool
IsOnBoundary(const Lattice & lattice, int axes, int x, int y, int z)
{
  const int p[3] = { x, y, z };
  for (int d = 0; d < axes; ++d)
  {
    if (p[d] == 0 || p[d] == lattice.size[d] - 1)
    {
      return true;
    }
  }
  return false;
}

/** A fixed number of relaxed steps in double; then the residuals (maximum, mean) before the last step are set. */
HostDoubles
InvertInDouble(const HostField & u,
               int               iterations,
               bool              clampOutside,
               int               zeroAxes = 0,
               double            unit = 1.0,
               double *          residuals = nullptr)
{
  HostDoubles v(u.lattice, 3);
  for (int n = 0; n < iterations; ++n)
  {
    const HostDoubles error = ComposeInDouble(u, v, IdentityAffine(), clampOutside);
    const double      step = n == 0 ? 0.75 : 0.5;
    const auto        norms = MaximumAndMeanNorm(error);
    const double      bound = step * norms[0];
    if (residuals)
    {
      residuals[0] = norms[0] / unit;
      residuals[1] = norms[1] / unit;
    }
    ForEachVoxel(u.lattice, [&](int x, int y, int z) {
      const Vector3 e = VectorAt(error, x, y, z);
      const double  norm = std::sqrt(e[0] * e[0] + e[1] * e[1] + e[2] * e[2]);
      const double  factor = norm > bound ? step * bound / norm : step;
      for (int d = 0; d < 3; ++d)
      {
        v(d, x, y, z) = IsOnBoundary(u.lattice, zeroAxes, x, y, z) ? 0.0 : v(d, x, y, z) - factor * e[d];
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

TEST(Invert, HoldsTheBoundaryAtZero)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField noise = MakeNoise(lattice, 3, 8, 1.0, 2.0);
    const HostField u = MakeDisplacement(lattice, 9, 1.5, true);
    for (int axes = 0; axes <= 3; ++axes)
    {
      HostField expected = noise;
      ForEachVoxel(lattice, [&](int x, int y, int z) {
        for (int d = 0; d < 3; ++d)
        {
          expected(d, x, y, z) = IsOnBoundary(lattice, axes, x, y, z) ? 0.0f : noise(d, x, y, z);
        }
      });
      const DeviceFloats field(noise);
      ZeroBoundary(TestDevice(), axes, field);
      EXPECT_SAME_BITS(field.Download(), expected);
      if (axes >= 2)
      {
        InvertParameters parameters = FixedIterations(2);
        parameters.zeroBoundaryAxes = axes;
        EXPECT_RELATIVE_ERROR(Evaluate(parameters, u).field, InvertInDouble(u, 2, false, axes), 1e-5);
      }
    }
  }
  EXPECT_THROW(ZeroBoundary(TestDevice(), 4, DeviceFloats(Lattice(5, 4, 3), 3)), Error);
}

// Checks ITK's order: the step after the residual that is good enough is taken, the residual is that before it.
TEST(Invert, TakesTheStepAfterTheTolerance)
{
  for (const Lattice & lattice : { Lattice(13, 17, 11), Lattice(37, 41, 1) })
  {
    const HostField  u = MakeDisplacement(lattice, 10, 1.5, true);
    InvertParameters parameters;
    parameters.maximumIterations = 30;
    parameters.meanTolerance = 0.0;
    parameters.maximumTolerance = 0.05;
    const int steps = Evaluate(parameters, u).result.iterations + 1;
    ASSERT_GT(steps, 2);
    parameters.stepAfterTolerance = true;
    for (const int iterations : { 30, 2 })
    {
      parameters.maximumIterations = iterations;
      const Inversion   actual = Evaluate(parameters, u);
      double            residuals[2];
      const HostDoubles expected = InvertInDouble(u, std::min(iterations, steps), false, 0, 1.0, residuals);
      EXPECT_EQ(actual.result.iterations, std::min(iterations, steps));
      EXPECT_RELATIVE_ERROR(actual.field, expected, 1e-5);
      EXPECT_NEAR(actual.result.maximumResidual, residuals[0], 1e-5);
      EXPECT_NEAR(actual.result.meanResidual, residuals[1], 1e-6);
    }
  }
}

// Checks that vectors in another unit and axes of another order give the same inverse in that unit.
TEST(Invert, TakesVectorsInAnotherUnit)
{
  const Lattice   lattice(13, 17, 11);
  const HostField u = MakeDisplacement(lattice, 11, 1.5, true);
  // stored (a, b, c) is the voxel vector 0.5 (b, c, -a)
  HostField stored = u;
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const float voxel[3] = { u(0, x, y, z), u(1, x, y, z), u(2, x, y, z) };
    stored(1, x, y, z) = 2.0f * voxel[0];
    stored(2, x, y, z) = 2.0f * voxel[1];
    stored(0, x, y, z) = -2.0f * voxel[2];
  });
  for (const Outside outside : { Outside::Value, Outside::Clamp })
  {
    InvertParameters parameters = FixedIterations(5);
    parameters.outside = outside;
    parameters.stepAfterTolerance = true;
    parameters.toIndex = Matrix3{ { { 0.0f, 0.5f, 0.0f }, { 0.0f, 0.0f, 0.5f }, { -0.5f, 0.0f, 0.0f } } };
    const Inversion actual = Evaluate(parameters, stored);
    HostField       inVoxels = actual.field;
    ForEachVoxel(lattice, [&](int x, int y, int z) {
      inVoxels(0, x, y, z) = 0.5f * actual.field(1, x, y, z);
      inVoxels(1, x, y, z) = 0.5f * actual.field(2, x, y, z);
      inVoxels(2, x, y, z) = -0.5f * actual.field(0, x, y, z);
    });
    double            residuals[2];
    const HostDoubles expected = InvertInDouble(u, 5, outside == Outside::Clamp, 0, 0.5, residuals);
    EXPECT_RELATIVE_ERROR(inVoxels, expected, 1e-5);
    EXPECT_NEAR(actual.result.maximumResidual, residuals[0], 1e-5);
    EXPECT_NEAR(actual.result.meanResidual, residuals[1], 1e-6);
  }
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
