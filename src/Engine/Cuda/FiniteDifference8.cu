// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 16 bytes (one plane in and three out, or the reverse), 33 flops.
//
// A thread walks along z with the nine values of its column in registers, so that one load serves the nine derivatives along
// z; the sixteen neighbours in the plane come through the L1 cache, where the block's rows are. A tile in shared memory
// would take as many instructions: two and a half stores per voxel with the rim, and the same sixteen loads. At 17 loads
// per voxel the caches' time is below that of the memory's 16 bytes. Columns are long: each begins with eight loads
// that another column makes too.
#include "../Operators/FiniteDifference8.h"

#include "../Math/FiniteDifference8.h"
#include "FieldComponents.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
constexpr int DifferencePlanes = 32;

/** The values ahead of and behind a thread's place in its column. */
template <typename TOffset>
class ColumnWalk
{
public:
  /** Before plane z. `column` is the value in plane 0. */
  __device__ __forceinline__
  ColumnWalk(const float * column, const Extent & extent, int z)
    : m_Column(column)
    , m_Plane(extent.PlaneSize())
    , m_Size(extent.nz)
    , m_Next(WrapIndex(z + DifferenceRadius, extent.nz))
  {
#pragma unroll
    for (int i = 0; i < 2 * DifferenceRadius; ++i)
    {
      m_Values[i + 1] = column[WrapIndex(z + i - DifferenceRadius, extent.nz) * m_Plane];
    }
  }

  /** The derivative in the next plane. */
  __device__ __forceinline__ float
  Difference()
  {
#pragma unroll
    for (int i = 0; i < 2 * DifferenceRadius; ++i)
    {
      m_Values[i] = m_Values[i + 1];
    }
    m_Values[2 * DifferenceRadius] = m_Column[m_Next * m_Plane];
    m_Next = m_Next + 1 == m_Size ? 0 : m_Next + 1;
    float ahead[DifferenceRadius];
    float behind[DifferenceRadius];
#pragma unroll
    for (int i = 0; i < DifferenceRadius; ++i)
    {
      ahead[i] = m_Values[DifferenceRadius + 1 + i];
      behind[i] = m_Values[DifferenceRadius - 1 - i];
    }
    return Difference8(ahead, behind);
  }

private:
  const float * m_Column;
  const TOffset m_Plane;
  const int     m_Size;
  int           m_Next;
  float         m_Values[2 * DifferenceRadius + 1];
};

/** Where the neighbours of a thread's places are, along x or y. */
class PlaneStencil
{
public:
  __device__ __forceinline__
  PlaneStencil(int place, int size, int stride)
  {
#pragma unroll
    for (int i = 0; i < DifferenceRadius; ++i)
    {
      m_Ahead[i] = (WrapIndex(place + i + 1, size) - place) * stride;
      m_Behind[i] = (WrapIndex(place - i - 1, size) - place) * stride;
    }
  }

  __device__ __forceinline__ float
  Difference(const float * here) const
  {
    float ahead[DifferenceRadius];
    float behind[DifferenceRadius];
#pragma unroll
    for (int i = 0; i < DifferenceRadius; ++i)
    {
      ahead[i] = here[m_Ahead[i]];
      behind[i] = here[m_Behind[i]];
    }
    return Difference8(ahead, behind);
  }

private:
  int m_Ahead[DifferenceRadius];
  int m_Behind[DifferenceRadius];
};

/** Calls store(offset, derivatives) per voxel, of the components along x, y and z. */
template <typename TOffset, typename TStore>
__device__ __forceinline__ void
ForEachDifference(const Extent & extent, const FieldComponents<const float> & component, const TStore & store)
{
  ForEachPiece(extent, [&](int x, int y, int z, int end) {
    if (z >= end)
    {
      return;
    }
    const TOffset      inPlane = y * extent.nx + x;
    const TOffset      plane = extent.PlaneSize();
    const PlaneStencil alongX(x, extent.nx, 1);
    const PlaneStencil alongY(y, extent.ny, extent.nx);
    ColumnWalk<TOffset> column(component.component[2] + inPlane, extent, z);
    TOffset             offset = z * plane + inPlane;
#pragma unroll 1
    for (; z < end; ++z, offset += plane)
    {
      store(offset,
            Vector3{ { alongX.Difference(component.component[0] + offset),
                       alongY.Difference(component.component[1] + offset),
                       column.Difference() } });
    }
  });
}

template <typename TOffset>
__global__ void
__launch_bounds__(VoxelThreads, 4)
  GradientKernel(const FieldComponents<const float> input, const FieldComponents<float> gradient, const Extent extent)
{
  ForEachDifference<TOffset>(extent, input, [&](TOffset offset, const Vector3 & derivative) {
#pragma unroll
    for (int axis = 0; axis < 3; ++axis)
    {
      gradient.component[axis][offset] = derivative.v[axis];
    }
  });
}

template <typename TOffset>
__global__ void
__launch_bounds__(VoxelThreads, 4)
  DivergenceKernel(const FieldComponents<const float> vector, float * divergence, const Extent extent)
{
  ForEachDifference<TOffset>(extent, vector, [&](TOffset offset, const Vector3 & derivative) {
    divergence[offset] = derivative.v[0] + derivative.v[1] + derivative.v[2];
  });
}

/** Like VoxelGrid, with longer columns. */
dim3
DifferenceGrid(const Extent & extent)
{
  const std::int64_t tiles = std::int64_t{ DivideUp(extent.nx, VoxelBlockX) } * DivideUp(extent.ny, VoxelBlockY);
  const std::int64_t wanted =
    std::max<std::int64_t>(DivideUp(extent.nz, DifferencePlanes), DivideUp(EnoughVoxelBlocks / 2, tiles));
  const std::int64_t pieces = std::min<std::int64_t>({ extent.nz, 65535, wanted });
  return dim3(static_cast<unsigned int>(tiles), static_cast<unsigned int>(pieces), 1);
}
} // namespace

void
DifferenceGradient(const Device & device, const ConstField & input, const Field & gradient)
{
  const cudaStream_t           stream = Enter(device);
  const Extent                 extent(input.lattice);
  FieldComponents<const float> same;
  std::fill_n(same.component, 3, input.data);
  const auto kernel = IsSmall(input.lattice) ? GradientKernel<int> : GradientKernel<std::int64_t>;
  kernel<<<DifferenceGrid(extent), VoxelBlock(), 0, stream>>>(same, FieldComponents<float>(gradient), extent);
  CheckLaunch(device, "DifferenceGradient");
}

void
DifferenceDivergence(const Device & device, const ConstField & vector, const Field & divergence)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(vector.lattice);
  const auto         kernel = IsSmall(vector.lattice) ? DivergenceKernel<int> : DivergenceKernel<std::int64_t>;
  kernel<<<DifferenceGrid(extent), VoxelBlock(), 0, stream>>>(
    FieldComponents<const float>(vector), divergence.data, extent);
  CheckLaunch(device, "DifferenceDivergence");
}
} // namespace cuda
} // namespace engine
} // namespace itk
