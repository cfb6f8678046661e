// SPDX-License-Identifier: Apache-2.0
// Floor per voxel and axis: 16 bytes (forward and backward recursion each read and write), 4 float64 flops. One thread
// has one line: along y and z a warp's accesses are contiguous; along x they are not, and the caches bear it.
#include "../Operators/Resample.h"

#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
constexpr int LineThreads = 128;
constexpr int LineBatch = 8;
/** pole^24 is 2e-14. */
constexpr int Horizon = 24;

/** Coefficients of the lines along one axis. `stride` is the distance of neighbours on a line and the number of lines
 * that lie interleaved. The target may be the source: a value is read before its place is written. */
__global__ void
__launch_bounds__(LineThreads)
  RecursionKernel(const float * source, float * target, int size, std::int64_t stride, std::int64_t lines)
{
  const std::int64_t line = static_cast<std::int64_t>(blockIdx.x) * LineThreads + threadIdx.x;
  if (line >= lines)
  {
    return;
  }
  const std::int64_t base = line / stride * stride * size + line % stride;
  source += base;
  target += base;

  constexpr double pole = -0.26794919243112270647; // sqrt(3) - 2
  constexpr double gain = 6.0;                      // (1 - pole)(1 - 1 / pole)

  // First causal value of the mirrored, infinite line: sum of pole^k s[k], whose tail vanishes unless the line is short.
  double state = source[0];
  double power = pole;
  if (size > Horizon)
  {
    for (int k = 1; k < Horizon; ++k)
    {
      state += power * source[k * stride];
      power *= pole;
    }
  }
  else
  {
    double last = 1.0; // pole^(size - 1)
    for (int k = 1; k < size; ++k)
    {
      last *= pole;
    }
    state += last * source[(size - 1) * stride];
    double powerFromEnd = last * last / pole; // of the sample's mirror image: pole^(2 size - 2 - k)
    for (int k = 1; k < size - 1; ++k)
    {
      state += (power + powerFromEnd) * source[k * stride];
      power *= pole;
      powerFromEnd /= pole;
    }
    state /= 1.0 - last * last;
  }
  state *= gain;

  // A batch is loaded before it is used: the loads do not wait for the recursion, nor for the stores.
  double previous = 0.0;
  target[0] = static_cast<float>(state);
  for (int begin = 1; begin < size; begin += LineBatch)
  {
    float values[LineBatch];
#pragma unroll
    for (int j = 0; j < LineBatch; ++j)
    {
      values[j] = begin + j < size ? source[(begin + j) * stride] : 0.0f;
    }
#pragma unroll
    for (int j = 0; j < LineBatch; ++j)
    {
      if (begin + j < size)
      {
        previous = state;
        state = gain * values[j] + pole * state;
        target[(begin + j) * stride] = static_cast<float>(state);
      }
    }
  }

  state = pole / (pole * pole - 1.0) * (state + pole * previous);
  target[(size - 1) * stride] = static_cast<float>(state);
  for (int end = size - 2; end >= 0; end -= LineBatch)
  {
    float values[LineBatch];
#pragma unroll
    for (int j = 0; j < LineBatch; ++j)
    {
      values[j] = end - j >= 0 ? target[(end - j) * stride] : 0.0f;
    }
#pragma unroll
    for (int j = 0; j < LineBatch; ++j)
    {
      if (end - j >= 0)
      {
        state = pole * (state - values[j]);
        target[(end - j) * stride] = static_cast<float>(state);
      }
    }
  }
}
} // namespace

void
BSplineCoefficients(const Device & device, const ConstField & image, const Field & coefficients)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t values = image.NumberOfValues();
  const float *      source = image.data;
  std::int64_t       stride = 1;
  for (int axis = 0; axis < 3; ++axis)
  {
    const int size = image.lattice.own.size[axis];
    if (size > 1)
    {
      const std::int64_t lines = values / size;
      const std::int64_t blocks = (lines + LineThreads - 1) / LineThreads;
      RecursionKernel<<<static_cast<unsigned int>(blocks), LineThreads, 0, stream>>>(
        source, coefficients.data, size, stride, lines);
      CheckLaunch(device, "BSplineCoefficients");
      source = coefficients.data;
    }
    stride *= size;
  }
  if (source != coefficients.data)
  {
    device.Copy(coefficients.data, source, static_cast<std::size_t>(values) * sizeof(float));
  }
}
} // namespace cuda
} // namespace engine
} // namespace itk
