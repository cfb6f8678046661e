// SPDX-License-Identifier: Apache-2.0
#include "LinearStarts.h"

#include "itkBinShrinkImageFilter.h"
#include "itkImageRegionConstIterator.h"
#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkImageRegionIterator.h"

#include <vnl/algo/vnl_symmetric_eigensystem.h>

#include <algorithm>
#include <cmath>

namespace gdreg
{
namespace
{
/** Values of an image (inside its mask), thinned to some hundred thousand. */
template <unsigned int VDimension>
std::vector<float>
CollectValues(const itk::Image<float, VDimension> * image, const itk::Image<unsigned char, VDimension> * mask)
{
  const float *         values = image->GetBufferPointer();
  const unsigned char * inside = mask ? mask->GetBufferPointer() : nullptr;
  const std::size_t     count = image->GetBufferedRegion().GetNumberOfPixels();
  const std::size_t     stride = std::max<std::size_t>(1, count / 400000) | 1;
  std::vector<float>    collected;
  collected.reserve(count / stride + 1);
  for (std::size_t i = 0; i < count; i += stride)
  {
    if (!inside || inside[i] != 0)
    {
      collected.push_back(values[i]);
    }
  }
  if (collected.empty())
  {
    collected.assign(values, values + count);
  }
  return collected;
}

float
TakeQuantile(std::vector<float> & values, const double fraction)
{
  const auto position = values.begin() + static_cast<std::ptrdiff_t>(fraction * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), position, values.end());
  return *position;
}

/** The threshold that separates two classes best (Otsu 1979), on a histogram of 256 bins. */
template <unsigned int VDimension>
float
OtsuThreshold(const itk::Image<float, VDimension> * image)
{
  const float *           values = image->GetBufferPointer();
  const std::size_t       count = image->GetBufferedRegion().GetNumberOfPixels();
  const auto              range = std::minmax_element(values, values + count);
  const float             low = *range.first;
  const double            scale = 255.0 / std::max(1e-30, static_cast<double>(*range.second) - low);
  std::array<double, 256> histogram{};
  for (std::size_t i = 0; i < count; ++i)
  {
    histogram[static_cast<std::size_t>((values[i] - low) * scale)] += 1.0;
  }
  double total = 0.0;
  for (std::size_t bin = 0; bin < 256; ++bin)
  {
    total += static_cast<double>(bin) * histogram[bin];
  }
  double      below = 0.0;
  double      sumBelow = 0.0;
  double      best = -1.0;
  std::size_t bestBin = 0;
  for (std::size_t bin = 0; bin < 255; ++bin)
  {
    below += histogram[bin];
    sumBelow += static_cast<double>(bin) * histogram[bin];
    const double above = static_cast<double>(count) - below;
    if (below == 0.0 || above == 0.0)
    {
      continue;
    }
    const double difference = sumBelow / below - (total - sumBelow) / above;
    const double separation = below * above * difference * difference;
    if (separation > best)
    {
      best = separation;
      bestBin = bin;
    }
  }
  return low + static_cast<float>((static_cast<double>(bestBin) + 1.0) / scale);
}

template <unsigned int VDimension>
itk::Point<double, VDimension>
ImageCenter(const itk::Image<float, VDimension> * image)
{
  itk::ContinuousIndex<double, VDimension> index;
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    index[d] = 0.5 * (static_cast<double>(image->GetLargestPossibleRegion().GetSize()[d]) - 1.0);
  }
  itk::Point<double, VDimension> center;
  image->TransformContinuousIndexToPhysicalPoint(index, center);
  return center;
}

/** Position and shape of an object: orders 1 and 2. */
template <unsigned int VDimension>
struct Moments
{
  itk::Point<double, VDimension>              center;
  itk::Matrix<double, VDimension, VDimension> covariance; ///< mm^2
};

/** Of the voxels that `isInside` chooses. */
template <typename TImage, typename TIsInside>
Moments<TImage::ImageDimension>
ComputeMoments(const TImage * image, const TIsInside & isInside)
{
  constexpr unsigned int dimension = TImage::ImageDimension;
  double                 count = 0.0;
  double                 sums[dimension] = {};
  double                 products[dimension][dimension] = {};
  for (itk::ImageRegionConstIteratorWithIndex<TImage> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    if (isInside(it.Get()))
    {
      count += 1.0;
      for (unsigned int i = 0; i < dimension; ++i)
      {
        sums[i] += static_cast<double>(it.GetIndex()[i]);
        for (unsigned int j = 0; j < dimension; ++j)
        {
          products[i][j] += static_cast<double>(it.GetIndex()[i] * it.GetIndex()[j]);
        }
      }
    }
  }
  itk::ContinuousIndex<double, dimension>   mean;
  itk::Matrix<double, dimension, dimension> ofIndex;
  itk::Matrix<double, dimension, dimension> toPhysical;
  for (unsigned int i = 0; i < dimension; ++i)
  {
    mean[i] = sums[i] / count;
    for (unsigned int j = 0; j < dimension; ++j)
    {
      ofIndex(i, j) = products[i][j] / count - sums[i] / count * sums[j] / count;
      toPhysical(i, j) = image->GetDirection()(i, j) * image->GetSpacing()[j];
    }
  }
  Moments<dimension> moments;
  image->TransformContinuousIndexToPhysicalPoint(mean, moments.center);
  moments.covariance = toPhysical * ofIndex * itk::Matrix<double, dimension, dimension>(toPhysical.GetTranspose());
  return moments;
}

