// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSymmetricLevel_h
#define itkEngineSymmetricLevel_h

#include "../Core/LateCopy.h"
#include "../Operators/GaussianSmooth.h"
#include "../Operators/NormalizeStep.h"
#include "MidpointUnits.h"

#include <functional>
#include <memory>

namespace itk
{
namespace engine
{
/** One level of a SymmetricSolver at work: its images, its memory and its iterations. */
class SymmetricLevel
{
public:
  SymmetricLevel(const Device &              device,
                 const SymmetricProblem &    problem,
                 const SymmetricParameters & parameters,
                 const MidpointMetric &      metric,
                 unsigned int                level,
                 const LevelGeometry &       geometry,
                 const Matrix3 &             toIndex);

  /** Bytes that the constructor takes at its height. */
  static std::size_t
  Bytes(const SymmetricProblem &    problem,
        const SymmetricParameters & parameters,
        const MidpointMetric &      metric,
        unsigned int                level,
        const LevelGeometry &       geometry);

  /** One iteration, counted from 0, of one state; returns the metric's value before its step. */
  double
  Iterate(int iteration, const SymmetricState & state);

  /** With the exact derivative a level of so many iterations replays them from the second on (Core/RecordWork.h). */
  static constexpr int IterationsToRecord = 5;

private:
  /** One of the two images. */
  struct Side
  {
    ConstField         image; ///< smoothed, at full resolution
    ConstMask          mask;
    ResampleParameters sampling;
    Field              atMiddle;
    Mask               maskAtMiddle;
    Field              update;
    double *           norms;             ///< of the update, for SymmetricStep::LargestNorm
    const double *     largest = nullptr; ///< norm of the update, which is yet to be scaled by it
    std::unique_ptr<StepRule> stepRule;
  };

  void
  MakeSide(Side & side, const ConstField & image, const ConstMask & mask, const double (&variance)[3], Buffer<float> & buffer);
  void
  SetSampling(Side & side, const double (&affine)[3][4], float outside);
  void
  WarpToMiddle(const SymmetricState & state);

  /** The parts of an iteration: the metric, and what its slopes do to the maps. */
  void
  Evaluate(int iteration, const SymmetricState & state);
  void
  Update(const SymmetricState & state);

  /** Writes the gradient of one side's update. */
  void
  TakeGradient(bool ofFixed, const ConstField & image, float scale, const Field & gradient);

  /** Smooths a gradient and makes a step of it. The gradient is overwritten. */
  void
  TakeStep(Side & side, const Field & gradient, const Field & step);

  void
  Smooth(const SymmetricKernel (&kernels)[3], double variance, const Field & input, const Field & output);

  /** Composes a map with its update, and finds its inverse. */
  void
  ApplyUpdate(const Side & side, const Field & spare, const Field & map, const Field & inverse);

  Device                      m_Device;
  const SymmetricProblem &    m_Problem;
  const SymmetricParameters & m_Parameters;
  MidpointMetric              m_Metric;
  LevelGeometry               m_Geometry;
  Lattice                     m_Lattice;
  int                         m_Iterations;
  Matrix3                     m_ToIndex;
  MidpointUnits               m_Units;
  Arena                       m_Arena;
  Buffer<float>               m_FixedBuffer;
  Buffer<float>               m_MovingBuffer;
  Side                        m_Fixed;
  Side                        m_Moving;
  Mask                        m_Valid;
  Field                       m_Spare[4];
  float *                     m_Scratch = nullptr;
  double *                    m_Energies = nullptr;
  LateCopy                    m_Values; ///< of the energies
  double *                    m_Scalars = nullptr; ///< for residuals and folds
  SymmetricKernel             m_UpdateKernels[3];
  SymmetricKernel             m_TotalKernels[3];
  std::function<void()>       m_Evaluate; ///< recorded, as is
  std::function<void()>       m_Update;   ///< this
};
} // namespace engine
} // namespace itk

#endif
