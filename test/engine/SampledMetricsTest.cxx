// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/SampledMetrics.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
using DeviceDoubles = DeviceField<double>;

/** Two images, their maps from a virtual grid, and a mask. */
struct Problem
{
  Lattice   lattice;
  HostField fixed;
  HostField moving;
  HostField u;
  HostMask  mask;
  HostMask  movingMask;
  Matrix34  fixedAffine = IdentityAffine();
  Matrix34  movingAffine;
  Matrix34  maskAffine;
  Matrix33  matrix{ { { { 1.1, 0.2, 0.0 } }, { { -0.1, 0.9, 0.0 } }, { { 0.0, 0.0, 1.2 } } } };

  explicit Problem(const Lattice & grid)
    : lattice(grid)
    , fixed(MakeImage(grid, 1, 3.0, 0.3))
    , moving(MakeImage(Lattice(grid.size[0] + 2, grid.size[1] + 1, grid.size[2]), 2, 5.0, 0.3))
    , u(MakeDisplacement(grid, 3, 1.5))
    , mask(MakeMask(grid, 4, 0.2))
    , movingMask(MakeMask(Lattice(grid.size[0] + 3, grid.size[1] + 2, grid.size[2]), 6, 0.2))
    , movingAffine(MakeAffine(grid, moving.lattice, 5))
    , maskAffine(MakeAffine(moving.lattice, movingMask.lattice, 7))
  {}
};

/** Both images on the virtual grid, and the gradient of the moving image there. */
struct Samples
{
  HostDoubles fixed;
  HostDoubles moving;
  HostMask    valid;
  HostDoubles gradient;
};

Samples
SampleInDouble(const Problem & problem, bool round)
{
  const Lattice & lattice = problem.lattice;
  Samples         s{ HostDoubles(lattice), HostDoubles(lattice), HostMask(lattice), HostDoubles(lattice, 3) };
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const Vector3 index{ { double(x), double(y), double(z) } };
    const Vector3 f = MapPoint(problem.fixedAffine, problem.matrix, index, Vector3{});
    const Vector3 m = MapPoint(problem.movingAffine, problem.matrix, index, VectorAt(problem.u, x, y, z));
    if (!problem.mask(0, x, y, z) || !IsInside(problem.fixed.lattice, f) || !IsInside(problem.moving.lattice, m))
    {
      return;
    }
    const Vector3 inMask = MapPoint(problem.maskAffine, problem.matrix, m, Vector3{});
    if (!problem.movingMask.values.empty() &&
        (!IsInside(problem.movingMask.lattice, inMask) ||
         !problem.movingMask(0,
                             static_cast<int>(std::floor(inMask[0] + 0.5)),
                             static_cast<int>(std::floor(inMask[1] + 0.5)),
                             static_cast<int>(std::floor(inMask[2] + 0.5)))))
    {
      return;
    }
    const auto value = [round](double v) { return round ? static_cast<double>(static_cast<float>(v)) : v; };
    s.valid(0, x, y, z) = 1;
    s.fixed(0, x, y, z) = value(InterpolateLinear(problem.fixed, 0, f));
    s.moving(0, x, y, z) = value(InterpolateLinear(problem.moving, 0, m));
    const Vector3 g = GradientLinear(problem.moving, 0, m);
    for (int c = 0; c < 3; ++c)
    {
      s.gradient(c, x, y, z) = g[c];
    }
  });
  return s;
}

struct Expectation
{
  double      sum = 0.0;
  double      count = 0.0;
  HostDoubles slope;
};

Expectation
MeanSquaresInDouble(const Samples & s)
{
  Expectation e;
  e.slope = HostDoubles(s.fixed.lattice);
  for (std::size_t i = 0; i < s.fixed.values.size(); ++i)
  {
    const double difference = s.fixed.values[i] - s.moving.values[i];
    e.sum += difference * difference;
    e.count += s.valid.values[i];
    e.slope.values[i] = 2.0 * difference;
  }
  return e;
}

