// SPDX-License-Identifier: Apache-2.0
#include "Benchmark.h"

#include "Solvers/Greedy.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>

namespace benchmark
{
namespace
{
GreedyParameters
Parameters(MetricKind kind, Parametrization parametrization, int iterations)
{
  GreedyParameters parameters;
  parameters.metric.kind = kind;
  parameters.parametrization = parametrization;
  parameters.convergenceThreshold = -std::numeric_limits<double>::max(); // never: all iterations are wanted
  GreedyLevel level;
  level.iterations = iterations;
  parameters.levels.push_back(level);
  return parameters;
}

/** Runs GreedySolver on one level. It looks at its energies, and so waits for the device, every ReadInterval iterations:
 * these blocks are timed, the first one apart, and divided by their length. What the solver does before and after its
 * iterations is not in it. */
Timing
MeasureIterations(Problem & p, MetricKind kind, Parametrization parametrization, int blocks)
{
  RegistrationProblem problem;
  problem.fixed = p.fixed;
  problem.moving = p.moving;
  problem.fixedMean = problem.movingMean = 0.25f;
  constexpr int interval = GreedySolver::ReadInterval;
  GreedySolver  solver(p.device, problem, Parameters(kind, parametrization, (blocks + 1) * interval));

  Timing       timing;
  auto         wall = std::chrono::steady_clock::now();
  std::clock_t cpu = std::clock();
  solver.Run(p.vector[0], [&](const GreedyProgress & progress) {
    if (progress.startsLevel || progress.iteration % interval != 0)
    {
      return true;
    }
    const auto         now = std::chrono::steady_clock::now();
    const std::clock_t cpuNow = std::clock();
    if (progress.iteration > interval)
    {
      timing.seconds.push_back(std::chrono::duration<double>(now - wall).count() / interval);
      timing.cpuSeconds.push_back(static_cast<double>(cpuNow - cpu) / CLOCKS_PER_SEC / interval);
    }
    wall = now;
    cpu = cpuNow;
    return true;
  });
  return timing;
}

Case
MakeIteration(Problem & p, MetricKind kind, Parametrization parametrization)
{
  const bool isVelocity = parametrization == Parametrization::StationaryVelocity;
  const int  squarings = GreedyParameters().squarings;
  const bool isInformation = kind == MetricKind::MutualInformation;
  Case       one;
  one.bytesPerVoxel = (isInformation ? 52 : 32) + 56 + 36 + 24;
  one.floor = std::string("sum of its operators' floors: metric to displacement ") + (isInformation ? "52" : "32") +
              ", SmoothedAdamUpdate 56, " + (isVelocity ? "LinearCombination" : "Compose") +
              " 36, GaussianSmooth 24";
  if (isVelocity)
  {
    one.bytesPerVoxel += squarings * 24 + (squarings - 1) * 24 + squarings * 36;
    one.floor += ", Exponential 7 x 24, ExponentialGradient 6 x 24 + 7 x 36";
  }
  else
  {
    one.bytesPerVoxel += 12;
    one.floor += ", RelaxFolds 12";
  }
  RegistrationProblem problem;
  problem.fixed = p.fixed;
  problem.moving = p.moving;
  one.workspaceBytes =
    static_cast<std::int64_t>(GreedySolver(p.device, problem, Parameters(kind, parametrization, 50)).RequiredBytes());
  one.measure = [&p, kind, parametrization](int runs) {
    return MeasureIterations(p, kind, parametrization, std::max(2, runs / GreedySolver::ReadInterval));
  };
  return one;
}
} // namespace

void
AddSolverCases(std::vector<Entry> & entries)
{
  const auto add = [&](const char * name, MetricKind kind, Parametrization parametrization) {
    entries.push_back({ std::string("GreedyIteration/") + name,
                        [=](Problem & p) { return MakeIteration(p, kind, parametrization); } });
  };
  add("compositive/lncc", MetricKind::Lncc, Parametrization::Compositive);
  add("compositive/mutual-information", MetricKind::MutualInformation, Parametrization::Compositive);
  add("compositive/mean-squares", MetricKind::MeanSquares, Parametrization::Compositive);
  add("velocity/lncc", MetricKind::Lncc, Parametrization::StationaryVelocity);
}
} // namespace benchmark
