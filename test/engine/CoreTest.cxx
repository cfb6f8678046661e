// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Core/LateCopy.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
// Checks that offsets run x fastest and that components are planes.
TEST(Core, LatticeOrdersMemory)
{
  const Lattice lattice(5, 4, 3);
  EXPECT_EQ(lattice.NumberOfVoxels(), 60);
  EXPECT_EQ(lattice.Offset(1, 0, 0), 1);
  EXPECT_EQ(lattice.Offset(0, 1, 0), 5);
  EXPECT_EQ(lattice.Offset(0, 0, 1), 20);
  EXPECT_TRUE(lattice.IsWhole());
  EXPECT_TRUE(lattice == Lattice(5, 4, 3));
  EXPECT_TRUE(lattice != Lattice(5, 3, 4));
  // more than 2^31 voxels
  EXPECT_EQ(Lattice(2048, 2048, 1024).NumberOfVoxels(), std::int64_t{ 1 } << 32);

  float            value = 0.0f;
  const Field      field(&value, lattice, 3);
  const ConstField constant = field;
  EXPECT_EQ(field.Component(2) - field.data, 120);
  EXPECT_EQ(constant.NumberOfValues(), 180);
  EXPECT_FALSE(static_cast<bool>(Field()));
}

// Checks that a box inside the global lattice is not taken for the whole of it.
TEST(Core, LatticeKnowsItsOwnBox)
{
  Lattice block(5, 4, 3);
  block.own.size[0] = 2;
  EXPECT_FALSE(block.IsWhole());
  EXPECT_EQ(block.NumberOfVoxels(), 24);
  float value = 0.0f;
  EXPECT_THROW(RequireField(Field(&value, block), block, 1, "image"), Error);
}

// Checks that the message names the argument and both sizes.
TEST(Core, RequireFieldNamesTheArgument)
{
  float value = 0.0f;
  try
  {
    RequireField(Field(&value, Lattice(256, 300, 255)), Lattice(256, 300, 256), 1, "mask");
    FAIL() << "no error";
  }
  catch (const Error & error)
  {
    const std::string message = error.what();
    EXPECT_NE(message.find("mask"), std::string::npos);
    EXPECT_NE(message.find("256x300x255"), std::string::npos);
    EXPECT_NE(message.find("256x300x256"), std::string::npos);
  }
  EXPECT_THROW(RequireField(Field(), Lattice(2, 2, 2), 1, "mask"), Error);
  EXPECT_THROW(RequireField(Field(&value, Lattice(2, 2, 2), 1), Lattice(2, 2, 2), 3, "mask"), Error);
  EXPECT_NO_THROW(RequireField(Field(&value, Lattice(2, 2, 2), 3), Lattice(2, 2, 2), 3, "mask"));
}

TEST(Core, BufferKeepsWhatIsCopied)
{
  const HostField host = MakeNoise(Lattice(17, 5, 3), 2, 1, -1.0, 1.0);
  EXPECT_SAME_BITS(DeviceFloats(host).Download(), host);

  const Device & device = TestDevice();
  Buffer<float>  first(device, 100);
  EXPECT_EQ(first.Count(), 100);
  EXPECT_EQ(first.Bytes(), 400u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first.Data()) % 256, 0u);
  device.SetZero(first.Data(), first.Bytes());
  float * const pointer = first.Data();
  Buffer<float> second = std::move(first);
  EXPECT_EQ(second.Data(), pointer);
  EXPECT_EQ(first.Data(), nullptr);
  Buffer<float> copy(device, 100);
  device.Copy(copy.Data(), second.Data(), copy.Bytes());
  std::vector<float> values(100, 1.0f);
  device.CopyToHost(values.data(), copy.Data(), copy.Bytes());
  EXPECT_EQ(values, std::vector<float>(100, 0.0f));
}

// Checks the memory account that "peak GPU memory" is reported from.
TEST(Core, DeviceCountsBytes)
{
  const Device &    device = TestDevice();
  const std::size_t before = device.BytesInUse();
  device.ResetPeak();
  {
    const Buffer<float> a(device, 1000);
    EXPECT_GE(device.BytesInUse(), before + 4000);
    {
      const Buffer<float> b(device, 5000);
      EXPECT_GE(device.PeakBytes(), before + 24000);
    }
    EXPECT_LT(device.BytesInUse(), before + 24000);
  }
  EXPECT_EQ(device.BytesInUse(), before);
  EXPECT_GE(device.PeakBytes(), before + 24000);
  device.ResetPeak();
  EXPECT_EQ(device.PeakBytes(), before);
  EXPECT_GT(device.FreeBytes(), 0u);
}

