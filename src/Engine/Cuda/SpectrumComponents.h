// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaSpectrumComponents_h
#define itkEngineCudaSpectrumComponents_h

#include "../Core/Spectrum.h"
#include "FieldComponents.h"

namespace itk
{
namespace engine
{
namespace cuda
{
/** The lattice of stored coefficients, for kernels that walk over them. */
template <typename T>
Lattice
ModesOf(const SpectrumView<T> & spectrum)
{
  return Lattice(spectrum.Width(), spectrum.lattice.size[1], spectrum.lattice.size[2]);
}

template <typename T>
FieldComponents<T>
ComponentsOf(const SpectrumView<T> & spectrum)
{
  return FieldComponents<T>(FieldView<T>(spectrum.data, ModesOf(spectrum), 3));
}
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
