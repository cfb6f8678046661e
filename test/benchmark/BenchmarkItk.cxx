// SPDX-License-Identifier: Apache-2.0
// Times operators of the engine beside the class of ITK that computes the same, from the same images, fields and number of
// threads, in turns, and prints a table. A comparison is one function of BenchmarkItk.h and one line in `comparisons`.
#include "BenchmarkItk.h"

#include "itkMultiThreaderBase.h"

#include <cstdlib>

using namespace benchmark;

namespace
{
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

const std::vector<std::function<void(const Scene &)>> comparisons = {
  CompareMutualInformation, CompareLncc, CompareResample, CompareCompose, CompareSmoothing
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
