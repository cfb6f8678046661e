// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineRecursiveGaussian_h
#define itkEngineRecursiveGaussian_h

#include "../Core/Dispatch.h"
#include "../Math/RecursiveGaussian.h"

namespace itk
{
namespace engine
{
/** Gaussian smoothing of a scalar image by recursive filters, one axis after another, at a cost that does not grow with
 * sigma: what itk::SmoothingRecursiveGaussianImageFilter does, and with a derivative
 * itk::GradientRecursiveGaussianImageFilter without its scale.
 *
 * \param sigma of each axis, in voxels; 0 leaves an axis alone, as one voxel does. Other axes need 4 voxels, as in ITK.
 * \param derivativeAxis -1, or the axis along which the first derivative is taken, in intensity per voxel; if that axis has one
 *        voxel the result is 0.
 * \param output, workspace like `input`, none of the three the same.
 * The edge value continues outside. float64 recursion, float32 in between. Deterministic. Source: Math/RecursiveGaussian.h. */
void
RecursiveGaussian(const Device &     device,
                  const double (&sigma)[3],
                  int                derivativeAxis,
                  const ConstField & input,
                  const Field &      output,
                  const Field &      workspace);

/** One axis of the above: output = the filtered lines of input along the axis. */
ITK_ENGINE_DECLARE(void FilterLines(const Device &        device,
                                    const RecursiveLine & line,
                                    int                   axis,
                                    const ConstField &    input,
                                    const Field &         output))
} // namespace engine
} // namespace itk

#endif
