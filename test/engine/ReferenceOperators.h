// SPDX-License-Identifier: Apache-2.0
#ifndef itkReferenceOperators_h
#define itkReferenceOperators_h

#include "ReferenceFields.h"
#include "ReferenceSampling.h"

#include "Operators/GaussianSmooth.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

// What the operators on fields compute, from the definitions and in double: for their tests and for the benchmark.
namespace itk
{
namespace engine
{
namespace test
{
inline double
Determinant3(const Matrix33 & m)
{
  double sum = 0.0;
  for (int j = 0; j < 3; ++j)
  {
    const int k = (j + 1) % 3;
    const int l = (j + 2) % 3;
    sum += m[0][j] * (m[1][k] * m[2][l] - m[1][l] * m[2][k]);
  }
  return sum;
}

template <typename T>
HostDoubles
DeterminantInDouble(const HostFieldOf<T> & u, const Matrix33 & toIndex)
{
  HostDoubles determinant(u.lattice);
  ForEachVoxel(u.lattice, [&](int x, int y, int z) {
    Matrix33 jacobian = LinearPart(IdentityAffine());
    for (int axis = 0; axis < 3; ++axis)
    {
      const int step[3] = { axis == 0, axis == 1, axis == 2 };
      Vector3   difference;
      for (int c = 0; c < 3; ++c)
      {
        difference[c] = 0.5 * (static_cast<double>(u.Clamped(c, x + step[0], y + step[1], z + step[2])) -
                               static_cast<double>(u.Clamped(c, x - step[0], y - step[1], z - step[2])));
      }
      const Vector3 column = Multiply(toIndex, difference);
      for (int c = 0; c < 3; ++c)
      {
        jacobian[c][axis] += column[c];
      }
    }
    determinant(0, x, y, z) = Determinant3(jacobian);
  });
  return determinant;
}

/** The smallest of the eight determinants of 1 + du/dx by differences to the next or the previous neighbour per axis. */
template <typename T>
HostDoubles
OneSidedDeterminantInDouble(const HostFieldOf<T> & u)
{
  HostDoubles smallest(u.lattice);
  ForEachVoxel(u.lattice, [&](int x, int y, int z) {
    double low = std::numeric_limits<double>::infinity();
    for (int octant = 0; octant < 8; ++octant)
    {
      Matrix33 jacobian = LinearPart(IdentityAffine());
      for (int axis = 0; axis < 3; ++axis)
      {
        const int side = octant >> axis & 1 ? 1 : -1;
        for (int c = 0; c < 3; ++c)
        {
          const double neighbour = u.Clamped(c, x + side * (axis == 0), y + side * (axis == 1), z + side * (axis == 2));
          jacobian[c][axis] += side * (neighbour - u(c, x, y, z));
        }
      }
      low = std::min(low, Determinant3(jacobian));
    }
    smallest(0, x, y, z) = low;
  });
  return smallest;
}

inline HostDoubles
ConvolveInDouble(const SymmetricKernel (&kernels)[3], SmoothBoundary boundary, const HostField & input)
{
  HostDoubles field = ToDoubles(input);
  for (int axis = 0; axis < 3; ++axis)
  {
    if (input.lattice.size[axis] == 1 || kernels[axis].radius == 0)
    {
      continue;
    }
    const HostDoubles before = field;
    ForEachVoxel(input.lattice, [&](int x, int y, int z) {
      for (int c = 0; c < input.components; ++c)
      {
        double sum = 0.0;
        for (int k = -kernels[axis].radius; k <= kernels[axis].radius; ++k)
        {
          int at[3] = { x, y, z };
          at[axis] += k;
          const bool inside = at[axis] >= 0 && at[axis] < input.lattice.size[axis];
          if (inside || boundary == SmoothBoundary::ZeroFlux)
          {
            sum += static_cast<double>(kernels[axis].weight[std::abs(k)]) * before.Clamped(c, at[0], at[1], at[2]);
          }
        }
        field(c, x, y, z) = sum;
      }
    });
  }
  return field;
}

/** The chain in double: all of its fields. */
inline std::vector<HostDoubles>
ExponentialChainInDouble(const HostDoubles & velocity, int squarings, double scale, bool clamp = false)
{
  std::vector<HostDoubles> fields{ velocity };
  for (double & value : fields.back().values)
  {
    value *= std::ldexp(scale, -squarings);
  }
  for (int i = 0; i < squarings; ++i)
  {
    fields.push_back(ComposeInDouble(fields.back(), fields.back(), IdentityAffine(), clamp));
  }
  return fields;
}

inline HostDoubles
ExponentialInDouble(const HostField & velocity, int squarings, double scale, bool clamp = false)
{
  return ExponentialChainInDouble(ToDoubles(velocity), squarings, scale, clamp).back();
}

/** The adjoint of the chain in double, from its definition. */
inline HostDoubles
ExponentialGradientInDouble(const HostField & velocity, const HostField & slope, int squarings, double scale)
{
  const auto  fields = ExponentialChainInDouble(ToDoubles(velocity), squarings, scale);
  HostDoubles g = ToDoubles(slope);
  for (int i = squarings - 1; i >= 0; --i)
  {
    const HostDoubles & u = fields[static_cast<std::size_t>(i)];
    HostDoubles         next = g;
    ForEachVoxel(g.lattice, [&](int x, int y, int z) {
      Vector3       p{ { double(x), double(y), double(z) } };
      const Vector3 d = VectorAt(u, x, y, z);
      for (int axis = 0; axis < 3; ++axis)
      {
        p[axis] += d[axis];
      }
      if (!IsInside(g.lattice, p))
      {
        return;
      }
      for (int k = 0; k < 3; ++k)
      {
        const Vector3 sampled = GradientLinear(u, k, p);
        for (int axis = 0; axis < 3; ++axis)
        {
          next(axis, x, y, z) += sampled[axis] * g(k, x, y, z);
        }
      }
      ForEachCorner(g.lattice, p, Outside::Value, [&](int i0, int i1, int i2, double weight) {
        for (int k = 0; k < 3; ++k)
        {
          next(k, i0, i1, i2) += weight * g(k, x, y, z);
        }
      });
    });
    g = next;
  }
  for (double & value : g.values)
  {
    value *= std::ldexp(scale, -squarings);
  }
  return g;
}

/** One row of weights per output sample of an axis. */
using ResamplingRows = std::vector<std::vector<double>>;

/** Gaussian with the edge value continued, then linear interpolation: the definition. */
inline ResamplingRows
ResamplingInDouble(int inputSize, int outputSize, double factor, double offset, double variance)
{
  const SymmetricKernel kernel = MakeGaussianKernel(variance);
  const auto            clamp = [inputSize](int i) { return i < 0 ? 0 : (i >= inputSize ? inputSize - 1 : i); };
  ResamplingRows        rows(outputSize, std::vector<double>(inputSize, 0.0));
  for (int o = 0; o < outputSize; ++o)
  {
    const double p = std::min(std::max(factor * o + offset, 0.0), inputSize - 1.0);
    const int    lower = static_cast<int>(std::floor(p));
    for (int side = 0; side < 2; ++side)
    {
      const double weight = side == 0 ? 1.0 - (p - lower) : p - lower;
      for (int k = -kernel.radius; k <= kernel.radius; ++k)
      {
        // an axis of one voxel has nothing to smooth, and its weights sum to 1 either way
        rows[o][clamp(clamp(lower + side) + k)] += weight * kernel.weight[std::abs(k)];
      }
    }
  }
  return rows;
}

inline HostDoubles
ApplyRowsInDouble(const ResamplingRows (&rows)[3], const float (&scale)[3], const HostField & input)
{
  HostDoubles field = ToDoubles(input);
  for (int axis = 0; axis < 3; ++axis)
  {
    int size[3];
    std::copy_n(field.lattice.size, 3, size);
    size[axis] = static_cast<int>(rows[axis].size());
    HostDoubles next(Lattice(size[0], size[1], size[2]), input.components);
    ForEachVoxel(next.lattice, [&](int x, int y, int z) {
      for (int c = 0; c < input.components; ++c)
      {
        int        at[3] = { x, y, z };
        const auto row = rows[axis][at[axis]];
        double     sum = 0.0;
        for (at[axis] = 0; at[axis] < static_cast<int>(row.size()); ++at[axis])
        {
          sum += row[at[axis]] * field(c, at[0], at[1], at[2]);
        }
        next(c, x, y, z) = sum;
      }
    });
    field = next;
  }
  const std::int64_t voxels = field.lattice.NumberOfVoxels();
  for (std::size_t i = 0; i < field.values.size(); ++i)
  {
    field.values[i] *= scale[static_cast<int>(i / voxels) % 3];
  }
  return field;
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
