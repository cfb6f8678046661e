// SPDX-License-Identifier: Apache-2.0
#ifndef itkEmulationGrid_h
#define itkEmulationGrid_h

#include "cuda_runtime.h"

#include <string>

namespace emulation
{
/** In what order the threads of a block run from one barrier to the next, and the blocks of a grid. Between two orders
 * that are the reverse of each other every pair of threads changes places, so that whoever relies on another thread
 * without waiting for it gets something else in one of them. */
enum class Order
{
  Forward,
  Reverse,
  Random ///< drawn anew for each interval between barriers
};

/** Runs all threads, block after block. Empty, or what is wrong: a barrier that some threads never reach, lanes of a
 * warp that do not meet, too much shared memory. */
std::string
RunGrid(const Launch & launch, Order order);

/** Most dynamic and static shared memory of a block. */
constexpr std::size_t SharedBytesByDefault = std::size_t{ 48 } << 10;
constexpr std::size_t SharedBytesOptIn = std::size_t{ 227 } << 10;

/** "SumKernel (Reductions.cu:72)". */
std::string
Describe(const Launch & launch);
} // namespace emulation

#endif