/** Calls function(x, y, z) for the valid voxels of the window around a voxel. */
template <typename TFunction>
void
ForWindow(const HostMask & valid, const int (&radius)[3], int cx, int cy, int cz, const TFunction & function)
{
  ForEachVoxel(valid.lattice, [&](int x, int y, int z) {
    if (valid(0, x, y, z) && std::abs(x - cx) <= radius[0] && std::abs(y - cy) <= radius[1] &&
        std::abs(z - cz) <= radius[2])
    {
      function(x, y, z);
    }
  });
}

Expectation
CorrelationInDouble(const Samples & s, const SampledCorrelationParameters & parameters)
{
  const Lattice & lattice = s.fixed.lattice;
  Expectation     e;
  e.slope = HostDoubles(lattice);
  ForEachVoxel(lattice, [&](int cx, int cy, int cz) {
    if (!s.valid(0, cx, cy, cz))
    {
      return;
    }
    double n = 0.0, f = 0.0, m = 0.0;
    ForWindow(s.valid, parameters.radius, cx, cy, cz, [&](int x, int y, int z) {
      n += 1.0;
      f += s.fixed(0, x, y, z);
      m += s.moving(0, x, y, z);
    });
    f /= n;
    m /= n;
    double ff = 0.0, fm = 0.0, mm = 0.0;
    ForWindow(s.valid, parameters.radius, cx, cy, cz, [&](int x, int y, int z) {
      const double df = s.fixed(0, x, y, z) - f;
      const double dm = s.moving(0, x, y, z) - m;
      ff += df * df;
      fm += df * dm;
      mm += dm * dm;
    });
    e.count += 1.0;
    if (n < 1.5)
    {
      e.sum += 1.0;
      return;
    }
    e.sum += fm * fm / (ff * mm);
    const auto add = [&](int x, int y, int z) {
      e.slope(0, x, y, z) +=
        2.0 * fm / (ff * mm) * (s.fixed(0, x, y, z) - f - fm / mm * (s.moving(0, x, y, z) - m));
    };
    if (parameters.allWindows)
    {
      ForWindow(s.valid, parameters.radius, cx, cy, cz, add);
    }
    else
    {
      add(cx, cy, cz);
    }
  });
  return e;
}

double
Spline(double u)
{
  u = std::abs(u);
  return u < 1.0 ? 2.0 / 3.0 - u * u + 0.5 * u * u * u : (u < 2.0 ? std::pow(2.0 - u, 3) / 6.0 : 0.0);
}

/** The loss is differentiated by central differences of the histogram's windows alone, so that no formula is shared. */
Expectation
MattesInDouble(const Samples & s, const MattesBins & bins)
{
  const int                        n = bins.numberOfBins;
  std::vector<std::vector<double>> p(n, std::vector<double>(n));
  std::vector<double>              pf(n);
  std::vector<double>              pm(n);
  Expectation                      e;
  e.slope = HostDoubles(s.fixed.lattice);
  const auto row = [&](std::size_t i) {
    const int bin = static_cast<int>(std::floor(s.fixed.values[i] / bins.fixedBinSize - bins.fixedNormalizedMinimum));
    return std::max(2, std::min(n - 3, bin));
  };
  const auto term = [&](std::size_t i) { return s.moving.values[i] / bins.movingBinSize - bins.movingNormalizedMinimum; };
  const auto counts = [&](std::size_t i) {
    return s.valid.values[i] && s.moving.values[i] >= bins.movingMinimum && s.moving.values[i] <= bins.movingMaximum;
  };
  for (std::size_t i = 0; i < s.fixed.values.size(); ++i)
  {
    for (int b = 0; b < n && counts(i); ++b)
    {
      p[row(i)][b] += Spline(b - term(i));
    }
    e.count += counts(i) ? 1.0 : 0.0;
  }
  for (int f = 0; f < n; ++f)
  {
    for (int m = 0; m < n; ++m)
    {
      p[f][m] /= e.count;
      pf[f] += p[f][m];
      pm[m] += p[f][m];
    }
  }
  for (int f = 0; f < n; ++f)
  {
    for (int m = 0; m < n; ++m)
    {
      e.sum += p[f][m] > 0.0 ? p[f][m] * std::log(p[f][m] / (pf[f] * pm[m])) : 0.0;
    }
  }
  for (std::size_t i = 0; i < s.fixed.values.size(); ++i)
  {
    for (int b = 0; b < n && counts(i); ++b)
    {
      constexpr double h = 1e-6;
      const double     slope = (Spline(b - term(i) - h) - Spline(b - term(i) + h)) / (2.0 * h);
      e.slope.values[i] += p[row(i)][b] > 0.0 ? slope * std::log(p[row(i)][b] / pm[b]) : 0.0;
    }
    e.slope.values[i] /= bins.movingBinSize * e.count;
  }
  return e;
}

