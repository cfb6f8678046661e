// SPDX-License-Identifier: Apache-2.0
#ifndef Benchmark_h
#define Benchmark_h

#include "../engine/EngineTesting.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

// What the files of gdreg-bench have in common. Adding an operator: one Entry in the file of its kind.
namespace benchmark
{
using namespace itk::engine;
using test::HostDoubles;
using test::HostField;
using test::HostMask;

struct Options
{
  std::string          device = "auto";
  std::vector<Lattice> sizes; ///< 160x192x224 if none is given
  int                  batch = 1;
  int                  runs = 20;
  int                  threads = 0; ///< 0: ITK's default
  bool                 errors = true;
  bool                 list = false;
  bool                 help = false;
  std::string          filter; ///< regular expression, empty: all
  std::string          json;   ///< file, empty: none
};

Options
ReadOptions(int argc, char * argv[]);

/** Device memory that the cases of a run use one after another, as large as the largest has asked for. */
class SharedWorkspace
{
public:
  explicit SharedWorkspace(const Device & device)
    : m_Device(device)
  {}

  void
  Reserve(std::int64_t floats)
  {
    if (floats > m_Buffer.Count())
    {
      m_Buffer = Buffer<float>();
      m_Buffer = Buffer<float>(m_Device, floats);
    }
  }
  float *
  Data() const
  {
    return m_Buffer.Data();
  }

private:
  Device        m_Device;
  Buffer<float> m_Buffer;
};

/** The images and fields that all operators are timed on: two head-like phantoms, texture and noise in an ellipsoid and
 * nothing around it, a displacement of up to 1.5 voxels, one of 0.2 voxel, and a smooth field that stands for a gradient. */
class Problem
{
public:
  Problem(const Device & device, const Lattice & lattice, SharedWorkspace & sharedWorkspace);

  const Device &    device;
  Lattice           lattice;
  SharedWorkspace & workspace;

  ConstField fixed;
  ConstField moving;
  ConstField displacement;
  ConstField small;
  ConstField slope;      ///< 3 components
  ConstField slopeImage; ///< its first
  Field      vector[2];  ///< for results, or what is overwritten
  Field      scalar[2];
  double *   numbers = nullptr; ///< 64 doubles of device memory

  void
  Copy(const ConstField & from, const Field & to) const
  {
    device.Copy(to.data, from.data, sizeof(float) * from.NumberOfValues());
  }
  HostField
  Download(const ConstField & field) const;
  double
  Number(int index = 0) const;

private:
  std::vector<Buffer<float>> m_Fields;
  Buffer<double>             m_Numbers;
};

/** Seconds of each run, by the wall or a GPU's events, and the CPU time of all threads in it. */
struct Timing
{
  std::vector<double> seconds;
  std::vector<double> cpuSeconds;
};

/** One operator at work on one problem. */
struct Case
{
  Case() = default;
  Case(double bytes, const std::string & derivation)
    : bytesPerVoxel(bytes)
    , floor(derivation)
  {}

  double                bytesPerVoxel = 0.0; ///< every input read once and every result written once
  std::string           floor;               ///< how these come about
  std::int64_t          workspaceBytes = 0;  ///< beside inputs and results
  std::function<void()> work;
  /** After one call of `work` on fresh fields: the largest of the relative errors of its results against the same in
   * double. Absent: none. */
  std::function<double()> error;
  /** Absent: `work` is timed. */
  std::function<Timing(int runs)> measure;
};

struct Entry
{
  std::string                    name;
  std::function<Case(Problem &)> make;
  /** A call that takes all volumes of a batch. Absent: `make` for each, in a loop. */
  std::function<Case(const std::vector<std::unique_ptr<Problem>> &)> makeTogether = nullptr;
};

void
AddSamplingCases(std::vector<Entry> & entries);
void
AddMapCases(std::vector<Entry> & entries);
void
AddFlowCases(std::vector<Entry> & entries);
void
AddFieldCases(std::vector<Entry> & entries);
void
AddSpectralCases(std::vector<Entry> & entries);
void
AddMetricCases(std::vector<Entry> & entries);
void
AddSolverCases(std::vector<Entry> & entries);

/** One row of the table. */
struct Result
{
  std::string name;
  Lattice     lattice;
  int         batch = 1;
  Timing      timing;
  double      copyBytesPerSecond = 0.0; ///< of a copy in the same run
  double      error = -1.0;             ///< negative: no reference
  Case        what;
};

void
PrintHeader(const Device & device, const Options & options, const Lattice & lattice, double copyBytesPerSecond);
void
PrintResult(const Result & result);
/** Throws if this build has no nlohmann-json or the file cannot be written. */
void
WriteJson(const Device & device, const Options & options, const std::vector<Result> & results);
double
Median(std::vector<double> values);
} // namespace benchmark

#endif
