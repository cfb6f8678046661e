// SPDX-License-Identifier: Apache-2.0
#include "EngineItkTesting.h"
#include "InformationTesting.h"

#include "itkCentralDifferenceImageFunction.h"
#include "itkDisplacementFieldTransform.h"
#include "itkIdentityTransform.h"
#include "itkImageMaskSpatialObject.h"
#include "itkMattesMutualInformationImageToImageMetricv4.h"

#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
TEST(MutualInformationToDisplacement, MatchesDouble)
{
  const std::pair<Lattice, Lattice> grids[] = { { Lattice(37, 41, 29), Lattice(41, 33, 35) },
                                                { Lattice(13, 17, 11), Lattice(11, 19, 12) },
                                                { Lattice(17, 13, 1), Lattice(21, 12, 1) } };
  for (const auto & grid : grids)
  {
    int number = 0;
    for (const MetricProblem & problem : WithAllMasks(MakeMetricProblem(grid.first, grid.second, 38), 39))
    {
      for (const Windows & windows : { allWindows[0], allWindows[2] })
      {
        SCOPED_TRACE(::testing::Message() << Describe(grid.first) << " masks " << number++);
        const auto                 parameters = MakeParameters(32, windows, problem.fixed, problem.moving);
        const WarpedReference      warped = WarpInDouble(problem);
        const InformationReference expected =
          InformationInDouble(parameters, ToDoubles(problem.fixed), warped.image, warped.valid);
        const Evaluation actual = EvaluateOnProblem(parameters, problem);
        EXPECT_EQ(actual.energy[1], expected.count);
        EXPECT_NEAR(actual.energy[0], expected.information * expected.count, 1e-5 * expected.count);
        EXPECT_RELATIVE_ERROR_WHERE(
          warped.smooth, actual.gradient, ChainInDouble(expected.gradient, warped.gradient), 2e-5);
      }
    }
  }
}

// Checks <gradient, direction> against the change of the energy in that direction.
TEST(MutualInformationToDisplacement, GradientMatchesDirectionalDerivative)
{
  for (const MetricProblem & problem :
       WithAllMasks(MakeMetricProblem(Lattice(13, 17, 11), Lattice(15, 16, 12), 40), 41))
  {
    const auto       parameters = MakeParameters(32, mattes, problem.fixed, problem.moving);
    const Evaluation actual = EvaluateOnProblem(parameters, problem);
    for (const unsigned int seed : { 42u, 43u })
    {
      const HostField direction = seed == 42u ? MakeDisplacement(problem.fixed.lattice, seed, 1.0)
                                              : MakeNoise(problem.fixed.lattice, 3, seed, -1.0, 1.0);
      constexpr double h = 1e-6;
      double           value[2];
      for (int side = 0; side < 2; ++side)
      {
        const WarpedReference warped = WarpInDouble(problem, side == 0 ? -h : h, direction);
        value[side] =
          InformationInDouble(parameters, ToDoubles(problem.fixed), warped.image, warped.valid, false).information;
      }
      EXPECT_RELATIVE_NEAR(
        Dot(actual.gradient, direction), -actual.energy[1] * (value[1] - value[0]) / (2 * h), 1e-3);
    }
  }
}

