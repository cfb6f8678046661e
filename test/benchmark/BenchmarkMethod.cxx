// SPDX-License-Identifier: Apache-2.0
// Times Update() of the registration method, and then of the displacement-field filters one after another, as a program
// that holds ITK images sees it, and prints where the time went. The first run pays for the device's context.
#include "itkGPUComposeDisplacementFieldsImageFilter.h"
#include "itkGPUDiffeomorphicRegistrationMethod.h"
#include "itkGPUDisplacementFieldJacobianDeterminantFilter.h"
#include "itkGPUInvertDisplacementFieldImageFilter.h"
#include "itkImageRegionIteratorWithIndex.h"
#include "itkMultiThreaderBase.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace
{
struct Options
{
  std::string device{ "auto" };
  int         size[3]{ 256, 300, 256 };
  int         iterations[3]{ 200, 100, 50 };
  int         runs{ 5 };
  int         threads{ 0 };
  std::string pixel{ "float" };
  std::string field{ "double" };
};

Options
ReadOptions(int argc, char * argv[])
{
  const char * const usage = "usage: gdreg-bench-method [--device D] [--size XxYxZ] [--iterations AxBxC] [--runs N] "
                             "[--threads N] [--pixel float|double] [--field float|double]";
  Options            options;
  for (int i = 1; i < argc; i += 2)
  {
    const std::string name = argv[i];
    const char *      value = i + 1 < argc ? argv[i + 1] : "";
    const auto        isTriple = [value](int(&numbers)[3]) {
      return std::sscanf(value, "%dx%dx%d", &numbers[0], &numbers[1], &numbers[2]) == 3;
    };
    bool good = i + 1 < argc;
    if (name == "--device")
    {
      options.device = value;
    }
    else if (name == "--size")
    {
      good = isTriple(options.size) && options.size[0] > 0 && options.size[1] > 0 && options.size[2] > 0;
    }
    else if (name == "--iterations")
    {
      good = isTriple(options.iterations);
    }
    else if (name == "--runs" || name == "--threads")
    {
      (name == "--runs" ? options.runs : options.threads) = std::atoi(value);
      good = std::atoi(value) > 0;
    }
    else if (name == "--pixel")
    {
      options.pixel = value;
      good = options.pixel == "float" || options.pixel == "double";
    }
    else if (name == "--field")
    {
      options.field = value;
      good = options.field == "float" || options.field == "double";
    }
    else
    {
      good = false;
    }
    if (!good)
    {
      itkGenericExceptionMacro(<< usage);
    }
  }
  return options;
}

/** Milliseconds. */
template <typename TWork>
double
Time(const TWork & work)
{
  const auto start = std::chrono::steady_clock::now();
  work();
  return 1e3 * std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/** A ball with waves inside it, in a dark background, on an oblique grid. */
template <typename TImage>
typename TImage::Pointer
MakeImage(const Options & options, double phase)
{
  auto                            image = TImage::New();
  typename TImage::SizeType       size;
  typename TImage::SpacingType    spacing;
  typename TImage::DirectionType  direction;
  direction.SetIdentity();
  direction(0, 0) = direction(1, 1) = std::cos(0.1);
  direction(1, 0) = std::sin(0.1);
  direction(0, 1) = -std::sin(0.1);
  for (unsigned int d = 0; d < 3; ++d)
  {
    size[d] = static_cast<itk::SizeValueType>(options.size[d]);
    spacing[d] = 0.7 + 0.1 * d;
  }
  image->SetRegions(size);
  image->SetSpacing(spacing);
  image->SetDirection(direction);
  image->Allocate();
  itk::MultiThreaderBase::New()->template ParallelizeImageRegion<3>(
    image->GetBufferedRegion(),
    [&](const typename TImage::RegionType & region) {
      for (itk::ImageRegionIteratorWithIndex<TImage> it(image, region); !it.IsAtEnd(); ++it)
      {
        double square = 0.0;
        double wave = 0.0;
        for (unsigned int d = 0; d < 3; ++d)
        {
          const double x = static_cast<double>(it.GetIndex()[d]);
          const double half = 0.5 * options.size[d];
          square += (x - half) * (x - half) / (half * half);
          wave += std::sin(0.31 * x + phase * std::cos(0.021 * x + d) + d);
        }
        it.Set(static_cast<typename TImage::PixelType>(square < 0.8 ? 400.0 + 100.0 * wave : 0.0));
      }
    },
    nullptr);
  return image;
}

template <typename TPixel, typename TScalar>
void
Run(const Options & options)
{
  using ImageType = itk::Image<TPixel, 3>;
  using TransformType = itk::DisplacementFieldTransform<TScalar, 3>;
  using MethodType = itk::GPUDiffeomorphicRegistrationMethod<ImageType, ImageType, TransformType>;
  using FieldType = typename TransformType::DisplacementFieldType;
  const auto fixed = MakeImage<ImageType>(options, 0.0);
  const auto moving = MakeImage<ImageType>(options, 1.5);

  std::printf("%-6s %9s %9s %9s %9s %9s %9s   ms\n", "run", "Update()", "prepare", "upload", "solve", "download", "rest");
  typename FieldType::Pointer field;
  for (int run = 0; run < options.runs; ++run)
  {
    const auto method = MethodType::New();
    method->SetFixedImage(fixed);
    method->SetMovingImage(moving);
    method->SetDevice(options.device);
    typename MethodType::NumberOfIterationsArrayType iterations(3);
    for (unsigned int level = 0; level < 3; ++level)
    {
      iterations[level] = static_cast<itk::SizeValueType>(options.iterations[level]);
    }
    method->SetNumberOfIterationsPerLevel(iterations);
    const double whole = Time([&] { method->Update(); });
    const auto & result = method->GetResult();
    const double parts[] = { 1e3 * result.prepareSeconds,
                             1e3 * result.uploadSeconds,
                             1e3 * result.seconds,
                             1e3 * result.downloadSeconds };
    std::printf("%-6d %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f\n",
                run,
                whole,
                parts[0],
                parts[1],
                parts[2],
                parts[3],
                whole - parts[0] - parts[1] - parts[2] - parts[3]);
    field = method->GetModifiableTransform()->GetModifiableDisplacementField();
  }

  std::printf("%-6s %9s %9s %9s   ms\n", "run", "compose", "invert", "jacobian");
  for (int run = 0; run < options.runs; ++run)
  {
    const auto compose = itk::GPUComposeDisplacementFieldsImageFilter<FieldType, FieldType>::New();
    const auto invert = itk::GPUInvertDisplacementFieldImageFilter<FieldType, FieldType>::New();
    const auto jacobian = itk::GPUDisplacementFieldJacobianDeterminantFilter<FieldType, TScalar>::New();
    compose->SetDisplacementField(field);
    compose->SetWarpingField(field);
    compose->SetDevice(options.device);
    invert->SetInput(compose->GetOutput());
    invert->SetDevice(options.device);
    jacobian->SetInput(invert->GetOutput());
    jacobian->SetDevice(options.device);
    const double composing = Time([&] { compose->Update(); });
    const double inverting = Time([&] { invert->Update(); });
    const double measuring = Time([&] { jacobian->Update(); });
    std::printf("%-6d %9.1f %9.1f %9.1f\n", run, composing, inverting, measuring);
  }
}

template <typename TPixel>
void
RunWithPixel(const Options & options)
{
  options.field == "float" ? Run<TPixel, float>(options) : Run<TPixel, double>(options);
}
} // namespace

int
main(int argc, char * argv[])
{
  try
  {
    const Options options = ReadOptions(argc, argv);
    if (options.threads > 0)
    {
      itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(static_cast<itk::ThreadIdType>(options.threads));
    }
    std::printf("%s, %dx%dx%d voxels of %s, fields of %s\n",
                itk::GPUDiffeomorphicEngine::ResolveDevice(options.device).c_str(),
                options.size[0],
                options.size[1],
                options.size[2],
                options.pixel.c_str(),
                options.field.c_str());
    options.pixel == "float" ? RunWithPixel<float>(options) : RunWithPixel<double>(options);
  }
  catch (const std::exception & error)
  {
    std::fprintf(stderr, "gdreg-bench-method: %s\n", error.what());
    return 1;
  }
  return 0;
}
