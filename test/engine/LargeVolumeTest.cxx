// SPDX-License-Identifier: Apache-2.0
// Volumes of more than 2^31 voxels. Their contents repeat along z, so that planes past 2^31 must come out as planes near
// the start do.
#include "EngineTesting.h"
#include "Operators/Compose.h"
#include "Operators/GaussianSmooth.h"
#include "Operators/Lncc.h"
#include "Operators/Reductions.h"
#include "Operators/Resample.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
constexpr int         Side = 1300;
constexpr int         Period = 52;
constexpr int         FarPlane = 1276; ///< the first voxel past 2^31 is in plane 1270
constexpr int         NearPlane = FarPlane - 20 * Period;
constexpr int         Planes = 8;
constexpr std::size_t NeededBytes = std::size_t{ 105 } << 30;
static_assert(std::int64_t{ Side } * Side * FarPlane > std::int64_t{ 1 } << 31, "the planes must lie past 2^31");

const Lattice &
Volume()
{
  static const Lattice lattice(Side, Side, Side);
  return lattice;
}

constexpr std::int64_t PlaneSize = std::int64_t{ Side } * Side;

/** `components` volumes of waves that repeat every Period planes. */
class Waves
{
public:
  Waves(int components, float phase, float amplitude)
    : m_Components(components)
    , m_Buffer(TestDevice(), components * Volume().NumberOfVoxels())
  {
    std::vector<float> period(PlaneSize * Period);
    for (int c = 0; c < components; ++c)
    {
      std::vector<float> alongX(Side);
      for (int x = 0; x < Side; ++x)
      {
        alongX[x] = static_cast<float>(std::sin(0.21 * x + phase + c));
      }
      for (int z = 0; z < Period; ++z)
      {
        for (int y = 0; y < Side; ++y)
        {
          const float along =
            static_cast<float>(std::cos(0.13 * y + 0.5 * c) * std::sin(2.0 * 3.14159265358979 * 4 * z / Period + phase));
          for (int x = 0; x < Side; ++x)
          {
            period[(std::int64_t{ z } * Side + y) * Side + x] = amplitude * (alongX[x] + along);
          }
        }
      }
      float * const      start = m_Buffer.Data() + c * Volume().NumberOfVoxels();
      const std::int64_t voxels = Period * PlaneSize;
      TestDevice().CopyFromHost(start, period.data(), sizeof(float) * voxels);
      for (int repetition = 1; repetition < Side / Period; ++repetition)
      {
        TestDevice().Copy(start + repetition * voxels, start, sizeof(float) * voxels);
      }
    }
  }

  operator ConstField() const { return ConstField(m_Buffer.Data(), Volume(), m_Components); }

private:
  int           m_Components;
  Buffer<float> m_Buffer;
};

/** Zeros, to be overwritten. */
class Result
{
public:
  explicit Result(int components)
    : m_Components(components)
    , m_Buffer(TestDevice(), components * Volume().NumberOfVoxels())
  {
    TestDevice().SetZero(m_Buffer.Data(), m_Buffer.Bytes());
  }

  operator Field() const { return Field(m_Buffer.Data(), Volume(), m_Components); }

  void
  ExpectRepetition() const
  {
    for (int c = 0; c < m_Components; ++c)
    {
      const std::vector<float> near = Read(c, NearPlane);
      const std::vector<float> far = Read(c, FarPlane);
      double                   norm = 0.0;
      double                   difference = 0.0;
      for (std::size_t i = 0; i < near.size(); ++i)
      {
        norm += std::fabs(near[i]);
        difference += std::fabs(far[i] - near[i]);
      }
      EXPECT_GT(norm, 0.0);
      EXPECT_LE(difference, 1e-5 * norm);
    }
  }

private:
  std::vector<float>
  Read(int component, int plane) const
  {
    std::vector<float> values(Planes * PlaneSize);
    TestDevice().CopyToHost(values.data(),
                            m_Buffer.Data() + component * Volume().NumberOfVoxels() + plane * PlaneSize,
                            sizeof(float) * values.size());
    return values;
  }

  int           m_Components;
  Buffer<float> m_Buffer;
};

bool
Fits()
{
  return TestDevice().IsCuda() && TestDevice().FreeBytes() > NeededBytes;
}
} // namespace

