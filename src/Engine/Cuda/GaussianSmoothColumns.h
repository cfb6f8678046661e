// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaGaussianSmoothColumns_h
#define itkEngineCudaGaussianSmoothColumns_h

#include "../Operators/GaussianSmooth.h"

#include "../Math/Interpolation.h"
#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// The half of GaussianSmooth.cu for narrow kernels, all axes in one pass. Included by GaussianSmooth.cu alone.
//
// A block walks up z through a column of tiles. Per plane, each thread filters one strip of a column along y, from
// registers that were loaded while the plane before was worked on, into shared memory; after the only barrier of the
// plane it filters four neighbours along x from there and adds them to the 2 r unfinished outputs along z that it keeps
// in registers. Floor per value: 8 bytes and 3 (2 r + 1) flops. More than that come the halo, (64 + 2 r) / 64 of the
// filter along y and from the L2 cache (64 + 2 r) (Rows + 2 r) / (64 Rows) of the reads, and the 2 r
// planes beyond a piece of a column once more for every piece.
namespace
{
/** Wider kernels would need more registers for unfinished outputs than there are. */
constexpr int MaximumColumnRadius = 8;

/** Weights of the three axes up to a common radius, the shorter ones padded with zeros. */
struct ColumnWeights
{
  float x[MaximumColumnRadius + 1] = {};
  float y[MaximumColumnRadius + 1] = {};
  float z[MaximumColumnRadius + 1] = {};
};

/** How the work on a tile is shared out. */
template <int radius>
struct ColumnShape
{
  /** Outputs of a thread: this many rows of four. Each costs 2 r registers. */
  static constexpr int RowsPerThread = 1;
  /** Blocks that a multiprocessor holds at once: bounds the registers, and pieces of columns are cut for it. */
  static constexpr int BlocksPerProcessor = radius <= 3 ? 4 : (radius <= 5 ? 3 : 2);

  static constexpr int Columns = 64;
  static constexpr int RowStep = 16;
  static constexpr int Rows = RowStep * RowsPerThread;
  static constexpr int Threads = Columns / 4 * RowStep;

  /** The first step has columns of Width to fill the same threads: three strips, of which the last may reach beyond. */
  static constexpr int Width = Columns + 2 * radius;
  static constexpr int Strips = 3;
  static constexpr int Strip = (Rows + Strips - 1) / Strips;
  static constexpr int FilteredRows = Strips * Strip;
  static constexpr int Loads = Strip + 2 * radius;
  static_assert(Width * Strips <= Threads, "a thread filters one strip");

