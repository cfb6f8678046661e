// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMidpointUnits_h
#define itkEngineMidpointUnits_h

#include "Symmetric.h"

namespace itk
{
namespace engine
{
/** How ITK's gradients and norms at the mid-point of a symmetric registration look on a level's grid. */
struct MidpointUnits
{
  MidpointUnits(const SymmetricProblem & problem, const LevelGeometry & geometry);

  /** Whether physical components over spacings have the norm of the vector in voxels: updates are made in voxels then, else in
   * those. */
  bool    isVoxelNorm = true;
  Matrix3 toIndex;   ///< from those to voxels
  Matrix3 fromIndex; ///< the reverse

  MidpointGradientParameters differences; ///< central differences along the physical axes
  MidpointGradientParameters filtered;    ///< from derivatives along the grid's axes, per voxel
  double                     filterSigma[3] = { 0, 0, 0 }; ///< of the derivatives' Gaussian, the largest spacing, in voxels
};
} // namespace engine
} // namespace itk

#endif
