// SPDX-License-Identifier: Apache-2.0
#include "ReferenceSampling.h"

#include "Operators/ResampleGradient.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** A case, and a slope that is 0 near the kinks of the interpolant, where there is no derivative. */
struct Input
{
  SamplingCase c;
  HostField    slope;
};

Input
MakeInput(const Lattice & lattice, unsigned int seed, int components)
{
  Input input{ MakeSamplingCase(lattice, seed), MakeNoise(lattice, components, seed + 7, -1.0, 1.0) };
  input.c.moving = MakeNoise(input.c.moving.lattice, components, seed + 8, -1.0, 1.0);
  ApplyMask(AwayFromKinks(input.c, 2e-4), input.slope);
  return input;
}

struct Gradients
{
  HostField           displacement;
  HostField           moving;
  std::vector<double> affine;
  std::vector<double> matrix;
};

Gradients
Evaluate(const Input & input, const ResampleParameters & parameters)
{
  const DeviceFloats  displacement(input.c.displacement.lattice, 3);
  const DeviceFloats  moving(input.c.moving.lattice, input.c.moving.components);
  const DeviceScalars affine(12);
  const DeviceScalars matrix(9);
  ResampleGradients   gradients;
  gradients.displacement = displacement;
  gradients.moving = moving;
  gradients.affine = affine.Data();
  gradients.matrix = matrix.Data();
  const Workspace workspace(ResampleGradientWorkspace(TestDevice(), input.c.moving.lattice, gradients));
  ResampleGradient(TestDevice(),
                   parameters,
                   DeviceFloats(input.c.moving),
                   DeviceFloats(input.c.displacement),
                   DeviceFloats(input.slope),
                   gradients,
                   workspace.Data());
  return Gradients{ displacement.Download(), moving.Download(), affine.Download(), matrix.Download() };
}

/** The loss sum of slope times sample, in double. */
double
Loss(const SamplingCase & c, const HostDoubles & image, const HostDoubles & u, const HostField & slope, Outside outside)
{
  double loss = 0.0;
  ForEachVoxel(slope.lattice, [&](int x, int y, int z) {
    const Vector3 index{ { double(x), double(y), double(z) } };
    const Vector3 p = MapPoint(c.affine, c.matrix, index, VectorAt(u, x, y, z));
    if (outside == Outside::Clamp || IsInside(image.lattice, p))
    {
      for (int k = 0; k < slope.components; ++k)
      {
        loss += static_cast<double>(slope(k, x, y, z)) * InterpolateLinear(image, k, p);
      }
    }
  });
  return loss;
}

/** The definitions, in double. */
struct ExpectedGradients
{
  HostDoubles         displacement;
  std::vector<double> affine = std::vector<double>(12);
  std::vector<double> matrix = std::vector<double>(9);
};

ExpectedGradients
GradientsInDouble(const Input & input, Outside outside)
{
  ExpectedGradients expected{ HostDoubles(input.slope.lattice, 3) };
  ForEachVoxel(input.slope.lattice, [&](int x, int y, int z) {
    const Vector3 p = input.c.Position(x, y, z);
    Vector3       q{};
    const bool    counts = outside == Outside::Clamp || IsInside(input.c.moving.lattice, p);
    for (int k = 0; counts && k < input.slope.components; ++k)
    {
      const Vector3 sampled = GradientLinear(input.c.moving, k, p);
      for (int d = 0; d < 3; ++d)
      {
        q[d] += static_cast<double>(input.slope(k, x, y, z)) * sampled[d];
      }
    }
    const double  at[4] = { double(x), double(y), double(z), 1.0 };
    const Vector3 u = VectorAt(input.c.displacement, x, y, z);
    for (int d = 0; d < 3; ++d)
    {
      for (int e = 0; e < 3; ++e)
      {
        expected.displacement(d, x, y, z) += input.c.matrix[e][d] * q[e];
        expected.matrix[3 * d + e] += q[d] * u[e];
      }
      for (int e = 0; e < 4; ++e)
      {
        expected.affine[4 * d + e] += q[d] * at[e];
      }
    }
  });
  return expected;
}

