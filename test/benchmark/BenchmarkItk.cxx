// SPDX-License-Identifier: Apache-2.0
// Times operators of the engine beside the class of ITK that computes the same, from the same images, fields and number of
// threads, in turns, and prints a table. A comparison is one function below and one line in `comparisons`.
#include "Core/Buffer.h"
#include "Core/Stopwatch.h"
#include "Operators/ExponentialGradient.h"
#include "Operators/MetricInputs.h"
#include "Operators/ResampleLabels.h"

#include "itkComposeDisplacementFieldsImageFilter.h"
#include "itkDisplacementFieldTransform.h"
#include "itkExponentialDisplacementFieldImageFilter.h"
#include "itkImage.h"
#include "itkLabelImageGaussianInterpolateImageFunction.h"
#include "itkMultiThreaderBase.h"
#include "itkResampleImageFilter.h"
#include "itkWarpImageFilter.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

using namespace itk::engine;

namespace
{
struct Options
{
  std::string device = "cpu";
  Lattice     lattice{ 160, 192, 224 };
  int         runs = 5;
  int         threads = 2;
};

Options
ReadOptions(int argc, char * argv[])
{
  const char * const usage =
    "usage: gdreg-bench-itk [--device D] [--size XxYxZ] [--runs N] [--threads N]";
  Options options;
  if (argc % 2 == 0)
  {
    ThrowError(usage);
  }
  for (int i = 1; i + 1 < argc; i += 2)
  {
    const std::string name = argv[i];
    const char *      value = argv[i + 1];
    int               size[3] = { 0, 0, 0 };
    if (name == "--device")
    {
      options.device = value;
    }
    else if (name == "--runs")
    {
      options.runs = std::max(1, std::atoi(value));
    }
    else if (name == "--threads")
    {
      options.threads = std::max(1, std::atoi(value));
    }
    else if (name == "--size" && std::sscanf(value, "%dx%dx%d", &size[0], &size[1], &size[2]) == 3)
    {
      options.lattice = Lattice(size[0], size[1], size[2]);
    }
    else
    {
      ThrowError(usage);
    }
  }
  return options;
}

using ImageType = itk::Image<float, 3>;
using FieldType = itk::Image<itk::Vector<double, 3>, 3>;

template <typename TImage>
typename TImage::Pointer
MakeGrid(const Lattice & lattice)
{
  auto                      image = TImage::New();
  typename TImage::SizeType size;
  std::copy_n(lattice.size, 3, size.begin());
  image->SetRegions(size);
  image->Allocate();
  return image;
}

/** Two head-like phantoms, texture in an ellipsoid and nothing around it, and a displacement of a few voxels. */
class Scene
{
public:
  Scene(const Device & device, const Options & options)
    : m_Options(options)
    , m_Device(device)
  {
    const Lattice &    lattice = options.lattice;
    const std::int64_t voxels = lattice.NumberOfVoxels();
    fixedImage = MakeGrid<ImageType>(lattice);
    movingImage = MakeGrid<ImageType>(lattice);
    fieldImage = MakeGrid<FieldType>(lattice);
    std::vector<float> planes(3 * voxels);
    for (int z = 0; z < lattice.size[2]; ++z)
    {
      for (int y = 0; y < lattice.size[1]; ++y)
      {
        for (int x = 0; x < lattice.size[0]; ++x)
        {
          const std::int64_t offset = lattice.Offset(x, y, z);
          const double       a = 2.2 * x / lattice.size[0] - 1.1;
          const double       b = 2.2 * y / lattice.size[1] - 1.1;
          const double       c = 2.2 * z / lattice.size[2] - 1.1;
          const bool         inside = a * a + b * b + c * c < 0.85;
          const double       f = 0.5 + 0.4 * std::sin(0.31 * x) * std::cos(0.23 * y) * std::sin(0.27 * z);
          const double       m = 0.5 + 0.4 * std::sin(0.31 * x + 0.4) * std::cos(0.23 * y) * std::sin(0.27 * z);
          fixedImage->GetBufferPointer()[offset] = inside ? static_cast<float>(f) : 0.0f;
          movingImage->GetBufferPointer()[offset] = inside ? static_cast<float>(1.0 - 0.8 * m * m) : 0.0f;
          const double u[3] = { 1.5 * std::sin(0.05 * y + 0.04 * z),
                                1.5 * std::sin(0.06 * x - 0.03 * z),
                                1.5 * std::cos(0.04 * x + 0.05 * y) };
          for (int d = 0; d < 3; ++d)
          {
            fieldImage->GetBufferPointer()[offset][d] = u[d];
            planes[offset + d * voxels] = static_cast<float>(u[d]);
          }
        }
      }
    }
    m_Fixed = Upload(fixedImage->GetBufferPointer(), voxels);
    m_Moving = Upload(movingImage->GetBufferPointer(), voxels);
    m_Displacement = Upload(planes.data(), 3 * voxels);
    inputs.fixed = ConstField(m_Fixed.Data(), lattice);
    inputs.moving = ConstField(m_Moving.Data(), lattice);
    inputs.displacement = ConstField(m_Displacement.Data(), lattice, 3);
    inputs.ignoreOutside = true;
  }

