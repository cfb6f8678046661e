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
// The half of GaussianSmooth.cu for narrow kernels, all axes in one pass. Also included by AdamUpdate.cu, which takes
// the smoothed values without their way through memory.
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

/** How the work on a tile is shared out. A block works on the same tile of so many components at once, each with Threads
 * of its own. */
template <int radius, int components = 1>
struct ColumnShape
{
  /** Blocks that a multiprocessor holds at once: bounds the registers, and pieces of columns are cut for it. */
  static constexpr int BlocksPerProcessor = components > 1 ? 1 : (radius <= 3 ? 4 : (radius <= 5 ? 3 : 2));

  /** A thread has four outputs of a row, of which each costs 2 r registers. */
  static constexpr int Columns = 64;
  static constexpr int Rows = components > 1 ? 10 : 16;
  static constexpr int Threads = Columns / 4 * Rows;

  /** The first step has columns of Width to fill the same threads: strips, of which the last may reach beyond. */
  static constexpr int Width = Columns + 2 * radius;
  static constexpr int Strips = components > 1 ? 2 : 3;
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
  int  x;       ///< tiles along x
  int  plane;   ///< tiles of a plane
  int  columns; ///< columns of tiles of all components
  int  length;  ///< planes that a block walks up
  bool aligned; ///< rows can be written 16 bytes at a time
};

/** Where the four outputs of a thread are in the plane. */
struct ColumnPlace
{
  int          thread;        ///< of those of its component
  int          component;
  std::int64_t voxels;        ///< of a component
  std::int64_t firstOffset;   ///< of the first output, in its component
  int          planeSize;
  int          columnsInside; ///< outputs that are in the volume, if positive
  bool         inside;        ///< any is
  bool         aligned;       ///< all are, and 16 bytes can be moved at a time
};

__device__ __forceinline__ void
StoreFour(const ColumnPlace & place, const float (&value)[4], float * target)
{
  if (place.aligned)
  {
    *reinterpret_cast<float4 *>(target) = make_float4(value[0], value[1], value[2], value[3]);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i)
  {
    if (i < place.columnsInside)
    {
      target[i] = value[i];
    }
  }
}

/** Where smoothed values go: into a field. */
struct SmoothedField
{
  static constexpr int Components = 1;

  float * output;

  /** A thread's way of putting them there. */
  template <typename TShape>
  class Writer
  {
  public:
    __device__ __forceinline__
    Writer(const SmoothedField & field, const ColumnPlace & place)
      : m_Place(place)
      , m_Target(field.output + place.component * place.voxels + place.firstOffset)
    {}

    /** After each barrier, with the number of planes taken. */
    __device__ __forceinline__ void
    Prepare(int)
    {}

    /** The values of the next plane. */
    __device__ __forceinline__ void
    Take(int, const float (&value)[4])
    {
      if (m_Place.inside)
      {
        StoreFour(m_Place, value, m_Target);
      }
      m_Target += m_Place.planeSize;
    }

    /** After the last plane. */
    __device__ __forceinline__ void
    Finish(int)
    {}

  private:
    ColumnPlace m_Place;
    float *     m_Target;
  };
};

/** Filters along x and y, and with `alongZ` along z. Blocks that run at the same time are at the same planes of
 * neighbouring columns, so that the halo comes from the L2 cache. */
