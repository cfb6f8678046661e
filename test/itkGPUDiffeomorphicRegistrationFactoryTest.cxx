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
#include "itkGPUComposeDisplacementFieldsImageFilter.h"
#include "itkGPUDiffeomorphicRegistrationFactory.h"
#include "itkGPUDisplacementFieldJacobianDeterminantFilter.h"
#include "itkGPUDisplacementFieldTesting.h"
#include "itkGPUExponentialDisplacementFieldImageFilter.h"
#include "itkGPUInvertDisplacementFieldImageFilter.h"

#include "itkTestingMacros.h"
#include "itkVersion.h"

using namespace GPUDiffeomorphicTesting;

namespace
{
/** Whether New() of ITK's class gives this module's. */
template <typename TOriginal, typename TReplacement>
bool
IsReplaced()
{
  return dynamic_cast<TReplacement *>(TOriginal::New().GetPointer()) != nullptr;
}

template <typename TComponent, unsigned int VDimension>
void
CheckOverrides(Checker & checker, bool expected)
{
  using FieldType = FieldImage<TComponent, VDimension>;
  const bool compose = IsReplaced<itk::ComposeDisplacementFieldsImageFilter<FieldType>,
                                  itk::GPUComposeDisplacementFieldsImageFilter<FieldType>>();
  const bool exponential = IsReplaced<itk::ExponentialDisplacementFieldImageFilter<FieldType, FieldType>,
                                      itk::GPUExponentialDisplacementFieldImageFilter<FieldType, FieldType>>();
  const bool invert = IsReplaced<itk::InvertDisplacementFieldImageFilter<FieldType>,
                                 itk::GPUInvertDisplacementFieldImageFilter<FieldType>>();
  const bool jacobian = IsReplaced<itk::DisplacementFieldJacobianDeterminantFilter<FieldType>,
                                   itk::GPUDisplacementFieldJacobianDeterminantFilter<FieldType>>();
  const bool inDouble = IsReplaced<itk::DisplacementFieldJacobianDeterminantFilter<FieldType, double>,
                                   itk::GPUDisplacementFieldJacobianDeterminantFilter<FieldType, double>>();
  checker.Expect(compose == expected && exponential == expected && invert == expected && jacobian == expected &&
                   inDouble == expected,
                 std::string("New() of ITK's classes gives ") + (expected ? "this module's" : "ITK's") + ", dimension " +
                   std::to_string(VDimension));
}

void
CheckAll(Checker & checker, bool expected)
{
  CheckOverrides<float, 2>(checker, expected);
  CheckOverrides<float, 3>(checker, expected);
  CheckOverrides<double, 2>(checker, expected);
  CheckOverrides<double, 3>(checker, expected);
}
} // namespace

int
itkGPUDiffeomorphicRegistrationFactoryTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  using FactoryType = itk::GPUDiffeomorphicRegistrationFactory;
  const auto factory = FactoryType::New();
  ITK_EXERCISE_BASIC_OBJECT_METHODS(factory, GPUDiffeomorphicRegistrationFactory, ObjectFactoryBase);
  ITK_TEST_EXPECT_EQUAL(std::string(factory->GetITKSourceVersion()), std::string(ITK_SOURCE_VERSION));
  ITK_TEST_EXPECT_TRUE(std::string(factory->GetDescription()).size() > 10);

  Checker    checker;
  const auto count = itk::ObjectFactoryBase::GetRegisteredFactories().size();
  CheckAll(checker, false);
  FactoryType::RegisterOneFactory();
  FactoryType::RegisterOneFactory();
  checker.Expect(itk::ObjectFactoryBase::GetRegisteredFactories().size() == count + 1, "registered once");
  CheckAll(checker, true);

  // ITK's name, this module's work, from a program that knows nothing of it
  using FieldType = FieldImage<double, 3>;
  const auto field = MakeField<FieldType>(2.5, true);
  const auto swapped = itk::InvertDisplacementFieldImageFilter<FieldType>::New();
  dynamic_cast<itk::GPUInvertDisplacementFieldImageFilter<FieldType> &>(*swapped).SetDevice(device);
  swapped->SetDisplacementField(field);
  swapped->SetEnforceBoundaryCondition(false);
  swapped->Update();
  const auto exponential = itk::ExponentialDisplacementFieldImageFilter<FieldType, FieldType>::New();
  exponential->SetInput(field);
  exponential->Update();

  FactoryType::UnRegisterOneFactory();
  FactoryType::UnRegisterOneFactory();
  checker.Expect(itk::ObjectFactoryBase::GetRegisteredFactories().size() == count, "taken back");
  CheckAll(checker, false);
  const auto original = itk::InvertDisplacementFieldImageFilter<FieldType>::New();
  original->SetDisplacementField(field);
  original->SetEnforceBoundaryCondition(false);
  original->Update();
  ExpectSame<FieldType>(checker, swapped->GetOutput(), original->GetOutput(), 1e-4, "Invert through the factory");
  const auto originalExponential = itk::ExponentialDisplacementFieldImageFilter<FieldType, FieldType>::New();
  originalExponential->SetInput(field);
  originalExponential->Update();
  ExpectSame<FieldType>(checker,
                        exponential->GetOutput(),
                        originalExponential->GetOutput(),
                        1e-4,
                        "Exponential through the factory");

  itk::ObjectFactoryBase::RegisterFactory(factory);
  CheckAll(checker, true);
  itk::ObjectFactoryBase::UnRegisterFactory(factory);
  CheckAll(checker, false);
  return checker.Status();
}
