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
#ifndef itkGPUImageToImageMetricv4_hxx
#define itkGPUImageToImageMetricv4_hxx

#include "itkGPUImageToImageMetricv4.h"

#include "itkCompositeTransform.h"
#include "itkGPUDiffeomorphicGeometry.h"
#include "itkImageMaskSpatialObject.h"
#include "itkMultiThreaderBase.h"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace itk
{
namespace GPUMetricDetail
{
/** True if all values of the pixel type are floats. */
template <typename TPixel>
constexpr bool
FitsFloat()
{
  return std::is_same<TPixel, float>::value || (std::is_integral<TPixel>::value && sizeof(TPixel) <= 2);
}

/** What ITK does to an interpolated value when it stores it in this pixel type. */
template <typename TPixel>
constexpr GPUMetricEngine::RoundingEnum
GetRounding()
{
  return std::is_integral<TPixel>::value
           ? GPUMetricEngine::RoundingEnum::Truncate
           : (std::is_same<TPixel, float>::value ? GPUMetricEngine::RoundingEnum::ToFloat
                                                 : GPUMetricEngine::RoundingEnum::None);
}

/** Identity of an object's state: a new object at an old address has a time of its own. */
template <typename TObject>
ModifiedTimeType
GetTime(const TObject * object)
{
  return object ? object->GetMTime() : 0;
}
} // namespace GPUMetricDetail

template <typename TSuperclass>
void
GPUImageToImageMetricv4<TSuperclass>::Initialize()
{
  Superclass::Initialize();
  m_ImageTimes.clear();
  m_FixedMaskTimes.clear();
}

template <typename TSuperclass>
bool
GPUImageToImageMetricv4<TSuperclass>::AppendToChain(const TransformType * transform, Chain & chain) const
{
  if (const auto * composite = dynamic_cast<const CompositeTransform<double, ImageDimension> *>(transform))
  {
    // the last of its queue comes first
    for (SizeValueType n = composite->GetNumberOfTransforms(); n > 0; --n)
    {
      if (!this->AppendToChain(composite->GetNthTransformConstPointer(n - 1), chain))
      {
        return false;
      }
    }
    return true;
  }
  if (transform->IsLinear())
  {
    chain.linear.push_back(transform);
    return true;
  }
  const auto * field = dynamic_cast<const FieldTransformType *>(transform);
  if (!field || transform->GetTransformCategory() != TransformType::TransformCategoryEnum::DisplacementField ||
      chain.field || !chain.linear.empty() || !field->GetDisplacementField() ||
      !GPUDiffeomorphicGeometry::HaveSameGrid<ImageDimension>(field->GetDisplacementField(), this->GetVirtualImage()))
  {
    return false;
  }
  chain.field = field;
  return true;
}

template <typename TSuperclass>
std::string
GPUImageToImageMetricv4<TSuperclass>::DescribeUncoveredCase() const
{
  if (!std::is_same<InternalComputationValueType, double>::value)
  {
    return "the metric computes in another precision than double";
  }
  if (!std::is_arithmetic<typename FixedImageType::PixelType>::value ||
      !std::is_arithmetic<typename MovingImageType::PixelType>::value)
  {
    return "the images are not scalar";
  }
  if (ImageDimension < 2 || ImageDimension > 3)
  {
    return "the images are not of 2 or 3 dimensions";
  }
  if (this->m_UseSampledPointSet)
  {
    return "the metric is sampled";
  }
  if (this->GetUseFloatingPointCorrection())
  {
    return "the floating point correction is on";
  }
  if (this->GetGradientSourceIncludesFixed() || !this->GetGradientSourceIncludesMoving())
  {
    return "the gradient source is not the moving image alone";
  }
  for (const char * const name :
       { this->m_FixedInterpolator->GetNameOfClass(), this->m_MovingInterpolator->GetNameOfClass() })
  {
    if (std::string(name) != "LinearInterpolateImageFunction")
    {
      return std::string("an interpolator is ") + name;
    }
  }
  if (m_GradientMode == GradientModeEnum::ITK && !this->m_UseMovingImageGradientFilter &&
      (static_cast<const Object *>(this->m_MovingImageGradientCalculator.GetPointer()) !=
         this->m_DefaultMovingImageGradientCalculator.GetPointer() ||
       !this->m_DefaultMovingImageGradientCalculator->GetUseImageDirection()))
  {
    return "the gradient calculator of the moving image is not the default one";
  }
  if constexpr (std::is_same<InternalComputationValueType, double>::value)
  {
    Chain fixed;
    if (!this->AppendToChain(this->m_FixedTransform, fixed))
    {
      return "the fixed transform is not a displacement field on the virtual grid followed by linear transforms";
    }
    Chain moving;
    if (!this->AppendToChain(this->m_MovingTransform, moving))
    {
      return "the moving transform is not a displacement field on the virtual grid followed by linear transforms";
    }
    if (moving.field && !this->HasLocalSupport())
    {
      return "linear transforms are optimized together with a displacement field";
    }
  }
  return std::string();
}

template <typename TSuperclass>
void
GPUImageToImageMetricv4<TSuperclass>::GetValueAndDerivativeExecute() const
{
  m_DeviceName.clear();
  const std::string uncovered = this->DescribeUncoveredCase();
  if (!uncovered.empty())
  {
    // A device that does not exist is an error on both paths.
    if (!m_Warned)
    {
      GPUDiffeomorphicEngine::ResolveDevice(m_Device);
      itkWarningMacro(<< "evaluating in ITK's metric on the CPU, because " << uncovered);
      m_Warned = true;
    }
    Superclass::GetValueAndDerivativeExecute();
    return;
  }
  if constexpr (std::is_same<InternalComputationValueType, double>::value &&
                std::is_arithmetic<typename FixedImageType::PixelType>::value &&
                std::is_arithmetic<typename MovingImageType::PixelType>::value && ImageDimension >= 2 &&
                ImageDimension <= 3)
  {
    this->ExecuteOnDevice();
  }
}

template <typename TSuperclass>
void
GPUImageToImageMetricv4<TSuperclass>::ExecuteOnDevice() const
{
  if (!m_Engine || m_EngineDevice != m_Device)
  {
    m_Engine = std::make_unique<GPUMetricEngine>(m_Device);
    m_EngineDevice = m_Device;
    m_ImageTimes.clear();
  }
  this->UploadImages();

  Chain fixed;
  Chain moving;
  this->AppendToChain(this->m_FixedTransform, fixed);
  this->AppendToChain(this->m_MovingTransform, moving);
  GPUMetricEngine::Evaluation evaluation;
  evaluation.dimension = ImageDimension;
  evaluation.virtualSize = GPUDiffeomorphicGeometry::GetSize<ImageDimension>(this->GetVirtualImage());
  evaluation.fixedMap = this->MakeMap(fixed, this->m_FixedImage.GetPointer());
  evaluation.movingMap = this->MakeMap(moving, this->m_MovingImage.GetPointer());
  evaluation.mask = this->UpdateMask(!this->SetMovingMask(evaluation));
  const bool exact = m_GradientMode == GradientModeEnum::Exact;
  if (!exact)
  {
    evaluation.fixedRounding = GPUMetricDetail::GetRounding<typename FixedImageType::PixelType>();
    evaluation.movingRounding = GPUMetricDetail::GetRounding<typename MovingImageType::PixelType>();
  }
  evaluation.allWindows = exact;
  const bool local = this->HasLocalSupport();
  evaluation.derivative = this->GetComputeDerivative();
  if (evaluation.derivative)
  {
    this->SetGradient(moving, evaluation);
    evaluation.sums = !local;
    evaluation.local = local ? this->m_DerivativeResult->data_block() : nullptr;
  }
  this->PrepareEvaluation(evaluation);
  const GPUMetricEngine::Result result = m_Engine->Evaluate(evaluation);
  m_DeviceName = m_Engine->GetDeviceName();
  if (result.numberOfValidPoints == 0)
  {
    // ITK's value, and its warning or exception
    Superclass::GetValueAndDerivativeExecute();
    return;
  }
  this->m_NumberOfValidPoints = result.numberOfValidPoints;
  this->m_Value = static_cast<typename Superclass::MeasureType>(this->ComputeValue(result));
  if (evaluation.sums)
  {
    this->AddGlobalDerivative(result);
  }
}

template <typename TSuperclass>
void
GPUImageToImageMetricv4<TSuperclass>::UploadImages() const
{
  const bool withGradient =
    m_GradientMode == GradientModeEnum::ITK && this->m_UseMovingImageGradientFilter && this->GetComputeDerivative();
  const auto * const gradient = withGradient ? this->m_MovingImageGradientImage.GetPointer() : nullptr;
  const std::vector<ModifiedTimeType> times = { GPUMetricDetail::GetTime(this->m_FixedImage.GetPointer()),
                                                GPUMetricDetail::GetTime(this->m_MovingImage.GetPointer()),
                                                GPUMetricDetail::GetTime(gradient) };
  // a gradient that is there and not needed does no harm
  if (m_ImageTimes.size() == times.size() && m_ImageTimes[0] == times[0] && m_ImageTimes[1] == times[1] &&
      (!gradient || m_ImageTimes[2] == times[2]))
  {
    return;
  }
  GPUMetricEngine::Images images;
  images.dimension = ImageDimension;
  images.fixedSize = GPUDiffeomorphicGeometry::GetSize<ImageDimension>(this->m_FixedImage.GetPointer());
  images.movingSize = GPUDiffeomorphicGeometry::GetSize<ImageDimension>(this->m_MovingImage.GetPointer());
  std::vector<float>  fixedFloats;
  std::vector<float>  movingFloats;
  std::vector<double> fixedDoubles;
  std::vector<double> movingDoubles;
  if constexpr (GPUMetricDetail::FitsFloat<typename FixedImageType::PixelType>() &&
                GPUMetricDetail::FitsFloat<typename MovingImageType::PixelType>())
  {
    images.fixedFloats = GPUDiffeomorphicGeometry::GetBufferAs<float>(this->m_FixedImage.GetPointer(), fixedFloats);
    images.movingFloats = GPUDiffeomorphicGeometry::GetBufferAs<float>(this->m_MovingImage.GetPointer(), movingFloats);
  }
  else
  {
    images.fixedDoubles = GPUDiffeomorphicGeometry::GetBufferAs<double>(this->m_FixedImage.GetPointer(), fixedDoubles);
    images.movingDoubles =
      GPUDiffeomorphicGeometry::GetBufferAs<double>(this->m_MovingImage.GetPointer(), movingDoubles);
  }
  if (gradient)
  {
    static_assert(std::is_same<typename Superclass::MovingImageGradientImageType::PixelType::ValueType, double>::value,
                  "gradients are of double precision");
    images.movingGradient = gradient->GetBufferPointer()->GetDataPointer();
  }
  m_ImageTimes.clear();
  m_Engine->SetImages(images);
  m_ImageTimes = times;
}

template <typename TSuperclass>
GPUMetricEngine::MatrixType
GPUImageToImageMetricv4<TSuperclass>::GetLinearMatrix(const Chain & chain)
{
  GPUMetricEngine::MatrixType matrix{ { { { 1, 0, 0 } }, { { 0, 1, 0 } }, { { 0, 0, 1 } } } };
  if (chain.linear.empty())
  {
    return matrix;
  }
  // A step much longer than what is lost of the differences of points.
  constexpr double step = 1024.0;
  PointType        origin;
  origin.Fill(0.0);
  const PointType image = chain.TransformPoint(origin);
  for (unsigned int j = 0; j < ImageDimension; ++j)
  {
    PointType end = origin;
    end[j] = step;
    end = chain.TransformPoint(end);
    for (unsigned int i = 0; i < ImageDimension; ++i)
    {
      matrix[i][j] = (end[i] - image[i]) / step;
    }
  }
  return matrix;
}

template <typename TSuperclass>
template <typename TImage>
GPUMetricEngine::Map
GPUImageToImageMetricv4<TSuperclass>::MakeMap(const Chain & chain, const TImage * image) const
{
  GPUMetricEngine::Map map;
  map.affine = GPUDiffeomorphicGeometry::GetIndexToIndexMapBy<ImageDimension>(
    this->GetVirtualImage(), [&chain](const PointType & point) { return chain.TransformPoint(point); }, image);
  if (chain.field)
  {
    const auto linear = GetLinearMatrix(chain);
    const auto toIndex = GPUDiffeomorphicGeometry::GetPhysicalToIndexMatrix<ImageDimension>(image);
    for (int i = 0; i < 3; ++i)
    {
      for (int j = 0; j < 3; ++j)
      {
        map.displacementMatrix[i][j] = 0.0;
        for (int k = 0; k < 3; ++k)
        {
          map.displacementMatrix[i][j] += toIndex[i][k] * linear[k][j];
        }
      }
    }
    map.displacement = chain.field->GetDisplacementField()->GetBufferPointer()->GetDataPointer();
  }
  return map;
}

template <typename TSuperclass>
void
GPUImageToImageMetricv4<TSuperclass>::SetGradient(const Chain & moving, GPUMetricEngine::Evaluation & evaluation) const
{
  const auto * const image = this->m_MovingImage.GetPointer();
  const auto         toIndex = GPUDiffeomorphicGeometry::GetPhysicalToIndexMatrix<ImageDimension>(image);
  const bool         exact = m_GradientMode == GradientModeEnum::Exact;
  evaluation.gradient = exact ? GPUMetricEngine::GradientEnum::Interpolant
                              : (this->m_UseMovingImageGradientFilter ? GPUMetricEngine::GradientEnum::GradientImage
                                                                      : GPUMetricEngine::GradientEnum::CentralDifference);
  for (unsigned int d = 0; d < ImageDimension; ++d)
  {
    evaluation.spacing[d] = image->GetSpacing()[d];
    for (int k = 0; k < 3; ++k)
    {
      evaluation.halfStep[k][d] = 0.5 * evaluation.spacing[d] * toIndex[k][d];
    }
  }
  this->SetRim(evaluation);
  // To the displacement before the linear transforms, or, for their parameters, to the mapped point itself.
  Chain none;
  const auto linear = GetLinearMatrix(this->HasLocalSupport() ? moving : none);
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      evaluation.gradientMatrix[i][j] = 0.0;
      for (int k = 0; k < 3; ++k)
      {
        evaluation.gradientMatrix[i][j] += linear[k][i] * (exact ? toIndex[j][k] : (j == k ? 1.0 : 0.0));
      }
    }
  }
}

