// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/Arithmetic.h"
#include "Transfer/HostMemory.h"

#include <algorithm>
#include <numeric>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** What a device reads in memory of the host. */
std::vector<float>
ReadOn(const Device & device, const std::vector<float> & host)
{
  const HostInput    input(device, host.data(), sizeof(float) * host.size());
  std::vector<float> values(host.size());
  device.CopyToHost(values.data(), input.Data(), sizeof(float) * host.size());
  return values;
}

std::size_t
Uploads()
{
  return Residency::Get().GetCounts().uploads;
}

/** Every test begins without copies. */
class Fresh
{
public:
  Fresh() { Residency::Get().Release(); }
  ~Fresh() { Residency::Get().SetLimit(std::size_t{ 1 } << 30); }
};

/** On a GPU so many, on the CPU none. */
std::size_t
IfCuda(std::size_t uploads)
{
  return TestDevice().IsCuda() ? uploads : 0;
}
} // namespace

TEST(Residency, SameMemoryIsUploadedOnce)
{
  const Fresh        fresh;
  std::vector<float> host(10007);
  std::iota(host.begin(), host.end(), 1.0f);
  const std::size_t before = Uploads();
  EXPECT_EQ(ReadOn(TestDevice(), host), host);
  EXPECT_EQ(ReadOn(TestDevice(), host), host);
  // a second device handle, with a stream of its own
  EXPECT_EQ(ReadOn(Device::Open(TestDevice().Name()), host), host);
  EXPECT_EQ(Uploads() - before, IfCuda(1));
  EXPECT_EQ(Residency::Get().GetCounts().residentBytes, IfCuda(sizeof(float) * host.size()));
}

// Checks the rule: an edit needs no announcement.
TEST(Residency, EditsOnTheHostAreSeen)
{
  const Fresh        fresh;
  std::vector<float> host(4096, 1.0f);
  const std::size_t  before = Uploads();
  EXPECT_EQ(ReadOn(TestDevice(), host), host);
  host.back() = 2.0f;
  EXPECT_EQ(ReadOn(TestDevice(), host), host);
  std::swap(host.front(), host.back());
  EXPECT_EQ(ReadOn(TestDevice(), host), host);
  EXPECT_EQ(Uploads() - before, IfCuda(3));
  EXPECT_EQ(ReadOn(TestDevice(), host), host);
  EXPECT_EQ(Uploads() - before, IfCuda(3));
}

TEST(Residency, ResultsStayWhereTheyWereComputed)
{
  const Fresh        fresh;
  const Lattice      lattice(31, 17, 5);
  std::vector<float> host(lattice.NumberOfVoxels(), 0.5f);
  std::vector<float> result(host.size());
  const std::size_t  bytes = sizeof(float) * host.size();
  const std::size_t  before = Uploads();
  {
    const HostInput  input(TestDevice(), host.data(), bytes);
    const HostOutput output(TestDevice(), { result.data(), bytes });
    LinearCombination(TestDevice(),
                      3.0f,
                      ConstField(static_cast<const float *>(input.Data()), lattice),
                      0.0f,
                      ConstField(),
                      Field(static_cast<float *>(output.Data()), lattice));
    output.Download();
    if (!TestDevice().IsCuda())
    {
      EXPECT_EQ(input.Data(), host.data());
      EXPECT_EQ(output.Data(), result.data());
    }
  }
  EXPECT_EQ(result, std::vector<float>(host.size(), 1.5f));
  EXPECT_EQ(ReadOn(TestDevice(), result), result);
  EXPECT_EQ(Uploads() - before, IfCuda(1));

  // part of it, from the resident copy and after an edit by an upload of the part
  const std::size_t plane = sizeof(float) * 31 * 17;
  const auto        readPlane = [&] {
    const HostInput    block(TestDevice(), result.data(), bytes, 2 * plane, plane);
    std::vector<float> values(31 * 17);
    TestDevice().CopyToHost(values.data(), block.Data(), plane);
    return values;
  };
  EXPECT_EQ(readPlane(), std::vector<float>(31 * 17, 1.5f));
  EXPECT_EQ(Uploads() - before, IfCuda(1));
  std::fill(result.begin(), result.end(), 4.0f);
  EXPECT_EQ(readPlane(), std::vector<float>(31 * 17, 4.0f));
  EXPECT_EQ(Uploads() - before, IfCuda(2));
}

TEST(Residency, TheOldestCopiesGoFirst)
{
  const Fresh                     fresh;
  std::vector<std::vector<float>> hosts(4, std::vector<float>(1000, 1.0f));
  Residency::Get().SetLimit(3 * 4000);
  for (const auto & host : hosts)
  {
    ReadOn(TestDevice(), host);
    ReadOn(TestDevice(), hosts[0]);
  }
  EXPECT_EQ(Residency::Get().GetCounts().residentBytes, IfCuda(3 * 4000));
  std::size_t before = Uploads();
  ReadOn(TestDevice(), hosts[0]);
  ReadOn(TestDevice(), hosts[2]);
  ReadOn(TestDevice(), hosts[3]);
  EXPECT_EQ(Uploads() - before, 0u);
  ReadOn(TestDevice(), hosts[1]);
  EXPECT_EQ(Uploads() - before, IfCuda(1));

  // nothing is kept that is too large, and nothing at all under a limit of 0
  Residency::Get().SetLimit(3999);
  ReadOn(TestDevice(), hosts[0]);
  EXPECT_EQ(Residency::Get().GetCounts().residentBytes, 0u);
  Residency::Get().SetLimit(0);
  before = Uploads();
  EXPECT_EQ(ReadOn(TestDevice(), hosts[0]), hosts[0]);
  EXPECT_EQ(ReadOn(TestDevice(), hosts[0]), hosts[0]);
  EXPECT_EQ(Uploads() - before, IfCuda(2));
}

// Checks that copies give way to an allocation that fails, and stay valid for who works with them.
TEST(Residency, CopiesGiveWayToAllocations)
{
  const Fresh              fresh;
  const std::vector<float> host(1000, 7.0f);
  const HostInput          input(TestDevice(), host.data(), 4000);
  EXPECT_THROW(TestDevice().Allocate(std::size_t{ 1 } << 50), OutOfMemoryError);
  EXPECT_EQ(Residency::Get().GetCounts().residentBytes, 0u);
  std::vector<float> values(1000);
  TestDevice().CopyToHost(values.data(), input.Data(), 4000);
  EXPECT_EQ(values, host);
}

// Checks copies through staging memory, of more pieces than there are, and its use by one stream after another.
TEST(Residency, LargeCopiesArriveWhole)
{
  const Fresh        fresh;
  std::vector<float> host((std::size_t{ 75 } << 18) + 3);
  std::iota(host.begin(), host.end(), 0.0f);
  Residency::Get().SetLimit(0);
  for (int run = 0; run < 2; ++run)
  {
    EXPECT_TRUE(ReadOn(Device::Open(TestDevice().Name()), host) == host);
    host[std::size_t{ 40 } << 18] = -1.0f;
  }
}

TEST(Residency, PreparedPagesTakeWhatIsWritten)
{
  std::vector<float> host(5000000, 3.0f);
  const HostBlock    block{ host.data(), sizeof(float) * host.size() };
  {
    const PagePreparation pages(TestDevice(), { block, HostBlock() });
  }
  std::fill(host.begin(), host.end(), 4.0f);
  EXPECT_EQ(static_cast<std::size_t>(std::count(host.begin(), host.end(), 4.0f)), host.size());
}
} // namespace test
} // namespace engine
} // namespace itk