/** Of the mask, else of the voxels brighter than Otsu's threshold. */
template <unsigned int VDimension>
Moments<VDimension>
ComputeObjectMoments(const itk::Image<float, VDimension> * image, const itk::Image<unsigned char, VDimension> * mask)
{
  if (mask)
  {
    return ComputeMoments(mask, [](const unsigned char value) { return value != 0; });
  }
  const float threshold = OtsuThreshold<VDimension>(image);
  return ComputeMoments(image, [threshold](const float value) { return value >= threshold; });
}

/** True if the order of the principal axes i and i + 1 (ascending variances) may be chance. */
template <typename TVariances>
bool
AreAlike(const TVariances & variances, const unsigned int i)
{
  return variances[i + 1] < 1.3 * variances[i]; // lengths within 14 %
}

/** Rotations that take the principal axes of one object to those of another: every choice of signs, and every order of
 * axes that are alike in either. */
template <unsigned int VDimension>
void
AppendAxisRotations(const Moments<VDimension> & fixed, const Moments<VDimension> & moving,
                    std::vector<itk::Matrix<double, VDimension, VDimension>> & rotations)
{
  const vnl_symmetric_eigensystem<double> fixedAxes(fixed.covariance.GetVnlMatrix().as_matrix());
  const vnl_symmetric_eigensystem<double> movingAxes(moving.covariance.GetVnlMatrix().as_matrix());
  std::array<unsigned int, VDimension>    order;
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    order[d] = d;
  }
  do
  {
    bool isPossible = true;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      for (unsigned int between = std::min(d, order[d]); between < std::max(d, order[d]); ++between)
      {
        isPossible =
          isPossible && (AreAlike(fixedAxes.D.diagonal(), between) || AreAlike(movingAxes.D.diagonal(), between));
      }
    }
    for (unsigned int signs = 0; isPossible && signs < (1u << VDimension); ++signs)
    {
      itk::Matrix<double, VDimension, VDimension> rotation;
      for (unsigned int d = 0; d < VDimension; ++d)
      {
        const auto   from = fixedAxes.get_eigenvector(static_cast<int>(d));
        const auto   to = movingAxes.get_eigenvector(static_cast<int>(order[d]));
        const double sign = (signs >> d) & 1u ? -1.0 : 1.0;
        for (unsigned int i = 0; i < VDimension; ++i)
        {
          for (unsigned int j = 0; j < VDimension; ++j)
          {
            rotation(i, j) += sign * to[i] * from[j];
          }
        }
      }
      if (vnl_determinant(rotation.GetVnlMatrix().as_matrix()) > 0.0)
      {
        rotations.push_back(rotation);
      }
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

void
AppendRotations(std::vector<itk::Matrix<double, 2, 2>> & rotations)
{
  for (const double degrees : { -40.0, -20.0, 20.0, 40.0 })
  {
    const double              angle = degrees * itk::Math::pi_over_180;
    itk::Matrix<double, 2, 2> rotation;
    rotation(0, 0) = rotation(1, 1) = std::cos(angle);
    rotation(1, 0) = std::sin(angle);
    rotation(0, 1) = -rotation(1, 0);
    rotations.push_back(rotation);
  }
}

void
AppendRotations(std::vector<itk::Matrix<double, 3, 3>> & rotations)
{
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    for (const double degrees : { -30.0, -15.0, 15.0, 30.0 })
    {
      const double              angle = degrees * itk::Math::pi_over_180;
      const unsigned int        i = (axis + 1) % 3;
      const unsigned int        j = (axis + 2) % 3;
      itk::Matrix<double, 3, 3> rotation;
      rotation.SetIdentity();
      rotation(i, i) = rotation(j, j) = std::cos(angle);
      rotation(j, i) = std::sin(angle);
      rotation(i, j) = -rotation(j, i);
      rotations.push_back(rotation);
    }
  }
}
} // namespace

template <unsigned int VDimension>
typename itk::Image<float, VDimension>::Pointer
Coarsen(const itk::Image<float, VDimension> * image, const double cells)
{
  using ImageType = itk::Image<float, VDimension>;
  double longest = 0.0;
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    longest = std::max(longest, image->GetSpacing()[d] * image->GetLargestPossibleRegion().GetSize()[d]);
  }
  auto shrink = itk::BinShrinkImageFilter<ImageType, ImageType>::New();
  shrink->SetInput(image);
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    const double factor = std::round(longest / cells / image->GetSpacing()[d]);
    const double largest = std::max(1.0, std::floor(image->GetLargestPossibleRegion().GetSize()[d] / 4.0));
    shrink->SetShrinkFactor(d, static_cast<unsigned int>(std::clamp(factor, 1.0, largest)));
  }
  shrink->Update();
  typename ImageType::Pointer copy = shrink->GetOutput();
  copy->DisconnectPipeline();
  return copy;
}

