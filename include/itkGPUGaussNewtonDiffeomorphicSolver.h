/*=========================================================================
 *
 *  Copyright NumFOCUS
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         http://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkGPUGaussNewtonDiffeomorphicSolver_h
#define itkGPUGaussNewtonDiffeomorphicSolver_h

#include "itkGPUGaussNewtonDiffeomorphicEngine.h"

#include "itkObject.h"
#include "itkObjectFactory.h"

namespace itk
{
/** \class GPUGaussNewtonDiffeomorphicSolver
 * \brief Parameters of the Gauss-Newton-Krylov solver: second-order steps on a velocity, as CLAIRE takes them.
 *
 * The map is the flow of a velocity \f$ v \f$: in one unit of time it moves the moving image \f$ m \f$ by
 * \f$ \partial_t m + v \cdot \nabla m = 0 \f$, so that \f$ m(1, x) = m(0, x + u(x)) \f$. Found is the \f$ v \f$ that minimises
 *
 * \f[ J(v) = D(F, M \circ (1 + u_v)) + \frac{1}{2} \left\langle v, (\beta A + \beta_w \nabla (1 - \Delta) \nabla^T) v \right\rangle \f]
 *
 * \f$ D \f$ being half the mean of \f$ (F - M \circ (1 + u))^2 \f$ for mean squares (other metrics are scaled to have its size at
 * \f$ v = 0 \f$), \f$ A \f$ the operator of the norm, such as \f$ -\Delta \f$, and the last term a penalty of the divergence of
 * \f$ v \f$, which is change of volume. Images are scaled to [0, 1]. Lengths count in \f$ 2 \pi \f$ per geometric mean of the grid's
 * extents, and along each axis by the spacing, so that voxels need not be cubes and the weights mean what they mean to CLAIRE on
 * a cube.
 *
 * Each Newton step solves \f$ H x = -g \f$ by preconditioned conjugate gradients to a tolerance that falls with the gradient
 * (Preconditioner, Forcing); Armijo's rule takes a part of it that lowers \f$ J \f$. A level
 * ends where the gradient is GradientReduction of that at \f$ v = 0 \f$ on that level, or after its iterations.
 *
 * Metric, levels, smoothing sigmas and number of iterations (Newton steps here: 20 are many) are those of the registration
 * method; learning rate, variances and convergence rule mean nothing here. A smoothing by about one voxel of
 * each level, the last included, is what this solver is used with.
 *
 * The velocity is periodic. Where an image touches a face of the fixed grid, the grid is enlarged (Padding), as it is where its size
 * has a prime factor above 7. The result lies on the fixed grid in any case.
 *
 * Mang, Biros: An inexact Newton-Krylov algorithm for constrained diffeomorphic image registration, SIAM J. Imaging Sciences 8
 * (2015). Mang, Gholami, Davatzikos, Biros: CLAIRE: a distributed-memory solver for constrained large deformation
 * diffeomorphic image registration, SIAM J. Sci. Comput. 41 (2019). What differs: the map is transported in place of the image;
 * gradient and matrix are exact for the discrete objective, and the matrix is symmetric; the penalty of the divergence has its true
 * gradient; sizes of voxels count.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
class GPUDiffeomorphicRegistration_EXPORT GPUGaussNewtonDiffeomorphicSolver : public Object
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(GPUGaussNewtonDiffeomorphicSolver);

  using Self = GPUGaussNewtonDiffeomorphicSolver;
  using Superclass = Object;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(GPUGaussNewtonDiffeomorphicSolver, Object);

  using NormEnum = GPUGaussNewtonDiffeomorphicEngine::NormEnum;
  using ForcingEnum = GPUGaussNewtonDiffeomorphicEngine::ForcingEnum;
  using TransportEnum = GPUGaussNewtonDiffeomorphicEngine::TransportEnum;
  using PreconditionerEnum = GPUGaussNewtonDiffeomorphicEngine::PreconditionerEnum;

  /** The norm of the regularization: L2, a seminorm or norm of order 1 to 3. Default H1Seminorm. */
  itkSetEnumMacro(Norm, NormEnum);
  itkGetEnumMacro(Norm, NormEnum);

  /** beta, the weight of the norm, greater than 0. Default 5e-4. The larger, the smoother the map; seminorms of a higher order
   * need less by orders of magnitude. */
  itkSetMacro(RegularizationWeight, double);
  itkGetConstMacro(RegularizationWeight, double);

  /** beta_w, the weight of the penalty of the divergence, 0 or more. Default 1e-4. */
  itkSetMacro(DivergenceWeight, double);
  itkGetConstMacro(DivergenceWeight, double);

  /** Steps of the time from 0 to 1. Default 4; a power of two costs the least. */
  itkSetMacro(NumberOfTimeSteps, int);
  itkGetConstMacro(NumberOfTimeSteps, int);

  /** Equal parts of the time in each of which the velocity is constant. Default 1: the same velocity at all times. */
  itkSetMacro(NumberOfSegments, int);
  itkGetConstMacro(NumberOfSegments, int);

  /** A level ends where the gradient is this share of that at v = 0. Default 0.05. */
  itkSetMacro(GradientReduction, double);
  itkGetConstMacro(GradientReduction, double);

  /** The tolerance of the linear solver: Superlinear (default), Quadratic, or Constant, which is KrylovTolerance. */
  itkSetEnumMacro(Forcing, ForcingEnum);
  itkGetEnumMacro(Forcing, ForcingEnum);
  itkSetMacro(KrylovTolerance, double);
  itkGetConstMacro(KrylovTolerance, double);

  /** Most iterations of the linear solver in a Newton step. Default 50. */
  itkSetMacro(MaximumNumberOfKrylovIterations, int);
  itkGetConstMacro(MaximumNumberOfKrylovIterations, int);

  /** What the velocity carries along: the Map (default), or the moving Image, which each time step interpolates. */
  itkSetEnumMacro(Transport, TransportEnum);
  itkGetEnumMacro(Transport, TransportEnum);

  /** The least det J of the displacement field: where the velocity's map, sampled on the grid, has less, the field is
   * relaxed, and there it is the velocity's map no longer. Default 0.1; 0: the map as it is. */
  itkSetMacro(MinimumJacobian, double);
  itkGetConstMacro(MinimumJacobian, double);

  /** What the linear solver is preconditioned by: InverseRegularization, ZeroVelocity (the matrix as it is without velocity,
   * on the half grid), or Automatic (default), which is the former, measured faster. */
  itkSetEnumMacro(Preconditioner, PreconditionerEnum);
  itkGetEnumMacro(Preconditioner, PreconditionerEnum);

  /** Continuation: if this is more than RegularizationWeight, the first level begins with it and lowers it tenfold, solving each
   * time. Default 0: it does not. */
  itkSetMacro(InitialRegularizationWeight, double);
  itkGetConstMacro(InitialRegularizationWeight, double);

  /** Voxels that are added to both faces of each axis at least; 0: none, whatever the size. Default -1: a twentieth of an axis on whose
   * faces the fixed image, or the moving one as it starts, is not background, and then up to a size without prime
   * factors above 7. */
  itkSetMacro(Padding, int);
  itkGetConstMacro(Padding, int);

  /** Floor of the product of the two window variances in LNCC, images scaled to [0, 1]. Default 1e-7. */
  itkSetMacro(VarianceFloor, double);
  itkGetConstMacro(VarianceFloor, double);

  /** Also give out the velocity: GetVelocityField of the registration method. Default off. */
  itkSetMacro(ComputeVelocity, bool);
  itkGetConstMacro(ComputeVelocity, bool);
  itkBooleanMacro(ComputeVelocity);

  /** All of these as the engine takes them; without metric and levels. */
  GPUGaussNewtonDiffeomorphicEngine::Parameters
  MakeParameters() const;

protected:
  GPUGaussNewtonDiffeomorphicSolver() = default;
  ~GPUGaussNewtonDiffeomorphicSolver() override = default;
  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  NormEnum    m_Norm{ NormEnum::H1Seminorm };
  ForcingEnum m_Forcing{ ForcingEnum::Superlinear };

  TransportEnum      m_Transport{ TransportEnum::Map };
  double             m_MinimumJacobian{ 0.1 };
  PreconditionerEnum m_Preconditioner{ PreconditionerEnum::Automatic };

  int         m_NumberOfTimeSteps{ 4 };
  int         m_NumberOfSegments{ 1 };
  int         m_MaximumNumberOfKrylovIterations{ 50 };
  int         m_Padding{ -1 };
  bool        m_ComputeVelocity{ false };
  double      m_RegularizationWeight{ 5e-4 };
  double      m_DivergenceWeight{ 1e-4 };
  double      m_GradientReduction{ 5e-2 };
  double      m_KrylovTolerance{ 0.1 };
  double      m_InitialRegularizationWeight{ 0.0 };
  double      m_VarianceFloor{ 1e-7 };
};
} // namespace itk

#endif
