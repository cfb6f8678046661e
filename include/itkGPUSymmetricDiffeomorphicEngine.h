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
#ifndef itkGPUSymmetricDiffeomorphicEngine_h
#define itkGPUSymmetricDiffeomorphicEngine_h

#include "itkGPUDiffeomorphicEngine.h"

namespace itk
{
/** \class GPUSymmetricDiffeomorphicEngine
 * \brief The facade of the engine's symmetric solver (SyN). Conventions: GPUDiffeomorphicEngine.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
class GPUDiffeomorphicRegistration_EXPORT GPUSymmetricDiffeomorphicEngine
{
public:
  using Engine = GPUDiffeomorphicEngine;

  /** Two images on the grid of the fixed one. `affine` leads from that grid to the moving image, `fixedAffine` to the fixed
   * one. */
  struct Problem : Engine::Problem
  {
    Engine::AffineType fixedAffine{ Engine::IdentityAffine() };
    unsigned int       dimension{ 3 };
    Engine::ScalesType spacing{ { 1, 1, 1 } }; ///< of the fixed grid
    Engine::MatrixType direction{ { { { 1, 0, 0 } }, { { 0, 1, 0 } }, { { 0, 0, 1 } } } };
  };

  enum class DerivativeEnum : unsigned char
  {
    Itk,  ///< as ITK's metrics have value and derivative
    Exact ///< that of the value; images scaled to [0, 1]
  };

  enum class StepEnum : unsigned char
  {
    LargestNorm, ///< the largest vector of an update has the length of the learning rate, as in ITK
    Adam,
    NormalizedGradient
  };

  struct Parameters
  {
    Engine::MetricEnum         metric{ Engine::MetricEnum::LocalNormalizedCrossCorrelation };
    Engine::SizeType           radius{ { 2, 2, 2 } };
    int                        numberOfBins{ 20 };
    std::vector<Engine::Level> levels;
    double                     learningRate{ 0.25 };
    double                     updateFieldVariance{ 3.0 };
    double                     totalFieldVariance{ 0.5 };
    double                     convergenceThreshold{ 1e-6 };
    unsigned int               convergenceWindowSize{ 10 };
    bool                       averageMidPointGradients{ false };
    bool                       gradientFilter{ false }; ///< gradients of a Gaussian instead of central differences; Itk
    DerivativeEnum             derivative{ DerivativeEnum::Itk };
    StepEnum                   step{ StepEnum::LargestNorm };
    double                     beta1{ 0.9 };
    double                     beta2{ 0.99 };
    double                     epsilon{ 0.1 };
    double                     minimumJacobian{ 0.0 }; ///< of both half maps; 0 or less: no guard
    double                     varianceFloor{ 1e-7 };  ///< of the exact LNCC
  };

  /** Where a level's grid lies: index of the fixed grid = factor * index + offset. */
  struct Grid
  {
    Engine::SizeType   size{ { 1, 1, 1 } };
    Engine::ScalesType factor{ { 1, 1, 1 } };
    Engine::ScalesType offset{ { 0, 0, 0 } };
  };
  static Grid
  GetGrid(const Engine::SizeType & fixedSize, const Engine::FactorsType & shrinkFactors);

  /** Vectors in voxels of the grid: fixed to middle, its inverse, moving to middle, its inverse. */
  using InputState = std::array<Engine::InputVectors, 4>;
  using OutputState = std::array<Engine::OutputVectors, 4>;

  /** Where to write the result: all vectors on one grid. */
  struct Outputs
  {
    Engine::OutputVectors forward;
    Engine::OutputVectors inverse;
    OutputState           state;
  };
  /** Makes room on the grid of the last level that was begun. */
  using OutputFunction = std::function<Outputs(const Grid &)>;

  /** Writes the state after the iteration that is reported to where its argument makes room. For the duration of the
   * callback. */
  using StateFunction = std::function<void(const std::function<OutputState(const Grid &)> &)>;
  /** Returns false to cancel: the result is that of the last finished iteration. */
  using ProgressCallback = std::function<bool(const Engine::Progress &, const StateFunction &)>;

  /** \param initial optional: where to start, on the grid of the first level.
   * Metric values of the result are those of the first and last iteration, at the mid-point; the problem's own outputs are not
   * written. */
  static Engine::Result
  Register(const std::string &      device,
           const Problem &          problem,
           const Parameters &       parameters,
           const InputState *       initial,
           const OutputFunction &   makeOutputs,
           const ProgressCallback & progress = ProgressCallback());
};
} // namespace itk

#endif
