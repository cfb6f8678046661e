// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: CurvatureFactor 24 bytes, CurvatureProduct 36.
#include "../Operators/MetricCurvature.h"

#include "../Math/MetricCurvature.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
ITK_ENGINE_ROW void
ScaleGradients(const Matrix3 & matrix, float * x, float * y, float * z, const float * scale, std::int64_t count)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    const float g[3] = { x[i], y[i], z[i] };
    float       q[3];
    matrix.MultiplyTransposed(g, q);
    x[i] = scale[i] * q[0];
    y[i] = scale[i] * q[1];
    z[i] = scale[i] * q[2];
  }
}

ITK_ENGINE_ROW void
MultiplyRow(const CurvatureView & view, std::int64_t begin, std::int64_t end, const ConstField & vector, bool accumulate,
            const Field & output)
{
  const std::int64_t plane = view.plane;
  for (std::int64_t i = begin; i < end; ++i)
  {
    const float v[3] = { vector.data[i], vector.data[i + plane], vector.data[i + 2 * plane] };
    float       product[3];
    view.Multiply(i, v, product);
    for (int c = 0; c < 3; ++c)
    {
      output.data[i + c * plane] = accumulate ? output.data[i + c * plane] + product[c] : product[c];
    }
  }
}
} // namespace

void
CurvatureFactor(const Device &,
                const Matrix3 &    matrix,
                float              scale,
                const ConstField & curvature,
                const ConstMask &  valid,
                const Field &      gradient)
{
  ParallelForPieces(gradient.lattice.NumberOfVoxels(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    float * const scales = ThreadScratch<float>(PieceSize);
    for (std::int64_t i = begin; i < end; ++i)
    {
      const bool counts = !valid || valid.data[i] != 0;
      scales[i - begin] = counts ? std::sqrt(scale * (curvature ? curvature.data[i] : 1.0f)) : 0.0f;
      for (int c = 0; c < 3 && !counts; ++c)
      {
        gradient.Component(c)[i] = 0.0f; // what does not count may be NaN
      }
    }
    ScaleGradients(matrix,
                   gradient.Component(0) + begin,
                   gradient.Component(1) + begin,
                   gradient.Component(2) + begin,
                   scales,
                   end - begin);
  });
}

void
CurvatureWeight(const Device &, float scale, const ConstField & curvature, const ConstMask & valid, const Field & output)
{
  ParallelForPieces(output.lattice.NumberOfVoxels(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    for (std::int64_t i = begin; i < end; ++i)
    {
      const bool counts = !valid || valid.data[i] != 0;
      output.data[i] = counts ? scale * (curvature ? curvature.data[i] : 1.0f) : 0.0f;
    }
  });
}

void
CurvatureMatrix(const Device &, const int (&factor)[3], const ConstField & curvature, bool accumulate, const Field & output)
{
  const CurvatureView view{ curvature.data, curvature.lattice.NumberOfVoxels(), curvature.components == 3 };
  const Lattice &     coarse = output.lattice;
  ParallelForRows(coarse, [&](int y, int z, std::int64_t) {
    for (int x = 0; x < coarse.size[0]; ++x)
    {
      float mean[6];
      MeanCurvature(view, curvature.lattice.size, factor, { x, y, z }, mean);
      const std::int64_t offset = coarse.Offset(x, y, z);
      for (int k = 0; k < 6; ++k)
      {
        float & value = output.Component(k)[offset];
        value = accumulate ? value + mean[k] : mean[k];
      }
    }
  });
}

void
CurvatureProduct(const Device &,
                 const ConstField & curvature,
                 const ConstField & vector,
                 bool               accumulate,
                 const Field &      output)
{
  const CurvatureView view{ curvature.data, curvature.lattice.NumberOfVoxels(), curvature.components == 3 };
  ParallelForPieces(curvature.lattice.NumberOfVoxels(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    MultiplyRow(view, begin, end, vector, accumulate, output);
  });
}

void
LnccCurvatureProducts(const Device &,
                      const LnccParameters & parameters,
                      const ConstField &     fixed,
                      const ConstField &     warped,
                      const Field &          products)
{
  ParallelForPieces(fixed.lattice.NumberOfVoxels(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    for (std::int64_t i = begin; i < end; ++i)
    {
      const float f = fixed.data[i] - parameters.fixedShift;
      const float m = warped.data[i] - parameters.movingShift;
      products.Component(0)[i] = f;
      products.Component(1)[i] = m;
      products.Component(2)[i] = f * f;
      products.Component(3)[i] = m * m;
    }
  });
}

void
LnccCurvatureRatio(const Device &, const LnccParameters & parameters, const ConstField & means, const Field & ratio)
{
  ParallelForPieces(means.lattice.NumberOfVoxels(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    for (std::int64_t i = begin; i < end; ++i)
    {
      const float m[4] = { means.Component(0)[i], means.Component(1)[i], means.Component(2)[i], means.Component(3)[i] };
      ratio.data[i] = LnccCurvatureOf(m, parameters.varianceFloor);
    }
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
