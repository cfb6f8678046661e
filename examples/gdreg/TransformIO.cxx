// SPDX-License-Identifier: Apache-2.0
#include "TransformIO.h"

#include "BadInput.h"

#include "itkDisplacementFieldTransform.h"
#include "itkImageRegionConstIterator.h"
#include "itkMatrixOffsetTransformBase.h"
#include "itkTransformFactory.h"
#include "itkTransformFileReader.h"
#include "itkTransformFileWriter.h"
#include "itkVectorLinearInterpolateImageFunction.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace gdreg
{
namespace
{
template <unsigned int VDimension>
using FieldTransform = itk::DisplacementFieldTransform<float, VDimension>;

/** A part of a PointMap that keeps a field's vectors in float: ITK's transforms of double parameters would double the
 * memory. Zero displacement outside the grid, as DisplacementFieldTransform has it. */
template <unsigned int VDimension>
class FieldPart : public itk::Transform<double, VDimension, VDimension>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(FieldPart);

  using Self = FieldPart;
  using Superclass = itk::Transform<double, VDimension, VDimension>;
  using Pointer = itk::SmartPointer<Self>;
  using ConstPointer = itk::SmartPointer<const Self>;
  using InputPointType = typename Superclass::InputPointType;
  using OutputPointType = typename Superclass::OutputPointType;

  itkNewMacro(Self);
  itkTypeMacro(FieldPart, Transform);

  void
  SetField(const FieldImage<VDimension> * field)
  {
    m_Field = field;
    m_Interpolator = itk::VectorLinearInterpolateImageFunction<FieldImage<VDimension>, double>::New();
    m_Interpolator->SetInputImage(field);
  }
  const FieldImage<VDimension> *
  GetField() const
  {
    return m_Field;
  }

  OutputPointType
  TransformPoint(const InputPointType & point) const override
  {
    itk::ContinuousIndex<double, VDimension> index;
    if (!m_Field->TransformPhysicalPointToContinuousIndex(point, index) || !m_Interpolator->IsInsideBuffer(index))
    {
      return point;
    }
    const auto      vector = m_Interpolator->EvaluateAtContinuousIndex(index);
    OutputPointType result;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      result[d] = point[d] + vector[d];
    }
    return result;
  }

  // The rest of the interface is for optimisers.
  void
  SetParameters(const typename Superclass::ParametersType &) override
  {}
  void
  SetFixedParameters(const typename Superclass::FixedParametersType &) override
  {}
  void
  ComputeJacobianWithRespectToParameters(const InputPointType &, typename Superclass::JacobianType &) const override
  {
    itkExceptionMacro("FieldPart has no parameters");
  }

protected:
  FieldPart() = default;
  ~FieldPart() override = default;

private:
  typename FieldImage<VDimension>::ConstPointer                                               m_Field;
  typename itk::VectorLinearInterpolateImageFunction<FieldImage<VDimension>, double>::Pointer m_Interpolator;
};

/** Transform files name their class; ANTs' .mat files use one that ITK does not register. */
void
RegisterMoreTransforms()
{
  static const bool once = [] {
    itk::TransformFactory<itk::MatrixOffsetTransformBase<double, 3, 3>>::RegisterTransform();
    itk::TransformFactory<itk::MatrixOffsetTransformBase<double, 2, 2>>::RegisterTransform();
    itk::TransformFactory<itk::MatrixOffsetTransformBase<float, 3, 3>>::RegisterTransform();
    itk::TransformFactory<itk::MatrixOffsetTransformBase<float, 2, 2>>::RegisterTransform();
    itk::TransformFactory<itk::DisplacementFieldTransform<float, 3>>::RegisterTransform();
    itk::TransformFactory<itk::DisplacementFieldTransform<float, 2>>::RegisterTransform();
    return true;
  }();
  static_cast<void>(once);
}

