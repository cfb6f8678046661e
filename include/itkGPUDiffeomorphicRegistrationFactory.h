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
#ifndef itkGPUDiffeomorphicRegistrationFactory_h
#define itkGPUDiffeomorphicRegistrationFactory_h

#include "GPUDiffeomorphicRegistrationExport.h"

#include "itkCreateObjectFunction.h"
#include "itkObjectFactoryBase.h"

#include <typeinfo>

namespace itk
{
/** \class GPUDiffeomorphicRegistrationFactory
 * \brief Makes New() of ITK's SyN, v4 metrics and displacement-field filters give those of this module.
 *
 * After GPUDiffeomorphicRegistrationFactory::RegisterOneFactory() these come from New() of ITK's class, in ITK's own code
 * too, on the device "auto":
 *
 * | ITK's class                                     | becomes                                                |
 * |-------------------------------------------------|--------------------------------------------------------|
 * | SyNImageRegistrationMethod                      | GPUSyNImageRegistrationMethod                          |
 * | ANTSNeighborhoodCorrelationImageToImageMetricv4 | GPULocalNormalizedCrossCorrelationImageToImageMetricv4 |
 * | MattesMutualInformationImageToImageMetricv4     | GPUMattesMutualInformationImageToImageMetricv4         |
 * | MeanSquaresImageToImageMetricv4                 | GPUMeanSquaresImageToImageMetricv4                     |
 * | ComposeDisplacementFieldsImageFilter            | GPUComposeDisplacementFieldsImageFilter                |
 * | ExponentialDisplacementFieldImageFilter         | GPUExponentialDisplacementFieldImageFilter             |
 * | InvertDisplacementFieldImageFilter              | GPUInvertDisplacementFieldImageFilter                  |
 * | DisplacementFieldJacobianDeterminantFilter      | GPUDisplacementFieldJacobianDeterminantFilter          |
 *
 * SyN and metrics between images Image<T, D>, both of one type and the virtual image of it too, that compute in double;
 * filters of fields Image<Vector<T, D>, D>, the output of the same type, determinants of float or double; with T float or
 * double and D 2 or 3. What else a program creates is ITK's as before. Mattes' metric leaves GetJointPDF() empty. The
 * device of such objects can be chosen by the environment variable ITK_GPU_DIFFEOMORPHIC_DEVICE.
 *
 * Left out on purpose: WarpImageFilter, because GPUWarpImageFilter does not derive from it (it has an interpolation where
 * that has an interpolator object).
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
class GPUDiffeomorphicRegistration_EXPORT GPUDiffeomorphicRegistrationFactory : public ObjectFactoryBase
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUDiffeomorphicRegistrationFactory);

  using Self = GPUDiffeomorphicRegistrationFactory;
  using Superclass = ObjectFactoryBase;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkFactorylessNewMacro(Self);
  itkTypeMacro(GPUDiffeomorphicRegistrationFactory, ObjectFactoryBase);

  const char *
  GetITKSourceVersion() const override;

  const char *
  GetDescription() const override;

  /** Registers one factory before all others; a second call changes nothing. */
  static void
  RegisterOneFactory();

  /** Takes it back: ITK's classes are ITK's again. Objects that exist stay what they are. */
  static void
  UnRegisterOneFactory();

protected:
  GPUDiffeomorphicRegistrationFactory();
  ~GPUDiffeomorphicRegistrationFactory() override = default;

private:
  static ObjectFactoryBase *
  Find();

  template <typename TOriginal, typename TReplacement>
  void
  Override()
  {
    this->RegisterOverride(typeid(TOriginal).name(),
                           typeid(TReplacement).name(),
                           "on the GPU or the CPU engine of GPUDiffeomorphicRegistration",
                           true,
                           CreateObjectFunction<TReplacement>::New());
  }

  template <typename TComponent, unsigned int VDimension>
  void
  OverrideDisplacementFieldFilters();

  template <typename TImage>
  void
  OverrideRegistrationOf();

  void
  OverrideRegistration();
};
} // namespace itk

#endif
