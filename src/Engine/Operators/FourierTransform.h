// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineFourierTransform_h
#define itkEngineFourierTransform_h

#include "../Core/Dispatch.h"
#include "../Core/Spectrum.h"

#include <memory>

namespace itk
{
namespace engine
{
class FourierPlans;

/** The discrete Fourier transform of real fields over one lattice, of any size, planned once.
 *
 *   Forward: X(k) = sum_x f(x) exp(-2 pi i sum_a k_a x_a / n_a)          Inverse: f(x) = sum_k X(k) exp(+...)
 *
 * Neither is normalised: Inverse(Forward(f)) = N f, N the number of voxels; the operators between them take the factor
 * 1 / N along. Axes of one voxel cost nothing.
 *
 * By FFTW on the CPU (single precision, on ITK's threads; the build option GPUDiffeomorphicRegistration_USE_FFTW) and by
 * cuFFT on a GPU, whose shared library is loaded by the first transform. Components are transformed one after another: the
 * work area of cuFFT, about the size of what it transforms, is then that of one component (4 bytes per voxel where
 * all sizes have small prime factors), where a batch of three would save four launches and take three times as much.
 * On a GPU fields begin at a multiple of 8 bytes, as all that Buffer and Arena give do.
 *
 * Deterministic; on the CPU it is the same bits with any number of threads and wherever the memory lies. Nothing is
 * allocated and nothing waits but in the constructor; the calls may be recorded by RecordWork. Not for use by two
 * threads at once. Constructors wait for each other, as plans may not be made by two threads; programs that make FFTW's
 * plans elsewhere at the same time must call fftwf_make_planner_thread_safe.
 *
 * Source: M. Frigo, S. G. Johnson, "The Design and Implementation of FFTW3", Proc. IEEE 93(2), 2005. */
class FourierTransform
{
public:
  /** Throws Error where there is no FFTW in this build, or no cuFFT library, and says what to install. */
  FourierTransform(const Device & device, const Lattice & lattice);
  FourierTransform(FourierTransform && other) noexcept;
  FourierTransform &
  operator=(FourierTransform && other) noexcept;
  ~FourierTransform();

  const Device &
  GetDevice() const
  {
    return m_Device;
  }

  const Lattice &
  GetLattice() const
  {
    return m_Lattice;
  }

  /** 1 / N. */
  float
  Normalization() const;

  /** Floats of device memory that both calls need; 0 on the CPU. */
  std::int64_t
  Workspace() const;

  /** Every component of the field, which is left as it is. */
  void
  Forward(const ConstField & field, const Spectrum & spectrum, float * workspace) const;

  /** Every component of the spectrum, whose content is lost. The imaginary parts of coefficients that are their own
   * conjugates do not count. */
  void
  Inverse(const Spectrum & spectrum, const Field & field, float * workspace) const;

private:
  Device                        m_Device;
  Lattice                       m_Lattice;
  std::unique_ptr<FourierPlans> m_Plans;
};
} // namespace engine
} // namespace itk

#endif
