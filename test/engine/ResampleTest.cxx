// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceSampling.h"
#include "ReferenceSpline.h"

#include "Operators/Resample.h"

#include "itkAffineTransform.h"
#include "itkBSplineInterpolateImageFunction.h"
#include "itkCompositeTransform.h"
#include "itkDisplacementFieldTransform.h"
#include "itkLinearInterpolateImageFunction.h"
#include "itkNearestNeighborInterpolateImageFunction.h"
#include "itkResampleImageFilter.h"
#include "itkWarpImageFilter.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
constexpr Interpolation allInterpolations[] = { Interpolation::Nearest,
                                                Interpolation::Linear,
                                                Interpolation::CubicBSpline };

struct Sampled
{
  HostField value;
  HostField gradient;
  HostMask  inside;
};

Sampled
Sample(const SamplingCase & c, const ResampleParameters & parameters, const HostField & moving, bool useMask)
{
  const Lattice &    lattice = c.displacement.lattice;
  const DeviceFloats deviceMoving(moving);
  const DeviceFloats displacement(c.displacement);
  const DeviceFloats value(lattice, moving.components);
  const DeviceFloats gradient(lattice, 3);
  const DeviceMask   movingMask(c.movingMask);
  const DeviceMask   inside(lattice);
  Resample(TestDevice(),
           parameters,
           deviceMoving,
           displacement,
           value,
           moving.components == 1 ? gradient.View() : Field(),
           useMask ? ConstMask(movingMask) : ConstMask(),
           inside);
  return Sampled{ value.Download(), gradient.Download(), inside.Download() };
}

int
NearestIndex(double p, int size)
{
  const int i = static_cast<int>(std::floor(p + 0.5));
  return i < 0 ? 0 : (i >= size ? size - 1 : i);
}

/** One voxel's nearest value. */
template <typename T>
T
NearestValue(const HostFieldOf<T> & field, int c, const Vector3 & p)
{
  return field(c,
               NearestIndex(p[0], field.lattice.size[0]),
               NearestIndex(p[1], field.lattice.size[1]),
               NearestIndex(p[2], field.lattice.size[2]));
}

/** Compares an operator's output with the definitions; voxels that float32 cannot decide are left out. */
void
ExpectMatchesDefinition(const SamplingCase &                                       c,
                        const ResampleParameters &                          parameters,
                        const HostField &                                   moving,
                        bool                                                useMask,
                        const std::function<double(int, const Vector3 &)> & evaluate,
                        const std::function<Vector3(const Vector3 &)> &     differentiate)
{
  const Lattice & lattice = c.displacement.lattice;
  const Sampled   actual = Sample(c, parameters, moving, useMask);
  HostDoubles     value(lattice, moving.components);
  HostDoubles     gradient(lattice, 3);
  HostMask        inside(lattice);
  HostMask        useValue(lattice, 1, 1);
  HostMask        useGradient(lattice, 1, 1);
  int             undecided = 0;
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const Vector3 p = c.Position(x, y, z);
    const bool    in = IsInside(moving.lattice, p);
    const bool    masked = useMask && in && NearestValue(c.movingMask, 0, p) == 0;
    inside(0, x, y, z) = in && !masked;
    const bool    clamp = parameters.outside == Outside::Clamp;
    const Vector3 slope = (in || clamp) ? differentiate(p) : Vector3{};
    for (int k = 0; k < moving.components; ++k)
    {
      value(k, x, y, z) = (in || clamp) ? evaluate(k, p) : static_cast<double>(parameters.outsideValue);
    }
    for (int d = 0; d < 3; ++d)
    {
      gradient(d, x, y, z) = slope[d];
    }
    if (DistanceToDecision(moving.lattice, p, true) < 2e-5)
    {
      useValue(0, x, y, z) = useGradient(0, x, y, z) = 0;
      ++undecided;
    }
    if (DistanceToDecision(moving.lattice, p, false) < 2e-5)
    {
      useGradient(0, x, y, z) = 0;
    }
  });
  EXPECT_LE(undecided, 3 + lattice.NumberOfVoxels() / 1000);
  EXPECT_RELATIVE_ERROR_WHERE(useValue, actual.value, value, 1e-5);
  EXPECT_RELATIVE_ERROR_WHERE(useValue, actual.inside, inside, 0.0);
  if (moving.components == 1)
  {
    EXPECT_RELATIVE_ERROR_WHERE(useGradient, actual.gradient, gradient, 1e-5);
  }
}

