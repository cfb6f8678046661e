// SPDX-License-Identifier: Apache-2.0
// LinearRecovery <image> <brain> <device> rigid|similarity|affine <count> <largest angle>: moves the image by `count`
// known random maps, of the model and rigid ones in turn, has gdreg's linear stage find each, and measures the mean
// distance between the map that was found and the true one over the brain's voxels. The moved image keeps the grid of
// the still one, so that what the map takes out of it is lost, as in a scanner. Exit code 1 if a mean distance is above
// 0.3 mm.
#include "LinearStage.h"

#include "itkGPUDiffeomorphicEngine.h"
#include "itkImageFileReader.h"
#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkResampleImageFilter.h"
#include "itkTimeProbe.h"
#include "itkVersor.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>

namespace
{
using ImageType = itk::Image<float, 3>;
using PointType = ImageType::PointType;
using AffineType = itk::AffineTransform<double, 3>;
using MatrixType = itk::Matrix<double, 3, 3>;

using gdreg::LinearModelEnum;

constexpr double LargestTranslation = 30.0; // mm
constexpr double LargestScaling = 0.1;
constexpr double LargestMeanError = 0.3; // mm

ImageType::Pointer
Read(const char * path)
{
  auto reader = itk::ImageFileReader<ImageType>::New();
  reader->SetFileName(path);
  reader->Update();
  return reader->GetOutput();
}

/** The same numbers with every standard library. */
class Draw
{
public:
  explicit Draw(const unsigned int seed)
    : m_Engine(seed)
  {}
  double
  Uniform(const double low, const double high)
  {
    return low + (high - low) * (m_Engine() / 4294967296.0);
  }
  itk::Vector<double, 3>
  Direction()
  {
    itk::Vector<double, 3> vector;
    do
    {
      for (unsigned int d = 0; d < 3; ++d)
      {
        vector[d] = this->Uniform(-1.0, 1.0);
      }
    } while (vector.GetNorm() > 1.0 || vector.GetNorm() < 0.1);
    vector.Normalize();
    return vector;
  }
  MatrixType
  Rotation(const double largestAngle)
  {
    itk::Versor<double> versor;
    const auto          axis = this->Direction();
    versor.Set(axis, this->Uniform(-largestAngle, largestAngle) * itk::Math::pi_over_180);
    return versor.GetMatrix();
  }

private:
  std::mt19937 m_Engine;
};

AffineType::Pointer
MakeTruth(const unsigned int seed, const LinearModelEnum model, const double largestAngle, const PointType & center)
{
  Draw       draw(seed);
  MatrixType matrix = draw.Rotation(largestAngle);
  const auto direction = draw.Direction();
  const auto translation = direction * draw.Uniform(0.0, LargestTranslation);
  if (model == LinearModelEnum::Similarity)
  {
    matrix *= draw.Uniform(1.0 - LargestScaling, 1.0 + LargestScaling);
  }
  else if (model == LinearModelEnum::Affine)
  {
    // scales along any three orthogonal directions: shears too
    const MatrixType axes = draw.Rotation(180.0);
    MatrixType       scales;
    scales.SetIdentity();
    for (unsigned int d = 0; d < 3; ++d)
    {
      scales(d, d) = draw.Uniform(1.0 - LargestScaling, 1.0 + LargestScaling);
    }
    matrix = matrix * axes * scales * MatrixType(axes.GetTranspose());
  }
  auto truth = AffineType::New();
  truth->SetCenter(center);
  truth->SetMatrix(matrix);
  truth->SetTranslation(translation);
  return truth;
}

ImageType::Pointer
Move(const ImageType * image, const AffineType * truth)
{
  auto inverse = AffineType::New();
  truth->GetInverse(inverse);
  auto resample = itk::ResampleImageFilter<ImageType, ImageType>::New();
  resample->SetInput(image);
  resample->SetTransform(inverse);
  resample->SetOutputParametersFromImage(image);
  resample->Update();
  return resample->GetOutput();
}

/** Some thousand points of the brain, evenly spread. */
std::vector<PointType>
CollectPoints(const ImageType * brain)
{
  std::vector<PointType> points;
  for (itk::ImageRegionConstIteratorWithIndex<ImageType> it(brain, brain->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    const auto index = it.GetIndex();
    if (it.Get() > 0.0f && index[0] % 4 == 0 && index[1] % 4 == 0 && index[2] % 4 == 0)
    {
      points.emplace_back();
      brain->TransformIndexToPhysicalPoint(index, points.back());
    }
  }
  return points;
}

PointType
MiddleOf(const ImageType * image)
{
  ImageType::IndexType middle;
  for (unsigned int d = 0; d < 3; ++d)
  {
    middle[d] = static_cast<itk::IndexValueType>(image->GetBufferedRegion().GetSize()[d] / 2);
  }
  PointType center;
  image->TransformIndexToPhysicalPoint(middle, center);
  return center;
}
} // namespace

int
main(int argc, char * argv[])
try
{
  const std::map<std::string, LinearModelEnum> models{ { "rigid", LinearModelEnum::Rigid },
                                                       { "similarity", LinearModelEnum::Similarity },
                                                       { "affine", LinearModelEnum::Affine } };
  if (argc != 7 || models.count(argv[4]) == 0)
  {
    std::cerr << "usage: see the head of LinearRecovery.cxx" << std::endl;
    return 2;
  }
  const std::string device = argv[3];
  if (device != "cpu")
  {
    try
    {
      itk::GPUDiffeomorphicEngine::ResolveDevice(device);
    }
    catch (const itk::ExceptionObject &)
    {
      std::cout << "skipped: no GPU" << std::endl;
      return 77;
    }
  }
  const auto            image = Read(argv[1]);
  const auto            points = CollectPoints(Read(argv[2]));
  const LinearModelEnum model = models.at(argv[4]);
  const int             count = std::atoi(argv[5]);
  const double          largestAngle = std::atof(argv[6]);
  int                   recovered = 0;
  for (int n = 0; n < count; ++n)
  {
    const auto truth = MakeTruth(
      static_cast<unsigned int>(1000 + n), n % 2 == 0 ? LinearModelEnum::Rigid : model, largestAngle, MiddleOf(image));
    const auto moved = Move(image, truth);

    gdreg::LinearStageInput<3> input;
    input.fixed = image;
    input.moving = moved;
    input.model = model;
    input.device = device;
    itk::TimeProbe clock;
    clock.Start();
    const auto result = gdreg::RunLinearStage<3>(input);
    clock.Stop();

    double sum = 0.0;
    double largest = 0.0;
    double moves = 0.0;
    for (const auto & point : points)
    {
      const auto   expected = truth->TransformPoint(point);
      const double error = expected.EuclideanDistanceTo(result.transform->TransformPoint(point));
      sum += error;
      largest = std::max(largest, error);
      moves += expected.EuclideanDistanceTo(point);
    }
    const double mean = sum / static_cast<double>(points.size());
    recovered += mean <= LargestMeanError;
    std::printf("%2d %s: moved by %5.1f mm, off by %.3f mm mean, %.3f at most, %.2f s, from %s%s\n",
                n,
                n % 2 == 0 ? "rigid" : argv[4],
                moves / static_cast<double>(points.size()),
                mean,
                largest,
                clock.GetTotal(),
                result.start.c_str(),
                mean <= LargestMeanError ? "" : "  FAILED");
    std::fflush(stdout);
  }
  std::printf("%d of %d recovered\n", recovered, count);
  return recovered == count ? 0 : 1;
}
catch (const std::exception & error)
{
  std::cerr << error.what() << std::endl;
  return 1;
}
