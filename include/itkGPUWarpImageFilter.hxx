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
#ifndef itkGPUWarpImageFilter_hxx
#define itkGPUWarpImageFilter_hxx

#include "itkGPUWarpImageFilter.h"

#include "itkGPUDiffeomorphicGeometry.h"
#include "itkGPUDiffeomorphicLabels.h"
#include "itkImageRegionIteratorWithIndex.h"
#include "itkLinearInterpolateImageFunction.h"

#include <algorithm>

namespace itk
{
template <typename TInputImage, typename TOutputImage, typename TDisplacementField>
GPUWarpImageFilter<TInputImage, TOutputImage, TDisplacementField>::GPUWarpImageFilter()
{
  this->AddOptionalInputName("DisplacementField");
}

template <typename TInputImage, typename TOutputImage, typename TDisplacementField>
void
GPUWarpImageFilter<TInputImage, TOutputImage, TDisplacementField>::SetOutputParametersFromImage(
  const ReferenceImageType * image)
{
  m_Grid = OutputImageType::New();
  m_Grid->CopyInformation(image);
  m_Grid->SetRegions(image->GetLargestPossibleRegion());
  this->Modified();
}

template <typename TInputImage, typename TOutputImage, typename TDisplacementField>
void
GPUWarpImageFilter<TInputImage, TOutputImage, TDisplacementField>::GenerateOutputInformation()
{
  const ReferenceImageType * grid = this->GetInput();
  if (m_Grid)
  {
    grid = m_Grid;
  }
  else if (this->GetDisplacementField())
  {
    grid = this->GetDisplacementField();
  }
  OutputImageType * output = this->GetOutput();
  output->SetLargestPossibleRegion(grid->GetLargestPossibleRegion());
  output->SetOrigin(grid->GetOrigin());
  output->SetSpacing(grid->GetSpacing());
  output->SetDirection(grid->GetDirection());
}

template <typename TInputImage, typename TOutputImage, typename TDisplacementField>
void
GPUWarpImageFilter<TInputImage, TOutputImage, TDisplacementField>::GenerateInputRequestedRegion()
{
  Superclass::GenerateInputRequestedRegion();
  const_cast<InputImageType *>(this->GetInput())->SetRequestedRegionToLargestPossibleRegion();
  if (this->GetDisplacementField())
  {
    const_cast<DisplacementFieldType *>(this->GetDisplacementField())->SetRequestedRegionToLargestPossibleRegion();
  }
}

template <typename TInputImage, typename TOutputImage, typename TDisplacementField>
void
GPUWarpImageFilter<TInputImage, TOutputImage, TDisplacementField>::EnlargeOutputRequestedRegion(DataObject * output)
{
  Superclass::EnlargeOutputRequestedRegion(output);
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage, typename TOutputImage, typename TDisplacementField>
void
GPUWarpImageFilter<TInputImage, TOutputImage, TDisplacementField>::GenerateData()
{
  this->AllocateOutputs();
  const InputImageType * input = this->GetInput();
  OutputImageType *      output = this->GetOutput();
  if (m_Transform && !m_Transform->IsLinear())
  {
    itkExceptionMacro(<< "the transform " << m_Transform->GetNameOfClass() << " is not linear");
  }

  typename DisplacementFieldType::ConstPointer field = this->GetDisplacementField();
  if (field && !GPUDiffeomorphicGeometry::HaveSameGrid<ImageDimension>(field, output))
  {
    // Linear interpolation at the nearest position within the field, as WarpImageFilter does it.
    using InterpolatorType = LinearInterpolateImageFunction<DisplacementFieldType, double>;
    const auto interpolator = InterpolatorType::New();
    const auto resampled = DisplacementFieldType::New();
    interpolator->SetInputImage(field);
    resampled->CopyInformation(output);
    resampled->SetRegions(output->GetLargestPossibleRegion());
    resampled->Allocate();
    this->GetMultiThreader()->template ParallelizeImageRegion<ImageDimension>(
      resampled->GetBufferedRegion(),
      [&](const typename DisplacementFieldType::RegionType & region) {
        for (ImageRegionIteratorWithIndex<DisplacementFieldType> it(resampled, region); !it.IsAtEnd(); ++it)
        {
          typename DisplacementFieldType::PointType        point;
          typename InterpolatorType::ContinuousIndexType index;
          resampled->TransformIndexToPhysicalPoint(it.GetIndex(), point);
          // inside or not does not matter: the position is clamped
          static_cast<void>(field->TransformPhysicalPointToContinuousIndex(point, index));
          for (unsigned int d = 0; d < ImageDimension; ++d)
          {
            const double first = field->GetBufferedRegion().GetIndex(d);
            const double last = first + field->GetBufferedRegion().GetSize(d) - 1.0;
            index[d] = std::min(last, std::max(first, static_cast<double>(index[d])));
          }
          const auto vector = interpolator->EvaluateAtContinuousIndex(index);
          for (unsigned int d = 0; d < ImageDimension; ++d)
          {
            it.Value()[d] = static_cast<typename DisplacementFieldType::PixelType::ValueType>(vector[d]);
          }
        }
      },
      nullptr);
    field = resampled;
  }

  // x + u in voxels of the output grid, then the affine map to voxels of the input
  const auto affine =
    GPUDiffeomorphicGeometry::GetIndexToIndexMap<ImageDimension>(output, m_Transform.GetPointer(), input);
  GPUDiffeomorphicEngine::MatrixType matrix;
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      matrix[i][j] = affine[i][j];
    }
  }
  GPUDiffeomorphicEngine::InputVectors vectors;
  if (field)
  {
    vectors = GPUDiffeomorphicGeometry::GetIndexVectors(field.GetPointer());
  }
  m_DeviceName = GPUDiffeomorphicEngine::ResolveDevice(m_Device);
  if (m_Interpolation == InterpolationEnum::Label)
  {
    const GPUDiffeomorphicLabels<typename InputImageType::PixelType> labels(
      input->GetBufferPointer(), input->GetBufferedRegion().GetNumberOfPixels());
    std::vector<std::int32_t> ranks(output->GetBufferedRegion().GetNumberOfPixels());
    GPUDiffeomorphicEngine::WarpLabels(m_DeviceName,
                                       labels.GetRanks().data(),
                                       GPUDiffeomorphicGeometry::GetSize<ImageDimension>(input),
                                       affine,
                                       matrix,
                                       vectors,
                                       labels.OutsideRank,
                                       GPUDiffeomorphicGeometry::GetSize<ImageDimension>(output),
                                       ranks.data());
    std::transform(ranks.begin(), ranks.end(), output->GetBufferPointer(), [&](std::int32_t rank) {
      return labels.GetValue(rank, m_EdgePaddingValue);
    });
    return;
  }
  GPUDiffeomorphicEngine::Warp(m_DeviceName,
                               input->GetBufferPointer(),
                               GPUDiffeomorphicGeometry::GetSize<ImageDimension>(input),
                               affine,
                               matrix,
                               vectors,
                               m_Interpolation,
                               static_cast<float>(m_EdgePaddingValue),
                               GPUDiffeomorphicGeometry::GetSize<ImageDimension>(output),
                               output->GetBufferPointer());
}

template <typename TInputImage, typename TOutputImage, typename TDisplacementField>
void
GPUWarpImageFilter<TInputImage, TOutputImage, TDisplacementField>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  itkPrintSelfObjectMacro(Transform);
  itkPrintSelfObjectMacro(Grid);
  os << indent << "EdgePaddingValue: " << static_cast<typename NumericTraits<OutputPixelType>::PrintType>(m_EdgePaddingValue)
     << std::endl;
  os << indent << "Interpolation: " << static_cast<int>(m_Interpolation) << std::endl;
  os << indent << "Device: " << m_Device << std::endl;
  os << indent << "DeviceName: " << m_DeviceName << std::endl;
}
} // namespace itk

#endif
