// SPDX-License-Identifier: Apache-2.0
#include "InformationTesting.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
// Checks the reference itself: weights that sum to 1, and its gradients against finite differences.
TEST(MutualInformation, ReferenceIsRight)
{
  const Lattice   lattice(7, 6, 5);
  const HostField fixed = MakeImage(lattice, 1, 3.0, 0.5);
  const HostField moving = MakeImage(lattice, 2, 0.0, 0.5);
  for (const Windows & windows : allWindows)
  {
    for (const bool normalized : { false, true })
    {
      for (const HostMask & valid : { HostMask(), MakeMask(lattice, 3, 0.4) })
      {
        const auto parameters = MakeParameters(12, windows, fixed, moving, 0.05, normalized);
        for (const double t : { 2.0, 5.5, 7.25, 10.0 })
        {
          const ReferenceWindow window = WindowInDouble(parameters.moving, 12, t);
          double                sums[2] = { 0.0, 0.0 };
          for (int q = 0; q < 12; ++q)
          {
            sums[0] += window.weight[q];
            sums[1] += window.derivative[q];
          }
          EXPECT_NEAR(sums[0], 1.0, 1e-12);
          EXPECT_NEAR(sums[1], 0.0, 1e-12);
        }
        const InformationReference reference =
          InformationInDouble(parameters, ToDoubles(fixed), ToDoubles(moving), valid);
        HostDoubles expected[2] = { HostDoubles(lattice), HostDoubles(lattice) };
        const bool  both = windows.first != ParzenWindow::ZeroOrder;
        for (std::size_t i = 0; i < moving.values.size(); ++i)
        {
          for (int image = 0; image < (both ? 2 : 1); ++image)
          {
            constexpr double h = 1e-6;
            double           value[2];
            for (int side = 0; side < 2; ++side)
            {
              HostDoubles pair[2] = { ToDoubles(moving), ToDoubles(fixed) };
              pair[image].values[i] += side == 0 ? -h : h;
              value[side] = InformationInDouble(parameters, pair[1], pair[0], valid, false).information;
            }
            expected[image].values[i] = -reference.count * (value[1] - value[0]) / (2 * h);
          }
        }
        EXPECT_RELATIVE_ERROR(reference.gradient, expected[0], 1e-4);
        if (both)
        {
          EXPECT_RELATIVE_ERROR(reference.fixedGradient, expected[1], 1e-4);
        }
      }
    }
  }
}

TEST(MutualInformation, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    const HostField fixed = MakeImage(lattice, 4, 0.0, 0.3);
    const HostField moving = MakeImage(lattice, 5, -0.5, 0.3);
    for (const Windows & windows : allWindows)
    {
      // the windows that no kernel is made for take long
      if (windows == mattes || lattice.NumberOfVoxels() < 3000)
      {
        Compare(MakeParameters(32, windows, fixed, moving), fixed, moving, HostMask());
        Compare(MakeParameters(17, windows, fixed, moving, 0.1, true), fixed, moving, MakeMask(lattice, 6, 0.4));
      }
    }
  }
}

TEST(MutualInformation, MatchesDoubleForEveryNumberOfBins)
{
  const Lattice   lattice(37, 41, 29);
  const Lattice   small(13, 17, 11);
  const HostField fixed = MakeImage(lattice, 7, 0.0, 0.3);
  const HostField moving = MakeImage(lattice, 8, 0.0, 0.3);
  const HostField smallFixed = MakeImage(small, 9, 0.0, 0.3);
  const HostField smallMoving = MakeImage(small, 10, 0.0, 0.3);
  for (const int bins : { 8, 33, 64, 128, 256 })
  {
    if (bins == 64 || bins == 256)
    {
      Compare(MakeParameters(bins, mattes, fixed, moving), fixed, moving, HostMask());
    }
    for (const Windows & windows : allWindows)
    {
      Compare(MakeParameters(bins, windows, smallFixed, smallMoving, 0.02, bins == 64), smallFixed, smallMoving, HostMask());
    }
  }
}

TEST(MutualInformation, MatchesDoubleForEveryGaussian)
{
  const Lattice   lattice(13, 17, 11);
  const HostField fixed = MakeImage(lattice, 11, 0.0, 0.3);
  const HostField moving = MakeImage(lattice, 12, 0.0, 0.3);
  for (const float sigma : { 0.25f, 0.5f, 1.0f, 2.0f, 4.0f })
  {
    auto parameters = MakeParameters(32, { ParzenWindow::Gaussian, ParzenWindow::Gaussian }, fixed, moving);
    parameters.fixed.sigma = parameters.moving.sigma = sigma;
    SCOPED_TRACE(sigma);
    Compare(parameters, fixed, moving, HostMask());
  }
}

