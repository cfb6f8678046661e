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
#ifndef itkGPUSyNImageRegistrationMethod_h
#define itkGPUSyNImageRegistrationMethod_h

#include "itkGPUDiffeomorphicRegistrationMethod.h"

namespace itk
{
/** \class GPUSyNImageRegistrationMethod
 * \brief SyNImageRegistrationMethod on the GPU, or on the CPU where there is none: same defaults, same meaning, same result.
 *
 * GPUDiffeomorphicRegistrationMethod with the symmetric solver and the settings that SyNImageRegistrationMethod starts
 * with: mutual information of 20 bins, three levels of 20, 30 and 40 iterations, shrink factors 2, 1, 1, smoothing sigmas 2, 1, 0
 * in physical units, learning rate 0.25, variances 3 (update field) and 0.5 (total field).
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TFixedImage,
          typename TMovingImage,
          typename TOutputTransform = DisplacementFieldTransform<double, TFixedImage::ImageDimension>,
          typename TVirtualImage = TFixedImage,
          typename TPointSet = PointSet<unsigned int, TFixedImage::ImageDimension>>
class ITK_TEMPLATE_EXPORT GPUSyNImageRegistrationMethod
  : public GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUSyNImageRegistrationMethod);

  using Self = GPUSyNImageRegistrationMethod;
  using Superclass =
    GPUDiffeomorphicRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUSyNImageRegistrationMethod, GPUDiffeomorphicRegistrationMethod);

protected:
  GPUSyNImageRegistrationMethod()
  {
    using InformationType = MattesMutualInformationImageToImageMetricv4<TFixedImage,
                                                                        TMovingImage,
                                                                        TVirtualImage,
                                                                        typename Superclass::RealType>;
    auto information = InformationType::New();
    information->SetNumberOfHistogramBins(20);
    information->SetUseMovingImageGradientFilter(false);
    information->SetUseFixedImageGradientFilter(false);
    this->m_Metric = information;

    constexpr SizeValueType                          levels = 3;
    typename Superclass::ShrinkFactorsArrayType      shrinkFactors(levels);
    typename Superclass::SmoothingSigmasArrayType    sigmas(levels);
    typename Superclass::NumberOfIterationsArrayType iterations(levels);
    for (SizeValueType level = 0; level < levels; ++level)
    {
      shrinkFactors[level] = level == 0 ? 2 : 1;
      sigmas[level] = 2.0 - level;
      iterations[level] = 20 + 10 * level;
    }
    this->SetNumberOfLevels(levels);
    this->SetShrinkFactorsPerLevel(shrinkFactors);
    this->SetSmoothingSigmasPerLevel(sigmas);
    this->SetSmoothingSigmasAreSpecifiedInPhysicalUnits(true);
    this->SetNumberOfIterationsPerLevel(iterations);
    this->SetLearningRate(0.25);
    this->SetGaussianSmoothingVarianceForTheUpdateField(3.0);
    this->SetGaussianSmoothingVarianceForTheTotalField(0.5);
    this->SetSymmetricSolver(GPUSymmetricDiffeomorphicSolver::New());
  }
  ~GPUSyNImageRegistrationMethod() override = default;
};
} // namespace itk

#endif
