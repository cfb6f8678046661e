// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaInformationAxis_h
#define itkEngineCudaInformationAxis_h

#include "../Math/MutualInformation.h"
#include "../Operators/MutualInformation.h"
#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
/** A border between two cells of an axis: the intensity v lies (v - intensity) scale + rest cells beyond it. */
struct __align__(8) CellBorder
{
  float intensity;
  float rest; ///< what rounding took from the intensity, in cells
};

/** HistogramAxis in float32, with each bin cut into `refinement` cells; goes to kernels by value. An intensity is compared
 * with the border next to it, whose difference float32 holds to all digits, whatever offset the intensities have: so that
 * the bin is that of exact arithmetic but for one voxel in 10^12, and the place within the cell is right to 2^-23. */
struct CellAxis
{
  float  minimum;
  float  maximum;
  float  scale; ///< cells per unit of intensity; 0 for a range without width
  int    cells;
  double step;  ///< from border to border
  double exactScale;

  CellAxis(const ParzenParameters & parameters, int bins, int refinement = 1)
    : minimum(parameters.minimum)
    , maximum(parameters.maximum)
    , cells((bins - 2 * HistogramPadding) * refinement)
  {
    exactScale = HistogramAxis(minimum, maximum, bins).scale * refinement;
    exactScale = exactScale <= static_cast<double>(std::numeric_limits<float>::max()) ? exactScale : 0.0;
    scale = static_cast<float>(exactScale);
    step = exactScale > 0.0 ? (static_cast<double>(maximum) - minimum) / cells : 0.0;
  }

  __host__ __device__ int
  NumberOfBorders() const
  {
    return cells + 1;
  }

  /** All threads of a block write the table that Locate reads; a barrier must follow. */
  __device__ __forceinline__ void
  Tabulate(CellBorder * borders, int thread, int threads) const
  {
    for (int k = thread; k <= cells; k += threads)
    {
      const double exact = minimum + k * step;
      CellBorder   border;
      border.intensity = static_cast<float>(exact);
      border.rest = static_cast<float>((border.intensity - exact) * exactScale);
      if (k == cells)
      {
        // the maximum belongs to the cell before it
        border = CellBorder{ maximum, -1e-30f };
      }
      borders[k] = border;
    }
  }

  __device__ __forceinline__ HistogramPosition
  Locate(float value, const CellBorder * borders) const
  {
    // added to this, a small number is rounded to an integer, in the low bits of the sum; NaN becomes the minimum
    constexpr float  toInteger = 12582912.0f;
    const float      v = fminf(fmaxf(value, minimum), maximum);
    const int        nearest = __float_as_int(fmaf(v - minimum, scale, toInteger)) - __float_as_int(toInteger);
    const CellBorder border = borders[nearest];
    const float      beyond = fmaf(v - border.intensity, scale, border.rest);
    // its sign, as -1 or 0: at the minimum it is 0 and positive
    const int below = __float_as_int(beyond) >> 31;
    return HistogramPosition{ nearest + below, beyond + (below != 0 ? 1.0f : 0.0f) };
  }

  /** Whether the weights have a derivative there; for a range without width the caller's scale is 0. */
  __device__ __forceinline__ bool
  IsInside(float value) const
  {
    return value >= minimum && value <= maximum;
  }
};

/** Four neighbours of two images, read at once. */
struct VoxelQuad
{
  float        fixed[4];
  float        warped[4];
  unsigned int valid; ///< bit k: voxel k counts
};

constexpr int VoxelsPerQuad = 4;

/** Two images of one channel, read quad by quad; goes to kernels by value. */
struct QuadImages
{
  const float *         fixed;
  const float *         warped;
  const unsigned char * valid;  ///< may be null
  std::int64_t          voxels; ///< from here to the end; none if negative
  bool                  aligned; ///< the images to 16 bytes and the mask to 4

  QuadImages(const float * fixedImage, const float * warpedImage, const unsigned char * mask, std::int64_t number)
    : fixed(fixedImage)
    , warped(warpedImage)
    , valid(mask)
    , voxels(number)
    , aligned((reinterpret_cast<std::uintptr_t>(fixedImage) | reinterpret_cast<std::uintptr_t>(warpedImage) |
               4 * reinterpret_cast<std::uintptr_t>(mask)) %
                16 ==
              0)
  {}

  __host__ __device__ __forceinline__ std::int64_t
  NumberOfQuads() const
  {
    return (voxels + VoxelsPerQuad - 1) / VoxelsPerQuad;
  }

  /** Goes on by so many voxels. */
  __device__ __forceinline__ void
  Advance(std::int64_t distance)
  {
    fixed += distance;
    warped += distance;
    valid += valid ? distance : 0;
    voxels -= distance;
  }

  /** The first quad. Beyond the end nothing is valid, and the intensities are 0. */
  __device__ __forceinline__ VoxelQuad
  Load() const
  {
    VoxelQuad result;
    if (aligned && voxels >= VoxelsPerQuad)
    {
      const float4 f = *reinterpret_cast<const float4 *>(fixed);
      const float4 m = *reinterpret_cast<const float4 *>(warped);
      result.fixed[0] = f.x;
      result.fixed[1] = f.y;
      result.fixed[2] = f.z;
      result.fixed[3] = f.w;
      result.warped[0] = m.x;
      result.warped[1] = m.y;
      result.warped[2] = m.z;
      result.warped[3] = m.w;
      result.valid = 15u;
      if (valid)
      {
        const uchar4 v = *reinterpret_cast<const uchar4 *>(valid);
        result.valid = (v.x ? 1u : 0u) | (v.y ? 2u : 0u) | (v.z ? 4u : 0u) | (v.w ? 8u : 0u);
      }
      return result;
    }
    result.valid = 0u;
#pragma unroll
    for (int k = 0; k < VoxelsPerQuad; ++k)
    {
      const bool inside = k < voxels;
      result.fixed[k] = inside ? fixed[k] : 0.0f;
      result.warped[k] = inside ? warped[k] : 0.0f;
      result.valid |= inside && (!valid || valid[k]) ? 1u << k : 0u;
    }
    return result;
  }
};
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
