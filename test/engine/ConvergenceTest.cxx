// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Solvers/Convergence.h"

#include "itkWindowConvergenceMonitoringFunction.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace itk
{
namespace engine
{
namespace test
{
// Checks the same numbers as ITK's class on falling, noisy, rising and offset energies.
TEST(Convergence, MatchesItkWindowConvergenceMonitoringFunction)
{
  for (const unsigned int window : { 2u, 3u, 5u, 10u, 20u })
  {
    for (const int kind : { 0, 1, 2, 3 })
    {
      SCOPED_TRACE(::testing::Message() << "window " << window << " kind " << kind);
      using ReferenceType = Function::WindowConvergenceMonitoringFunction<double>;
      auto reference = ReferenceType::New();
      reference->SetWindowSize(window);
      WindowConvergence convergence(window);
      Random            random(5);
      double            total = 0.0;
      double            largest = 0.0;
      for (unsigned int n = 0; n < 40; ++n)
      {
        const double noise = random.Uniform(-0.01, 0.01);
        const double energies[] = { -1.0 + std::exp(-0.1 * n) + noise, 0.5 + 0.01 * n, noise, 1e6 - 3.0 * n };
        reference->AddEnergyValue(energies[kind]);
        convergence.AddEnergy(energies[kind]);
        total += std::abs(energies[kind]);
        if (n + 1 < window)
        {
          EXPECT_EQ(convergence.Value(), std::numeric_limits<double>::max());
          EXPECT_EQ(reference->GetConvergenceValue(), std::numeric_limits<double>::max());
        }
        else
        {
          // ITK moves the last point of its curve a little inside, so the slope is off by that part of the energies
          largest = std::max(largest, std::abs(energies[kind]));
          EXPECT_NEAR(convergence.Value(), reference->GetConvergenceValue(), 5e-4 * largest / total);
        }
      }
    }
  }
}

TEST(Convergence, SignTellsTheDirection)
{
  WindowConvergence falling(5);
  WindowConvergence rising(5);
  WindowConvergence level(5);
  WindowConvergence zero(5);
  for (int n = 0; n < 5; ++n)
  {
    falling.AddEnergy(1.0 - 0.1 * n);
    rising.AddEnergy(1.0 + 0.1 * n);
    level.AddEnergy(-0.7);
    zero.AddEnergy(0.0);
  }
  EXPECT_GT(falling.Value(), 0.0);
  EXPECT_LT(rising.Value(), 0.0);
  EXPECT_NEAR(level.Value(), 0.0, 1e-15);
  EXPECT_EQ(zero.Value(), 0.0);
}
} // namespace test
} // namespace engine
} // namespace itk
