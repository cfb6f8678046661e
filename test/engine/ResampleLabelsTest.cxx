// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "ReferenceSampling.h"

#include "Operators/ResampleLabels.h"

#include "itkDisplacementFieldTransform.h"
#include "itkResampleImageFilter.h"

#include <limits>
#include <map>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
using HostLabels = HostFieldOf<std::int32_t>;

/** Blobs and specks of labels, negative and huge ones among them. */
HostLabels
MakeLabels(const Lattice & lattice, unsigned int seed)
{
  constexpr std::int32_t lowest = std::numeric_limits<std::int32_t>::min();
  constexpr std::int32_t names[] = { 0, 7, -3, 16777216, 16777217, 614454277, lowest };
  Random                 random(seed);
  HostLabels             labels(lattice);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    const double blob = 3.5 + 2.4 * std::sin(0.5 * x) * std::cos(0.4 * y) + 2.0 * std::sin(0.45 * z + 0.2 * x);
    const double noise = random.Uniform(0.0, 1.0) < 0.2 ? random.Uniform(-3.0, 3.0) : 0.0;
    const int    k = static_cast<int>(std::floor(blob + noise));
    labels(0, x, y, z) = names[std::min(std::max(k, 0), 6)];
  });
  return labels;
}

struct Sampled
{
  HostLabels label;
  HostField  weight;
};

Sampled
Evaluate(const SamplingCase & c, const HostLabels & labels, Outside outside, std::int32_t outsideLabel)
{
  const Lattice &                 lattice = c.displacement.lattice;
  const DeviceField<std::int32_t> output(lattice);
  const DeviceFloats              weight(lattice);
  ResampleLabels(TestDevice(),
                 c.Parameters(Interpolation::Linear, outside),
                 DeviceField<std::int32_t>(labels),
                 DeviceFloats(c.displacement),
                 outsideLabel,
                 output,
                 weight);
  return Sampled{ output.Download(), weight.Download() };
}

/** Weights of all labels at p. */
std::map<std::int32_t, double>
Weigh(const HostLabels & labels, const Vector3 & p, Outside outside)
{
  std::map<std::int32_t, double> weights;
  ForEachCorner(labels.lattice, p, outside, [&](int x, int y, int z, double weight) {
    weights[labels(0, x, y, z)] += weight;
  });
  return weights;
}
} // namespace

TEST(ResampleLabels, MatchesBruteForce)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const SamplingCase c = MakeSamplingCase(lattice, 11);
    const HostLabels   labels = MakeLabels(c.moving.lattice, 12);
    for (const Outside outside : { Outside::Value, Outside::Clamp })
    {
      const Sampled actual = Evaluate(c, labels, outside, -99);
      HostDoubles   weight(lattice);
      HostMask      use(lattice, 1, 1);
      int           undecided = 0;
      int           different = 0;
      ForEachVoxel(lattice, [&](int x, int y, int z) {
        const Vector3 p = c.Position(x, y, z);
        const auto    weights = Weigh(labels, p, outside);
        std::int32_t  best = -99;
        double        second = 0.0;
        for (const auto & each : weights)
        {
          if (each.second > weight(0, x, y, z))
          {
            second = weight(0, x, y, z);
            weight(0, x, y, z) = each.second;
            best = each.first;
          }
          else
          {
            second = std::max(second, each.second);
          }
        }
        if (DistanceToDecision(c.moving.lattice, p, true) < 2e-5)
        {
          use(0, x, y, z) = 0;
          ++undecided;
        }
        else if (weight(0, x, y, z) - second < 2e-5 && !weights.empty())
        {
          ++undecided;
        }
        else
        {
          different += actual.label(0, x, y, z) != best ? 1 : 0;
        }
      });
      EXPECT_EQ(different, 0);
      EXPECT_LE(undecided, 3 + lattice.NumberOfVoxels() / 500);
      EXPECT_RELATIVE_ERROR_WHERE(use, actual.weight, weight, 1e-5);
    }
  }
}

// Checks ties where float32 is exact: half-way between labels the smaller one wins, wherever it lies.
TEST(ResampleLabels, EqualWeightsGoToTheSmallerLabel)
{
  const Lattice lattice(6, 5, 4);
  SamplingCase  c;
  c.moving = HostField(lattice);
  c.displacement = HostField(lattice, 3);
  std::fill(c.displacement.values.begin(), c.displacement.values.end(), 0.5f);
  HostLabels labels(lattice);
  for (const bool descending : { false, true })
  {
    ForEachVoxel(lattice, [&](int x, int y, int z) {
      const int rank = x + 10 * y + 100 * z;
      labels(0, x, y, z) = descending ? -rank : rank;
    });
    const Sampled actual = Evaluate(c, labels, Outside::Value, 1000);
    ForEachVoxel(lattice, [&](int x, int y, int z) {
      const bool inside = x < 5 && y < 4 && z < 3;
      const int  first = x + 10 * y + 100 * z;
      EXPECT_EQ(actual.label(0, x, y, z), inside ? (descending ? -(first + 111) : first) : 1000);
      EXPECT_EQ(actual.weight(0, x, y, z), inside ? 0.125f : 0.0f);
    });
  }
}

