// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMathInvert_h
#define itkEngineMathInvert_h

#include "../Core/HostDevice.h"

namespace itk
{
namespace engine
{
/** The share of the residual of this number, counted from 0, that the relaxed fixed point takes as a step. */
ITK_ENGINE_HOST_DEVICE float
InvertStepLength(int residual)
{
  return residual == 0 ? 0.75f : 0.5f;
}

/** What a residual of this norm is multiplied by: the step, shortened where the norm is above the limit. */
ITK_ENGINE_HOST_DEVICE float
InvertStepScale(float step, float norm, float limit)
{
  return norm > limit ? step * (limit / norm) : step;
}

/** Where an inversion stands. */
struct InvertState
{
  double norms[2] = { 0.0, 0.0 }; ///< sum and maximum of the norms of the last residual
  int    residual = 0;            ///< its number
  int    isFinished = 0;
};

/** When an inversion ends. */
struct InvertStopping
{
  double voxels = 1.0;
  double meanTolerance = 0.0;
  double maximumTolerance = 0.0;
  int    lastResidual = 0; ///< number of the last residual that is computed

  /** Whether nothing comes after a residual. Norms that are not numbers end it too. */
  ITK_ENGINE_HOST_DEVICE bool
  IsReached(const InvertState & state) const
  {
    return state.norms[0] / voxels <= meanTolerance || state.norms[1] <= maximumTolerance ||
           state.residual == lastResidual || state.norms[0] != state.norms[0];
  }
};
} // namespace engine
} // namespace itk

#endif
