// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineParallel_h
#define itkEngineParallel_h

#include "../Core/Lattice.h"

#include "itkMultiThreaderBase.h"

#include <algorithm>
#include <cstdint>
#include <vector>

// Row functions carry this: they are compiled for several instruction sets and the best one is chosen when the library
// is loaded. Without contraction to fused multiply-adds (the engine's flags) all of them give the same bits.
#if defined(ITK_ENGINE_ROW)
// given from outside
#elif defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__)
#  define ITK_ENGINE_ROW __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#  define ITK_ENGINE_ROW
#endif

namespace itk
{
namespace engine
{
namespace cpu
{
/** Calls task(i) for i in [0, count) on ITK's thread pool. Which thread runs which task is not fixed, so results must
 * not depend on it: tasks write to their own places, and sums are taken per task and added in order afterwards. */
template <typename TTask>
void
ParallelFor(std::int64_t count, const TTask & task)
{
  if (count == 1)
  {
    task(0);
    return;
  }
  const auto threader = MultiThreaderBase::New();
  threader->ParallelizeArray(
    0, static_cast<SizeValueType>(count), [&task](SizeValueType i) { task(static_cast<std::int64_t>(i)); }, nullptr);
}

/** Values per task of the operators that treat a field as one long row. */
constexpr std::int64_t PieceSize = std::int64_t{ 1 } << 16;

inline std::int64_t
NumberOfPieces(std::int64_t count)
{
  return (count + PieceSize - 1) / PieceSize;
}

/** Calls task(begin, end, piece) for consecutive pieces of [0, count) whose bounds depend on `count` alone. */
template <typename TTask>
void
ParallelForPieces(std::int64_t count, const TTask & task)
{
  ParallelFor(NumberOfPieces(count), [&](std::int64_t piece) {
    task(piece * PieceSize, std::min(count, (piece + 1) * PieceSize), piece);
  });
}

/** Rows of a tile along y and z: what a tile and its neighbours sample of a volume then stays in the second-level cache
 * from one plane to the next. */
constexpr int TileY = 16;
constexpr int TileZ = 8;

inline std::int64_t
NumberOfTiles(const Lattice & lattice)
{
  return static_cast<std::int64_t>((lattice.own.size[1] + TileY - 1) / TileY) *
         ((lattice.own.size[2] + TileZ - 1) / TileZ);
}

/** Calls task(y, z, tile) for all rows, tile by tile; the tiles depend on the size alone and are the units of work. */
template <typename TTask>
void
ParallelForRows(const Lattice & lattice, const TTask & task)
{
  const int ny = lattice.own.size[1];
  const int nz = lattice.own.size[2];
  const int tilesY = (ny + TileY - 1) / TileY;
  ParallelFor(NumberOfTiles(lattice), [&](std::int64_t tile) {
    const int beginY = static_cast<int>(tile % tilesY) * TileY;
    const int beginZ = static_cast<int>(tile / tilesY) * TileZ;
    for (int z = beginZ; z < std::min(nz, beginZ + TileZ); ++z)
    {
      for (int y = beginY; y < std::min(ny, beginY + TileY); ++y)
      {
        task(y, z, tile);
      }
    }
  });
}

/** The larger number; NaN wins. */
inline double
LargerOrNaN(double a, double b)
{
  return a >= b || a != a ? a : b;
}

/** Scratch memory of a thread, kept from call to call. */
template <typename T>
T *
ThreadScratch(std::size_t count)
{
  thread_local std::vector<T> scratch;
  if (scratch.size() < count)
  {
    scratch.resize(count);
  }
  return scratch.data();
}
} // namespace cpu
} // namespace engine
} // namespace itk

#endif
