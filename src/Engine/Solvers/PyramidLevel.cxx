// SPDX-License-Identifier: Apache-2.0
#include "PyramidLevel.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace engine
{
namespace
{
/** The moving image is reduced to about the sampling distance of the fixed level, never below its own resolution. */
LevelGeometry
MakeMovingGeometry(const RegistrationProblem & problem, const int (&shrinkFactors)[3])
{
  int factors[3];
  for (int i = 0; i < 3; ++i)
  {
    double square = 0.0;
    for (int j = 0; j < 3; ++j)
    {
      square += std::pow(problem.affine[i][j] * shrinkFactors[j], 2);
    }
    factors[i] = std::max(1, static_cast<int>(std::sqrt(square) + 0.25));
    factors[i] = std::min(factors[i], std::max(1, problem.moving.lattice.size[i] / 4));
  }
  return MakeLevelGeometry(problem.moving.lattice, factors);
}

bool
IsOriginal(const LevelGeometry & geometry, const double (&variance)[3], const Lattice & original)
{
  return geometry.lattice == original && variance[0] == 0.0 && variance[1] == 0.0 && variance[2] == 0.0;
}

ConstField
ReduceImage(const Device &        device,
            const LevelGeometry & geometry,
            const double (&variance)[3],
            const ConstField & image,
            Buffer<float> &    buffer)
{
  const Buffer<float> workspace(device, ResampleSeparableWorkspace(image.lattice, geometry.lattice));
  buffer = Buffer<float>(device, image.components * geometry.lattice.NumberOfVoxels());
  const Field output(buffer.Data(), geometry.lattice, image.components);
  Downsample(device, geometry, variance, image, output, workspace.Data());
  device.Synchronize();
  return output;
}

/** A level's voxel counts if the mask holds at its centre: sampling an image leaves just that question. */
ConstMask
ReduceMask(const Device &          device,
           const LevelGeometry &   geometry,
           const ConstField &      image,
           const ConstMask &       mask,
           Buffer<unsigned char> & buffer)
{
  if (!mask || geometry.lattice == mask.lattice)
  {
    return mask;
  }
  buffer = Buffer<unsigned char>(device, geometry.lattice.NumberOfVoxels());
  ResampleParameters sampling;
  double             rows[3][4] = {};
  for (int d = 0; d < 3; ++d)
  {
    rows[d][d] = geometry.factor[d];
    rows[d][3] = geometry.offset[d];
  }
  sampling.affine = AffineMap(rows);
  const Mask output(buffer.Data(), geometry.lattice);
  Resample(device, sampling, image, ConstField(), Field(), Field(), mask, output);
  return output;
}
} // namespace

void
LevelImages::SetGeometry(const RegistrationProblem & problem, const PyramidLevel & level)
{
  m_FixedGeometry = MakeLevelGeometry(problem.fixed.lattice, level.shrinkFactors);
  m_MovingGeometry = MakeMovingGeometry(problem, level.shrinkFactors);
  m_OwnsFixed = !IsOriginal(m_FixedGeometry, level.fixedVariance, problem.fixed.lattice);
  m_OwnsMoving = !IsOriginal(m_MovingGeometry, level.movingVariance, problem.moving.lattice);
  m_Fixed = ConstField(problem.fixed.data, m_FixedGeometry.lattice, problem.fixed.components);
  m_Moving = ConstField(problem.moving.data, m_MovingGeometry.lattice, problem.moving.components);
  m_FixedMask = problem.fixedMask;
  m_MovingMask = problem.movingMask;
}

LevelImages::LevelImages(const Device & device, const RegistrationProblem & problem, const PyramidLevel & level)
{
  SetGeometry(problem, level);
  if (m_OwnsFixed)
  {
    m_Fixed = ReduceImage(device, m_FixedGeometry, level.fixedVariance, problem.fixed, m_FixedBuffer);
  }
  if (m_OwnsMoving)
  {
    m_Moving = ReduceImage(device, m_MovingGeometry, level.movingVariance, problem.moving, m_MovingBuffer);
  }
  m_FixedMask = ReduceMask(device, m_FixedGeometry, problem.fixed, problem.fixedMask, m_FixedMaskBuffer);
  m_MovingMask = ReduceMask(device, m_MovingGeometry, problem.moving, problem.movingMask, m_MovingMaskBuffer);
}

LevelImages
LevelImages::Plan(const RegistrationProblem & problem, const PyramidLevel & level)
{
  LevelImages images;
  images.SetGeometry(problem, level);
  return images;
}

std::size_t
LevelImages::Bytes() const
{
  const auto bytes = [](bool owns, const ConstField & image, const ConstMask & mask) {
    const auto voxels = static_cast<std::size_t>(image.lattice.NumberOfVoxels());
    return (owns ? sizeof(float) * image.components * voxels : 0) + (mask && mask.lattice != image.lattice ? voxels : 0);
  };
  return bytes(m_OwnsFixed, m_Fixed, m_FixedMask) + bytes(m_OwnsMoving, m_Moving, m_MovingMask);
}

MetricInputs
LevelImages::MakeInputs(const RegistrationProblem & problem, const ConstField & displacement) const
{
  MetricInputs inputs;
  inputs.fixed = m_Fixed;
  inputs.moving = m_Moving;
  inputs.fixedMask = m_FixedMask;
  inputs.movingMask = m_MovingMask;
  inputs.displacement = displacement;

  // level of the fixed image -> fixed -> moving -> level of the moving image
  double rows[3][4];
  for (int i = 0; i < 3; ++i)
  {
    double offset = problem.affine[i][3] - m_MovingGeometry.offset[i];
    for (int j = 0; j < 3; ++j)
    {
      offset += problem.affine[i][j] * m_FixedGeometry.offset[j];
      rows[i][j] = problem.affine[i][j] * m_FixedGeometry.factor[j] / m_MovingGeometry.factor[i];
      inputs.sampling.displacementMatrix.m[i][j] = static_cast<float>(rows[i][j]);
    }
    rows[i][3] = offset / m_MovingGeometry.factor[i];
  }
  inputs.sampling.affine = AffineMap(rows);
  inputs.sampling.outside = Outside::Clamp;

  // Where the fixed grid reaches beyond the moving image there is nothing to compare.
  const Lattice & fixed = m_Fixed.lattice;
  const Lattice & moving = m_Moving.lattice;
  for (int corner = 0; corner < 8; ++corner)
  {
    for (int i = 0; i < 3; ++i)
    {
      double position = rows[i][3];
      for (int j = 0; j < 3; ++j)
      {
        position += rows[i][j] * ((corner >> j) & 1 ? fixed.size[j] - 1 : 0);
      }
      inputs.ignoreOutside = inputs.ignoreOutside || position < -0.51 || position > moving.size[i] - 0.49;
    }
  }
  return inputs;
}
} // namespace engine
} // namespace itk
