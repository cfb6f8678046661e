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
#ifndef itkGPUDiffeomorphicImageToImageFilter_hxx
#define itkGPUDiffeomorphicImageToImageFilter_hxx

#include "itkGPUDiffeomorphicImageToImageFilter.h"

#include <sstream>

namespace itk
{
template <typename TParentImageFilter>
void
GPUDiffeomorphicImageToImageFilter<TParentImageFilter>::GenerateData()
{
  m_DeviceName.clear();
  const std::string device = GPUDiffeomorphicEngine::ResolveDevice(m_Device);
  const std::string uncovered = this->DescribeUncoveredCase();
  if (uncovered.empty())
  {
    this->GenerateDataOnDevice(device);
    m_DeviceName = device;
    return;
  }
  if (!m_Warned)
  {
    itkWarningMacro(<< "running in ITK's filter on the CPU, because " << uncovered);
    m_Warned = true;
  }
  Superclass::GenerateData();
}

template <typename TParentImageFilter>
std::string
GPUDiffeomorphicImageToImageFilter<TParentImageFilter>::DescribeUncoveredCase() const
{
  for (unsigned int i = 0; i < this->GetNumberOfIndexedInputs(); ++i)
  {
    const auto * image = dynamic_cast<const ImageBase<ImageDimension> *>(this->ProcessObject::GetInput(i));
    if (!image)
    {
      continue;
    }
    const auto & size = image->GetLargestPossibleRegion().GetSize();
    double       voxels = 1.0;
    bool         isLong = false;
    for (unsigned int d = 0; d < ImageDimension; ++d)
    {
      voxels *= static_cast<double>(size[d]);
      isLong = isLong || size[d] > 32767u;
    }
    if (isLong || voxels > 2147483647.0)
    {
      std::ostringstream message;
      message << "a field of " << size << " voxels exceeds 32767 along an axis or 2147483647 in all";
      return message.str();
    }
  }
  return std::string();
}

template <typename TParentImageFilter>
void
GPUDiffeomorphicImageToImageFilter<TParentImageFilter>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Device: " << m_Device << std::endl;
  os << indent << "DeviceName: " << m_DeviceName << std::endl;
}
} // namespace itk

#endif
