// SPDX-License-Identifier: Apache-2.0
// Per voxel: 12 bytes of each tangent and of the inner field in, 12 out, and six times eight gathered corners that the
// cache mostly holds.
#include "../Operators/ComposeTangent.h"

#include "../Math/TangentProduct.h"
#include "LinearSampling.h"
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
using Row = float[SamplingBlock::Capacity];

/** values += scale (gradient . direction). */
ITK_ENGINE_ROW void
AddDerivative(const float * const (&gradient)[3],
              const float * d0,
              const float * d1,
              const float * d2,
              float         scale,
              float *       values,
              int           count)
{
  for (int i = 0; i < count; ++i)
  {
    const float sum = gradient[0][i] * d0[i] + gradient[1][i] * d1[i] + gradient[2][i] * d2[i];
    values[i] += scale * sum;
  }
}

ITK_ENGINE_ROW void
AddRankOneRow(const ConstField & vectors, int k, std::int64_t offset, const Row (&tangent)[3], Row (&sum)[3], int count)
{
  const float * const g0 = vectors.Component(3 * k) + offset;
  const float * const g1 = vectors.Component(3 * k + 1) + offset;
  const float * const g2 = vectors.Component(3 * k + 2) + offset;
  for (int i = 0; i < count; ++i)
  {
    const float g[3] = { g0[i], g1[i], g2[i] };
    const float d[3] = { tangent[0][i], tangent[1][i], tangent[2][i] };
    float       q[3] = { sum[0][i], sum[1][i], sum[2][i] };
    AddRankOneProduct(g, d, q);
    sum[0][i] = q[0];
    sum[1][i] = q[1];
    sum[2][i] = q[2];
  }
}

ITK_ENGINE_ROW void
MultiplySymmetricRow(const ConstField & symmetric, std::int64_t offset, const Row (&tangent)[3], Row (&result)[3], int count)
{
  const float * const g = symmetric.data + offset;
  const std::int64_t  plane = symmetric.lattice.NumberOfVoxels();
  for (int i = 0; i < count; ++i)
  {
    const float at[6] = { g[i],           g[i + plane],     g[i + 2 * plane],
                          g[i + 3 * plane], g[i + 4 * plane], g[i + 5 * plane] };
    const float d[3] = { tangent[0][i], tangent[1][i], tangent[2][i] };
    float       q[3];
    MultiplySymmetric(at, d, q);
    result[0][i] = q[0];
    result[1][i] = q[1];
    result[2][i] = q[2];
  }
}

ITK_ENGINE_ROW void
MultiplyRow(const float * factor, float * values, int count)
{
  for (int i = 0; i < count; ++i)
  {
    values[i] *= factor[i];
  }
}

/** tangent = H tangent for part of a row. */
void
ApplyProduct(const TangentProduct & product, std::int64_t offset, Row (&tangent)[3], int count)
{
  if (!product.vectors && !product.symmetric)
  {
    return;
  }
  Row result[3] = {};
  if (product.symmetric)
  {
    MultiplySymmetricRow(product.symmetric, offset, tangent, result, count);
  }
  for (int k = 0; product.vectors && k < product.vectors.components / 3; ++k)
  {
    AddRankOneRow(product.vectors, k, offset, tangent, result, count);
  }
  for (int c = 0; c < 3; ++c)
  {
    if (product.weight)
    {
      MultiplyRow(product.weight.data + offset, result[c], count);
    }
    std::copy_n(result[c], count, tangent[c]);
  }
}
} // namespace

void
ComposeTangent(const Device &,
               const ComposeParameters & parameters,
               const ConstField &        outer,
               const ConstField &        inner,
               const ConstField &        outerTangent,
               const ConstField &        innerTangent,
               const TangentProduct &    product,
               const Field &             output)
{
  RequireSamplingSize(outer.lattice);
  const Lattice & domain = output.lattice;
  const bool      clamp = parameters.outside == Outside::Clamp;
  const float     scale = parameters.innerScale;
  const int       nx = domain.own.size[0];
  ParallelForRows(domain, [&](int y, int z, std::int64_t) {
    SamplingBlock block;
    Row           tangent[3];
    Row           sampled[3];
    float * const sampledRows[3] = { sampled[0], sampled[1], sampled[2] };
    for (int x = 0; x < nx; x += SamplingBlock::Capacity)
    {
      const int          count = std::min(SamplingBlock::Capacity, nx - x);
      const std::int64_t offset = domain.Offset(x, y, z);
      const float *      v[3] = {};
      const float *      dv[3] = {};
      for (int c = 0; c < 3; ++c)
      {
        v[c] = inner ? inner.Component(c) + offset : nullptr;
        dv[c] = innerTangent ? innerTangent.Component(c) + offset : nullptr;
      }
      Locate(block, parameters.affine, nullptr, v, scale, outer.lattice.own.size, x, y, z, count);
      for (int c = 0; c < 3; ++c)
      {
        if (outerTangent)
        {
          SampleValues(block, outerTangent.Component(c), clamp, 0.0f, tangent[c]);
        }
        else
        {
          std::fill_n(tangent[c], count, 0.0f);
        }
        if (innerTangent)
        {
          SampleGradients(block, outer.Component(c), clamp, sampledRows);
          AddDerivative({ sampled[0], sampled[1], sampled[2] }, dv[0], dv[1], dv[2], scale, tangent[c], count);
        }
        if (parameters.outerScale.scale != 1.0f)
        {
          ScaleRow(tangent[c], parameters.outerScale.scale, tangent[c], count);
        }
        if (innerTangent && parameters.innerWeight != 0.0f)
        {
          AddScaledRow(dv[c], parameters.innerWeight * scale, tangent[c], count);
        }
      }
      ApplyProduct(product, offset, tangent, count);
      for (int c = 0; c < 3; ++c)
      {
        std::copy_n(tangent[c], count, output.Component(c) + offset);
      }
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
