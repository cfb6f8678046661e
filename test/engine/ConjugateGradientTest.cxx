// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/Arithmetic.h"
#include "Operators/MetricCurvature.h"
#include "Solvers/ConjugateGradient.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** H = b + g g^T at each voxel: b > 0 the same for all, g noise. The solution is known in closed form. */
struct Problem
{
  Problem()
    : factor(MakeNoise(lattice, 3, 1, -3.0, 3.0))
    , right(MakeNoise(lattice, 3, 2, -1.0, 1.0))
    , deviceFactor(factor)
  {}

  HostDoubles
  Solution() const
  {
    HostDoubles x(lattice, 3);
    ForEachVoxel(lattice, [&](int i, int j, int k) {
      const Vector3 g = VectorAt(factor, i, j, k);
      const Vector3 r = VectorAt(right, i, j, k);
      const double  along = g[0] * r[0] + g[1] * r[1] + g[2] * r[2];
      const double  square = g[0] * g[0] + g[1] * g[1] + g[2] * g[2];
      for (int c = 0; c < 3; ++c)
      {
        x(c, i, j, k) = (r[c] - g[c] * along / (weight + square)) / weight;
      }
    });
    return x;
  }

  ConjugateGradientOperators
  Operators(bool isRegularization) const
  {
    ConjugateGradientOperators operators;
    operators.data = [this](const ConstField & p, const Field & q) {
      CurvatureProduct(TestDevice(), deviceFactor, p, false, q);
    };
    const float inverse = isRegularization ? static_cast<float>(1.0 / weight) : 0.37f;
    operators.precondition = [inverse](const ConstField & r, const Field & z) {
      LinearCombination(TestDevice(), inverse, r, 0.0f, ConstField(), z);
    };
    if (!isRegularization)
    {
      operators.regularize = [this](const ConstField & z, const Field & y) {
        LinearCombination(TestDevice(), static_cast<float>(weight), z, 0.0f, ConstField(), y);
      };
    }
    return operators;
  }

  Lattice      lattice = Lattice(11, 7, 5);
  double       weight = 0.75;
  HostField    factor;
  HostField    right;
  DeviceFloats deviceFactor;
};

struct Solved
{
  Solved(const Problem & problem, const ConjugateGradientParameters & parameters, const ConjugateGradientOperators & operators)
    : x(problem.lattice, 3)
    , r(problem.right)
  {
    const DeviceFloats      p(problem.lattice, 3), b(problem.lattice, 3), q(problem.lattice, 3), z(problem.lattice, 3);
    const DeviceScalars     scalars(2);
    ConjugateGradientFields fields;
    fields.solution = x;
    fields.residual = r;
    fields.direction = p;
    fields.regularized = b;
    fields.product = q;
    fields.conditioned = z;
    fields.scalars = scalars.Data();
    result = SolveByConjugateGradients(TestDevice(), parameters, operators, fields);
  }

  DeviceFloats            x;
  DeviceFloats            r;
  ConjugateGradientResult result;
};
} // namespace

TEST(ConjugateGradient, SolvesWithAnyPreconditioner)
{
  const Problem               problem;
  const HostDoubles           expected = problem.Solution();
  ConjugateGradientParameters parameters;
  parameters.relativeTolerance = 1e-6;
  parameters.maximumIterations = 200;
  for (const bool isRegularization : { true, false })
  {
    for (const bool isFlexible : { true, false })
    {
      ConjugateGradientOperators operators = problem.Operators(isRegularization);
      operators.isFlexible = isFlexible;
      const Solved run(problem, parameters, operators);
      EXPECT_LT(run.result.iterations, 150);
      EXPECT_LE(run.result.relativeResidual, 1e-6);
      EXPECT_RELATIVE_ERROR(run.x.Download(), expected, 1e-5);
      EXPECT_RELATIVE_NEAR(run.result.decrease, Dot(problem.right, run.x.Download()), 1e-4);
    }
  }
}

// Checks that the flexible rule copes with a preconditioner that is another one in each call.
TEST(ConjugateGradient, FlexibleRuleTakesAChangingPreconditioner)
{
  const Problem               problem;
  ConjugateGradientParameters parameters;
  parameters.relativeTolerance = 1e-5;
  parameters.maximumIterations = 200;
  ConjugateGradientOperators operators = problem.Operators(false);
  int                        calls = 0;
  operators.precondition = [&](const ConstField & r, const Field & z) {
    ++calls;
    LinearCombination(TestDevice(), 1.0f, r, 0.0f, ConstField(), z);
    if (calls % 2 == 0)
    {
      CurvatureProduct(TestDevice(), problem.deviceFactor, r, true, z);
    }
  };
  operators.isFlexible = true;
  const Solved run(problem, parameters, operators);
  EXPECT_LE(run.result.relativeResidual, 1e-5);
  EXPECT_RELATIVE_ERROR(run.x.Download(), problem.Solution(), 1e-4);
}

TEST(ConjugateGradient, EndsAtTheTolerance)
{
  const Problem               problem;
  ConjugateGradientParameters parameters;
  parameters.relativeTolerance = 0.3;
  const Solved loose(problem, parameters, problem.Operators(true));
  EXPECT_LE(loose.result.relativeResidual, 0.3);
  EXPECT_NEAR(loose.result.relativeResidual, Norm(loose.r.Download()) / Norm(problem.right), 1e-6);
  parameters.relativeTolerance = 1e-12;
  parameters.maximumIterations = 3;
  const Solved bounded(problem, parameters, problem.Operators(true));
  EXPECT_EQ(bounded.result.iterations, 3);
  parameters.maximumIterations = 0;
  const Solved none(problem, parameters, problem.Operators(true));
  EXPECT_EQ(none.result.iterations, 0);
  EXPECT_EQ(Norm(none.x.Download()), 0.0);
}

TEST(ConjugateGradient, NothingToSolve)
{
  Problem problem;
  problem.right = HostField(problem.lattice, 3, 0.0f);
  const Solved zero(problem, ConjugateGradientParameters(), problem.Operators(true));
  EXPECT_EQ(zero.result.iterations, 0);
  EXPECT_EQ(Norm(zero.x.Download()), 0.0);
  problem.right = HostField(problem.lattice, 3, std::nanf(""));
  const Solved undefined(problem, ConjugateGradientParameters(), problem.Operators(true));
  EXPECT_EQ(undefined.result.iterations, 0);
  EXPECT_EQ(Norm(undefined.x.Download()), 0.0);
}
} // namespace test
} // namespace engine
} // namespace itk
