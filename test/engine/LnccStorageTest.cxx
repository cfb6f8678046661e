// SPDX-License-Identifier: Apache-2.0
// LNCC on images of 16 bits. Its meaning is tested with those of float32, in LnccTest.cxx.
#include "LnccTesting.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
template <typename TPixel>
HostFieldOf<TPixel>
Store(const HostField & image)
{
  HostFieldOf<TPixel> stored(image.lattice, image.components);
  for (std::size_t i = 0; i < image.values.size(); ++i)
  {
    stored.values[i] = FromFloat<TPixel>(image.values[i]);
  }
  return stored;
}

/** What is stored, exactly. */
template <typename TPixel>
HostField
Widen(const HostFieldOf<TPixel> & stored)
{
  HostField image(stored.lattice, stored.components);
  for (std::size_t i = 0; i < image.values.size(); ++i)
  {
    image.values[i] = ToFloat(stored.values[i]);
  }
  return image;
}

template <typename TPixel>
void
CompareStored(const LnccParameters & parameters,
              const HostField &      fixed,
              const HostField &      moving,
              const HostMask &       valid)
{
  SCOPED_TRACE(::testing::Message() << Name(StorageOf<TPixel>) << ' ' << Describe(fixed.lattice) << " radius "
                                    << parameters.radius[0] << ' ' << parameters.radius[1] << ' ' << parameters.radius[2]
                                    << (parameters.weights == LnccWeights::Gaussian ? " Gaussian" : " box")
                                    << (parameters.boundary == LnccBoundary::ZeroPadding ? " padded" : "")
                                    << (valid.values.empty() ? "" : " masked"));
  const auto storedFixed = Store<TPixel>(fixed);
  const auto storedMoving = Store<TPixel>(moving);
  CompareWithDouble(parameters,
                    Widen(storedFixed),
                    Widen(storedMoving),
                    valid,
                    Evaluate(parameters, storedFixed, storedMoving, valid));
}

// few and small, for the sake of an emulated device: several tiles of rows of whole groups and of others, 2D, less than a
// window
const Lattice lattices[] = { Lattice(36, 25, 6), Lattice(37, 13, 3), Lattice(22, 5, 1), Lattice(3, 2, 5), Lattice(1, 1, 1) };
} // namespace

// Checks all ways of summing windows.
TEST(LnccStorage, MatchesDouble)
{
  const int radii[][3] = { { 1, 1, 1 }, { 2, 2, 0 }, { 4, 4, 4 }, { 1, 3, 2 } };
  for (const Lattice & lattice : lattices)
  {
    const HostField fixed = MakeImage(lattice, 51, 0.0, 0.3);
    const HostField moving = MakeImage(lattice, 52, 0.0, 0.3);
    for (const HostMask & valid : { HostMask(), MakeMask(lattice, 53, 0.4) })
    {
      for (const auto & radius : radii)
      {
        CompareStored<BFloat16>(MakeLnccParameters(radius), fixed, moving, valid);
        CompareStored<Float16>(MakeLnccParameters(radius), fixed, moving, valid);
      }
      for (const LnccParameters & parameters : WithAllWindows({ 3, 3, 3 }))
      {
        CompareStored<BFloat16>(parameters, fixed, moving, valid);
        CompareStored<Float16>(parameters, fixed, moving, valid);
      }
    }
  }
}

// Checks shifts that no pixel can hold, where they count: next to zeros that pad.
TEST(LnccStorage, ShiftsBetweenPixels)
{
  for (const Lattice & lattice : { Lattice(36, 25, 3), Lattice(19, 13, 5) })
  {
    const HostField fixed = MakeImage(lattice, 54, 2.0, 0.3);
    const HostField moving = MakeImage(lattice, 55, -3.0, 0.3);
    for (const HostMask & valid : { HostMask(), MakeMask(lattice, 56, 0.1) })
    {
      for (LnccParameters parameters : WithAllWindows({ 2, 2, 2 }))
      {
        parameters.fixedShift = 2.5037f;
        parameters.movingShift = -2.4971f;
        CompareStored<BFloat16>(parameters, fixed, moving, valid);
        CompareStored<Float16>(parameters, fixed, moving, valid);
      }
    }
  }
}

