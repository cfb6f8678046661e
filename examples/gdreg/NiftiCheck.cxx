// SPDX-License-Identifier: Apache-2.0
#include "NiftiCheck.h"

#include "BadInput.h"

#include "itk_zlib.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace gdreg
{
namespace
{
// Places in the header, from the NIfTI-1 standard.
constexpr std::size_t HeaderBytes = 348;
constexpr std::size_t DimensionsAt = 40;
constexpr std::size_t DataTypeAt = 70;
constexpr std::size_t BitsPerVoxelAt = 72;
constexpr std::size_t DataOffsetAt = 108;
constexpr int         Float32 = 16;
constexpr int         Float64 = 64;

bool
EndsWith(const std::string & text, const std::string & ending)
{
  return text.size() >= ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

template <typename TValue>
TValue
Read(const unsigned char * bytes, const bool swap)
{
  unsigned char copy[sizeof(TValue)];
  std::memcpy(copy, bytes, sizeof(TValue));
  if (swap)
  {
    std::reverse(copy, copy + sizeof(TValue));
  }
  TValue value;
  std::memcpy(&value, copy, sizeof(TValue));
  return value;
}

/** A number whose exponent bits are all set is infinite or none. */
template <typename TWord>
std::size_t
CountNotFinite(const unsigned char * bytes, const std::size_t count, const TWord exponent, const bool swap)
{
  std::size_t notFinite = 0;
  for (std::size_t i = 0; i < count; ++i)
  {
    notFinite += (Read<TWord>(bytes + i * sizeof(TWord), swap) & exponent) == exponent ? 1 : 0;
  }
  return notFinite;
}
} // namespace

void
CheckNiftiData(const std::string & argument, const std::string & path)
{
  if (!EndsWith(path, ".nii") && !EndsWith(path, ".nii.gz"))
  {
    return;
  }
  // Reads plain files too.
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file)
  {
    throw BadInput(argument, "'" + path + "' cannot be read");
  }
  gzbuffer(file.get(), 1u << 18);
  std::vector<unsigned char> buffer(1u << 20);
  const auto                 damaged = [&] { return BadInput(argument, "'" + path + "' is truncated or damaged"); };
  if (gzread(file.get(), buffer.data(), HeaderBytes) != static_cast<int>(HeaderBytes))
  {
    throw damaged();
  }
  const bool swap = Read<std::int32_t>(buffer.data(), false) != static_cast<std::int32_t>(HeaderBytes);
  if (Read<std::int32_t>(buffer.data(), swap) != static_cast<std::int32_t>(HeaderBytes))
  {
    return; // another version of the format
  }
  const int type = Read<std::int16_t>(buffer.data() + DataTypeAt, swap);
  const int bits = Read<std::int16_t>(buffer.data() + BitsPerVoxelAt, swap);
  const int dimension = std::clamp<int>(Read<std::int16_t>(buffer.data() + DimensionsAt, swap), 0, 7);
  auto      left = static_cast<std::uint64_t>(std::max(0, bits) / 8);
  for (int d = 1; d <= dimension; ++d)
  {
    left *=
      static_cast<std::uint64_t>(std::max<int>(0, Read<std::int16_t>(buffer.data() + DimensionsAt + 2 * d, swap)));
  }
  const auto offset = static_cast<z_off_t>(Read<float>(buffer.data() + DataOffsetAt, swap));
  if (gzseek(file.get(), std::max<z_off_t>(offset, HeaderBytes), SEEK_SET) < 0)
  {
    throw damaged();
  }
  std::size_t notFinite = 0;
  while (left > 0)
  {
    const auto wanted = static_cast<unsigned int>(std::min<std::uint64_t>(left, buffer.size()));
    if (gzread(file.get(), buffer.data(), wanted) != static_cast<int>(wanted))
    {
      throw damaged();
    }
    left -= wanted;
    if (type == Float32)
    {
      notFinite += CountNotFinite<std::uint32_t>(buffer.data(), wanted / 4, 0x7f800000u, swap);
    }
    else if (type == Float64)
    {
      notFinite += CountNotFinite<std::uint64_t>(buffer.data(), wanted / 8, 0x7ff0000000000000u, swap);
    }
  }
  if (notFinite > 0)
  {
    throw BadInput(argument, "'" + path + "' has " + std::to_string(notFinite) + " voxels that are NaN or infinite");
  }
}
} // namespace gdreg
