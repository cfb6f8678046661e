// SPDX-License-Identifier: Apache-2.0
#include "itkGPUDiffeomorphicResidency.h"

#include "Transfer/Residency.h"

namespace itk
{
void
GPUDiffeomorphicResidency::SetMaximumBytes(std::size_t bytes)
{
  engine::Residency::Get().SetLimit(bytes);
}

void
GPUDiffeomorphicResidency::Release()
{
  engine::Residency::Get().Release();
}

GPUDiffeomorphicResidency::Counts
GPUDiffeomorphicResidency::GetCounts()
{
  const auto counts = engine::Residency::Get().GetCounts();
  return { counts.uploads, counts.uploadedBytes, counts.reuses, counts.reusedBytes, counts.residentBytes };
}
} // namespace itk
