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
#include "itkGPUDiffeomorphicResidency.h"
#include "itkGPUDisplacementFieldJacobianDeterminantFilter.h"
#include "itkGPUDisplacementFieldTesting.h"
#include "itkGPUInvertDisplacementFieldImageFilter.h"

using namespace GPUDiffeomorphicTesting;

namespace
{
using ResidencyType = itk::GPUDiffeomorphicResidency;
using FieldType = FieldImage<double, 3>;
using DeterminantType = itk::Image<double, 3>;

/** Compose, invert, Jacobian determinant: each from the output of the one before. */
DeterminantType::Pointer
RunChain(const std::string & device, FieldType * outer, FieldType * inner)
{
  const auto compose = itk::GPUComposeDisplacementFieldsImageFilter<FieldType>::New();
  const auto invert = itk::GPUInvertDisplacementFieldImageFilter<FieldType>::New();
  const auto jacobian = itk::GPUDisplacementFieldJacobianDeterminantFilter<FieldType, double, DeterminantType>::New();
  compose->SetDisplacementField(outer);
  compose->SetWarpingField(inner);
  compose->SetDevice(device);
  invert->SetInput(compose->GetOutput());
  invert->SetDevice(device);
  jacobian->SetInput(invert->GetOutput());
  jacobian->SetDevice(device);
  jacobian->Update();
  return jacobian->GetOutput();
}

bool
HaveSamePixels(const DeterminantType * a, const DeterminantType * b)
{
  const auto count = a->GetBufferedRegion().GetNumberOfPixels();
  return std::equal(a->GetBufferPointer(), a->GetBufferPointer() + count, b->GetBufferPointer());
}
} // namespace

int
itkGPUDiffeomorphicResidencyTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  Checker           checker;
  const bool        isCuda = itk::GPUDiffeomorphicEngine::ResolveDevice(device) != "cpu";
  const auto        outer = MakeField<FieldType>(1.5, true);
  const auto        inner = MakeField<FieldType>(1.0, true, 2.0);
  const std::size_t fieldBytes = sizeof(FieldType::PixelType) * outer->GetBufferedRegion().GetNumberOfPixels();

  // without copies, for comparison
  ResidencyType::SetMaximumBytes(0);
  const auto expected = RunChain(device, outer, inner);
  checker.Expect(ResidencyType::GetCounts().residentBytes == 0, "a limit of 0 keeps nothing");

  ResidencyType::SetMaximumBytes(std::size_t{ 1 } << 30);
  auto       before = ResidencyType::GetCounts();
  const auto expectUploads = [&](std::size_t uploads, const char * when) {
    const auto now = ResidencyType::GetCounts();
    std::cout << when << ": " << now.uploads - before.uploads << " uploads, " << now.reuses - before.reuses
              << " reuses" << std::endl;
    checker.Expect(now.uploads - before.uploads == (isCuda ? uploads : 0), std::string("uploads ") + when);
    checker.Expect(now.uploadedBytes - before.uploadedBytes == (isCuda ? uploads : 0) * fieldBytes,
                   std::string("bytes ") + when);
    before = now;
  };
  checker.Expect(HaveSamePixels(RunChain(device, outer, inner), expected), "the same bits as without copies");
  expectUploads(2, "of the chain");
  checker.Expect(HaveSamePixels(RunChain(device, outer, inner), expected), "the same bits from copies");
  expectUploads(0, "of the chain again");

  // an edit of one number through the pointer, of which ITK knows nothing
  const FieldType::IndexType index{ { 20, 10, 12 } };
  outer->SetPixel(index, outer->GetPixel(index) + FieldType::PixelType(0.125));
  const auto edited = RunChain(device, outer, inner);
  expectUploads(1, "after an edit");
  ResidencyType::Release();
  checker.Expect(ResidencyType::GetCounts().residentBytes == 0, "all copies are released");
  checker.Expect(HaveSamePixels(edited, RunChain(device, outer, inner)), "the edit counts");
  checker.Expect(!HaveSamePixels(edited, expected), "the edit changes the result");
  return checker.Status();
}
