// SPDX-License-Identifier: Apache-2.0
#ifndef BenchmarkItk_h
#define BenchmarkItk_h

#include "Core/Buffer.h"
#include "Core/Stopwatch.h"
#include "Operators/MetricInputs.h"

#include "itkImage.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

// What the comparisons with ITK's classes have in common: images, a field, and the timing of both sides in turns.
namespace benchmark
{
using namespace itk::engine;

struct Options
{
  std::string device = "cpu";
  Lattice     lattice{ 160, 192, 224 };
  int         runs = 5;
  int         threads = 2;
  int         bins = 32;
  int         radius = 3;
};

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

/** A comparison prints one row for each thing it times. */
void
CompareMutualInformation(const Scene & scene);
void
CompareLncc(const Scene & scene);
void
CompareResample(const Scene & scene);
void
CompareCompose(const Scene & scene);
void
CompareSmoothing(const Scene & scene);
} // namespace benchmark

#endif
