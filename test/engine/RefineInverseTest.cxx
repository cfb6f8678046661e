// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceFields.h"

#include "Operators/RefineInverse.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
struct Refinement
{
  HostField field;
  double    mean;
  double    maximum;
};

Refinement
Refine(const RefineInverseParameters & parameters, const HostField & u, const HostField & estimate)
{
  const DeviceFloats  displacement(u);
  const DeviceFloats  inverse(estimate);
  const DeviceScalars residuals(2);
  RefineInverse(TestDevice(), parameters, displacement, inverse, residuals.Data());
  const std::vector<double> numbers = residuals.Download();
  return Refinement{ inverse.Download(), numbers[0] / u.lattice.NumberOfVoxels(), numbers[1] };
}

Refinement
InvertFromNothing(const HostField & u, Outside outside)
{
  const DeviceFloats      displacement(u);
  const DeviceFloats      inverse(u.lattice, 3);
  const DeviceFloats      workspace(u.lattice, 3);
  const DeviceScalars     scalars(2);
  RefineInverseParameters parameters;
  parameters.outside = outside;
  const InvertResult result =
    InvertByNewton(TestDevice(), parameters, displacement, inverse, workspace, scalars.Data());
  return Refinement{ inverse.Download(), result.meanResidual, result.maximumResidual };
}

/** Maximum and mean of |v + u o (1 + v)| in double. */
std::array<double, 2>
Residuals(const HostField & u, const HostField & v, bool clampOutside)
{
  HostDoubles inverse(v.lattice, 3);
  std::copy(v.values.begin(), v.values.end(), inverse.values.begin());
  return MaximumAndMeanNorm(ComposeInDouble(u, inverse, IdentityAffine(), clampOutside));
}

/** Stretches sevenfold along x in the middle plane, and half as much along y: the relaxed fixed point diverges there. */
HostField
MakeStretch(const Lattice & lattice)
{
  HostField u(lattice, 3);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const double dx = x - 0.5 * lattice.size[0];
    const double dy = y - 0.5 * lattice.size[1];
    u(0, x, y, z) = static_cast<float>(6.0 * std::tanh(dx) * (1.0 + 0.2 * std::sin(0.3 * z)));
    u(1, x, y, z) = static_cast<float>(3.0 * std::tanh(dy) + 0.3 * std::sin(0.2 * x));
    u(2, x, y, z) = static_cast<float>(0.8 * std::sin(0.25 * x + 0.4 * y));
  });
  return u;
}
/** Stretches each cell along each axis by a number of its own between 1/6 and 6, and shears it. */
HostField
MakeBends(const Lattice & lattice)
{
  Random               random(6);
  std::vector<Vector3> places[3]; // of the planes across each axis
  for (int axis = 0; axis < 3; ++axis)
  {
    Vector3 place{};
    for (int i = 0; i < lattice.size[axis]; ++i)
    {
      places[axis].push_back(place);
      place[axis] += std::exp(random.Uniform(-1.0, 1.0) * std::log(6.0));
      place[(axis + 1) % 3] += axis < 2 ? random.Uniform(-2.0, 2.0) : 0.0;
    }
  }
  HostField u(lattice, 3);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const int point[3] = { x, y, z };
    for (int c = 0; c < 3; ++c)
    {
      u(c, x, y, z) = static_cast<float>(places[0][x][c] + places[1][y][c] + places[2][z][c] - point[c]);
    }
  });
  return u;
}
} // namespace

TEST(RefineInverse, ConvergesInDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField u = MakeDisplacement(lattice, 1, 1.0, true);
    for (const Outside outside : { Outside::Value, Outside::Clamp })
    {
      const Refinement actual = InvertFromNothing(u, outside);
      const auto       expected = Residuals(u, actual.field, outside == Outside::Clamp);
      EXPECT_NEAR(actual.maximum, expected[0], 2e-5);
      EXPECT_NEAR(actual.mean, expected[1], 2e-5);
      EXPECT_LE(expected[0], 1.1e-3);
    }
  }
}

// Checks a field where the relaxed fixed point leaves whole voxels of error.
TEST(RefineInverse, InvertsWhatStretches)
{
  const Lattice    lattice(48, 37, 13);
  const HostField  u = MakeStretch(lattice);
  const Refinement actual = InvertFromNothing(u, Outside::Clamp);
  const auto       residuals = Residuals(u, actual.field, true);
  EXPECT_LE(residuals[0], 1.1e-3);
  EXPECT_NEAR(actual.maximum, residuals[0], 1e-4);

  const DeviceFloats displacement(u);
  const DeviceFloats inverse(lattice, 3);
  const DeviceFloats workspace(lattice, 3);
  InvertParameters   fixedPoint;
  fixedPoint.maximumIterations = 50;
  fixedPoint.outside = Outside::Clamp;
  EXPECT_GT(Invert(TestDevice(), fixedPoint, displacement, inverse, workspace).maximumResidual, 0.5);
}

