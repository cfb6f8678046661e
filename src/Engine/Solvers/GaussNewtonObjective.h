// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineGaussNewtonObjective_h
#define itkEngineGaussNewtonObjective_h

#include "../Operators/SpectralRegularization.h"
#include "ImageTransport.h"
#include "PyramidLevel.h"
#include "SolverMetric.h"

#include <optional>

namespace itk
{
namespace engine
{
/** What the velocity carries along, and hence what the metric sees. */
enum class TransportKind
{
  Image, ///< the image, resampled at each time step: ImageTransport
  Map    ///< the map, by which the image is sampled once: VelocityFlow
};

/** How a metric enters the objective. */
struct DistanceScale
{
  double distance = 0.5;  ///< D is this times (the metric's loss + offset); 1/2 makes mean squares CLAIRE's distance
  double offset = 0.0;
  double curvature = 1.0; ///< second derivative of N D to a sampled intensity; what LnccCurvature gives is multiplied by it
};

/** What an evaluation gives. */
struct ObjectiveValue
{
  double loss = 0.0;           ///< of the metric
  double distance = 0.0;       ///< D
  double regularization = 0.0; ///< R

  double
  Total() const
  {
    return distance + regularization;
  }
};

/** The objective J(v) = D(v) + R(v) of one level, its gradient and its Gauss-Newton matrix, in the inner product
 * <a, b> = mean over voxels of a.b.
 *
 * D is the metric of the fixed image and the moving image as the velocity leaves it, times the share of the voxels that
 * counted at v = 0. With TransportKind::Map that is the moving image at x + u(x), u the map of VelocityFlow; with
 * TransportKind::Image the result of ImageTransport from the moving image on the fixed grid, and the voxels that count are
 * those of v = 0. R is that of SpectralRegularization, the mean over the K segments of a velocity that changes
 * with time. Both gradients are exact for what is computed (but for voxels that begin or cease to count), and the matrix
 * H = B + T^t Q T, T the tangent of the map or of the image and Q the metric's curvature to that
 * (Operators/MetricCurvature.h), is symmetric and positive but for rounding.
 *
 * The memory is one arena; fields serve several purposes, so the order of calls matters: Evaluate, then Gradient, then
 * PrepareCurvature, then products. */
class GaussNewtonObjective
{
public:
  struct Setup
  {
    MetricInputs                     inputs; ///< without displacement
    SpectralRegularizationParameters regularization;
    VelocityFlowParameters           flow;
    DistanceScale                    scale;
    TransportKind                    transport = TransportKind::Map;
  };

  GaussNewtonObjective(const Device & device, const SolverMetric & metric, const Setup & setup);

  /** Of the arena. Transforms of the size are taken to need no more than one component. */
  static std::size_t
  Bytes(const Device & device, const SolverMetric & metric, const Setup & setup);

  const Setup &
  GetSetup() const
  {
    return m_Setup;
  }

  /** J at a velocity, the slope of D to the map or the image, and B v. Overwrites curvature, residual and Regularized(). The
   * velocity must stay as it is until the next evaluation. The first evaluation is to be that of v = 0: the share of voxels
   * that count in it is kept. */
  ObjectiveValue
  Evaluate(const ConstField & velocity);

  /** Residual() <- minus the gradient at the velocity evaluated, once per evaluation. Returns its norm in the inverse
   * regularisation, sqrt <g, B^-1 g>. Overwrites Conditioned(). */
  double
  Gradient();

  /** The curvature at the velocity evaluated. Overwrites Step(), Direction() and Conditioned().
   * \param forPreconditioner Curvature() is needed. */
  void
  PrepareCurvature(bool forPreconditioner = true);

  /** q <- T^t Q T p. \param q not `p`, Conditioned() or Regularized(). */
  void
  DataProduct(const ConstField & p, const Field & q);

  /** y <- B x; returns half the inner product of the two if `wantsEnergy`. */
  double
  Regularize(const ConstField & x, const Field & y, bool wantsEnergy = false);

  /** z <- B^-1 r. */
  void
  SolveRegularization(const ConstField & r, const Field & z);

  // Fields of 3 K components for the Newton step. Product and Conditioned are overwritten by the calls above.
  const Field &
  Step() const
  {
    return m_Step;
  }
  const Field &
  Residual() const
  {
    return m_Residual;
  }
  const Field &
  Direction() const
  {
    return m_Direction;
  }
  const Field &
  Regularized() const
  {
    return m_Regularized;
  }
  const Field &
  Product() const
  {
    return m_Product;
  }
  const Field &
  Conditioned() const
  {
    return m_Conditioned;
  }
  /** Of the metric to a displacement of the image as it is now, voxel by voxel. */
  const Field &
  Curvature() const
  {
    return m_Curvature;
  }
  const FourierTransform &
  Transform() const
  {
    return m_Transform;
  }
  /** Free between calls: RegularizationWorkspace floats at least. */
  float *
  Workspace() const
  {
    return m_Workspace;
  }
  double *
  Scalars() const
  {
    return m_Scalars;
  }

  const Lattice &
  GetLattice() const
  {
    return m_Setup.inputs.fixed.lattice;
  }

  /** Square root of <a, a>. */
  double
  Norm(const ConstField & a) const;
  /** <a, b>. */
  double
  Inner(const ConstField & a, const ConstField & b) const;

private:
  struct Sizes
  {
    std::int64_t vectors;   ///< of a field of all segments
    std::int64_t curvature;
    std::int64_t workspace;
    std::int64_t transport; ///< of the map or of the images
    std::int64_t images;    ///< of one more set of those that are transported
    std::int64_t mask;
  };
  static Sizes
  MakeSizes(const Device & device, const SolverMetric & metric, const Setup & setup, std::int64_t spectralFloats);
  static std::size_t
  ArenaBytes(const Sizes & sizes);

  bool
  IsImageTransported() const
  {
    return m_Setup.transport == TransportKind::Image;
  }

  /** From the metric's second derivative to an intensity to that of N D. */
  float
  CurvatureScale(int channel) const;

  /** `factor` <- that of the map's curvature. */
  void
  ChannelCurvature(int channel, const Field & factor);

  /** Where in m_Slope and m_Weights a channel is. */
  Field
  ChannelOf(const Field & images, int channel) const
  {
    return Field(images.Component(channel), images.lattice);
  }

  /** m_Weights <- the curvature to the transported images. */
  void
  PrepareWeights();

  /** The same for the transported image, from m_Weights. */
  void
  TransportedCurvature(int channel, const Field & factor);

  Device           m_Device;
  SolverMetric     m_Metric;
  Setup            m_Setup;
  FourierTransform m_Transform;
  Sizes            m_Sizes;
  Arena            m_Arena;
  std::optional<VelocityFlow>   m_Flow;
  std::optional<ImageTransport> m_Images;
  Field            m_Step;
  Field            m_Residual;
  Field            m_Direction;
  Field            m_Regularized;
  Field            m_Product;
  Field            m_Conditioned;
  Field            m_Curvature;
  Field            m_Slope;   ///< of N D to what is transported, but for m_SlopeScale
  Field            m_Weights; ///< of the transported images: second derivative of N D
  Mask             m_Valid;   ///< of the transported images
  float *          m_Workspace = nullptr;
  double *         m_Scalars = nullptr;
  double           m_Coverage = 0.0;
  double           m_SlopeScale = 1.0; ///< from the metric's slope to that of N D
};
} // namespace engine
} // namespace itk

#endif