template <typename TSuperclass>
void
GPUImageToImageMetricv4<TSuperclass>::SetRim(GPUMetricEngine::Evaluation & evaluation) const
{
  const auto * const image = this->m_MovingImage.GetPointer();
  const auto         region = image->GetBufferedRegion();
  for (unsigned int k = 0; k < ImageDimension; ++k)
  {
    for (unsigned int d = 0; d < ImageDimension; ++d)
    {
      const double cosine = image->GetDirection()(d, k);
      if (cosine != 1.0 && cosine != -1.0)
      {
        continue;
      }
      // the steps that ITK takes, in its order
      auto      index = region.GetIndex();
      PointType point;
      image->TransformIndexToPhysicalPoint(index, point);
      const double offset = 0.5 * image->GetSpacing()[d];
      point[d] = cosine > 0.0 ? point[d] - offset : point[d] + offset;
      evaluation.lowInside[k] = this->m_MovingInterpolator->IsInsideBuffer(point);
      index[k] += static_cast<IndexValueType>(region.GetSize(k)) - 1;
      image->TransformIndexToPhysicalPoint(index, point);
      point[d] = cosine > 0.0 ? point[d] + offset : point[d] - offset;
      evaluation.highInside[k] = this->m_MovingInterpolator->IsInsideBuffer(point);
    }
  }
}

