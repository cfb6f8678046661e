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
#include "itkGPUDiffeomorphicExample.h"

#include "itkImageMaskSpatialObject.h"
#include "itkTestingMacros.h"

#include <limits>

using namespace GPUDiffeomorphicTesting;

namespace
{
using SolverType = itk::GPUGaussNewtonDiffeomorphicSolver;
using EngineType = itk::GPUGaussNewtonDiffeomorphicEngine;

/** The example's method with the Gauss-Newton solver, mean squares, and a smoothing by one voxel of each level. */
template <unsigned int VDimension>
typename Example<VDimension>::MethodType::Pointer
MakeMethod(const Example<VDimension> & example, const std::string & device, SolverType * solver)
{
  using MethodType = typename Example<VDimension>::MethodType;
  auto                                          method = example.MakeMethod(device);
  typename MethodType::SmoothingSigmasArrayType sigmas(2);
  sigmas[0] = 2.0;
  sigmas[1] = 1.0;
  method->SetSmoothingSigmasPerLevel(sigmas);
  typename MethodType::NumberOfIterationsArrayType iterations(2);
  iterations.Fill(10);
  method->SetNumberOfIterationsPerLevel(iterations);
  method->SetMetric(Example<VDimension>::MetricType::New());
  method->SetGaussNewtonSolver(solver);
  return method;
}

template <typename TField>
double
MeanDifference(const TField * a, const TField * b)
{
  double     sum = 0.0;
  const auto count = a->GetBufferedRegion().GetNumberOfPixels();
  for (itk::SizeValueType i = 0; i < count; ++i)
  {
    sum += (a->GetBufferPointer()[i] - b->GetBufferPointer()[i]).GetNorm();
  }
  return sum / count;
}

/** The velocity's map is the displacement, and the flow of minus the velocity to the errors of four steps. */
template <unsigned int VDimension>
void
CheckVelocity(Checker & checker, const typename Example<VDimension>::MethodType * method, const std::string & device, int segments)
{
  namespace Geometry = itk::GPUDiffeomorphicGeometry;
  using FieldType = typename Example<VDimension>::MethodType::DisplacementFieldType;
  const FieldType *                                      field = method->GetOutput()->Get()->GetDisplacementField();
  std::vector<itk::GPUDiffeomorphicEngine::InputVectors> velocities;
  for (int segment = 0; segment < segments; ++segment)
  {
    const FieldType * velocity = method->GetVelocityField(segment);
    checker.Expect(velocity != nullptr, "there is a velocity for each segment");
    if (!velocity)
    {
      return;
    }
    velocities.push_back(Geometry::GetIndexVectors(velocity));
  }
  checker.Expect(method->GetVelocityField(segments) == nullptr, "there is no more than that");
  auto integrated = FieldType::New();
  integrated->CopyInformation(field);
  integrated->SetRegions(field->GetBufferedRegion());
  integrated->Allocate();
  const auto size = Geometry::GetSize<VDimension>(field);
  const auto output = Geometry::GetPhysicalVectors(integrated.GetPointer());
  EngineType::IntegrateVelocity(device, velocities, size, 4, false, output);
  checker.ExpectBelow(MeanDifference(field, integrated.GetPointer()), 1e-5, "the velocity's displacement minus the field");
  EngineType::IntegrateVelocity(device, velocities, size, 32, true, output);
  checker.ExpectBelow(MeanDifference(method->GetOutput()->Get()->GetInverseDisplacementField(), integrated.GetPointer()),
                      0.05,
                      "the displacement of minus the velocity minus the inverse field");
  if (segments == 1)
  {
    itk::GPUDiffeomorphicEngine::Exponential(device, velocities.front(), size, 7, -1.0, true, output);
    checker.ExpectBelow(MeanDifference(field, integrated.GetPointer()), 0.05, "the exponential of minus the velocity minus the field");
  }
}

template <unsigned int VDimension>
void
CheckRegistration(Checker & checker, const std::string & device)
{
  std::cout << VDimension << "D" << std::endl;
  const Example<VDimension> example;
  const double              before = example.MeanError(nullptr);
  for (const int segments : { 1, 2 })
  {
    auto solver = SolverType::New();
    solver->SetNumberOfSegments(segments);
    solver->ComputeVelocityOn();
    solver->SetPadding(0);
    auto method = MakeMethod(example, device, solver);
    auto counter = Counter::New();
    counter->onIteration = [&]() {
      checker.Expect(method->GetCurrentIteration() >= 1 && method->GetCurrentIteration() <= 10, "iterations count from 1");
    };
    method->AddObserver(itk::AnyEvent(), counter);
    method->Update();
    const auto & result = method->GetGaussNewtonResult();
    checker.Expect(counter->levels == 2, "one multi-resolution event per level");
    checker.Expect(method->GetDeviceName() == itk::GPUDiffeomorphicEngine::ResolveDevice(device), "the device ran");
    checker.Expect(result.levels.size() == 2 && result.newton.size() == 2, "two level reports");
    int steps = 0;
    for (const auto & level : result.newton)
    {
      std::cout << "steps " << level.newtonSteps << ", products " << level.hessianProducts << ", on the half grid "
                << level.innerProducts << ", evaluations " << level.evaluations << std::endl;
      checker.Expect(level.weight == 5e-4 && level.initialGradientNorm > 0.0, "weight and gradient are reported");
      checker.Expect(level.hessianProducts >= level.newtonSteps && level.evaluations > level.newtonSteps, "counts are reported");
      checker.ExpectBelow(level.gradientNorms.back(), 0.1 * level.initialGradientNorm, "gradient at the end");
      steps += level.newtonSteps;
    }
    checker.Expect(counter->iterations == steps, "one iteration event per Newton step");
    checker.ExpectBelow(result.relativeMismatch, 0.25, "relative mismatch");
    checker.Expect(result.relativeMismatch == result.finalMetricValue / result.initialMetricValue, "it is that of the metric");
    checker.Expect(result.domainSize == itk::GPUDiffeomorphicGeometry::GetSize<VDimension>(example.fixed.GetPointer()),
                   "without padding the domain is the fixed grid");
    checker.Expect(result.foldedVoxels == 0, "no voxel is folded");
    checker.ExpectBelow(result.inverseMeanResidual, 1e-3, "mean residual of the inverse, voxels");
    checker.ExpectBelow(result.inverseMaximumResidual, 0.05, "largest residual of the inverse, voxels");
    const auto * field = method->GetOutput()->Get()->GetDisplacementField();
    checker.ExpectBelow(example.MeanError(field), 0.5 * before, "mean distance to the true warp");
    CheckVelocity<VDimension>(checker, method, device, segments);
    auto again = MakeMethod(example, device, solver);
    again->Update();
    checker.Expect(SameBits(field, again->GetOutput()->Get()->GetDisplacementField()), "two runs give the same bits");
  }

  // other norms and metrics, padding, a start from a larger weight
  const auto checkOther = [&](const std::string & name, double share, const std::function<void(SolverType *)> & configure, bool isLncc) {
    auto solver = SolverType::New();
    configure(solver);
    auto method = MakeMethod(example, device, solver);
    if (isLncc)
    {
      using ImageType = typename Example<VDimension>::ImageType;
      method->SetMetric(itk::ANTSNeighborhoodCorrelationImageToImageMetricv4<ImageType, ImageType>::New());
    }
    method->Update();
    checker.ExpectBelow(
      example.MeanError(method->GetOutput()->Get()->GetDisplacementField()), share * before, "mean distance to the true warp, " + name);
    checker.Expect(method->GetResult().foldedVoxels == 0, "no voxel is folded: " + name);
    return method->GetGaussNewtonResult();
  };
  const auto padded = checkOther("padded", 0.5, [](SolverType * solver) { solver->SetPadding(3); }, false);
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    checker.Expect(padded.domainSize[d] >= static_cast<int>(example.fixed->GetBufferedRegion().GetSize(d)) + 6, "the padding is there");
  }
  const auto continued =
    checkOther("continuation", 0.5, [](SolverType * solver) { solver->SetInitialRegularizationWeight(0.05); }, false);
  checker.Expect(continued.newton[0].weight == 5e-4, "the continuation ends at the weight");
  checkOther("H2", 0.7, [](SolverType * solver) {
    solver->SetNorm(SolverType::NormEnum::H2Seminorm);
    solver->SetRegularizationWeight(1e-5);
    solver->SetForcing(SolverType::ForcingEnum::Quadratic);
    solver->SetPreconditioner(SolverType::PreconditionerEnum::InverseRegularization);
  }, false);
  const auto correlated = checkOther("LNCC", 0.7, [](SolverType *) {}, true);
  checker.Expect(correlated.relativeMismatch > 0.0 && correlated.relativeMismatch < 1.0, "the mismatch of LNCC");
}

