// SPDX-License-Identifier: Apache-2.0
#include "ReferenceFourier.h"

#include "Core/RecordWork.h"
#include "Operators/Arithmetic.h"

namespace itk
{
namespace engine
{
namespace test
{
// Checks that where the library is missing an Error says which, on every device.
TEST(FourierLibrary, IsThereOrIsNamed)
{
  try
  {
    const FourierTransform transform(TestDevice(), Lattice(4, 4, 4));
    EXPECT_GE(transform.Workspace(), 0);
  }
  catch (const Error & error)
  {
    const std::string library = TestDevice().IsCuda() ? "cuFFT" : "libfftw3-dev";
    EXPECT_NE(std::string(error.what()).find(library), std::string::npos) << error.what();
  }
}

TEST(FourierTransform, MatchesDouble)
{
  for (const Lattice & lattice : FourierLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField        field = MakeNoise(lattice, 3, 1, -1.0, 2.0);
    const FourierTransform transform(TestDevice(), lattice);
    const DeviceSpectrum   spectrum(lattice, 3);
    Transform(transform, field, spectrum);
    EXPECT_RELATIVE_ERROR(spectrum.Download(), StoredHalf(SpectrumInDouble(field)), 1e-6);
    HostField back = TransformBack(transform, spectrum);
    for (float & value : back.values)
    {
      value *= transform.Normalization();
    }
    EXPECT_RELATIVE_ERROR(back, field, 1e-6);
  }
}

// Checks that the input of Forward stays, and two plans of one size, or one moved, do the same.
TEST(FourierTransform, TwoPlansGiveTheSameBits)
{
  for (const Lattice & lattice : { Lattice(12, 9, 10), Lattice(31, 22, 1), Lattice(9, 7, 5) })
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField      field = MakeNoise(lattice, 2, 2, -1.0, 1.0);
    const DeviceFloats   device(field);
    FourierTransform     first(TestDevice(), lattice);
    const Workspace      workspace(first.Workspace());
    const DeviceSpectrum a(lattice, 2);
    const DeviceSpectrum b(lattice, 2);
    first.Forward(device, a, workspace.Data());
    EXPECT_SAME_BITS(device.Download(), field);
    const FourierTransform second(TestDevice(), lattice);
    second.Forward(device, b, workspace.Data());
    EXPECT_SAME_BITS(a.Download(), b.Download());
    const FourierTransform moved = std::move(first);
    EXPECT_SAME_BITS(TransformBack(moved, a), TransformBack(second, b));
  }
}

// Checks that where a field begins changes no bit on the CPU, whose components lie anywhere.
TEST(FourierTransform, ComponentsGiveTheSameBits)
{
  const Lattice          lattice(7, 5, 3);
  const FourierTransform transform(TestDevice(), lattice);
  HostField              field = MakeNoise(lattice, 3, 3, -1.0, 1.0);
  const std::int64_t     voxels = lattice.NumberOfVoxels();
  for (int c = 1; c < 3; ++c)
  {
    std::copy_n(field.values.begin(), voxels, field.values.begin() + c * voxels);
  }
  const DeviceSpectrum spectrum(lattice, 3);
  Transform(transform, field, spectrum);
  const HostSpectrum host = spectrum.Download();
  const std::int64_t modes = host.lattice.NumberOfVoxels();
  for (std::int64_t i = 0; i < modes; ++i)
  {
    EXPECT_EQ(host.values[i], host.values[i + modes]);
    EXPECT_EQ(host.values[i], host.values[i + 2 * modes]);
  }
}

TEST(FourierTransform, CanBeRecorded)
{
  const Lattice          lattice(10, 12, 6);
  const FourierTransform transform(TestDevice(), lattice);
  const HostField        field = MakeNoise(lattice, 1, 4, -1.0, 1.0);
  const DeviceFloats     values(field);
  const DeviceSpectrum   spectrum(lattice);
  const Workspace        workspace(transform.Workspace());
  const auto             work = [&] {
    transform.Forward(values, spectrum, workspace.Data());
    transform.Inverse(spectrum, values.View(), workspace.Data());
    LinearCombination(TestDevice(), transform.Normalization(), values, 0.0f, ConstField(), values);
  };
  work();
  const auto replay = RecordWork(TestDevice(), work);
  replay();
  replay();
  EXPECT_RELATIVE_ERROR(values.Download(), field, 1e-6);
}

// Checks that the values of a spectrum can be combined as a field.
TEST(FourierTransform, SpectraAreFieldsOfValues)
{
  const Lattice          lattice(9, 8, 5);
  const FourierTransform transform(TestDevice(), lattice);
  const DeviceSpectrum   a(lattice, 3);
  const DeviceSpectrum   b(lattice, 3);
  const HostField        x = MakeNoise(lattice, 3, 5, -1.0, 1.0);
  const HostField        y = MakeNoise(lattice, 3, 6, -1.0, 1.0);
  Transform(transform, x, a);
  Transform(transform, y, b);
  const float scale = transform.Normalization();
  LinearCombination(TestDevice(), 2.0f * scale, a.View().Values(), -scale, b.View().Values(), a.View().Values());
  HostDoubles expected(lattice, 3);
  for (std::size_t i = 0; i < expected.values.size(); ++i)
  {
    expected.values[i] = 2.0 * x.values[i] - y.values[i];
  }
  EXPECT_RELATIVE_ERROR(TransformBack(transform, a), expected, 1e-6);
}

TEST(FourierTransform, BadArgumentsAreNamed)
{
  const Lattice lattice(4, 3, 2);
  EXPECT_THROW(FourierTransform(TestDevice(), Lattice(4, 0, 2)), Error);
  Lattice block = lattice;
  block.own.size[2] = 1;
  EXPECT_THROW(FourierTransform(TestDevice(), block), Error);
  const FourierTransform transform(TestDevice(), lattice);
  const Workspace        workspace(transform.Workspace());
  const DeviceFloats     field(lattice, 3);
  const DeviceFloats     other(Lattice(4, 3, 3), 3);
  const DeviceSpectrum   spectrum(lattice, 3);
  const DeviceSpectrum   scalar(lattice, 1);
  const auto             message = [&](const std::function<void()> & call) -> std::string {
    try
    {
      call();
    }
    catch (const Error & error)
    {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message([&] { transform.Forward(other, spectrum, workspace.Data()); }).find("4x3x3"), std::string::npos);
  EXPECT_NE(message([&] { transform.Forward(field, scalar, workspace.Data()); }).find("spectrum"), std::string::npos);
  EXPECT_NE(message([&] { transform.Inverse(Spectrum(), field, workspace.Data()); }).find("missing"), std::string::npos);
  const Spectrum crooked(reinterpret_cast<Complex *>(field.View().data + 1), lattice, 3);
  EXPECT_NE(message([&] { transform.Inverse(crooked, field, workspace.Data()); }).find("aligned"), std::string::npos);
  if (transform.Workspace() > 0)
  {
    EXPECT_NE(message([&] { transform.Forward(field, spectrum, nullptr); }).find("workspace"), std::string::npos);
  }
}
} // namespace test
} // namespace engine
} // namespace itk
