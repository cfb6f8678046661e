// SPDX-License-Identifier: Apache-2.0
#include "TransformIO.h"

#include "itkGPUDiffeomorphicGeometry.h"
#include "itkMultiThreaderBase.h"

#include "vnl/algo/vnl_svd.h"

#include <algorithm>

namespace gdreg
{
namespace
{
template <unsigned int VDimension>
typename itk::AffineTransform<double, VDimension>::Pointer
FitAffine(const FieldImage<VDimension> * field)
{
  // Normal equations of x -> x + u(x) on a thinned grid, about the middle of the grid for the sake of digits.
  constexpr unsigned int                        columns = VDimension + 1;
  vnl_matrix_fixed<double, columns, columns>    normal(0.0);
  vnl_matrix_fixed<double, columns, VDimension> right(0.0);
  const auto                                    size = field->GetBufferedRegion().GetSize();
  const std::size_t                             count = field->GetBufferedRegion().GetNumberOfPixels();
  const std::size_t                             stride = std::max<std::size_t>(1, count / 200000) | 1;
  typename FieldImage<VDimension>::IndexType    middleIndex;
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    middleIndex[d] = static_cast<itk::IndexValueType>(size[d] / 2);
  }
  itk::Point<double, VDimension> middle;
  field->TransformIndexToPhysicalPoint(middleIndex, middle);
  for (std::size_t i = 0; i < count; i += stride)
  {
    const auto                     index = field->ComputeIndex(static_cast<itk::OffsetValueType>(i));
    itk::Point<double, VDimension> point;
    field->TransformIndexToPhysicalPoint(index, point);
    double row[columns];
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      row[d] = point[d] - middle[d];
    }
    row[VDimension] = 1.0;
    for (unsigned int a = 0; a < columns; ++a)
    {
      for (unsigned int b = 0; b < columns; ++b)
      {
        normal(a, b) += row[a] * row[b];
      }
      for (unsigned int d = 0; d < VDimension; ++d)
      {
        right(a, d) += row[a] * field->GetBufferPointer()[i][d];
      }
    }
  }
  const vnl_matrix<double> solution =
    vnl_svd<double>(normal.as_matrix(), 1e-12).solve(vnl_matrix<double>(right.as_matrix()));
  auto                                        affine = itk::AffineTransform<double, VDimension>::New();
  itk::Matrix<double, VDimension, VDimension> matrix;
  itk::Vector<double, VDimension>             translation;
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    for (unsigned int j = 0; j < VDimension; ++j)
    {
      matrix(i, j) = solution(j, i) + (i == j ? 1.0 : 0.0);
    }
    translation[i] = solution(VDimension, i);
  }
  affine->SetCenter(middle);
  affine->SetMatrix(matrix);
  affine->SetTranslation(translation);
  return affine;
}
} // namespace

template <unsigned int VDimension>
InverseOfField<VDimension>
InvertField(const FieldImage<VDimension> * field, const std::string & device)
{
  namespace Geometry = itk::GPUDiffeomorphicGeometry;
  InverseOfField<VDimension> result;
  const auto                 affine = FitAffine<VDimension>(field);
  result.affineInverse = itk::AffineTransform<double, VDimension>::New();
  if (!affine->GetInverse(result.affineInverse))
  {
    throw std::runtime_error("the displacement field maps the image onto a plane; it has no inverse");
  }
  // x + u(x) = A(x + r(x)); r is what is left to invert.
  auto rest = FieldImage<VDimension>::New();
  rest->CopyInformation(field);
  rest->SetRegions(field->GetLargestPossibleRegion());
  rest->Allocate();
  const std::size_t count = field->GetBufferedRegion().GetNumberOfPixels();
  const auto        threader = itk::MultiThreaderBase::New();
  const std::size_t row = field->GetBufferedRegion().GetSize()[0];
  threader->ParallelizeArray(
    0,
    count / row,
    [&](const itk::SizeValueType line) {
      for (std::size_t i = line * row; i < (line + 1) * row; ++i)
      {
        itk::Point<double, VDimension> point;
        field->TransformIndexToPhysicalPoint(field->ComputeIndex(static_cast<itk::OffsetValueType>(i)), point);
        itk::Point<double, VDimension> mapped = point;
        for (unsigned int d = 0; d < VDimension; ++d)
        {
          mapped[d] += field->GetBufferPointer()[i][d];
        }
        const auto back = result.affineInverse->TransformPoint(mapped);
        for (unsigned int d = 0; d < VDimension; ++d)
        {
          rest->GetBufferPointer()[i][d] = static_cast<float>(back[d] - point[d]);
        }
      }
    },
    nullptr);

  const auto residual = itk::GPUDiffeomorphicEngine::InvertByNewton(device,
                                                                    Geometry::GetIndexVectors(rest.GetPointer()),
                                                                    Geometry::GetSize<VDimension>(field),
                                                                    Geometry::GetPhysicalVectors(rest.GetPointer()));
  result.meanResidual = residual[0];
  result.maximumResidual = residual[1];
  result.field = rest;
  return result;
}

template InverseOfField<2>
InvertField<2>(const FieldImage<2> *, const std::string &);
template InverseOfField<3>
InvertField<3>(const FieldImage<3> *, const std::string &);
} // namespace gdreg
