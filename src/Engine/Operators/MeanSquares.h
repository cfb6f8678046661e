// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMeanSquares_h
#define itkEngineMeanSquares_h

#include "MetricInputs.h"

namespace itk
{
namespace engine
{
/** Mean squared intensity difference: loss = (1 / N) sum over the N valid x of (F(x) - M(x))^2.
 *
 * \param energy   2 doubles of device memory: the sum of squares, and N.
 * \param gradient optional. Scalar: d(sum)/dM(y) = 2 (M(y) - F(y)), that is N times the gradient of the loss. With 3
 *                 components and `chain`: d(sum)/du(y) = 2 (M - F) B^T grad M(A y + B u(y)). 0 where not valid.
 * float32 differences, float64 sums, deterministic. */
ITK_ENGINE_DECLARE(void MeanSquares(const Device &       device,
                                    const ConstField &   fixed,
                                    const ConstField &   warped,
                                    const ConstMask &    valid,
                                    double *             energy,
                                    const Field &        gradient,
                                    const MetricInputs * chain))

void
MeanSquares(const Device &     device,
            const ConstField & fixed,
            const ConstField & warped,
            const ConstMask &  valid,
            double *           energy,
            const Field &      gradient);

/** The same from the images and the displacement in one call. Workspace: MeanSquaresToDisplacementWorkspace floats. */
void
MeanSquaresToDisplacement(const Device &       device,
                          const MetricInputs & inputs,
                          double *             energy,
                          const Field &        gradient,
                          float *              workspace);
std::int64_t
MeanSquaresToDisplacementWorkspace(const MetricInputs & inputs);
} // namespace engine
} // namespace itk

#endif
