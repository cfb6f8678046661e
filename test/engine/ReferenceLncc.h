// SPDX-License-Identifier: Apache-2.0
#ifndef itkReferenceLncc_h
#define itkReferenceLncc_h

#include "ReferenceMetrics.h"

#include "Operators/Lncc.h"

namespace itk
{
namespace engine
{
namespace test
{
inline LnccParameters
MakeLnccParameters(const int (&radius)[3], double offset = 0.0)
{
  LnccParameters parameters;
  std::copy_n(radius, 3, parameters.radius);
  parameters.fixedShift = parameters.movingShift = static_cast<float>(0.5 + offset);
  return parameters;
}

/** Box and Gaussian windows of about this radius, cut off and padded. */
inline std::vector<LnccParameters>
WithAllWindows(const std::array<int, 3> & radius)
{
  std::vector<LnccParameters> all(4);
  for (std::size_t i = 0; i < all.size(); ++i)
  {
    all[i].weights = i < 2 ? LnccWeights::Box : LnccWeights::Gaussian;
    all[i].boundary = i % 2 == 0 ? LnccBoundary::Truncated : LnccBoundary::ZeroPadding;
    all[i].fixedShift = all[i].movingShift = 0.5f;
    for (int axis = 0; axis < 3; ++axis)
    {
      all[i].radius[axis] = radius[axis];
      all[i].sigma[axis] = 0.5f * static_cast<float>(radius[axis]);
    }
  }
  return all;
}

struct LnccReference : MetricReference
{
  HostDoubles fixedGradient;
  /** Norms of the terms that the two gradients are the differences of: what their rounding is relative to. */
  double terms[2] = { 0.0, 0.0 };
};

/** The weights of a window along one axis, odd in number, of sum 1. */
inline std::vector<double>
LnccWindowWeights(const LnccParameters & parameters, int axis, int size)
{
  if (size == 1)
  {
    return { 1.0 };
  }
  const bool          gaussian = parameters.weights == LnccWeights::Gaussian;
  const double        sigma = parameters.sigma[axis];
  const int           radius = gaussian ? static_cast<int>(std::ceil(3.0 * sigma)) : parameters.radius[axis];
  std::vector<double> weights(2 * radius + 1, 1.0);
  double              sum = 0.0;
  for (int k = -radius; k <= radius; ++k)
  {
    weights[k + radius] = gaussian && k != 0 ? std::exp(-0.5 * k * k / (sigma * sigma)) : 1.0;
    sum += weights[k + radius];
  }
  for (double & weight : weights)
  {
    weight /= sum;
  }
  return weights;
}

/** Weighted sum over the part of each window that lies inside the image. */
inline HostDoubles
LnccWindowSum(const LnccParameters & parameters, const HostDoubles & input)
{
  HostDoubles field = input;
  for (int axis = 0; axis < 3; ++axis)
  {
    const HostDoubles         before = field;
    const int                 size = input.lattice.size[axis];
    const std::vector<double> weights = LnccWindowWeights(parameters, axis, size);
    const int                 radius = static_cast<int>(weights.size()) / 2;
    ForEachVoxel(input.lattice, [&](int x, int y, int z) {
      int       at[3] = { x, y, z };
      const int center = at[axis];
      double    sum = 0.0;
      for (at[axis] = std::max(0, center - radius); at[axis] <= std::min(size - 1, center + radius); ++at[axis])
      {
        sum += weights[at[axis] - center + radius] * before(0, at[0], at[1], at[2]);
      }
      field(0, x, y, z) = sum;
    });
  }
  return field;
}

/** Local correlation, d(-sum)/dM and d(-sum)/dF from window sums in double. An empty mask: all voxels count. */
inline LnccReference
LnccInDouble(const LnccParameters & parameters,
             const HostField &      fixed,
             const HostDoubles &    moving,
             const HostMask &       valid)
{
  const bool        padded = parameters.boundary == LnccBoundary::ZeroPadding;
  const std::size_t voxels = fixed.values.size();
  double            meanF = 0.0;
  double            meanM = 0.0;
  for (std::size_t i = 0; !padded && i < voxels; ++i)
  {
    meanF += fixed.values[i] / static_cast<double>(voxels);
    meanM += moving.values[i] / static_cast<double>(voxels);
  }
  HostDoubles terms[6];
  for (HostDoubles & term : terms)
  {
    term = HostDoubles(fixed.lattice);
  }
  for (std::size_t i = 0; i < voxels; ++i)
  {
    if (valid.values.empty() || valid.values[i] != 0)
    {
      const double f = fixed.values[i] - meanF;
      const double m = moving.values[i] - meanM;
      const double products[6] = { 1.0, f, m, f * f, m * m, f * m };
      for (int k = 0; k < 6; ++k)
      {
        terms[k].values[i] = products[k];
      }
    }
  }
  HostDoubles inside = terms[0];
  for (HostDoubles & term : terms)
  {
    term = LnccWindowSum(parameters, term);
  }
  LnccReference result;
  HostDoubles   c(fixed.lattice);
  HostDoubles   a[2] = { c, c }; // to M, to F
  HostDoubles   b[2] = { c, c };
  for (std::size_t i = 0; i < voxels; ++i)
  {
    if (inside.values[i] == 0.0)
    {
      continue;
    }
    const double n = padded ? 1.0 : terms[0].values[i];
    const double f = terms[1].values[i] / n;
    const double m = terms[2].values[i] / n;
    const double varianceF = terms[3].values[i] / n - f * f;
    const double varianceM = terms[4].values[i] / n - m * m;
    const double covariance = terms[5].values[i] / n - f * m;
    const double denominator = varianceF * varianceM + parameters.varianceFloor;
    const double quotient = covariance / denominator;
    result.sum += covariance * quotient;
    result.count += 1.0;
    // d cc / d M_y = 2 q (F_y - f) / n - 2 q^2 varianceF (M_y - m) / n, and the other way round
    c.values[i] = 2.0 * quotient / n;
    b[0].values[i] = -2.0 * quotient * quotient * varianceF / n;
    b[1].values[i] = -2.0 * quotient * quotient * varianceM / n;
    a[0].values[i] = -c.values[i] * f - b[0].values[i] * m;
    a[1].values[i] = -c.values[i] * m - b[1].values[i] * f;
  }
  c = LnccWindowSum(parameters, c);
  for (int image = 0; image < 2; ++image)
  {
    HostDoubles & gradient = image == 0 ? result.gradient : result.fixedGradient;
    gradient = HostDoubles(fixed.lattice);
    a[image] = LnccWindowSum(parameters, a[image]);
    b[image] = LnccWindowSum(parameters, b[image]);
    for (std::size_t i = 0; i < voxels; ++i)
    {
      const double f = fixed.values[i] - meanF;
      const double m = moving.values[i] - meanM;
      const double parts[3] = { a[image].values[i],
                                b[image].values[i] * (image == 0 ? m : f),
                                c.values[i] * (image == 0 ? f : m) };
      result.terms[image] += parts[0] * parts[0] + parts[1] * parts[1] + parts[2] * parts[2];
      gradient.values[i] = -inside.values[i] * (parts[0] + parts[1] + parts[2]);
    }
    result.terms[image] = std::sqrt(result.terms[image]);
  }
  return result;
}

/** sum of cc by brute force over every window, the definition word for word. */
inline double
LnccByBruteForce(const LnccParameters & parameters,
                 const HostDoubles &    fixed,
                 const HostDoubles &    moving,
                 const HostMask &       valid)
{
  const Lattice &     lattice = fixed.lattice;
  std::vector<double> weights[3];
  int                 radius[3];
  for (int axis = 0; axis < 3; ++axis)
  {
    weights[axis] = LnccWindowWeights(parameters, axis, lattice.size[axis]);
    radius[axis] = static_cast<int>(weights[axis].size()) / 2;
  }
  struct Voxel
  {
    double weight;
    double f;
    double m;
  };
  double total = 0.0;
  ForEachVoxel(lattice, [&](int x, int y, int z) {
    if (!valid.values.empty() && valid(0, x, y, z) == 0)
    {
      return;
    }
    std::vector<Voxel> window;
    for (int k = -radius[2]; k <= radius[2]; ++k)
    {
      for (int j = -radius[1]; j <= radius[1]; ++j)
      {
        for (int i = -radius[0]; i <= radius[0]; ++i)
        {
          const int    at[3] = { x + i, y + j, z + k };
          const bool   inside = at[0] >= 0 && at[1] >= 0 && at[2] >= 0 && at[0] < lattice.size[0] &&
                              at[1] < lattice.size[1] && at[2] < lattice.size[2];
          const double weight = weights[0][i + radius[0]] * weights[1][j + radius[1]] * weights[2][k + radius[2]];
          if (inside && (valid.values.empty() || valid(0, at[0], at[1], at[2]) != 0))
          {
            window.push_back({ weight, fixed(0, at[0], at[1], at[2]), moving(0, at[0], at[1], at[2]) });
          }
          else if (parameters.boundary == LnccBoundary::ZeroPadding)
          {
            window.push_back({ weight, 0.0, 0.0 });
          }
        }
      }
    }
    double n = 0.0;
    double mean[2] = { 0.0, 0.0 };
    for (const Voxel & voxel : window)
    {
      n += voxel.weight;
      mean[0] += voxel.weight * voxel.f;
      mean[1] += voxel.weight * voxel.m;
    }
    mean[0] /= n;
    mean[1] /= n;
    double ff = 0.0;
    double mm = 0.0;
    double fm = 0.0;
    for (const Voxel & voxel : window)
    {
      ff += voxel.weight / n * (voxel.f - mean[0]) * (voxel.f - mean[0]);
      mm += voxel.weight / n * (voxel.m - mean[1]) * (voxel.m - mean[1]);
      fm += voxel.weight / n * (voxel.f - mean[0]) * (voxel.m - mean[1]);
    }
    total += fm * fm / (ff * mm + parameters.varianceFloor);
  });
  return total;
}
} // namespace test
} // namespace engine
} // namespace itk

#endif
