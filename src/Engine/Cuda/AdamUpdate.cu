// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 56 bytes (seven planes in, seven out), about 40 flops, also with the smoothing that ends here.
//
// Why it ends here: apart, the two move 80 bytes per voxel, the smoothing waits for instructions (radius 5 at 256^3 on an
// H200: 0.20 ms, of which 0.16 with every slot used, 0.10 for its bytes) and the step for memory (0.28 ms, 0.06 for its
// instructions). Together, counted in the machine code: 410 instructions per thread and plane, 0.22 ms with every slot used,
// and 0.24 ms for the bytes, one under the other. It is worth its while from half of the slots on.
#include "../Operators/AdamUpdate.h"

#include "GaussianSmoothColumns.h"
#include "Reduce.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
__global__ void
__launch_bounds__(StreamThreads) AdamKernel(AdamParameters parameters,
                                            AdamClock      clock,
                                            float * __restrict__ gradient,
                                            float * __restrict__ first,
                                            float * __restrict__ second,
                                            std::int64_t voxels,
                                            double * __restrict__ partials)
{
  const AdamCorrections corrections = clock.corrections[min(*clock.steps, clock.count - 1)];
  double             sum = 0.0;
  double             maximum = 0.0;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < voxels; i += stride)
  {
    float g[3] = { gradient[i], gradient[i + voxels], gradient[i + 2 * voxels] };
    float m[3] = { first[i], first[i + voxels], first[i + 2 * voxels] };
    float v = second[i];
    AdamDirection(parameters, corrections, g, m, v);
    double square = 0.0;
    for (int c = 0; c < 3; ++c)
    {
      gradient[i + c * voxels] = g[c];
      first[i + c * voxels] = m[c];
      square += static_cast<double>(g[c]) * g[c];
    }
    second[i] = v;
    const double norm = sqrt(square);
    sum += norm;
    maximum = JoinValues<Join::Maximum>(maximum, norm);
  }
  StoreBlockResult<Join::Sum, Join::Maximum>(sum, maximum, partials);
}

/** FinishReductionKernel, which also moves the clock: no kernel of this step reads it any more. */
__global__ void
__launch_bounds__(FinishThreads) FinishAdamKernel(const double * partials, int blocks, double * norms, int * steps)
{
  FinishBlockResults<Join::Sum, Join::Maximum>(partials, blocks, norms, 2);
  if (threadIdx.x == 0)
  {
    ++*steps;
  }
}

__device__ __forceinline__ void
LoadFour(const ColumnPlace & place, const float * source, float (&value)[4])
{
  if (place.aligned)
  {
    const float4 four = *reinterpret_cast<const float4 *>(source);
    value[0] = four.x;
    value[1] = four.y;
    value[2] = four.z;
    value[3] = four.w;
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i)
  {
    if (i < place.columnsInside)
    {
      value[i] = source[i];
    }
  }
}

/** Where smoothed gradients go: into the moments and the direction.
 *
 * A step takes all components of a voxel, but each component is smoothed by threads of its own. They meet in shared memory
 * where four planes go round: after every third one the threads of each component take the steps of one of these three,
 * while the fourth is written. So all threads have the same work, and the smoothing's barriers are enough. */
struct AdamSink
{
  static constexpr int Components = 3;
  static constexpr int Slots = 4;

  AdamParameters parameters;
  AdamClock      clock;
  float *        direction;
  float *        first;
  float *        second;
  double *       partials;

  template <typename TShape>
  class Writer
  {
  public:
    __device__ __forceinline__
    Writer(const AdamSink & sink, const ColumnPlace & place)
      : m_Sink(sink)
      , m_Place(place)
    {}

    /** What the steps need of memory is on its way while the next plane is filtered. */
    __device__ __forceinline__ void
    Prepare(int taken)
    {
      if (taken > 0 && taken % Components == 0)
      {
        LoadMoments(taken - Components + m_Place.component);
      }
    }

