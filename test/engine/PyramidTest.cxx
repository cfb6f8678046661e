// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceOperators.h"

#include "Operators/GaussianSmooth.h"
#include "Operators/Pyramid.h"

#include "itkShrinkImageFilter.h"

#include <algorithm>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** One row of weights per output sample. */
ResamplingRows
Dense(const AxisResampling & axis)
{
  ResamplingRows rows(axis.outputSize, std::vector<double>(axis.inputSize, 0.0));
  EXPECT_EQ(axis.first.size(), static_cast<std::size_t>(axis.outputSize));
  EXPECT_EQ(axis.weight.size(), static_cast<std::size_t>(axis.outputSize) * axis.taps);
  for (int o = 0; o < axis.outputSize; ++o)
  {
    for (int t = 0; t < axis.taps; ++t)
    {
      EXPECT_GE(axis.first[o], 0);
      EXPECT_LT(axis.first[o] + t, axis.inputSize);
      rows.at(o).at(axis.first[o] + t) += axis.weight[o * axis.taps + t];
    }
  }
  return rows;
}

const int shrinkFactors[][3] = { { 1, 1, 1 }, { 2, 2, 2 }, { 4, 4, 1 }, { 3, 2, 5 }, { 8, 8, 8 }, { 50, 50, 50 } };
} // namespace

TEST(Pyramid, LevelGeometryMatchesItkShrinkImageFilter)
{
  using ImageType = Image<double, 3>;
  for (const Lattice & lattice : EdgeLattices())
  {
    for (const auto & factors : shrinkFactors)
    {
      SCOPED_TRACE(Describe(lattice) + " by " + std::to_string(factors[0]));
      const LevelGeometry level = MakeLevelGeometry(lattice, factors);
      const auto          full = MakeItkGrid<ImageType>(lattice, MakeGeometry<3>(61));
      auto                shrink = ShrinkImageFilter<ImageType, ImageType>::New();
      shrink->SetInput(full);
      for (unsigned int d = 0; d < 3; ++d)
      {
        shrink->SetShrinkFactor(d, factors[d]);
      }
      shrink->UpdateOutputInformation();
      const auto size = shrink->GetOutput()->GetLargestPossibleRegion().GetSize();
      for (unsigned int d = 0; d < 3; ++d)
      {
        EXPECT_EQ(level.lattice.size[d], static_cast<int>(size[d]));
        EXPECT_EQ(level.factor[d], factors[d]);
      }
      for (const int i : { 0, 1, 5 })
      {
        const ImageType::IndexType index = { { i, i, i } };
        ImageType::PointType       point;
        ContinuousIndex<double, 3> expected;
        shrink->GetOutput()->TransformIndexToPhysicalPoint(index, point);
        full->TransformPhysicalPointToContinuousIndex(point, expected);
        for (unsigned int d = 0; d < 3; ++d)
        {
          EXPECT_NEAR(level.factor[d] * i + level.offset[d], expected[d], 1e-9);
        }
      }
    }
  }
}

TEST(Pyramid, AxisResamplingMatchesItsDefinition)
{
  struct
  {
    int    inputSize;
    int    outputSize;
    double factor;
    double offset;
    double variance;
  } const cases[] = { { 37, 18, 2.0, 0.5, 1.0 },   { 37, 37, 1.0, 0.0, 4.0 },   { 37, 74, 0.5, -0.25, 0.0 },
                      { 5, 1, 5.0, 2.0, 9.0 },     { 1, 1, 1.0, 0.0, 2.0 },     { 1, 7, 0.2, -0.4, 0.0 },
                      { 13, 4, 3.0, 1.5, 0.3 },    { 40, 20, 2.0, -30.0, 1.0 }, { 40, 20, 2.0, 70.0, 1.0 },
                      { 64, 1, 64.0, 31.5, 300.0 } };
  for (const auto & c : cases)
  {
    SCOPED_TRACE(::testing::Message() << c.inputSize << " to " << c.outputSize << " variance " << c.variance);
    const AxisResampling axis = MakeAxisResampling(c.inputSize, c.outputSize, c.factor, c.offset, c.variance);
    ASSERT_EQ(axis.inputSize, c.inputSize);
    ASSERT_EQ(axis.outputSize, c.outputSize);
    const ResamplingRows actual = Dense(axis);
    const ResamplingRows expected = ResamplingInDouble(c.inputSize, c.outputSize, c.factor, c.offset, c.variance);
    for (int o = 0; o < c.outputSize; ++o)
    {
      double sum = 0.0;
      for (int i = 0; i < c.inputSize; ++i)
      {
        EXPECT_NEAR(actual[o][i], expected[o][i], 1e-6);
        sum += actual[o][i];
      }
      EXPECT_NEAR(sum, 1.0, 1e-6);
    }
  }
}

TEST(Pyramid, ResampleSeparableMatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    for (const double factor : { 2.0, 0.6 })
    {
      AxisResampling axes[3];
      ResamplingRows         rows[3];
      int            size[3];
      for (int d = 0; d < 3; ++d)
      {
        size[d] = std::max(1, static_cast<int>(lattice.size[d] / factor));
        axes[d] = MakeAxisResampling(lattice.size[d], size[d], factor, 0.3 * d - 0.2, factor > 1.0 ? 0.8 + d : 0.0);
        rows[d] = Dense(axes[d]);
      }
      const Lattice outputLattice(size[0], size[1], size[2]);
      const float   scale[3] = { 1.0f, -2.0f, 0.5f };
      for (const int components : { 1, 3, 4 })
      {
        const HostField    input = MakeNoise(lattice, components, 1, -1.0, 1.0);
        const DeviceFloats output(outputLattice, components);
        const Workspace    workspace(ResampleSeparableWorkspace(lattice, outputLattice));
        ResampleSeparable(TestDevice(), axes, scale, DeviceFloats(input), output, workspace.Data());
        EXPECT_RELATIVE_ERROR(output.Download(), ApplyRowsInDouble(rows, scale, input), 1e-5);
      }
    }
  }
}

