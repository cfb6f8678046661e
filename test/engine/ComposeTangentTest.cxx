// SPDX-License-Identifier: Apache-2.0
#include "ReferenceSampling.h"
#include "ReferenceTangent.h"

#include "Operators/ComposeGradient.h"
#include "Operators/ComposeTangent.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** Fields on one lattice, and a mask of where v leads away from the kinks of u. */
struct Input
{
  HostField u;
  HostField v;
  HostField du;
  HostField dv;
  HostMask  use;
};

ComposeParameters
Parameters(Outside outside)
{
  ComposeParameters parameters;
  parameters.outside = outside;
  parameters.innerScale = -0.75f;
  parameters.innerWeight = 0.5f;
  parameters.outerScale.scale = 1.25f;
  return parameters;
}

Input
MakeInput(const Lattice & lattice, unsigned int seed)
{
  Input input;
  input.u = MakeNoise(lattice, 3, seed, -1.5, 1.5);
  input.v = MakeDisplacement(lattice, seed + 1, 3.0);
  input.du = MakeNoise(lattice, 3, seed + 2, -1.0, 1.0);
  input.dv = MakeNoise(lattice, 3, seed + 3, -1.0, 1.0);
  SamplingCase c;
  c.moving = input.u;
  c.displacement = input.v;
  for (int d = 0; d < 3; ++d)
  {
    c.matrix[d][d] = Parameters(Outside::Value).innerScale;
  }
  input.use = AwayFromKinks(c, 2e-4);
  return input;
}

HostField
Evaluate(const ComposeParameters & parameters, const Input & input, const TangentProduct & product = TangentProduct())
{
  const DeviceFloats output(input.u.lattice, 3);
  ComposeTangent(TestDevice(),
                 parameters,
                 DeviceFloats(input.u),
                 DeviceFloats(input.v),
                 DeviceFloats(input.du),
                 DeviceFloats(input.dv),
                 output,
                 product);
  return output.Download();
}
} // namespace

TEST(ComposeTangent, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const Input input = MakeInput(lattice, 11);
    for (const Outside outside : { Outside::Value, Outside::Clamp })
    {
      const ComposeParameters parameters = Parameters(outside);
      const HostDoubles expected = ComposeTangentInDouble(parameters, input.u, input.v, input.du, input.dv);
      EXPECT_RELATIVE_ERROR_WHERE(input.use, Evaluate(parameters, input), expected, 1e-5);
    }
  }
}

TEST(ComposeTangent, MatchesFiniteDifferences)
{
  const Lattice lattice(13, 17, 11);
  const Input   input = MakeInput(lattice, 21);
  for (const Outside outside : { Outside::Value, Outside::Clamp })
  {
    const ComposeParameters parameters = Parameters(outside);
    constexpr double        h = 1e-6;
    const auto              moved = [&](double t) {
      HostDoubles u = ToDoubles(input.u);
      HostDoubles v = ToDoubles(input.v);
      for (std::size_t i = 0; i < u.values.size(); ++i)
      {
        u.values[i] += t * input.du.values[i];
        v.values[i] += t * input.dv.values[i];
      }
      return WeightedComposeInDouble(parameters, u, v);
    };
    HostDoubles       difference = moved(h);
    const HostDoubles low = moved(-h);
    for (std::size_t i = 0; i < low.values.size(); ++i)
    {
      difference.values[i] = (difference.values[i] - low.values[i]) / (2 * h);
    }
    EXPECT_RELATIVE_ERROR_WHERE(input.use, Evaluate(parameters, input), difference, 1e-5);
  }
}

// Checks <T a, T a> = <a, T' T a>: both tangents, no mask, positions on kinks included.
TEST(ComposeTangent, IsTheTransposeOfComposeGradient)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    Input input = MakeInput(lattice, 31);
    for (const Outside outside : { Outside::Value, Outside::Clamp })
    {
      for (const bool isStill : { false, true })
      {
        if (lattice.NumberOfVoxels() > 5000 && (isStill || outside == Outside::Value))
        {
          continue; // takes long
        }
        if (isStill)
        {
          std::fill(input.v.values.begin(), input.v.values.end(), 0.0f);
        }
        const ComposeParameters parameters = Parameters(outside);
        const DeviceFloats      slope(Evaluate(parameters, input));
        const DeviceFloats      outer(lattice, 3);
        const DeviceFloats      inner(lattice, 3);
        ComposeGradients        gradients;
        gradients.outer = outer;
        gradients.inner = inner;
        const Workspace workspace(ComposeGradientWorkspace(TestDevice(), lattice, gradients));
        ComposeGradient(TestDevice(),
                        parameters,
                        DeviceFloats(input.u),
                        DeviceFloats(input.v),
                        slope,
                        gradients,
                        false,
                        workspace.Data());
        const HostField tangent = slope.Download();
        EXPECT_RELATIVE_NEAR(Dot(outer.Download(), input.du) + Dot(inner.Download(), input.dv),
                             Dot(tangent, tangent),
                             1e-6);
      }
    }
  }
}

