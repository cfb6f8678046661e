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
#ifndef itkGPUDiffeomorphicRegistrationMethod_h
#define itkGPUDiffeomorphicRegistrationMethod_h

#include "itkGPUDiffeomorphicEngine.h"
#include "itkGPUGreedyDiffeomorphicSolver.h"
#include "itkANTSNeighborhoodCorrelationImageToImageMetricv4.h"
#include "itkAffineTransform.h"
#include "itkMattesMutualInformationImageToImageMetricv4.h"
#include "itkMeanSquaresImageToImageMetricv4.h"
#include "itkSyNImageRegistrationMethod.h"

namespace itk
{
/** \class GPUDiffeomorphicRegistrationMethod
 * \brief Diffeomorphic registration on the GPU, or on the CPU where there is none, behind ITK's v4 interface.
 *
 * A SyNImageRegistrationMethod whose whole GenerateData runs on a device. Finds the displacement field u of the fixed
 * grid that minimises the metric between fixed(x) and moving(T(x + u(x))), T being the moving initial transform; u is
 * the output transform (ITK's convention: physical vectors, fixed to moving), with its inverse.
 *
 * Setters keep the meaning they have in the superclass: LearningRate is the largest displacement of an iteration in
 * voxels of the level, the Gaussian variances are in voxels of the level, shrink factors and smoothing sigmas are per
 * level, convergence is the window slope of the metric. Their defaults are the greedy solver's: three levels of 200, 100
 * and 50 iterations, shrink factors 4, 2, 1, smoothing sigmas 1, 0, 0 voxels, learning rate 0.5, variances 2 (update
 * field) and 0.3 (total field). Metrics that run on the device:
 * ANTSNeighborhoodCorrelationImageToImageMetricv4 (the default, radius 3; with the exact gradient),
 * MattesMutualInformationImageToImageMetricv4 (its number of histogram bins is read) and
 * MeanSquaresImageToImageMetricv4, masks included. The moving initial transform must be linear (or a composite of
 * linear transforms). An ObjectToObjectMultiMetricv4 of up to 16 of these, all alike and with the same masks, compares
 * pair n of the images, SetFixedImage(n, ...) and SetMovingImage(n, ...), by metric n; all fixed images are on one grid,
 * all moving images too. Their mean by the multi-metric's weights is minimised (ITK makes the derivatives equally long
 * first). Whatever is not covered (another metric, metrics of several kinds, a fixed initial transform, restored middle
 * transforms, an initial displacement) runs in the superclass on the CPU, with one warning that says why.
 *
 * For the device images are scaled to [0, 1] between their 0.1 % and 99.9 % quantiles (inside the masks); a constant
 * image and NaN or infinite voxels are exceptions.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
template <typename TFixedImage,
          typename TMovingImage,
          typename TOutputTransform = DisplacementFieldTransform<double, TFixedImage::ImageDimension>,
          typename TVirtualImage = TFixedImage,
          typename TPointSet = PointSet<unsigned int, TFixedImage::ImageDimension>>
class ITK_TEMPLATE_EXPORT GPUDiffeomorphicRegistrationMethod
  : public SyNImageRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUDiffeomorphicRegistrationMethod);

  using Self = GPUDiffeomorphicRegistrationMethod;
  using Superclass = SyNImageRegistrationMethod<TFixedImage, TMovingImage, TOutputTransform, TVirtualImage, TPointSet>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUDiffeomorphicRegistrationMethod, SyNImageRegistrationMethod);

  static constexpr unsigned int ImageDimension = TFixedImage::ImageDimension;

  using FixedImageType = TFixedImage;
  using MovingImageType = TMovingImage;
  using OutputTransformType = TOutputTransform;
  using DisplacementFieldType = typename OutputTransformType::DisplacementFieldType;
  using SolverType = GPUGreedyDiffeomorphicSolver;
  using ResultType = GPUDiffeomorphicEngine::Result;

  /** "auto" (default: a GPU if one works, else the CPU), "cpu", "cuda" or "cuda:N". */
  itkSetStringMacro(Device);
  itkGetStringMacro(Device);

  /** The device of the last run, "cpu" or "cuda:N"; empty before, and if the superclass ran. */
  std::string
  GetDeviceName() const
  {
    return m_Result.device;
  }

  /** The solver and its parameters. */
  itkSetObjectMacro(Solver, SolverType);
  itkGetModifiableObjectMacro(Solver, SolverType);

  /** Also compute the inverse field. Default on. */
  itkSetMacro(ComputeInverse, bool);
  itkGetConstMacro(ComputeInverse, bool);
  itkBooleanMacro(ComputeInverse);

  /** Numbers of the last run: metric per iteration and level, Jacobian range, memory, times. */
  const ResultType &
  GetResult() const
  {
    return m_Result;
  }

  /** Smallest Jacobian determinant of the last result's map x + u(x). */
  double
  GetMinimumJacobianDeterminant() const
  {
    return m_Result.minimumJacobian;
  }

protected:
  GPUDiffeomorphicRegistrationMethod();
  ~GPUDiffeomorphicRegistrationMethod() override = default;

  void
  GenerateData() override;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

  /** Why this set-up does not run on the device; empty if it does. */
  virtual std::string
  DescribeUncoveredCase() const;

private:
  using CorrelationMetricType = ANTSNeighborhoodCorrelationImageToImageMetricv4<FixedImageType,
                                                                                MovingImageType,
                                                                                TVirtualImage,
                                                                                typename Superclass::RealType>;
  using MeanSquaresMetricType = MeanSquaresImageToImageMetricv4<FixedImageType,
                                                                MovingImageType,
                                                                TVirtualImage,
                                                                typename Superclass::RealType>;
  using MutualInformationMetricType = MattesMutualInformationImageToImageMetricv4<FixedImageType,
                                                                                  MovingImageType,
                                                                                  TVirtualImage,
                                                                                  typename Superclass::RealType>;
  using DoubleTransformType = AffineTransform<double, ImageDimension>;

  /** The metrics of the pairs of images, those of a multi-metric or the one that is set; empty if one is no image metric. */
  std::vector<const typename Superclass::ImageMetricType *>
  GetImageMetrics() const;

  /** Why several metrics are not evaluated on the device; empty if they are. */
  std::string
  DescribeUncoveredChannels() const;

  /** The pairs of images after the first, and all weights. */
  void
  SetChannels(GPUDiffeomorphicEngine::Problem & problem) const;

  void
  GenerateDataOnDevice();

  GPUDiffeomorphicEngine::GreedyParameters
  MakeParameters() const;

  /** One byte per buffered voxel of the image, or null without a mask. */
  template <typename TImage, typename TMask>
  static const unsigned char *
  MakeMask(const TImage * image, const TMask * mask, std::vector<unsigned char> & storage);

  /** A linear transform of another precision in double. */
  static typename DoubleTransformType::Pointer
  MakeDoubleTransform(const typename Superclass::InitialTransformType * transform);

  /** A field on the fixed grid, for the engine to fill. */
  typename DisplacementFieldType::Pointer
  MakeField() const;

  std::string         m_Device{ "auto" };
  SolverType::Pointer m_Solver;
  bool                m_ComputeInverse{ true };
  bool                m_Warned{ false };
  ResultType          m_Result;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkGPUDiffeomorphicRegistrationMethod.hxx"
#  include "itkGPUDiffeomorphicRegistrationMethodChannels.hxx"
#endif

#endif
