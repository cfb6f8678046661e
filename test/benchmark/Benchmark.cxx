// SPDX-License-Identifier: Apache-2.0
// gdreg-bench [--device D] [--size XxYxZ] [--runs N] [--radius R]
// Median, minimum and maximum time of every operator and of the greedy solver's iteration, the bytes it must move at
// least, and the bandwidth that these make. On a GPU each run is timed by events after 256 MiB were written, so that
// nothing is left in the L2 cache.
#include "Core/Stopwatch.h"
#include "Operators/AdamUpdate.h"
#include "Operators/Compose.h"
#include "Operators/ExponentialGradient.h"
#include "Operators/GaussianSmooth.h"
#include "Operators/JacobianDeterminant.h"
#include "Operators/Lncc.h"
#include "Operators/MeanSquares.h"
#include "Operators/Pyramid.h"
#include "Operators/Reductions.h"
#include "Operators/ResampleLabels.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using namespace itk::engine;

namespace
{
struct Options
{
  std::string device = "auto";
  Lattice     lattice{ 160, 192, 224 };
  int         runs = 20;
  int         radius = 3;
};

Options
ReadOptions(int argc, char * argv[])
{
  Options options;
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
      ThrowError("usage: gdreg-bench [--device D] [--size XxYxZ] [--runs N] [--radius R]");
    }
  }
  if (argc % 2 == 0)
  {
    ThrowError("usage: gdreg-bench [--device D] [--size XxYxZ] [--runs N] [--radius R]");
  }
  return options;
}

/** A head-like phantom: texture inside an ellipsoid, nothing around it. */
std::vector<float>
MakePhantom(const Lattice & lattice, double phase)
{
  std::vector<float> image(lattice.NumberOfVoxels());
  for (int z = 0; z < lattice.size[2]; ++z)
  {
    for (int y = 0; y < lattice.size[1]; ++y)
    {
      for (int x = 0; x < lattice.size[0]; ++x)
      {
        const double a = 2.2 * x / lattice.size[0] - 1.1;
        const double b = 2.2 * y / lattice.size[1] - 1.1;
        const double c = 2.2 * z / lattice.size[2] - 1.1;
        const bool   inside = a * a + b * b + c * c < 0.85;
        image[lattice.Offset(x, y, z)] =
          inside ? static_cast<float>(0.5 + 0.3 * std::sin(0.31 * x + phase) * std::cos(0.23 * y) * std::sin(0.27 * z)) : 0.0f;
      }
    }
  }
  return image;
}

std::vector<float>
MakeField(const Lattice & lattice, double amplitude)
{
  const std::int64_t voxels = lattice.NumberOfVoxels();
  std::vector<float> field(3 * voxels);
  for (int z = 0; z < lattice.size[2]; ++z)
  {
    for (int y = 0; y < lattice.size[1]; ++y)
    {
      for (int x = 0; x < lattice.size[0]; ++x)
      {
        const std::int64_t offset = lattice.Offset(x, y, z);
        field[offset] = static_cast<float>(amplitude * std::sin(0.05 * y + 0.04 * z));
        field[offset + voxels] = static_cast<float>(amplitude * std::sin(0.06 * x - 0.03 * z));
        field[offset + 2 * voxels] = static_cast<float>(amplitude * std::cos(0.04 * x + 0.05 * y));
      }
    }
  }
  return field;
}

class Bench
{
public:
  Bench(const Device & device, const Options & options)
    : m_Device(device)
    , m_Options(options)
    , m_Stopwatch(device)
    , m_Flush(device.IsCuda() ? Buffer<char>(device, std::int64_t{ 256 } << 20) : Buffer<char>())
  {
    std::printf("%-34s %10s %10s %10s %8s %9s\n", "operator", "median ms", "min ms", "max ms", "B/voxel", "GB/s");
  }

  /** `bytesPerVoxel`: what must be read and written at least. */
  template <typename TWork>
  double
  Time(const std::string & name, double bytesPerVoxel, const TWork & work)
  {
    work();
    std::vector<double> seconds;
    for (int run = 0; run < m_Options.runs; ++run)
    {
      if (m_Flush.Data())
      {
        m_Device.SetZero(m_Flush.Data(), m_Flush.Bytes());
      }
      m_Stopwatch.Start();
      work();
      seconds.push_back(m_Stopwatch.Stop());
    }
    std::sort(seconds.begin(), seconds.end());
    const double median = seconds[seconds.size() / 2];
    const auto   voxels = static_cast<double>(m_Options.lattice.NumberOfVoxels());
    std::printf("%-34s %10.3f %10.3f %10.3f %8.0f %9.0f\n",
                name.c_str(),
                1e3 * median,
                1e3 * seconds.front(),
                1e3 * seconds.back(),
                bytesPerVoxel,
                bytesPerVoxel * voxels / median * 1e-9);
    std::fflush(stdout);
    return median;
  }

private:
  Device       m_Device;
  Options      m_Options;
  Stopwatch    m_Stopwatch;
  Buffer<char> m_Flush;
};

