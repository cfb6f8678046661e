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
#ifndef itkGPUGaussNewtonDiffeomorphicEngine_h
#define itkGPUGaussNewtonDiffeomorphicEngine_h

#include "itkGPUDiffeomorphicEngine.h"

namespace itk
{
/** \class GPUGaussNewtonDiffeomorphicEngine
 * \brief The facade of the engine's Gauss-Newton-Krylov solver for velocities. Conventions: GPUDiffeomorphicEngine.
 *
 * A velocity v moves the moving image, as the affine map shows it on the fixed grid, within the time from 0 to 1 by
 * dm/dt + v grad m = 0; then m(1, x) = m(0, x + u(x)), u being the displacement that Register finds. With one
 * segment v is the same at all times; otherwise it is constant in each of so many equal parts of the time, the first field
 * being that of the first part.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
class GPUDiffeomorphicRegistration_EXPORT GPUGaussNewtonDiffeomorphicEngine
{
public:
  using Engine = GPUDiffeomorphicEngine;

  struct Problem : Engine::Problem
  {
    Engine::ScalesType                 spacing{ { 1, 1, 1 } }; ///< of the fixed grid, in any unit
    std::vector<Engine::OutputVectors> velocities;             ///< optional, one per segment: voxels per unit time
  };

  /** The operator of the regularization, k being the wave vector. */
  enum class NormEnum : unsigned char
  {
    L2,         ///< 1
    H1Seminorm, ///< |k|^2
    H2Seminorm, ///< |k|^4
    H3Seminorm, ///< |k|^6
    H1,         ///< |k|^2 + 1e-4
    H2,         ///< (|k|^2 + 1e-4)^2
    H3          ///< (|k|^2 + 1e-4)^3
  };

  /** The tolerance of a Newton step, with q = |g| / |g at v = 0|. */
  enum class ForcingEnum : unsigned char
  {
    Superlinear, ///< min(1/2, sqrt q)
    Quadratic,   ///< min(1/2, q)
    Constant     ///< krylovTolerance
  };

  /** What the velocity carries along. */
  enum class TransportEnum : unsigned char
  {
    Map,  ///< the map; the moving image is sampled once
    Image ///< the moving image, interpolated in every time step, which blurs what it does within a few voxels
  };

  /** What the Krylov solver is preconditioned by. */
  enum class PreconditionerEnum : unsigned char
  {
    Automatic,             ///< InverseRegularization, measured faster
    InverseRegularization, ///< the inverse of the regularization
    ZeroVelocity           ///< the inverse of the matrix as it is without velocity, solved for on the half grid
  };

  struct Parameters
  {
    Engine::MetricEnum         metric{ Engine::MetricEnum::MeanSquares };
    Engine::SizeType           radius{ { 3, 3, 3 } }; ///< of LNCC's window
    int                        numberOfBins{ 32 };    ///< of mutual information's histogram, 8 to 256
    double                     varianceFloor{ 1e-7 }; ///< of LNCC, images being scaled to [0, 1]
    std::vector<Engine::Level> levels;                ///< iterations are Newton steps
    NormEnum                   norm{ NormEnum::H1Seminorm };
    double                     weight{ 5e-4 };           ///< beta of the regularization, > 0
    double                     divergenceWeight{ 1e-4 }; ///< of the penalty of volume change, >= 0
    int                        timeSteps{ 4 };
    int                        segments{ 1 };
    TransportEnum              transport{ TransportEnum::Map };
    double                     minimumJacobian{ 0.1 }; ///< of the displacement; where the flow's is less it is relaxed; 0: nowhere
    double                     gradientReduction{ 5e-2 }; ///< a level ends at this share of the gradient at v = 0
    ForcingEnum                forcing{ ForcingEnum::Superlinear };
    double                     krylovTolerance{ 0.1 }; ///< of the constant forcing
    int                        krylovIterations{ 50 }; ///< at most, per Newton step
    PreconditionerEnum         preconditioner{ PreconditionerEnum::Automatic };
    double                     initialWeight{ 0.0 };   ///< the first level lowers the weight tenfold from here; 0: not
    /** Voxels that are added to both faces of each axis, at least, as the velocity is periodic; 0: none; -1: where an image touches
     * a face, a twentieth of the axis. */
    int padding{ -1 };
  };

  /** What a level did beyond Engine::LevelReport. */
  struct NewtonReport
  {
    int                 newtonSteps{ 0 };
    int                 hessianProducts{ 0 }; ///< iterations of the Krylov solver
    int                 innerProducts{ 0 };   ///< of the preconditioner, on the half grid
    int                 evaluations{ 0 };     ///< of the objective
    double              weight{ 0.0 };        ///< beta at the end
    double              initialGradientNorm{ 0.0 }; ///< at v = 0
    std::vector<double> gradientNorms;        ///< at each iterate
  };

  struct Result : Engine::Result
  {
    std::vector<NewtonReport> newton;                          ///< one per level
    Engine::SizeType          domainSize{ { 1, 1, 1 } };       ///< of the periodic domain: fixedSize or larger
    double                    relativeMismatch{ 0.0 }; ///< what is left of the distance; of mutual information not known: 0
  };

  /** Finds v and u so that moving(A (x + u(x))) matches fixed(x). */
  static Result
  Register(const std::string &              device,
           const Problem &                  problem,
           const Parameters &               parameters,
           const Engine::ProgressCallback & progress = Engine::ProgressCallback());

  /** The displacement of the map that a velocity carries along, by this number of time steps at least.
   * \param velocities one field per segment, the first being that of the earliest. \param inverse that of the map back. */
  static void
  IntegrateVelocity(const std::string &                       device,
                    const std::vector<Engine::InputVectors> & velocities,
                    const Engine::SizeType &                  size,
                    int                                       timeSteps,
                    bool                                      inverse,
                    const Engine::OutputVectors &             output);
};
} // namespace itk

#endif
