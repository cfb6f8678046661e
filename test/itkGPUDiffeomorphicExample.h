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
#ifndef itkGPUDiffeomorphicExample_h
#define itkGPUDiffeomorphicExample_h

#include "itkGPUDiffeomorphicRegistrationMethod.h"
#include "itkGPUDiffeomorphicTesting.h"

#include "itkAffineTransform.h"
#include "itkCommand.h"
#include "itkMeanSquaresImageToImageMetricv4.h"
#include "itkOutputWindow.h"

#include <functional>
#include <typeinfo>

namespace GPUDiffeomorphicTesting
{
/** A moving image, a linear transform and a smooth warp, and the fixed image that they give, on another grid. */
template <unsigned int VDimension>
struct Example
{
  using ImageType = itk::Image<float, VDimension>;
  using PointType = typename ImageType::PointType;
  using VectorType = itk::Vector<double, VDimension>;
  using MethodType = itk::GPUDiffeomorphicRegistrationMethod<ImageType, ImageType>;
  using LinearType = itk::AffineTransform<double, VDimension>;
  using MetricType = itk::MeanSquaresImageToImageMetricv4<ImageType, ImageType>;

  typename ImageType::Pointer  fixed;
  typename ImageType::Pointer  moving;
  typename LinearType::Pointer linear;
  PointType                    centre;
  double                       extent;
  double                       amplitude;

  explicit Example(double warp = 1.0)
  {
    const bool flat = VDimension == 2;
    fixed = MakeGrid<ImageType>(
      flat ? std::vector<int>{ 72, 64 } : std::vector<int>{ 44, 40, 36 }, { 1.1, 0.9, 1.4 }, -20.0, 0.3);
    moving = MakeGrid<ImageType>(
      flat ? std::vector<int>{ 90, 84 } : std::vector<int>{ 56, 58, 44 }, { 1.0, 1.2, 1.3 }, 15.0, -0.2);
    centre = Centre(fixed.GetPointer());
    extent = flat ? 62.0 : 46.0;
    amplitude = warp * (flat ? 3.0 : 2.5);
    // takes the fixed grid into the middle of the moving one
    linear = LinearType::New();
    typename LinearType::OutputVectorType axis;
    axis.Fill(0.0);
    linear->SetCenter(centre);
    linear->Scale(1.05);
    if constexpr (VDimension == 2)
    {
      linear->Rotate2D(0.1);
    }
    else
    {
      axis[0] = axis[2] = 1.0;
      linear->Rotate3D(axis, 0.1);
    }
    linear->Translate(Centre(moving.GetPointer()) - centre);
    const Phantom<VDimension> phantom(Centre(moving.GetPointer()), 1.1 * extent, 7);
    Fill<ImageType>(moving, [&](const PointType & point) { return static_cast<float>(phantom(point)); });
    Fill<ImageType>(fixed, [&](const PointType & point) {
      return static_cast<float>(phantom(linear->TransformPoint(point + this->Truth(point))));
    });
  }

  VectorType
  Truth(const PointType & point) const
  {
    return SmoothDisplacement<VDimension>(point, centre, extent, amplitude);
  }

  typename MethodType::Pointer
  MakeMethod(const std::string & device) const
  {
    auto method = MethodType::New();
    method->SetDevice(device);
    method->SetFixedImage(fixed);
    method->SetMovingImage(moving);
    method->SetMovingInitialTransform(linear);
    method->SetNumberOfLevels(2);
    typename MethodType::ShrinkFactorsArrayType factors(2);
    factors[0] = 2;
    factors[1] = 1;
    method->SetShrinkFactorsPerLevel(factors);
    typename MethodType::SmoothingSigmasArrayType sigmas(2);
    sigmas[0] = 1.0;
    sigmas[1] = 0.0;
    method->SetSmoothingSigmasPerLevel(sigmas);
    typename MethodType::NumberOfIterationsArrayType iterations(2);
    iterations[0] = 60;
    iterations[1] = 40;
    method->SetNumberOfIterationsPerLevel(iterations);
    method->SetLearningRate(0.25);
    method->SetGaussianSmoothingVarianceForTheUpdateField(2.0);
    method->SetGaussianSmoothingVarianceForTheTotalField(0.5);
    method->SetConvergenceThreshold(-1e9); // all iterations
    return method;
  }

  /** Mean length of the difference to the true warp, where the warp is more than a tenth of its largest. */
  double
  MeanError(const typename MethodType::DisplacementFieldType * field) const
  {
    double                                       sum = 0.0;
    double                                       count = 0.0;
    itk::ImageRegionIteratorWithIndex<ImageType> it(fixed, fixed->GetBufferedRegion());
    for (; !it.IsAtEnd(); ++it)
    {
      PointType point;
      fixed->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      const VectorType truth = this->Truth(point);
      if (truth.GetNorm() > 0.1 * amplitude)
      {
        VectorType found;
        found.Fill(0.0);
        if (field)
        {
          found = field->GetPixel(it.GetIndex());
        }
        sum += (found - truth).GetNorm();
        count += 1.0;
      }
    }
    return sum / count;
  }
};

/** Counts events and checks what an observer sees. */
class Counter : public itk::Command
{
public:
  using Self = Counter;
  using Pointer = itk::SmartPointer<Self>;
  itkNewMacro(Self);

  void
  Execute(itk::Object * caller, const itk::EventObject & event) override
  {
    this->Execute(static_cast<const itk::Object *>(caller), event);
  }
  void
  Execute(const itk::Object *, const itk::EventObject & event) override
  {
    if (typeid(event) == typeid(itk::MultiResolutionIterationEvent))
    {
      ++levels;
    }
    else if (typeid(event) == typeid(itk::IterationEvent))
    {
      ++iterations;
      if (onIteration)
      {
        onIteration();
      }
    }
  }
  int                   levels = 0;
  int                   iterations = 0;
  std::function<void()> onIteration;
};

/** Keeps the warnings that ITK would print. */
class WarningCatcher : public itk::OutputWindow
{
public:
  using Self = WarningCatcher;
  using Superclass = itk::OutputWindow;
  using Pointer = itk::SmartPointer<Self>;
  itkSimpleNewMacro(Self);
  void
  DisplayWarningText(const char * text) override
  {
    warnings.push_back(text);
  }
  std::vector<std::string> warnings;
};
} // namespace GPUDiffeomorphicTesting

#endif
