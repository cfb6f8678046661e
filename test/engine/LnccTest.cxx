// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "LnccTesting.h"

#include "itkANTSNeighborhoodCorrelationImageToImageMetricv4.h"
#include "itkIdentityTransform.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
const int radii[][3] = { { 3, 3, 3 }, { 0, 0, 0 }, { 1, 1, 1 },    { 2, 2, 2 },  { 4, 4, 4 },
                         { 5, 5, 5 }, { 1, 3, 0 }, { 16, 16, 16 }, { 5, 0, 100 } };
} // namespace

// Checks the reference itself: window sums against brute force, its gradients against finite differences.
TEST(Lncc, ReferenceIsRight)
{
  const Lattice     lattice(5, 4, 3);
  const HostField   fixed = MakeImage(lattice, 1, 3.0, 0.5);
  const HostDoubles images[2] = { ToDoubles(fixed), ToDoubles(MakeImage(lattice, 2, 0.0, 0.5)) };
  for (const HostMask & valid : { HostMask(), MakeMask(lattice, 3, 0.4) })
  {
    for (const int r : { 0, 1, 2, 9 })
    {
      for (LnccParameters parameters : WithAllWindows({ r, std::max(0, r - 1), r }))
      {
        if (parameters.weights == LnccWeights::Gaussian && r > 2)
        {
          continue;
        }
        SCOPED_TRACE(::testing::Message() << "radius " << r << (parameters.weights == LnccWeights::Gaussian ? " Gaussian" : " box")
                                          << (parameters.boundary == LnccBoundary::ZeroPadding ? " padded" : "")
                                          << (valid.values.empty() ? "" : " masked"));
        parameters.varianceFloor = 1e-5f;
        const LnccReference reference = LnccInDouble(parameters, fixed, images[1], valid);
        EXPECT_NEAR(reference.sum, LnccByBruteForce(parameters, images[0], images[1], valid), 1e-9);
        for (const int image : { 0, 1 })
        {
          HostDoubles expected(lattice);
          HostMask    use(lattice);
          for (std::size_t i = image; i < expected.values.size(); i += 7)
          {
            // large windows are smooth, and sums of many terms
            const double h = r > 2 ? 1e-3 : 1e-5;
            double       sums[4];
            for (int k = 0; k < 4; ++k)
            {
              constexpr int step[4] = { -2, -1, 1, 2 };
              HostDoubles   moved[2] = { images[0], images[1] };
              moved[image].values[i] += step[k] * h;
              sums[k] = LnccByBruteForce(parameters, moved[0], moved[1], valid);
            }
            use.values[i] = 1;
            expected.values[i] = -(sums[0] - 8 * sums[1] + 8 * sums[2] - sums[3]) / (12 * h);
          }
          const HostDoubles & actual = image == 0 ? reference.fixedGradient : reference.gradient;
          // a single voxel correlates with nothing
          const double norm = Norm(expected);
          EXPECT_LE(RelativeError(actual, expected, use) * (norm > 0.0 ? norm : 1.0), 1e-6 * norm + 1e-8);
        }
      }
    }
  }
}

TEST(Lncc, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    const HostField fixed = MakeImage(lattice, 4, 0.0, 0.3);
    const HostField moving = MakeImage(lattice, 5, 0.0, 0.3);
    for (const auto & radius : radii)
    {
      for (const HostMask & valid : { HostMask(), MakeMask(lattice, 6, 0.4) })
      {
        SCOPED_TRACE(::testing::Message() << Describe(lattice) << " radius " << radius[0] << ' ' << radius[1] << ' '
                                          << radius[2] << (valid.values.empty() ? "" : " masked"));
        CompareWithDouble(MakeLnccParameters(radius), fixed, moving, valid);
      }
    }
  }
}

// Checks a volume of many blocks, where windows of the last ones reach beyond its end.
TEST(Lncc, ManyBlocksMatchDouble)
{
  for (const Lattice & lattice : { Lattice(64, 75, 43), Lattice(65, 49, 61) })
  {
    const HostField fixed = MakeImage(lattice, 42, 0.0, 0.3);
    const HostField moving = MakeImage(lattice, 43, 0.0, 0.3);
    for (const auto & radius : { std::array<int, 3>{ { 3, 3, 3 } }, { { 2, 2, 9 } } })
    {
      SCOPED_TRACE(::testing::Message() << Describe(lattice) << " radius " << radius[0] << ' ' << radius[2]);
      const int r[3] = { radius[0], radius[1], radius[2] };
      CompareWithDouble(MakeLnccParameters(r), fixed, moving, HostMask());
    }
  }
}

