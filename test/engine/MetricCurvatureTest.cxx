// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/MetricCurvature.h"

#include <algorithm>
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
using Symmetric = std::array<double, 6>;

const int rowOf[6] = { 0, 0, 0, 1, 1, 2 };
const int columnOf[6] = { 0, 1, 2, 1, 2, 2 };

Symmetric
MatrixAt(const HostField & curvature, int x, int y, int z)
{
  Symmetric m;
  for (int k = 0; k < 6; ++k)
  {
    m[k] = curvature.components == 6 ? static_cast<double>(curvature(k, x, y, z))
                                     : static_cast<double>(curvature(rowOf[k], x, y, z)) * curvature(columnOf[k], x, y, z);
  }
  return m;
}
} // namespace

TEST(MetricCurvature, FactorMatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField gradient = MakeNoise(lattice, 3, 1, -2.0, 2.0);
    const HostField curvature = MakeNoise(lattice, 1, 2, 0.0, 3.0);
    const HostMask  valid = MakeMask(lattice, 3, 0.4);
    const Matrix33  matrix = LinearPart(MakeAffine(lattice, Lattice(23, 19, 17), 5));
    for (const bool all : { false, true })
    {
      HostDoubles expected(lattice, 3);
      HostField   input = gradient;
      ForEachVoxel(lattice, [&](int x, int y, int z) {
        const bool counts = all || valid(0, x, y, z) != 0;
        for (int i = 0; i < 3; ++i)
        {
          double sum = 0.0;
          for (int j = 0; j < 3; ++j)
          {
            sum += matrix[j][i] * gradient(j, x, y, z);
          }
          expected(i, x, y, z) = counts ? std::sqrt(0.7 * (all ? 1.0 : curvature(0, x, y, z))) * sum : 0.0;
          if (!counts)
          {
            input(i, x, y, z) = std::numeric_limits<float>::quiet_NaN();
          }
        }
      });
      const DeviceFloats device(input);
      const DeviceFloats deviceCurvature(curvature);
      const DeviceMask   mask(valid);
      CurvatureFactor(TestDevice(),
                      ToMatrix3(matrix),
                      0.7f,
                      all ? ConstField() : ConstField(deviceCurvature),
                      all ? ConstMask() : ConstMask(mask),
                      device);
      EXPECT_RELATIVE_ERROR(device.Download(), expected, 1e-6);
    }
  }
}

TEST(MetricCurvature, WeightMatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField curvature = MakeNoise(lattice, 1, 2, 0.0, 3.0);
    const HostMask  valid = MakeMask(lattice, 3, 0.4);
    for (const bool all : { false, true })
    {
      HostDoubles expected(lattice);
      HostField   input = curvature;
      for (std::size_t i = 0; i < input.values.size(); ++i)
      {
        const bool counts = all || valid.values[i] != 0;
        expected.values[i] = counts ? 0.7 * (all ? 1.0 : curvature.values[i]) : 0.0;
        input.values[i] = counts ? input.values[i] : std::numeric_limits<float>::quiet_NaN();
      }
      const DeviceFloats device(input);
      const DeviceMask   mask(valid);
      CurvatureWeight(
        TestDevice(), 0.7f, all ? ConstField() : ConstField(device), all ? ConstMask() : ConstMask(mask), device);
      EXPECT_RELATIVE_ERROR(device.Download(), expected, 1e-6);
    }
  }
  const DeviceFloats output(Lattice(3, 3, 3));
  EXPECT_THROW(CurvatureWeight(TestDevice(), -1.0f, ConstField(), ConstMask(), output), Error);
  EXPECT_THROW(CurvatureWeight(TestDevice(), 1.0f, DeviceFloats(Lattice(3, 3, 2)), ConstMask(), output), Error);
}

TEST(MetricCurvature, ProductAndMeanMatchDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    for (const int components : { 3, 6 })
    {
      const HostField    curvature = MakeNoise(lattice, components, 1, -2.0, 2.0);
      const HostField    vector = MakeNoise(lattice, 3, 2, -1.0, 1.0);
      const DeviceFloats deviceCurvature(curvature);
      HostDoubles        expected(lattice, 3);
      ForEachVoxel(lattice, [&](int x, int y, int z) {
        const Symmetric m = MatrixAt(curvature, x, y, z);
        for (int k = 0; k < 6; ++k)
        {
          expected(rowOf[k], x, y, z) += m[k] * vector(columnOf[k], x, y, z);
          if (rowOf[k] != columnOf[k])
          {
            expected(columnOf[k], x, y, z) += m[k] * vector(rowOf[k], x, y, z);
          }
        }
      });
      const DeviceFloats output(lattice, 3);
      CurvatureProduct(TestDevice(), deviceCurvature, DeviceFloats(vector), false, output);
      EXPECT_RELATIVE_ERROR(output.Download(), expected, 2e-6);
      CurvatureProduct(TestDevice(), deviceCurvature, DeviceFloats(vector), true, output);
      for (double & value : expected.values)
      {
        value *= 2.0;
      }
      EXPECT_RELATIVE_ERROR(output.Download(), expected, 2e-6);
      const DeviceFloats inPlace(vector);
      CurvatureProduct(TestDevice(), deviceCurvature, inPlace, false, inPlace);
      CurvatureProduct(TestDevice(), deviceCurvature, DeviceFloats(vector), false, output);
      EXPECT_SAME_BITS(inPlace.Download(), output.Download());

      for (const int factor : { 1, 2, 3 })
      {
        const int     factors[3] = { factor, factor, lattice.size[2] == 1 ? 1 : 2 };
        const Lattice coarse((lattice.size[0] - 1) / factors[0] + 1,
                             (lattice.size[1] - 1) / factors[1] + 1,
                             (lattice.size[2] - 1) / factors[2] + 1);
        HostDoubles   mean(coarse, 6);
        HostDoubles   counts(coarse);
        ForEachVoxel(lattice, [&](int x, int y, int z) {
          const Symmetric m = MatrixAt(curvature, x, y, z);
          const int       at[3] = { x / factors[0], y / factors[1], z / factors[2] };
          counts(0, at[0], at[1], at[2]) += 1.0;
          for (int k = 0; k < 6; ++k)
          {
            mean(k, at[0], at[1], at[2]) += factors[rowOf[k]] * factors[columnOf[k]] * m[k];
          }
        });
        ForEachVoxel(coarse, [&](int x, int y, int z) {
          for (int k = 0; k < 6; ++k)
          {
            mean(k, x, y, z) /= counts(0, x, y, z);
          }
        });
        const DeviceFloats coarseOutput(coarse, 6);
        CurvatureMatrix(TestDevice(), factors, deviceCurvature, false, coarseOutput);
        EXPECT_RELATIVE_ERROR(coarseOutput.Download(), mean, 2e-6);
        CurvatureMatrix(TestDevice(), factors, deviceCurvature, true, coarseOutput);
        for (double & value : mean.values)
        {
          value *= 2.0;
        }
        EXPECT_RELATIVE_ERROR(coarseOutput.Download(), mean, 2e-6);
      }
    }
  }
}