  /** Four outputs along x are made from so many aligned quadruples. */
  static constexpr int Quads = (4 + 2 * radius + 3) / 4;
  static constexpr int Pitch = Columns - 4 + 4 * Quads;
  static constexpr int PlaneFloats = FilteredRows * Pitch;
};

struct ColumnTiles
{
  int  x;             ///< tiles along x
  int  plane;         ///< tiles of a plane
  int  columns;       ///< columns of tiles of all components
  int  length;        ///< planes that a block walks up
  bool alignedOutput; ///< rows can be written 16 bytes at a time
};

/** Filters along x and y, and with `alongZ` along z. Blocks that run at the same time are at the same planes of
 * neighbouring columns, so that the halo comes from the L2 cache. */
template <int radius, bool alongZ, bool zeroOutside>
__global__ void
__launch_bounds__(ColumnShape<radius>::Threads, ColumnShape<radius>::BlocksPerProcessor)
  SmoothColumnsKernel(const __grid_constant__ ColumnWeights weights,
                      const ColumnTiles                     tiles,
                      const Extent                          extent,
                      const float * __restrict__ input,
                      float * __restrict__ output)
{
  using Shape = ColumnShape<radius>;
  constexpr int depth = alongZ ? radius : 0;
  // Two planes in turn: one barrier between writing and reading a plane is enough.
  __shared__ __align__(16) float filtered[2][Shape::PlaneFloats];
  // Read anew for each plane. The compiler would keep the offsets of all rows in registers if it knew that they stay.
  __shared__ volatile int reread[2];
  int                     buffer = 0;

  const int  column = threadIdx.x % Shape::Width;
  const int  strip = threadIdx.x / Shape::Width;
  const bool filtersY = strip < Shape::Strips;
  const int  written = strip * Shape::Strip * Shape::Pitch + column;

  const int  quad = threadIdx.x % (Shape::Columns / 4);
  const int  row = threadIdx.x / (Shape::Columns / 4);
  const int  read = row * Shape::Pitch + 4 * quad;

  const int          piece = blockIdx.x / tiles.columns;
  const int          tile = blockIdx.x - piece * tiles.columns;
  const int          component = tile / tiles.plane;
  const int          inPlane = tile - component * tiles.plane;
  const int          firstX = inPlane % tiles.x * Shape::Columns;
  const int          firstY = inPlane / tiles.x * Shape::Rows;
  const int          begin = piece * tiles.length;
  const int          end = min(begin + tiles.length, extent.nz);
  const int          planeSize = extent.PlaneSize();
  const std::int64_t volume = static_cast<std::int64_t>(component) * extent.nz * planeSize;
  if (threadIdx.x == 0)
  {
    reread[0] = firstY;
    reread[1] = extent.nx;
  }
  __syncthreads();

  const int           x = firstX + column - radius;
  const int           insideX = ClampIndex(x, extent.nx);
  const bool          interior = firstY >= radius && firstY + Shape::FilteredRows + radius <= extent.ny;
  const float * const source = input + volume + insideX;
  float               raw[Shape::Loads] = {};
  const auto          load = [&](int z) {
    if (!filtersY)
    {
      return;
    }
    const float * const plane = source + static_cast<std::int64_t>(ClampIndex(z, extent.nz)) * planeSize;
    const int           top = reread[0] + strip * Shape::Strip - radius;
    const int           pitch = reread[1];
    if (interior)
    {
      const float * const first = plane + top * pitch;
#pragma unroll
      for (int k = 0; k < Shape::Loads; ++k)
      {
        raw[k] = __ldg(first + k * pitch);
      }
    }
    else
    {
#pragma unroll
      for (int k = 0; k < Shape::Loads; ++k)
      {
        raw[k] = __ldg(plane + ClampIndex(top + k, extent.ny) * pitch);
      }
    }
  };
  load(begin - depth);

  const int outputX = firstX + 4 * quad;
  const int outputY = firstY + row;
  float *   target = output + volume + static_cast<std::int64_t>(begin) * planeSize + outputY * extent.nx + outputX;
  const int columnsInside = min(extent.nx - outputX, 4);
  const int rowsInside = columnsInside > 0 ? extent.ny - outputY : 0;

  float unfinished[Shape::RowsPerThread][4][2 * depth + 1] = {};
#pragma unroll 1
  for (int z = begin - depth; z < end + depth; ++z)
  {
    if (filtersY)
    {
      const bool outside = x != insideX || z != ClampIndex(z, extent.nz);
      if (zeroOutside && (outside || !interior))
      {
        const int top = reread[0] + strip * Shape::Strip - radius;
#pragma unroll
        for (int k = 0; k < Shape::Loads; ++k)
        {
          raw[k] = outside || top + k != ClampIndex(top + k, extent.ny) ? 0.0f : raw[k];
        }
      }
      float * const out = filtered[buffer] + written;
#pragma unroll
      for (int j = 0; j < Shape::Strip; ++j)
      {
        float sum = weights.y[0] * raw[j + radius];
#pragma unroll
        for (int k = 1; k <= radius; ++k)
        {
          sum += weights.y[k] * (raw[j + radius - k] + raw[j + radius + k]);
        }
        out[j * Shape::Pitch] = sum;
      }
    }
    if (z + 1 < end + depth)
    {
      load(z + 1);
    }
    __syncthreads();

    const bool finishes = z - depth >= begin;
#pragma unroll
    for (int j = 0; j < Shape::RowsPerThread; ++j)
    {
      float window[4 * Shape::Quads];
#pragma unroll
      for (int q = 0; q < Shape::Quads; ++q)
      {
        const float4 four =
          *reinterpret_cast<const float4 *>(filtered[buffer] + read + j * Shape::RowStep * Shape::Pitch + 4 * q);
        window[4 * q] = four.x;
        window[4 * q + 1] = four.y;
        window[4 * q + 2] = four.z;
        window[4 * q + 3] = four.w;
      }
      float value[4];
#pragma unroll
      for (int i = 0; i < 4; ++i)
      {
        value[i] = weights.x[0] * window[i + radius];
#pragma unroll
        for (int k = 1; k <= radius; ++k)
        {
          value[i] += weights.x[k] * (window[i + radius - k] + window[i + radius + k]);
        }
      }
      if (alongZ)
      {
        // This plane is the last of output z - r and the first of output z + r; all move up by one.
#pragma unroll
        for (int i = 0; i < 4; ++i)
        {
          float(&sums)[2 * depth + 1] = unfinished[j][i];
          const float finished = sums[0] + weights.z[depth] * value[i];
#pragma unroll
          for (int k = 0; k < 2 * depth; ++k)
          {
            sums[k] = sums[k + 1] + weights.z[k < depth ? depth - 1 - k : k + 1 - depth] * value[i];
          }
          value[i] = finished;
        }
      }
      if (finishes && j * Shape::RowStep < rowsInside)
      {
        float * const out = target + j * Shape::RowStep * extent.nx;
        if (tiles.alignedOutput)
        {
          *reinterpret_cast<float4 *>(out) = make_float4(value[0], value[1], value[2], value[3]);
        }
        else
        {
#pragma unroll
          for (int i = 0; i < 4; ++i)
          {
            if (i < columnsInside)
            {
              out[i] = value[i];
            }
          }
        }
      }
    }
    target += finishes ? planeSize : 0;
    buffer = 1 - buffer;
  }
}

using ColumnsKernel = void (*)(ColumnWeights, ColumnTiles, Extent, const float *, float *);

/** Planes per block. Many short pieces repeat much of the filters along x and y, few long ones leave processors idle
 * at the end, and one block alone on a processor does not keep it busy: its planes are counted as a third more each
 * for every block that is missing beside it. */
inline int
ChooseColumnLength(int columns, int nz, int radius, int processors, int blocksPerProcessor)
{
  constexpr int maximumPieces = 128;
  int           best = nz;
  std::int64_t  least = 0;
  for (int pieces = 1; pieces <= std::min(nz, maximumPieces); ++pieces)
  {
    const int          length = (nz + pieces - 1) / pieces;
    const std::int64_t blocks = (static_cast<std::int64_t>(columns) * pieces + processors - 1) / processors;
    const std::int64_t rest = blocks % blocksPerProcessor;
    const std::int64_t cost = (3 * blocks + (rest > 0 ? blocksPerProcessor - rest : 0)) * (length + 2 * radius);
    if (pieces == 1 || cost < least)
    {
      best = length;
      least = cost;
    }
  }
  return best;
}

template <int radius>
void
LaunchSmoothColumns(const Device &        device,
                    cudaStream_t          stream,
                    const ColumnWeights & weights,
                    bool                  alongZ,
                    bool                  zeroOutside,
                    const Extent &        extent,
                    int                   components,
                    const float *         input,
                    float *               output)
{
  using Shape = ColumnShape<radius>;
  ColumnTiles tiles;
  tiles.x = (extent.nx + Shape::Columns - 1) / Shape::Columns;
  tiles.plane = tiles.x * ((extent.ny + Shape::Rows - 1) / Shape::Rows);
  tiles.columns = tiles.plane * components;
  tiles.length = 1;
  tiles.alignedOutput = extent.nx % 4 == 0 && reinterpret_cast<std::uintptr_t>(output) % 16 == 0;
  if (alongZ)
  {
    int processors = 0;
    Check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device.Ordinal()),
          "cudaDeviceGetAttribute",
          device.Ordinal());
    tiles.length = ChooseColumnLength(tiles.columns, extent.nz, radius, processors, Shape::BlocksPerProcessor);
  }
  const int blocks = tiles.columns * ((extent.nz + tiles.length - 1) / tiles.length);
  const ColumnsKernel kernel =
    alongZ ? (zeroOutside ? SmoothColumnsKernel<radius, true, true> : SmoothColumnsKernel<radius, true, false>)
           : (zeroOutside ? SmoothColumnsKernel<radius, false, true> : SmoothColumnsKernel<radius, false, false>);
  kernel<<<blocks, Shape::Threads, 0, stream>>>(weights, tiles, extent, input, output);
  CheckLaunch(device, "GaussianSmooth: columns");
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
