// SPDX-License-Identifier: Apache-2.0
// Floor: the bytes once; 64-bit products, 3 per word, stay hidden.
#include "../Operators/Digest.h"

#include "../Math/Digest.h"
#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
__global__ void
__launch_bounds__(StreamThreads)
  DigestKernel(const unsigned long long * __restrict__ words, std::size_t bytes, unsigned long long * result)
{
  const std::int64_t count = static_cast<std::int64_t>(bytes / 8);
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x;
  unsigned long long sum = 0;
  for (std::int64_t i = thread; i < count; i += stride)
  {
    sum += MixWord(words[i], static_cast<std::uint64_t>(i));
  }
  if (thread == 0 && bytes % 8 != 0)
  {
    sum += MixWord(LastWord(reinterpret_cast<const unsigned char *>(words), bytes), static_cast<std::uint64_t>(count));
  }
  for (int distance = 16; distance > 0; distance >>= 1)
  {
    sum += __shfl_down_sync(0xffffffffu, sum, distance);
  }
  if (threadIdx.x % 32 == 0)
  {
    atomicAdd(result, sum);
  }
}
} // namespace

void
Digest(const Device & device, const void * data, std::size_t bytes, std::uint64_t * result)
{
  static_assert(sizeof(unsigned long long) == sizeof(std::uint64_t), "atomics of 64 bits");
  const cudaStream_t stream = Enter(device);
  device.SetZero(result, sizeof(*result));
  DigestKernel<<<StreamGrid(static_cast<std::int64_t>(bytes / 8)), StreamThreads, 0, stream>>>(
    static_cast<const unsigned long long *>(data), bytes, reinterpret_cast<unsigned long long *>(result));
  CheckLaunch(device, "Digest");
}
} // namespace cuda
} // namespace engine
} // namespace itk
