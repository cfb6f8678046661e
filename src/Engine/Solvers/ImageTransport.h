// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineImageTransport_h
#define itkEngineImageTransport_h

#include "VelocityFlow.h"

namespace itk
{
namespace engine
{
/** The images that a velocity carries along, with their exact derivative and the transpose of that.
 *
 * Velocity, segments, time and the step X of Heun's rule back along the characteristics are those of VelocityFlow, which
 * composes the steps to a map and samples an image once. Here every step samples the image that the one before has made,
 *
 *   m^{j+1}(x) = m^j(X(x)),  j = 0 .. K n - 1, the earliest segment first,
 *
 * by linear interpolation, with the nearest edge outside. The limit for small steps and voxels is the same image. What it
 * loses to the interpolation is a diffusion that no velocity gains by undoing: where a map turns within a few voxels,
 * which the map alone would resolve, this image is flat.
 *
 *   dm^{j+1} = dm^j(X) + grad m^j(X) . dX,  dm^0 = 0;
 *   transpose: q += lambda^{j+1} grad m^j(X),  lambda^j = the weights of X transposed, times lambda^{j+1},
 *
 * and dX of dv and back from q as in VelocityFlow: the derivatives of what is computed, to the rounding of float32.
 *
 * All images and the step of each segment are kept: MemoryFloats. Deterministic; nothing is allocated, copied to the host
 * or waited for.
 * Mang, Biros: A semi-Lagrangian two-level preconditioned Newton-Krylov solver for constrained diffeomorphic image
 * registration, SIAM J. Sci. Comput. 39 (2017), for the scheme; there optimised first and discretised then, here the other
 * way round. */
class ImageTransport
{
public:
  /** \param components of the images. \param memory MemoryFloats(...) floats, aligned as an allocation is. It is used as
   * long as this object is, and shared with its copies. \param parameters `outside` is that of the velocity. */
  ImageTransport(const Device &                 device,
                 const Lattice &                lattice,
                 int                            components,
                 const VelocityFlowParameters & parameters,
                 float *                        memory);

  /** Per voxel 3 for each segment and one for each component of K n + 1 images; on CUDA 0.1 more for each segment. */
  static std::int64_t
  MemoryFloats(const Device &                 device,
               const Lattice &                lattice,
               int                            components,
               const VelocityFlowParameters & parameters);

  /** Of Tangent and Adjoint: a vector and n images. */
  static std::int64_t
  WorkspaceFloats(const Lattice & lattice, int components, const VelocityFlowParameters & parameters);

  /** m^0, for the caller to write. */
  Field
  Start() const
  {
    return this->Image(0);
  }

  /** Carries what Start holds to the end. \param velocity 3 K components. */
  void
  Integrate(const ConstField & velocity);

  /** m^{K n} of the last Integrate. */
  ConstField
  End() const
  {
    return this->Image(m_Parameters.segments * m_Steps);
  }

  /** h dm^{K n} in the direction dv, for the last Integrate, whose velocity must still be as it was.
   * \param direction dv, 3 K components.
   * \param weight    h, as the images; absent: 1.
   * \param output    as the images; no part of `direction` or `weight`.
   * \param workspace WorkspaceFloats() floats. */
  void
  Tangent(const ConstField & direction, const ConstField & weight, const Field & output, float * workspace) const;

  /** The transpose: dL/dv from g = dL/dm^{K n}, for the last Integrate, whose velocity must still be as it was. The first
   * call after it plans where to scatter, on a GPU.
   * \param slope      g, as the images; it is overwritten.
   * \param gradient   dL/dv, 3 K components. Not `slope`.
   * \param accumulate the gradient is added to what is there.
   * \param workspace  WorkspaceFloats() floats. */
  void
  Adjoint(const Field & slope, const Field & gradient, bool accumulate, float * workspace);

private:
  /** m^step and those after it, one after another. */
  Field
  Images(int step, int count) const;
  Field
  Image(int step) const
  {
    return this->Images(step, 1);
  }
  /** X(x) - x. */
  Field
  Displacement(int segment) const;
  /** Of the positions X, or of those at which Heun's rule samples the velocity. */
  float *
  Plan(int segment, bool ofVelocity) const;
  void
  PlanAdjoint();
  void
  RequireIntegrated(const char * name) const;

  Device                 m_Device;
  Lattice                m_Lattice;
  int                    m_Components;
  VelocityFlowParameters m_Parameters;
  int                    m_Steps; ///< n
  float *                m_Memory;
  ConstField             m_Velocity;
  bool                   m_IsPlanned = false;
};
} // namespace engine
} // namespace itk

#endif