TEST(MetricCurvature, LnccMatchesDouble)
{
  const Lattice  lattice(23, 18, 11);
  LnccParameters parameters;
  parameters.radius[0] = 1;
  parameters.radius[1] = 2;
  parameters.radius[2] = 3;
  parameters.varianceFloor = 1e-5f;
  parameters.fixedShift = 1000.4f;
  parameters.movingShift = 0.6f;
  HostField       fixed = MakeImage(lattice, 1, 1000.0);
  const HostField warped = MakeImage(lattice, 2);
  // a flat corner, where there is nothing to match
  ForEachVoxel(Lattice(9, 18, 11), [&](int x, int y, int z) { fixed(0, x, y, z) = 1000.25f; });

  const auto window = [&](const auto & function, int x, int y, int z) {
    double sum = 0.0;
    double count = 0.0;
    for (int k = -3; k <= 3; ++k)
    {
      for (int j = -2; j <= 2; ++j)
      {
        for (int i = -1; i <= 1; ++i)
        {
          sum += function(x + i, y + j, z + k);
          count += 1.0;
        }
      }
    }
    return sum / count;
  };
  HostDoubles ratio(lattice);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const auto variance = [&](const HostField & image) {
      const auto   value = [&](int i, int j, int k) { return static_cast<double>(image.Clamped(0, i, j, k)); };
      const double mean = window(value, x, y, z);
      return window([&](int i, int j, int k) { return std::pow(value(i, j, k) - mean, 2); }, x, y, z);
    };
    const double varianceF = variance(fixed);
    ratio(0, x, y, z) = 2.0 * varianceF / (varianceF * variance(warped) + parameters.varianceFloor);
  });
  HostDoubles expected(lattice);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    expected(0, x, y, z) = window([&](int i, int j, int k) { return ratio.Clamped(0, i, j, k); }, x, y, z);
  });

  const DeviceFloats curvature(lattice);
  const Workspace    workspace(LnccCurvatureWorkspace(lattice));
  LnccCurvature(TestDevice(), parameters, DeviceFloats(fixed), DeviceFloats(warped), curvature, workspace.Data());
  const HostField result = curvature.Download();
  EXPECT_RELATIVE_ERROR(result, expected, 1e-3); // variances by differences of float32 means: a guide, see there
  EXPECT_LE(std::abs(result(0, 2, 9, 5)), 1e-3 * *std::max_element(result.values.begin(), result.values.end()));
}

TEST(MetricCurvature, ArgumentsAreChecked)
{
  const Lattice      lattice(5, 4, 3);
  const DeviceFloats vector(lattice, 3);
  const DeviceFloats scalar(lattice);
  const DeviceFloats matrix(lattice, 6);
  const DeviceFloats other(Lattice(5, 4, 2), 3);
  const int          ones[3] = { 1, 1, 1 };
  const int          zeros[3] = { 1, 0, 1 };
  EXPECT_THROW(CurvatureFactor(TestDevice(), Matrix3(), -1.0f, ConstField(), ConstMask(), vector), Error);
  EXPECT_THROW(CurvatureFactor(TestDevice(), Matrix3(), NAN, ConstField(), ConstMask(), vector), Error);
  EXPECT_THROW(CurvatureFactor(TestDevice(), Matrix3(), 1.0f, vector, ConstMask(), vector), Error);
  EXPECT_THROW(CurvatureFactor(TestDevice(), Matrix3(), 1.0f, ConstField(), ConstMask(), scalar), Error);
  EXPECT_THROW(CurvatureMatrix(TestDevice(), zeros, vector, false, matrix), Error);
  EXPECT_THROW(CurvatureMatrix(TestDevice(), ones, scalar, false, matrix), Error);
  EXPECT_THROW(CurvatureMatrix(TestDevice(), ones, vector, false, vector), Error);
  EXPECT_THROW(CurvatureProduct(TestDevice(), vector, other, false, vector), Error);
  EXPECT_THROW(CurvatureProduct(TestDevice(), scalar, vector, false, vector), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
