// SPDX-License-Identifier: Apache-2.0
#include "NonlinearStart.h"

#include "BadInput.h"
#include "Resample.h"

#include "itkMultiThreaderBase.h"

#include <algorithm>

namespace gdreg
{
namespace
{
/** 1 where the displaced point is in the moving image and its mask. */
template <unsigned int VDimension>
typename MaskImage<VDimension>::Pointer
FindSeen(const FieldImage<VDimension> * field, const ScalarImage<VDimension> * moving,
         const MaskImage<VDimension> * movingMask)
{
  auto seen = MaskImage<VDimension>::New();
  seen->CopyInformation(field);
  seen->SetRegions(field->GetLargestPossibleRegion());
  seen->Allocate();
  const std::size_t row = field->GetBufferedRegion().GetSize()[0];
  itk::MultiThreaderBase::New()->ParallelizeArray(
    0,
    field->GetBufferedRegion().GetNumberOfPixels() / row,
    [&](const itk::SizeValueType line) {
      for (std::size_t i = line * row; i < (line + 1) * row; ++i)
      {
        itk::Point<double, VDimension> point;
        itk::Index<VDimension>         index;
        field->TransformIndexToPhysicalPoint(field->ComputeIndex(static_cast<itk::OffsetValueType>(i)), point);
        for (unsigned int d = 0; d < VDimension; ++d)
        {
          point[d] += field->GetBufferPointer()[i][d];
        }
        const bool isInside = moving->TransformPhysicalPointToIndex(point, index);
        seen->GetBufferPointer()[i] = isInside && (!movingMask || movingMask->GetPixel(index) != 0);
      }
    },
    nullptr);
  return seen;
}
} // namespace

template <unsigned int VDimension>
WarpedMoving<VDimension>
WarpMovingThrough(const PointMap<VDimension> & start, const ScalarImage<VDimension> * moving,
                  const MaskImage<VDimension> * movingMask, const ScalarImage<VDimension> * fixed,
                  const std::string & device)
{
  const auto               field = start.MakeField(fixed);
  WarpedMoving<VDimension> warped;
  warped.mask = FindSeen<VDimension>(field, moving, movingMask);
  const unsigned char * begin = warped.mask->GetBufferPointer();
  const auto            voxels = static_cast<std::ptrdiff_t>(warped.mask->GetBufferedRegion().GetNumberOfPixels());
  const auto            count = std::count(begin, begin + voxels, 1);
  if (static_cast<double>(count) < 0.001 * static_cast<double>(voxels))
  {
    throw BadInput("--initial-transform",
                   "it leads no point of the fixed image into the moving image (or its mask): there is no overlap");
  }
  if (count == voxels)
  {
    warped.mask = nullptr;
  }
  warped.image = Warp<VDimension>(
    device, moving, nullptr, field, fixed, InterpolationEnum::Linear, BackgroundOf<VDimension>(moving));
  return warped;
}

template <unsigned int VDimension>
JoinedMap<VDimension>
JoinWithStart(const PointMap<VDimension> & start, const itk::AffineTransform<double, VDimension> * linear,
              const FieldImage<VDimension> * field, const itk::ImageBase<VDimension> * fixed,
              const std::string & device)
{
  PointMap<VDimension> map;
  if (field)
  {
    map.AppendField(field, true);
  }
  map.Append(linear);
  map.Append(start.ContinueFields());
  JoinedMap<VDimension> joined;
  joined.field = map.MakeField(fixed);
  joined.inverse = InvertField<VDimension>(joined.field, device);
  return joined;
}

#define gdregInstantiate(dimension)                                                                                    \
  template WarpedMoving<dimension> WarpMovingThrough<dimension>(const PointMap<dimension> &,                           \
                                                                const ScalarImage<dimension> *,                        \
                                                                const MaskImage<dimension> *,                          \
                                                                const ScalarImage<dimension> *,                        \
                                                                const std::string &);                                  \
  template JoinedMap<dimension>    JoinWithStart<dimension>(const PointMap<dimension> &,                               \
                                                         const itk::AffineTransform<double, dimension> *,           \
                                                         const FieldImage<dimension> *,                             \
                                                         const itk::ImageBase<dimension> *,                         \
                                                         const std::string &)
gdregInstantiate(2);
gdregInstantiate(3);
#undef gdregInstantiate
} // namespace gdreg
