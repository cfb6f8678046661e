// SPDX-License-Identifier: Apache-2.0
// Floor per voxel and pass: a pixel, and a byte with a mask.
#include "../Operators/Intensities.h"

#include "Reduce.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
/** Two pairs per block: bounds and, ReductionBlocks pairs later, count and first voxel that is not finite. */
constexpr int SecondPairs = 2 * ReductionBlocks;

template <typename TPixel>
__global__ void
__launch_bounds__(StreamThreads) MeasureIntensitiesKernel(const TPixel * __restrict__ pixels,
                                                          const unsigned char * __restrict__ mask,
                                                          std::int64_t count,
                                                          double * __restrict__ partials)
{
  double             low = NeutralValue<Join::Minimum>();
  double             high = NeutralValue<Join::Maximum>();
  double             used = 0.0;
  double             notFinite = NeutralValue<Join::Minimum>();
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < count; i += stride)
  {
    const float value = static_cast<float>(pixels[i]);
    const bool  inside = !mask || mask[i] != 0;
    used += inside ? 1.0 : 0.0;
    if (!IsFinite(value))
    {
      notFinite = JoinValues<Join::Minimum>(notFinite, static_cast<double>(i));
    }
    else if (inside)
    {
      low = JoinValues<Join::Minimum>(low, value);
      high = JoinValues<Join::Maximum>(high, value);
    }
  }
  StoreBlockResult<Join::Minimum, Join::Maximum>(low, high, partials);
  StoreBlockResult<Join::Sum, Join::Minimum>(used, notFinite, partials + SecondPairs);
}

/** Each thread joins what falls into one bin in a row: most of many images is one background. */
template <typename TPixel>
__global__ void
__launch_bounds__(StreamThreads) CountIntensitiesKernel(const TPixel * __restrict__ pixels,
                                                        const unsigned char * __restrict__ mask,
                                                        IntensityBinning binning,
                                                        std::int64_t     count,
                                                        unsigned long long * __restrict__ counts)
{
  __shared__ unsigned int histogram[IntensityBins];
  for (int bin = threadIdx.x; bin < IntensityBins; bin += StreamThreads)
  {
    histogram[bin] = 0;
  }
  __syncthreads();
  int                last = 0;
  unsigned int       run = 0;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < count; i += stride)
  {
    if (!mask || mask[i] != 0)
    {
      const int bin = IntensityBin(binning, static_cast<float>(pixels[i]));
      if (bin != last)
      {
        atomicAdd(histogram + last, run);
        last = bin;
        run = 0;
      }
      ++run;
    }
  }
  atomicAdd(histogram + last, run);
  __syncthreads();
  for (int bin = threadIdx.x; bin < IntensityBins; bin += StreamThreads)
  {
    if (histogram[bin] > 0)
    {
      atomicAdd(counts + bin, static_cast<unsigned long long>(histogram[bin]));
    }
  }
}

/** Each block empties its histogram into the counts at the end: not too many of them. */
constexpr int CountingBlocks = 1024;
} // namespace

void
MeasureIntensities(const Device & device, const ConstPixels & image, const ConstMask & mask, double * result)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t count = image.NumberOfValues();
  const dim3         grid(StreamGrid(count));
  double * const     partials = Partials(device);
  WithPixelType(image.type, [&](auto pixel) {
    using TPixel = decltype(pixel);
    const auto * const pixels = static_cast<const TPixel *>(image.data);
    MeasureIntensitiesKernel<TPixel><<<grid, StreamThreads, 0, stream>>>(pixels, mask.data, count, partials);
  });
  CheckLaunch(device, "MeasureIntensities");
  FinishReduction<Join::Minimum, Join::Maximum>(device, stream, grid, result);
  FinishReductionKernel<Join::Sum, Join::Minimum>
    <<<1, FinishThreads, 0, stream>>>(partials + SecondPairs, static_cast<int>(grid.x), result + 2, 2);
  CheckLaunch(device, "MeasureIntensities");
}

void
CountIntensities(const Device &           device,
                 const ConstPixels &      image,
                 const ConstMask &        mask,
                 const IntensityBinning & binning,
                 unsigned long long *     counts)
{
  const cudaStream_t stream = Enter(device);
  const std::int64_t count = image.NumberOfValues();
  const int          blocks = std::min(StreamGrid(count), CountingBlocks);
  device.SetZero(counts, sizeof(unsigned long long) * IntensityBins);
  WithPixelType(image.type, [&](auto pixel) {
    using TPixel = decltype(pixel);
    const auto * const pixels = static_cast<const TPixel *>(image.data);
    CountIntensitiesKernel<TPixel><<<blocks, StreamThreads, 0, stream>>>(pixels, mask.data, binning, count, counts);
  });
  CheckLaunch(device, "CountIntensities");
}
} // namespace cuda
} // namespace engine
} // namespace itk
