// SPDX-License-Identifier: Apache-2.0
// Per voxel of the points: 12 bytes of displacement in twice, 4 of value per component, and eight read-modify-writes that
// the cache mostly holds, of one SIMD register where there are three components; per voxel of the output 4 bytes out.
#include "../Operators/Splat.h"

#include "LinearSampling.h"
#include "Parallel.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
/** The rows of the output, counted through all planes, that a row of points reaches. */
struct RowRange
{
  int first = std::numeric_limits<int>::max();
  int last = -1;
};

ITK_ENGINE_ROW void
FindOffsets(const SamplingBlock & block, bool clamp, int & lowest, int & highest)
{
  int low = lowest;
  int high = highest;
  for (int i = 0; i < block.count; ++i)
  {
    const bool use = clamp | (block.inside[i] != 0);
    const int  first = use ? block.offset[i] : std::numeric_limits<int>::max();
    const int  last = use ? block.offset[i] + block.step[1][i] + block.step[2][i] : -1;
    low = first < low ? first : low;
    high = last > high ? last : high;
  }
  lowest = low;
  highest = high;
}

/** Adds one block of values to a slab of the output that holds the offsets [begin, end). `straddles`: some of the eight
 * corners may lie in other slabs. */
template <bool straddles>
void
AddBlock(const SamplingBlock & block, bool clamp, const float * value, int begin, int end, double * slab)
{
  for (int i = 0; i < block.count; ++i)
  {
    if (!clamp && !block.inside[i])
    {
      continue;
    }
    const int    stepX = block.step[0][i];
    const double weightX = block.weight[0][i];
    const double weightY = block.weight[1][i];
    const double weightZ = block.weight[2][i];
    const double upperZ = weightZ * value[i];
    const double lowerZ = value[i] - upperZ;
    const double upperY[2] = { weightY * lowerZ, weightY * upperZ };
    const double parts[4] = { lowerZ - upperY[0], upperY[0], upperZ - upperY[1], upperY[1] };
    const int    offset = block.offset[i];
    const int    rows[4] = { offset,
                             offset + block.step[1][i],
                             offset + block.step[2][i],
                             offset + block.step[1][i] + block.step[2][i] };
    for (int k = 0; k < 4; ++k)
    {
      if (straddles && (rows[k] < begin || rows[k] >= end))
      {
        continue;
      }
      double * const target = slab + (rows[k] - begin);
      const double   upperX = weightX * parts[k];
      target[0] += parts[k] - upperX;
      target[stepX] += upperX;
    }
  }
}

#if defined(__GNUC__)
/** Four neighbouring numbers of a slab of vectors: three components and one that is not used. */
using Quad __attribute__((vector_size(4 * sizeof(double)), aligned(alignof(double)))) = double;
constexpr int QuadSize = 4;

/** AddBlock for three components at once; the slab holds them side by side. The same sums in the same order. */
template <bool straddles>
ITK_ENGINE_HOST_DEVICE void
AddVectors(const SamplingBlock & block, bool clamp, const float * const (&value)[3], int begin, int end, double * slab)
{
  for (int i = 0; i < block.count; ++i)
  {
    if (!clamp && !block.inside[i])
    {
      continue;
    }
    const Quad   all = { value[0][i], value[1][i], value[2][i], 0.0 };
    const double weightX = block.weight[0][i];
    const double weightY = block.weight[1][i];
    const double weightZ = block.weight[2][i];
    const Quad   upperZ = weightZ * all;
    const Quad   lowerZ = all - upperZ;
    const Quad   upperY[2] = { weightY * lowerZ, weightY * upperZ };
    const Quad   parts[4] = { lowerZ - upperY[0], upperY[0], upperZ - upperY[1], upperY[1] };
    const int    stepX = block.step[0][i];
    const int    offset = block.offset[i];
    const int    rows[4] = { offset,
                             offset + block.step[1][i],
                             offset + block.step[2][i],
                             offset + block.step[1][i] + block.step[2][i] };
    for (int k = 0; k < 4; ++k)
    {
      if (straddles && (rows[k] < begin || rows[k] >= end))
      {
        continue;
      }
      Quad * const target = reinterpret_cast<Quad *>(slab) + (rows[k] - begin);
      const Quad   upperX = weightX * parts[k];
      target[0] += parts[k] - upperX;
      target[stepX] += upperX;
    }
  }
}

ITK_ENGINE_ROW void
AddVectorBlock(const SamplingBlock & block,
               bool                  clamp,
               const float * const (&value)[3],
               bool     straddles,
               int      begin,
               int      end,
               double * slab)
{
  straddles ? AddVectors<true>(block, clamp, value, begin, end, slab)
            : AddVectors<false>(block, clamp, value, begin, end, slab);
}
#else
constexpr int QuadSize = 0;
#endif

/** Rows of a slab: a slab with its neighbours' traffic should stay in the cache, and slabs are the tasks. What the
 * result is does not depend on it. */