/** The contrast of the fixed image reversed, as between two kinds of MR image: mutual information does not mind. */
void
CheckMutualInformation(Checker & checker, const std::string & device)
{
  using ImageType = Example<3>::ImageType;
  Example<3>    example;
  float * const values = example.fixed->GetBufferPointer();
  for (itk::SizeValueType i = 0; i < example.fixed->GetBufferedRegion().GetNumberOfPixels(); ++i)
  {
    values[i] = 2.0f - values[i];
  }
  auto metric = itk::MattesMutualInformationImageToImageMetricv4<ImageType, ImageType>::New();
  metric->SetNumberOfHistogramBins(24);
  auto method = MakeMethod(example, device, SolverType::New());
  method->SetMetric(metric);
  method->Update();
  const auto & result = method->GetGaussNewtonResult();
  checker.ExpectBelow(result.finalMetricValue, 1.05 * result.initialMetricValue, "mutual information, negative");
  checker.ExpectBelow(example.MeanError(method->GetOutput()->Get()->GetDisplacementField()),
                      0.7 * example.MeanError(nullptr),
                      "mean distance to the true warp, mutual information");
  checker.Expect(result.relativeMismatch == 0.0, "mutual information has no mismatch");
}

/** Half of the fixed image is spoilt; a mask hides it. */
void
CheckMask(Checker & checker, const std::string & device)
{
  using ImageType = Example<2>::ImageType;
  Example<2> example;
  auto       mask = itk::Image<unsigned char, 2>::New();
  mask->CopyInformation(example.fixed);
  mask->SetRegions(example.fixed->GetBufferedRegion());
  mask->Allocate();
  mask->FillBuffer(1);
  itk::ImageRegionIteratorWithIndex<ImageType> it(example.fixed, example.fixed->GetBufferedRegion());
  for (; !it.IsAtEnd(); ++it)
  {
    if (it.GetIndex()[0] > 48)
    {
      it.Set(it.GetIndex()[1] / 3 % 2 == 0 ? 0.0f : 100.0f);
      mask->SetPixel(it.GetIndex(), 0);
    }
  }
  double error[2];
  for (const bool masked : { false, true })
  {
    auto method = MakeMethod(example, device, SolverType::New());
    if (masked)
    {
      auto object = itk::ImageMaskSpatialObject<2>::New();
      object->SetImage(mask);
      object->Update();
      dynamic_cast<Example<2>::MetricType *>(method->GetModifiableMetric())->SetFixedImageMask(object);
    }
    method->Update();
    const auto * field = method->GetOutput()->Get()->GetDisplacementField();
    double       sum = 0.0;
    double       count = 0.0;
    for (it.GoToBegin(); !it.IsAtEnd(); ++it)
    {
      if (it.GetIndex()[0] > 30 && it.GetIndex()[0] <= 48)
      {
        Example<2>::PointType point;
        example.fixed->TransformIndexToPhysicalPoint(it.GetIndex(), point);
        sum += (field->GetPixel(it.GetIndex()) - example.Truth(point)).GetNorm();
        count += 1.0;
      }
    }
    error[masked] = sum / count;
  }
  checker.ExpectBelow(error[1], 0.8 * error[0], "mean error with the mask");
}

