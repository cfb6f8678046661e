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
#include "itkGPUGaussNewtonDiffeomorphicSolver.h"
#include "itkGPUGreedyDiffeomorphicSolver.h"
#include "itkGPUSymmetricDiffeomorphicSolver.h"
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
 * SetSymmetricSolver(GPUSymmetricDiffeomorphicSolver::New()) takes the symmetric solver (SyN) in place of the greedy one;
 * GPUSyNImageRegistrationMethod is this class with that solver and the defaults of SyNImageRegistrationMethod. Then everything is
 * as in the superclass: all of its setters, the middle transforms with their inverses (set at the end, and before each
 * IterationEvent that has an observer), the grid of the output, which is that of the last level, images sampled between the
 * voxels of the full resolution, a linear fixed initial transform, and the start from restored middle transforms. Fields go from
 * level to level as by ITK's DisplacementFieldTransformParametersAdaptor for the level's grid; adaptors that are set are not
 * needed. Pixels are computed with as float. DownsampleImagesForMetricDerivativesOff runs in the superclass.
 * AbortGenerateData ends after the iteration at hand, and leaves the transforms of that one.
 *
 * SetGaussNewtonSolver(GPUGaussNewtonDiffeomorphicSolver::New()) takes the Gauss-Newton-Krylov solver for velocities. Metrics, masks,
 * several pairs of images and initial transforms are as with the greedy solver; see there for the setters that mean nothing.
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

  /** The symmetric solver and its parameters; null (default): the greedy solver runs. */
  itkSetObjectMacro(SymmetricSolver, GPUSymmetricDiffeomorphicSolver);
  itkGetModifiableObjectMacro(SymmetricSolver, GPUSymmetricDiffeomorphicSolver);

  /** The Gauss-Newton-Krylov solver and its parameters; null (default): another one runs. It excludes the symmetric solver. */
  itkSetObjectMacro(GaussNewtonSolver, GPUGaussNewtonDiffeomorphicSolver);
  itkGetModifiableObjectMacro(GaussNewtonSolver, GPUGaussNewtonDiffeomorphicSolver);

  /** What the Gauss-Newton solver of the last run did on each level, beyond GetResult. */
  const GPUGaussNewtonDiffeomorphicEngine::Result &
  GetGaussNewtonResult() const
  {
    return m_GaussNewtonResult;
  }

  /** The velocity of a part of the time, physical vectors per unit time on the fixed grid: it moves the moving image, as the initial
   * transform shows it, to the fixed one. So the output transform is the flow of minus the velocity. Null unless the
   * Gauss-Newton solver ran with ComputeVelocity on. */
  const DisplacementFieldType *
  GetVelocityField(unsigned int segment = 0) const;

  /** Also compute the inverse field. Default on; the symmetric solver always has it. */
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

  /** What an engine problem points into. */
  struct ProblemStorage
  {
    std::vector<unsigned char> fixedMask;
    std::vector<unsigned char> movingMask;
  };

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
  void
  GenerateSymmetricDataOnDevice();
  void
  GenerateGaussNewtonDataOnDevice();

  GPUDiffeomorphicEngine::GreedyParameters
  MakeParameters() const;
  GPUSymmetricDiffeomorphicEngine::Parameters
  MakeSymmetricParameters() const;

  /** Metric and levels: what the solvers have in common. */
  template <typename TParameters>
  void
  FillLevels(TParameters & parameters) const;

  /** The same with learning rate, variances and convergence. */
  template <typename TParameters>
  void
  FillParameters(TParameters & parameters) const;

  /** Images, masks and the map to the moving image. */
  void
  FillProblem(GPUDiffeomorphicEngine::Problem & problem, ProblemStorage & storage) const;

  /** Index of the fixed image -> transform, linear or null -> index of the image. */
  template <typename TImage>
  GPUDiffeomorphicEngine::AffineType
  MakeIndexMap(const typename Superclass::InitialTransformType * transform, const TImage * image) const;

  /** Passes progress on to the members and the observers; false if the user aborts. */
  bool
  Report(const GPUDiffeomorphicEngine::Progress & progress);

  /** An allocated field of the symmetric solver's grid. */
  typename DisplacementFieldType::Pointer
  MakeGridField(const GPUSymmetricDiffeomorphicEngine::Grid & grid) const;

  /** The same four times, and where the engine writes to them. */
  using MiddleFieldsType = std::array<typename DisplacementFieldType::Pointer, 4>;
  GPUSymmetricDiffeomorphicEngine::OutputState
  MakeMiddleFields(const GPUSymmetricDiffeomorphicEngine::Grid & grid, MiddleFieldsType & fields) const;

  void
  SetMiddleTransforms(const MiddleFieldsType & fields);

  /** The middle transforms' fields, brought to the grid of the first level. */
  GPUSymmetricDiffeomorphicEngine::InputState
  GetRestoredState() const;

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

  GPUSymmetricDiffeomorphicSolver::Pointer m_SymmetricSolver;

  GPUGaussNewtonDiffeomorphicSolver::Pointer           m_GaussNewtonSolver;
  GPUGaussNewtonDiffeomorphicEngine::Result            m_GaussNewtonResult;
  std::vector<typename DisplacementFieldType::Pointer> m_VelocityFields;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkGPUDiffeomorphicRegistrationMethod.hxx"
#  include "itkGPUDiffeomorphicRegistrationMethodChannels.hxx"
#  include "itkGPUDiffeomorphicRegistrationMethodGaussNewton.hxx"
#  include "itkGPUDiffeomorphicRegistrationMethodSymmetric.hxx"
#endif

#endif