namespace
{
template <typename TPixel>
void
CompareComponents(const LnccParameters & parameters)
{
  const Lattice    lattice(13, 7, 3);
  const auto       fixed = Store<TPixel>(MakeNoise(lattice, 2, 57, 0.0, 1.0));
  const auto       moving = Store<TPixel>(MakeNoise(lattice, 2, 58, 0.0, 1.0));
  const LnccEvaluation actual = Evaluate(parameters, fixed, moving, HostMask());
  const LnccEvaluation expected = Evaluate(parameters, Widen(fixed), Widen(moving), HostMask());
  EXPECT_RELATIVE_NEAR(actual.energy[0], expected.energy[0], 1e-6);
  EXPECT_EQ(actual.energy[1], expected.energy[1]);
  EXPECT_RELATIVE_ERROR(actual.gradient, expected.gradient, 1e-5);
  EXPECT_RELATIVE_ERROR(actual.movingGradient, expected.movingGradient, 1e-5);
  EXPECT_RELATIVE_ERROR(actual.fixedGradient, expected.fixedGradient, 1e-5);
}
} // namespace

// Checks that several components find their places.
TEST(LnccStorage, ComponentsAreThoseOfFloats)
{
  for (const std::array<int, 3> & radius : { std::array<int, 3>{ { 2, 2, 2 } }, { { 1, 2, 3 } } })
  {
    for (const LnccParameters & parameters : WithAllWindows(radius))
    {
      CompareComponents<BFloat16>(parameters);
      CompareComponents<Float16>(parameters);
    }
  }
}

namespace
{
template <typename TPixel>
void
CompareAddresses(int radius)
{
  const Lattice       lattice(36, 26, 5);
  const std::int64_t  voxels = lattice.NumberOfVoxels();
  const auto          fixed = Store<TPixel>(MakeImage(lattice, 59, 0.0, 0.3));
  const auto          moving = Store<TPixel>(MakeImage(lattice, 60, 0.0, 0.3));
  const int           radii[3] = { radius, radius, radius };
  const auto          parameters = MakeLnccParameters(radii);
  const LnccEvaluation    expected = Evaluate(parameters, fixed, moving, HostMask());
  HostFieldOf<TPixel> shifted(Lattice(static_cast<int>(voxels) + 1, 1, 1));
  std::copy(fixed.values.begin(), fixed.values.end(), shifted.values.begin() + 1);
  const DeviceField<TPixel> deviceFixed(shifted);
  const DeviceField<TPixel> deviceMoving(moving);
  const DeviceFloats        gradient(lattice);
  const DeviceScalars       energy(2);
  const Workspace workspace(LnccWorkspace(TestDevice(), parameters, lattice, 1, false, false, StorageOf<TPixel>));
  Lncc(TestDevice(),
       parameters,
       FieldView<TPixel>(deviceFixed.View().data + 1, lattice),
       deviceMoving,
       ConstMask(),
       energy.Data(),
       LnccGradients(gradient),
       workspace.Data());
  EXPECT_EQ(energy.Download(), expected.energy);
  EXPECT_SAME_BITS(gradient.Download(), expected.gradient);
}
} // namespace

// Checks images that do not begin where whole groups do.
TEST(LnccStorage, ImagesLieAnywhere)
{
  for (const int radius : { 3, 5 })
  {
    CompareAddresses<BFloat16>(radius);
    CompareAddresses<Float16>(radius);
  }
}

// Checks that two kinds of storage in one call are refused by name.
TEST(LnccStorage, MixedStorageThrows)
{
  const Lattice               lattice(5, 4, 3);
  const DeviceFloats          floats(lattice);
  const DeviceField<BFloat16> brain(lattice);
  const DeviceScalars         energy(2);
  const Workspace             workspace(64 * lattice.NumberOfVoxels());
  try
  {
    Lncc(TestDevice(), LnccParameters(), floats, brain, ConstMask(), energy.Data(), Field(), workspace.Data());
    FAIL() << "no error";
  }
  catch (const Error & error)
  {
    EXPECT_NE(std::string(error.what()).find("bfloat16"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("float32"), std::string::npos) << error.what();
  }
}
} // namespace test
} // namespace engine
} // namespace itk