// Checks that a late copy holds what was there when it was queued, and can be queued again.
TEST(Core, LateCopyBringsWhatWasThere)
{
  const Device &       device = TestDevice();
  const Buffer<double> numbers(device, 3);
  LateCopy             copy(device, 3);
  for (const double first : { 1.0, 5.0 })
  {
    const double values[3] = { first, 2.0, -3.5 };
    device.CopyFromHost(numbers.Data(), values, sizeof(values));
    copy.Queue(numbers.Data());
    device.SetZero(numbers.Data(), sizeof(values));
    const double * const result = copy.Wait();
    EXPECT_TRUE(std::equal(values, values + 3, result)) << result[0] << ' ' << result[1] << ' ' << result[2];
  }
}

TEST(Core, ArenaHandsOutAlignedPieces)
{
  Arena             arena(TestDevice(), 4096);
  float * const     first = arena.Take<float>(10);
  const std::size_t mark = arena.Mark();
  unsigned char *   second = arena.Take<unsigned char>(1);
  EXPECT_EQ(Arena::Round(1), 256u);
  EXPECT_EQ(Arena::Round(256), 256u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 256, 0u);
  EXPECT_EQ(second - reinterpret_cast<unsigned char *>(first), 256);
  arena.Release(mark);
  EXPECT_EQ(arena.Take<unsigned char>(1), second);
  EXPECT_NO_THROW(arena.Take<unsigned char>(4096 - 512));
  EXPECT_THROW(arena.Take<unsigned char>(1), Error);
}

// Checks that an allocation that cannot fit says how much was wanted, and leaves the account as it was.
TEST(Core, ImpossibleAllocationThrows)
{
  const Device &    device = TestDevice();
  const std::size_t before = device.BytesInUse();
  const std::size_t wanted = std::size_t{ 1 } << 50;
  try
  {
    device.Free(device.Allocate(wanted));
    FAIL() << "2^50 bytes were allocated";
  }
  catch (const OutOfMemoryError & error)
  {
    EXPECT_FALSE(std::string(error.what()).empty());
  }
  EXPECT_EQ(device.BytesInUse(), before);
  // the device still works
  const HostField host = MakeNoise(Lattice(4, 4, 4), 1, 1, 0.0, 1.0);
  EXPECT_SAME_BITS(DeviceFloats(host).Download(), host);
}

TEST(Core, DevicesAreEnumeratedAndOpenedByName)
{
  const std::vector<DeviceInformation> devices = Device::Enumerate();
  ASSERT_FALSE(devices.empty());
  EXPECT_EQ(devices[0].name, "cpu");
  EXPECT_TRUE(devices[0].usable);
  EXPECT_GT(devices[0].totalBytes, 0u);
  EXPECT_FALSE(devices[0].description.empty());
  for (const DeviceInformation & information : devices)
  {
    if (information.usable)
    {
      EXPECT_EQ(Device::Open(information.name).Name(), information.name);
    }
    else
    {
      EXPECT_FALSE(information.problem.empty());
      EXPECT_THROW(Device::Open(information.name), Error);
    }
  }
  EXPECT_FALSE(Device::Open("cpu").IsCuda());
  EXPECT_EQ(Device::Open("cpu").Ordinal(), -1);
  EXPECT_EQ(Device::Open("cpu").Stream(), nullptr);
  EXPECT_NO_THROW(Device::Open("auto"));
  EXPECT_EQ(TestDevice().IsCuda(), TestDevice().Stream() != nullptr);
  if (!Device::HasCudaBackend())
  {
    EXPECT_EQ(Device::Open("auto").Name(), "cpu");
  }
}

TEST(Core, UnknownDevicesAreNamed)
{
  for (const char * name :
       { "", "gpu", "CPU ", "cpu:0", "cuda:", "cuda:-1", "cuda:99", "cuda:0x", "cuda:1e3", "cuda:99999999999999" })
  {
    SCOPED_TRACE(name);
    try
    {
      Device::Open(name);
      ADD_FAILURE() << "opened";
    }
    catch (const Error & error)
    {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
}
} // namespace test
} // namespace engine
} // namespace itk
