// SPDX-License-Identifier: Apache-2.0
// Floor per voxel and component: 4 bytes of spectrum in, 4 out (as many again in where it accumulates).
#include "../Operators/SpectralDerivatives.h"

#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
/** Multiplies by i scale times the wave number along x, whose Nyquist frequency, if any, is the last. */
ITK_ENGINE_ROW void
DifferentiateAlongRow(const Complex * input, float step, int count, bool accumulate, Complex * output)
{
#pragma GCC ivdep
  for (int x = 0; x < count; ++x)
  {
    const float   factor = step * static_cast<float>(x);
    const Complex value = input[x];
    const Complex before = accumulate ? output[x] : Complex{ 0.0f, 0.0f };
    output[x].real = before.real - factor * value.imaginary;
    output[x].imaginary = before.imaginary + factor * value.real;
  }
}

/** The same with one factor for the row. */
ITK_ENGINE_ROW void
DifferentiateRow(const Complex * input, float factor, int count, bool accumulate, Complex * output)
{
#pragma GCC ivdep
  for (int x = 0; x < count; ++x)
  {
    const Complex value = input[x];
    const Complex before = accumulate ? output[x] : Complex{ 0.0f, 0.0f };
    output[x].real = before.real - factor * value.imaginary;
    output[x].imaginary = before.imaginary + factor * value.real;
  }
}
} // namespace

void
DifferentiateSpectrum(const Device &,
                      int                   axis,
                      const ConstSpectrum & input,
                      const Spectrum &      output,
                      float                 scale,
                      bool                  accumulate)
{
  const Lattice &   lattice = input.lattice;
  const WaveNumbers wave(lattice, { 1.0, 1.0, 1.0 });
  const int         width = input.Width();
  const int         plain = width - (lattice.size[0] % 2 == 0 ? 1 : 0);
  for (int c = 0; c < input.components; ++c)
  {
    ParallelForRows(lattice, [&](int y, int z, std::int64_t) {
      const std::int64_t    offset = (static_cast<std::int64_t>(z) * lattice.own.size[1] + y) * width;
      const Complex * const from = input.Component(c) + offset;
      Complex * const       to = output.Component(c) + offset;
      if (axis == 0)
      {
        DifferentiateAlongRow(from, scale * wave.step[0], plain, accumulate, to);
        DifferentiateRow(from + plain, 0.0f, width - plain, accumulate, to + plain);
        return;
      }
      const int place = axis == 1 ? y : z;
      DifferentiateRow(from, scale * wave.Odd(axis, FrequencyAt(place, lattice.size[axis])), width, accumulate, to);
    });
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