// Checks wide windows on rows that a block of the GPU takes in strips.
TEST(Lncc, WideWindowsOnLongRowsMatchDouble)
{
  for (const Lattice & lattice : { Lattice(1061, 5, 2), Lattice(1060, 3, 1) })
  {
    const HostField fixed = MakeImage(lattice, 75, 0.0, 0.3);
    const HostField moving = MakeImage(lattice, 76, 0.0, 0.3);
    const int       radius[3] = { 11, 2, 1 };
    for (const HostMask & valid : { HostMask(), MakeMask(lattice, 33, 0.4) })
    {
      CompareWithDouble(MakeLnccParameters(radius), fixed, moving, valid);
    }
  }
}

// Checks zero padding and Gaussian windows, of the smallest and of large sigmas and different ones per axis.
TEST(Lncc, OtherWindowsMatchDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    const HostField fixed = MakeImage(lattice, 31, 0.0, 0.3);
    const HostField moving = MakeImage(lattice, 32, 0.0, 0.3);
    for (const HostMask & valid : { HostMask(), MakeMask(lattice, 33, 0.4) })
    {
      for (const std::array<int, 3> & size : { std::array<int, 3>{ { 3, 3, 3 } }, { { 1, 5, 0 } }, { { 16, 2, 30 } } })
      {
        // wide windows on small images: they are slow, most of all on an emulated device
        if (size[0] != 3 && lattice.NumberOfVoxels() > 5000)
        {
          continue;
        }
        for (const LnccParameters & parameters : WithAllWindows(size))
        {
          SCOPED_TRACE(::testing::Message()
                       << Describe(lattice) << " radius " << size[0] << ' ' << size[1] << ' ' << size[2]
                       << (parameters.weights == LnccWeights::Gaussian ? " Gaussian" : " box")
                       << (parameters.boundary == LnccBoundary::ZeroPadding ? " padded" : "")
                       << (valid.values.empty() ? "" : " masked"));
          CompareWithDouble(parameters, fixed, moving, valid);
        }
      }
    }
  }
}

// Checks that padding with zeros next to intensities of a thousand costs no digits either, with and without a mask, and
// that shifts elsewhere change nothing but digits.
TEST(Lncc, ZeroPaddingAtAnOffsetOfAThousand)
{
  const Lattice lattice(37, 41, 29);
  for (const double offset : { 0.0, 1000.0 })
  {
    const HostField fixed = MakeImage(lattice, 34, offset, 0.3);
    const HostField moving = MakeImage(lattice, 35, offset, 0.3);
    for (const HostMask & valid : { HostMask(), MakeMask(lattice, 36, 0.1) })
    {
      for (LnccParameters parameters : WithAllWindows({ 3, 3, 3 }))
      {
        parameters.fixedShift = static_cast<float>(offset + 0.4);
        parameters.movingShift = static_cast<float>(offset + 0.6);
        const LnccReference expected = LnccInDouble(parameters, fixed, ToDoubles(moving), valid);
        const LnccEvaluation    actual = Evaluate(parameters, fixed, moving, valid);
        EXPECT_NEAR(actual.energy[0] / actual.energy[1], expected.sum / expected.count, 1e-5);
        EXPECT_RELATIVE_ERROR(actual.gradient, expected.gradient, offset > 0.0 ? 1e-4 : 1e-5);
        EXPECT_RELATIVE_ERROR(actual.movingGradient, expected.gradient, offset > 0.0 ? 1e-4 : 1e-5);
        EXPECT_RELATIVE_ERROR(actual.fixedGradient, expected.fixedGradient, offset > 0.0 ? 1e-4 : 1e-5);
      }
    }
  }
}

