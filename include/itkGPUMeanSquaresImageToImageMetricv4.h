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
#ifndef itkGPUMeanSquaresImageToImageMetricv4_h
#define itkGPUMeanSquaresImageToImageMetricv4_h

#include "itkMeanSquaresImageToImageMetricv4.h"
#include "itkGPUImageToImageMetricv4.h"

namespace itk
{
/** \class GPUMeanSquaresImageToImageMetricv4
 * \brief Mean squared difference on a GPU or the CPU, in the place of ITK's.
 *
 * The derivative to a displacement field is not divided by the number of voxels, as in the superclass.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TFixedImage,
          typename TMovingImage,
          typename TVirtualImage = TFixedImage,
          typename TInternalComputationValueType = double,
          typename TMetricTraits =
            DefaultImageToImageMetricTraitsv4<TFixedImage, TMovingImage, TVirtualImage, TInternalComputationValueType>>
class ITK_TEMPLATE_EXPORT GPUMeanSquaresImageToImageMetricv4
  : public GPUImageToImageMetricv4<
      MeanSquaresImageToImageMetricv4<TFixedImage, TMovingImage, TVirtualImage, TInternalComputationValueType, TMetricTraits>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUMeanSquaresImageToImageMetricv4);

  using Self = GPUMeanSquaresImageToImageMetricv4;
  using Superclass = GPUImageToImageMetricv4<
    MeanSquaresImageToImageMetricv4<TFixedImage, TMovingImage, TVirtualImage, TInternalComputationValueType, TMetricTraits>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUMeanSquaresImageToImageMetricv4, GPUImageToImageMetricv4);

protected:
  GPUMeanSquaresImageToImageMetricv4() = default;
  ~GPUMeanSquaresImageToImageMetricv4() override = default;

  void
  PrepareEvaluation(GPUMetricEngine::Evaluation & evaluation) const override
  {
    evaluation.metric = GPUMetricEngine::MetricEnum::MeanSquares;
  }

  double
  ComputeValue(const GPUMetricEngine::Result & result) const override
  {
    return result.sum / static_cast<double>(result.numberOfValidPoints);
  }
};
} // namespace itk

#endif