TEST(ComposeTangent, AbsentTangentsAreZero)
{
  const Lattice           lattice(35, 17, 9);
  const Input             input = MakeInput(lattice, 41);
  const ComposeParameters parameters = Parameters(Outside::Clamp);
  const DeviceFloats      u(input.u);
  const DeviceFloats      v(input.v);
  for (int which = 0; which < 3; ++which)
  {
    SCOPED_TRACE(which);
    Input zero = input;
    (which == 0 ? zero.du : (which == 1 ? zero.dv : zero.v)) = HostField(lattice, 3);
    const DeviceFloats output(lattice, 3);
    ComposeTangent(TestDevice(),
                   parameters,
                   u,
                   which == 2 ? ConstField() : ConstField(v),
                   which == 0 ? ConstField() : ConstField(DeviceFloats(zero.du)),
                   which == 1 ? ConstField() : ConstField(DeviceFloats(zero.dv)),
                   output);
    EXPECT_MAXIMUM_ERROR(output.Download(), Evaluate(parameters, zero), 1e-6);
  }
}

// Checks H dw for both forms of H, with and without a weight, written over one of its inputs.
TEST(ComposeTangent, MultipliesByTheProduct)
{
  const Lattice           lattice(37, 18, 5);
  const Input             input = MakeInput(lattice, 51);
  const ComposeParameters parameters = Parameters(Outside::Clamp);
  const HostField         tangent = Evaluate(parameters, input);
  const HostField         weight = MakeNoise(lattice, 1, 52, 0.0, 2.0);
  const DeviceFloats      deviceWeight(weight);
  for (const int components : { 3, 6, 9, -6 })
  {
    const HostField    h = MakeNoise(lattice, std::abs(components), 53, -1.0, 1.0);
    const DeviceFloats deviceH(h);
    for (const bool isWeighted : { false, true })
    {
      SCOPED_TRACE(components);
      HostDoubles expected(lattice, 3);
      ForEachVoxel(lattice, [&](int x, int y, int z) {
        const Vector3 d = VectorAt(tangent, x, y, z);
        const double  factor = isWeighted ? weight(0, x, y, z) : 1.0;
        for (int c = 0; c < 3; ++c)
        {
          for (int e = 0; e < 3; ++e)
          {
            double entry = 0.0;
            for (int k = 0; k + 2 < components; k += 3)
            {
              entry += static_cast<double>(h(k + c, x, y, z)) * h(k + e, x, y, z);
            }
            if (components < 0)
            {
              const int place[3][3] = { { 0, 1, 2 }, { 1, 3, 4 }, { 2, 4, 5 } };
              entry = h(place[c][e], x, y, z);
            }
            expected(c, x, y, z) += factor * entry * d[e];
          }
        }
      });
      TangentProduct product;
      (components > 0 ? product.vectors : product.symmetric) = deviceH;
      product.weight = isWeighted ? ConstField(deviceWeight) : ConstField();
      EXPECT_RELATIVE_ERROR(Evaluate(parameters, input, product), expected, 1e-5);
      const DeviceFloats inPlace(input.dv);
      ComposeTangent(TestDevice(),
                     parameters,
                     DeviceFloats(input.u),
                     DeviceFloats(input.v),
                     DeviceFloats(input.du),
                     inPlace,
                     inPlace,
                     product);
      EXPECT_RELATIVE_ERROR(inPlace.Download(), expected, 1e-5);
    }
  }
}

TEST(ComposeTangent, RefusesWhatDoesNotFit)
{
  const Lattice      lattice(6, 5, 4);
  const DeviceFloats u(lattice, 3);
  const DeviceFloats du(lattice, 3);
  const DeviceFloats output(lattice, 3);
  const DeviceFloats one(lattice, 1);
  const DeviceFloats six(lattice, 6);
  ComposeParameters  parameters;
  TangentProduct     product;
  const auto         call = [&](const ConstField & outerTangent, const ConstField & innerTangent, const Field & to) {
    ComposeTangent(TestDevice(), parameters, u, u, outerTangent, innerTangent, to, product);
  };
  EXPECT_NO_THROW(call(du, du, output));
  EXPECT_THROW(call(ConstField(), ConstField(), output), Error);
  EXPECT_THROW(call(one, du, output), Error);
  EXPECT_THROW(call(du, one, output), Error);
  EXPECT_THROW(call(du, du, u), Error);
  EXPECT_THROW(call(du, du, du), Error);
  product.weight = one;
  EXPECT_THROW(call(du, du, output), Error); // no H that it belongs to
  product.symmetric = six;
  EXPECT_NO_THROW(call(du, du, output));
  product.vectors = six;
  EXPECT_THROW(call(du, du, output), Error);
  product = TangentProduct();
  product.vectors = one;
  EXPECT_THROW(call(du, du, output), Error);
  product = TangentProduct();
  const DeviceScalars norm(1);
  parameters.innerMaximum = norm.Data();
  EXPECT_THROW(call(du, du, output), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
