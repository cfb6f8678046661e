// SPDX-License-Identifier: Apache-2.0
#include "PeriodicDomain.h"

#include "../Operators/Reductions.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
namespace
{
constexpr int LargestSize = 32767; // of an axis, see the README

bool
HasSmallFactors(int size)
{
  for (const int prime : { 2, 3, 5, 7 })
  {
    while (size % prime == 0)
    {
      size /= prime;
    }
  }
  return size == 1;
}

/** The next size that is good on all levels; the given one if there is none. */
int
NextSize(int size, int axis, const std::vector<PyramidLevel> & levels)
{
  for (int next = size; next <= LargestSize; ++next)
  {
    bool isGood = HasSmallFactors(next);
    for (const PyramidLevel & level : levels)
    {
      isGood = isGood && HasSmallFactors(std::max(1, next / std::max(1, level.shrinkFactors[axis])));
    }
    if (isGood)
    {
      return next;
    }
  }
  return size;
}

/** The sampling x -> rows (x + index). */
ResampleParameters
SampleFrom(const double (&rows)[3][4], const int (&index)[3], Interpolation interpolation)
{
  double shifted[3][4];
  for (int i = 0; i < 3; ++i)
  {
    std::copy_n(rows[i], 4, shifted[i]);
    for (int j = 0; j < 3; ++j)
    {
      shifted[i][3] += rows[i][j] * index[j];
    }
  }
  ResampleParameters parameters;
  parameters.affine = AffineMap(shifted);
  parameters.interpolation = interpolation;
  return parameters;
}

constexpr double Identity[3][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 } };

/** Looks at the two faces of each axis. */
class FaceProbe
{
public:
  FaceProbe(const Device & device, const RegistrationProblem & problem)
    : m_Device(device)
    , m_Problem(problem)
    , m_Scalars(device, 3)
  {}

  bool
  IsTouched(int axis)
  {
    const Lattice & full = m_Problem.fixed.lattice;
    int             size[3] = { full.size[0], full.size[1], full.size[2] };
    size[axis] = 1;
    m_Faces = Lattice(size[0], size[1], size[2]);
    m_Last = full.size[axis] - 1;
    m_Axis = axis;
    m_Buffer = Buffer<float>(m_Device, 2 * m_Faces.NumberOfVoxels());
    if (m_Problem.fixedMask && this->AreMaskedOut())
    {
      return false;
    }
    for (int c = 0; c < m_Problem.fixed.components; ++c)
    {
      if (this->Deviation(m_Problem.fixed, c, Identity, Interpolation::Nearest) > TouchDeviation ||
          this->Deviation(m_Problem.moving, c, m_Problem.affine, Interpolation::Linear) > TouchDeviation)
      {
        return true;
      }
    }
    return false;
  }

private:
  /** The sampling of one of the two faces. */
  ResampleParameters
  Face(int side, const double (&rows)[3][4], Interpolation interpolation) const
  {
    int index[3] = { 0, 0, 0 };
    index[m_Axis] = side * m_Last;
    return SampleFrom(rows, index, interpolation);
  }

  double
  Deviation(const ConstField & images, int component, const double (&rows)[3][4], Interpolation interpolation) const
  {
    const Field both(m_Buffer.Data(), m_Faces, 2);
    for (int side = 0; side < 2; ++side)
    {
      Resample(m_Device,
               this->Face(side, rows, interpolation),
               ConstField(images.Component(component), images.lattice),
               ConstField(),
               Field(both.Component(side), m_Faces));
    }
    Sum(m_Device, both, m_Scalars.Data());
    InnerProduct(m_Device, both, both, m_Scalars.Data() + 1);
    double numbers[2];
    m_Device.CopyToHost(numbers, m_Scalars.Data(), sizeof(numbers));
    const auto   count = static_cast<double>(both.NumberOfValues());
    const double mean = numbers[0] / count;
    return std::sqrt(std::max(0.0, numbers[1] / count - mean * mean));
  }