template <typename TValue>
typename itk::TransformBaseTemplate<TValue>::Pointer
ReadTransformFile(const std::string & argument, const std::string & path)
{
  RegisterMoreTransforms();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
  {
    throw BadInput(argument, "'" + path + "' does not exist");
  }
  try
  {
    const SilentStandardError silent;
    auto                      reader = itk::TransformFileReaderTemplate<TValue>::New();
    reader->SetFileName(path);
    reader->Update();
    if (reader->GetTransformList()->size() != 1)
    {
      throw BadInput(argument,
                     "'" + path + "' holds " + std::to_string(reader->GetTransformList()->size()) +
                       " transforms; one, or a composite, is needed");
    }
    return reader->GetTransformList()->front();
  }
  catch (const BadInput &)
  {
    throw;
  }
  catch (const std::exception &)
  {
    throw BadInput(argument, "'" + path + "' is not a transform that ITK can read");
  }
}

/** Corners and values of a linear interpolation at p, its border continued. */
template <unsigned int VDimension>
itk::Vector<double, VDimension>
SampleClamped(const FieldImage<VDimension> * field, itk::ContinuousIndex<double, VDimension> index)
{
  itk::Index<VDimension> base;
  double                 fraction[VDimension];
  const auto             size = field->GetBufferedRegion().GetSize();
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    const double last = static_cast<double>(size[d]) - 1.0;
    const double position = std::clamp(index[d], 0.0, last);
    base[d] = static_cast<itk::IndexValueType>(std::min(std::floor(position), std::max(0.0, last - 1.0)));
    fraction[d] = position - static_cast<double>(base[d]);
  }
  itk::Vector<double, VDimension> sum;
  sum.Fill(0.0);
  for (unsigned int corner = 0; corner < (1u << VDimension); ++corner)
  {
    double                 weight = 1.0;
    itk::Index<VDimension> at = base;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      const bool up = (corner >> d) & 1u;
      weight *= up ? fraction[d] : 1.0 - fraction[d];
      at[d] += up ? 1 : 0;
    }
    if (weight != 0.0)
    {
      const auto & value = field->GetPixel(at);
      for (unsigned int d = 0; d < VDimension; ++d)
      {
        sum[d] += weight * value[d];
      }
    }
  }
  return sum;
}

/** The same field part, but continued beyond its grid: what a numerical inverse needs at the border. */
template <unsigned int VDimension>
class ClampedFieldPart : public FieldPart<VDimension>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(ClampedFieldPart);

  using Self = ClampedFieldPart;
  using Superclass = FieldPart<VDimension>;
  using Pointer = itk::SmartPointer<Self>;
  using ConstPointer = itk::SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(ClampedFieldPart, FieldPart);

  typename Superclass::OutputPointType
  TransformPoint(const typename Superclass::InputPointType & point) const override
  {
    itk::ContinuousIndex<double, VDimension> index;
    static_cast<void>(this->GetField()->TransformPhysicalPointToContinuousIndex(point, index));
    return point + SampleClamped<VDimension>(this->GetField(), index);
  }

protected:
  ClampedFieldPart() = default;
  ~ClampedFieldPart() override = default;
};

} // namespace

bool
IsTransformFileName(const std::string & path)
{
  std::string ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  const char * const endings[] = { ".h5", ".hdf5", ".hdf", ".tfm", ".txt", ".mat", ".xfm" };
  return std::find(std::begin(endings), std::end(endings), ending) != std::end(endings);
}

unsigned int
ReadTransformDimension(const std::string & argument, const std::string & path)
{
  if (!IsTransformFileName(path))
  {
    return ReadImageInformation(argument, path).dimension;
  }
  const auto transform = ReadTransformFile<float>(argument, path);
  return transform->GetInputSpaceDimension();
}

template <unsigned int VDimension>
void
PointMap<VDimension>::Append(const std::string & argument, const std::string & path)
{
  if (!IsTransformFileName(path))
  {
    this->AppendField(ReadField<VDimension>(argument, path));
    return;
  }
  const auto   base = ReadTransformFile<double>(argument, path);
  const auto * transform = dynamic_cast<const PartType *>(base.GetPointer());
  if (!transform)
  {
    throw BadInput(argument,
                   "'" + path + "' maps " + std::to_string(base->GetInputSpaceDimension()) +
                     "D points, the image has " + std::to_string(VDimension) + "D");
  }
  this->Append(transform);
}

