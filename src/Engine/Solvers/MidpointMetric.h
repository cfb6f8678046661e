// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineMidpointMetric_h
#define itkEngineMidpointMetric_h

#include "../Operators/MidpointGradient.h"
#include "SolverMetric.h"

namespace itk
{
namespace engine
{
/** Two images on one grid, and with masks those there and what both say. */
struct MidpointImages
{
  ConstField fixed;
  ConstField moving;
  ConstMask  fixedMask;
  ConstMask  movingMask;
  ConstMask  valid;
};

enum class MidpointDerivative
{
  Itk,  ///< as ITK's v4 metrics define value and derivative, in float64; images with their own intensities
  Exact ///< of all windows, in float32; images scaled to [0, 1]
};

/** The metric of a symmetric solver: compares two images that lie on one grid, and tells how the value changes with the
 * intensities of either. ITK's is not symmetric for mutual information, so it is evaluated with the roles both ways. */
class MidpointMetric
{
public:
  MidpointMetric(const Device &           device,
                 const MetricParameters & parameters,
                 MidpointDerivative       derivative,
                 float                    fixedMean,
                 float                    movingMean);

  /** Bytes of an arena that Start takes. */
  std::size_t
  Bytes(const Lattice & lattice) const;

  void
  Start(Arena & arena, const Lattice & lattice, int dimension);

  /** Floats of memory that Evaluate overwrites. */
  std::int64_t
  Workspace(const Lattice & lattice) const;

  static constexpr int NumberOfEnergies = 4;

  /** \param energies NumberOfEnergies doubles of device memory. */
  void
  Evaluate(const MidpointImages & images, double * energies, float * workspace) const;

  /** gradient = slope x image gradient (MidpointGradient). The slope is ITK's derivative, minus that of the value, or for Exact
   * N times the derivative of the loss, to the fixed or to the moving intensities. */
  void
  Gradient(bool ofFixed, const MidpointGradientParameters & parameters, const ConstField & image, const Field & gradient) const;

  /** The mean of the two values. Throws if no voxel counted or the value is not finite. */
  double
  ToLoss(const double (&energies)[NumberOfEnergies]) const;

  const SolverMetric &
  Loss() const
  {
    return m_Loss;
  }

private:
  void
  EvaluateItk(const MidpointImages & images, double * energies, double * workspace) const;
  void
  EvaluateExact(const MidpointImages & images, double * energies, float * workspace) const;

  Device             m_Device;
  MetricParameters   m_Parameters;
  MidpointDerivative m_Derivative;
  SolverMetric       m_Loss;
  Lattice            m_Lattice;
  int                m_Dimension = 3;
  double *           m_Slopes[2] = {};      ///< to moving, to fixed; Itk
  Field              m_FloatSlopes[2];      ///< likewise; Exact
  double *           m_Ranges = nullptr;    ///< smallest and largest intensities of fixed, moving, and the other way round
};
} // namespace engine
} // namespace itk

#endif