Vector3
NoGradient(const Vector3 &)
{
  return Vector3{};
}
} // namespace

TEST(Resample, LinearMatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const SamplingCase c = MakeSamplingCase(lattice, 11);
    for (const Outside outside : { Outside::Value, Outside::Clamp })
    {
      ExpectMatchesDefinition(
        c,
        c.Parameters(Interpolation::Linear, outside, -0.75f),
        c.moving,
        outside == Outside::Value,
        [&c](int k, const Vector3 & p) { return InterpolateLinear(c.moving, k, p); },
        [&c](const Vector3 & p) { return GradientLinear(c.moving, 0, p); });
    }
  }
}

TEST(Resample, LinearTakesAnyNumberOfComponents)
{
  SamplingCase c = MakeSamplingCase(Lattice(37, 41, 29), 21);
  c.moving = MakeNoise(c.moving.lattice, 4, 5, -1.0, 1.0);
  ExpectMatchesDefinition(
    c,
    c.Parameters(Interpolation::Linear, Outside::Value),
    c.moving,
    true,
    [&c](int k, const Vector3 & p) { return InterpolateLinear(c.moving, k, p); },
    NoGradient);
}

TEST(Resample, NearestMatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const SamplingCase c = MakeSamplingCase(lattice, 31);
    for (const Outside outside : { Outside::Value, Outside::Clamp })
    {
      ExpectMatchesDefinition(
        c,
        c.Parameters(Interpolation::Nearest, outside, 7.0f),
        c.moving,
        true,
        [&c](int k, const Vector3 & p) { return static_cast<double>(NearestValue(c.moving, k, p)); },
        NoGradient);
    }
  }
}

TEST(Resample, BSplineMatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const SamplingCase         c = MakeSamplingCase(lattice, 41);
    const HostDoubles  coefficients = ReferenceCoefficients(c.moving);
    const DeviceFloats image(c.moving);
    BSplineCoefficients(TestDevice(), image, image);
    for (const Outside outside : { Outside::Value, Outside::Clamp })
    {
      const bool clamp = outside == Outside::Clamp;
      ExpectMatchesDefinition(
        c,
        c.Parameters(Interpolation::CubicBSpline, outside),
        image.Download(),
        false,
        [&](int, const Vector3 & p) { return EvaluateSpline(coefficients, p, -1, clamp); },
        [&](const Vector3 & p) {
          return Vector3{ { EvaluateSpline(coefficients, p, 0, clamp),
                            EvaluateSpline(coefficients, p, 1, clamp),
                            EvaluateSpline(coefficients, p, 2, clamp) } };
        });
    }
  }
}

// Checks that the definition's gradient, which the operator matches, is the derivative of the definition's value.
TEST(Resample, GradientMatchesFiniteDifferences)
{
  const SamplingCase         c = MakeSamplingCase(Lattice(13, 17, 11), 51);
  const HostDoubles  coefficients = ReferenceCoefficients(c.moving);
  const DeviceFloats image(c.moving);
  BSplineCoefficients(TestDevice(), image, image);
  for (const bool spline : { false, true })
  {
    const Interpolation interpolation = spline ? Interpolation::CubicBSpline : Interpolation::Linear;
    const Sampled       actual =
      Sample(c, c.Parameters(interpolation, Outside::Value), spline ? image.Download() : c.moving, false);
    HostDoubles expected(actual.gradient.lattice, 3);
    HostMask    use(actual.gradient.lattice);
    ForEachVoxel(expected.lattice, [&](int x, int y, int z) {
      const Vector3    p = c.Position(x, y, z);
      constexpr double h = 1e-4;
      use(0, x, y, z) = IsInside(c.moving.lattice, p) && DistanceToDecision(c.moving.lattice, p, false) > 2 * h &&
                        DistanceToDecision(c.moving.lattice, p, true) > 2 * h;
      for (int d = 0; d < 3; ++d)
      {
        Vector3 low = p;
        Vector3 high = p;
        low[d] -= h;
        high[d] += h;
        const auto value = [&](const Vector3 & q) {
          return spline ? EvaluateSpline(coefficients, q, -1) : InterpolateLinear(c.moving, 0, q);
        };
        expected(d, x, y, z) = (value(high) - value(low)) / (2 * h);
      }
    });
    EXPECT_RELATIVE_ERROR_WHERE(use, actual.gradient, expected, 1e-3);
  }
}