  const Options &
  GetOptions() const
  {
    return m_Options;
  }
  const Device &
  GetDevice() const
  {
    return m_Device;
  }

  /** Both in turns: the minimum of each in wall time and in CPU time of all threads, which other load disturbs less, and by
   * how much the results differ. */
  void
  Time(const std::string & name, const std::function<double()> & itkWork, const std::function<double()> & ourWork) const
  {
    const double difference = std::abs(itkWork() - ourWork());
    double       wall[2] = { 1e300, 1e300 };
    double       cpu[2] = { 1e300, 1e300 };
    for (int run = 0; run < m_Options.runs; ++run)
    {
      for (int side = 0; side < 2; ++side)
      {
        Stopwatch          stopwatch(m_Device);
        const std::clock_t start = std::clock();
        stopwatch.Start();
        static_cast<void>((side == 0 ? itkWork : ourWork)());
        wall[side] = std::min(wall[side], stopwatch.Stop());
        cpu[side] = std::min(cpu[side], static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
      }
    }
    std::printf("%-34s %9.1f %9.1f %7.1f %9.1f %9.1f %7.1f   %.1e\n",
                name.c_str(),
                1e3 * wall[0],
                1e3 * wall[1],
                wall[0] / wall[1],
                1e3 * cpu[0],
                1e3 * cpu[1],
                cpu[0] / cpu[1],
                difference);
    std::fflush(stdout);
  }

  ImageType::Pointer fixedImage;
  ImageType::Pointer movingImage;
  FieldType::Pointer fieldImage;
  MetricInputs       inputs;

private:
  Buffer<float>
  Upload(const float * values, std::int64_t count) const
  {
    Buffer<float> buffer(m_Device, count);
    m_Device.CopyFromHost(buffer.Data(), values, buffer.Bytes());
    return buffer;
  }

  Options       m_Options;
  Device        m_Device;
  Buffer<float> m_Fixed;
  Buffer<float> m_Moving;
  Buffer<float> m_Displacement;
};

/** What both sides give back to compare: the value in the middle. */
std::size_t
Middle(const Lattice & lattice)
{
  return static_cast<std::size_t>(lattice.Offset(lattice.size[0] / 2, lattice.size[1] / 2, lattice.size[2] / 2));
}

double
Read(const Device & device, const float * values, std::size_t at)
{
  float value = 0.0f;
  device.CopyToHost(&value, values + at, sizeof(value));
  return value;
}

void
CompareResample(const Scene & scene)
{
  const Device &      device = scene.GetDevice();
  const Lattice &     lattice = scene.GetOptions().lattice;
  const std::size_t   middle = Middle(lattice);
  const Buffer<float> output(device, lattice.NumberOfVoxels());
  const Field         field(output.Data(), lattice);
  const auto          ours = [&] {
    Resample(device, scene.inputs.sampling, scene.inputs.moving, scene.inputs.displacement, field);
    return Read(device, output.Data(), middle);
  };
  auto warp = itk::WarpImageFilter<ImageType, ImageType, FieldType>::New();
  warp->SetInput(scene.movingImage);
  warp->SetDisplacementField(scene.fieldImage);
  warp->SetOutputParametersFromImage(scene.movingImage);
  scene.Time(
    "WarpImageFilter",
    [&] {
      warp->Modified();
      warp->Update();
      return static_cast<double>(warp->GetOutput()->GetBufferPointer()[middle]);
    },
    ours);
  auto transform = itk::DisplacementFieldTransform<double, 3>::New();
  transform->SetDisplacementField(scene.fieldImage);
  auto resample = itk::ResampleImageFilter<ImageType, ImageType>::New();
  resample->SetInput(scene.movingImage);
  resample->SetTransform(transform);
  resample->SetOutputParametersFromImage(scene.movingImage);
  scene.Time(
    "ResampleImageFilter",
    [&] {
      resample->Modified();
      resample->Update();
      return static_cast<double>(resample->GetOutput()->GetBufferPointer()[middle]);
    },
    ours);

  // A vote over the neighbours: ITK's has Gaussian weights of one voxel on 3 voxels along each axis.
  using LabelImageType = itk::Image<short, 3>;
  auto                      labelImage = MakeGrid<LabelImageType>(lattice);
  std::vector<std::int32_t> labels(lattice.NumberOfVoxels());
  for (std::size_t i = 0; i < labels.size(); ++i)
  {
    labels[i] = static_cast<std::int32_t>(8.0f * scene.movingImage->GetBufferPointer()[i]);
    labelImage->GetBufferPointer()[i] = static_cast<short>(labels[i]);
  }
  auto         vote = itk::LabelImageGaussianInterpolateImageFunction<LabelImageType, double>::New();
  double       sigma[3] = { 1.0, 1.0, 1.0 };
  vote->SetParameters(sigma, 1.5);
  auto resampleLabels = itk::ResampleImageFilter<LabelImageType, LabelImageType>::New();
  resampleLabels->SetInput(labelImage);
  resampleLabels->SetTransform(transform);
  resampleLabels->SetInterpolator(vote);
  resampleLabels->SetOutputParametersFromImage(labelImage);
  const Buffer<std::int32_t> moving(device, lattice.NumberOfVoxels());
  const Buffer<std::int32_t> warped(device, lattice.NumberOfVoxels());
  device.CopyFromHost(moving.Data(), labels.data(), moving.Bytes());
  scene.Time(
    "ResampleImageFilter, label vote",
    [&] {
      resampleLabels->Modified();
      resampleLabels->Update();
      return static_cast<double>(resampleLabels->GetOutput()->GetBufferPointer()[middle]);
    },
    [&] {
      ResampleLabels(device,
                     scene.inputs.sampling,
                     ConstLabels(moving.Data(), lattice),
                     scene.inputs.displacement,
                     0,
                     Labels(warped.Data(), lattice));
      std::int32_t label = 0;
      device.CopyToHost(&label, warped.Data() + middle, sizeof(label));
      return static_cast<double>(label);
    });
}

void
CompareCompose(const Scene & scene)
{
  const Device &      device = scene.GetDevice();
  const Lattice &     lattice = scene.GetOptions().lattice;
  const std::size_t   middle = Middle(lattice);
  const Buffer<float> output(device, 3 * lattice.NumberOfVoxels());
  const Buffer<float> workspace(device, 3 * lattice.NumberOfVoxels());
  const Field         field(output.Data(), lattice, 3);
  auto                compose = itk::ComposeDisplacementFieldsImageFilter<FieldType>::New();
  compose->SetDisplacementField(scene.fieldImage);
  compose->SetWarpingField(scene.fieldImage);
  scene.Time(
    "ComposeDisplacementFieldsImageFilter",
    [&] {
      compose->Modified();
      compose->Update();
      return compose->GetOutput()->GetBufferPointer()[middle][0];
    },
    [&] {
      Compose(device, ComposeParameters(), scene.inputs.displacement, scene.inputs.displacement, field);
      return Read(device, output.Data(), middle);
    });
  auto exponential = itk::ExponentialDisplacementFieldImageFilter<FieldType, FieldType>::New();
  exponential->SetInput(scene.fieldImage);
  exponential->AutomaticNumberOfIterationsOff();
  exponential->SetMaximumNumberOfIterations(6);
  scene.Time(
    "ExponentialDisplacementFieldIma...",
    [&] {
      exponential->Modified();
      exponential->Update();
      return exponential->GetOutput()->GetBufferPointer()[middle][0];
    },
    [&] {
      ExponentialParameters parameters;
      parameters.squarings = 6;
      Exponential(device, parameters, scene.inputs.displacement, field, Field(workspace.Data(), lattice, 3));
      return Read(device, output.Data(), middle);
    });
}

const std::vector<std::function<void(const Scene &)>> comparisons = { CompareResample, CompareCompose };

void
Run(const Options & options)
{
  itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(static_cast<itk::ThreadIdType>(options.threads));
  const Device device = Device::Open(options.device);
  const Scene  scene(device, options);
  std::printf("%s (%s), %dx%dx%d, %d threads, minimum of %d runs\n",
              device.Name().c_str(),
              device.Description().c_str(),
              options.lattice.size[0],
              options.lattice.size[1],
              options.lattice.size[2],
              options.threads,
              options.runs);
  std::printf("%-34s %9s %9s %7s %9s %9s %7s   %s\n",
              "wall, then CPU time of all threads",
              "ITK ms",
              "ours ms",
              "ratio",
              "ITK ms",
              "ours ms",
              "ratio",
              "difference");
  for (const auto & compare : comparisons)
  {
    compare(scene);
  }
}
} // namespace

int
main(int argc, char * argv[])
{
  try
  {
    Run(ReadOptions(argc, argv));
  }
  catch (const std::exception & error)
  {
    std::fprintf(stderr, "gdreg-bench-itk: %s\n", error.what());
    return 1;
  }
  return 0;
}
