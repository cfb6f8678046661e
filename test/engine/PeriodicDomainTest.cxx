// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Solvers/PeriodicDomain.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
const Lattice lattice(20, 16, 15);

/** A blob of height 1 about a point. */
HostField
MakeBlob(double x, double y, double z, int components = 1)
{
  HostField image(lattice, components);
  for (int c = 0; c < components; ++c)
  {
    ForEachVoxel(lattice, [&](int i, int j, int k) {
      const double square = (i - x) * (i - x) + (j - y) * (j - y) + (k - z) * (k - z);
      image(c, i, j, k) = static_cast<float>((1.0 - 0.25 * c) * std::exp(-square / 6.0));
    });
  }
  return image;
}

std::array<int, 3>
PlannedSize(const RegistrationProblem & problem, int margin = PeriodicPadding::Automatic, int shrinkFactor = 1)
{
  PyramidLevel level;
  std::fill_n(level.shrinkFactors, 3, shrinkFactor);
  const PeriodicDomain domain = PlanPeriodicDomain(TestDevice(), problem, PeriodicPadding{ margin }, { level });
  EXPECT_TRUE(domain.original == problem.fixed.lattice);
  for (int d = 0; d < 3; ++d)
  {
    EXPECT_EQ(domain.before[d], (domain.lattice.size[d] - domain.original.size[d]) / 2);
  }
  return { { domain.lattice.size[0], domain.lattice.size[1], domain.lattice.size[2] } };
}

using Size = std::array<int, 3>;
} // namespace

TEST(PeriodicDomain, GrowsWhereAnImageTouchesAFace)
{
  const DeviceFloats  middle(MakeBlob(10, 8, 7));
  const DeviceFloats  atX(MakeBlob(0, 8, 7));
  const DeviceFloats  atY(MakeBlob(10, 15, 7));
  RegistrationProblem problem;
  problem.fixed = problem.moving = middle;
  EXPECT_EQ(PlannedSize(problem), (Size{ { 20, 16, 15 } }));
  problem.fixed = atX;
  EXPECT_EQ(PlannedSize(problem), (Size{ { 24, 16, 15 } })); // 22 has the factor 11
  problem.fixed = middle;
  problem.moving = atY;
  EXPECT_EQ(PlannedSize(problem), (Size{ { 20, 18, 15 } }));
  // the moving image as the affine map shows it: its blob 7 voxels away from the face
  problem.affine[1][3] = 7.0;
  EXPECT_EQ(PlannedSize(problem), (Size{ { 20, 16, 15 } }));
  // any channel
  HostField both = MakeBlob(10, 8, 7, 2);
  HostField corner = MakeBlob(0, 8, 14);
  std::copy(corner.values.begin(), corner.values.end(), both.values.begin() + lattice.NumberOfVoxels());
  const DeviceFloats channels(both);
  const DeviceFloats middles(MakeBlob(10, 8, 7, 2));
  problem.affine[1][3] = 0.0;
  problem.fixed = channels;
  problem.moving = middles;
  EXPECT_EQ(PlannedSize(problem), (Size{ { 24, 16, 18 } }));
}

TEST(PeriodicDomain, DoesNotLookBehindTheFixedMask)
{
  const DeviceFloats  atX(MakeBlob(0, 8, 7));
  RegistrationProblem problem;
  problem.fixed = problem.moving = atX;
  for (const bool isOpen : { false, true })
  {
    HostMask mask(lattice, 1, 1);
    ForEachVoxel(lattice, [&](int i, int j, int k) {
      mask(0, i, j, k) = (i == 0 || i == 19) && !(isOpen && i == 19 && j == 3 && k == 14) ? 0 : 1;
    });
    const DeviceMask device(mask);
    problem.fixedMask = device;
    EXPECT_EQ(PlannedSize(problem), (isOpen ? Size{ { 24, 16, 15 } } : Size{ { 20, 16, 15 } }));
  }
}

TEST(PeriodicDomain, SizesHaveSmallFactorsOnAllLevels)
{
  const Lattice       odd(22, 17, 1);
  const DeviceFloats  image(HostField(odd, 1, 0.5f));
  RegistrationProblem problem;
  problem.fixed = problem.moving = image;
  EXPECT_EQ(PlannedSize(problem), (Size{ { 24, 18, 1 } }));
  EXPECT_EQ(PlannedSize(problem, PeriodicPadding::Automatic, 4), (Size{ { 24, 18, 1 } }));
  EXPECT_EQ(PlannedSize(problem, PeriodicPadding::None), (Size{ { 22, 17, 1 } }));
  EXPECT_EQ(PlannedSize(problem, 13), (Size{ { 48, 45, 1 } }));
  // 45 would do, but half of it is 22
  EXPECT_EQ(PlannedSize(problem, 13, 2), (Size{ { 48, 48, 1 } }));
  for (const int bad : { -2, 40000 })
  {
    EXPECT_THROW(PlannedSize(problem, bad), Error);
  }
  EXPECT_THROW(PlannedSize(problem, 20000), Error);
}

