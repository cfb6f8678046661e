// SPDX-License-Identifier: Apache-2.0
#include "ReferenceSampling.h"

#include "Operators/ResampleGradient.h"
#include "Operators/ResampleTangent.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** An image and a displacement with their tangents, and a mask of positions away from the image's kinks. */
struct Input
{
  SamplingCase c;
  HostField    movingTangent;
  HostField    displacementTangent;
  HostField    weight;
  HostMask     use;
};

Input
MakeInput(const Lattice & lattice, unsigned int seed, int components)
{
  Input input;
  input.c = MakeSamplingCase(lattice, seed);
  input.c.moving = MakeNoise(input.c.moving.lattice, components, seed + 8, -1.0, 1.0);
  input.movingTangent = MakeNoise(input.c.moving.lattice, components, seed + 9, -1.0, 1.0);
  input.displacementTangent = MakeNoise(lattice, 3, seed + 10, -1.0, 1.0);
  input.weight = MakeNoise(lattice, components, seed + 11, 0.0, 2.0);
  input.use = AwayFromKinks(input.c, 2e-4);
  return input;
}

struct Wanted
{
  bool moving = true;
  bool displacement = true;
  bool weight = false;
};

HostField
Evaluate(const Input & input, const ResampleParameters & parameters, const Wanted & wanted, const HostField * before = nullptr)
{
  const DeviceFloats movingTangent(input.movingTangent);
  const DeviceFloats displacementTangent(input.displacementTangent);
  const DeviceFloats weight(input.weight);
  const DeviceFloats output =
    before ? DeviceFloats(*before) : DeviceFloats(input.c.displacement.lattice, input.c.moving.components);
  ResampleDirections directions;
  directions.moving = wanted.moving ? movingTangent : ConstField();
  directions.displacement = wanted.displacement ? displacementTangent : ConstField();
  directions.weight = wanted.weight ? weight : ConstField();
  ResampleTangent(
    TestDevice(), parameters, DeviceFloats(input.c.moving), DeviceFloats(input.c.displacement), directions, output);
  return output.Download();
}

HostDoubles
TangentInDouble(const Input & input, Outside outside, const Wanted & wanted)
{
  HostDoubles output(input.c.displacement.lattice, input.c.moving.components);
  ForEachVoxel(output.lattice, [&](int x, int y, int z) {
    const Vector3 p = input.c.Position(x, y, z);
    if (outside == Outside::Value && !IsInside(input.c.moving.lattice, p))
    {
      return;
    }
    const Vector3 direction = Multiply(input.c.matrix, VectorAt(input.displacementTangent, x, y, z));
    for (int k = 0; k < output.components; ++k)
    {
      const Vector3 gradient = GradientLinear(input.c.moving, k, p);
      double        sum = wanted.moving ? InterpolateLinear(input.movingTangent, k, p) : 0.0;
      for (int d = 0; wanted.displacement && d < 3; ++d)
      {
        sum += gradient[d] * direction[d];
      }
      output(k, x, y, z) = sum * (wanted.weight ? static_cast<double>(input.weight(k, x, y, z)) : 1.0);
    }
  });
  return output;
}
} // namespace

TEST(ResampleTangent, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    for (const int components : { 1, 2 })
    {
      const Input input = MakeInput(lattice, 11, components);
      for (const Outside outside : { Outside::Value, Outside::Clamp })
      {
        const ResampleParameters parameters = input.c.Parameters(Interpolation::Linear, outside, 3.0f);
        for (const Wanted & wanted : { Wanted{ true, true, true }, Wanted{ true, false, false }, Wanted{ false, true, false } })
        {
          EXPECT_RELATIVE_ERROR_WHERE(
            input.use, Evaluate(input, parameters, wanted), TangentInDouble(input, outside, wanted), 1e-5);
        }
      }
    }
  }
}

TEST(ResampleTangent, MatchesFiniteDifferences)
{
  const Input      input = MakeInput(Lattice(13, 17, 11), 21, 2);
  constexpr double h = 1e-6;
  const auto       moved = [&](double t) {
    const HostDoubles image = ToDoubles(input.c.moving);
    HostDoubles       at = image;
    for (std::size_t i = 0; i < at.values.size(); ++i)
    {
      at.values[i] += t * input.movingTangent.values[i];
    }
    HostDoubles output(input.c.displacement.lattice, 2);
    ForEachVoxel(output.lattice, [&](int x, int y, int z) {
      Vector3 u = VectorAt(input.c.displacement, x, y, z);
      for (int d = 0; d < 3; ++d)
      {
        u[d] += t * input.displacementTangent(d, x, y, z);
      }
      const Vector3 p = MapPoint(input.c.affine, input.c.matrix, Vector3{ { double(x), double(y), double(z) } }, u);
      for (int k = 0; k < 2; ++k)
      {
        output(k, x, y, z) = InterpolateLinear(at, k, p);
      }
    });
    return output;
  };
  HostDoubles       difference = moved(h);
  const HostDoubles low = moved(-h);
  for (std::size_t i = 0; i < low.values.size(); ++i)
  {
    difference.values[i] = (difference.values[i] - low.values[i]) / (2 * h);
  }
  const ResampleParameters parameters = input.c.Parameters(Interpolation::Linear, Outside::Clamp);
  EXPECT_RELATIVE_ERROR_WHERE(input.use, Evaluate(input, parameters, Wanted()), difference, 1e-5);
}