/** A pair of images twice is that pair. */
void
CheckChannels(Checker & checker, const std::string & device)
{
  using MethodType = Example<2>::MethodType;
  const Example<2> example;
  auto             single = MakeMethod(example, device, SolverType::New());
  single->Update();
  auto metrics = MethodType::MultiMetricType::New();
  auto twice = MakeMethod(example, device, SolverType::New());
  for (unsigned int n = 0; n < 2; ++n)
  {
    metrics->AddMetric(Example<2>::MetricType::New());
    twice->SetFixedImage(n, example.fixed);
    twice->SetMovingImage(n, example.moving);
  }
  twice->SetMetric(metrics);
  twice->Update();
  checker.ExpectBelow(MeanDifference(single->GetOutput()->Get()->GetDisplacementField(),
                                     twice->GetOutput()->Get()->GetDisplacementField()),
                      0.01,
                      "the same pair twice");
}

/** Index-space images: a ball that has moved along x. */
struct Ball
{
  explicit Ball(const itk::GPUDiffeomorphicEngine::SizeType & extents, double x, double shift)
    : size(extents)
  {
    for (const double from : { 0.0, shift })
    {
      std::vector<float> & image = from == 0.0 ? fixed : moving;
      for (int k = 0; k < size[2]; ++k)
      {
        for (int j = 0; j < size[1]; ++j)
        {
          for (int i = 0; i < size[0]; ++i)
          {
            const double distance =
              std::sqrt((i - x - from) * (i - x - from) + std::pow(j - 0.5 * size[1], 2) + std::pow(k - 0.5 * size[2], 2));
            image.push_back(static_cast<float>(100.0 / (1.0 + std::exp(2.0 * (distance - 5.0)))));
          }
        }
      }
    }
    displacement.resize(3 * fixed.size());
  }