// Checks that the fixed image's gradient alone is the moving image's with the images exchanged.
TEST(Lncc, GradientToTheFixedImageAlone)
{
  const Lattice   lattice(37, 41, 29);
  const HostField fixed = MakeImage(lattice, 37, 3.0, 0.3);
  const HostField moving = MakeImage(lattice, 38, 0.0, 0.3);
  for (LnccParameters parameters : WithAllWindows({ 2, 3, 1 }))
  {
    parameters.fixedShift = 3.5f;
    const LnccEvaluation    both = Evaluate(parameters, fixed, moving, HostMask());
    const DeviceFloats  deviceFixed(fixed);
    const DeviceFloats  deviceMoving(moving);
    const DeviceFloats  gradient(lattice);
    const DeviceScalars energy(2);
    const Workspace     workspace(LnccWorkspace(TestDevice(), parameters, lattice));
    Lncc(TestDevice(),
         parameters,
         deviceFixed,
         deviceMoving,
         ConstMask(),
         energy.Data(),
         LnccGradients(Field(), gradient),
         workspace.Data());
    EXPECT_RELATIVE_NEAR(energy.Download()[0], both.energy[0], 1e-6);
    EXPECT_RELATIVE_ERROR(gradient.Download(), both.fixedGradient, 1e-5);
  }
}

// Checks images of several components: the mean over them of what each gives alone.
TEST(Lncc, ComponentsAreAveraged)
{
  const Lattice   lattice(37, 21, 13);
  const int       components = 3;
  const HostField fixed = MakeNoise(lattice, components, 39, 0.0, 1.0);
  const HostField moving = MakeNoise(lattice, components, 40, 0.0, 1.0);
  const auto      component = [&](const HostField & field, int c) {
    HostField one(lattice);
    std::copy_n(field.values.begin() + c * one.values.size(), one.values.size(), one.values.begin());
    return one;
  };
  for (const HostMask & valid : { HostMask(), MakeMask(lattice, 41, 0.4) })
  {
    for (const LnccParameters & parameters : WithAllWindows({ 2, 2, 2 }))
    {
      const LnccEvaluation actual = Evaluate(parameters, fixed, moving, valid);
      double           sum = 0.0;
      for (int c = 0; c < components; ++c)
      {
        LnccReference expected =
          LnccInDouble(parameters, component(fixed, c), ToDoubles(component(moving, c)), valid);
        sum += expected.sum / components;
        EXPECT_EQ(actual.energy[1], expected.count);
        for (std::size_t i = 0; i < expected.gradient.values.size(); ++i)
        {
          expected.gradient.values[i] /= components;
          expected.fixedGradient.values[i] /= components;
        }
        EXPECT_RELATIVE_ERROR(component(actual.gradient, c), expected.gradient, 1e-5);
        EXPECT_RELATIVE_ERROR(component(actual.movingGradient, c), expected.gradient, 1e-5);
        EXPECT_RELATIVE_ERROR(component(actual.fixedGradient, c), expected.fixedGradient, 1e-5);
      }
      EXPECT_RELATIVE_NEAR(actual.energy[0], sum, 1e-5);
    }
  }
}

// Checks that with shifts near the means an offset of 1000 costs no digits but those of the images themselves.
TEST(Lncc, OffsetOfAThousandCostsNoDigits)
{
  const Lattice   lattice(37, 41, 29);
  const int       radius[3] = { 3, 3, 3 };
  const HostField fixed = MakeImage(lattice, 7, 1000.0, 0.3);
  const HostField moving = MakeImage(lattice, 8, -1000.0, 0.3);
  LnccParameters  parameters = MakeLnccParameters(radius);
  parameters.fixedShift = 1000.4f;
  parameters.movingShift = -999.6f;
  const LnccReference expected = LnccInDouble(parameters, fixed, ToDoubles(moving), HostMask());
  const LnccEvaluation      actual = Evaluate(parameters, fixed, moving, HostMask());
  EXPECT_RELATIVE_NEAR(actual.energy[0], expected.sum, 1e-5);
  EXPECT_RELATIVE_ERROR(actual.gradient, expected.gradient, 1e-5);
  EXPECT_RELATIVE_ERROR(actual.movingGradient, expected.gradient, 1e-5);
}