template <typename TSuperclass>
template <typename TTransform, typename TMask>
void
GPUImageToImageMetricv4<TSuperclass>::EvaluateMask(const TTransform *           transform,
                                                   const TMask *                mask,
                                                   std::vector<unsigned char> & inside) const
{
  const auto * const   virtualImage = this->GetVirtualImage();
  const auto           region = virtualImage->GetBufferedRegion();
  const std::size_t    voxels = region.GetNumberOfPixels();
  const std::size_t    rowLength = region.GetSize(0);
  inside.resize(voxels, 1);
  MultiThreaderBase::New()->ParallelizeArray(
    0,
    static_cast<SizeValueType>(voxels / rowLength),
    [&](SizeValueType row) {
      auto          index = region.GetIndex();
      SizeValueType rest = row;
      for (unsigned int d = 1; d < ImageDimension; ++d)
      {
        index[d] += static_cast<IndexValueType>(rest % region.GetSize(d));
        rest /= region.GetSize(d);
      }
      for (std::size_t x = 0; x < rowLength; ++x, ++index[0])
      {
        unsigned char & value = inside[row * rowLength + x];
        if (value)
        {
          PointType point;
          virtualImage->TransformIndexToPhysicalPoint(index, point);
          value = mask->IsInsideInWorldSpace(transform->TransformPoint(point)) ? 1 : 0;
        }
      }
    },
    nullptr);
}