template <unsigned int VDimension>
typename itk::Image<float, VDimension>::Pointer
MakeWorkingCopy(const itk::Image<float, VDimension> * image, const itk::Image<unsigned char, VDimension> * mask,
                const double cells)
{
  using ImageType = itk::Image<float, VDimension>;
  const auto         copy = Coarsen<VDimension>(image, cells);
  std::vector<float> values = CollectValues<VDimension>(image, mask);
  const float        low = TakeQuantile(values, 0.005);
  const float        high = TakeQuantile(values, 0.995);
  if (low < high)
  {
    for (itk::ImageRegionIterator<ImageType> it(copy, copy->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      it.Set(std::clamp(it.Get(), low, high));
    }
  }
  return copy;
}

template <unsigned int VDimension>
itk::Point<double, VDimension>
CenterOfMass(const itk::Image<float, VDimension> * image, const itk::Image<unsigned char, VDimension> * mask)
{
  return ComputeObjectMoments<VDimension>(image, mask).center;
}

template <unsigned int VDimension>
std::vector<Start<VDimension>>
ListStarts(const itk::Image<float, VDimension> * fixed, const itk::Image<float, VDimension> * moving,
           const itk::Image<unsigned char, VDimension> * fixedMask,
           const itk::Image<unsigned char, VDimension> * movingMask, const bool mayRotate)
{
  // One mask says nothing about where the same thing is in the other image.
  const bool useMasks = fixedMask && movingMask;
  const auto fixedMoments = ComputeObjectMoments<VDimension>(fixed, useMasks ? fixedMask : nullptr);
  const auto movingMoments = ComputeObjectMoments<VDimension>(moving, useMasks ? movingMask : nullptr);
  const auto centers = movingMoments.center - fixedMoments.center;

  using MatrixType = itk::Matrix<double, VDimension, VDimension>;
  using VectorType = itk::Vector<double, VDimension>;
  std::vector<Start<VDimension>> starts;
  const auto append = [&](const std::string & name, const MatrixType & rotation, const VectorType & shift) {
    auto transform = itk::AffineTransform<double, VDimension>::New();
    transform->SetCenter(fixedMoments.center);
    transform->SetMatrix(rotation);
    transform->SetTranslation(shift);
    starts.push_back({ name, transform });
  };

  MatrixType identity;
  identity.SetIdentity();
  std::vector<MatrixType> rotations{ identity };
  if (mayRotate)
  {
    AppendRotations(rotations);
  }
  const std::pair<std::string, VectorType> shifts[] = {
    { useMasks ? "centres of the masks" : "centres of mass", centers },
    { "centres of the images", ImageCenter<VDimension>(moving) - ImageCenter<VDimension>(fixed) },
    { "headers", VectorType(0.0) }
  };
  for (const auto & shift : shifts)
  {
    for (std::size_t r = 0; r < rotations.size(); ++r)
    {
      append(shift.first + (r > 0 ? ", rotated" : ""), rotations[r], shift.second);
    }
  }
  if (mayRotate)
  {
    std::vector<MatrixType> ofAxes;
    AppendAxisRotations<VDimension>(fixedMoments, movingMoments, ofAxes);
    const std::string name = useMasks ? "principal axes of the masks" : "principal axes";
    for (const auto & ofAxis : ofAxes)
    {
      for (std::size_t r = 0; r < rotations.size(); ++r)
      {
        append(name + (r > 0 ? ", rotated" : ""), ofAxis * rotations[r], centers);
      }
    }
  }
  return starts;
}

#define gdregInstantiate(dimension)                                                                                    \
  template itk::Image<float, dimension>::Pointer Coarsen<dimension>(const itk::Image<float, dimension> *, double);     \
  template itk::Image<float, dimension>::Pointer MakeWorkingCopy<dimension>(                                           \
    const itk::Image<float, dimension> *, const itk::Image<unsigned char, dimension> *, double);                       \
  template itk::Point<double, dimension> CenterOfMass<dimension>(const itk::Image<float, dimension> *,                 \
                                                                 const itk::Image<unsigned char, dimension> *);        \
  template std::vector<Start<dimension>> ListStarts<dimension>(const itk::Image<float, dimension> *,                   \
                                                               const itk::Image<float, dimension> *,                   \
                                                               const itk::Image<unsigned char, dimension> *,           \
                                                               const itk::Image<unsigned char, dimension> *,           \
                                                               bool)
gdregInstantiate(2);
gdregInstantiate(3);
#undef gdregInstantiate
} // namespace gdreg
