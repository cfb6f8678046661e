// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSplat_h
#define itkEngineSplat_h

#include "Resample.h"

namespace itk
{
namespace engine
{
/** The adjoint of linear Resample: output(y) = sum over x of w(y, p(x)) value(x), p(x) = A x + B u(x), where w(y, p)
 * is the weight with which Resample takes voxel y at position p. For every image I and every value,
 * sum over x of value(x) Resample(I)(x) = sum over y of Splat(value)(y) I(y), with outsideValue = 0.
 *
 * \param parameters   as given to Resample; Linear. The boundary rule is the transpose of Resample's: within the
 *                     half-voxel rim, and with Outside::Clamp wherever p lies, the nearest edge receives the value; with
 *                     Outside::Value a point outside is dropped. `accumulate`: output += instead of =.
 * \param value        any number of components, on the grid of the sampling points.
 * \param displacement u, 3 components on the grid of `value`, in voxels of it; absent: u = 0.
 * \param output       as many components as `value`, on its own lattice. Not `value` and not `displacement`.
 * \param workspace    SplatWorkspace(device, output lattice) floats, aligned to 8 bytes; null if that is 0.
 *
 * Each component is summed on its own, and rounded to float32 once.
 * CPU: float64 sums in the order of the points, in slabs of the output that a thread keeps to itself.
 * CUDA: float32 products summed in 64-bit fixed point, whose unit is 2^-62 of (largest |value|) x (number of points),
 * each rounded up to a power of two: no sum can overflow, even if all points meet in one voxel, and the order of the
 * sum does not matter. With n points each product is thus off by at most n / 2^61 of the largest value.
 * Hence the same bits for any number of threads and any scheduling. A value that is not finite makes at least the
 * voxels it reaches not finite; on CUDA all of the output becomes NaN.
 * The backends multiply the sums by `scale`. */
ITK_ENGINE_DECLARE(void Splat(const Device &             device,
                              const ResampleParameters & parameters,
                              const ConstField &         value,
                              const ConstField &         displacement,
                              float                      scale,
                              const Field &              output,
                              float *                    workspace))
ITK_ENGINE_DECLARE(std::int64_t SplatWorkspace(const Lattice & outputLattice))

void
Splat(const Device &             device,
      const ResampleParameters & parameters,
      const ConstField &         value,
      const ConstField &         displacement,
      const Field &              output,
      float *                    workspace);

/** CPU: 0. CUDA: 2 floats per voxel of the output, whatever the number of components, and 64 more. */
std::int64_t
SplatWorkspace(const Device & device, const Lattice & outputLattice);
} // namespace engine
} // namespace itk

#endif
