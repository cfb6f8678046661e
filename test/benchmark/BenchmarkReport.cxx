// SPDX-License-Identifier: Apache-2.0
#include "Benchmark.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

#if defined(GDREG_BENCH_JSON)
#  include <nlohmann/json.hpp>
#endif

namespace benchmark
{
namespace
{
double
BytesPerSecond(const Result & result)
{
  return result.what.bytesPerVoxel * static_cast<double>(result.lattice.NumberOfVoxels()) * result.batch /
         Median(result.timing.seconds);
}

double
Minimum(const std::vector<double> & values)
{
  return *std::min_element(values.begin(), values.end());
}

double
Maximum(const std::vector<double> & values)
{
  return *std::max_element(values.begin(), values.end());
}
} // namespace

double
Median(std::vector<double> values)
{
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void
PrintHeader(const Device & device, const Options & options, const Lattice & lattice, double copyBytesPerSecond)
{
  std::printf("%s (%s), %dx%dx%d, batch %d, %d runs, copy %.1f GB/s\n",
              device.Name().c_str(),
              device.Description().c_str(),
              lattice.size[0],
              lattice.size[1],
              lattice.size[2],
              options.batch,
              options.runs,
              copyBytesPerSecond * 1e-9);
  std::printf("%-46s %9s %9s %9s %9s %7s %7s %6s %9s %8s\n",
              "operator",
              "median ms",
              "min ms",
              "max ms",
              "CPU ms",
              "B/voxel",
              "GB/s",
              "/copy",
              "work MiB",
              "error");
}

void
PrintResult(const Result & result)
{
  const double bytesPerSecond = BytesPerSecond(result);
  char         error[16] = "n/a";
  if (!(result.error < 0.0))
  {
    std::snprintf(error, sizeof(error), "%.1e", result.error);
  }
  std::printf("%-46s %9.3f %9.3f %9.3f %9.3f %7.1f %7.1f %6.3f %9.1f %8s\n",
              result.name.c_str(),
              1e3 * Median(result.timing.seconds),
              1e3 * Minimum(result.timing.seconds),
              1e3 * Maximum(result.timing.seconds),
              1e3 * Minimum(result.timing.cpuSeconds),
              result.what.bytesPerVoxel,
              bytesPerSecond * 1e-9,
              bytesPerSecond / result.copyBytesPerSecond,
              static_cast<double>(result.what.workspaceBytes) / (1 << 20),
              error);
  std::fflush(stdout);
}

#if defined(GDREG_BENCH_JSON)
void
WriteJson(const Device & device, const Options & options, const std::vector<Result> & results)
{
  nlohmann::ordered_json file;
  file["program"] = "gdreg-bench";
  file["device"] = { { "name", device.Name() }, { "description", device.Description() }, { "cuda", device.IsCuda() } };
  file["runs"] = options.runs;
  file["threads"] = options.threads;
  file["peak_bytes"] = device.PeakBytes();
  file["results"] = nlohmann::ordered_json::array();
  for (const Result & result : results)
  {
    nlohmann::ordered_json row;
    row["operator"] = result.name;
    row["size"] = { result.lattice.size[0], result.lattice.size[1], result.lattice.size[2] };
    row["batch"] = result.batch;
    row["median_ms"] = 1e3 * Median(result.timing.seconds);
    row["min_ms"] = 1e3 * Minimum(result.timing.seconds);
    row["max_ms"] = 1e3 * Maximum(result.timing.seconds);
    row["min_cpu_ms"] = 1e3 * Minimum(result.timing.cpuSeconds);
    row["bytes_per_voxel"] = result.what.bytesPerVoxel;
    row["floor"] = result.what.floor;
    row["gigabytes_per_second"] = 1e-9 * BytesPerSecond(result);
    row["copy_gigabytes_per_second"] = 1e-9 * result.copyBytesPerSecond;
    row["fraction_of_copy"] = BytesPerSecond(result) / result.copyBytesPerSecond;
    row["workspace_bytes"] = result.what.workspaceBytes;
    row["relative_error"] = result.error < 0.0 ? nlohmann::ordered_json() : nlohmann::ordered_json(result.error);
    file["results"].push_back(row);
  }
  std::ofstream stream(options.json);
  stream << file.dump(1) << std::endl;
  if (!stream)
  {
    ThrowError("--json: cannot write ", options.json);
  }
}
#else
void
WriteJson(const Device &, const Options & options, const std::vector<Result> &)
{
  ThrowError("--json is ", options.json, ": this build of gdreg-bench has no nlohmann-json");
}
#endif
} // namespace benchmark