    __device__ __forceinline__ void
    Take(int plane, const float (&value)[4])
    {
      *Slot(plane, m_Place.component) = make_float4(value[0], value[1], value[2], value[3]);
      if (plane > 0 && plane % Components == 0)
      {
        Step(plane - Components + m_Place.component);
      }
    }

    __device__ __forceinline__ void
    Finish(int planes)
    {
      __syncthreads();
      const int plane = (planes - 1) / Components * Components + m_Place.component;
      if (plane < planes)
      {
        LoadMoments(plane);
        Step(plane);
      }
      StoreBlockResult<Join::Sum, Join::Maximum>(0.0, sqrt(m_LargestSquare), m_Sink.partials);
    }

  private:
    __device__ __forceinline__ float4 *
    Slot(int plane, int component) const
    {
      extern __shared__ float4 slots[];
      return slots + ((plane % Slots) * Components + component) * TShape::Threads + m_Place.thread;
    }

    __device__ __forceinline__ std::int64_t
    Offset(int plane) const
    {
      return m_Place.firstOffset + static_cast<std::int64_t>(plane) * m_Place.planeSize;
    }

    __device__ __forceinline__ void
    LoadMoments(int plane)
    {
      if (m_Place.inside)
      {
        const std::int64_t offset = Offset(plane);
#pragma unroll
        for (int c = 0; c < Components; ++c)
        {
          LoadFour(m_Place, m_Sink.first + c * m_Place.voxels + offset, m_First[c]);
        }
        LoadFour(m_Place, m_Sink.second + offset, m_Second);
      }
    }

    __device__ __forceinline__ void
    Step(int plane)
    {
      if (!m_Place.inside)
      {
        return;
      }
      const AdamCorrections corrections = m_Sink.clock.corrections[min(*m_Sink.clock.steps, m_Sink.clock.count - 1)];
      float                 direction[Components][4];
#pragma unroll
      for (int c = 0; c < Components; ++c)
      {
        const float4 four = *Slot(plane, c);
        direction[c][0] = four.x;
        direction[c][1] = four.y;
        direction[c][2] = four.z;
        direction[c][3] = four.w;
      }
#pragma unroll
      for (int i = 0; i < 4; ++i)
      {
        if (i < m_Place.columnsInside)
        {
          float g[3] = { direction[0][i], direction[1][i], direction[2][i] };
          float m[3] = { m_First[0][i], m_First[1][i], m_First[2][i] };
          AdamDirection(m_Sink.parameters, corrections, g, m, m_Second[i]);
          double square = 0.0;
#pragma unroll
          for (int c = 0; c < Components; ++c)
          {
            direction[c][i] = g[c];
            m_First[c][i] = m[c];
            square += static_cast<double>(g[c]) * g[c];
          }
          m_LargestSquare = JoinValues<Join::Maximum>(m_LargestSquare, square);
        }
      }
      const std::int64_t offset = Offset(plane);
#pragma unroll
      for (int c = 0; c < Components; ++c)
      {
        StoreFour(m_Place, direction[c], m_Sink.direction + c * m_Place.voxels + offset);
        StoreFour(m_Place, m_First[c], m_Sink.first + c * m_Place.voxels + offset);
      }
      StoreFour(m_Place, m_Second, m_Sink.second + offset);
    }

    const AdamSink & m_Sink;
    ColumnPlace      m_Place;
    float            m_First[Components][4] = {};
    float            m_Second[4] = {};
    double           m_LargestSquare = 0.0;
  };
};

/** Most of a kernel whose unfinished outputs and moments fit in the registers of a thread. */
constexpr int MaximumSmoothedAdamRadius = 5;

void
QueueFinishAdam(const Device & device, cudaStream_t stream, int blocks, double * norms, int * steps)
{
  FinishAdamKernel<<<1, FinishThreads, 0, stream>>>(Partials(device), blocks, norms, steps);
  CheckLaunch(device, "AdamUpdate: finish");
}

