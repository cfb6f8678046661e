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
#include "itkGPUSyNTesting.h"

#include "itkMultiThreaderBase.h"
#include "itkTestingMacros.h"

using namespace GPUDiffeomorphicTesting;
using namespace GPUSyNTesting;

namespace
{
template <unsigned int VDimension>
using ItkMethod =
  itk::SyNImageRegistrationMethod<itk::Image<float, VDimension>, itk::Image<float, VDimension>>;
template <unsigned int VDimension>
using DeviceMethod =
  itk::GPUSyNImageRegistrationMethod<itk::Image<float, VDimension>, itk::Image<float, VDimension>>;

const std::vector<double> isotropic{ 1.0, 1.0, 1.0 };
const std::vector<double> anisotropic{ 1.0, 0.7, 1.6 };

/** A head with zeros around it, and the same warped. */
template <unsigned int VDimension>
Setup<VDimension>
MakeSetup(const std::vector<double> & spacing, double angle)
{
  using ImageType = itk::Image<float, VDimension>;
  using PointType = typename ImageType::PointType;
  const bool              flat = VDimension == 2;
  const std::vector<int>  size = flat ? std::vector<int>{ 60, 66 } : std::vector<int>{ 30, 32, 24 };
  const double            extent = flat ? 46.0 : 30.0;
  Setup<VDimension>       setup;
  setup.fixed = MakeGrid<ImageType>(size, spacing, -12.0, angle);
  setup.moving = MakeGrid<ImageType>(size, spacing, -12.0, angle);
  const PointType           centre = Centre(setup.fixed.GetPointer());
  const Phantom<VDimension> phantom(centre, extent, 7);
  const auto                head = [&](const PointType & point) {
    return (point - centre).GetNorm() < 0.42 * extent ? static_cast<float>(30.0 + phantom(point)) : 0.0f;
  };
  Fill<ImageType>(setup.moving, head);
  Fill<ImageType>(setup.fixed, [&](const PointType & point) {
    return head(point + SmoothDisplacement<VDimension>(point, centre, extent, flat ? 2.5 : 1.5));
  });
  setup.shrinkFactors = { 3, 1 };
  setup.iterations = { 6, 4 };
  return setup;
}

/** ITK's SyN and the device's go the same way. */
template <unsigned int VDimension>
void
CheckTrajectory(Checker & checker, const std::string & device, const std::string & name, const Setup<VDimension> & setup)
{
  std::cout << VDimension << "D " << name << std::endl;
  // a run changes the transforms that it starts from
  const auto copy = [](const Setup<VDimension> & from) {
    Setup<VDimension> to = from;
    for (auto * transform : { &to.fixedToMiddle, &to.movingToMiddle })
    {
      if (*transform)
      {
        const auto original = *transform;
        *transform = Setup<VDimension>::FieldTransformType::New();
        (*transform)->SetDisplacementField(original->GetModifiableDisplacementField());
        (*transform)->SetInverseDisplacementField(original->GetModifiableInverseDisplacementField());
      }
    }
    return to;
  };
  const auto expected = Run(MakeMethod<ItkMethod<VDimension>>(copy(setup)).GetPointer(), setup);
  const auto method = MakeMethod<DeviceMethod<VDimension>>(copy(setup));
  method->SetDevice(device);
  const auto actual = Run(method.GetPointer(), setup);
  checker.Expect(!method->GetDeviceName().empty(), "it runs on the device");
  checker.ExpectBelow(CompareTrajectories(actual.values, expected.values), 0.02, "difference of the metric values");
  checker.ExpectBelow(CompareFields(actual.forward.GetPointer(), expected.forward.GetPointer()), 0.05, "of the fields");
  checker.ExpectBelow(CompareFields(actual.inverse.GetPointer(), expected.inverse.GetPointer()), 0.05, "of the inverses");
  checker.Expect(actual.iterations == expected.iterations, "the iterations that observers see are ITK's");
  checker.Expect(actual.sizes == expected.sizes, "the middle fields that observers see have the size of ITK's");
  for (std::size_t i = 0; i < std::min(actual.convergence.size(), expected.convergence.size()); ++i)
  {
    checker.Expect(std::abs(actual.convergence[i] - expected.convergence[i]) <= 0.02 * std::abs(expected.convergence[i]) + 1e-4,
                   "the convergence values are ITK's");
  }
}

void
CheckTrajectories(Checker & checker, const std::string & device)
{
  for (const MetricName metric : { MetricName::Correlation, MetricName::MeanSquares, MetricName::Information })
  {
    const std::string name = "metric " + std::to_string(static_cast<int>(metric));
    for (const double angle : { 0.0, 0.4 })
    {
      for (const auto & spacing : { isotropic, anisotropic })
      {
        auto setup = MakeSetup<2>(spacing, angle);
        setup.metric = metric;
        CheckTrajectory(checker, device, name + ", angle " + std::to_string(angle), setup);
      }
    }
    using MaskType = Setup<2>::MaskType;
    using LinearType = Setup<2>::LinearType;
    auto       setup = MakeSetup<2>(anisotropic, 0.4);
    const auto centre = Centre(setup.fixed.GetPointer());
    const auto makeMask = [&](double radius) {
      const auto mask = MaskType::New();
      mask->CopyInformation(setup.fixed);
      mask->SetRegions(setup.fixed->GetBufferedRegion());
      mask->Allocate();
      Fill<MaskType>(mask, [&](const MaskType::PointType & point) {
        return static_cast<unsigned char>((point - centre).GetNorm() < radius ? 1 : 0);
      });
      return mask;
    };
    const auto makeLinear = [&](double angle, double scale, double shift) {
      const auto                   linear = LinearType::New();
      LinearType::OutputVectorType translation;
      translation[0] = shift;
      translation[1] = -shift;
      linear->SetCenter(centre);
      linear->Rotate2D(angle);
      linear->Scale(scale);
      linear->Translate(translation);
      return linear;
    };
    setup.metric = metric;
    setup.fixedMask = makeMask(17.0);
    CheckTrajectory(checker, device, name + ", fixed mask", setup);
    setup.movingMask = makeMask(19.0);
    setup.movingInitial = makeLinear(0.06, 1.03, 1.0);
    setup.fixedInitial = makeLinear(-0.05, 1.02, 0.6);
    CheckTrajectory(checker, device, name + ", masks and initial transforms", setup);
  }
  auto setup = MakeSetup<2>(anisotropic, 0.4);
  setup.gradientFilter = true;
  CheckTrajectory(checker, device, "gradient filter", setup);
  setup = MakeSetup<2>(isotropic, 0.0);
  setup.average = true;
  setup.updateVariance = 0.2;
  setup.totalVariance = 0.3;
  CheckTrajectory(checker, device, "averaged gradients, small variances", setup);
  setup.updateVariance = 0.0;
  setup.totalVariance = 0.0;
  CheckTrajectory(checker, device, "no smoothing", setup);
  setup = MakeSetup<2>(anisotropic, 0.0);
  setup.shrinkFactors = { 4, 2 };
  setup.sigmas = { 2.0, 1.0 };
  setup.iterations = { 50, 5 };
  setup.learningRate = 0.6;
  CheckTrajectory(checker, device, "converges, ends on a coarse grid", setup);
  CheckTrajectory(checker, device, "volume", MakeSetup<3>(anisotropic, 0.3));

  // what one run has left, on another grid
  setup = MakeSetup<2>(anisotropic, 0.4);
  setup.shrinkFactors = { 3 };
  setup.sigmas = { 1.0 };
  setup.iterations = { 4 };
  const auto first = MakeMethod<DeviceMethod<2>>(setup);
  first->SetDevice(device);
  Run(first.GetPointer(), setup);
  setup.shrinkFactors = { 1 };
  setup.sigmas = { 0.0 };
  setup.fixedToMiddle = const_cast<DeviceMethod<2>::OutputTransformType *>(first->GetFixedToMiddleTransform());
  setup.movingToMiddle = const_cast<DeviceMethod<2>::OutputTransformType *>(first->GetMovingToMiddleTransform());
  CheckTrajectory(checker, device, "restored state", setup);
}

int
CheckDefaults(Checker & checker)
{
  const auto expected = ItkMethod<2>::New();
  const auto method = DeviceMethod<2>::New();
  ITK_EXERCISE_BASIC_OBJECT_METHODS(method, GPUSyNImageRegistrationMethod, GPUDiffeomorphicRegistrationMethod);
  checker.Expect(method->GetNumberOfLevels() == expected->GetNumberOfLevels(), "default levels");
  checker.Expect(method->GetNumberOfIterationsPerLevel() == expected->GetNumberOfIterationsPerLevel(), "default iterations");
  checker.Expect(method->GetSmoothingSigmasPerLevel() == expected->GetSmoothingSigmasPerLevel(), "default sigmas");
  checker.Expect(method->GetSmoothingSigmasAreSpecifiedInPhysicalUnits() ==
                   expected->GetSmoothingSigmasAreSpecifiedInPhysicalUnits(),
                 "default unit of the sigmas");
  for (unsigned int l = 0; l < 3; ++l)
  {
    checker.Expect(method->GetShrinkFactorsPerDimension(l) == expected->GetShrinkFactorsPerDimension(l),
                   "default shrink factors");
  }
  checker.Expect(method->GetLearningRate() == expected->GetLearningRate(), "default learning rate");
  checker.Expect(method->GetConvergenceThreshold() == expected->GetConvergenceThreshold() &&
                   method->GetConvergenceWindowSize() == expected->GetConvergenceWindowSize(),
                 "default convergence");
  checker.Expect(method->GetGaussianSmoothingVarianceForTheUpdateField() ==
                     expected->GetGaussianSmoothingVarianceForTheUpdateField() &&
                   method->GetGaussianSmoothingVarianceForTheTotalField() ==
                     expected->GetGaussianSmoothingVarianceForTheTotalField(),
                 "default variances");
  checker.Expect(std::string(method->GetMetric()->GetNameOfClass()) == expected->GetMetric()->GetNameOfClass(),
                 "default metric");
  checker.Expect(method->GetSymmetricSolver() != nullptr, "the symmetric solver is the default");
  return checker.Status();
}

/** An abort ends after the iteration at hand, with its transforms. */
void
CheckAbort(Checker & checker, const std::string & device)
{
  auto setup = MakeSetup<2>(anisotropic, 0.4);
  setup.shrinkFactors = { 1 };
  setup.sigmas = { 0.0 };
  setup.iterations = { 9 };
  const auto method = MakeMethod<DeviceMethod<2>>(setup);
  method->SetDevice(device);
  int        iterations = 0;
  const auto observer = Counter::New();
  observer->onIteration = [&]() {
    if (++iterations == 3)
    {
      method->AbortGenerateDataOn();
    }
  };
  method->AddObserver(itk::AnyEvent(), observer);
  bool aborted = false;
  try
  {
    method->Update();
  }
  catch (const itk::ProcessAborted &)
  {
    aborted = true;
  }
  checker.Expect(aborted, "an abort is told by an exception");
  setup.iterations = { 3 };
  const auto three = MakeMethod<DeviceMethod<2>>(setup);
  three->SetDevice(device);
  const auto expected = Run(three.GetPointer(), setup);
  checker.Expect(iterations == 3, "no iteration follows an abort");
  checker.Expect(SameBits(method->GetTransform()->GetDisplacementField(), expected.forward.GetPointer()),
                 "an aborted run leaves the field of its last iteration");
  checker.Expect(SameBits(method->GetTransform()->GetInverseDisplacementField(), expected.inverse.GetPointer()),
                 "and the inverse of it");
}

/** The exact gradient with Adam's steps. */
void
CheckExactVariant(Checker & checker, const std::string & device)
{
  auto setup = MakeSetup<3>(isotropic, 0.0);
  setup.shrinkFactors = { 2, 1 };
  setup.iterations = { 20, 20 };
  const auto method = MakeMethod<DeviceMethod<3>>(setup);
  using SolverType = itk::GPUSymmetricDiffeomorphicSolver;
  method->SetDevice(device);
  method->GetModifiableSymmetricSolver()->SetDerivative(SolverType::DerivativeEnum::Exact);
  method->GetModifiableSymmetricSolver()->SetStep(SolverType::StepEnum::Adam);
  method->GetModifiableSymmetricSolver()->SetMinimumJacobian(0.1);
  method->Update();
  const auto & result = method->GetResult();
  const auto & coarse = result.levels[0].metricValues;
  const auto & fine = result.levels[1].metricValues;
  checker.ExpectBelow(coarse.back(), coarse.front() - 0.03, "exact variant: metric value after the first level");
  checker.ExpectBelow(fine.back(), fine.front() - 0.03, "exact variant: metric value after the second level");
  checker.Expect(result.foldedVoxels == 0, "no voxel is folded");
  checker.ExpectBelow(result.inverseMeanResidual, 0.001, "mean residual of the inverse");
  checker.ExpectBelow(result.inverseMaximumResidual, 0.1, "maximum residual of the inverse");
}

/** Goes to ITK, or is an exception. */
void
CheckUncovered(Checker & checker, const std::string & device)
{
  auto setup = MakeSetup<2>(isotropic, 0.0);
  setup.iterations = { 1, 1 };
  auto method = MakeMethod<DeviceMethod<2>>(setup);
  method->SetDevice(device);
  method->SetDownsampleImagesForMetricDerivatives(false);
  method->Update();
  checker.Expect(method->GetDeviceName().empty(), "derivatives of the images at full resolution are ITK's");

  using TransformType = Setup<2>::FieldTransformType;
  method = MakeMethod<DeviceMethod<2>>(setup);
  method->SetDevice(device);
  method->SetFixedToMiddleTransform(TransformType::New());
  method->SetMovingToMiddleTransform(TransformType::New());
  checker.ExpectThrow([&] { method->Update(); }, "Invalid state restoration");

  method = MakeMethod<DeviceMethod<2>>(setup);
  method->SetDevice(device);
  method->SetLearningRate(-1.0);
  checker.ExpectThrow([&] { method->Update(); }, "learning rate");
}
} // namespace

int
itkGPUSyNImageRegistrationMethodTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  // ITK 5.2's Mattes metric gives other values with more threads
  itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(2);
  Checker checker;
  if (CheckDefaults(checker) != EXIT_SUCCESS)
  {
    return EXIT_FAILURE;
  }
  CheckTrajectories(checker, device);
  CheckAbort(checker, device);
  CheckExactVariant(checker, device);
  CheckUncovered(checker, device);
  return checker.Status();
}
