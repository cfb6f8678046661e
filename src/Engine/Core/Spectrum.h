// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineSpectrum_h
#define itkEngineSpectrum_h

#include "Field.h"

namespace itk
{
namespace engine
{
/** Laid out as the complex numbers of FFTW, cuFFT and std::complex<float>. */
struct alignas(8) Complex
{
  float real;
  float imaginary;
};

/** A view of device memory that holds the Fourier coefficients of a real field with `components` planes over `lattice`.
 * Owns nothing. A null `data` stands for an absent optional argument.
 *
 * Place (i, j, k), i fastest, i = 0 .. nx/2, j = 0 .. ny-1, k = 0 .. nz-1, holds the coefficient of the frequency (i, j', k'),
 * j' = j if 2 j <= ny, else j - ny: waves per lattice. The others are the conjugates of the opposite frequencies. */
template <typename T>
struct SpectrumView
{
  T *     data = nullptr;
  Lattice lattice;
  int     components = 1;

  SpectrumView() = default;

  SpectrumView(T * pointer, const Lattice & grid, int numberOfComponents = 1)
    : data(pointer)
    , lattice(grid)
    , components(numberOfComponents)
  {}

  /** A mutable view is usable as a read-only one. */
  template <typename U, typename = std::enable_if_t<std::is_same<const U, T>::value && !std::is_same<U, T>::value>>
  SpectrumView(const SpectrumView<U> & other)
    : data(other.data)
    , lattice(other.lattice)
    , components(other.components)
  {}

  explicit operator bool() const { return data != nullptr; }

  /** Coefficients of a row. */
  int
  Width() const
  {
    return lattice.own.size[0] / 2 + 1;
  }

  /** Coefficients of a component. */
  std::int64_t
  NumberOfModes() const
  {
    return static_cast<std::int64_t>(Width()) * lattice.own.size[1] * lattice.own.size[2];
  }

  T *
  Component(int c) const
  {
    return data + c * NumberOfModes();
  }

  /** One component alone. */
  SpectrumView
  Part(int c) const
  {
    return SpectrumView(Component(c), lattice, 1);
  }

  /** Its real and imaginary parts as a field of rows of 2 Width() values, for operators that take values one by one:
   * LinearCombination and Device::Copy. */
  auto
  Values() const
  {
    using TValue = std::conditional_t<std::is_const<T>::value, const float, float>;
    return FieldView<TValue>(reinterpret_cast<TValue *>(data),
                             Lattice(2 * Width(), lattice.own.size[1], lattice.own.size[2]),
                             components);
  }
};

using Spectrum = SpectrumView<Complex>;
using ConstSpectrum = SpectrumView<const Complex>;

/** Floats of memory that hold a spectrum, rounded so that what comes after it in a workspace stays aligned. */
inline std::int64_t
SpectrumFloats(const Lattice & lattice, int components = 1)
{
  return (2 * components * ConstSpectrum(nullptr, lattice).NumberOfModes() + 63) / 64 * 64;
}

/** Throws unless the spectrum is of this lattice and number of components. `name` is the argument. */
template <typename T>
void
RequireSpectrum(const SpectrumView<T> & spectrum, const Lattice & lattice, int components, const char * name)
{
  if (reinterpret_cast<std::uintptr_t>(spectrum.data) % alignof(Complex) != 0)
  {
    ThrowError(name, " is not aligned to ", alignof(Complex), " bytes");
  }
  RequireField(FieldView<T>(spectrum.data, spectrum.lattice, spectrum.components), lattice, components, name);
}
} // namespace engine
} // namespace itk

#endif