  EngineType::Result
  Register(const std::string & device, int padding)
  {
    EngineType::Problem problem;
    problem.fixedSize = problem.movingSize = size;
    problem.fixedImage = fixed.data();
    problem.movingImage = moving.data();
    problem.affine = itk::GPUDiffeomorphicEngine::IdentityAffine();
    problem.displacement = displacement.data();
    EngineType::Parameters                       parameters;
    itk::GPUDiffeomorphicEngine::Level           level;
    level.iterations = 5;
    parameters.levels.push_back(level);
    parameters.padding = padding;
    return EngineType::Register(device, problem, parameters);
  }

  /** Mean length of the displacement on a face along x. */
  double
  OnFace(int i) const
  {
    double sum = 0.0;
    for (std::size_t row = 0; row < displacement.size() / 3 / size[0]; ++row)
    {
      const float * u = &displacement[3 * (row * size[0] + i)];
      sum += std::sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2]);
    }
    return sum * size[0] / (displacement.size() / 3);
  }

  itk::GPUDiffeomorphicEngine::SizeType size;
  std::vector<float>                    fixed;
  std::vector<float>                    moving;
  std::vector<float>                    displacement;
};

/** The grid is enlarged where it must be, and nowhere else. */
void
CheckDomain(Checker & checker, const std::string & device)
{
  using SizeType = itk::GPUDiffeomorphicEngine::SizeType;
  const auto expectDomain = [&](const SizeType & size, double x, int padding, const SizeType & domain) {
    Ball       ball(size, x, 1.5);
    const auto found = ball.Register(device, padding).domainSize;
    checker.Expect(found == domain,
                   "a grid of " + std::to_string(size[0]) + "x" + std::to_string(size[1]) + "x" + std::to_string(size[2]) +
                     " becomes " + std::to_string(found[0]) + "x" + std::to_string(found[1]) + "x" + std::to_string(found[2]));
  };
  expectDomain({ { 32, 30, 28 } }, 16.0, -1, { { 32, 30, 28 } });
  expectDomain({ { 31, 30, 28 } }, 16.0, -1, { { 32, 30, 28 } });
  expectDomain({ { 31, 30, 28 } }, 16.0, 0, { { 31, 30, 28 } });
  expectDomain({ { 32, 30, 28 } }, 2.0, -1, { { 36, 30, 28 } });
  expectDomain({ { 32, 30, 28 } }, 16.0, 4, { { 40, 40, 36 } });
  expectDomain({ { 32, 30, 1 } }, 29.0, -1, { { 36, 30, 1 } });

  // what pulls at one face moves the other one too, but for the padding
  Ball ball({ { 40, 20, 20 } }, 1.0, 2.0);
  ball.Register(device, 0);
  const double without = ball.OnFace(39);
  const double pulled = ball.OnFace(0);
  ball.Register(device, 12);
  checker.ExpectBelow(ball.OnFace(39), 0.6 * without, "displacement on the opposite face with padding");
  checker.ExpectBelow(0.5 * pulled, ball.OnFace(0), "half the displacement on the face without padding");
}

void
CheckBadInput(Checker & checker, const std::string & device)
{
  const Example<2> good;
  const auto       expect = [&](const std::string & text, const std::function<void(SolverType *)> & configure) {
    auto solver = SolverType::New();
    configure(solver);
    auto method = MakeMethod(good, device, solver);
    checker.ExpectThrow([&]() { method->Update(); }, text);
  };
  for (const double bad : { 0.0, -1.0, std::numeric_limits<double>::quiet_NaN() })
  {
    expect("weight of the regularization", [bad](SolverType * solver) { solver->SetRegularizationWeight(bad); });
    expect("gradient reduction", [bad](SolverType * solver) { solver->SetGradientReduction(bad); });
  }
  expect("divergence", [](SolverType * solver) { solver->SetDivergenceWeight(-1.0); });
  expect("time steps", [](SolverType * solver) { solver->SetNumberOfTimeSteps(0); });
  expect("segments", [](SolverType * solver) { solver->SetNumberOfSegments(0); });
  expect("Krylov", [](SolverType * solver) { solver->SetMaximumNumberOfKrylovIterations(0); });
  expect("padding", [](SolverType * solver) { solver->SetPadding(-2); });
  expect("initial weight", [](SolverType * solver) { solver->SetInitialRegularizationWeight(-1.0); });
  {
    Example<2> example;
    example.fixed->GetBufferPointer()[100] = std::numeric_limits<float>::quiet_NaN();
    checker.ExpectThrow([&]() { MakeMethod(example, device, SolverType::New())->Update(); }, "fixed image");
  }
  {
    Example<2>                               example;
    Example<2>::LinearType::OutputVectorType far;
    far.Fill(1e4);
    example.linear->Translate(far);
    checker.ExpectThrow([&]() { MakeMethod(example, device, SolverType::New())->Update(); }, "overlap");
  }
  auto method = MakeMethod(good, device, SolverType::New());
  method->SetSymmetricSolver(itk::GPUSymmetricDiffeomorphicSolver::New());
  checker.ExpectThrow([&]() { method->Update(); }, "only one");
  method->SetSymmetricSolver(nullptr);
  method->AddObserver(itk::IterationEvent(), [&method](const itk::EventObject &) { method->AbortGenerateDataOn(); });
  bool aborted = false;
  try
  {
    method->Update();
  }
  catch (const itk::ProcessAborted &)
  {
    aborted = true;
  }
  checker.Expect(aborted, "aborting throws ProcessAborted");
}