// Checks ITK's half-open rim and the rounding of ties where float32 is exact.
TEST(Resample, HalfVoxelPositionsFollowItk)
{
  const Lattice lattice(6, 5, 4);
  SamplingCase          c;
  c.moving = MakeNoise(lattice, 1, 3, 1.0, 2.0);
  c.movingMask = HostMask(lattice, 1, 1);
  c.displacement = HostField(lattice, 3);
  std::fill_n(c.displacement.values.begin(), lattice.NumberOfVoxels(), 0.5f);
  const Sampled nearest = Sample(c, c.Parameters(Interpolation::Nearest, Outside::Value, -1.0f), c.moving, false);
  const Sampled linear = Sample(c, c.Parameters(Interpolation::Linear, Outside::Value, -1.0f), c.moving, false);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const bool in = x < 5;
    EXPECT_EQ(nearest.inside(0, x, y, z), in);
    EXPECT_EQ(nearest.value(0, x, y, z), in ? c.moving(0, x + 1, y, z) : -1.0f);
    EXPECT_NEAR(linear.value(0, x, y, z),
                in ? 0.5 * (c.moving(0, x, y, z) + static_cast<double>(c.moving(0, x + 1, y, z))) : -1.0,
                1e-6);
  });
  std::fill_n(c.displacement.values.begin(), lattice.NumberOfVoxels(), -0.5f);
  const Sampled lower = Sample(c, c.Parameters(Interpolation::Nearest, Outside::Value, -1.0f), c.moving, false);
  const Sampled lowerLinear = Sample(c, c.Parameters(Interpolation::Linear, Outside::Value, -1.0f), c.moving, false);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    EXPECT_EQ(lower.inside(0, x, y, z), 1);
    EXPECT_EQ(lower.value(0, x, y, z), c.moving(0, x, y, z));
    if (x == 0)
    {
      // in the rim: the edge, and flat
      EXPECT_EQ(lowerLinear.value(0, x, y, z), c.moving(0, 0, y, z));
      EXPECT_EQ(lowerLinear.gradient(0, x, y, z), 0.0f);
    }
  });
}

TEST(Resample, ZeroDisplacementIsTheIdentity)
{
  const Lattice lattice(13, 17, 11);
  SamplingCase          c;
  c.moving = MakeNoise(lattice, 1, 3, -1000.0, 1000.0);
  c.movingMask = HostMask(lattice, 1, 1);
  c.displacement = HostField(lattice, 3);
  for (const Interpolation interpolation : { Interpolation::Nearest, Interpolation::Linear })
  {
    EXPECT_SAME_BITS(Sample(c, c.Parameters(interpolation, Outside::Value), c.moving, false).value, c.moving);
    // an absent displacement is a zero one
    const DeviceFloats output(lattice);
    Resample(TestDevice(), c.Parameters(interpolation, Outside::Value), DeviceFloats(c.moving), ConstField(), output);
    EXPECT_SAME_BITS(output.Download(), c.moving);
  }
}

