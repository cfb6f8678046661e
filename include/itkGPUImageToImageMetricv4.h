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
#ifndef itkGPUImageToImageMetricv4_h
#define itkGPUImageToImageMetricv4_h

#include "itkGPUMetricEngine.h"

#include "itkDisplacementFieldTransform.h"
#include "itkImageToImageMetricv4.h"

#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace itk
{
/** \class GPUMetricEnums
 * \brief Enumerations of the metrics of this module.
 * \ingroup GPUDiffeomorphicRegistration
 */
class GPUMetricEnums
{
public:
  /** The derivative that a metric returns: ITK's, or the exact gradient of its value. */
  enum class GradientMode : uint8_t
  {
    ITK,  ///< the image gradient by ITK's gradient calculator or filter; in the correlation the own window alone
    Exact ///< of the linear interpolant, and of all windows that hold a voxel
  };
};

inline std::ostream &
operator<<(std::ostream & out, GPUMetricEnums::GradientMode mode)
{
  return out << (mode == GPUMetricEnums::GradientMode::ITK ? "ITK" : "Exact");
}

/** \class GPUImageToImageMetricv4
 * \brief What the metrics of this module share: evaluation of ITK's metric TSuperclass on a device.
 *
 * Value and derivative are those of the superclass: minimised value; minus its derivative to the parameters of the moving
 * transform, to be added to them. Dense sampling, linear interpolation, fixed and moving transforms that are linear, or
 * composites of linear ones, whose first may be a displacement field on the virtual grid. Other cases are evaluated by the
 * superclass, with one warning that says why. Masks that are set are evaluated on the CPU: that of the fixed image once
 * per Initialize(), that of the moving image in every evaluation.
 *
 * Where a mapped point or an end of a central difference lies on the border of the half-voxel rim to all digits, rounding
 * decides to which side it belongs, here as in ITK. The one common case, central differences of a moving image on the
 * virtual grid that is not displaced, is decided as ITK decides it.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TSuperclass>
class ITK_TEMPLATE_EXPORT GPUImageToImageMetricv4 : public TSuperclass
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUImageToImageMetricv4);

  using Self = GPUImageToImageMetricv4;
  using Superclass = TSuperclass;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkTypeMacro(GPUImageToImageMetricv4, TSuperclass);

  using FixedImageType = typename Superclass::FixedImageType;
  using MovingImageType = typename Superclass::MovingImageType;
  using VirtualImageType = typename Superclass::VirtualImageType;
  using InternalComputationValueType = typename Superclass::InternalComputationValueType;
  using GradientModeEnum = GPUMetricEnums::GradientMode;

  static constexpr unsigned int ImageDimension = VirtualImageType::ImageDimension;

  /** "auto" (default: a GPU if one works, else the CPU), "cpu", "cuda" or "cuda:N". */
  itkSetStringMacro(Device);
  itkGetStringMacro(Device);

  /** The device of the last evaluation, "cpu" or "cuda:N"; empty before, and if the superclass evaluated. */
  std::string
  GetDeviceName() const
  {
    return m_DeviceName;
  }

  /** Which derivative is returned. Default: ITK's. */
  itkSetEnumMacro(GradientMode, GradientModeEnum);
  itkGetEnumMacro(GradientMode, GradientModeEnum);

  void
  Initialize() override;

protected:
  GPUImageToImageMetricv4() = default;
  ~GPUImageToImageMetricv4() override = default;

  void
  GetValueAndDerivativeExecute() const override;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

  /** Why this set-up is not evaluated on the device; empty if it is. */
  virtual std::string
  DescribeUncoveredCase() const;

  /** The metric and its parameters. */
  virtual void
  PrepareEvaluation(GPUMetricEngine::Evaluation & evaluation) const = 0;

  /** The value to minimise. */
  virtual double
  ComputeValue(const GPUMetricEngine::Result & result) const = 0;

  /** What the sum over the voxels is divided by for transforms of global support. */
  virtual double
  ComputeDivisor(const GPUMetricEngine::Result & result) const
  {
    return static_cast<double>(result.numberOfValidPoints);
  }

private:
  using TransformType = Transform<double, ImageDimension, ImageDimension>;
  using FieldTransformType = DisplacementFieldTransform<double, ImageDimension>;
  using PointType = Point<double, ImageDimension>;

  /** A transform as a displacement field on the virtual grid, or none, followed by linear transforms. */
  struct Chain
  {
    const FieldTransformType *         field{ nullptr };
    std::vector<const TransformType *> linear;

    /** The linear ones. */
    PointType
    TransformPoint(PointType point) const
    {
      for (const TransformType * each : linear)
      {
        point = each->TransformPoint(point);
      }
      return point;
    }
  };

  /** False if the transform is not of that kind. */
  bool
  AppendToChain(const TransformType * transform, Chain & chain) const;

  void
  ExecuteOnDevice() const;

  void
  UploadImages() const;

  template <typename TImage>
  GPUMetricEngine::Map
  MakeMap(const Chain & chain, const TImage * image) const;

  /** Matrix of the linear transforms. */
  static GPUMetricEngine::MatrixType
  GetLinearMatrix(const Chain & chain);

  void
  SetGradient(const Chain & moving, GPUMetricEngine::Evaluation & evaluation) const;

  /** Ends of central differences at the outermost voxels of a grid along the physical axes. */
  void
  SetRim(GPUMetricEngine::Evaluation & evaluation) const;

  /** The mask of the moving image, if it is an image, is looked up on the device. */
  bool
  SetMovingMask(GPUMetricEngine::Evaluation & evaluation) const;

  /** One byte per virtual voxel, or null without a mask. */
  const unsigned char *
  UpdateMask(bool withMoving) const;

  template <typename TTransform, typename TMask>
  void
  EvaluateMask(const TTransform * transform, const TMask * mask, std::vector<unsigned char> & inside) const;

  /** Adds the derivative to the parameters of a linear transform. */
  void
  AddGlobalDerivative(const GPUMetricEngine::Result & result) const;

  std::string      m_Device{ "auto" };
  GradientModeEnum m_GradientMode{ GradientModeEnum::ITK };

  mutable std::unique_ptr<GPUMetricEngine> m_Engine;
  mutable std::string                      m_EngineDevice;
  mutable std::string                      m_DeviceName;
  mutable bool                             m_Warned{ false };
  /** What the device's images, and the mask of the fixed image, were made of. */
  mutable std::vector<ModifiedTimeType>    m_ImageTimes;
  mutable std::vector<ModifiedTimeType>    m_FixedMaskTimes;
  mutable std::vector<unsigned char>       m_FixedMaskValues;
  mutable std::vector<unsigned char>       m_MaskValues;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkGPUImageToImageMetricv4.hxx"
#endif

#endif