/** False, and nothing is queued, if there would be more blocks than have room for their results. */
template <int radius>
bool
LaunchSmoothedAdam(const Device &        device,
                   cudaStream_t          stream,
                   const ColumnWeights & weights,
                   const Extent &        extent,
                   const float *         gradient,
                   AdamSink              sink,
                   double *              norms)
{
  using Shape = ColumnShape<radius, AdamSink::Components>;
  ColumnTiles tiles = MakeColumnTiles<Shape>(device, extent, 1, radius, true);
  tiles.aligned =
    tiles.aligned && IsAligned(sink.direction) && IsAligned(sink.first) && IsAligned(sink.second);
  const int blocks = NumberOfBlocks(tiles, extent);
  if (blocks > static_cast<int>(Device::ScratchBytes / (2 * sizeof(double))))
  {
    return false;
  }
  constexpr std::size_t bytes = sizeof(float4) * AdamSink::Slots * AdamSink::Components * Shape::Threads;
  const auto            kernel = SmoothColumnsKernel<radius, true, false, AdamSink>;
  Check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
        "cudaFuncSetAttribute",
        device.Ordinal());
  kernel<<<blocks, AdamSink::Components * Shape::Threads, bytes, stream>>>(weights, tiles, extent, gradient, sink);
  CheckLaunch(device, "SmoothedAdamUpdate");
  QueueFinishAdam(device, stream, blocks, norms, sink.clock.steps);
  return true;
}
} // namespace

void
AdamUpdate(const Device &         device,
           const AdamParameters & parameters,
           const AdamClock &      clock,
           const Field &          gradient,
           const Field &          first,
           const Field &          second,
           double *               norms)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t voxels = gradient.lattice.NumberOfVoxels();
  const dim3         grid(StreamGrid(voxels));
  AdamKernel<<<grid, StreamThreads, 0, stream>>>(
    parameters, clock, gradient.data, first.data, second.data, voxels, Partials(device));
  CheckLaunch(device, "AdamUpdate");
  QueueFinishAdam(device, stream, static_cast<int>(grid.x), norms, clock.steps);
}

void
SmoothedAdamUpdate(const Device &          device,
                   const SymmetricKernel (&kernels)[3],
                   const AdamParameters & parameters,
                   const AdamClock &      clock,
                   const Field &          gradient,
                   const Field &          direction,
                   const Field &          first,
                   const Field &          second,
                   double *               norms)
{
  int radius[3];
  for (int axis = 0; axis < 3; ++axis)
  {
    radius[axis] = gradient.lattice.own.size[axis] > 1 ? kernels[axis].radius : 0;
  }
  const int largest = std::max({ radius[0], radius[1], radius[2] });
  if (radius[2] > 0 && largest <= MaximumSmoothedAdamRadius)
  {
    static constexpr decltype(&LaunchSmoothedAdam<1>) launch[MaximumSmoothedAdamRadius] = {
      LaunchSmoothedAdam<1>, LaunchSmoothedAdam<2>, LaunchSmoothedAdam<3>, LaunchSmoothedAdam<4>, LaunchSmoothedAdam<5>
    };
    AdamSink sink;
    sink.parameters = parameters;
    sink.clock = clock;
    sink.direction = direction.data;
    sink.first = first.data;
    sink.second = second.data;
    sink.partials = Partials(device);
    if (launch[largest - 1](device,
                            Enter(device),
                            MakeColumnWeights(kernels, radius),
                            Extent(gradient.lattice),
                            gradient.data,
                            sink,
                            norms))
    {
      return;
    }
  }
  cuda::GaussianSmooth(device, kernels, SmoothBoundary::ZeroFlux, gradient, direction, gradient);
  cuda::AdamUpdate(device, parameters, clock, direction, first, second, norms);
}
} // namespace cuda
} // namespace engine
} // namespace itk