TEST(LargeVolume, ResampleSumAndSmooth)
{
  if (!Fits())
  {
    GTEST_SKIP() << "needs a GPU with " << (NeededBytes >> 30) << " GiB";
  }
  const Waves        image(1, 0.3f, 1.0f);
  const Result       resampled(1);
  ResampleParameters parameters;
  for (int axis = 0; axis < 3; ++axis)
  {
    parameters.affine.displacement[axis][3] = 0.25f;
  }
  Resample(TestDevice(), parameters, image, ConstField(), resampled);
  resampled.ExpectRepetition();

  const Buffer<double> sum(TestDevice(), 1);
  const auto           total = [&](const ConstField & field) {
    double value = 0.0;
    Sum(TestDevice(), field, sum.Data());
    TestDevice().CopyToHost(&value, sum.Data(), sizeof(value));
    return value;
  };
  const float  last = 1.0f;
  const Result marked(1);
  const Field  field = marked;
  TestDevice().CopyFromHost(field.data + Volume().NumberOfVoxels() - 1, &last, sizeof(last));
  EXPECT_EQ(total(field), 1.0);

  const Result    workspace(1);
  SymmetricKernel kernels[3];
  std::fill_n(kernels, 3, MakeGaussianKernel(1.0));
  GaussianSmooth(TestDevice(), kernels, SmoothBoundary::ZeroFlux, image, resampled, workspace);
  resampled.ExpectRepetition();
}

TEST(LargeVolume, Compose)
{
  if (!Fits())
  {
    GTEST_SKIP() << "needs a GPU with " << (NeededBytes >> 30) << " GiB";
  }
  const Waves  outer(3, 0.3f, 1.0f);
  const Waves  inner(3, 0.8f, 1.0f);
  const Result output(3);
  engine::Compose(TestDevice(), ComposeParameters(), outer, inner, output);
  output.ExpectRepetition();
}

TEST(LargeVolume, Lncc)
{
  if (!Fits())
  {
    GTEST_SKIP() << "needs a GPU with " << (NeededBytes >> 30) << " GiB";
  }
  const Waves          fixed(1, 0.3f, 1.0f);
  const Waves          moving(1, 0.6f, 1.0f);
  const Buffer<double> energy(TestDevice(), 2);
  for (const int radius : { 2, 6 })
  {
    LnccParameters parameters;
    std::fill_n(parameters.radius, 3, radius);
    const Result        gradient(1);
    const Buffer<float> workspace(TestDevice(), LnccWorkspace(TestDevice(), parameters, Volume()));
    engine::Lncc(TestDevice(),
                 parameters,
                 fixed,
                 moving,
                 ConstMask(),
                 energy.Data(),
                 LnccGradients(static_cast<Field>(gradient)),
                 workspace.Data());
    gradient.ExpectRepetition();
  }
}

// Checks components that are too many to be worked on at once: the mean of what each gives alone.
TEST(LargeVolume, LnccInBatches)
{
  if (!Fits())
  {
    GTEST_SKIP() << "needs a GPU with " << (NeededBytes >> 30) << " GiB";
  }
  constexpr int        components = 3; // 2^24 voxels each; two are a batch
  const Lattice        lattice(256, 256, 256);
  const DeviceField<float> fixed(MakeNoise(lattice, components, 71, 0.0, 1.0));
  const DeviceField<float> moving(MakeNoise(lattice, components, 72, 0.0, 1.0));
  const DeviceField<float> gradient(lattice, components);
  const DeviceField<float> alone(lattice, 1);
  const LnccParameters parameters;
  const auto           evaluate = [&](const ConstField & first, const ConstField & second, const Field & result) {
    const Buffer<float>  workspace(TestDevice(), LnccWorkspace(TestDevice(), parameters, lattice, first.components));
    const Buffer<double> energy(TestDevice(), 2);
    engine::Lncc(TestDevice(),
                 parameters,
                 first,
                 second,
                 ConstMask(),
                 energy.Data(),
                 LnccGradients(result),
                 workspace.Data());
    std::array<double, 2> numbers;
    TestDevice().CopyToHost(numbers.data(), energy.Data(), sizeof(numbers));
    EXPECT_EQ(numbers[1], static_cast<double>(lattice.NumberOfVoxels()));
    return numbers[0];
  };
  const double    together = evaluate(fixed, moving, gradient);
  const HostField ofAll = gradient.Download();
  double          mean = 0.0;
  for (int c = 0; c < components; ++c)
  {
    const ConstField f(fixed.View().Component(c), lattice);
    const ConstField m(moving.View().Component(c), lattice);
    mean += evaluate(f, m, alone) / components;
    const HostField one = alone.Download();
    double          largest = 0.0;
    double          difference = 0.0;
    for (std::int64_t i = 0; i < lattice.NumberOfVoxels(); ++i)
    {
      const double expected = one.values[i] / components;
      largest = std::max(largest, std::abs(expected));
      difference = std::max(difference, std::abs(ofAll.values[c * lattice.NumberOfVoxels() + i] - expected));
    }
    EXPECT_LE(difference, 1e-5 * largest) << "component " << c;
  }
  EXPECT_NEAR(together, mean, 1e-6 * mean);
}
} // namespace test
} // namespace engine
} // namespace itk
