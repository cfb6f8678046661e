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
#ifndef itkGPUMattesMutualInformationImageToImageMetricv4_h
#define itkGPUMattesMutualInformationImageToImageMetricv4_h

#include "itkMattesMutualInformationImageToImageMetricv4.h"
#include "itkGPUImageToImageMetricv4.h"

namespace itk
{
/** \class GPUMattesMutualInformationImageToImageMetricv4
 * \brief Mattes' mutual information on a GPU or the CPU, in the place of ITK's.
 *
 * The superclass's bins and ranges (SetNumberOfHistogramBins(), default 50); its histogram, GetJointPDF(), is filled by
 * evaluations of the superclass only. The derivative includes the factor 1 / N for displacement fields too.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TFixedImage,
          typename TMovingImage,
          typename TVirtualImage = TFixedImage,
          typename TInternalComputationValueType = double,
          typename TMetricTraits =
            DefaultImageToImageMetricTraitsv4<TFixedImage, TMovingImage, TVirtualImage, TInternalComputationValueType>>
class ITK_TEMPLATE_EXPORT GPUMattesMutualInformationImageToImageMetricv4
  : public GPUImageToImageMetricv4<
      MattesMutualInformationImageToImageMetricv4<TFixedImage, TMovingImage, TVirtualImage, TInternalComputationValueType, TMetricTraits>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUMattesMutualInformationImageToImageMetricv4);

  using Self = GPUMattesMutualInformationImageToImageMetricv4;
  using Superclass = GPUImageToImageMetricv4<
    MattesMutualInformationImageToImageMetricv4<TFixedImage, TMovingImage, TVirtualImage, TInternalComputationValueType, TMetricTraits>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUMattesMutualInformationImageToImageMetricv4, GPUImageToImageMetricv4);

protected:
  GPUMattesMutualInformationImageToImageMetricv4() = default;
  ~GPUMattesMutualInformationImageToImageMetricv4() override = default;

  std::string
  DescribeUncoveredCase() const override
  {
    const std::string uncovered = Superclass::DescribeUncoveredCase();
    return uncovered.empty() && this->m_NumberOfHistogramBins > 256 ? "there are more than 256 bins" : uncovered;
  }

  void
  PrepareEvaluation(GPUMetricEngine::Evaluation & evaluation) const override
  {
    evaluation.metric = GPUMetricEngine::MetricEnum::MutualInformation;
    evaluation.numberOfBins = static_cast<int>(this->m_NumberOfHistogramBins);
    evaluation.fixedBinSize = this->m_FixedImageBinSize;
    evaluation.fixedNormalizedMinimum = this->m_FixedImageNormalizedMin;
    evaluation.movingBinSize = this->m_MovingImageBinSize;
    evaluation.movingNormalizedMinimum = this->m_MovingImageNormalizedMin;
    evaluation.movingMinimum = this->m_MovingImageTrueMin;
    evaluation.movingMaximum = this->m_MovingImageTrueMax;
  }

  double
  ComputeValue(const GPUMetricEngine::Result & result) const override
  {
    return -result.sum;
  }

  double
  ComputeDivisor(const GPUMetricEngine::Result &) const override
  {
    return 1.0;
  }
};
} // namespace itk

#endif