template <unsigned int VDimension>
void
PointMap<VDimension>::AppendField(const FieldType * field, const bool clamp)
{
  typename FieldPart<VDimension>::Pointer part;
  if (clamp)
  {
    part = ClampedFieldPart<VDimension>::New().GetPointer();
  }
  else
  {
    part = FieldPart<VDimension>::New();
  }
  part->SetField(field);
  m_Parts.emplace_back(part.GetPointer());
}

template <unsigned int VDimension>
void
PointMap<VDimension>::Append(const PartType * transform)
{
  if (const auto * composite = dynamic_cast<const CompositeType *>(transform))
  {
    for (auto n = composite->GetNumberOfTransforms(); n > 0; --n)
    {
      this->Append(composite->GetNthTransformConstPointer(n - 1));
    }
    return;
  }
  if (const auto * fieldTransform =
        dynamic_cast<const itk::DisplacementFieldTransform<double, VDimension> *>(transform))
  {
    const auto * wide = fieldTransform->GetDisplacementField();
    auto         field = FieldType::New();
    field->CopyInformation(wide);
    field->SetRegions(wide->GetLargestPossibleRegion());
    field->Allocate();
    const std::size_t count = field->GetBufferedRegion().GetNumberOfPixels();
    for (std::size_t i = 0; i < count; ++i)
    {
      for (unsigned int d = 0; d < VDimension; ++d)
      {
        field->GetBufferPointer()[i][d] = static_cast<float>(wide->GetBufferPointer()[i][d]);
      }
    }
    this->AppendField(field);
    return;
  }
  m_Parts.emplace_back(transform);
}

template <unsigned int VDimension>
PointMap<VDimension>
PointMap<VDimension>::ContinueFields() const
{
  PointMap map;
  for (const auto & part : m_Parts)
  {
    if (const auto * fieldPart = dynamic_cast<const FieldPart<VDimension> *>(part.GetPointer()))
    {
      map.AppendField(fieldPart->GetField(), true);
    }
    else
    {
      map.m_Parts.push_back(part);
    }
  }
  return map;
}

template <unsigned int VDimension>
PointMap<VDimension>
PointMap<VDimension>::MakeInverse(const std::string & device) const
{
  PointMap inverse;
  for (auto part = m_Parts.rbegin(); part != m_Parts.rend(); ++part)
  {
    if (const auto * fieldPart = dynamic_cast<const FieldPart<VDimension> *>(part->GetPointer()))
    {
      const auto result = InvertField<VDimension>(fieldPart->GetField(), device);
      inverse.Append(result.affineInverse.GetPointer());
      inverse.AppendField(result.field, true);
      continue;
    }
    const auto inversePart = (*part)->GetInverseTransform();
    if (!inversePart)
    {
      throw BadInput("--invert", std::string("a ") + (*part)->GetNameOfClass() + " cannot be inverted");
    }
    inverse.m_Parts.push_back(static_cast<const PartType *>(inversePart.GetPointer()));
  }
  return inverse;
}

template <unsigned int VDimension>
bool
PointMap<VDimension>::IsLinear() const
{
  return std::all_of(m_Parts.begin(), m_Parts.end(), [](const PartPointer & part) {
    return !dynamic_cast<const FieldPart<VDimension> *>(part.GetPointer()) && part->IsLinear();
  });
}

template <unsigned int VDimension>
typename PointMap<VDimension>::AffineType::Pointer
PointMap<VDimension>::MakeAffine() const
{
  PointType zero;
  zero.Fill(0.0);
  const PointType                             origin = this->TransformPoint(zero);
  itk::Matrix<double, VDimension, VDimension> matrix;
  // Differences over a long step keep the digits.
  constexpr double step = 1024.0;
  for (unsigned int j = 0; j < VDimension; ++j)
  {
    PointType unit = zero;
    unit[j] = step;
    const PointType mapped = this->TransformPoint(unit);
    for (unsigned int i = 0; i < VDimension; ++i)
    {
      matrix(i, j) = (mapped[i] - origin[i]) / step;
    }
  }
  auto affine = AffineType::New();
  affine->SetMatrix(matrix);
  affine->SetOffset(origin.GetVectorFromOrigin());
  return affine;
}

