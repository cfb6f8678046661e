// SPDX-License-Identifier: Apache-2.0
#include "ReferenceFields.h"
#include "ReferenceSampling.h"

#include "Operators/ComposeGradient.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** Fields on two lattices behind an affine map, and a slope that is 0 near the kinks of u. */
struct Input
{
  HostField u;
  HostField v;
  HostField slope;
  Matrix34  affine;
  double    scale = 1.0;

  ComposeParameters
  Parameters(Outside outside, bool addInner) const
  {
    ComposeParameters parameters;
    parameters.affine = ToAffineMap(affine);
    parameters.outside = outside;
    parameters.innerWeight = addInner ? 1.0f : 0.0f;
    parameters.innerScale = static_cast<float>(scale);
    return parameters;
  }
};

Input
MakeInput(const Lattice & lattice, const Lattice & outer, unsigned int seed)
{
  Input input;
  input.u = MakeNoise(outer, 3, seed, -1.5, 1.5);
  input.v = MakeDisplacement(lattice, seed + 1, 3.0);
  input.slope = MakeNoise(lattice, 3, seed + 2, -1.0, 1.0);
  input.affine = MakeAffine(lattice, outer, seed + 3);
  input.scale = 0.75;
  SamplingCase c;
  c.moving = input.u;
  c.displacement = input.v;
  c.affine = input.affine;
  for (int d = 0; d < 3; ++d)
  {
    c.matrix[d][d] = input.scale;
  }
  ApplyMask(AwayFromKinks(c, 2e-4), input.slope);
  return input;
}

struct Gradients
{
  HostField           outer;
  HostField           inner;
  std::vector<double> affine;
};

Gradients
Evaluate(const Input & input, const ComposeParameters & parameters)
{
  const DeviceFloats  outer(input.u.lattice, 3);
  const DeviceFloats  inner(input.v.lattice, 3);
  const DeviceScalars affine(12);
  ComposeGradients    gradients;
  gradients.outer = outer;
  gradients.inner = inner;
  gradients.affine = affine.Data();
  const Workspace workspace(ComposeGradientWorkspace(TestDevice(), input.u.lattice, gradients));
  ComposeGradient(TestDevice(),
                  parameters,
                  DeviceFloats(input.u),
                  DeviceFloats(input.v),
                  DeviceFloats(input.slope),
                  gradients,
                  false,
                  workspace.Data());
  return Gradients{ outer.Download(), inner.Download(), affine.Download() };
}

/** Random directions of the three arguments. */
struct Direction
{
  HostDoubles u;
  HostDoubles v;
  Matrix34    affine{};
};

template <typename T>
HostDoubles
Moved(const HostFieldOf<T> & from, const HostDoubles & direction, double t)
{
  HostDoubles result(from.lattice, from.components);
  for (std::size_t i = 0; i < result.values.size(); ++i)
  {
    result.values[i] = from.values[i] + t * direction.values[i];
  }
  return result;
}

double
Difference(const Input & input, const Direction & direction, bool clamp, bool addInner)
{
  constexpr double h = 1e-6;
  double           loss[2];
  for (int side = 0; side < 2; ++side)
  {
    const double t = side == 0 ? -h : h;
    Matrix34     affine = input.affine;
    for (int d = 0; d < 3; ++d)
    {
      for (int e = 0; e < 4; ++e)
      {
        affine[d][e] += t * direction.affine[d][e];
      }
    }
    loss[side] = Dot(ComposeInDouble(Moved(input.u, direction.u, t),
                                     Moved(input.v, direction.v, t),
                                     affine,
                                     clamp,
                                     addInner,
                                     input.scale),
                     input.slope);
  }
  return (loss[1] - loss[0]) / (2 * h);
}
} // namespace