// Checks that positions keep their digits far from the origin of a large grid.
TEST(Resample, LargeIndicesLoseNoDigits)
{
  const Lattice lattice(4000, 3, 1);
  SamplingCase          c;
  c.moving = MakeNoise(lattice, 1, 3, 0.0, 1.0);
  c.movingMask = HostMask(lattice, 1, 1);
  c.displacement = HostField(lattice, 3);
  std::fill_n(c.displacement.values.begin(), lattice.NumberOfVoxels(), 0.3f);
  ExpectMatchesDefinition(
    c,
    c.Parameters(Interpolation::Linear, Outside::Value),
    c.moving,
    false,
    [&c](int k, const Vector3 & p) { return InterpolateLinear(c.moving, k, p); },
    [&c](const Vector3 & p) { return GradientLinear(c.moving, 0, p); });
}

TEST(Resample, NotANumberAndHugeDisplacementsLandOutside)
{
  const Lattice lattice(13, 17, 11);
  SamplingCase          c;
  c.moving = MakeNoise(lattice, 1, 3, 1.0, 2.0);
  c.movingMask = HostMask(lattice, 1, 1);
  for (const float bad : { std::numeric_limits<float>::quiet_NaN(),
                           std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity(),
                           3e9f,
                           -1e30f })
  {
    c.displacement = HostField(lattice, 3);
    c.displacement(0, 5, 5, 5) = bad;
    c.displacement(1, 6, 5, 5) = bad;
    c.displacement(2, 12, 16, 10) = bad;
    for (const Interpolation interpolation : allInterpolations)
    {
      const Sampled actual = Sample(c, c.Parameters(interpolation, Outside::Value, -3.0f), c.moving, true);
      for (const auto & at : { std::array<int, 3>{ { 5, 5, 5 } }, { { 6, 5, 5 } }, { { 12, 16, 10 } } })
      {
        EXPECT_EQ(actual.value(0, at[0], at[1], at[2]), -3.0f);
        EXPECT_EQ(actual.inside(0, at[0], at[1], at[2]), 0);
        EXPECT_EQ(actual.gradient(0, at[0], at[1], at[2]), 0.0f);
      }
      EXPECT_EQ(actual.inside(0, 7, 7, 7), 1);
      // clamping has to stay in bounds as well
      Sample(c, c.Parameters(interpolation, Outside::Clamp), c.moving, true);
    }
  }
}

TEST(Resample, TwoRunsGiveTheSameBits)
{
  const SamplingCase c = MakeSamplingCase(Lattice(70, 35, 33), 61);
  for (const Interpolation interpolation : allInterpolations)
  {
    const Sampled first = Sample(c, c.Parameters(interpolation, Outside::Value), c.moving, true);
    const Sampled second = Sample(c, c.Parameters(interpolation, Outside::Value), c.moving, true);
    EXPECT_SAME_BITS(first.value, second.value);
    EXPECT_SAME_BITS(first.gradient, second.gradient);
    EXPECT_SAME_BITS(first.inside, second.inside);
  }
}

namespace
{
/** The composite of an affine and a displacement field, on oblique grids, by ITK and by the operator. */
template <unsigned int VDimension>
void
CompareWithItk(const Lattice & lattice, const Lattice & movingLattice, Interpolation interpolation)
{
  using ImageType = Image<double, VDimension>;
  const auto fixedGeometry = MakeGeometry<VDimension>(3);
  auto       movingGeometry = MakeGeometry<VDimension>(8);
  // physical affine: takes the centre of one grid to the centre of the other
  const Matrix34 indexAffine = MakeAffine(lattice, movingLattice, 71);
  const Matrix34 physicalAffine =
    Concatenate(Concatenate(movingGeometry.ToPhysical(), indexAffine), Inverse(fixedGeometry.ToPhysical()));

  SamplingCase c;
  c.moving = MakeImage(movingLattice, 72, 0.0, 0.2);
  c.movingMask = HostMask(movingLattice, 1, 1);
  c.displacement = MakeDisplacement(lattice, 73, 3.0);
  c.affine = indexAffine;
  c.matrix = LinearPart(indexAffine);

  using AffineType = AffineTransform<double, VDimension>;
  auto                                  affine = AffineType::New();
  typename AffineType::MatrixType       matrix;
  typename AffineType::OutputVectorType translation;
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    translation[i] = physicalAffine[i][3];
    for (unsigned int j = 0; j < VDimension; ++j)
    {
      matrix[i][j] = physicalAffine[i][j];
    }
  }
  affine->SetMatrix(matrix);
  affine->SetTranslation(translation);
  auto field = DisplacementFieldTransform<double, VDimension>::New();
  field->SetDisplacementField(ToItkDisplacement(c.displacement, fixedGeometry));
  auto composite = CompositeTransform<double, VDimension>::New();
  composite->AddTransform(affine);
  composite->AddTransform(field);