void
ExpectNear(const std::vector<double> & actual, const std::vector<double> & expected, double tolerance)
{
  double largest = 0.0;
  for (const double value : expected)
  {
    largest = std::max(largest, std::abs(value));
  }
  for (std::size_t k = 0; k < expected.size(); ++k)
  {
    EXPECT_NEAR(actual.at(k), expected[k], tolerance * largest) << k;
  }
}
} // namespace

TEST(ResampleGradient, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    for (const int components : { 1, 3 })
    {
      if (components == 3 && lattice.NumberOfVoxels() > 40000)
      {
        continue; // takes long where the device is emulated
      }
      const Input     input = MakeInput(lattice, 11, components);
      const Outside   outside = components == 1 ? Outside::Value : Outside::Clamp;
      const Gradients actual = Evaluate(input, input.c.Parameters(Interpolation::Linear, outside));
      const auto      expected = GradientsInDouble(input, outside);
      EXPECT_RELATIVE_ERROR(actual.displacement, expected.displacement, 1e-5);
      ExpectNear(actual.affine, expected.affine, 1e-5);
      ExpectNear(actual.matrix, expected.matrix, 1e-5);
    }
  }
}

// Checks every gradient along random directions against differences of the loss in double.
TEST(ResampleGradient, MatchesFiniteDifferences)
{
  const Lattice lattice(13, 17, 11);
  const double  h = 1e-6;
  for (const Outside outside : { Outside::Value, Outside::Clamp })
  {
    const Input       input = MakeInput(lattice, 21, 2);
    const Gradients   actual = Evaluate(input, input.c.Parameters(Interpolation::Linear, outside));
    const HostDoubles image = ToDoubles(input.c.moving);
    const HostDoubles u = ToDoubles(input.c.displacement);
    const auto        loss = [&](double              t,
                          const HostDoubles & i,
                          const HostDoubles & v,
                          const Matrix34 &    a,
                          const Matrix33 &    b) {
      SamplingCase c = input.c;
      HostDoubles  changedImage = image;
      HostDoubles  changedField = u;
      for (std::size_t k = 0; k < i.values.size(); ++k)
      {
        changedImage.values[k] += t * i.values[k];
      }
      for (std::size_t k = 0; k < v.values.size(); ++k)
      {
        changedField.values[k] += t * v.values[k];
      }
      for (int d = 0; d < 3; ++d)
      {
        for (int e = 0; e < 4; ++e)
        {
          c.affine[d][e] += t * a[d][e];
        }
        for (int e = 0; e < 3; ++e)
        {
          c.matrix[d][e] += t * b[d][e];
        }
      }
      return Loss(c, changedImage, changedField, input.slope, outside);
    };
    const auto difference = [&](const HostDoubles & i, const HostDoubles & v, const Matrix34 & a, const Matrix33 & b) {
      return (loss(h, i, v, a, b) - loss(-h, i, v, a, b)) / (2 * h);
    };
    const HostDoubles noImage;
    const HostDoubles noField;
    const HostDoubles image1 = ToDoubles(MakeNoise(image.lattice, 2, 31, -1.0, 1.0));
    const HostDoubles field1 = ToDoubles(MakeNoise(lattice, 3, 32, -1.0, 1.0));
    const double      toImage = difference(image1, noField, Matrix34{}, Matrix33{});
    const double      toField = difference(noImage, field1, Matrix34{}, Matrix33{});
    EXPECT_NEAR(Dot(actual.moving, image1), toImage, 1e-5 * Norm(actual.moving) * Norm(image1));
    EXPECT_NEAR(Dot(actual.displacement, field1), toField, 1e-5 * Norm(actual.displacement) * Norm(field1));
    std::vector<double> affine(12);
    std::vector<double> matrix(9);
    for (int k = 0; k < 12; ++k)
    {
      Matrix34 direction{};
      direction[k / 4][k % 4] = 1.0;
      affine[k] = difference(noImage, noField, direction, Matrix33{});
    }
    for (int k = 0; k < 9; ++k)
    {
      Matrix33 direction{};
      direction[k / 3][k % 3] = 1.0;
      matrix[k] = difference(noImage, noField, Matrix34{}, direction);
    }
    ExpectNear(actual.affine, affine, 1e-4);
    ExpectNear(actual.matrix, matrix, 1e-4);
  }
}