/** A problem in the device's memory. */
struct DeviceProblem
{
  DeviceFloats       fixed;
  DeviceFloats       moving;
  DeviceField<double> u;
  DeviceMask         mask;
  DeviceMask         movingMask;
  DeviceDoubles      fixedSamples;
  DeviceDoubles      movingSamples;
  DeviceMask         valid;
  MetricSamples      samples;
  SampleImage<float> fixedImage;
  SampleImage<float> movingImage;

  static HostDoubles
  Interleave(const HostField & u, int dimension)
  {
    HostDoubles        result(u.lattice, dimension);
    const std::int64_t voxels = u.lattice.NumberOfVoxels();
    for (std::int64_t i = 0; i < voxels * dimension; ++i)
    {
      result.values[i] = u.values[i % dimension * voxels + i / dimension];
    }
    return result;
  }

  DeviceProblem(const Problem & problem, int dimension, bool round)
    : fixed(problem.fixed)
    , moving(problem.moving)
    , u(Interleave(problem.u, dimension))
    , mask(problem.mask)
    , movingMask(problem.movingMask.values.empty() ? HostMask(Lattice(1, 1, 1)) : problem.movingMask)
    , fixedSamples(problem.lattice)
    , movingSamples(problem.lattice)
    , valid(problem.lattice)
  {
    samples.lattice = problem.lattice;
    samples.dimension = dimension;
    samples.fixed = fixedSamples.View().data;
    samples.moving = movingSamples.View().data;
    samples.valid = valid.View().data;
    samples.mask = mask.View().data;
    samples.movingMap.displacement = u.View().data;
    samples.fixedRounding = samples.movingRounding = round ? SampleRounding::ToFloat : SampleRounding::None;
    if (!problem.movingMask.values.empty())
    {
      samples.movingMask.data = movingMask.View().data;
      std::copy_n(problem.movingMask.lattice.size, 3, samples.movingMask.size);
    }
    for (int i = 0; i < 3; ++i)
    {
      std::copy_n(problem.maskAffine[i].begin(), 4, samples.movingMask.affine[i]);
      std::copy_n(problem.fixedAffine[i].begin(), 4, samples.fixedMap.affine[i]);
      std::copy_n(problem.movingAffine[i].begin(), 4, samples.movingMap.affine[i]);
      std::copy_n(problem.matrix[i].begin(), 3, samples.movingMap.field[i]);
    }
    fixedImage.data = fixed.View().data;
    movingImage.data = moving.View().data;
    std::copy_n(problem.fixed.lattice.size, 3, fixedImage.size);
    std::copy_n(problem.moving.lattice.size, 3, movingImage.size);
  }
};

void
ExpectNear(const DeviceScalars & energy, const DeviceDoubles & slope, const Expectation & expected)
{
  const auto numbers = energy.Download();
  EXPECT_EQ(numbers[1], expected.count);
  EXPECT_NEAR(numbers[0], expected.sum, 1e-9 * std::abs(expected.sum) + 1e-12);
  const HostDoubles actual = slope.Download();
  double            largest = 1e-12;
  for (const double value : expected.slope.values)
  {
    largest = std::max(largest, std::abs(value));
  }
  for (std::size_t i = 0; i < actual.values.size(); ++i)
  {
    ASSERT_NEAR(actual.values[i], expected.slope.values[i], 1e-7 * largest) << "voxel " << i;
  }
}

