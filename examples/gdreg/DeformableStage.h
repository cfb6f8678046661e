// SPDX-License-Identifier: Apache-2.0
#ifndef DeformableStage_h
#define DeformableStage_h

#include "ImageIO.h"
#include "RegisterSettings.h"

#include "itkGPUGaussNewtonDiffeomorphicEngine.h"

#include <functional>
#include <vector>

namespace gdreg
{
template <unsigned int VDimension>
struct DeformableStageInput
{
  std::vector<const ScalarImage<VDimension> *>     fixed;  ///< one for each channel, on one grid
  std::vector<const ScalarImage<VDimension> *>     moving; ///< likewise
  const MaskImage<VDimension> *                    fixedMask{ nullptr };  ///< optional
  const MaskImage<VDimension> *                    movingMask{ nullptr }; ///< optional
  const itk::AffineTransform<double, VDimension> * linear{ nullptr };
  const RegisterSettings *                         settings{ nullptr };
  /** Called after each iteration (level and iteration count from 1); returns false to stop. */
  std::function<bool(unsigned int level, unsigned int iteration, double metric, double convergence)> progress;
};

template <unsigned int VDimension>
struct DeformableStageResult
{
  typename FieldImage<VDimension>::Pointer field;   ///< u on the fixed grid: fixed x matches moving linear(x + u(x))
  typename FieldImage<VDimension>::Pointer inverse; ///< likewise of the inverse of x + u(x)
  itk::GPUDiffeomorphicEngine::Result      numbers;

  // Of the Gauss-Newton solver.
  itk::GPUGaussNewtonDiffeomorphicEngine::Result             gaussNewton;
  std::vector<typename FieldImage<VDimension>::ConstPointer> velocities; ///< one per segment, if they are wanted
};

/** Runs itk::GPUDiffeomorphicRegistrationMethod from the linear transform. */
template <unsigned int VDimension>
DeformableStageResult<VDimension>
RunDeformableStage(const DeformableStageInput<VDimension> & input);

extern template DeformableStageResult<2>
RunDeformableStage<2>(const DeformableStageInput<2> &);
extern template DeformableStageResult<3>
RunDeformableStage<3>(const DeformableStageInput<3> &);
} // namespace gdreg

#endif