TEST(Lncc, GradientMatchesFiniteDifferences)
{
  const Lattice        lattice(13, 17, 11);
  const int            radius[3] = { 2, 1, 3 };
  const HostField      fixed = MakeImage(lattice, 9, 0.0, 0.3);
  const HostField      moving = MakeImage(lattice, 10, 0.0, 0.3);
  const HostMask       valid = MakeMask(lattice, 11, 0.3);
  const LnccParameters parameters = MakeLnccParameters(radius);
  const LnccEvaluation     actual = Evaluate(parameters, fixed, moving, valid);
  HostDoubles          expected(lattice);
  HostMask             use(lattice);
  for (std::size_t i = 0; i < use.values.size(); i += 23)
  {
    constexpr double h = 1e-5;
    HostDoubles      low = ToDoubles(moving);
    HostDoubles      high = low;
    low.values[i] -= h;
    high.values[i] += h;
    use.values[i] = 1;
    expected.values[i] = -(LnccInDouble(parameters, fixed, high, valid).sum - LnccInDouble(parameters, fixed, low, valid).sum) /
                         (2 * h);
  }
  EXPECT_RELATIVE_ERROR_WHERE(use, actual.gradient, expected, 1e-3);
}

// Checks that flat images count as uncorrelated, without a division by zero.
TEST(Lncc, ConstantImagesAreUncorrelated)
{
  const Lattice   lattice(13, 17, 11);
  const int       radius[3] = { 3, 3, 3 };
  const HostField texture = MakeImage(lattice, 12);
  for (const float value : { 0.0f, 0.7f, 1000.0f })
  {
    const HostField flat(lattice, 1, value);
    LnccParameters  parameters = MakeLnccParameters(radius);
    parameters.fixedShift = parameters.movingShift = value;
    for (const auto & pair :
         { std::make_pair(flat, flat), std::make_pair(texture, flat), std::make_pair(flat, texture) })
    {
      parameters.fixedShift = pair.first.values[0];
      parameters.movingShift = pair.second.values[0];
      const LnccEvaluation actual = Evaluate(parameters, pair.first, pair.second, HostMask());
      EXPECT_NEAR(actual.energy[0], 0.0, 1e-6 * lattice.NumberOfVoxels());
      EXPECT_EQ(actual.energy[1], lattice.NumberOfVoxels());
      EXPECT_LE(MaximumError(actual.gradient, HostDoubles(lattice)), 1e-5);
      EXPECT_LE(MaximumError(actual.movingGradient, HostDoubles(lattice)), 1e-5);
    }
  }
}

// Checks the meaning: 1 for images that are linear functions of each other, of either sign, and no gradient there.
TEST(Lncc, LinearlyRelatedImagesCorrelate)
{
  const Lattice   lattice(37, 41, 29);
  const int       radius[3] = { 3, 3, 3 };
  const HostField fixed = MakeImage(lattice, 13, 0.0, 0.5);
  for (const float slope : { 1.0f, -1.0f })
  {
    HostField moving(lattice);
    for (std::size_t i = 0; i < moving.values.size(); ++i)
    {
      moving.values[i] = 0.5f + slope * (fixed.values[i] - 0.5f);
    }
    LnccParameters parameters = MakeLnccParameters(radius);
    parameters.varianceFloor = 1e-12f;
    const LnccEvaluation actual = Evaluate(parameters, fixed, moving, HostMask());
    EXPECT_RELATIVE_NEAR(actual.energy[0], lattice.NumberOfVoxels(), 1e-4);
    EXPECT_LE(MaximumError(actual.gradient, HostDoubles(lattice)), 1e-3);
    EXPECT_LE(MaximumError(actual.movingGradient, HostDoubles(lattice)), 1e-3);
  }
}

TEST(Lncc, EmptyMaskGivesZero)
{
  const Lattice    lattice(13, 17, 11);
  const int        radius[3] = { 2, 2, 2 };
  const LnccEvaluation actual =
    Evaluate(MakeLnccParameters(radius), MakeImage(lattice, 14), MakeImage(lattice, 15), HostMask(lattice));
  EXPECT_EQ(actual.energy, (std::vector<double>{ 0.0, 0.0 }));
  EXPECT_EQ(Norm(actual.gradient), 0.0);
}