// Checks that an offset costs no digits but those of the images themselves.
TEST(MutualInformation, OffsetOfAThousandCostsNoDigits)
{
  const Lattice   lattice(37, 41, 29);
  const HostField fixed = MakeImage(lattice, 13, 1000.0, 0.3);
  const HostField moving = MakeImage(lattice, 14, -1000.0, 0.3);
  // A prime number of bins within the padding: such images lie on a grid of 2^-14, and none of its points but the ends may
  // fall on the border between two bins, where rounding decides.
  for (const int bins : { 33, 255 })
  {
    Compare(MakeParameters(bins, mattes, fixed, moving), fixed, moving, HostMask());
  }
}

TEST(MutualInformation, GradientMatchesFiniteDifferences)
{
  const Lattice   lattice(13, 17, 11);
  const HostField fixed = MakeImage(lattice, 15, 0.0, 0.3);
  const HostField moving = MakeImage(lattice, 16, 0.0, 0.3);
  const HostMask  valid = MakeMask(lattice, 17, 0.3);
  for (const Windows & windows : allWindows)
  {
    const auto       parameters = MakeParameters(32, windows, fixed, moving, 0.02, windows == allWindows[3]);
    const Evaluation actual = Evaluate(parameters, fixed, moving, valid);
    HostDoubles      expected(lattice);
    HostMask         use(lattice);
    for (std::size_t i = 0; i < use.values.size(); i += 23)
    {
      constexpr double h = 1e-5;
      HostDoubles      low = ToDoubles(moving);
      HostDoubles      high = low;
      low.values[i] -= h;
      high.values[i] += h;
      use.values[i] = 1;
      expected.values[i] =
        -actual.energy[1] * (InformationInDouble(parameters, ToDoubles(fixed), high, valid, false).information -
                             InformationInDouble(parameters, ToDoubles(fixed), low, valid, false).information) /
        (2 * h);
    }
    // the derivative of the linear window jumps at a bin's centre, which a difference may straddle
    EXPECT_RELATIVE_ERROR_WHERE(use, actual.gradient, expected, 1e-3);
  }
}

// Checks the meaning: what an image tells about itself is its entropy, and about noise nothing.
TEST(MutualInformation, KnowsWhatItMeasures)
{
  const Lattice   lattice(70, 35, 33);
  const HostField image = MakeNoise(lattice, 1, 18, 0.0, 1.0);
  auto            parameters = MakeParameters(24, { ParzenWindow::ZeroOrder, ParzenWindow::ZeroOrder }, image, image);
  const auto      value = [&](const HostField & fixed, const HostField & moving) {
    const DeviceFloats  deviceFixed(fixed);
    const DeviceFloats  deviceMoving(moving);
    const DeviceScalars energy(2);
    const Workspace     workspace(MutualInformationWorkspace(TestDevice(), parameters, lattice));
    MutualInformation(TestDevice(), parameters, deviceFixed, deviceMoving, ConstMask(), energy.Data(), Field(), Field(),
                      workspace.Data());
    return energy.Download()[0] / energy.Download()[1];
  };
  EXPECT_NEAR(value(image, image), std::log(20.0), 1e-3);
  HostField inverted(lattice);
  for (std::size_t i = 0; i < image.values.size(); ++i)
  {
    inverted.values[i] = 1.0f - image.values[i];
  }
  EXPECT_NEAR(value(image, inverted), std::log(20.0), 1e-2);
  EXPECT_NEAR(value(image, MakeNoise(lattice, 1, 19, 0.0, 1.0)), 0.0, 5e-3);
  parameters.normalized = true;
  EXPECT_NEAR(value(image, image), 2.0, 1e-6);
  EXPECT_NEAR(value(image, MakeNoise(lattice, 1, 19, 0.0, 1.0)), 1.0, 2e-3);
}

