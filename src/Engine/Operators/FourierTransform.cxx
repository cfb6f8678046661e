// SPDX-License-Identifier: Apache-2.0
#include "FourierTransform.h"

#include "FourierPlans.h"

namespace itk
{
namespace engine
{
namespace
{
std::unique_ptr<FourierPlans>
MakePlans(const Device & device, const Lattice & lattice)
{
  for (const int size : lattice.size)
  {
    if (size < 1)
    {
      ThrowError("FourierTransform: the lattice is ", lattice.size[0], 'x', lattice.size[1], 'x', lattice.size[2]);
    }
  }
  if (!lattice.IsWhole())
  {
    ThrowError("FourierTransform: the lattice is a block of a larger one, which this operator does not take");
  }
  return ITK_ENGINE_DISPATCH(device, MakeFourierPlans(device, lattice));
}
} // namespace

FourierTransform::FourierTransform(const Device & device, const Lattice & lattice)
  : m_Device(device)
  , m_Lattice(lattice)
  , m_Plans(MakePlans(device, lattice))
{}

FourierTransform::FourierTransform(FourierTransform && other) noexcept = default;
FourierTransform &
FourierTransform::operator=(FourierTransform && other) noexcept = default;
FourierTransform::~FourierTransform() = default;

float
FourierTransform::Normalization() const
{
  return static_cast<float>(1.0 / static_cast<double>(m_Lattice.NumberOfVoxels()));
}

std::int64_t
FourierTransform::Workspace() const
{
  return m_Plans->Workspace();
}

namespace
{
template <typename T>
void
RequireArguments(const FourierTransform & transform,
                 const FieldView<T> &     field,
                 const Spectrum &         spectrum,
                 const float *            workspace)
{
  RequireField(field, transform.GetLattice(), field.components, "field");
  RequireSpectrum(spectrum, transform.GetLattice(), field.components, "spectrum");
  if (static_cast<const void *>(field.data) == static_cast<const void *>(spectrum.data))
  {
    ThrowError("FourierTransform: the spectrum must not be the field");
  }
  if (!workspace && transform.Workspace() > 0)
  {
    ThrowError("FourierTransform: the workspace is missing, ", transform.Workspace(), " floats are needed");
  }
}
} // namespace

void
FourierTransform::Forward(const ConstField & field, const Spectrum & spectrum, float * workspace) const
{
  RequireArguments(*this, field, spectrum, workspace);
  for (int c = 0; c < field.components; ++c)
  {
    m_Plans->Forward(field.Component(c), spectrum.Component(c), workspace);
  }
}

void
FourierTransform::Inverse(const Spectrum & spectrum, const Field & field, float * workspace) const
{
  RequireArguments(*this, field, spectrum, workspace);
  for (int c = 0; c < field.components; ++c)
  {
    m_Plans->Inverse(spectrum.Component(c), field.Component(c), workspace);
  }
}
} // namespace engine
} // namespace itk