// Checks that voxels outside the mask have no say, whatever they hold.
TEST(Lncc, MaskedVoxelsHaveNoInfluence)
{
  const Lattice   lattice(37, 41, 29);
  const int       radius[3] = { 3, 3, 3 };
  const HostMask  valid = MakeMask(lattice, 16, 0.4);
  const HostField fixed = MakeImage(lattice, 17, 0.0, 0.3);
  const HostField moving = MakeImage(lattice, 18, 0.0, 0.3);
  HostField       changed = moving;
  for (std::size_t i = 0; i < changed.values.size(); ++i)
  {
    changed.values[i] = valid.values[i] ? changed.values[i] : 1e4f;
  }
  const LnccEvaluation before = Evaluate(MakeLnccParameters(radius), fixed, moving, valid);
  const LnccEvaluation after = Evaluate(MakeLnccParameters(radius), fixed, changed, valid);
  EXPECT_EQ(before.energy, after.energy);
  EXPECT_SAME_BITS(before.gradient, after.gradient);
  EXPECT_SAME_BITS(before.movingGradient, after.movingGradient);
}

namespace
{
template <unsigned int VDimension>
void
CompareWithItk(const Lattice & lattice, int r)
{
  using ImageType = Image<double, VDimension>;
  using MetricType = ANTSNeighborhoodCorrelationImageToImageMetricv4<ImageType, ImageType>;
  const auto      geometry = MakeGeometry<VDimension>(28);
  const HostField fixed = MakeImage(lattice, 29, 0.0, 0.5);
  const HostField moving = MakeImage(lattice, 30, 0.0, 0.5);
  auto            metric = MetricType::New();
  metric->SetFixedImage(ToItkImage(fixed, geometry));
  metric->SetMovingImage(ToItkImage(moving, geometry));
  metric->SetFixedTransform(IdentityTransform<double, VDimension>::New());
  metric->SetMovingTransform(IdentityTransform<double, VDimension>::New());
  typename MetricType::RadiusType radiusOfMetric;
  radiusOfMetric.Fill(r);
  metric->SetRadius(radiusOfMetric);
  metric->SetUseFixedImageGradientFilter(false);
  metric->SetUseMovingImageGradientFilter(false);
  metric->Initialize();
  const int      radius[3] = { r, r, r };
  LnccParameters parameters = MakeLnccParameters(radius);
  parameters.varianceFloor = 1e-12f;
  const LnccEvaluation actual = Evaluate(parameters, fixed, moving, HostMask());
  EXPECT_NEAR(-actual.energy[0] / actual.energy[1], metric->GetValue(), 1e-4);
}
} // namespace

TEST(Lncc, BadInputThrows)
{
  const Lattice       lattice(5, 4, 3);
  const DeviceFloats  one(lattice);
  const DeviceFloats  two(lattice, 2);
  const DeviceScalars energy(2);
  const auto          run = [&](const LnccParameters & parameters, const ConstField & warped, const Field & gradient) {
    const Workspace workspace(64 * lattice.NumberOfVoxels());
    Lncc(TestDevice(), parameters, one, warped, ConstMask(), energy.Data(), gradient, workspace.Data());
  };
  LnccParameters parameters;
  EXPECT_THROW(run(parameters, two, Field()), Error);
  EXPECT_THROW(run(parameters, one, two), Error);
  parameters.radius[1] = -1;
  EXPECT_THROW(run(parameters, one, Field()), Error);
  parameters.weights = LnccWeights::Gaussian;
  EXPECT_NO_THROW(run(parameters, one, Field()));
  parameters.sigma[2] = -1.0f;
  EXPECT_THROW(run(parameters, one, Field()), Error);
  parameters.sigma[2] = 86.0f;
  EXPECT_THROW(run(parameters, one, Field()), Error);
}

TEST(Lncc, ValueMatchesItkANTSNeighborhoodCorrelation)
{
  for (const int r : { 1, 2, 4 })
  {
    CompareWithItk<3>(Lattice(37, 41, 29), r);
    CompareWithItk<2>(Lattice(37, 41, 1), r);
  }
}
} // namespace test
} // namespace engine
} // namespace itk
