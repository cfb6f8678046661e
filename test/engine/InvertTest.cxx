// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceFields.h"

#include "Operators/Invert.h"

#include "itkInvertDisplacementFieldImageFilter.h"

#include <limits>

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
  const InvertResult  result = Invert(TestDevice(), parameters, displacement, inverse, workspace);
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

namespace
{
/** Small everywhere but at a few places, which alone are clipped. */
HostField
MakeBumps(const Lattice & lattice, unsigned int seed)
{
  HostField u = MakeDisplacement(lattice, seed, 0.05, true);
  const int centers[2][3] = { { lattice.size[0] / 3, lattice.size[1] / 2, lattice.size[2] / 2 },
                              { 9 * lattice.size[0] / 10, lattice.size[1] / 5, lattice.size[2] / 4 } };
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    for (int i = 0; i < 2 && !IsOnBoundary(lattice, 3, x, y, z); ++i)
    {
      const double r2 = std::pow(x - centers[i][0], 2) + std::pow(y - centers[i][1], 2) + std::pow(z - centers[i][2], 2);
      for (int d = 0; d < 3; ++d)
      {
        u(d, x, y, z) += static_cast<float>((i == 0 ? 0.7 : -0.5) * (d + 1) * std::exp(-r2 / 8.0) / 3.0);
      }
    }
  });
  return u;
}
} // namespace

// Checks steps that few pieces of the grid clip, for as many iterations as the host looks at between them and more.
TEST(Invert, ClipsWhereErrorsAreLarge)
{
  for (const Lattice & lattice : { Lattice(67, 21, 18), Lattice(97, 41, 1) })
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField u = MakeBumps(lattice, 12);
    for (const int iterations : { 1, 2, 3, 4, 5, 9 })
    {
      for (const bool stepAfterTolerance : { false, true })
      {
        InvertParameters parameters = FixedIterations(iterations);
        parameters.stepAfterTolerance = stepAfterTolerance;
        parameters.zeroBoundaryAxes = iterations % 2 == 0 ? 2 : 0;
        const Inversion   actual = Evaluate(parameters, u);
        double            residuals[2];
        const HostDoubles expected =
          InvertInDouble(u, iterations, false, parameters.zeroBoundaryAxes, 1.0, residuals);
        EXPECT_EQ(actual.result.iterations, iterations);
        EXPECT_RELATIVE_ERROR(actual.field, expected, 1e-5);
        if (stepAfterTolerance)
        {
          EXPECT_NEAR(actual.result.maximumResidual, residuals[0], 1e-5);
          EXPECT_NEAR(actual.result.meanResidual, residuals[1], 1e-6);
        }
      }
    }
  }
}

// Checks the fused iterations beside the same made of single operators, from an estimate, as long as tolerances last.
TEST(Invert, MatchesSingleOperators)
{
  const Lattice   lattice(67, 13, 10);
  const HostField u = MakeBumps(lattice, 13);
  const HostField start = MakeDisplacement(lattice, 14, 0.02);
  for (const double tolerance : { 0.6, 0.3, 0.15, 0.08, 0.04, 0.01 })
  {
    InvertParameters parameters;
    parameters.useInitialEstimate = true;
    parameters.stepAfterTolerance = true;
    parameters.zeroBoundaryAxes = 3;
    parameters.meanTolerance = 0.0;
    parameters.maximumTolerance = tolerance;
    const Inversion actual = Evaluate(parameters, u, start);

    HostField           v = start;
    const DeviceFloats  displacement(u);
    const DeviceFloats  error(lattice, 3);
    const DeviceScalars scalars(2);
    double              maximum = 2.0 * tolerance;
    int                 iterations = 0;
    while (maximum > tolerance && iterations < parameters.maximumIterations)
    {
      ComposeInUnit(TestDevice(), Matrix3(), Outside::Value, displacement, DeviceFloats(v), error);
      Norms(TestDevice(), error, scalars.Data());
      maximum = scalars.Download()[1];
      const HostField e = error.Download();
      const float     step = iterations == 0 ? 0.75f : 0.5f;
      const auto      limit = step * static_cast<float>(maximum);
      ForEachVoxel(lattice, [&](int x, int y, int z) {
        const Vector3 r = VectorAt(e, x, y, z);
        const auto    norm = static_cast<float>(std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]));
        const float   scale = norm > limit ? step * (limit / norm) : step;
        for (int d = 0; d < 3; ++d)
        {
          v(d, x, y, z) = IsOnBoundary(lattice, 3, x, y, z) ? 0.0f : v(d, x, y, z) - scale * e(d, x, y, z);
        }
      });
      ++iterations;
    }
    EXPECT_EQ(actual.result.iterations, iterations);
    EXPECT_NEAR(actual.result.maximumResidual, maximum, 1e-6);
    EXPECT_MAXIMUM_ERROR(actual.field, ToDoubles(v), 1e-6);
  }
}

TEST(Invert, RefusesWhatItCannotInvert)
{
  const Lattice lattice(37, 41, 29);
  HostField     u = MakeDisplacement(lattice, 15, 1.0, true);
  u(1, 20, 20, 20) = std::numeric_limits<float>::quiet_NaN();
  for (const int iterations : { 1, 20 })
  {
    EXPECT_THROW(Evaluate(FixedIterations(iterations), u), Error);
  }
  EXPECT_THROW(Evaluate(FixedIterations(0), HostField(lattice, 3)), Error);
  InvertParameters parameters;
  parameters.zeroBoundaryAxes = 4;
  EXPECT_THROW(Evaluate(parameters, HostField(lattice, 3)), Error);
  const DeviceFloats field(lattice, 3);
  EXPECT_THROW(Invert(TestDevice(), InvertParameters(), field, field, DeviceFloats(lattice, 3)), Error);
  EXPECT_THROW(Invert(TestDevice(), InvertParameters(), field, DeviceFloats(lattice, 3), DeviceFloats(Lattice(37, 41, 28), 3)),
               Error);
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