int
CheckSetters()
{
  auto solver = SolverType::New();
  ITK_EXERCISE_BASIC_OBJECT_METHODS(solver, GPUGaussNewtonDiffeomorphicSolver, Object);
  solver->SetNorm(SolverType::NormEnum::H3);
  ITK_TEST_EXPECT_TRUE(solver->MakeParameters().norm == SolverType::NormEnum::H3);
  solver->SetForcing(SolverType::ForcingEnum::Constant);
  ITK_TEST_EXPECT_TRUE(solver->MakeParameters().forcing == SolverType::ForcingEnum::Constant);
  solver->SetPreconditioner(SolverType::PreconditionerEnum::ZeroVelocity);
  ITK_TEST_EXPECT_TRUE(solver->MakeParameters().preconditioner == SolverType::PreconditionerEnum::ZeroVelocity);
  solver->SetRegularizationWeight(0.25);
  ITK_TEST_SET_GET_VALUE(0.25, solver->MakeParameters().weight);
  solver->SetDivergenceWeight(0.5);
  ITK_TEST_SET_GET_VALUE(0.5, solver->MakeParameters().divergenceWeight);
  solver->SetNumberOfTimeSteps(8);
  ITK_TEST_SET_GET_VALUE(8, solver->MakeParameters().timeSteps);
  solver->SetNumberOfSegments(3);
  ITK_TEST_SET_GET_VALUE(3, solver->MakeParameters().segments);
  solver->SetGradientReduction(0.125);
  ITK_TEST_SET_GET_VALUE(0.125, solver->MakeParameters().gradientReduction);
  solver->SetKrylovTolerance(0.75);
  ITK_TEST_SET_GET_VALUE(0.75, solver->MakeParameters().krylovTolerance);
  solver->SetMaximumNumberOfKrylovIterations(7);
  ITK_TEST_SET_GET_VALUE(7, solver->MakeParameters().krylovIterations);
  solver->SetInitialRegularizationWeight(2.0);
  ITK_TEST_SET_GET_VALUE(2.0, solver->MakeParameters().initialWeight);
  solver->SetPadding(9);
  ITK_TEST_SET_GET_VALUE(9, solver->MakeParameters().padding);
  solver->SetVarianceFloor(1e-5);
  ITK_TEST_SET_GET_VALUE(1e-5, solver->MakeParameters().varianceFloor);
  ITK_TEST_SET_GET_BOOLEAN(solver, ComputeVelocity, true);
  auto method = Example<3>::MethodType::New();
  method->SetGaussNewtonSolver(solver);
  ITK_TEST_SET_GET_VALUE(solver, method->GetGaussNewtonSolver());
  ITK_TEST_EXPECT_TRUE(method->GetVelocityField() == nullptr);
  return EXIT_SUCCESS;
}
} // namespace

int
itkGPUGaussNewtonDiffeomorphicSolverTest(int argc, char * argv[])
{
  std::string device;
  if (!GetDevice(argc, argv, device))
  {
    return skipped;
  }
  if (CheckSetters() != EXIT_SUCCESS)
  {
    return EXIT_FAILURE;
  }
  Checker checker;
  CheckRegistration<2>(checker, device);
  CheckRegistration<3>(checker, device);
  CheckMutualInformation(checker, device);
  CheckMask(checker, device);
  CheckChannels(checker, device);
  CheckDomain(checker, device);
  CheckBadInput(checker, device);
  return checker.Status();
}