MattesBins
MakeBins()
{
  MattesBins bins;
  bins.numberOfBins = 17;
  bins.fixedBinSize = 1.3 / 13;
  bins.fixedNormalizedMinimum = 2.8 / bins.fixedBinSize - 2.0;
  // the range of the moving image ends before its intensities do
  bins.movingMinimum = 5.1;
  bins.movingMaximum = 6.0;
  bins.movingBinSize = (bins.movingMaximum - bins.movingMinimum) / 13;
  bins.movingNormalizedMinimum = bins.movingMinimum / bins.movingBinSize - 2.0;
  return bins;
}
} // namespace

TEST(SampledMetrics, MatchDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    if (lattice.NumberOfVoxels() > 6000)
    {
      continue;
    }
    SCOPED_TRACE(Describe(lattice));
    const Problem       problem(lattice);
    const Samples       expected = SampleInDouble(problem, false);
    const DeviceProblem device(problem, 3, false);
    SampleImages(TestDevice(), device.samples, device.fixedImage, device.movingImage);
    EXPECT_EQ(device.valid.Download().values, expected.valid.values);
    const DeviceScalars energy(2);
    const DeviceDoubles slope(lattice);
    SampledMeanSquares(TestDevice(), device.samples, energy.Data(), slope.View().data);
    ExpectNear(energy, slope, MeanSquaresInDouble(expected));
    const Buffer<double> workspace(
      TestDevice(), std::max(SampledCorrelationWorkspace(lattice), SampledMattesWorkspace(MakeBins())));
    for (const std::array<int, 3> & radius : { std::array<int, 3>{ 2, 1, 2 }, { 0, 4, 1 }, { 40, 2, 50 } })
    {
      for (const bool allWindows : { false, true })
      {
        SampledCorrelationParameters parameters;
        std::copy_n(radius.data(), 3, parameters.radius);
        parameters.allWindows = allWindows;
        SampledCorrelation(
          TestDevice(), parameters, device.samples, energy.Data(), slope.View().data, workspace.Data());
        ExpectNear(energy, slope, CorrelationInDouble(expected, parameters));
        if (!allWindows)
        {
          const DeviceDoubles fixedSlope(lattice);
          SampledCorrelation(TestDevice(),
                             parameters,
                             device.samples,
                             energy.Data(),
                             slope.View().data,
                             workspace.Data(),
                             fixedSlope.View().data);
          ExpectNear(energy, slope, CorrelationInDouble(expected, parameters));
          Samples exchanged = expected;
          std::swap(exchanged.fixed, exchanged.moving);
          ExpectNear(energy, fixedSlope, CorrelationInDouble(exchanged, parameters));
        }
      }
    }
    const Expectation mattes = MattesInDouble(expected, MakeBins());
    if (mattes.count > 0)
    {
      SampledMattes(TestDevice(), MakeBins(), device.samples, energy.Data(), slope.View().data, workspace.Data());
      ExpectNear(energy, slope, mattes);
    }
  }
}

