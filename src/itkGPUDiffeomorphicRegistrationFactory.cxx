// SPDX-License-Identifier: Apache-2.0
#include "itkGPUDiffeomorphicRegistrationFactory.h"

#include "itkGPUComposeDisplacementFieldsImageFilter.h"
#include "itkGPUDisplacementFieldJacobianDeterminantFilter.h"
#include "itkGPUExponentialDisplacementFieldImageFilter.h"
#include "itkGPUInvertDisplacementFieldImageFilter.h"

#include "itkVersion.h"

namespace itk
{
template <typename TComponent, unsigned int VDimension>
void
GPUDiffeomorphicRegistrationFactory::OverrideDisplacementFieldFilters()
{
  using FieldType = Image<Vector<TComponent, VDimension>, VDimension>;
  this->Override<ComposeDisplacementFieldsImageFilter<FieldType>, GPUComposeDisplacementFieldsImageFilter<FieldType>>();
  this->Override<InvertDisplacementFieldImageFilter<FieldType>, GPUInvertDisplacementFieldImageFilter<FieldType>>();
  this->Override<ExponentialDisplacementFieldImageFilter<FieldType, FieldType>,
                 GPUExponentialDisplacementFieldImageFilter<FieldType, FieldType>>();
  this->Override<DisplacementFieldJacobianDeterminantFilter<FieldType, float>,
                 GPUDisplacementFieldJacobianDeterminantFilter<FieldType, float>>();
  this->Override<DisplacementFieldJacobianDeterminantFilter<FieldType, double>,
                 GPUDisplacementFieldJacobianDeterminantFilter<FieldType, double>>();
}

GPUDiffeomorphicRegistrationFactory::GPUDiffeomorphicRegistrationFactory()
{
  this->OverrideDisplacementFieldFilters<float, 2>();
  this->OverrideDisplacementFieldFilters<float, 3>();
  this->OverrideDisplacementFieldFilters<double, 2>();
  this->OverrideDisplacementFieldFilters<double, 3>();
  this->OverrideRegistration();
}

const char *
GPUDiffeomorphicRegistrationFactory::GetITKSourceVersion() const
{
  return ITK_SOURCE_VERSION;
}

const char *
GPUDiffeomorphicRegistrationFactory::GetDescription() const
{
  return "SyN, metrics and displacement-field filters on a GPU, or on the CPU where there is none";
}

ObjectFactoryBase *
GPUDiffeomorphicRegistrationFactory::Find()
{
  for (ObjectFactoryBase * const factory : ObjectFactoryBase::GetRegisteredFactories())
  {
    if (dynamic_cast<Self *>(factory))
    {
      return factory;
    }
  }
  return nullptr;
}

void
GPUDiffeomorphicRegistrationFactory::RegisterOneFactory()
{
  if (!Find())
  {
    ObjectFactoryBase::RegisterFactory(Self::New(), ObjectFactoryEnums::InsertionPosition::INSERT_AT_FRONT);
  }
}

void
GPUDiffeomorphicRegistrationFactory::UnRegisterOneFactory()
{
  if (ObjectFactoryBase * const factory = Find())
  {
    ObjectFactoryBase::UnRegisterFactory(factory);
  }
}
} // namespace itk