// Checks <T a, T a> = <a, T' T a> in both arguments, with a plan and without, positions on kinks included.
TEST(ResampleTangent, IsTheTransposeOfResampleGradient)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    for (const int components : { 1, 2, 3 })
    {
      for (const bool isStill : { false, true })
      {
        SCOPED_TRACE(testing::Message() << Describe(lattice) << ' ' << components << (isStill ? " still" : ""));
        if (lattice.NumberOfVoxels() > 5000 && (isStill || components == 2))
        {
          continue; // takes long
        }
        Input input = MakeInput(lattice, 31, components);
        if (isStill)
        {
          std::fill(input.c.displacement.values.begin(), input.c.displacement.values.end(), 0.0f);
        }
        const ResampleParameters parameters = input.c.Parameters(Interpolation::Linear, Outside::Clamp);
        const HostField          tangent = Evaluate(input, parameters, Wanted());
        const Lattice &          movingLattice = input.c.moving.lattice;
        const DeviceFloats       deviceDisplacement(input.c.displacement);
        const Workspace          plan(std::max<std::int64_t>(1, ResampleGradientPlan(TestDevice(), lattice)));
        PlanResampleGradient(TestDevice(), parameters, movingLattice, deviceDisplacement, plan.Data());
        for (const bool isPlanned : { false, true })
        {
          const DeviceFloats moving(movingLattice, components);
          const DeviceFloats displacement(lattice, 3);
          ResampleGradients  gradients;
          gradients.moving = moving;
          gradients.displacement = displacement;
          const Workspace workspace(ResampleGradientWorkspace(TestDevice(), movingLattice, gradients));
          ResampleGradient(TestDevice(),
                           parameters,
                           DeviceFloats(input.c.moving),
                           deviceDisplacement,
                           DeviceFloats(tangent),
                           gradients,
                           workspace.Data(),
                           isPlanned ? plan.Data() : nullptr);
          EXPECT_RELATIVE_NEAR(Dot(moving.Download(), input.movingTangent) +
                                 Dot(displacement.Download(), input.displacementTangent),
                               Dot(tangent, tangent),
                               1e-6);
        }
      }
    }
  }
}

TEST(ResampleTangent, Accumulates)
{
  const Input        input = MakeInput(Lattice(13, 17, 11), 41, 2);
  const HostField    before = MakeNoise(Lattice(13, 17, 11), 2, 42, -1.0, 1.0);
  ResampleParameters parameters = input.c.Parameters(Interpolation::Linear, Outside::Clamp);
  const Wanted       all{ true, true, true };
  HostField          expected = Evaluate(input, parameters, all);
  for (std::size_t i = 0; i < expected.values.size(); ++i)
  {
    expected.values[i] += before.values[i];
  }
  parameters.accumulate = true;
  EXPECT_RELATIVE_ERROR(Evaluate(input, parameters, all, &before), expected, 1e-6);
}

TEST(ResampleTangent, ArgumentsAreChecked)
{
  const Input        input = MakeInput(Lattice(7, 5, 3), 51, 1);
  const DeviceFloats moving(input.c.moving);
  const DeviceFloats output(input.c.displacement.lattice);
  ResampleParameters parameters = input.c.Parameters(Interpolation::Linear, Outside::Clamp);
  ResampleDirections directions;
  EXPECT_THROW(ResampleTangent(TestDevice(), parameters, moving, ConstField(), directions, output), Error);
  directions.moving = output;
  EXPECT_THROW(ResampleTangent(TestDevice(), parameters, moving, ConstField(), directions, output), Error);
  const DeviceFloats tangent(input.movingTangent);
  directions.moving = tangent;
  EXPECT_THROW(ResampleTangent(TestDevice(), parameters, moving, ConstField(), directions, DeviceFloats(Lattice(7, 5, 3), 2)),
               Error);
  parameters.interpolation = Interpolation::Nearest;
  EXPECT_THROW(ResampleTangent(TestDevice(), parameters, moving, ConstField(), directions, output), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