TEST(ResampleGradient, AccumulatesAndIsOptional)
{
  const Input        input = MakeInput(Lattice(35, 17, 9), 41, 1);
  ResampleParameters parameters = input.c.Parameters(Interpolation::Linear, Outside::Value);
  const Gradients    once = Evaluate(input, parameters);
  const auto         only = [&](const ResampleGradients & gradients, bool accumulate) {
    const Workspace workspace(ResampleGradientWorkspace(TestDevice(), input.c.moving.lattice, gradients));
    parameters.accumulate = accumulate;
    ResampleGradient(TestDevice(),
                     parameters,
                     DeviceFloats(input.c.moving),
                     DeviceFloats(input.c.displacement),
                     DeviceFloats(input.slope),
                     gradients,
                     workspace.Data());
  };
  const auto twice = [](HostField field) {
    for (float & value : field.values)
    {
      value *= 2.0f;
    }
    return field;
  };
  const DeviceFloats displacement(once.displacement.lattice, 3);
  const DeviceFloats moving(once.moving.lattice);
  ResampleGradients  gradients;
  gradients.displacement = displacement;
  only(gradients, false);
  EXPECT_SAME_BITS(displacement.Download(), once.displacement);
  only(gradients, true);
  EXPECT_SAME_BITS(displacement.Download(), twice(once.displacement));
  gradients = ResampleGradients();
  gradients.moving = moving;
  only(gradients, false);
  EXPECT_SAME_BITS(moving.Download(), once.moving);
  only(gradients, true);
  EXPECT_RELATIVE_ERROR(moving.Download(), twice(once.moving), 1e-7);
  for (const bool affine : { true, false })
  {
    const DeviceScalars         sums(12);
    const std::vector<double> & expected = affine ? once.affine : once.matrix;
    gradients = ResampleGradients();
    (affine ? gradients.affine : gradients.matrix) = sums.Data();
    only(gradients, false);
    ExpectNear(sums.Download(), expected, 0.0);
    only(gradients, true);
    for (std::size_t k = 0; k < expected.size(); ++k)
    {
      EXPECT_EQ(sums.Download().at(k), 2.0 * expected[k]);
    }
  }
}

// Checks that the displacement's gradient may replace the slope.
TEST(ResampleGradient, InPlace)
{
  const Input        input = MakeInput(Lattice(35, 17, 9), 51, 3);
  const auto         parameters = input.c.Parameters(Interpolation::Linear, Outside::Clamp);
  const Gradients    expected = Evaluate(input, parameters);
  const DeviceFloats slope(input.slope);
  const DeviceFloats moving(input.c.moving.lattice, 3);
  ResampleGradients  gradients;
  gradients.displacement = slope;
  gradients.moving = moving;
  const Workspace workspace(ResampleGradientWorkspace(TestDevice(), input.c.moving.lattice, gradients));
  ResampleGradient(TestDevice(),
                   parameters,
                   DeviceFloats(input.c.moving),
                   DeviceFloats(input.c.displacement),
                   slope,
                   gradients,
                   workspace.Data());
  EXPECT_SAME_BITS(slope.Download(), expected.displacement);
  EXPECT_SAME_BITS(moving.Download(), expected.moving);
}

