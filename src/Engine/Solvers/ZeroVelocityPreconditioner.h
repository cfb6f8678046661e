// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineZeroVelocityPreconditioner_h
#define itkEngineZeroVelocityPreconditioner_h

#include "../Operators/SpectralTransfer.h"
#include "ConjugateGradient.h"
#include "GaussNewtonObjective.h"

#include <memory>

namespace itk
{
namespace engine
{
/** Preconditioner of the Newton step by the matrix that the objective would have without displacement, H0 = B + Q, Q the
 * curvature voxel by voxel, on the half grid; frequencies that it does not know get B^-1:
 *
 *   z = P S R r + (1 - P R) B^-1 r,   S = (B_c + Q_c)^-1 by conjugate gradients to `tolerance`,
 *
 * R and P the spectral restriction and prolongation between cell-centred grids, B_c the same regularisation in coarse
 * voxels and Q_c the mean of Q over the blocks of the fine voxels, which is P's Galerkin matrix for smooth vectors.
 * B z follows without a product with B on the fine grid: B z = r + P (B_c z_c - R r).
 *
 * Costs nine fine transforms per application, and per step of S six of an eighth of the size and one product.
 * Mang, Gholami, Davatzikos, Biros: CLAIRE (see GaussNewtonSolver), Himthani et al.: CLAIRE: parallelized diffeomorphic image
 * registration for large-scale biomedical imaging applications, J. Imaging 8 (2022), for H0. */
class ZeroVelocityPreconditioner
{
public:
  struct Parameters
  {
    double tolerance = 0.05;
    int    maximumIterations = 20;
  };

  /** Whether a grid has a half grid worth the name. */
  static bool
  IsPossible(const Lattice & lattice);

  ZeroVelocityPreconditioner(const Device & device, const GaussNewtonObjective & objective, const Parameters & parameters);

  /** Bytes of its own memory. */
  static std::size_t
  Bytes(const GaussNewtonObjective::Setup & setup);

  /** Takes the objective's curvature, after PrepareCurvature. */
  void
  Update();

  void
  Solve(const ConstField & r, const Field & z);

  /** y = B z of the last Solve, whose r must still be as it was. */
  void
  Regularize(const ConstField & r, const Field & y);

  int
  InnerIterations() const
  {
    return m_InnerIterations;
  }

private:
  Device                           m_Device;
  const GaussNewtonObjective &     m_Objective;
  Parameters                       m_Parameters;
  SpectralRegularizationParameters m_CoarseRegularization;
  SpectralTransferParameters       m_Transfer;
  FourierTransform                 m_Coarse;
  Buffer<float>                    m_Memory;
  Field                            m_Curvature;
  ConjugateGradientFields          m_Fields;
  Field                            m_Right;      ///< R r of the segments, then B_c z_c - R r
  float *                          m_Workspace = nullptr;
  Buffer<double>                   m_Scalars;
  int                              m_InnerIterations = 0;
};
} // namespace engine
} // namespace itk

#endif
