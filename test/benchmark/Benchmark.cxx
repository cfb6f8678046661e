// SPDX-License-Identifier: Apache-2.0
// gdreg-bench: the time of every operator and of whole iterations of the greedy solver, the bytes they must move at least,
// how near that comes to a plain copy in the same run, and the error against double precision on a small volume.
// On a GPU each run is timed by events after 256 MiB were written, so that nothing is left in the L2 cache.
#include "Benchmark.h"

#include "Core/Stopwatch.h"
#include "Operators/Arithmetic.h"

#include "itkMultiThreaderBase.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <regex>
#include <sstream>

namespace benchmark
{
namespace
{
const char * const usage =
  "usage: gdreg-bench [--device D] [--size XxYxZ]... [--batch N | --batch NxM] [--runs N] [--threads N] [--filter REGEX]\n"
  "                   [--json FILE] [--no-errors] [--list] [--help]\n"
  "  --batch   that many volumes of each size: in one call of an operator that takes them as components, else in a\n"
  "            loop of calls that is timed as one\n"
  "  --filter  the operators whose name holds a match, for example '^Lncc/box3/' (--list prints the names)";

int
ReadNumber(const std::string & option, const std::string & text, int minimum)
{
  char *     end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < minimum || value > 1000000)
  {
    ThrowError(option, " is ", text, ": a whole number >= ", minimum, " is needed");
  }
  return static_cast<int>(value);
}

/** "2x16" -> 2, 16 */
std::vector<int>
ReadNumbers(const std::string & option, const std::string & text)
{
  std::vector<int>   numbers;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, 'x');)
  {
    numbers.push_back(ReadNumber(option, part, 1));
  }
  return numbers;
}
} // namespace

Options
ReadOptions(int argc, char * argv[])
{
  Options options;
  for (int i = 1; i < argc; ++i)
  {
    const std::string name = argv[i];
    const auto        value = [&]() -> std::string {
      if (i + 1 >= argc)
      {
        ThrowError(name, " needs a value\n", usage);
      }
      return argv[++i];
    };
    if (name == "--device")
    {
      options.device = value();
    }
    else if (name == "--size")
    {
      const std::string      text = value();
      const std::vector<int> size = ReadNumbers(name, text);
      if (size.size() != 3)
      {
        ThrowError("--size is ", text, ": three numbers as in 160x192x224 are needed");
      }
      options.sizes.emplace_back(size[0], size[1], size[2]);
    }
    else if (name == "--batch")
    {
      options.batch = 1;
      for (const int number : ReadNumbers(name, value()))
      {
        options.batch *= number;
      }
    }
    else if (name == "--runs")
    {
      options.runs = ReadNumber(name, value(), 1);
    }
    else if (name == "--threads")
    {
      options.threads = ReadNumber(name, value(), 0);
    }
    else if (name == "--filter")
    {
      options.filter = value();
    }
    else if (name == "--json")
    {
      options.json = value();
    }
    else if (name == "--no-errors")
    {
      options.errors = false;
    }
    else if (name == "--help" || name == "-h")
    {
      options.help = true;
    }
    else if (name == "--list")
    {
      options.list = true;
    }
    else
    {
      ThrowError("unknown option ", name, "\n", usage);
    }
  }
  if (options.sizes.empty())
  {
    options.sizes.emplace_back(160, 192, 224);
  }
  return options;
}