template <typename TSuperclass>
bool
GPUImageToImageMetricv4<TSuperclass>::SetMovingMask(GPUMetricEngine::Evaluation & evaluation) const
{
  using MaskType = ImageMaskSpatialObject<ImageDimension>;
  const auto * const mask = dynamic_cast<const MaskType *>(this->m_MovingImageMask.GetPointer());
  if (!mask || std::string(mask->GetNameOfClass()) != "ImageMaskSpatialObject" || !mask->GetImage())
  {
    return false;
  }
  const auto * const image = mask->GetImage();
  evaluation.movingMask = image->GetBufferPointer();
  evaluation.movingMaskSize = GPUDiffeomorphicGeometry::GetSize<ImageDimension>(image);
  evaluation.movingMaskAffine = GPUDiffeomorphicGeometry::GetIndexToIndexMapBy<ImageDimension>(
    this->m_MovingImage.GetPointer(),
    [mask](const PointType & point) { return mask->GetObjectToWorldTransformInverse()->TransformPoint(point); },
    image);
  return true;
}

template <typename TSuperclass>
const unsigned char *
GPUImageToImageMetricv4<TSuperclass>::UpdateMask(bool withMoving) const
{
  withMoving = withMoving && this->m_MovingImageMask;
  if (!this->m_FixedImageMask && !withMoving)
  {
    return nullptr;
  }
  const std::vector<ModifiedTimeType> times = { GPUMetricDetail::GetTime(this->m_FixedImageMask.GetPointer()),
                                                GPUMetricDetail::GetTime(this->m_FixedTransform.GetPointer()),
                                                GPUMetricDetail::GetTime(this->GetVirtualImage()) };
  if (times != m_FixedMaskTimes)
  {
    m_FixedMaskTimes.clear();
    m_FixedMaskValues.assign(this->GetVirtualImage()->GetBufferedRegion().GetNumberOfPixels(), 1);
    if (this->m_FixedImageMask)
    {
      this->EvaluateMask(this->m_FixedTransform.GetPointer(), this->m_FixedImageMask.GetPointer(), m_FixedMaskValues);
    }
    m_FixedMaskTimes = times;
  }
  if (!withMoving)
  {
    return m_FixedMaskValues.data();
  }
  m_MaskValues = m_FixedMaskValues;
  this->EvaluateMask(this->m_MovingTransform.GetPointer(), this->m_MovingImageMask.GetPointer(), m_MaskValues);
  return m_MaskValues.data();
}