TEST(SampledMetrics, DerivativesMatchDouble)
{
  for (const int dimension : { 2, 3 })
  {
    const Lattice        lattice(37, 13, dimension == 2 ? 1 : 11);
    const Problem        problem(lattice);
    const Samples        expected = SampleInDouble(problem, true);
    const DeviceProblem  device(problem, dimension, true);
    const DeviceScalars  energy(2);
    const DeviceScalars  sums(12);
    const DeviceDoubles  slope(lattice);
    const DeviceDoubles  local(lattice, dimension);
    const Buffer<double> scratch(TestDevice(), DerivativeScratch(lattice));
    SampleGradientRule   rule;
    rule.source = SampleGradient::Interpolant;
    rule.matrix[0][0] = rule.matrix[1][1] = rule.matrix[2][2] = 2.0;
    rule.matrix[0][1] = -0.5;
    SampleImages(TestDevice(), device.samples, device.fixedImage, device.movingImage);
    EXPECT_EQ(device.movingSamples.Download().values, expected.moving.values);
    SampledMeanSquares(TestDevice(), device.samples, energy.Data(), slope.View().data);
    MetricDerivative(TestDevice(),
                     device.samples,
                     device.movingImage,
                     rule,
                     slope.View().data,
                     local.View().data,
                     sums.Data(),
                     scratch.Data());
    const HostDoubles   slopes = slope.Download();
    const HostDoubles   actual = local.Download();
    std::vector<double> expectedSums(12);
    ForEachVoxel(lattice, [&](int x, int y, int z) {
      const double place[4] = { double(x), double(y), double(z), 1.0 };
      const auto   voxel = lattice.Offset(x, y, z);
      for (int i = 0; i < 3; ++i)
      {
        double g = 0.0;
        for (int j = 0; j < 3; ++j)
        {
          g += rule.matrix[i][j] * expected.gradient(j, x, y, z) * slopes.values[voxel];
        }
        if (i < dimension)
        {
          ASSERT_NEAR(actual.values[voxel * dimension + i], g, 1e-9) << x << ' ' << y << ' ' << z;
        }
        for (int k = 0; k < 4; ++k)
        {
          expectedSums[4 * i + k] += g * place[k];
        }
      }
    });
    const auto actualSums = sums.Download();
    for (int i = 0; i < 12; ++i)
    {
      EXPECT_NEAR(actualSums[i], expectedSums[i], 1e-8) << i;
    }
  }
}

/** Central differences of a linear image are its slope, and 0 where an end is outside. */
TEST(SampledMetrics, CentralDifferencesStopAtTheRim)
{
  const Lattice lattice(5, 4, 3);
  Problem       problem(lattice);
  problem.moving = HostField(lattice);
  ForEachVoxel(lattice, [&](int x, int y, int z) { problem.moving(0, x, y, z) = 3.0f * x - 2.0f * y + 0.5f * z; });
  problem.movingAffine = IdentityAffine();
  problem.u = HostField(lattice, 3);
  problem.mask = HostMask(lattice, 1, 1);
  problem.movingMask = HostMask();
  const DeviceProblem device(problem, 3, false);
  SampleImages(TestDevice(), device.samples, device.fixedImage, device.movingImage);
  SampleGradientRule rule;
  rule.halfStep[0][0] = rule.halfStep[1][1] = rule.halfStep[2][2] = 0.5;
  rule.matrix[0][0] = rule.matrix[1][1] = rule.matrix[2][2] = 1.0;
  const DeviceDoubles slope(HostDoubles(lattice, 1, 1.0));
  const DeviceDoubles local(lattice, 3);
  MetricDerivative(TestDevice(),
                   device.samples,
                   device.movingImage,
                   rule,
                   slope.View().data,
                   local.View().data,
                   nullptr,
                   nullptr);
  const HostDoubles actual = local.Download();
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const auto voxel = lattice.Offset(x, y, z);
    // the rim belongs to the image at the low end: half a voxel of clamped values there
    EXPECT_EQ(actual.values[3 * voxel], x == 4 ? 0.0 : (x == 0 ? 1.5 : 3.0));
    EXPECT_EQ(actual.values[3 * voxel + 1], y == 3 ? 0.0 : (y == 0 ? -1.0 : -2.0));
    EXPECT_EQ(actual.values[3 * voxel + 2], z == 2 ? 0.0 : (z == 0 ? 0.25 : 0.5));
  });
}