int
RowsOfSlab(const Lattice & lattice, int components)
{
  const std::int64_t rowBytes = static_cast<std::int64_t>(sizeof(double)) * components * lattice.size[0];
  const std::int64_t wanted = (std::int64_t{ 2 } << 20) / rowBytes;
  const int          ny = lattice.size[1];
  if (lattice.size[2] == 1)
  {
    return static_cast<int>(std::max<std::int64_t>(std::min<std::int64_t>(wanted, (ny + 31) / 32), 16));
  }
  return ny * static_cast<int>(std::max<std::int64_t>(4, std::min<std::int64_t>(wanted / ny, 16)));
}
} // namespace

void
Splat(const Device &,
      const ResampleParameters & parameters,
      const ConstField &         value,
      const ConstField &         displacement,
      float                      scale,
      const Field &              output,
      float *)
{
  RequireSamplingSize(output.lattice);
  const Lattice & domain = value.lattice;
  const Lattice & target = output.lattice;
  const bool      clamp = parameters.outside == Outside::Clamp;
  const int       nx = domain.size[0];
  const int       ny = domain.size[1];
  const int       components = value.components;
  const auto      locate = [&](SamplingBlock & block, int x, int y, int z) {
    const float * u[3] = {};
    for (int c = 0; displacement && c < 3; ++c)
    {
      u[c] = displacement.Component(c) + domain.Offset(x, y, z);
    }
    const int count = std::min(SamplingBlock::Capacity, nx - x);
    Locate(block, parameters.affine, &parameters.displacementMatrix, u, 1.0f, target.size, x, y, z, count);
  };

  std::vector<RowRange> ranges(static_cast<std::size_t>(ny) * domain.size[2]);
  ParallelFor(domain.size[2], [&](std::int64_t slice) {
    const int     z = static_cast<int>(slice);
    SamplingBlock block;
    for (int y = 0; y < ny; ++y)
    {
      int lowest = std::numeric_limits<int>::max();
      int highest = -1;
      for (int x = 0; x < nx; x += SamplingBlock::Capacity)
      {
        locate(block, x, y, z);
        FindOffsets(block, clamp, lowest, highest);
      }
      if (highest >= 0)
      {
        ranges[slice * ny + y] = RowRange{ lowest / target.size[0], highest / target.size[0] };
      }
    }
  });

  // A slab of the output goes over all points that reach it, in their order, so the sum of a voxel has one order,
  // whatever the slabs and the threads.
  const int rows = target.size[1] * target.size[2];
  const bool isVector = QuadSize > 0 && components == 3;
  const int  stored = isVector ? QuadSize : components;
  const int  rowsOfSlab = RowsOfSlab(target, stored);
  ParallelFor((rows + rowsOfSlab - 1) / rowsOfSlab, [&](std::int64_t task) {
    const int          firstRow = static_cast<int>(task) * rowsOfSlab;
    const int          endRow = std::min(rows, firstRow + rowsOfSlab);
    const int          begin = firstRow * target.size[0];
    const int          end = endRow * target.size[0];
    const std::int64_t voxels = end - begin;
    double * const     slab = ThreadScratch<double>(static_cast<std::size_t>(stored * voxels));
    std::fill_n(slab, stored * voxels, 0.0);
    SamplingBlock block;
    for (int z = 0; z < domain.size[2]; ++z)
    {
      for (int y = 0; y < ny; ++y)
      {
        const RowRange & range = ranges[static_cast<std::size_t>(z) * ny + y];
        if (range.last < firstRow || range.first >= endRow)
        {
          continue;
        }
        const bool straddles = range.first < firstRow || range.last >= endRow;
        for (int x = 0; x < nx; x += SamplingBlock::Capacity)
        {
          locate(block, x, y, z);
#if defined(__GNUC__)
          if (isVector)
          {
            const std::int64_t offset = domain.Offset(x, y, z);
            AddVectorBlock(block,
                           clamp,
                           { value.Component(0) + offset, value.Component(1) + offset, value.Component(2) + offset },
                           straddles,
                           begin,
                           end,
                           slab);
            continue;
          }
#endif
          for (int c = 0; c < components; ++c)
          {
            const float * const values = value.Component(c) + domain.Offset(x, y, z);
            straddles ? AddBlock<true>(block, clamp, values, begin, end, slab + c * voxels)
                      : AddBlock<false>(block, clamp, values, begin, end, slab + c * voxels);
          }
        }
      }
    }
    for (int c = 0; c < components; ++c)
    {
      float * const        to = output.Component(c) + begin;
      const double * const from = isVector ? slab + c : slab + c * voxels;
      const std::int64_t   stride = isVector ? QuadSize : 1;
      for (std::int64_t i = 0; i < voxels; ++i)
      {
        const double sum = scale * from[i * stride];
        to[i] = static_cast<float>(parameters.accumulate ? to[i] + sum : sum);
      }
    }
  });
}

std::int64_t
SplatWorkspace(const Lattice &)
{
  return 0;
}
} // namespace cpu
} // namespace engine
} // namespace itk
