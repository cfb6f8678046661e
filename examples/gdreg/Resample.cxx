// SPDX-License-Identifier: Apache-2.0
#include "Resample.h"

#include "itkGPUDiffeomorphicGeometry.h"
#include "itkMultiThreaderBase.h"

#include <algorithm>
#include <cmath>

namespace gdreg
{
namespace Geometry = itk::GPUDiffeomorphicGeometry;
using itk::GPUDiffeomorphicEngine;

namespace
{
/** Calls task(begin, end) for the rows of a grid on ITK's threads. */
template <unsigned int VDimension, typename TTask>
void
ForRows(const itk::ImageBase<VDimension> * grid, const TTask & task)
{
  const std::size_t row = grid->GetLargestPossibleRegion().GetSize()[0];
  const auto        threader = itk::MultiThreaderBase::New();
  threader->ParallelizeArray(
    0,
    grid->GetLargestPossibleRegion().GetNumberOfPixels() / row,
    [&](const itk::SizeValueType line) { task(line * row, (line + 1) * row); },
    nullptr);
}
} // namespace

template <unsigned int VDimension>
typename ScalarImage<VDimension>::Pointer
Warp(const std::string & device, const ScalarImage<VDimension> * image,
     const itk::AffineTransform<double, VDimension> * linear, const FieldImage<VDimension> * field,
     const itk::ImageBase<VDimension> * grid, const InterpolationEnum interpolation, const float outsideValue)
{
  auto output = ScalarImage<VDimension>::New();
  output->CopyInformation(grid);
  output->SetRegions(grid->GetLargestPossibleRegion());
  output->Allocate();
  const auto affine = Geometry::GetIndexToIndexMap<VDimension>(output, linear, image);
  // The field's vectors are physical: to voxels of the grid, then through the affine part to voxels of the image.
  const auto                         toIndex = Geometry::GetPhysicalToIndexMatrix<VDimension>(output);
  GPUDiffeomorphicEngine::MatrixType displacementMatrix{};
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      for (int k = 0; k < 3; ++k)
      {
        displacementMatrix[i][j] += affine[i][k] * toIndex[k][j];
      }
    }
  }
  GPUDiffeomorphicEngine::InputVectors vectors;
  if (field)
  {
    vectors = Geometry::GetInputVectors(field, field->GetBufferedRegion(), GPUDiffeomorphicEngine::IdentityMatrix());
  }
  GPUDiffeomorphicEngine::Warp(device,
                               image->GetBufferPointer(),
                               Geometry::GetSize<VDimension>(image),
                               affine,
                               displacementMatrix,
                               vectors,
                               interpolation,
                               outsideValue,
                               Geometry::GetSize<VDimension>(output),
                               output->GetBufferPointer());
  return output;
}

template <unsigned int VDimension>
float
BackgroundOf(const ScalarImage<VDimension> * image)
{
  const float *     values = image->GetBufferPointer();
  const std::size_t count = image->GetBufferedRegion().GetNumberOfPixels();
  return std::min(0.0f, *std::min_element(values, values + count));
}

template <unsigned int VDimension>
double
Correlation(const ScalarImage<VDimension> * a, const ScalarImage<VDimension> * b, const MaskImage<VDimension> * mask)
{
  const float *         x = a->GetBufferPointer();
  const float *         y = b->GetBufferPointer();
  const unsigned char * inside = mask ? mask->GetBufferPointer() : nullptr;
  const std::size_t     count = a->GetBufferedRegion().GetNumberOfPixels();
  double                n = 0.0;
  double                meanX = 0.0;
  double                meanY = 0.0;
  for (std::size_t i = 0; i < count; ++i)
  {
    if (!inside || inside[i] != 0)
    {
      n += 1.0;
      meanX += x[i];
      meanY += y[i];
    }
  }
  meanX /= std::max(1.0, n);
  meanY /= std::max(1.0, n);
  double xx = 0.0;
  double yy = 0.0;
  double xy = 0.0;
  for (std::size_t i = 0; i < count; ++i)
  {
    if (!inside || inside[i] != 0)
    {
      const double dx = x[i] - meanX;
      const double dy = y[i] - meanY;
      xx += dx * dx;
      yy += dy * dy;
      xy += dx * dy;
    }
  }
  return xx > 0.0 && yy > 0.0 ? xy / std::sqrt(xx * yy) : 0.0;
}

template <unsigned int VDimension>
typename ScalarImage<VDimension>::Pointer
JacobianDeterminant(const std::string & device, const FieldImage<VDimension> * field)
{
  auto output = ScalarImage<VDimension>::New();
  output->CopyInformation(field);
  output->SetRegions(field->GetLargestPossibleRegion());
  output->Allocate();
  GPUDiffeomorphicEngine::JacobianDeterminant(device,
                                              Geometry::GetIndexVectors(field),
                                              Geometry::GetSize<VDimension>(field),
                                              GPUDiffeomorphicEngine::IdentityMatrix(),
                                              output->GetBufferPointer());
  // The engine's derivative at a border is half of one, as ITK's: right where a field is still, wrong for one with a
  // linear part. The next voxel inside knows better.
  const auto size = output->GetBufferedRegion().GetSize();
  ForRows<VDimension>(output, [&](const std::size_t begin, const std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
    {
      const auto index = output->ComputeIndex(static_cast<itk::OffsetValueType>(i));
      auto       inner = index;
      for (unsigned int d = 0; d < VDimension; ++d)
      {
        if (size[d] > 2)
        {
          inner[d] = std::clamp<itk::IndexValueType>(index[d], 1, static_cast<itk::IndexValueType>(size[d]) - 2);
        }
      }
      if (inner != index)
      {
        output->SetPixel(index, output->GetPixel(inner));
      }
    }
  });
  return output;
}