namespace
{
/** ITK's metric over a displacement field on oblique, anisotropic grids. Its image gradient is a central difference along
 * the physical axes, ours the interpolant's; so the derivative with respect to the intensity is compared, times ITK's. */
template <unsigned int VDimension>
void
CompareWithItk(const Lattice & lattice, const Lattice & movingLattice, int bins, bool masked)
{
  using ImageType = Image<double, VDimension>;
  using MaskType = Image<unsigned char, VDimension>;
  using MetricType = MattesMutualInformationImageToImageMetricv4<ImageType, ImageType>;
  using TransformType = DisplacementFieldTransform<double, VDimension>;
  SCOPED_TRACE(::testing::Message() << VDimension << "D, " << bins << " bins" << (masked ? ", masked" : ""));
  const auto      geometry = MakeGeometry<VDimension>(44);
  const HostField fixed = MakeImage(lattice, 45, 0.0, 0.3);
  const HostField moving = MakeImage(movingLattice, 46, 0.0, 0.3);
  const auto      fixedImage = ToItkImage(fixed, geometry);
  const auto      movingImage = ToItkImage(moving, geometry);
  auto            transform = TransformType::New();
  transform->SetDisplacementField(ToItkDisplacement(MakeDisplacement(lattice, 47, 1.5), geometry));
  auto metric = MetricType::New();
  metric->SetNumberOfHistogramBins(bins);
  metric->SetFixedImage(fixedImage);
  metric->SetMovingImage(movingImage);
  metric->SetFixedTransform(IdentityTransform<double, VDimension>::New());
  metric->SetMovingTransform(transform);
  metric->SetVirtualDomainFromImage(fixedImage);
  metric->SetUseFixedImageGradientFilter(false);
  metric->SetUseMovingImageGradientFilter(false);
  const HostMask masks[2] = { MakeMask(lattice, 48, 0.4), MakeMask(movingLattice, 49, 0.3) };
  const auto     makeObject = [&](const HostMask & mask) {
    auto image = MakeItkGrid<MaskType>(mask.lattice, geometry);
    std::copy(mask.values.begin(), mask.values.end(), image->GetBufferPointer());
    auto object = ImageMaskSpatialObject<VDimension>::New();
    object->SetImage(image);
    object->Update();
    return object;
  };
  if (masked)
  {
    metric->SetFixedImageMask(makeObject(masks[0]));
    metric->SetMovingImageMask(makeObject(masks[1]));
  }
  metric->Initialize();
  typename MetricType::MeasureType    value;
  typename MetricType::DerivativeType derivative(metric->GetNumberOfParameters());
  metric->GetValueAndDerivative(value, derivative);

  auto interpolator = LinearInterpolateImageFunction<ImageType, double>::New();
  interpolator->SetInputImage(movingImage);
  auto differences = CentralDifferenceImageFunction<ImageType, double>::New();
  differences->UseImageDirectionOn();
  differences->SetInputImage(movingImage);
  MutualInformationParameters parameters = MakeParameters(bins, mattes, fixed, moving);
  const auto                  narrow = [](ParzenParameters & axis, const HostField & image, const HostMask & mask) {
    axis.minimum = std::numeric_limits<float>::max();
    axis.maximum = std::numeric_limits<float>::lowest();
    for (std::size_t i = 0; i < image.values.size(); ++i)
    {
      if (mask.values[i])
      {
        axis.minimum = std::min(axis.minimum, image.values[i]);
        axis.maximum = std::max(axis.maximum, image.values[i]);
      }
    }
  };
  if (masked)
  {
    narrow(parameters.fixed, fixed, masks[0]);
    narrow(parameters.moving, moving, masks[1]);
  }
  HostField            warped(lattice);
  HostDoubles          gradients(lattice, VDimension);
  HostMask             valid(lattice);
  const MaskType *     movingMask = nullptr;
  typename MaskType::Pointer movingMaskImage;
  if (masked)
  {
    movingMaskImage = MakeItkGrid<MaskType>(movingLattice, geometry);
    std::copy(masks[1].values.begin(), masks[1].values.end(), movingMaskImage->GetBufferPointer());
    movingMask = movingMaskImage;
  }
  std::size_t i = 0;
  for (ImageRegionIteratorWithIndex<ImageType> it(fixedImage, fixedImage->GetBufferedRegion()); !it.IsAtEnd(); ++it, ++i)
  {
    typename ImageType::PointType point;
    fixedImage->TransformIndexToPhysicalPoint(it.GetIndex(), point);
    const auto mapped = transform->TransformPoint(point);
    bool       counts = interpolator->IsInsideBuffer(mapped);
    if (counts && masked)
    {
      typename MaskType::IndexType index;
      counts = masks[0].values[i] != 0 && movingMask->TransformPhysicalPointToIndex(mapped, index) &&
               movingMask->GetPixel(index) != 0;
    }
    if (counts)
    {
      const double intensity = interpolator->Evaluate(mapped);
      // ITK leaves these out, we clamp them
      counts = intensity >= parameters.moving.minimum && intensity <= parameters.moving.maximum;
      warped.values[i] = static_cast<float>(intensity);
      const auto gradient = differences->Evaluate(mapped);
      for (unsigned int d = 0; d < VDimension; ++d)
      {
        gradients.values[d * fixed.values.size() + i] = gradient[d];
      }
    }
    valid.values[i] = counts ? 1 : 0;
  }
  const Evaluation actual = Evaluate(parameters, fixed, warped, valid);
  EXPECT_EQ(actual.energy[1], static_cast<double>(metric->GetNumberOfValidPoints()));
  EXPECT_NEAR(-actual.energy[0] / actual.energy[1], value, 1e-6);
  HostDoubles ours(lattice, VDimension);
  HostDoubles theirs(lattice, VDimension);
  for (std::size_t voxel = 0; voxel < fixed.values.size(); ++voxel)
  {
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      const std::size_t at = d * fixed.values.size() + voxel;
      ours.values[at] = -actual.gradient.values[voxel] / actual.energy[1] * gradients.values[at];
      theirs.values[at] = derivative[voxel * VDimension + d];
    }
  }
  EXPECT_RELATIVE_ERROR(ours, theirs, 1e-5);
}
} // namespace

TEST(MutualInformationToDisplacement, MatchesItkMattesMutualInformation)
{
  for (const int bins : { 20, 50 })
  {
    for (const bool masked : { false, true })
    {
      CompareWithItk<3>(Lattice(37, 41, 29), Lattice(35, 44, 30), bins, masked);
      CompareWithItk<2>(Lattice(70, 61, 1), Lattice(66, 70, 1), bins, masked);
    }
  }
}
} // namespace test
} // namespace engine
} // namespace itk
