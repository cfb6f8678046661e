// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 12 bytes of spectrum in, 12 out (as many again in where it accumulates), some 45 flops per mode.
#include "../Operators/SpectralRegularization.h"

#include "Parallel.h"
#include "Rows.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
struct BlockRow
{
  const Complex * input[3];
  Complex *       output[3];
  float *         product; ///< of the input and the operator on it, per mode
  int             count;
  Wave            wave; ///< what its modes have in common
  bool            accumulate;
};

template <bool accumulate>
ITK_ENGINE_HOST_DEVICE void
Store(Complex & place, float scale, const Complex & value)
{
  place.real = (accumulate ? place.real : 0.0f) + scale * value.real;
  place.imaginary = (accumulate ? place.imaginary : 0.0f) + scale * value.imaginary;
}

template <SpectralAction action, int power, bool accumulate>
ITK_ENGINE_HOST_DEVICE void
MultiplyBlockRow(const SpectralBlock & rowBlock, const BlockRow & row)
{
  const SpectralBlock block = rowBlock;
  float * const       products = row.product;
#pragma GCC ivdep
  for (int x = 0; x < row.count; ++x)
  {
    Wave wave = row.wave;
    wave.Add(block.wave, 0, x);
    const Complex input[3] = { row.input[0][x], row.input[1][x], row.input[2][x] };
    Complex       output[3];
    MultiplyByBlock<action, power>(block, wave, input, output);
    const float product =
      RealProduct(input[0], output[0]) + RealProduct(input[1], output[1]) + RealProduct(input[2], output[2]);
    Store<accumulate>(row.output[0][x], block.scale, output[0]);
    Store<accumulate>(row.output[1][x], block.scale, output[1]);
    Store<accumulate>(row.output[2][x], block.scale, output[2]);
    products[x] = Multiplicity(x, block.wave.size[0]) * product;
  }
}

template <SpectralAction action, int power>
ITK_ENGINE_HOST_DEVICE void
MultiplyBlockRow(const SpectralBlock & block, const BlockRow & row)
{
  if (row.accumulate)
  {
    MultiplyBlockRow<action, power, true>(block, row);
  }
  else
  {
    MultiplyBlockRow<action, power, false>(block, row);
  }
}

ITK_ENGINE_ROW void
ApplyRow(int power, const SpectralBlock & block, const BlockRow & row)
{
  switch (power)
  {
    case 0:
      return MultiplyBlockRow<SpectralAction::Apply, 0>(block, row);
    case 1:
      return MultiplyBlockRow<SpectralAction::Apply, 1>(block, row);
    case 2:
      return MultiplyBlockRow<SpectralAction::Apply, 2>(block, row);
    default:
      return MultiplyBlockRow<SpectralAction::Apply, 3>(block, row);
  }
}

ITK_ENGINE_ROW void
SolveRow(int power, const SpectralBlock & block, const BlockRow & row)
{
  switch (power)
  {
    case 0:
      return MultiplyBlockRow<SpectralAction::Solve, 0>(block, row);
    case 1:
      return MultiplyBlockRow<SpectralAction::Solve, 1>(block, row);
    case 2:
      return MultiplyBlockRow<SpectralAction::Solve, 2>(block, row);
    default:
      return MultiplyBlockRow<SpectralAction::Solve, 3>(block, row);
  }
}

ITK_ENGINE_ROW void
ProjectRow(int, const SpectralBlock & block, const BlockRow & row)
{
  MultiplyBlockRow<SpectralAction::Project, 0>(block, row);
}

/** sum[i] += the real part of a[i] times the conjugate of b[i]. */
ITK_ENGINE_ROW void
AddProductRow(const Complex * a, const Complex * b, int count, int size, float * sum)
{
  for (int x = 0; x < count; ++x)
  {
    sum[x] += Multiplicity(x, size) * RealProduct(a[x], b[x]);
  }
}

double
SumTiles(const std::vector<double> & tiles)
{
  double sum = 0.0;
  for (const double tile : tiles)
  {
    sum += tile;
  }
  return sum;
}

double
SquareOfVoxels(const Lattice & lattice)
{
  const double voxels = static_cast<double>(lattice.NumberOfVoxels());
  return voxels * voxels;
}
} // namespace

void
MultiplyByBlocks(const Device &,
                 SpectralAction        action,
                 int                   power,
                 const SpectralBlock & block,
                 const ConstSpectrum & input,
                 const Spectrum &      output,
                 double *              energy,
                 bool                  accumulate)
{
  const Lattice & lattice = input.lattice;
  const int       width = input.Width();
  const auto      multiply =
    action == SpectralAction::Apply ? ApplyRow : (action == SpectralAction::Solve ? SolveRow : ProjectRow);
  std::vector<double> sums(static_cast<std::size_t>(NumberOfTiles(lattice)), 0.0);
  ParallelForRows(lattice, [&](int y, int z, std::int64_t tile) {
    const std::int64_t offset = (static_cast<std::int64_t>(z) * lattice.own.size[1] + y) * width;
    BlockRow           row;
    for (int c = 0; c < 3; ++c)
    {
      row.input[c] = input.Component(c) + offset;
      row.output[c] = output.Component(c) + offset;
    }
    row.product = ThreadScratch<float>(static_cast<std::size_t>(width));
    row.count = width;
    row.wave.Add(block.wave, 1, FrequencyAt(y, lattice.own.size[1]));
    row.wave.Add(block.wave, 2, FrequencyAt(z, lattice.own.size[2]));
    row.accumulate = accumulate;
    multiply(power, block, row);
    if (energy)
    {
      sums[tile] += SumRow(row.product, width);
    }
  });
  if (energy)
  {
    *energy = 0.5 * SumTiles(sums) / SquareOfVoxels(lattice);
  }
}

void
SpectralProduct(const Device &, const ConstSpectrum & a, const ConstSpectrum & b, double * result)
{
  const Lattice &     lattice = a.lattice;
  const int           width = a.Width();
  std::vector<double> sums(static_cast<std::size_t>(NumberOfTiles(lattice)), 0.0);
  ParallelForRows(lattice, [&](int y, int z, std::int64_t tile) {
    const std::int64_t offset = (static_cast<std::int64_t>(z) * lattice.own.size[1] + y) * width;
    float * const      row = ThreadScratch<float>(static_cast<std::size_t>(width));
    std::fill_n(row, width, 0.0f);
    for (int c = 0; c < a.components; ++c)
    {
      AddProductRow(a.Component(c) + offset, b.Component(c) + offset, width, lattice.size[0], row);
    }
    sums[tile] += SumRow(row, width);
  });
  *result = SumTiles(sums) / SquareOfVoxels(lattice);
}
} // namespace cpu
} // namespace engine
} // namespace itk
