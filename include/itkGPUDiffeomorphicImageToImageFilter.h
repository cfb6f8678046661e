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
#ifndef itkGPUDiffeomorphicImageToImageFilter_h
#define itkGPUDiffeomorphicImageToImageFilter_h

#include "itkGPUDiffeomorphicEngine.h"

#include "itkImageBase.h"

#include <string>

namespace itk
{
/** \class GPUDiffeomorphicImageToImageFilter
 * \brief A filter of ITK whose GenerateData runs on the GPU or the CPU engine, with the filter of ITK behind it.
 *
 * Adds the choice of the device to TParentImageFilter, whose inputs, outputs and setters stay. What the engine does not
 * cover is left to the parent, with one warning that says why; for every filter these are grids of more than 32767
 * voxels along an axis or more than 2^31 - 1 in all. Arithmetic on the device is float32 whatever the component type:
 * double is converted on the way in and back on the way out. A device that does not exist is an exception. Progress is
 * reported at the start and the end alone, and NumberOfWorkUnits is not looked at: the CPU engine takes ITK's global
 * default number of threads.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TParentImageFilter>
class ITK_TEMPLATE_EXPORT GPUDiffeomorphicImageToImageFilter : public TParentImageFilter
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUDiffeomorphicImageToImageFilter);

  using Self = GPUDiffeomorphicImageToImageFilter;
  using Superclass = TParentImageFilter;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkTypeMacro(GPUDiffeomorphicImageToImageFilter, TParentImageFilter);

  static constexpr unsigned int ImageDimension = TParentImageFilter::OutputImageType::ImageDimension;
  static_assert(ImageDimension == 2 || ImageDimension == 3, "images of 2 or 3 dimensions");

  /** "auto" (default: a GPU if one works, else the CPU), "cpu", "cuda" or "cuda:N". */
  itkSetStringMacro(Device);
  itkGetStringMacro(Device);

  /** The device of the last run, "cpu" or "cuda:N"; empty before, and if the superclass ran. */
  std::string
  GetDeviceName() const
  {
    return m_DeviceName;
  }

protected:
  GPUDiffeomorphicImageToImageFilter() = default;
  ~GPUDiffeomorphicImageToImageFilter() override = default;

  void
  GenerateData() override;

  /** The work on a device that is there, outputs not yet allocated. */
  virtual void
  GenerateDataOnDevice(const std::string & device) = 0;

  /** Why this set-up does not run on the device; empty if it does. */
  virtual std::string
  DescribeUncoveredCase() const;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  std::string m_Device{ "auto" };
  std::string m_DeviceName;
  bool        m_Warned{ false };
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkGPUDiffeomorphicImageToImageFilter.hxx"
#endif

#endif