TEST(ResampleGradient, AbsentDisplacementIsZero)
{
  Input input = MakeInput(Lattice(13, 17, 11), 61, 1);
  input.c.displacement = HostField(input.c.displacement.lattice, 3);
  const auto          parameters = input.c.Parameters(Interpolation::Linear, Outside::Value);
  const Gradients     expected = Evaluate(input, parameters);
  const DeviceFloats  displacement(input.slope.lattice, 3);
  const DeviceScalars affine(12);
  const DeviceScalars matrix(9);
  ResampleGradients   gradients;
  gradients.displacement = displacement;
  gradients.affine = affine.Data();
  gradients.matrix = matrix.Data();
  ResampleGradient(
    TestDevice(), parameters, DeviceFloats(input.c.moving), ConstField(), DeviceFloats(input.slope), gradients, nullptr);
  EXPECT_SAME_BITS(displacement.Download(), expected.displacement);
  ExpectNear(affine.Download(), expected.affine, 0.0);
  ExpectNear(matrix.Download(), std::vector<double>(9), 0.0);
}

TEST(ResampleGradient, TwoRunsGiveTheSameBits)
{
  const Input     input = MakeInput(Lattice(37, 41, 29), 71, 1);
  const auto      parameters = input.c.Parameters(Interpolation::Linear, Outside::Clamp);
  const Gradients first = Evaluate(input, parameters);
  const Gradients second = Evaluate(input, parameters);
  EXPECT_SAME_BITS(first.displacement, second.displacement);
  EXPECT_SAME_BITS(first.moving, second.moving);
  ExpectNear(first.affine, second.affine, 0.0);
  ExpectNear(first.matrix, second.matrix, 0.0);
}

TEST(ResampleGradient, RefusesWhatDoesNotFit)
{
  const Lattice      lattice(6, 5, 4);
  const DeviceFloats image(lattice);
  const DeviceFloats two(lattice, 2);
  const DeviceFloats vector(lattice, 3);
  ResampleGradients  gradients;
  ResampleParameters parameters;
  const auto         call = [&](const ConstField & slope) {
    ResampleGradient(TestDevice(), parameters, image, ConstField(), slope, gradients, nullptr);
  };
  EXPECT_THROW(call(image), Error); // nothing to compute
  gradients.displacement = vector;
  EXPECT_NO_THROW(call(image));
  EXPECT_THROW(call(two), Error);
  gradients.displacement = two;
  EXPECT_THROW(call(image), Error);
  gradients.displacement = vector;
  gradients.moving = image;
  EXPECT_THROW(call(image), Error);
  gradients.moving = Field();
  parameters.interpolation = Interpolation::CubicBSpline;
  EXPECT_THROW(call(image), Error);
}

// Checks the flag of Resample itself, for all interpolations.
TEST(ResampleAccumulate, AddsToTheOutput)
{
  const SamplingCase c = MakeSamplingCase(Lattice(37, 41, 29), 81);
  const HostField    before = MakeNoise(c.displacement.lattice, 1, 82, -1.0, 1.0);
  for (const Interpolation interpolation :
       { Interpolation::Nearest, Interpolation::Linear, Interpolation::CubicBSpline })
  {
    auto               parameters = c.Parameters(interpolation, Outside::Value, 0.25f);
    const DeviceFloats plain(before.lattice);
    const DeviceFloats sum(before);
    Resample(TestDevice(), parameters, DeviceFloats(c.moving), DeviceFloats(c.displacement), plain);
    parameters.accumulate = true;
    Resample(TestDevice(), parameters, DeviceFloats(c.moving), DeviceFloats(c.displacement), sum);
    HostField expected = plain.Download();
    for (std::size_t i = 0; i < expected.values.size(); ++i)
    {
      expected.values[i] += before.values[i];
    }
    EXPECT_MAXIMUM_ERROR(sum.Download(), expected, 3e-7); // one rounding, or none where it is fused
  }
}
} // namespace test
} // namespace engine
} // namespace itk