TEST(ResampleLabels, GridPointsKeepTheirLabels)
{
  const Lattice    lattice(13, 17, 11);
  const HostLabels labels = MakeLabels(lattice, 21);
  SamplingCase     c;
  c.moving = HostField(lattice);
  c.displacement = HostField(lattice, 3);
  const Sampled actual = Evaluate(c, labels, Outside::Value, 0);
  EXPECT_SAME_BITS(actual.label, labels);
  EXPECT_MAXIMUM_ERROR(actual.weight, HostField(lattice, 1, 1.0f), 0.0);
  // without weight and displacement
  const DeviceField<std::int32_t> output(lattice);
  ResampleLabels(TestDevice(), ResampleParameters(), DeviceField<std::int32_t>(labels), ConstField(), 0, output);
  EXPECT_SAME_BITS(output.Download(), labels);
}

TEST(ResampleLabels, NotANumberLandsOutside)
{
  const Lattice lattice(13, 17, 11);
  SamplingCase  c;
  c.moving = HostField(lattice);
  c.displacement = HostField(lattice, 3);
  c.displacement(1, 3, 3, 3) = std::numeric_limits<float>::quiet_NaN();
  c.displacement(0, 4, 3, 3) = -1e12f;
  const Sampled actual = Evaluate(c, HostLabels(lattice, 1, 5), Outside::Value, 9);
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    EXPECT_EQ(actual.label(0, x, y, z), y == 3 && z == 3 && (x == 3 || x == 4) ? 9 : 5);
  });
}

TEST(ResampleLabels, RefusesWhatDoesNotFit)
{
  const Lattice                   lattice(6, 5, 4);
  const DeviceField<std::int32_t> labels(lattice);
  const DeviceField<std::int32_t> output(lattice);
  const DeviceFloats              wrong(lattice, 2);
  ResampleParameters              parameters;
  const auto                      call = [&](const ConstField & u, const Labels & to, const Field & weight) {
    ResampleLabels(TestDevice(), parameters, labels, u, 0, to, weight);
  };
  EXPECT_THROW(call(wrong, output, Field()), Error);
  EXPECT_THROW(call(ConstField(), labels, Field()), Error);
  EXPECT_THROW(call(ConstField(), output, wrong), Error);
  parameters.accumulate = true;
  EXPECT_THROW(call(ConstField(), output, Field()), Error);
}

namespace
{
/** Against ITK: linear resampling of each label's indicator image, and the largest of them. */
template <unsigned int VDimension>
void
CompareWithItk(const Lattice & lattice, const Lattice & movingLattice)
{
  using ImageType = Image<double, VDimension>;
  const auto geometry = MakeGeometry<VDimension>(5);
  SamplingCase     c;
  const HostLabels labels = MakeLabels(movingLattice, 31);
  c.moving = HostField(movingLattice);
  c.displacement = MakeDisplacement(lattice, 32, 3.0);
  auto field = DisplacementFieldTransform<double, VDimension>::New();
  field->SetDisplacementField(ToItkDisplacement(c.displacement, geometry));
  std::map<std::int32_t, HostDoubles> weights;
  for (const std::int32_t label : labels.values)
  {
    weights.emplace(label, HostDoubles());
  }
  for (auto & each : weights)
  {
    HostField indicator(movingLattice);
    for (std::size_t i = 0; i < labels.values.size(); ++i)
    {
      indicator.values[i] = labels.values[i] == each.first ? 1.0f : 0.0f;
    }
    auto resampler = ResampleImageFilter<ImageType, ImageType>::New();
    resampler->SetInput(ToItkImage(indicator, geometry));
    resampler->SetReferenceImage(MakeItkGrid<ImageType>(lattice, geometry));
    resampler->UseReferenceImageOn();
    resampler->SetTransform(field);
    resampler->SetDefaultPixelValue(0.0);
    resampler->Update();
    each.second = FromItkImage<VDimension>(resampler->GetOutput(), lattice);
  }
  const Sampled actual = Evaluate(c, labels, Outside::Value, -99);
  int           compared = 0;
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    std::int32_t best = -99;
    double       largest = 0.0;
    double       second = 0.0;
    for (const auto & each : weights)
    {
      const double weight = each.second(0, x, y, z);
      if (weight > largest)
      {
        second = largest;
        largest = weight;
        best = each.first;
      }
      else
      {
        second = std::max(second, weight);
      }
    }
    if (DistanceToDecision(movingLattice, c.Position(x, y, z), true) > 2e-5 && (best == -99 || largest - second > 2e-4))
    {
      EXPECT_EQ(actual.label(0, x, y, z), best);
      EXPECT_NEAR(actual.weight(0, x, y, z), largest, 1e-4);
      ++compared;
    }
  });
  EXPECT_GT(compared, lattice.NumberOfVoxels() * 98 / 100);
}
} // namespace

TEST(ResampleLabels, MatchesItkResampleImageFilterOfIndicators)
{
  CompareWithItk<3>(Lattice(37, 41, 29), Lattice(33, 44, 27));
  CompareWithItk<2>(Lattice(37, 41, 1), Lattice(33, 44, 1));
}
} // namespace test
} // namespace engine
} // namespace itk