  auto resampler = ResampleImageFilter<ImageType, ImageType>::New();
  resampler->SetInput(ToItkImage(c.moving, movingGeometry));
  resampler->SetReferenceImage(MakeItkGrid<ImageType>(lattice, fixedGeometry));
  resampler->UseReferenceImageOn();
  resampler->SetTransform(composite);
  resampler->SetDefaultPixelValue(-0.5);
  HostField samples = c.moving;
  if (interpolation == Interpolation::Nearest)
  {
    resampler->SetInterpolator(NearestNeighborInterpolateImageFunction<ImageType>::New());
  }
  else if (interpolation == Interpolation::CubicBSpline)
  {
    resampler->SetInterpolator(BSplineInterpolateImageFunction<ImageType>::New());
    const DeviceFloats coefficients(c.moving);
    BSplineCoefficients(TestDevice(), coefficients, coefficients);
    samples = coefficients.Download();
  }
  resampler->Update();
  const HostDoubles expected = FromItkImage<VDimension>(resampler->GetOutput(), lattice);

  const Sampled actual = Sample(c, c.Parameters(interpolation, Outside::Value, -0.5f), samples, false);
  HostMask      use(lattice, 1, 1);
  int           inside = 0;
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    use(0, x, y, z) = DistanceToDecision(movingLattice, c.Position(x, y, z), true) > 2e-5;
    inside += actual.inside(0, x, y, z);
  });
  EXPECT_GT(inside, lattice.NumberOfVoxels() / 3);
  EXPECT_LT(inside, lattice.NumberOfVoxels());
  // intensities lie in [0, 1]
  EXPECT_LE(MaximumError(actual.value, expected, use), 1e-4);
}
} // namespace

TEST(Resample, MatchesItkResampleImageFilter)
{
  for (const Interpolation interpolation : allInterpolations)
  {
    SCOPED_TRACE(static_cast<int>(interpolation));
    CompareWithItk<3>(Lattice(37, 41, 29), Lattice(41, 33, 35), interpolation);
    CompareWithItk<2>(Lattice(37, 41, 1), Lattice(29, 53, 1), interpolation);
  }
}

TEST(Resample, MatchesItkWarpImageFilter)
{
  using ImageType = Image<double, 3>;
  const Lattice lattice(37, 41, 29);
  const auto    geometry = MakeGeometry<3>(5);
  SamplingCase          c;
  c.moving = MakeImage(lattice, 81, 0.0, 0.2);
  c.movingMask = HostMask(lattice, 1, 1);
  c.displacement = MakeDisplacement(lattice, 82, 4.0);
  auto warp = WarpImageFilter<ImageType, ImageType, ItkDisplacement<3>>::New();
  warp->SetInput(ToItkImage(c.moving, geometry));
  warp->SetDisplacementField(ToItkDisplacement(c.displacement, geometry));
  warp->SetOutputParametersFromImage(warp->GetInput());
  warp->SetEdgePaddingValue(2.0);
  warp->Update();
  const Sampled actual = Sample(c, c.Parameters(Interpolation::Linear, Outside::Value, 2.0f), c.moving, false);
  HostMask      use(lattice, 1, 1);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    use(0, x, y, z) = DistanceToDecision(lattice, c.Position(x, y, z), true) > 2e-5;
  });
  EXPECT_LE(MaximumError(actual.value, FromItkImage<3>(warp->GetOutput(), lattice), use), 1e-4);
}
} // namespace test
} // namespace engine
} // namespace itk
