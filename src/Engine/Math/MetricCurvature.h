// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMathMetricCurvature_h
#define itkEngineMathMetricCurvature_h

#include "../Core/HostDevice.h"

#include <cmath>
#include <cstdint>

namespace itk
{
namespace engine
{
/** A symmetric 3x3 matrix per voxel: g g^T from three planes, or six planes xx, xy, xz, yy, yz, zz. */
struct CurvatureView
{
  const float * data;
  std::int64_t  plane;
  bool          isVector;

  ITK_ENGINE_HOST_DEVICE void
  Load(std::int64_t i, float (&m)[6]) const
  {
    if (isVector)
    {
      const float g[3] = { data[i], data[i + plane], data[i + 2 * plane] };
      m[0] = g[0] * g[0];
      m[1] = g[0] * g[1];
      m[2] = g[0] * g[2];
      m[3] = g[1] * g[1];
      m[4] = g[1] * g[2];
      m[5] = g[2] * g[2];
      return;
    }
    for (int k = 0; k < 6; ++k)
    {
      m[k] = data[i + k * plane];
    }
  }

  /** out = matrix v. */
  ITK_ENGINE_HOST_DEVICE void
  Multiply(std::int64_t i, const float (&v)[3], float (&out)[3]) const
  {
    if (isVector)
    {
      const float g[3] = { data[i], data[i + plane], data[i + 2 * plane] };
      const float along = g[0] * v[0] + g[1] * v[1] + g[2] * v[2];
      out[0] = along * g[0];
      out[1] = along * g[1];
      out[2] = along * g[2];
      return;
    }
    float m[6];
    Load(i, m);
    out[0] = m[0] * v[0] + m[1] * v[1] + m[2] * v[2];
    out[1] = m[1] * v[0] + m[3] * v[1] + m[4] * v[2];
    out[2] = m[2] * v[0] + m[4] * v[1] + m[5] * v[2];
  }
};

/** The block of one coarse voxel, whose sum is scaled by the products of the factors over the number of its voxels. */
ITK_ENGINE_HOST_DEVICE void
MeanCurvature(const CurvatureView & curvature,
              const int (&size)[3],
              const int (&factor)[3],
              const int (&coarse)[3],
              float (&mean)[6])
{
  int end[3];
  for (int d = 0; d < 3; ++d)
  {
    end[d] = (coarse[d] + 1) * factor[d];
    end[d] = end[d] < size[d] ? end[d] : size[d];
  }
  float count = 0.0f;
  for (int k = 0; k < 6; ++k)
  {
    mean[k] = 0.0f;
  }
  for (int z = coarse[2] * factor[2]; z < end[2]; ++z)
  {
    for (int y = coarse[1] * factor[1]; y < end[1]; ++y)
    {
      for (int x = coarse[0] * factor[0]; x < end[0]; ++x)
      {
        float m[6];
        curvature.Load((static_cast<std::int64_t>(z) * size[1] + y) * size[0] + x, m);
        for (int k = 0; k < 6; ++k)
        {
          mean[k] += m[k];
        }
        count += 1.0f;
      }
    }
  }
  int k = 0;
  for (int i = 0; i < 3; ++i)
  {
    for (int j = i; j < 3; ++j)
    {
      mean[k] *= static_cast<float>(factor[i] * factor[j]) / count;
      ++k;
    }
  }
}

/** var F / (var F var M + floor) from the means of F, M, F^2, M^2. Rounding must not make a variance negative. */
ITK_ENGINE_HOST_DEVICE float
LnccCurvatureOf(const float (&means)[4], float floor)
{
  const float fixed = means[2] - means[0] * means[0];
  const float moving = means[3] - means[1] * means[1];
  const float fixedVariance = fixed > 0.0f ? fixed : 0.0f;
  const float movingVariance = moving > 0.0f ? moving : 0.0f;
  return 2.0f * fixedVariance / (fixedVariance * movingVariance + floor);
}
} // namespace engine
} // namespace itk

#endif