// Checks a field that bends at every face between cells but folds nowhere: a step that is Newton's in one cell and not in
// the next ends short of the inverse there, and the walk does not.
TEST(RefineInverse, WalksAcrossCells)
{
  const Lattice   lattice(31, 29, 23);
  const HostField u = MakeBends(lattice);
  RefineInverseParameters parameters;
  parameters.outside = Outside::Clamp;
  const HostField nothing(lattice, 3);
  parameters.maximumCells = 0;
  EXPECT_GT(Refine(parameters, u, nothing).maximum, 0.1);
  parameters.maximumCells = RefineInverseParameters().maximumCells;
  const Refinement walked = Refine(parameters, u, nothing);
  EXPECT_LE(walked.maximum, 1e-3);
  EXPECT_LE(Residuals(u, walked.field, true)[0], 1.1e-3);
}

// Checks that the residual grows nowhere, also from estimates that are far off and where u folds.
TEST(RefineInverse, NeverGetsWorse)
{
  const Lattice   lattice(19, 17, 11);
  const HostField u = MakeDisplacement(lattice, 2, 6.0);
  const HostField estimate = MakeDisplacement(lattice, 3, 4.0);
  const auto      errors = [&](const HostField & v) {
    HostDoubles inverse(lattice, 3);
    std::copy(v.values.begin(), v.values.end(), inverse.values.begin());
    return ComposeInDouble(u, inverse, IdentityAffine(), true);
  };
  const HostDoubles before = errors(estimate);
  for (const int iterations : { 0, 1, 3, 30 })
  {
    RefineInverseParameters parameters;
    parameters.maximumIterations = iterations;
    parameters.maximumCells = 5 * iterations;
    parameters.outside = Outside::Clamp;
    const HostField   refined = Refine(parameters, u, estimate).field;
    const HostDoubles after = errors(refined);
    if (iterations == 0)
    {
      EXPECT_SAME_BITS(refined, estimate);
    }
    ForEachVoxel(lattice, [&](int x, int y, int z) {
      const Vector3 low = VectorAt(after, x, y, z);
      const Vector3 high = VectorAt(before, x, y, z);
      EXPECT_LE(std::hypot(low[0], low[1], low[2]), std::hypot(high[0], high[1], high[2]) + 1e-4);
    });
  }
}

TEST(RefineInverse, NotANumberShows)
{
  const Lattice lattice(9, 8, 7);
  HostField     u(lattice, 3);
  u(1, 4, 4, 4) = std::nanf("");
  const Refinement actual = Refine(RefineInverseParameters(), u, HostField(lattice, 3));
  EXPECT_TRUE(std::isnan(actual.mean));
  EXPECT_TRUE(std::isnan(actual.maximum));
  EXPECT_EQ(actual.field.values, HostField(lattice, 3).values);
}

TEST(RefineInverse, RefusesWhatDoesNotFit)
{
  const Lattice           lattice(5, 4, 3);
  const DeviceFloats      u{ HostField(lattice, 3) };
  const DeviceFloats      v{ HostField(lattice, 3) };
  const DeviceFloats      scalar{ HostField(lattice, 1) };
  const DeviceScalars     residuals(2);
  RefineInverseParameters parameters;
  EXPECT_THROW(RefineInverse(TestDevice(), parameters, scalar, v, residuals.Data()), Error);
  EXPECT_THROW(RefineInverse(TestDevice(), parameters, u, scalar, residuals.Data()), Error);
  EXPECT_THROW(RefineInverse(TestDevice(), parameters, u, u, residuals.Data()), Error);
  parameters.tolerance = -1.0f;
  EXPECT_THROW(RefineInverse(TestDevice(), parameters, u, v, residuals.Data()), Error);
  parameters.tolerance = 0.0f;
  parameters.maximumIterations = -1;
  EXPECT_THROW(RefineInverse(TestDevice(), parameters, u, v, residuals.Data()), Error);
  parameters.maximumIterations = 1;
  parameters.maximumCells = -1;
  EXPECT_THROW(RefineInverse(TestDevice(), parameters, u, v, residuals.Data()), Error);
}

TEST(RefineInverse, TwoRunsGiveTheSameBits)
{
  const HostField  u = MakeStretch(Lattice(33, 29, 11));
  const Refinement first = InvertFromNothing(u, Outside::Clamp);
  const Refinement second = InvertFromNothing(u, Outside::Clamp);
  EXPECT_SAME_BITS(first.field, second.field);
  EXPECT_EQ(first.mean, second.mean);
}
} // namespace test
} // namespace engine
} // namespace itk