// Checks that flat images tell nothing, whether the range has a width or not.
TEST(MutualInformation, ConstantImagesTellNothing)
{
  const Lattice   lattice(13, 17, 11);
  const HostField texture = MakeImage(lattice, 20);
  for (const Windows & windows : allWindows)
  {
    for (const float value : { 0.0f, 0.7f, 1000.0f })
    {
      const HostField flat(lattice, 1, value);
      for (const auto & pair :
           { std::make_pair(flat, flat), std::make_pair(texture, flat), std::make_pair(flat, texture) })
      {
        for (const bool wide : { false, true })
        {
          auto parameters = MakeParameters(32, windows, pair.first, pair.second);
          if (wide)
          {
            parameters.fixed.maximum += 1.0f;
            parameters.moving.maximum += 1.0f;
          }
          const Evaluation actual = Evaluate(parameters, pair.first, pair.second, HostMask());
          EXPECT_NEAR(actual.energy[0], 0.0, 1e-9 * lattice.NumberOfVoxels());
          EXPECT_EQ(actual.energy[1], lattice.NumberOfVoxels());
          EXPECT_LE(MaximumError(actual.gradient, HostDoubles(lattice)), 2e-5);
          parameters.normalized = true;
          EXPECT_NEAR(Evaluate(parameters, pair.first, pair.second, HostMask()).energy[0] / lattice.NumberOfVoxels(),
                      1.0,
                      1e-9);
        }
      }
    }
  }
}

TEST(MutualInformation, EmptyMaskGivesZero)
{
  const Lattice   lattice(13, 17, 11);
  const HostField fixed = MakeImage(lattice, 21);
  const HostField moving = MakeImage(lattice, 22);
  for (const Windows & windows : allWindows)
  {
    const Evaluation actual =
      Evaluate(MakeParameters(32, windows, fixed, moving), fixed, moving, HostMask(lattice));
    EXPECT_EQ(actual.energy, (std::vector<double>{ 0.0, 0.0 }));
    EXPECT_EQ(Norm(actual.gradient), 0.0);
  }
}

// Checks that voxels outside the mask have no say, whatever they hold.
TEST(MutualInformation, MaskedVoxelsHaveNoInfluence)
{
  const Lattice   lattice(37, 41, 29);
  const HostMask  valid = MakeMask(lattice, 23, 0.4);
  const HostField fixed = MakeImage(lattice, 24, 0.0, 0.3);
  const HostField moving = MakeImage(lattice, 25, 0.0, 0.3);
  HostField       changed = moving;
  for (std::size_t i = 0; i < changed.values.size(); ++i)
  {
    changed.values[i] = valid.values[i] ? changed.values[i] : (i % 2 ? 1e4f : std::numeric_limits<float>::quiet_NaN());
  }
  for (const Windows & windows : { allWindows[0], allWindows[3] })
  {
    const auto       parameters = MakeParameters(32, windows, fixed, moving);
    const Evaluation before = Evaluate(parameters, fixed, moving, valid);
    const Evaluation after = Evaluate(parameters, fixed, changed, valid);
    EXPECT_EQ(before.energy, after.energy);
    EXPECT_SAME_BITS(before.gradient, after.gradient);
  }
}

// Checks that NaN and infinity count at the ends of the range, without a gradient.
TEST(MutualInformation, NotANumberClamps)
{
  const Lattice   lattice(13, 17, 11);
  const HostField fixed = MakeImage(lattice, 26, 0.0, 0.3);
  const HostField moving = MakeImage(lattice, 27, 0.0, 0.3);
  for (const Windows & windows : allWindows)
  {
    const auto  parameters = MakeParameters(32, windows, fixed, moving);
    HostField   spoilt[2] = { fixed, moving };
    HostField   clamped[2] = { fixed, moving };
    const float bad[3] = { std::numeric_limits<float>::quiet_NaN(),
                           std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity() };
    HostMask    use(lattice, 1, 1);
    for (std::size_t i = 0; i < 300; i += 3)
    {
      for (int image = 0; image < 2; ++image)
      {
        const ParzenParameters & axis = image == 0 ? parameters.fixed : parameters.moving;
        const std::size_t        voxel = i * (image + 1);
        spoilt[image].values[voxel] = bad[i / 3 % 3];
        clamped[image].values[voxel] = i / 3 % 3 == 1 ? axis.maximum : axis.minimum;
        use.values[voxel] = 0;
      }
    }
    const Evaluation actual = Evaluate(parameters, spoilt[0], spoilt[1], HostMask());
    const Evaluation expected = Evaluate(parameters, clamped[0], clamped[1], HostMask());
    EXPECT_EQ(actual.energy, expected.energy);
    EXPECT_EQ(RelativeError(actual.gradient, expected.gradient, use), 0.0);
    for (std::size_t i = 0; i < 300; i += 3)
    {
      EXPECT_EQ(actual.gradient.values[2 * i], 0.0f);
    }
  }
}

