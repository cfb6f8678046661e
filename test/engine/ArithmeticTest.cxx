// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Operators/Arithmetic.h"

namespace itk
{
namespace engine
{
namespace test
{
TEST(Arithmetic, LinearCombinationMatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    for (const int components : { 1, 3 })
    {
      const HostField x = MakeNoise(lattice, components, 1, -2.0, 2.0);
      const HostField y = MakeNoise(lattice, components, 2, -2.0, 2.0);
      HostDoubles     both(lattice, components);
      HostDoubles     alone(lattice, components);
      for (std::size_t i = 0; i < both.values.size(); ++i)
      {
        both.values[i] = 0.75 * x.values[i] - 1.5 * y.values[i];
        alone.values[i] = -3.0 * x.values[i];
      }
      const DeviceFloats deviceX(x);
      const DeviceFloats deviceY(y);
      const DeviceFloats output(lattice, components);
      LinearCombination(TestDevice(), 0.75f, deviceX, -1.5f, deviceY, output);
      EXPECT_RELATIVE_ERROR(output.Download(), both, 1e-6);
      LinearCombination(TestDevice(), -3.0f, deviceX, 5.0f, ConstField(), output);
      EXPECT_RELATIVE_ERROR(output.Download(), alone, 1e-6);
    }
  }
}

TEST(Arithmetic, OutputMayBeAnInput)
{
  const Lattice      lattice(13, 17, 11);
  const HostField    x = MakeNoise(lattice, 3, 1, -2.0, 2.0);
  const HostField    y = MakeNoise(lattice, 3, 2, -2.0, 2.0);
  const DeviceFloats deviceX(x);
  const DeviceFloats deviceY(y);
  const DeviceFloats output(lattice, 3);
  LinearCombination(TestDevice(), 0.3f, deviceX, 0.7f, deviceY, output);
  const HostField expected = output.Download();

  LinearCombination(TestDevice(), 0.3f, deviceX, 0.7f, deviceY, deviceY);
  EXPECT_SAME_BITS(deviceY.Download(), expected);
  const DeviceFloats freshY(y);
  LinearCombination(TestDevice(), 0.3f, deviceX, 0.7f, freshY, deviceX);
  EXPECT_SAME_BITS(deviceX.Download(), expected);
}

TEST(Arithmetic, MultiplyMatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    const HostField x = MakeNoise(lattice, 3, 1, -2.0, 2.0);
    const HostField y = MakeNoise(lattice, 3, 2, -2.0, 2.0);
    HostDoubles     expected = ToDoubles(x);
    for (std::size_t i = 0; i < expected.values.size(); ++i)
    {
      expected.values[i] *= y.values[i];
    }
    const DeviceFloats output(x);
    Multiply(TestDevice(), output, DeviceFloats(y), output);
    EXPECT_RELATIVE_ERROR(output.Download(), expected, 1e-7);
  }
  const DeviceFloats one(Lattice(6, 5, 4));
  const DeviceFloats other(Lattice(6, 5, 3));
  EXPECT_THROW(Multiply(TestDevice(), one, other, one), Error);
}

TEST(Arithmetic, CombineEnergiesWeighsTheSums)
{
  const double energies[6] = { 3.0, 100.0, -8.0, 100.0, 0.5, 100.0 };
  const Buffer<double> input(TestDevice(), 6);
  const Buffer<double> output(TestDevice(), 2);
  TestDevice().CopyFromHost(input.Data(), energies, sizeof(energies));
  EnergyWeights weights;
  weights.count = 3;
  weights.weight[0] = 0.5;
  weights.weight[1] = 0.25;
  weights.weight[2] = 0.25;
  CombineEnergies(TestDevice(), weights, input.Data(), output.Data());
  double result[2];
  TestDevice().CopyToHost(result, output.Data(), sizeof(result));
  EXPECT_EQ(result[0], 0.5 * 3.0 - 0.25 * 8.0 + 0.25 * 0.5);
  EXPECT_EQ(result[1], 100.0);
  for (const int count : { 0, EnergyWeights::Maximum + 1 })
  {
    weights.count = count;
    EXPECT_THROW(CombineEnergies(TestDevice(), weights, input.Data(), output.Data()), Error);
  }
}
} // namespace test
} // namespace engine
} // namespace itk