template <unsigned int VDimension>
typename FieldImage<VDimension>::Pointer
TotalField(const FieldImage<VDimension> * field, const itk::AffineTransform<double, VDimension> * linear,
           const itk::ImageBase<VDimension> * grid)
{
  auto total = FieldImage<VDimension>::New();
  total->CopyInformation(grid);
  total->SetRegions(grid->GetLargestPossibleRegion());
  total->Allocate();
  ForRows<VDimension>(grid, [&](const std::size_t begin, const std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
    {
      itk::Point<double, VDimension> point;
      total->TransformIndexToPhysicalPoint(total->ComputeIndex(static_cast<itk::OffsetValueType>(i)), point);
      itk::Point<double, VDimension> mapped = point;
      if (field)
      {
        for (unsigned int d = 0; d < VDimension; ++d)
        {
          mapped[d] += field->GetBufferPointer()[i][d];
        }
      }
      mapped = linear->TransformPoint(mapped);
      for (unsigned int d = 0; d < VDimension; ++d)
      {
        total->GetBufferPointer()[i][d] = static_cast<float>(mapped[d] - point[d]);
      }
    }
  });
  return total;
}

template <unsigned int VDimension>
double
Overlap(const itk::ImageBase<VDimension> * fixed, const itk::ImageBase<VDimension> * moving,
        const MaskImage<VDimension> * fixedMask, const MaskImage<VDimension> * movingMask,
        const itk::AffineTransform<double, VDimension> * linear)
{
  const auto size = fixed->GetLargestPossibleRegion().GetSize();
  // Some 100000 points are enough to tell something from nothing.
  std::size_t step = 1;
  while (fixed->GetLargestPossibleRegion().GetNumberOfPixels() / static_cast<std::size_t>(std::pow(step, VDimension)) >
         200000)
  {
    ++step;
  }
  std::size_t            points = 0;
  std::size_t            common = 0;
  itk::Index<VDimension> index;
  index.Fill(0);
  while (true)
  {
    if (!fixedMask || fixedMask->GetPixel(index) != 0)
    {
      ++points;
      itk::Point<double, VDimension>           point;
      itk::ContinuousIndex<double, VDimension> position;
      fixed->TransformIndexToPhysicalPoint(index, point);
      static_cast<void>(moving->TransformPhysicalPointToContinuousIndex(linear->TransformPoint(point), position));
      bool                   inside = true;
      itk::Index<VDimension> nearest;
      for (unsigned int d = 0; d < VDimension; ++d)
      {
        const double last = static_cast<double>(moving->GetLargestPossibleRegion().GetSize()[d]) - 1.0;
        inside = inside && position[d] >= -0.5 && position[d] <= last + 0.5;
        nearest[d] = static_cast<itk::IndexValueType>(std::clamp(std::round(position[d]), 0.0, last));
      }
      common += inside && (!movingMask || movingMask->GetPixel(nearest) != 0) ? 1 : 0;
    }
    unsigned int d = 0;
    for (; d < VDimension; ++d)
    {
      index[d] += static_cast<itk::IndexValueType>(step);
      if (index[d] < static_cast<itk::IndexValueType>(size[d]))
      {
        break;
      }
      index[d] = 0;
    }
    if (d == VDimension)
    {
      break;
    }
  }
  return points > 0 ? static_cast<double>(common) / static_cast<double>(points) : 0.0;
}

// Short names, for the lines below.
template <unsigned int VDimension>
using Grid = itk::ImageBase<VDimension>;
template <unsigned int VDimension>
using Affine = itk::AffineTransform<double, VDimension>;

#define gdregInstantiate(D)                                                                                            \
  template ScalarImage<D>::Pointer Warp<D>(const std::string &,                                                        \
                                           const ScalarImage<D> *,                                                     \
                                           const Affine<D> *,                                                          \
                                           const FieldImage<D> *,                                                      \
                                           const Grid<D> *,                                                            \
                                           InterpolationEnum,                                                          \
                                           float);                                                                     \
  template float                   BackgroundOf<D>(const ScalarImage<D> *);                                            \
  template ScalarImage<D>::Pointer JacobianDeterminant<D>(const std::string &, const FieldImage<D> *);                 \
  template FieldImage<D>::Pointer  TotalField<D>(const FieldImage<D> *, const Affine<D> *, const Grid<D> *);           \
  template double                  Overlap<D>(                                                                         \
    const Grid<D> *, const Grid<D> *, const MaskImage<D> *, const MaskImage<D> *, const Affine<D> *)
gdregInstantiate(2);
gdregInstantiate(3);
#undef gdregInstantiate
template double
Correlation<2>(const ScalarImage<2> *, const ScalarImage<2> *, const MaskImage<2> *);
template double
Correlation<3>(const ScalarImage<3> *, const ScalarImage<3> *, const MaskImage<3> *);
} // namespace gdreg