// Checks that channels have histograms of their own and share alike.
TEST(MutualInformation, ComponentsAreAveraged)
{
  const Lattice lattice(17, 13, 11);
  HostField     fixed(lattice, 3);
  HostField     moving(lattice, 3);
  for (int c = 0; c < 3; ++c)
  {
    const HostField f = MakeImage(lattice, 28 + c, 0.0, 0.3);
    const HostField m = MakeImage(lattice, 31 + c, 0.0, 0.3);
    std::copy(f.values.begin(), f.values.end(), fixed.values.begin() + c * f.values.size());
    std::copy(m.values.begin(), m.values.end(), moving.values.begin() + c * f.values.size());
  }
  for (const Windows & windows : allWindows)
  {
    Compare(MakeParameters(32, windows, fixed, moving), fixed, moving, MakeMask(lattice, 34, 0.3));
  }
}

// Checks few bins with many samples each, which a backend may count in another way than many bins with few, with half of
// the volume in one place.
TEST(MutualInformation, DenseHistogramsKeepTheirDigits)
{
  const Lattice   lattice(70, 64, 60);
  const HostField fixed = MakeImage(lattice, 50, 0.0, 0.5);
  const HostField moving = MakeImage(lattice, 51, 0.0, 0.5);
  Compare(MakeParameters(8, mattes, fixed, moving), fixed, moving, HostMask());

  const Lattice small(53, 41, 31);
  HostField     images[2] = { MakeImage(small, 52, 0.0, 0.5), MakeImage(small, 53, 0.0, 0.5) };
  for (std::size_t i = images[0].values.size() / 2; i < images[0].values.size(); ++i)
  {
    images[0].values[i] = 0.25f;
    images[1].values[i] = -0.125f;
  }
  for (const Windows & windows : allWindows)
  {
    Compare(MakeParameters(8, windows, images[0], images[1], 0.02), images[0], images[1], HostMask());
    Compare(MakeParameters(11, windows, images[0], images[1]), images[0], images[1], MakeMask(small, 54, 0.1));
  }
}

// Checks windows whose gradients a backend may read from a table where there are many voxels, and images that do not begin
// at a multiple of 16 bytes.
TEST(MutualInformation, ManyVoxelsKeepTheirDigits)
{
  const Lattice   lattice(37, 31, 23);
  const HostField fixed = MakeImage(lattice, 55, 0.0, 0.3);
  const HostField moving = MakeImage(lattice, 56, 0.0, 0.3);
  for (const float sigma : { 0.5f, 0.8f, 1.0f, 2.0f })
  {
    auto parameters = MakeParameters(20, { ParzenWindow::Gaussian, ParzenWindow::Gaussian }, fixed, moving, 0.01);
    parameters.fixed.sigma = 1.0f;
    parameters.moving.sigma = sigma;
    SCOPED_TRACE(sigma);
    Compare(parameters, fixed, moving, HostMask());
  }
  const Windows splines(ParzenWindow::CubicBSpline, ParzenWindow::CubicBSpline);
  Compare(MakeParameters(40, splines, fixed, moving, 0.01, true), fixed, moving, MakeMask(lattice, 57, 0.3));

  const Lattice     odd(29, 31, 23);
  const HostField   pair[2] = { MakeImage(odd, 58, 0.0, 0.3), MakeImage(odd, 59, 0.0, 0.3) };
  HostField         channels[2] = { HostField(odd, 2), HostField(odd, 2) };
  const std::size_t voxels = pair[0].values.size();
  for (int image = 0; image < 2; ++image)
  {
    std::copy(pair[image].values.begin(), pair[image].values.end(), channels[image].values.begin());
    std::copy(pair[1 - image].values.begin(), pair[1 - image].values.end(), channels[image].values.begin() + voxels);
  }
  for (const Windows & windows : { allWindows[0], allWindows[2], allWindows[3] })
  {
    Compare(MakeParameters(16, windows, channels[0], channels[1]), channels[0], channels[1], HostMask());
  }
}

