// SPDX-License-Identifier: Apache-2.0
// Times operators of the engine beside the class of ITK that computes the same, from the same images, fields and number of
// threads, in turns, and prints a table. A comparison is one function below and one line in `comparisons`.
#include "Core/Buffer.h"
#include "Core/Stopwatch.h"
#include "Operators/Compose.h"
#include "Operators/GaussianSmooth.h"
#include "Operators/Lncc.h"
#include "Operators/MutualInformation.h"

#include "itkANTSNeighborhoodCorrelationImageToImageMetricv4.h"
#include "itkComposeDisplacementFieldsImageFilter.h"
#include "itkDisplacementFieldTransform.h"
#include "itkGaussianOperator.h"
#include "itkIdentityTransform.h"
#include "itkImage.h"
#include "itkMattesMutualInformationImageToImageMetricv4.h"
#include "itkMultiThreaderBase.h"
#include "itkVectorNeighborhoodOperatorImageFilter.h"

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
  int         bins = 32;
  int         radius = 3;
};

Options
ReadOptions(int argc, char * argv[])
{
  const char * const usage =
    "usage: gdreg-bench-itk [--device D] [--size XxYxZ] [--runs N] [--threads N] [--bins N] [--radius R]";
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
    else if (name == "--bins")
    {
      options.bins = std::atoi(value);
    }
    else if (name == "--radius")
    {
      options.radius = std::atoi(value);
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

/** ITK's metric with local support: a displacement field as moving transform, image gradients by central differences. */
template <typename TMetric>
void
PrepareMetric(TMetric * metric, const Scene & scene)
{
  auto transform = itk::DisplacementFieldTransform<double, 3>::New();
  transform->SetDisplacementField(scene.fieldImage);
  metric->SetFixedImage(scene.fixedImage);
  metric->SetMovingImage(scene.movingImage);
  metric->SetVirtualDomainFromImage(scene.fixedImage);
  metric->SetFixedTransform(itk::IdentityTransform<double, 3>::New());
  metric->SetMovingTransform(transform);
  metric->SetUseFixedImageGradientFilter(false);
  metric->SetUseMovingImageGradientFilter(false);
  metric->SetMaximumNumberOfWorkUnits(static_cast<itk::ThreadIdType>(scene.GetOptions().threads));
  metric->Initialize();
}

void
CompareMutualInformation(const Scene & scene)
{
  const Device &                                                                        device = scene.GetDevice();
  auto metric = itk::MattesMutualInformationImageToImageMetricv4<ImageType, ImageType>::New();
  metric->SetNumberOfHistogramBins(static_cast<itk::SizeValueType>(scene.GetOptions().bins));
  PrepareMetric(metric.GetPointer(), scene);
  itk::Array<double> derivative(metric->GetNumberOfParameters());

  MutualInformationParameters parameters;
  parameters.numberOfBins = scene.GetOptions().bins;
  const auto range = [&](const ImageType * image, ParzenParameters & axis) {
    const auto ends =
      std::minmax_element(image->GetBufferPointer(), image->GetBufferPointer() + scene.GetOptions().lattice.NumberOfVoxels());
    axis.minimum = *ends.first;
    axis.maximum = *ends.second;
  };
  range(scene.fixedImage, parameters.fixed);
  range(scene.movingImage, parameters.moving);
  const Buffer<float>  gradient(device, 3 * scene.GetOptions().lattice.NumberOfVoxels());
  const Buffer<double> energy(device, 2);
  const Buffer<float>  workspace(device, MutualInformationToDisplacementWorkspace(device, parameters, scene.inputs));
  const auto           evaluate = [&](const Field & output) {
    MutualInformationToDisplacement(device, parameters, scene.inputs, energy.Data(), output, workspace.Data());
    double numbers[2];
    device.CopyToHost(numbers, energy.Data(), sizeof(numbers));
    return -numbers[0] / numbers[1];
  };
  scene.Time(
    "Mattes MI, value and derivative",
    [&] {
      double value = 0.0;
      metric->GetValueAndDerivative(value, derivative);
      return value;
    },
    [&] { return evaluate(Field(gradient.Data(), scene.GetOptions().lattice, 3)); });
  scene.Time(
    "Mattes MI, value", [&] { return metric->GetValue(); }, [&] { return evaluate(Field()); });
}

/** ITK's is the metric for dense fields. Its derivative leaves out all windows that hold a voxel but the one around it,
 * and it counts flat windows, here the background, as correlated: that is the difference of the values. */
void
CompareLncc(const Scene & scene)
{
  const Device & device = scene.GetDevice();
  using MetricType = itk::ANTSNeighborhoodCorrelationImageToImageMetricv4<ImageType, ImageType>;
  auto                   metric = MetricType::New();
  MetricType::RadiusType radius;
  radius.Fill(static_cast<itk::SizeValueType>(scene.GetOptions().radius));
  metric->SetRadius(radius);
  PrepareMetric(metric.GetPointer(), scene);
  itk::Array<double> derivative(metric->GetNumberOfParameters());

  LnccParameters parameters;
  std::fill_n(parameters.radius, 3, scene.GetOptions().radius);
  parameters.fixedShift = parameters.movingShift = 0.5f;
  const Buffer<float>  gradient(device, 3 * scene.GetOptions().lattice.NumberOfVoxels());
  const Buffer<double> energy(device, 2);
  const Buffer<float>  workspace(device, LnccToDisplacementWorkspace(device, parameters, scene.inputs));
  const auto           evaluate = [&](const Field & output) {
    LnccToDisplacement(device, parameters, scene.inputs, energy.Data(), output, workspace.Data());
    double numbers[2];
    device.CopyToHost(numbers, energy.Data(), sizeof(numbers));
    return -numbers[0] / numbers[1];
  };
  scene.Time(
    "LNCC, value and derivative",
    [&] {
      double value = 0.0;
      metric->GetValueAndDerivative(value, derivative);
      return value;
    },
    [&] { return evaluate(Field(gradient.Data(), scene.GetOptions().lattice, 3)); });
}

/** A field composed with itself. */
void
CompareCompose(const Scene & scene)
{
  const Device & device = scene.GetDevice();
  const Lattice  lattice = scene.GetOptions().lattice;
  const auto     voxels = lattice.NumberOfVoxels();
  auto           filter = itk::ComposeDisplacementFieldsImageFilter<FieldType>::New();
  filter->SetDisplacementField(scene.fieldImage);
  filter->SetWarpingField(scene.fieldImage);
  filter->SetNumberOfWorkUnits(static_cast<itk::ThreadIdType>(scene.GetOptions().threads));
  const Buffer<float>   output(device, 3 * voxels);
  const std::int64_t    middle = lattice.Offset(lattice.size[0] / 2, lattice.size[1] / 2, lattice.size[2] / 2);
  scene.Time(
    "Compose",
    [&] {
      filter->Modified();
      filter->Update();
      return filter->GetOutput()->GetBufferPointer()[middle][0];
    },
    [&] {
      ComposeParameters parameters;
      Compose(device, parameters, scene.inputs.displacement, scene.inputs.displacement, Field(output.Data(), lattice, 3));
      float value = 0.0f;
      device.CopyToHost(&value, output.Data() + middle, sizeof(value));
      return static_cast<double>(value);
    });
}

/** Gaussian smoothing of a field as SyNImageRegistrationMethod does it: one pass of a neighborhood operator per axis. */
void
CompareSmoothing(const Scene & scene)
{
  const Device & device = scene.GetDevice();
  const Lattice  lattice = scene.GetOptions().lattice;
  const auto     voxels = lattice.NumberOfVoxels();
  const auto     middle = lattice.Offset(lattice.size[0] / 2, lattice.size[1] / 2, lattice.size[2] / 2);
  const Buffer<float> output(device, 3 * voxels);
  const Buffer<float> workspace(device, 3 * voxels);
  for (const double variance : { 3.0, 0.5 })
  {
    const auto itkSmooth = [&] {
      FieldType::Pointer field = scene.fieldImage;
      for (unsigned int axis = 0; axis < 3; ++axis)
      {
        itk::GaussianOperator<double, 3> gaussian;
        gaussian.SetDirection(axis);
        gaussian.SetVariance(variance);
        gaussian.SetMaximumError(0.001);
        gaussian.SetMaximumKernelWidth(32);
        gaussian.CreateDirectional();
        auto filter = itk::VectorNeighborhoodOperatorImageFilter<FieldType, FieldType>::New();
        filter->SetOperator(gaussian);
        filter->SetInput(field);
        filter->SetNumberOfWorkUnits(static_cast<itk::ThreadIdType>(scene.GetOptions().threads));
        filter->Update();
        field = filter->GetOutput();
        field->DisconnectPipeline();
      }
      return field->GetBufferPointer()[middle][0];
    };
    const auto ourSmooth = [&] {
      SymmetricKernel kernels[3];
      std::fill_n(kernels, 3, MakeGaussianKernel(variance, 0.001, 32));
      GaussianSmooth(device,
                     kernels,
                     SmoothBoundary::ZeroFlux,
                     scene.inputs.displacement,
                     Field(output.Data(), lattice, 3),
                     Field(workspace.Data(), lattice, 3));
      float value = 0.0f;
      device.CopyToHost(&value, output.Data() + middle, sizeof(value));
      return static_cast<double>(value);
    };
    scene.Time(variance > 1.0 ? "Smooth a field, variance 3" : "Smooth a field, variance 0.5", itkSmooth, ourSmooth);
  }
}

const std::vector<std::function<void(const Scene &)>> comparisons = {
  CompareMutualInformation, CompareLncc, CompareCompose, CompareSmoothing
};

void
Run(const Options & options)
{
  itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(static_cast<itk::ThreadIdType>(options.threads));
  const Device device = Device::Open(options.device);
  const Scene  scene(device, options);
  std::printf("%s (%s), %dx%dx%d, %d threads, %d bins, minimum of %d runs\n",
              device.Name().c_str(),
              device.Description().c_str(),
              options.lattice.size[0],
              options.lattice.size[1],
              options.lattice.size[2],
              options.threads,
              options.bins,
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