namespace
{
Timing
Time(const Device & device, const Buffer<char> & flush, int runs, const std::function<void()> & work)
{
  work();
  Timing    timing;
  Stopwatch stopwatch(device);
  for (int run = 0; run < runs; ++run)
  {
    if (flush.Data())
    {
      device.SetZero(flush.Data(), flush.Bytes());
    }
    const std::clock_t start = std::clock();
    stopwatch.Start();
    work();
    timing.seconds.push_back(stopwatch.Stop());
    timing.cpuSeconds.push_back(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return timing;
}

/** Bytes read and written per second by the faster of the two ways there are to copy a field. */
double
TimeCopy(const Device & device, const Buffer<char> & flush, int runs, const Problem & problem)
{
  const ConstField & from = problem.displacement;
  const Field &      to = problem.vector[0];
  const double       byRuntime = Median(Time(device, flush, runs, [&] { problem.Copy(from, to); }).seconds);
  const double       byOperator = Median(
    Time(device, flush, runs, [&] { LinearCombination(device, 1.0f, from, 0.0f, ConstField(), to); }).seconds);
  return 2.0 * sizeof(float) * static_cast<double>(from.NumberOfValues()) / std::min(byRuntime, byOperator);
}

double
MeasureError(const Device & device, const Entry & entry)
{
  SharedWorkspace workspace(device);
  Problem         problem(device, Lattice(37, 32, 29), workspace);
  const Case      one = entry.make(problem);
  if (!one.error)
  {
    return -1.0;
  }
  one.work();
  return one.error();
}

std::vector<Entry>
SelectEntries(const std::string & filter)
{
  std::vector<Entry> all;
  AddSamplingCases(all);
  AddMapCases(all);
  AddFlowCases(all);
  AddFieldCases(all);
  AddSpectralCases(all);
  AddMetricCases(all);
  AddSolverCases(all);
  if (filter.empty())
  {
    return all;
  }
  std::vector<Entry> selected;
  try
  {
    const std::regex expression(filter);
    std::copy_if(all.begin(), all.end(), std::back_inserter(selected), [&](const Entry & entry) {
      return std::regex_search(entry.name, expression);
    });
  }
  catch (const std::regex_error & error)
  {
    ThrowError("--filter is ", filter, ": ", error.what());
  }
  if (selected.empty())
  {
    ThrowError("--filter is ", filter, ": none of the ", all.size(), " operators has such a name (see --list)");
  }
  return selected;
}

void
Run(const Options & options)
{
  if (options.help)
  {
    std::printf("%s\n", usage);
    return;
  }
  const std::vector<Entry> entries = SelectEntries(options.filter);
  if (options.list)
  {
    for (const Entry & entry : entries)
    {
      std::printf("%s\n", entry.name.c_str());
    }
    return;
  }
  if (options.threads > 0)
  {
    itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(static_cast<itk::ThreadIdType>(options.threads));
  }
  test::OpenTestDevice(options.device);
  if (!options.json.empty())
  {
    WriteJson(test::TestDevice(), options, {}); // what is wrong with the file shows now and not in the end
  }
  const Device &                device = test::TestDevice();
  const Buffer<char>            flush = device.IsCuda() ? Buffer<char>(device, std::int64_t{ 256 } << 20) : Buffer<char>();
  std::map<std::string, double> errors;
  std::vector<Result>           results;
  for (const Lattice & lattice : options.sizes)
  {
    // Volumes of their own: calls on one volume after another would find it in the cache.
    SharedWorkspace                       workspace(device);
    std::vector<std::unique_ptr<Problem>> problems;
    for (int i = 0; i < options.batch; ++i)
    {
      problems.push_back(std::make_unique<Problem>(device, lattice, workspace));
    }
    const double copy = TimeCopy(device, flush, options.runs, *problems.front());
    PrintHeader(device, options, lattice, copy);
    for (const Entry & entry : entries)
    {
      std::vector<Case> cases;
      try
      {
        if (options.batch > 1 && entry.makeTogether)
        {
          cases.push_back(entry.makeTogether(problems));
        }
        else
        {
          for (const auto & problem : problems)
          {
            cases.push_back(entry.make(*problem));
          }
        }
      }
      catch (const Error & error)
      {
        // a library that is missing, or memory: the others need not suffer
        std::printf("%s: %s\n", entry.name.c_str(), error.what());
        continue;
      }
      Result result;
      result.name = entry.name;
      result.lattice = lattice;
      result.batch = options.batch;
      result.copyBytesPerSecond = copy;
      result.what = cases.front();
      if (result.what.measure && options.batch > 1)
      {
        continue; // a solver takes one pair of images
      }
      result.timing = result.what.measure ? result.what.measure(options.runs)
                                          : Time(device, flush, options.runs, [&] {
                                              for (const Case & one : cases)
                                              {
                                                one.work();
                                              }
                                            });
      if (options.errors)
      {
        if (errors.count(entry.name) == 0)
        {
          errors[entry.name] = MeasureError(device, entry);
        }
        result.error = errors[entry.name];
      }
      PrintResult(result);
      result.what.work = nullptr; // and with it the device memory that it holds
      result.what.error = nullptr;
      result.what.measure = nullptr;
      results.push_back(result);
    }
    std::printf("\n");
  }
  if (!options.json.empty())
  {
    WriteJson(device, options, results);
  }
}
} // namespace
} // namespace benchmark

int
main(int argc, char * argv[])
{
  try
  {
    benchmark::Run(benchmark::ReadOptions(argc, argv));
  }
  catch (const std::exception & error)
  {
    std::fprintf(stderr, "gdreg-bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