  bool
  AreMaskedOut() const
  {
    const Buffer<unsigned char> memory(m_Device, m_Faces.NumberOfVoxels());
    const Mask                  mask(memory.Data(), m_Faces);
    for (int side = 0; side < 2; ++side)
    {
      Resample(m_Device,
               this->Face(side, Identity, Interpolation::Nearest),
               m_Problem.fixed,
               ConstField(),
               Field(),
               Field(),
               m_Problem.fixedMask,
               mask);
      // The values do not matter: without a voxel inside the mask there is no least one.
      const Field values(m_Buffer.Data(), m_Faces);
      m_Device.SetZero(values.data, sizeof(float) * static_cast<std::size_t>(values.NumberOfValues()));
      MinimumMaximum(m_Device, values, m_Scalars.Data(), mask);
      double range[2];
      m_Device.CopyToHost(range, m_Scalars.Data(), sizeof(range));
      if (range[0] <= range[1])
      {
        return false;
      }
    }
    return true;
  }

  Device                      m_Device;
  const RegistrationProblem & m_Problem;
  Buffer<double>              m_Scalars;
  Buffer<float>               m_Buffer;
  Lattice                     m_Faces;
  int                         m_Axis = 0;
  int                         m_Last = 0;
};
} // namespace

PeriodicDomain
PlanPeriodicDomain(const Device &                    device,
                   const RegistrationProblem &       problem,
                   const PeriodicPadding &           padding,
                   const std::vector<PyramidLevel> & levels)
{
  if (padding.margin < PeriodicPadding::Automatic || padding.margin > LargestSize)
  {
    ThrowError("padding is ", padding.margin, ": a number of voxels from 0 to ", LargestSize, ", or -1 for automatic, is needed");
  }
  PeriodicDomain domain;
  domain.original = problem.fixed.lattice;
  int       size[3];
  FaceProbe probe(device, problem);
  for (int d = 0; d < 3; ++d)
  {
    const int n = domain.original.size[d];
    size[d] = n;
    if (n == 1 || padding.margin == PeriodicPadding::None)
    {
      continue;
    }
    const bool isAutomatic = padding.margin == PeriodicPadding::Automatic;
    const int  added = isAutomatic ? (probe.IsTouched(d) ? (n + 9) / 10 : 0) : 2 * padding.margin;
    if (n + added > LargestSize)
    {
      if (!isAutomatic)
      {
        ThrowError("padding of ", padding.margin, " voxels makes ", n, " voxels more than ", LargestSize);
      }
      continue;
    }
    size[d] = added == 0 && HasSmallFactors(n) ? n : NextSize(n + added, d, levels);
    domain.before[d] = (size[d] - n) / 2;
  }
  domain.lattice = Lattice(size[0], size[1], size[2]);
  return domain;
}

EnlargedProblem::EnlargedProblem(const Device & device, const RegistrationProblem & problem, const PeriodicDomain & domain)
  : m_Problem(problem)
{
  if (!domain.IsEnlarged())
  {
    return;
  }
  m_Fixed = Buffer<float>(device, problem.fixed.components * domain.lattice.NumberOfVoxels());
  m_Mask = Buffer<unsigned char>(device, domain.lattice.NumberOfVoxels());
  const Field fixed(m_Fixed.Data(), domain.lattice, problem.fixed.components);
  const Mask  mask(m_Mask.Data(), domain.lattice);
  const int   back[3] = { -domain.before[0], -domain.before[1], -domain.before[2] };
  auto        sampling = SampleFrom(Identity, back, Interpolation::Nearest);
  sampling.outside = Outside::Clamp;
  Resample(device, sampling, problem.fixed, ConstField(), fixed, Field(), problem.fixedMask, mask);
  m_Problem.fixed = fixed;
  m_Problem.fixedMask = mask;
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      m_Problem.affine[i][3] += problem.affine[i][j] * back[j];
    }
  }
}

std::size_t
EnlargedProblem::Bytes(const RegistrationProblem & problem, const PeriodicDomain & domain)
{
  const auto voxels = static_cast<std::size_t>(domain.lattice.NumberOfVoxels());
  return domain.IsEnlarged() ? (sizeof(float) * problem.fixed.components + 1) * voxels : 0;
}

void
CropToOriginal(const Device & device, const PeriodicDomain & domain, const ConstField & field, const Field & output)
{
  RequireField(field, domain.lattice, output.components, "field");
  RequireField(output, domain.original, output.components, "output");
  Resample(device, SampleFrom(Identity, domain.before, Interpolation::Nearest), field, ConstField(), output);
}
} // namespace engine
} // namespace itk