TEST(Pyramid, DownsampleMatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    for (const auto & factors : shrinkFactors)
    {
      SCOPED_TRACE(Describe(lattice) + " by " + std::to_string(factors[0]));
      const LevelGeometry level = MakeLevelGeometry(lattice, factors);
      const double        variance[3] = { 1.0, 0.0, 2.5 };
      ResamplingRows              rows[3];
      for (int d = 0; d < 3; ++d)
      {
        rows[d] =
          ResamplingInDouble(lattice.size[d], level.lattice.size[d], level.factor[d], level.offset[d], variance[d]);
      }
      const HostField    image = MakeImage(lattice, 2, 0.0, 0.5);
      const DeviceFloats output(level.lattice);
      const Workspace    workspace(ResampleSeparableWorkspace(lattice, level.lattice));
      Downsample(TestDevice(), level, variance, DeviceFloats(image), output, workspace.Data());
      EXPECT_RELATIVE_ERROR(output.Download(), ApplyRowsInDouble(rows, { 1.0f, 1.0f, 1.0f }, image), 1e-5);
    }
  }
}

// Checks positions and scales of the step between levels on a linear displacement, which it keeps exactly.
TEST(Pyramid, UpsampleKeepsLinearDisplacements)
{
  const Lattice       lattice(37, 41, 29);
  const int           coarse[3] = { 4, 2, 3 };
  const int           fine[3] = { 2, 1, 3 };
  const LevelGeometry from = MakeLevelGeometry(lattice, coarse);
  const LevelGeometry to = MakeLevelGeometry(lattice, fine);
  // in voxels of the full grid, as a function of the position there
  const Matrix34 linear = {
    { { { 0.05, -0.02, 0.01, 1.0 } }, { { 0.03, 0.04, -0.05, 2.0 } }, { { 0.0, 0.06, 0.02, -1.0 } } }
  };
  const auto make = [&linear](const LevelGeometry & level) {
    HostField field(level.lattice, 3);
    ForEachVoxel(level.lattice, [&](int x, int y, int z) {
      const Vector3 full = { { level.factor[0] * x + level.offset[0],
                               level.factor[1] * y + level.offset[1],
                               level.factor[2] * z + level.offset[2] } };
      const Vector3 u = MapPoint(linear, LinearPart(IdentityAffine()), full, Vector3{});
      for (int d = 0; d < 3; ++d)
      {
        field(d, x, y, z) = static_cast<float>(u[d] / level.factor[d]);
      }
    });
    return field;
  };
  const HostField    expected = make(to);
  const DeviceFloats output(to.lattice, 3);
  const Workspace    workspace(ResampleSeparableWorkspace(from.lattice, to.lattice));
  Upsample(TestDevice(), from, to, DeviceFloats(make(from)), output, workspace.Data());
  const HostField actual = output.Download();
  HostMask        use(to.lattice);
  ForEachVoxel(to.lattice, [&](int x, int y, int z) {
    const int at[3] = { x, y, z };
    bool      inside = true;
    for (int d = 0; d < 3; ++d)
    {
      const double p = (to.factor[d] * at[d] + to.offset[d] - from.offset[d]) / from.factor[d];
      inside = inside && p >= 0.0 && p <= from.lattice.size[d] - 1.0;
    }
    use(0, x, y, z) = inside;
  });
  EXPECT_RELATIVE_ERROR_WHERE(use, actual, expected, 1e-5);
}

TEST(Pyramid, UpsampleMatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const LevelGeometry from = MakeLevelGeometry(lattice, { 3, 2, 4 });
    const LevelGeometry to = MakeLevelGeometry(lattice, { 1, 1, 2 });
    const HostField     u = MakeNoise(from.lattice, 3, 3, -2.0, 2.0);
    HostDoubles         expected(to.lattice, 3);
    ForEachVoxel(to.lattice, [&](int x, int y, int z) {
      const int at[3] = { x, y, z };
      Vector3   p;
      for (int d = 0; d < 3; ++d)
      {
        p[d] = (to.factor[d] * at[d] + to.offset[d] - from.offset[d]) / from.factor[d];
      }
      for (int d = 0; d < 3; ++d)
      {
        expected(d, x, y, z) = InterpolateLinear(u, d, p) * from.factor[d] / to.factor[d];
      }
    });
    const DeviceFloats output(to.lattice, 3);
    const Workspace    workspace(ResampleSeparableWorkspace(from.lattice, to.lattice));
    Upsample(TestDevice(), from, to, DeviceFloats(u), output, workspace.Data());
    EXPECT_RELATIVE_ERROR(output.Download(), expected, 1e-5);
  }
}

TEST(Pyramid, TwoRunsGiveTheSameBits)
{
  const LevelGeometry level = MakeLevelGeometry(Lattice(70, 35, 33), { 2, 2, 2 });
  const DeviceFloats  image(MakeImage(Lattice(70, 35, 33), 4));
  const DeviceFloats  first(level.lattice);
  const DeviceFloats  second(level.lattice);
  const Workspace     workspace(ResampleSeparableWorkspace(Lattice(70, 35, 33), level.lattice));
  const double        variance[3] = { 1.0, 1.0, 1.0 };
  Downsample(TestDevice(), level, variance, image, first, workspace.Data());
  Downsample(TestDevice(), level, variance, image, second, workspace.Data());
  EXPECT_SAME_BITS(first.Download(), second.Download());
}
} // namespace test
} // namespace engine
} // namespace itk
