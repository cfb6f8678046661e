// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/MidpointGradient.h"
#include "Operators/NormalizeStep.h"
#include "Operators/Reductions.h"

#include <cmath>
#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
HostDoubles
InDouble(const MidpointGradientParameters & parameters, const HostField & image, const HostDoubles & slope)
{
  HostDoubles result(image.lattice, 3);
  ForEachVoxel(image.lattice, [&](int x, int y, int z) {
    Vector3 g{};
    for (int d = 0; d < parameters.dimension; ++d)
    {
      if (image.components == 3)
      {
        g[d] = image(d, x, y, z);
        continue;
      }
      const auto & h = parameters.halfStep;
      const Vector3 after{ { x + h[0][d], y + h[1][d], z + h[2][d] } };
      const Vector3 before{ { x - h[0][d], y - h[1][d], z - h[2][d] } };
      if (IsInside(image.lattice, after) && IsInside(image.lattice, before))
      {
        g[d] = InterpolateLinear(image, 0, after) - InterpolateLinear(image, 0, before);
      }
    }
    for (int i = 0; i < 3; ++i)
    {
      const auto & row = parameters.matrix.m[i];
      result(i, x, y, z) =
        parameters.scale * slope(0, x, y, z) * (row[0] * g[0] + row[1] * g[1] + row[2] * g[2]);
    }
  });
  return result;
}

template <typename TSlope>
HostField
Apply(const MidpointGradientParameters & parameters, const HostField & image, const HostFieldOf<TSlope> & slope)
{
  const DeviceFloats        device(image);
  const DeviceField<TSlope> slopes(slope);
  const DeviceFloats        gradient(image.lattice, 3);
  MidpointGradient(TestDevice(), parameters, device, static_cast<const TSlope *>(slopes.View().data), gradient);
  return gradient.Download();
}

MidpointGradientParameters
MakeOblique()
{
  MidpointGradientParameters parameters;
  const double               steps[3][3] = { { 0.41, -0.2, 0.1 }, { 0.3, 0.45, -0.8 }, { -0.15, 0.22, 0.5 } };
  const float                matrix[3][3] = { { 1.0f, 0.2f, -0.4f }, { 0.0f, 2.0f, 0.3f }, { -0.5f, 0.1f, 0.7f } };
  for (int i = 0; i < 3; ++i)
  {
    std::copy_n(steps[i], 3, parameters.halfStep[i]);
    std::copy_n(matrix[i], 3, parameters.matrix.m[i]);
  }
  parameters.scale = -2.0f;
  return parameters;
}
} // namespace

TEST(MidpointGradient, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostDoubles slope = ToDoubles(MakeNoise(lattice, 1, 8, -1.0, 1.0));
    for (const bool oblique : { false, true })
    {
      for (const int components : { 1, 3 })
      {
        const HostField            image = MakeNoise(lattice, components, 9, 0.0, 1.0);
        MidpointGradientParameters parameters = oblique ? MakeOblique() : MidpointGradientParameters();
        parameters.dimension = lattice.size[2] == 1 ? 2 : 3;
        const HostDoubles expected = InDouble(parameters, image, slope);
        const double      bound = 1e-6 * std::max(1.0, Norm(expected));
        EXPECT_MAXIMUM_ERROR(Apply(parameters, image, slope), expected, bound);
        EXPECT_MAXIMUM_ERROR(Apply(parameters, image, ToFloats(slope)), expected, bound);
      }
    }
  }
}

TEST(MidpointGradient, RejectsBadArguments)
{
  const Lattice      lattice(5, 4, 3);
  const DeviceFloats field(HostField(lattice, 3));
  const DeviceFloats two(HostField(lattice, 2));
  const DeviceFloats gradient(lattice, 3);
  const float *      slope = field.View().data;
  MidpointGradientParameters parameters;
  EXPECT_THROW(MidpointGradient(TestDevice(), parameters, field, static_cast<const float *>(nullptr), gradient), Error);
  EXPECT_THROW(MidpointGradient(TestDevice(), parameters, two, slope, gradient), Error);
  EXPECT_THROW(MidpointGradient(TestDevice(), parameters, field, slope, field), Error);
  parameters.dimension = 4;
  EXPECT_THROW(MidpointGradient(TestDevice(), parameters, field, slope, gradient), Error);
}

TEST(NormalizeStep, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    for (const double amplitude : { 0.0, 0.3, 5.0 })
    {
      for (const bool limitOnly : { false, true })
      {
        SCOPED_TRACE(::testing::Message() << Describe(lattice) << " " << amplitude << (limitOnly ? " limit" : ""));
        const HostField         step = MakeNoise(lattice, 3, 5, -amplitude, amplitude);
        NormalizeStepParameters parameters;
        parameters.scale = 0.25f;
        parameters.limitOnly = limitOnly;
        parameters.matrix = MakeOblique().matrix;
        double largest = 0.0;
        ForEachVoxel(lattice, [&](int x, int y, int z) {
          const Vector3 v = VectorAt(step, x, y, z);
          largest = std::max(largest, std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]));
        });
        const double divisor = limitOnly ? std::max(1.0, largest) : (largest > 0.0 ? largest : 1.0);
        HostDoubles  expected(lattice, 3);
        ForEachVoxel(lattice, [&](int x, int y, int z) {
          const Vector3 v = VectorAt(step, x, y, z);
          for (int i = 0; i < 3; ++i)
          {
            const auto & row = parameters.matrix.m[i];
            expected(i, x, y, z) = 0.25 / divisor * (row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
          }
        });
        const DeviceFloats  field(step);
        const DeviceScalars norms(2);
        Norms(TestDevice(), field, norms.Data());
        NormalizeStep(TestDevice(), parameters, norms.Data() + 1, field);
        EXPECT_MAXIMUM_ERROR(field.Download(), expected, 1e-6);
      }
    }
  }
}

TEST(NormalizeStep, WithoutANormMultipliesAlone)
{
  const Lattice           lattice(7, 5, 3);
  const DeviceFloats      field(HostField(lattice, 3, 2.0f));
  NormalizeStepParameters parameters;
  parameters.scale = 3.0f;
  NormalizeStep(TestDevice(), parameters, nullptr, field);
  EXPECT_SAME_BITS(field.Download(), HostField(lattice, 3, 6.0f));
  const DeviceFloats scalar(HostField(lattice, 1, 2.0f));
  EXPECT_THROW(NormalizeStep(TestDevice(), parameters, nullptr, scalar), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
