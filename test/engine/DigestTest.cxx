// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/Digest.h"

#include <set>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
std::uint64_t
DigestOn(const Device & device, const std::vector<unsigned char> & values)
{
  const Buffer<unsigned char> data(device, static_cast<std::int64_t>(values.size()));
  const Buffer<std::uint64_t> result(device, 1);
  device.CopyFromHost(data.Data(), values.data(), data.Bytes());
  Digest(device, data.Data(), data.Bytes(), result.Data());
  std::uint64_t digest = 0;
  device.CopyToHost(&digest, result.Data(), sizeof(digest));
  return digest;
}

std::vector<unsigned char>
MakeBytes(std::size_t count)
{
  Random                     random(5);
  std::vector<unsigned char> bytes(count);
  for (unsigned char & byte : bytes)
  {
    byte = static_cast<unsigned char>(random.Uniform(0.0, 256.0));
  }
  return bytes;
}
} // namespace

// Checks the formula word by word, for lengths with and without a last word that is not whole.
TEST(Digest, IsTheSumOfTheMixedWords)
{
  for (const std::size_t count : { 1, 7, 8, 9, 64, 8191, 600011 })
  {
    const auto    bytes = MakeBytes(count);
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < (count + 7) / 8; ++i)
    {
      std::uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
      for (std::size_t b = 8 * i; b < std::min(count, 8 * i + 8); ++b)
      {
        z += std::uint64_t{ bytes[b] } << (8 * (b - 8 * i));
      }
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      expected += z ^ (z >> 31);
    }
    EXPECT_EQ(DigestOn(TestDevice(), bytes), expected) << count << " bytes";
    EXPECT_EQ(DigestOn(Device::Open("cpu"), bytes), expected) << count << " bytes";
  }
}

TEST(Digest, TellsContentsApart)
{
  auto                    bytes = MakeBytes(240);
  std::set<std::uint64_t> digests{ DigestOn(TestDevice(), bytes) };
  for (unsigned char & byte : bytes)
  {
    byte ^= 1u;
    digests.insert(DigestOn(TestDevice(), bytes));
    byte ^= 1u;
  }
  auto swapped = bytes;
  std::swap_ranges(swapped.begin(), swapped.begin() + 8, swapped.begin() + 48);
  digests.insert(DigestOn(TestDevice(), swapped));
  digests.insert(DigestOn(TestDevice(), std::vector<unsigned char>(240, 0)));
  EXPECT_EQ(digests.size(), 243u);
}

TEST(Digest, MisalignedMemoryThrows)
{
  const Buffer<unsigned char> data(TestDevice(), 64);
  const Buffer<std::uint64_t> result(TestDevice(), 1);
  EXPECT_THROW(Digest(TestDevice(), data.Data() + 1, 8, result.Data()), Error);
  EXPECT_THROW(Digest(TestDevice(), nullptr, 8, result.Data()), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
