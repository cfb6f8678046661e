/*=========================================================================
 *
 *  Copyright NumFOCUS
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         http://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkGPULocalNormalizedCrossCorrelationImageToImageMetricv4_h
#define itkGPULocalNormalizedCrossCorrelationImageToImageMetricv4_h

#include "itkANTSNeighborhoodCorrelationImageToImageMetricv4.h"
#include "itkGPUImageToImageMetricv4.h"

namespace itk
{
/** \class GPULocalNormalizedCrossCorrelationImageToImageMetricv4
 * \brief Local normalised cross correlation on a GPU or the CPU, in the place of ITK's neighbourhood correlation.
 *
 * Minus the mean over the valid voxels of sFM^2 / (sFF sMM), centred sums over the window of SetRadius() (default 2 voxels)
 * around each. Windows of no variance count as 1, as in the superclass. With GradientMode ITK the derivative leaves out,
 * as there, that a voxel is in the windows of its neighbours; with Exact it does not. That to a displacement field is not
 * divided by the number of voxels. A variance below 1e-13 of the sum of squares is rounding, and counts as none; but with
 * GradientMode ITK the products of images of floats are rounded to floats first, as in the superclass, and what is left of
 * the variance of a constant window is kept.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TFixedImage,
          typename TMovingImage,
          typename TVirtualImage = TFixedImage,
          typename TInternalComputationValueType = double,
          typename TMetricTraits =
            DefaultImageToImageMetricTraitsv4<TFixedImage, TMovingImage, TVirtualImage, TInternalComputationValueType>>
class ITK_TEMPLATE_EXPORT GPULocalNormalizedCrossCorrelationImageToImageMetricv4
  : public GPUImageToImageMetricv4<
      ANTSNeighborhoodCorrelationImageToImageMetricv4<TFixedImage, TMovingImage, TVirtualImage, TInternalComputationValueType, TMetricTraits>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPULocalNormalizedCrossCorrelationImageToImageMetricv4);

  using Self = GPULocalNormalizedCrossCorrelationImageToImageMetricv4;
  using Superclass = GPUImageToImageMetricv4<
    ANTSNeighborhoodCorrelationImageToImageMetricv4<TFixedImage, TMovingImage, TVirtualImage, TInternalComputationValueType, TMetricTraits>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPULocalNormalizedCrossCorrelationImageToImageMetricv4, GPUImageToImageMetricv4);

protected:
  GPULocalNormalizedCrossCorrelationImageToImageMetricv4() = default;
  ~GPULocalNormalizedCrossCorrelationImageToImageMetricv4() override = default;

  void
  PrepareEvaluation(GPUMetricEngine::Evaluation & evaluation) const override
  {
    evaluation.metric = GPUMetricEngine::MetricEnum::LocalNormalizedCrossCorrelation;
    evaluation.epsilon = NumericTraits<TInternalComputationValueType>::epsilon();
    evaluation.radius.fill(0);
    const auto radius = this->GetRadius();
    for (unsigned int d = 0; d < Superclass::ImageDimension; ++d)
    {
      // wider windows than any grid make no difference
      evaluation.radius[d] = static_cast<int>(std::min<SizeValueType>(radius[d], 32767));
    }
  }

  double
  ComputeValue(const GPUMetricEngine::Result & result) const override
  {
    return -result.sum / static_cast<double>(result.numberOfValidPoints);
  }
};
} // namespace itk

#endif