// Checks each gradient along random directions against differences of the composition in double.
TEST(ComposeGradient, MatchesFiniteDifferences)
{
  for (const Lattice & lattice : { Lattice(13, 17, 11), Lattice(17, 13, 1), Lattice(2, 3, 1), Lattice(1, 9, 40) })
  {
    SCOPED_TRACE(Describe(lattice));
    const Lattice   outer = MovingLattice(lattice);
    const Input     input = MakeInput(lattice, outer, 11);
    const Direction still{ HostDoubles(outer, 3), HostDoubles(lattice, 3) };
    for (const bool clamp : { false, true })
    {
      for (const bool addInner : { true, false })
      {
        const Gradients actual =
          Evaluate(input, input.Parameters(clamp ? Outside::Clamp : Outside::Value, addInner));
        Direction direction = still;
        direction.u = ToDoubles(MakeNoise(outer, 3, 21, -1.0, 1.0));
        EXPECT_NEAR(Dot(actual.outer, direction.u),
                    Difference(input, direction, clamp, addInner),
                    1e-5 * Norm(actual.outer) * Norm(direction.u) + 1e-7);
        direction = still;
        direction.v = ToDoubles(MakeNoise(lattice, 3, 22, -1.0, 1.0));
        EXPECT_NEAR(Dot(actual.inner, direction.v),
                    Difference(input, direction, clamp, addInner),
                    1e-5 * Norm(actual.inner) * Norm(direction.v) + 1e-7);
        double largest = 0.0;
        for (const double value : actual.affine)
        {
          largest = std::max(largest, std::abs(value));
        }
        for (int k = 0; k < 12; ++k)
        {
          direction = still;
          direction.affine[k / 4][k % 4] = 1.0;
          EXPECT_NEAR(actual.affine[k], Difference(input, direction, clamp, addInner), 1e-4 * largest + 1e-7) << k;
        }
      }
    }
  }
}

// Checks <g, Compose(du)> = <ComposeGradient(g), du>: Compose without the inner field is linear in u.
TEST(ComposeGradient, OuterIsTheAdjointOfCompose)
{
  const Lattice lattice(35, 17, 9);
  const Lattice outer(31, 19, 8);
  const Input   input = MakeInput(lattice, outer, 31);
  for (const Outside outside : { Outside::Value, Outside::Clamp })
  {
    const auto         parameters = input.Parameters(outside, false);
    const HostField    other = MakeNoise(outer, 3, 33, -1.0, 1.0);
    const DeviceFloats output(lattice, 3);
    Compose(TestDevice(), parameters, DeviceFloats(other), DeviceFloats(input.v), output);
    const HostField composed = output.Download();
    EXPECT_NEAR(Dot(Evaluate(input, parameters).outer, other),
                Dot(composed, input.slope),
                1e-6 * Norm(composed) * Norm(input.slope));
  }
}

TEST(ComposeGradient, AccumulatesAndIsOptional)
{
  const Lattice       lattice(35, 17, 9);
  const Input         input = MakeInput(lattice, lattice, 41);
  const auto          parameters = input.Parameters(Outside::Value, true);
  const Gradients     once = Evaluate(input, parameters);
  const DeviceFloats  outer(once.outer);
  const DeviceFloats  inner(once.inner);
  const DeviceScalars affine(12);
  const auto          call = [&](const ComposeGradients & gradients, bool accumulate) {
    const Workspace workspace(ComposeGradientWorkspace(TestDevice(), lattice, gradients));
    ComposeGradient(TestDevice(),
                    parameters,
                    DeviceFloats(input.u),
                    DeviceFloats(input.v),
                    DeviceFloats(input.slope),
                    gradients,
                    accumulate,
                    workspace.Data());
  };
  ComposeGradients gradients;
  gradients.outer = outer;
  call(gradients, true);
  gradients = ComposeGradients();
  gradients.inner = inner;
  call(gradients, true);
  gradients = ComposeGradients();
  gradients.affine = affine.Data();
  call(gradients, false);
  EXPECT_RELATIVE_ERROR(outer.Download(), Moved(once.outer, ToDoubles(once.outer), 1.0), 1e-7);
  EXPECT_RELATIVE_ERROR(inner.Download(), Moved(once.inner, ToDoubles(once.inner), 1.0), 1e-7);
  EXPECT_EQ(affine.Download(), once.affine);
}

TEST(ComposeGradient, RefusesWhatDoesNotFit)
{
  const Lattice      lattice(6, 5, 4);
  const DeviceFloats u(lattice, 3);
  const DeviceFloats slope(lattice, 3);
  const DeviceFloats inner(lattice, 3);
  ComposeParameters  parameters;
  ComposeGradients   gradients;
  const auto         call = [&](const ConstField & g) {
    ComposeGradient(TestDevice(), parameters, u, ConstField(), g, gradients, false, nullptr);
  };
  EXPECT_THROW(call(slope), Error); // nothing to compute
  gradients.inner = inner;
  EXPECT_NO_THROW(call(slope));
  EXPECT_THROW(call(DeviceFloats(lattice)), Error);
  gradients.inner = u;
  EXPECT_THROW(call(slope), Error);
  gradients.inner = inner;
  parameters.outerScale.scale = 0.5f;
  EXPECT_NO_THROW(call(slope));
  const DeviceScalars norm(1);
  parameters.outerScale.largest = norm.Data();
  EXPECT_THROW(call(slope), Error);
  parameters.outerScale.largest = nullptr;
  parameters.innerMaximum = norm.Data();
  EXPECT_THROW(call(slope), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