TEST(PeriodicDomain, EnlargedProblemIsTheProblemInNewIndices)
{
  const HostField image = MakeBlob(1, 2, 14, 2);
  HostMask        mask(lattice, 1, 1);
  mask(0, 4, 5, 6) = 0;
  const DeviceFloats  fixed(image);
  const DeviceMask    deviceMask(mask);
  RegistrationProblem problem;
  problem.fixed = problem.moving = fixed;
  const double affine[3][4] = { { 1.1, 0.2, 0, 3 }, { -0.2, 0.9, 0.1, -1 }, { 0, 0, 1, 0.5 } };
  for (int i = 0; i < 3; ++i)
  {
    std::copy_n(affine[i], 4, problem.affine[i]);
  }
  for (const bool hasMask : { false, true })
  {
    problem.fixedMask = hasMask ? ConstMask(deviceMask) : ConstMask();
    const PeriodicDomain  domain = PlanPeriodicDomain(TestDevice(), problem, PeriodicPadding{ 3 }, {});
    const EnlargedProblem enlarged(TestDevice(), problem, domain);
    const Lattice &       large = domain.lattice;
    ASSERT_TRUE(domain.IsEnlarged());
    ASSERT_TRUE(enlarged.Get().fixed.lattice == large && enlarged.Get().fixed.components == 2);
    ASSERT_TRUE(enlarged.Get().moving.data == problem.moving.data);
    HostField fixedFound(large, 2);
    HostMask  maskFound(large);
    TestDevice().CopyToHost(fixedFound.values.data(), enlarged.Get().fixed.data, sizeof(float) * fixedFound.values.size());
    TestDevice().CopyToHost(maskFound.values.data(), enlarged.Get().fixedMask.data, maskFound.values.size());
    EXPECT_EQ(EnlargedProblem::Bytes(problem, domain), fixedFound.values.size() * sizeof(float) + maskFound.values.size());
    std::int64_t wrong = 0;
    ForEachVoxel(large, [&](int x, int y, int z) {
      const int  i = x - domain.before[0];
      const int  j = y - domain.before[1];
      const int  k = z - domain.before[2];
      const bool inside = i >= 0 && j >= 0 && k >= 0 && i < lattice.size[0] && j < lattice.size[1] && k < lattice.size[2];
      const int  expected = inside && (!hasMask || mask(0, i, j, k)) ? 1 : 0;
      wrong += maskFound(0, x, y, z) != expected;
      for (int c = 0; c < 2; ++c)
      {
        wrong += fixedFound(c, x, y, z) != image.Clamped(c, i, j, k);
      }
    });
    EXPECT_EQ(wrong, 0);
    for (int i = 0; i < 3; ++i)
    {
      double position = enlarged.Get().affine[i][3];
      for (int j = 0; j < 3; ++j)
      {
        EXPECT_EQ(enlarged.Get().affine[i][j], affine[i][j]);
        position += affine[i][j] * domain.before[j];
      }
      EXPECT_NEAR(position, affine[i][3], 1e-12);
    }

    // and back
    const DeviceFloats cropped(lattice, 2);
    CropToOriginal(TestDevice(), domain, enlarged.Get().fixed, cropped);
    EXPECT_EQ(cropped.Download().values, image.values);
    EXPECT_THROW(CropToOriginal(TestDevice(), domain, fixed, cropped), Error);
  }
}

TEST(PeriodicDomain, ProblemThatFitsIsNotCopied)
{
  const DeviceFloats  middle(MakeBlob(10, 8, 7));
  RegistrationProblem problem;
  problem.fixed = problem.moving = middle;
  const PeriodicDomain  domain = PlanPeriodicDomain(TestDevice(), problem, PeriodicPadding(), {});
  const std::size_t     before = TestDevice().BytesInUse();
  const EnlargedProblem same(TestDevice(), problem, domain);
  EXPECT_FALSE(domain.IsEnlarged());
  EXPECT_EQ(same.Get().fixed.data, problem.fixed.data);
  EXPECT_FALSE(same.Get().fixedMask);
  EXPECT_EQ(TestDevice().BytesInUse(), before);
  EXPECT_EQ(EnlargedProblem::Bytes(problem, domain), 0u);
}
} // namespace test
} // namespace engine
} // namespace itk