template <int radius, bool alongZ, bool zeroOutside, typename TSink>
__global__ void
__launch_bounds__(ColumnShape<radius, TSink::Components>::Threads * TSink::Components,
                  ColumnShape<radius, TSink::Components>::BlocksPerProcessor)
  SmoothColumnsKernel(const __grid_constant__ ColumnWeights weights,
                      const ColumnTiles                     tiles,
                      const Extent                          extent,
                      const float * __restrict__ input,
                      const __grid_constant__ TSink sink)
{
  using Shape = ColumnShape<radius, TSink::Components>;
  constexpr int depth = alongZ ? radius : 0;
  constexpr int components = TSink::Components;
  const int     ofBlock = components > 1 ? threadIdx.x / Shape::Threads : 0;
  const int     thread = threadIdx.x - ofBlock * Shape::Threads;
  // Two planes in turn: one barrier between writing and reading a plane is enough.
  __shared__ __align__(16) float planes[components][2][Shape::PlaneFloats];
  float(&filtered)[2][Shape::PlaneFloats] = planes[ofBlock];
  // Read anew for each plane. The compiler would keep the offsets of all rows in registers if it knew that they stay.
  __shared__ volatile int reread[2];
  int                     buffer = 0;

  const int  column = thread % Shape::Width;
  const int  strip = thread / Shape::Width;
  const bool filtersY = strip < Shape::Strips;
  const int  written = strip * Shape::Strip * Shape::Pitch + column;

  const int  quad = thread % (Shape::Columns / 4);
  const int  row = thread / (Shape::Columns / 4);
  const int  read = row * Shape::Pitch + 4 * quad;

  const int          piece = blockIdx.x / tiles.columns;
  const int          tile = blockIdx.x - piece * tiles.columns;
  const int          component = components > 1 ? ofBlock : tile / tiles.plane;
  const int          inPlane = components > 1 ? tile : tile - component * tiles.plane;
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

  const int   outputX = firstX + 4 * quad;
  const int   outputY = firstY + row;
  ColumnPlace place;
  place.thread = thread;
  place.component = component;
  place.voxels = extent.NumberOfVoxels();
  place.firstOffset = static_cast<std::int64_t>(begin) * planeSize + outputY * extent.nx + outputX;
  place.planeSize = planeSize;
  place.columnsInside = min(extent.nx - outputX, 4);
  place.inside = place.columnsInside > 0 && outputY < extent.ny;
  place.aligned = tiles.aligned;
  typename TSink::template Writer<Shape> writer(sink, place);

  float unfinished[4][2 * depth + 1] = {};
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

    writer.Prepare(z - depth - begin);

    float window[4 * Shape::Quads];
#pragma unroll
    for (int q = 0; q < Shape::Quads; ++q)
    {
      const float4 four = *reinterpret_cast<const float4 *>(filtered[buffer] + read + 4 * q);
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
        float(&sums)[2 * depth + 1] = unfinished[i];
        const float finished = sums[0] + weights.z[depth] * value[i];
#pragma unroll
        for (int k = 0; k < 2 * depth; ++k)
        {
          sums[k] = sums[k + 1] + weights.z[k < depth ? depth - 1 - k : k + 1 - depth] * value[i];
        }
        value[i] = finished;
      }
    }
    if (z - depth >= begin)
    {
      writer.Take(z - depth - begin, value);
    }
    buffer = 1 - buffer;
  }
  writer.Finish(end - begin);
}

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

/** The kernels of the three axes, of which the shorter ones end with zeros. */
inline ColumnWeights
MakeColumnWeights(const SymmetricKernel (&kernels)[3], const int (&radius)[3])
{
  ColumnWeights weights;
  float * const tables[3] = { weights.x, weights.y, weights.z };
  for (int axis = 0; axis < 3; ++axis)
  {
    tables[axis][0] = 1.0f;
    if (radius[axis] > 0)
    {
      std::copy(kernels[axis].weight, kernels[axis].weight + radius[axis] + 1, tables[axis]);
    }
  }
  return weights;
}

/** Tiles of a volume; `components` as many as blocks of their own work on. */
template <typename TShape>
ColumnTiles
MakeColumnTiles(const Device & device, const Extent & extent, int components, int radius, bool alongZ)
{
  ColumnTiles tiles;
  tiles.x = (extent.nx + TShape::Columns - 1) / TShape::Columns;
  tiles.plane = tiles.x * ((extent.ny + TShape::Rows - 1) / TShape::Rows);
  tiles.columns = tiles.plane * components;
  tiles.length = 1;
  tiles.aligned = extent.nx % 4 == 0;
  if (alongZ)
  {
    int processors = 0;
    Check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device.Ordinal()),
          "cudaDeviceGetAttribute",
          device.Ordinal());
    tiles.length = ChooseColumnLength(tiles.columns, extent.nz, radius, processors, TShape::BlocksPerProcessor);
  }
  return tiles;
}

inline int
NumberOfBlocks(const ColumnTiles & tiles, const Extent & extent)
{
  return tiles.columns * ((extent.nz + tiles.length - 1) / tiles.length);
}

inline bool
IsAligned(const float * pointer)
{
  return reinterpret_cast<std::uintptr_t>(pointer) % sizeof(float4) == 0;
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
  using Sink = SmoothedField;
  ColumnTiles tiles = MakeColumnTiles<Shape>(device, extent, components, radius, alongZ);
  tiles.aligned = tiles.aligned && IsAligned(output);
  const auto kernel =
    alongZ
      ? (zeroOutside ? SmoothColumnsKernel<radius, true, true, Sink> : SmoothColumnsKernel<radius, true, false, Sink>)
      : (zeroOutside ? SmoothColumnsKernel<radius, false, true, Sink> : SmoothColumnsKernel<radius, false, false, Sink>);
  kernel<<<NumberOfBlocks(tiles, extent), Shape::Threads, 0, stream>>>(weights, tiles, extent, input, Sink{ output });
  CheckLaunch(device, "GaussianSmooth: columns");
}
} // namespace
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
