// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineGaussianSmooth_h
#define itkEngineGaussianSmooth_h

#include "../Core/Dispatch.h"

namespace itk
{
namespace engine
{
/** A symmetric filter along one axis: weight[0] at the centre, weight[k] at both distances k. Radius 0: identity. */
struct SymmetricKernel
{
  static constexpr int MaximumRadius = 255;
  int                  radius = 0;
  float                weight[MaximumRadius + 1] = { 1.0f };
};

/** ITK's discrete Gaussian (itk::GaussianOperator: modified Bessel functions, normalised): variance in voxels^2,
 * truncated where the tail falls below `maximumError` or the kernel is wider than `maximumWidth`.
 * Lindeberg: Scale-space for discrete signals, IEEE PAMI 12 (1990). Variance 0 gives the identity. */
SymmetricKernel
MakeGaussianKernel(double variance, double maximumError = 0.001, int maximumWidth = 2 * SymmetricKernel::MaximumRadius + 1);

/** exp(-k^2 / (2 sigma^2)) at k = 0 .. ceil(3 sigma), normalised to a sum of 1. Sigma 0 gives the identity. */
SymmetricKernel
MakeSampledGaussianKernel(double sigma);

enum class SmoothBoundary
{
  ZeroFlux, ///< the edge value continues (ITK's ZeroFluxNeumann)
  Zero      ///< zeros outside
};

/** Separable convolution of every component of a field: x, then y, then z.
 *
 * \param kernels one per axis. A kernel may be wider than the image. An axis of one voxel is left alone.
 * \param input, output same lattice and components; `output` may be `input`, at the cost of a copy on a GPU.
 * \param workspace a field like `output` but not `output`. It may be `input`, which then is overwritten.
 * Deterministic; float32 sums in a fixed order. */
ITK_ENGINE_DECLARE(void GaussianSmooth(const Device &          device,
                                       const SymmetricKernel (&kernels)[3],
                                       SmoothBoundary     boundary,
                                       const ConstField & input,
                                       const Field &      output,
                                       const Field &      workspace))

void
GaussianSmooth(const Device &          device,
               const SymmetricKernel (&kernels)[3],
               SmoothBoundary     boundary,
               const ConstField & input,
               const Field &      output,
               const Field &      workspace);
} // namespace engine
} // namespace itk

#endif