void
Run(const Options & options)
{
  const Device       device = Device::Open(options.device);
  const Lattice &    lattice = options.lattice;
  const std::int64_t voxels = lattice.NumberOfVoxels();
  std::printf("%s (%s), %dx%dx%d, LNCC window %d, %d runs\n",
              device.Name().c_str(),
              device.Description().c_str(),
              lattice.size[0],
              lattice.size[1],
              lattice.size[2],
              2 * options.radius + 1,
              options.runs);

  const auto upload = [&](const std::vector<float> & values) {
    Buffer<float> buffer(device, static_cast<std::int64_t>(values.size()));
    device.CopyFromHost(buffer.Data(), values.data(), buffer.Bytes());
    return buffer;
  };
  const auto          fixedBuffer = upload(MakePhantom(lattice, 0.0));
  const auto          movingBuffer = upload(MakePhantom(lattice, 0.4));
  const auto          uBuffer = upload(MakeField(lattice, 1.5));
  const auto          vBuffer = upload(MakeField(lattice, 0.2));
  const auto          gradientBuffer = upload(MakeField(lattice, 0.5));
  const auto          workspaceBuffer = upload(MakeField(lattice, 0.0));
  const Buffer<float> secondBuffer(device, voxels);
  device.SetZero(secondBuffer.Data(), secondBuffer.Bytes());
  const Buffer<unsigned char> flagBuffer(device, voxels);
  const Buffer<double>        scalars(device, 4);
  const ConstField            fixed(fixedBuffer.Data(), lattice);
  const ConstField            moving(movingBuffer.Data(), lattice);
  const Field                 u(uBuffer.Data(), lattice, 3);
  const Field                 v(vBuffer.Data(), lattice, 3);
  const Field                 gradient(gradientBuffer.Data(), lattice, 3);
  const Field                 workspace(workspaceBuffer.Data(), lattice, 3);
  const Field                 second(secondBuffer.Data(), lattice);
  const Field                 scalarOutput(workspaceBuffer.Data(), lattice);

  MetricInputs inputs;
  inputs.fixed = fixed;
  inputs.moving = moving;
  inputs.displacement = u;
  inputs.sampling.outside = Outside::Clamp;
  LnccParameters lncc;
  std::fill_n(lncc.radius, 3, options.radius);
  lncc.fixedShift = lncc.movingShift = 0.25f;
  LnccParameters gaussian = lncc;
  gaussian.weights = LnccWeights::Gaussian;
  const Buffer<float> metricWorkspace(device,
                                      std::max({ LnccToDisplacementWorkspace(device, lncc, inputs),
                                                 LnccWorkspace(device, lncc, lattice, 1, true),
                                                 LnccToDisplacementWorkspace(device, gaussian, inputs),
                                                 MeanSquaresToDisplacementWorkspace(inputs) }));
  SymmetricKernel sigmaOne[3];
  SymmetricKernel sigmaThird[3];
  for (int d = 0; d < 3; ++d)
  {
    sigmaOne[d] = MakeGaussianKernel(1.0);
    sigmaThird[d] = MakeGaussianKernel(0.1);
  }

  Bench bench(device, options);
  bench.Time("Resample, linear", 20, [&] { Resample(device, inputs.sampling, moving, u, scalarOutput); });
  ComposeParameters composition;
  composition.outside = Outside::Clamp;
  bench.Time("Compose", 36, [&] { Compose(device, composition, u, v, workspace); });
  bench.Time("Exponential, 6 squarings", 6 * 36 + 24, [&] {
    ExponentialParameters exponential;
    exponential.squarings = 6;
    Exponential(device, exponential, v, gradient, workspace);
  });
  const Buffer<float> adjointWorkspace(device, std::max<std::int64_t>(1, SplatWorkspace(device, lattice)));
  bench.Time("Splat", 36, [&] { Splat(device, inputs.sampling, moving, u, scalarOutput, adjointWorkspace.Data()); });
  ResampleGradients sampleGradients;
  sampleGradients.displacement = gradient;
  bench.Time("Resample, gradient to u", 32, [&] {
    ResampleGradient(device, inputs.sampling, moving, u, fixed, sampleGradients, nullptr);
  });
  const Buffer<float> outerGradient(device, 3 * voxels);
  ComposeGradients    composeGradients;
  composeGradients.inner = gradient;
  composeGradients.outer = Field(outerGradient.Data(), lattice, 3);
  bench.Time("Compose, gradients to both", 48 + 108, [&] {
    ComposeGradient(device, composition, u, v, workspace, composeGradients, false, adjointWorkspace.Data());
  });
  const Buffer<std::int32_t> labels(device, voxels);
  const Buffer<std::int32_t> warpedLabels(device, voxels);
  device.SetZero(labels.Data(), labels.Bytes());
  bench.Time("ResampleLabels, one region", 20, [&] {
    ResampleLabels(device,
                   inputs.sampling,
                   ConstLabels(labels.Data(), lattice),
                   u,
                   0,
                   Labels(warpedLabels.Data(), lattice));
  });
  bench.Time("GaussianSmooth, vector, variance 1", 24, [&] {
    GaussianSmooth(device, sigmaOne, SmoothBoundary::ZeroFlux, gradient, gradient, workspace);
  });
  bench.Time("GaussianSmooth, vector, var. 0.1", 24, [&] {
    GaussianSmooth(device, sigmaThird, SmoothBoundary::ZeroFlux, gradient, gradient, workspace);
  });
  bench.Time("Lncc, value", 8, [&] {
    Lncc(device, lncc, fixed, moving, ConstMask(), scalars.Data(), Field(), metricWorkspace.Data());
  });
  bench.Time("Lncc, gradient to the image", 12, [&] {
    Lncc(device, lncc, fixed, moving, ConstMask(), scalars.Data(), scalarOutput, metricWorkspace.Data());
  });
  bench.Time("Lncc, gradients to both images", 16, [&] {
    const Field toFixed(gradientBuffer.Data(), lattice);
    Lncc(device, lncc, fixed, moving, ConstMask(), scalars.Data(), { scalarOutput, toFixed }, metricWorkspace.Data());
  });
  bench.Time("Lncc, Gaussian, gradient to image", 12, [&] {
    Lncc(device, gaussian, fixed, moving, ConstMask(), scalars.Data(), scalarOutput, metricWorkspace.Data());
  });
  const double metricTime = bench.Time("LnccToDisplacement", 32, [&] {
    LnccToDisplacement(device, lncc, inputs, scalars.Data(), gradient, metricWorkspace.Data());
  });
  bench.Time("MeanSquaresToDisplacement", 32, [&] {
    MeanSquaresToDisplacement(device, inputs, scalars.Data(), gradient, metricWorkspace.Data());
  });
  const Field first(vBuffer.Data(), lattice, 3);
  bench.Time("AdamUpdate", 56, [&] { AdamUpdate(device, AdamStep(), gradient, first, second, scalars.Data()); });
  bench.Time("JacobianDeterminant", 16, [&] { JacobianDeterminant(device, Matrix3(), u, scalarOutput, scalars.Data()); });
  bench.Time("RelaxFolds, nothing folds", 13, [&] {
    RelaxFolds(device, 0.1f, u, scalars.Data(), Mask(flagBuffer.Data(), lattice), workspace);
  });
  bench.Time("Norms", 12, [&] { Norms(device, u, scalars.Data()); });

  const int           factors[3] = { 2, 2, 2 };
  const LevelGeometry level = MakeLevelGeometry(lattice, factors);
  const Buffer<float> levelBuffer(device, level.lattice.NumberOfVoxels());
  const Buffer<float> levelWorkspace(device, ResampleSeparableWorkspace(lattice, level.lattice));
  bench.Time("Downsample by 2, sigma 1", 4.5, [&] {
    Downsample(device, level, { 1.0, 1.0, 1.0 }, fixed, Field(levelBuffer.Data(), level.lattice), levelWorkspace.Data());
  });

  bench.Time("iteration of the greedy solver", 188, [&] {
    LnccToDisplacement(device, lncc, inputs, scalars.Data(), gradient, metricWorkspace.Data());
    GaussianSmooth(device, sigmaOne, SmoothBoundary::ZeroFlux, gradient, gradient, workspace);
    AdamUpdate(device, AdamStep(), gradient, first, second, scalars.Data());
    ComposeParameters step = composition;
    step.innerScale = 1e-4f;
    step.innerMaximum = scalars.Data() + 1;
    Compose(device, step, u, gradient, workspace);
    GaussianSmooth(device, sigmaThird, SmoothBoundary::ZeroFlux, workspace, u, gradient);
    RelaxFolds(device, 0.1f, u, scalars.Data() + 2, Mask(flagBuffer.Data(), lattice), gradient);
  });
  std::printf("peak memory %.1f MiB; LnccToDisplacement %.1f Mvoxel/s\n",
              static_cast<double>(device.PeakBytes()) / (1 << 20),
              static_cast<double>(voxels) / metricTime * 1e-6);
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
    std::fprintf(stderr, "gdreg-bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