// Checks that half a volume of background overflows no counter, and that large volumes are counted as well as small ones.
TEST(MutualInformation, LargeVolumesKeepTheirDigits)
{
  const Lattice lattice(256, 160, 128);
  HostField     fixed = MakeNoise(lattice, 1, 35, 0.0, 1.0);
  HostField     moving = MakeNoise(lattice, 1, 36, 0.0, 1.0);
  for (std::size_t i = 0; i < fixed.values.size(); ++i)
  {
    const bool background = i % 512 < 384;
    moving.values[i] = background ? 0.0f : 0.6f * moving.values[i] + 0.4f * fixed.values[i];
    fixed.values[i] = background ? 0.0f : fixed.values[i];
  }
  MutualInformationParameters parameters;
  const InformationReference  expected =
    InformationInDouble(parameters, ToDoubles(fixed), ToDoubles(moving), HostMask(), false);
  const Evaluation actual = Evaluate(parameters, fixed, moving, HostMask());
  EXPECT_EQ(actual.energy[1], expected.count);
  EXPECT_NEAR(actual.energy[0] / actual.energy[1], expected.information, 1e-6);

  // the same histogram from an eighth of each kind of voxel: four rows of one and of the next, again and again
  HostField part[2] = { HostField(Lattice(256, 160, 16)), HostField(Lattice(256, 160, 16)) };
  for (std::size_t i = 0; i < part[0].values.size(); ++i)
  {
    part[0].values[i] = fixed.values[i];
    part[1].values[i] = moving.values[i];
  }
  HostField repeated[2] = { HostField(lattice), HostField(lattice) };
  for (std::size_t i = 0; i < fixed.values.size(); ++i)
  {
    repeated[0].values[i] = part[0].values[i % part[0].values.size()];
    repeated[1].values[i] = part[1].values[i % part[0].values.size()];
  }
  const InformationReference reference =
    InformationInDouble(parameters, ToDoubles(part[0]), ToDoubles(part[1]), HostMask());
  const Evaluation whole = Evaluate(parameters, repeated[0], repeated[1], HostMask());
  HostDoubles      gradient(lattice);
  for (std::size_t i = 0; i < gradient.values.size(); ++i)
  {
    gradient.values[i] = reference.gradient.values[i % part[0].values.size()];
  }
  EXPECT_NEAR(whole.energy[0] / whole.energy[1], reference.information, 1e-6);
  EXPECT_RELATIVE_ERROR(whole.gradient, gradient, 1e-5);
}

TEST(MutualInformation, TwoRunsGiveTheSameBits)
{
  const MetricProblem problem = MakeMetricProblem(Lattice(70, 35, 33), Lattice(61, 40, 37), 37);
  for (const Windows & windows : { allWindows[0], allWindows[3] })
  {
    const auto       parameters = MakeParameters(32, windows, problem.fixed, problem.moving);
    const Evaluation first = EvaluateOnProblem(parameters, problem);
    const Evaluation second = EvaluateOnProblem(parameters, problem);
    EXPECT_EQ(first.energy, second.energy);
    EXPECT_SAME_BITS(first.gradient, second.gradient);
  }
}

TEST(MutualInformation, RejectsWhatItCannotEvaluate)
{
  const Lattice       lattice(6, 6, 6);
  const DeviceFloats  image(lattice);
  const DeviceFloats  gradient(lattice);
  const DeviceFloats  two(lattice, 2);
  const DeviceScalars energy(2);
  const Workspace     workspace(MutualInformationWorkspace(TestDevice(), MutualInformationParameters(), lattice));
  const auto          expectError = [&](const MutualInformationParameters & parameters,
                               const ConstField &                  moving,
                               const Field &                       fixedGradient,
                               const std::string &                 part) {
    try
    {
      MutualInformation(TestDevice(), parameters, image, moving, ConstMask(), energy.Data(), gradient, fixedGradient,
                        workspace.Data());
      ADD_FAILURE() << "no error: " << part;
    }
    catch (const Error & error)
    {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  MutualInformationParameters parameters;
  parameters.numberOfBins = 7;
  expectError(parameters, image, Field(), "number of bins is 7");
  parameters.numberOfBins = 257;
  expectError(parameters, image, Field(), "number of bins is 257");
  parameters = MutualInformationParameters();
  parameters.moving.minimum = 2.0f;
  expectError(parameters, image, Field(), "range of the moving image is 2 to 1");
  parameters = MutualInformationParameters();
  parameters.fixed.maximum = std::numeric_limits<float>::infinity();
  expectError(parameters, image, Field(), "range of the fixed image is 0 to inf");
  parameters.fixed.maximum = std::numeric_limits<float>::max();
  parameters.fixed.minimum = -parameters.fixed.maximum;
  expectError(parameters, image, Field(), "range of the fixed image is -3.4");
  parameters = MutualInformationParameters();
  parameters.moving.window = ParzenWindow::Gaussian;
  parameters.moving.sigma = 5.0f;
  expectError(parameters, image, Field(), "sigma of the moving image is 5");
  parameters = MutualInformationParameters();
  expectError(parameters, image, Field(gradient), "window of the fixed image has no gradient");
  parameters.moving.window = ParzenWindow::ZeroOrder;
  expectError(parameters, image, Field(), "window of the moving image has no gradient");
  expectError(MutualInformationParameters(), two, Field(), "warped image");
}
} // namespace test
} // namespace engine
} // namespace itk
