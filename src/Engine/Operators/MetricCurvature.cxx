// SPDX-License-Identifier: Apache-2.0
#include "MetricCurvature.h"

#include <cmath>

namespace itk
{
namespace engine
{
namespace
{
void
RequireCurvature(const ConstField & curvature)
{
  RequireField(curvature, curvature.lattice, curvature.components == 6 ? 6 : 3, "curvature");
}

void
RequireWeight(const char * name, float scale, const ConstField & curvature, const ConstMask & valid, const Lattice & lattice)
{
  if (curvature)
  {
    RequireField(curvature, lattice, 1, "curvature");
  }
  if (valid)
  {
    RequireField(valid, lattice, 1, "valid");
  }
  if (!(scale >= 0.0f) || !std::isfinite(scale))
  {
    ThrowError(name, ": scale is ", scale, ": a number >= 0 is needed");
  }
}
} // namespace

void
CurvatureFactor(const Device &     device,
                const Matrix3 &    matrix,
                float              scale,
                const ConstField & curvature,
                const ConstMask &  valid,
                const Field &      gradient)
{
  RequireField(gradient, gradient.lattice, 3, "gradient");
  RequireWeight("CurvatureFactor", scale, curvature, valid, gradient.lattice);
  ITK_ENGINE_DISPATCH(device, CurvatureFactor(device, matrix, scale, curvature, valid, gradient));
}

void
CurvatureWeight(const Device &     device,
                float              scale,
                const ConstField & curvature,
                const ConstMask &  valid,
                const Field &      output)
{
  RequireField(output, output.lattice, 1, "output");
  RequireWeight("CurvatureWeight", scale, curvature, valid, output.lattice);
  ITK_ENGINE_DISPATCH(device, CurvatureWeight(device, scale, curvature, valid, output));
}

void
CurvatureMatrix(const Device &     device,
                const int (&factor)[3],
                const ConstField & curvature,
                bool               accumulate,
                const Field &      output)
{
  RequireCurvature(curvature);
  int size[3];
  for (int d = 0; d < 3; ++d)
  {
    if (factor[d] < 1)
    {
      ThrowError("CurvatureMatrix: factor is ", factor[d], ": a number >= 1 is needed");
    }
    size[d] = (curvature.lattice.size[d] - 1) / factor[d] + 1;
  }
  RequireField(output, Lattice(size[0], size[1], size[2]), 6, "output");
  ITK_ENGINE_DISPATCH(device, CurvatureMatrix(device, factor, curvature, accumulate, output));
}

void
CurvatureProduct(const Device &     device,
                 const ConstField & curvature,
                 const ConstField & vector,
                 bool               accumulate,
                 const Field &      output)
{
  RequireCurvature(curvature);
  RequireField(vector, curvature.lattice, 3, "vector");
  RequireField(output, curvature.lattice, 3, "output");
  ITK_ENGINE_DISPATCH(device, CurvatureProduct(device, curvature, vector, accumulate, output));
}

void
LnccCurvature(const Device &         device,
              const LnccParameters & parameters,
              const ConstField &     fixed,
              const ConstField &     warped,
              const Field &          curvature,
              float *                workspace)
{
  const Lattice & lattice = fixed.lattice;
  RequireField(fixed, lattice, 1, "fixed image");
  RequireField(warped, lattice, 1, "warped image");
  RequireField(curvature, lattice, 1, "curvature");
  SymmetricKernel kernels[3];
  if (parameters.weights == LnccWeights::Gaussian)
  {
    MakeLnccKernels(parameters, lattice, kernels);
  }
  else
  {
    for (int axis = 0; axis < 3; ++axis)
    {
      const int radius = std::min(parameters.radius[axis], SymmetricKernel::MaximumRadius);
      kernels[axis].radius = lattice.size[axis] > 1 ? radius : 0;
      std::fill_n(kernels[axis].weight, kernels[axis].radius + 1, 1.0f / (2 * kernels[axis].radius + 1));
    }
  }
  const Field products(workspace, lattice, 4);
  const Field means(workspace + products.NumberOfValues(), lattice, 4);
  const Field ratio(products.data, lattice);
  ITK_ENGINE_DISPATCH(device, LnccCurvatureProducts(device, parameters, fixed, warped, products));
  // The input as its own workspace: it is not needed again.
  GaussianSmooth(device, kernels, SmoothBoundary::ZeroFlux, products, means, products);
  ITK_ENGINE_DISPATCH(device, LnccCurvatureRatio(device, parameters, means, ratio));
  GaussianSmooth(device, kernels, SmoothBoundary::ZeroFlux, ratio, curvature, ratio);
}

std::int64_t
LnccCurvatureWorkspace(const Lattice & lattice)
{
  return 8 * lattice.NumberOfVoxels();
}
} // namespace engine
} // namespace itk
