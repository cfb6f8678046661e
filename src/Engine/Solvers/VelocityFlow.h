// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineVelocityFlow_h
#define itkEngineVelocityFlow_h

#include "../Core/Buffer.h"
#include "../Operators/ComposeTangent.h"
#include "FlowTape.h"

namespace itk
{
namespace engine
{
/** The three components of one segment in a field of all of them. */
template <typename T>
FieldView<T>
SegmentOf(const FieldView<T> & field, int segment)
{
  return FieldView<T>(field.Component(3 * segment), field.lattice, 3);
}

struct VelocityFlowParameters
{
  int     timeSteps = 4; ///< over the whole time, at least; each segment takes the same number of them
  int     segments = 1;  ///< of the velocity, which is constant in each
  Outside outside = Outside::Clamp;
};

/** ceil(timeSteps / segments). */
int
FlowStepsPerSegment(const VelocityFlowParameters & parameters);

/** One step back along the characteristics, or with `inverse` forth, as the composition of a segment's velocity with
 * itself. */
ComposeParameters
FlowStep(const VelocityFlowParameters & parameters, bool inverse = false);

/** The map that a velocity carries along, with its exact derivative and the transpose of that.
 *
 * A velocity v(t), K fields of 3 components one after another, constant in each of K equal segments of [0, 1], in
 * voxels per unit time; the first field is that of the earliest segment. An image m that moves with it, dm/dt + v grad m
 * = 0, is m(1, x) = m(0, x + u(x)) in the end, x + u(x) being where the characteristic through (1, x) comes from. One
 * step of length h back along it is taken by Heun's rule,
 *
 *   x -> x - h/2 (v(x) + v(x - h v(x))),
 *
 * n = ceil(timeSteps / K) equal steps make a segment, by as few compositions as an addition chain takes (log2 n for
 * powers of two), and the segments are composed from the latest to the earliest. Linear interpolation, see Outside.
 *
 * Everything after that is differentiated as it is computed: Tangent is the derivative of Integrate, Adjoint its
 * transpose, to the rounding of float32. Positions on grid planes, where the interpolant has a kink, take the derivative of
 * the cell above.
 *
 * All fields between are kept: MemoryFloats. Deterministic; nothing is allocated, copied to the host or waited for.
 * Mang, Biros: A semi-Lagrangian two-level preconditioned Newton-Krylov solver for constrained diffeomorphic image
 * registration, SIAM J. Sci. Comput. 39 (2017) (characteristics by Heun's rule); Arsigny et al.: A log-Euclidean
 * framework for statistics on diffeomorphisms, MICCAI 2006 (squaring). */
class VelocityFlow
{
public:
  /** \param memory MemoryFloats(...) floats, aligned as an allocation is; null if that is 0. It is used as long as this
   * object is, and shared with its copies. */
  VelocityFlow(const Device & device, const Lattice & lattice, const VelocityFlowParameters & parameters, float * memory);

  /** 3 per voxel for each node of the tape but the last; on CUDA 0.05 more for each, the plans of ComposeGradient. */
  static std::int64_t
  MemoryFloats(const Device & device, const Lattice & lattice, const VelocityFlowParameters & parameters);

  /** The larger of TangentWorkspace and AdjointWorkspace, without a flow. */
  static std::int64_t
  WorkspaceFloats(const Lattice & lattice, const VelocityFlowParameters & parameters);

  /** Throws if a parameter makes no sense. */
  static void
  Check(const VelocityFlowParameters & parameters);

  int
  StepsPerSegment() const
  {
    return m_Steps;
  }

  /** u. With `inverse` that of the map back, from -v with the segments in reversed order: the inverse up to the errors
   * of the steps and of the interpolation.
   * \param velocity     3 K components.
   * \param displacement 3 components; not a segment of `velocity`.
   * \param plans        PlanAdjoint as well. */
  void
  Integrate(const ConstField & velocity, const Field & displacement, bool inverse = false, bool plans = true);

  /** What Adjoint needs beside the map: where it scatters to, on a GPU about as much work as Integrate itself. A trial that
   * may be given up can do without until it is accepted. */
  void
  PlanAdjoint();

  /** du in the direction dv, for the last Integrate, whose velocity must still be as it was; or H du, see
   * TangentProduct.
   * \param direction dv, 3 K components.
   * \param output    3 components; no part of `direction`.
   * \param workspace TangentWorkspace() floats; null if that is 0. */
  void
  Tangent(const ConstField &     direction,
          const Field &          output,
          float *                workspace,
          const TangentProduct & product = TangentProduct()) const;

  std::int64_t
  TangentWorkspace() const;

  /** The transpose: dL/dv from g = dL/du, for the last Integrate, whose velocity must still be as it was, after PlanAdjoint.
   * \param slope      g; it is overwritten.
   * \param gradient   dL/dv, 3 K components. Not `slope`.
   * \param accumulate the gradient is added to what is there.
   * \param workspace  AdjointWorkspace() floats; null if that is 0. */
  void
  Adjoint(const Field & slope, const Field & gradient, bool accumulate, float * workspace) const;

  std::int64_t
  AdjointWorkspace() const;

  /** Determinant of the Jacobian of x -> x + u(x) for the last Integrate, carried along the characteristics: those of the
   * single steps, by central differences, multiplied where the steps meet, J(x) = J_outer(x + inner(x)) J_inner(x). It is
   * positive if those of the steps are.
   * Mang, Biros: as above (the equation of which this is the discrete solution).
   * \param displacement what Integrate gave.
   * \param determinant  1 component.
   * \param workspace    DeterminantWorkspace() floats; null if that is 0. */
  void
  TransportDeterminant(const ConstField & displacement, const Field & determinant, float * workspace) const;

  std::int64_t
  DeterminantWorkspace() const;

private:
  /** The part of a field of all segments that belongs to one of the tape's. */
  template <typename T>
  FieldView<T>
  Segment(const FieldView<T> & field, int segment) const
  {
    return SegmentOf(field, m_Inverse ? m_Parameters.segments - 1 - segment : segment);
  }
  Field
  Kept(int node) const;
  /** Of the positions at which a node samples its outer field. */
  float *
  Plan(int node) const;
  ComposeParameters
  StepParameters() const
  {
    return FlowStep(m_Parameters, m_Inverse);
  }
  ComposeParameters
  CompositionParameters() const;
  void
  RequireIntegrated(const char * name) const;

  Device                 m_Device;
  Lattice                m_Lattice;
  VelocityFlowParameters m_Parameters;
  int                    m_Steps;
  FlowTape               m_Tape;
  float *                m_Memory;
  ConstField             m_Velocity;
  bool                   m_Inverse = false;
  bool                   m_IsPlanned = false;
};
} // namespace engine
} // namespace itk

#endif
