// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineIntensities_h
#define itkEngineIntensities_h

#include "../Core/Dispatch.h"
#include "../Core/PixelType.h"
#include "../Math/Intensities.h"

namespace itk
{
namespace engine
{
// Of images of any type, as float32, whole or where an optional mask is not 0. Deterministic; nothing waits.

/** result[0] = least, result[1] = largest finite intensity inside the mask, result[2] = number of voxels inside the mask,
 * result[3] = first voxel of the whole image that is not finite, infinity if there is none. Without a voxel to look
 * at the first two are infinity and minus infinity. */
ITK_ENGINE_DECLARE(
  void MeasureIntensities(const Device & device, const ConstPixels & image, const ConstMask & mask, double * result))

/** counts[b] = number of voxels inside the mask in bin b, for IntensityBins bins. All intensities must be finite and at
 * least `low`. */
ITK_ENGINE_DECLARE(void CountIntensities(const Device &           device,
                                         const ConstPixels &      image,
                                         const ConstMask &        mask,
                                         const IntensityBinning & binning,
                                         unsigned long long *     counts))

void
MeasureIntensities(const Device & device, const ConstPixels & image, const ConstMask & mask, double * result);
void
CountIntensities(const Device &           device,
                 const ConstPixels &      image,
                 const ConstMask &        mask,
                 const IntensityBinning & binning,
                 unsigned long long *     counts);

/** How an image's intensities map to about [0, 1]: (v - shift) scale. */
struct IntensityRange
{
  float shift = 0.0f;
  float scale = 1.0f;
  float mean = 0.0f; ///< after the map
};

/** From the 0.1 % to the 99.9 % quantile inside the mask, so that a few hot voxels do not decide the scale; from the
 * lowest to the highest intensity where these are within 1/64 of each other. Waits for the device. Throws if an
 * intensity is not finite, and if the mask is empty or the image constant in it; `name` is the image's. */
IntensityRange
FindIntensityRange(const Device & device, const ConstPixels & image, const ConstMask & mask, const char * name);
} // namespace engine
} // namespace itk

#endif