template <unsigned int VDimension>
typename PointMap<VDimension>::CompositeType::Pointer
PointMap<VDimension>::MakeComposite() const
{
  auto composite = CompositeType::New();
  for (auto part = m_Parts.rbegin(); part != m_Parts.rend(); ++part)
  {
    composite->AddTransform(const_cast<PartType *>(part->GetPointer()));
  }
  return composite;
}

template <unsigned int VDimension>
typename PointMap<VDimension>::FieldType::Pointer
PointMap<VDimension>::MakeField(const itk::ImageBase<VDimension> * grid) const
{
  auto field = FieldType::New();
  field->CopyInformation(grid);
  field->SetRegions(grid->GetLargestPossibleRegion());
  field->Allocate();
  const auto        size = grid->GetLargestPossibleRegion().GetSize();
  const std::size_t row = size[0];
  const auto        threader = itk::MultiThreaderBase::New();
  threader->ParallelizeArray(
    0,
    field->GetBufferedRegion().GetNumberOfPixels() / row,
    [&](const itk::SizeValueType line) {
      for (std::size_t x = 0; x < row; ++x)
      {
        const auto offset = static_cast<itk::OffsetValueType>(line * row + x);
        PointType  point;
        field->TransformIndexToPhysicalPoint(field->ComputeIndex(offset), point);
        const PointType mapped = this->TransformPoint(point);
        for (unsigned int d = 0; d < VDimension; ++d)
        {
          field->GetBufferPointer()[offset][d] = static_cast<float>(mapped[d] - point[d]);
        }
      }
    },
    nullptr);
  return field;
}

template <unsigned int VDimension>
const itk::ImageBase<VDimension> *
PointMap<VDimension>::FindGrid() const
{
  for (const auto & part : m_Parts)
  {
    if (const auto * fieldPart = dynamic_cast<const FieldPart<VDimension> *>(part.GetPointer()))
    {
      return fieldPart->GetField();
    }
  }
  return nullptr;
}

template <unsigned int VDimension>
void
WriteComposite(const itk::AffineTransform<double, VDimension> * linear, const FieldImage<VDimension> * field,
               const std::string & path)
{
  auto                                       composite = itk::CompositeTransform<float, VDimension>::New();
  auto                                       affine = itk::AffineTransform<float, VDimension>::New();
  itk::Matrix<float, VDimension, VDimension> matrix;
  itk::Vector<float, VDimension>             offset;
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    for (unsigned int j = 0; j < VDimension; ++j)
    {
      matrix(i, j) = static_cast<float>(linear->GetMatrix()(i, j));
    }
    offset[i] = static_cast<float>(linear->GetOffset()[i]);
  }
  affine->SetMatrix(matrix);
  affine->SetOffset(offset);
  // ITK applies the transform that was added last first.
  composite->AddTransform(affine);
  if (field)
  {
    auto fieldTransform = FieldTransform<VDimension>::New();
    fieldTransform->SetDisplacementField(const_cast<FieldImage<VDimension> *>(field));
    composite->AddTransform(fieldTransform);
  }
  auto writer = itk::TransformFileWriterTemplate<float>::New();
  writer->SetFileName(path);
  writer->SetInput(composite);
  writer->Update();
}

#define gdregInstantiate(dimension)                                                                                    \
  template class PointMap<dimension>;                                                                                  \
  template void WriteComposite<dimension>(                                                                             \
    const itk::AffineTransform<double, dimension> *, const FieldImage<dimension> *, const std::string &)
gdregInstantiate(2);
gdregInstantiate(3);
#undef gdregInstantiate
} // namespace gdreg