// Checks that images on the grid itself give what they give as images that are sampled at displacements of 0.
TEST(SampledMetrics, VoxelsAreTakenAsTheyAre)
{
  const Lattice lattice(37, 9, 5);
  HostMask      mask = MakeMask(lattice, 3, 0.7);
  HostDoubles   images[2] = { ToDoubles(MakeImage(lattice, 1)), ToDoubles(MakeImage(lattice, 2)) };
  for (double & value : images[0].values)
  {
    value *= 100.0 / 3.0;
  }
  const DeviceDoubles       fixed(images[0]);
  const DeviceDoubles       moving(images[1]);
  const DeviceField<double> zero(HostDoubles(lattice, 3));
  const DeviceMask          deviceMask(mask);
  SampleImage<double>       inputs[2];
  for (int i = 0; i < 2; ++i)
  {
    inputs[i].data = (i == 0 ? fixed : moving).View().data;
    std::copy_n(lattice.size, 3, inputs[i].size);
  }
  for (const SampleRounding rounding : { SampleRounding::None, SampleRounding::ToFloat, SampleRounding::Truncate })
  {
    for (const bool isMasked : { false, true })
    {
      std::vector<HostDoubles> results;
      std::vector<HostMask>    valid;
      for (const bool isSampled : { false, true })
      {
        const DeviceDoubles outputs[2] = { DeviceDoubles(lattice), DeviceDoubles(lattice) };
        const DeviceMask    counts(lattice);
        MetricSamples       samples;
        samples.lattice = lattice;
        samples.fixed = outputs[0].View().data;
        samples.moving = outputs[1].View().data;
        samples.valid = counts.View().data;
        samples.mask = isMasked ? deviceMask.View().data : nullptr;
        samples.fixedRounding = samples.movingRounding = rounding;
        samples.movingMap.displacement = isSampled ? zero.View().data : nullptr;
        EXPECT_EQ(AreSamplesVoxels(samples, inputs[0], inputs[1]), !isSampled);
        SampleImages(TestDevice(), samples, inputs[0], inputs[1]);
        results.push_back(outputs[0].Download());
        results.push_back(outputs[1].Download());
        valid.push_back(counts.Download());
      }
      EXPECT_EQ(valid[0].values, valid[1].values);
      EXPECT_EQ(results[0].values, results[2].values);
      EXPECT_EQ(results[1].values, results[3].values);
      EXPECT_GT(Norm(results[0]), 1.0);
    }
  }
}

TEST(SampledMetrics, FlatWindowsCountAsCorrelated)
{
  const Lattice lattice(9, 8, 7);
  Problem       problem(lattice);
  std::fill(problem.fixed.values.begin(), problem.fixed.values.end(), 0.1f);
  const DeviceProblem device(problem, 3, false);
  SampleImages(TestDevice(), device.samples, device.fixedImage, device.movingImage);
  const DeviceScalars  energy(2);
  const DeviceDoubles  slope(lattice);
  const Buffer<double> workspace(TestDevice(), SampledCorrelationWorkspace(lattice));
  SampledCorrelation(TestDevice(),
                     SampledCorrelationParameters(),
                     device.samples,
                     energy.Data(),
                     slope.View().data,
                     workspace.Data());
  EXPECT_EQ(energy.Download()[0], energy.Download()[1]);
  for (const double value : slope.Download().values)
  {
    EXPECT_EQ(value, 0.0);
  }
}

TEST(SampledMetrics, RejectBadArguments)
{
  const Lattice       lattice(4, 3, 2);
  const Problem       problem(lattice);
  DeviceProblem       device(problem, 3, false);
  const DeviceScalars energy(2);
  SampleImage<float>  none;
  EXPECT_THROW(SampleImages(TestDevice(), device.samples, none, device.movingImage), Error);
  SampledCorrelationParameters parameters;
  parameters.radius[2] = -1;
  EXPECT_THROW(SampledCorrelation(TestDevice(), parameters, device.samples, energy.Data(), nullptr, nullptr), Error);
  parameters.radius[2] = 1;
  parameters.allWindows = true;
  EXPECT_THROW(
    SampledCorrelation(TestDevice(), parameters, device.samples, energy.Data(), nullptr, nullptr, energy.Data()), Error);
  MattesBins bins;
  bins.numberOfBins = 4;
  EXPECT_THROW(SampledMattes(TestDevice(), bins, device.samples, energy.Data(), nullptr, nullptr), Error);
  device.samples.dimension = 4;
  EXPECT_THROW(SampledMeanSquares(TestDevice(), device.samples, energy.Data(), nullptr), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