template <typename TSuperclass>
void
GPUImageToImageMetricv4<TSuperclass>::AddGlobalDerivative(const GPUMetricEngine::Result & result) const
{
  // A linear transform is affine in the point for all of its parameters, and so is its Jacobian to them: that at the
  // corners of the grid gives it everywhere.
  using JacobianType = typename TransformType::JacobianType;
  const auto * const virtualImage = this->GetVirtualImage();
  const auto         region = virtualImage->GetBufferedRegion();
  const double       divisor = this->ComputeDivisor(result);
  auto &             derivative = *this->m_DerivativeResult;
  const auto         getJacobian = [&](const typename VirtualImageType::IndexType & index) {
    PointType point;
    virtualImage->TransformIndexToPhysicalPoint(index, point);
    JacobianType jacobian;
    this->m_MovingTransform->ComputeJacobianWithRespectToParameters(point, jacobian);
    return jacobian;
  };
  const JacobianType first = getJacobian(region.GetIndex());
  for (unsigned int p = 0; p < derivative.Size(); ++p)
  {
    for (unsigned int i = 0; i < ImageDimension; ++i)
    {
      derivative[p] += result.sums[i][3] * first(i, p) / divisor;
    }
  }
  for (unsigned int j = 0; j < ImageDimension; ++j)
  {
    // also where the grid has one voxel along the axis
    const auto length = std::max<IndexValueType>(1, static_cast<IndexValueType>(region.GetSize(j)) - 1);
    auto       index = region.GetIndex();
    index[j] += length;
    const JacobianType last = getJacobian(index);
    for (unsigned int p = 0; p < derivative.Size(); ++p)
    {
      for (unsigned int i = 0; i < ImageDimension; ++i)
      {
        derivative[p] += result.sums[i][j] * (last(i, p) - first(i, p)) / (length * divisor);
      }
    }
  }
}

template <typename TSuperclass>
void
GPUImageToImageMetricv4<TSuperclass>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Device: " << m_Device << std::endl;
  os << indent << "DeviceName: " << m_DeviceName << std::endl;
  os << indent << "GradientMode: " << m_GradientMode << std::endl;
}
} // namespace itk

#endif
