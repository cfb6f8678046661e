// SPDX-License-Identifier: Apache-2.0
#include "ReportImages.h"

#include "itkPNGImageIO.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

namespace gdreg
{
namespace
{
constexpr int LongestSide = 360; // pixels

std::string
EncodeBase64(const std::vector<char> & bytes)
{
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string       text;
  text.reserve(4 * (bytes.size() / 3 + 1));
  for (std::size_t i = 0; i < bytes.size(); i += 3)
  {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    unsigned int      word = 0;
    for (std::size_t k = 0; k < 3; ++k)
    {
      word = (word << 8) | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k)
    {
      text += k <= left ? alphabet[(word >> (18 - 6 * k)) & 63u] : '=';
    }
  }
  return text;
}

/** Pixels (1 or 3 bytes each) as a data URL. ITK writes PNG to files only, so through one. */
std::string
MakeDataUrl(const int width, const int height, const unsigned int components, const std::vector<unsigned char> & pixels)
{
  static std::random_device random;
  const auto                path =
    std::filesystem::temp_directory_path() / ("gdreg-" + std::to_string(random()) + std::to_string(random()) + ".png");
  auto io = itk::PNGImageIO::New();
  io->SetFileName(path.string());
  io->SetNumberOfDimensions(2);
  io->SetDimensions(0, static_cast<itk::SizeValueType>(width));
  io->SetDimensions(1, static_cast<itk::SizeValueType>(height));
  io->SetNumberOfComponents(components);
  io->SetPixelType(components == 1 ? itk::IOPixelEnum::SCALAR : itk::IOPixelEnum::RGB);
  io->SetComponentType(ComponentEnum::UCHAR);
  io->SetUseCompression(true);
  io->SetCompressionLevel(6);
  itk::ImageIORegion region(2);
  region.SetSize(0, static_cast<itk::SizeValueType>(width));
  region.SetSize(1, static_cast<itk::SizeValueType>(height));
  io->SetIORegion(region);
  io->Write(pixels.data());
  std::vector<char> bytes;
  {
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  if (bytes.empty())
  {
    throw std::runtime_error("cannot write pictures to '" + std::filesystem::temp_directory_path().string() + "'");
  }
  return "data:image/png;base64," + EncodeBase64(bytes);
}

float
Normalise(const float value, const Window & window)
{
  return std::clamp((value - window.low) / (window.high - window.low), 0.0f, 1.0f);
}

unsigned char
ToByte(const double value)
{
  return static_cast<unsigned char>(std::lround(255.0 * std::clamp(value, 0.0, 1.0)));
}

/** Calls set(pixel, index) with the continuous index of each pixel of a plane. */
template <unsigned int VDimension, typename TSet>
void
ForPixels(const itk::ImageBase<VDimension> * image, const Plane & plane, const TSet & set)
{
  const auto & size = image->GetLargestPossibleRegion().GetSize();
  const auto & spacing = image->GetSpacing();
  for (int row = 0; row < plane.height; ++row)
  {
    for (int column = 0; column < plane.width; ++column)
    {
      itk::ContinuousIndex<double, VDimension> index;
      if (plane.through >= 0)
      {
        index[plane.through] = plane.slice;
      }
      const int pixel[2] = { column, row };
      for (int side = 0; side < 2; ++side)
      {
        const int    axis = plane.axis[side];
        const double last = static_cast<double>(size[axis]) - 1.0;
        const double position = (pixel[side] + 0.5) * plane.pixelSize / spacing[axis] - 0.5;
        index[axis] = std::clamp(plane.flip[side] ? last - position : position, 0.0, last);
      }
      set(row * plane.width + column, index);
    }
  }
}

/** Bilinear: a plane's index is whole along its third axis. */
template <typename TImage, typename TGet>
double
Interpolate(const TImage * image, const Plane & plane,
            const itk::ContinuousIndex<double, TImage::ImageDimension> & index, const TGet & get)
{
  typename TImage::IndexType base;
  for (unsigned int d = 0; d < TImage::ImageDimension; ++d)
  {
    base[d] = static_cast<itk::IndexValueType>(std::floor(index[d]));
  }
  double sum = 0.0;
  for (int corner = 0; corner < 4; ++corner)
  {
    double                     weight = 1.0;
    typename TImage::IndexType at = base;
    for (int side = 0; side < 2; ++side)
    {
      const int    axis = plane.axis[side];
      const double fraction = index[axis] - static_cast<double>(base[axis]);
      const bool   up = (corner >> side) & 1;
      weight *= up ? fraction : 1.0 - fraction;
      at[axis] += up ? 1 : 0;
    }
    if (weight > 0.0)
    {
      sum += weight * get(image->GetPixel(at));
    }
  }
  return sum;
}
} // namespace

template <unsigned int VDimension>
std::vector<Plane>
ListPlanes(const itk::ImageBase<VDimension> * image, const itk::Point<double, VDimension> & point)
{
  const auto &                             size = image->GetLargestPossibleRegion().GetSize();
  const auto &                             spacing = image->GetSpacing();
  itk::ContinuousIndex<double, VDimension> center;
  static_cast<void>(image->TransformPhysicalPointToContinuousIndex(point, center));
  double longest = 0.0;
  double finest = spacing[0];
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    longest = std::max(longest, spacing[d] * static_cast<double>(size[d]));
    finest = std::min(finest, spacing[d]);
  }
  const double       pixelSize = std::max(longest / LongestSide, finest / 4.0);
  std::vector<Plane> planes;
  const auto         finish = [&](Plane plane) {
    plane.pixelSize = pixelSize;
    const auto pixels = [&](const int axis) {
      return std::max(1, static_cast<int>(std::lround(spacing[axis] * static_cast<double>(size[axis]) / pixelSize)));
    };
    plane.width = pixels(plane.axis[0]);
    plane.height = pixels(plane.axis[1]);
    if (plane.through >= 0)
    {
      plane.slice = static_cast<int>(
        std::clamp(std::round(center[plane.through]), 0.0, static_cast<double>(size[plane.through]) - 1.0));
    }
    planes.push_back(plane);
  };
  if constexpr (VDimension == 2)
  {
    Plane plane;
    plane.name = "image";
    finish(plane);
  }
  else
  {
    // Which index axis runs most along L, P and S, and which way; the clearest first.
    int  axisOf[3] = { -1, -1, -1 };
    bool backward[3] = { false, false, false };
    bool taken[3] = { false, false, false };
    for (int turn = 0; turn < 3; ++turn)
    {
      double best = -1.0;
      int    bestAnatomy = 0;
      int    bestAxis = 0;
      for (int anatomy = 0; anatomy < 3; ++anatomy)
      {
        for (int axis = 0; axis < 3; ++axis)
        {
          const double along = image->GetDirection()(anatomy, axis);
          if (axisOf[anatomy] < 0 && !taken[axis] && std::abs(along) > best)
          {
            best = std::abs(along);
            bestAnatomy = anatomy;
            bestAxis = axis;
          }
        }
      }
      backward[bestAnatomy] = image->GetDirection()(bestAnatomy, bestAxis) < 0.0;
      axisOf[bestAnatomy] = bestAxis;
      taken[bestAxis] = true;
    }
    constexpr int left = 0;      // LPS: x grows to the patient's left,
    constexpr int posterior = 1; // y to the back,
    constexpr int superior = 2;  // z to the head.
    const auto    add = [&](const char *                       name,
                         int                                right,
                         bool                               rightFlip,
                         int                                down,
                         bool                               downFlip,
                         int                                through,
                         const std::array<std::string, 4> & letters) {
      Plane plane;
      plane.name = name;
      plane.axis[0] = axisOf[right];
      plane.axis[1] = axisOf[down];
      plane.flip[0] = backward[right] != rightFlip;
      plane.flip[1] = backward[down] != downFlip;
      plane.through = axisOf[through];
      plane.letters = letters;
      finish(plane);
    };
    add("axial", left, false, posterior, false, superior, { { "R", "L", "A", "P" } });
    add("coronal", left, false, superior, true, posterior, { { "R", "L", "S", "I" } });
    add("sagittal", posterior, false, superior, true, left, { { "A", "P", "S", "I" } });
  }
  return planes;
}

template <unsigned int VDimension>
Raster
Sample(const ScalarImage<VDimension> * image, const Plane & plane)
{
  Raster raster{ plane.width, plane.height, std::vector<float>(static_cast<std::size_t>(plane.width) * plane.height) };
  ForPixels<VDimension>(image, plane, [&](const int pixel, const itk::ContinuousIndex<double, VDimension> & index) {
    raster.values[pixel] = static_cast<float>(
      Interpolate(image, plane, index, [](const float value) { return static_cast<double>(value); }));
  });
  return raster;
}

template <unsigned int VDimension>
std::array<Raster, 2>
SampleMap(const FieldImage<VDimension> * field, const Plane & plane)
{
  std::array<Raster, 2> map;
  for (int side = 0; side < 2; ++side)
  {
    Raster & raster = map[side];
    raster = { plane.width, plane.height, std::vector<float>(static_cast<std::size_t>(plane.width) * plane.height) };
    const int    axis = plane.axis[side];
    const double sign = plane.flip[side] ? -1.0 : 1.0;
    ForPixels<VDimension>(field, plane, [&](const int pixel, const itk::ContinuousIndex<double, VDimension> & index) {
      // The part of the vector along the index axis.
      const double along = Interpolate(field, plane, index, [&](const auto & vector) {
        double sum = 0.0;
        for (unsigned int d = 0; d < VDimension; ++d)
        {
          sum += field->GetDirection()(d, static_cast<unsigned int>(axis)) * vector[d];
        }
        return sum;
      });
      const int    position = side == 0 ? pixel % plane.width : pixel / plane.width;
      raster.values[pixel] = static_cast<float>((position + 0.5) * plane.pixelSize + sign * along);
    });
  }
  return map;
}

template <unsigned int VDimension>
Window
FindWindow(const ScalarImage<VDimension> * image, const MaskImage<VDimension> * mask)
{
  const std::size_t  count = image->GetBufferedRegion().GetNumberOfPixels();
  const std::size_t  stride = std::max<std::size_t>(1, count / 400000) | 1;
  std::vector<float> values;
  for (std::size_t i = 0; i < count; i += stride)
  {
    if (!mask || mask->GetBufferPointer()[i] != 0)
    {
      values.push_back(image->GetBufferPointer()[i]);
    }
  }
  Window window;
  if (values.empty())
  {
    return window;
  }
  const auto quantile = [&](const double fraction) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(fraction * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
  };
  window.low = quantile(0.005);
  window.high = quantile(0.995);
  if (!(window.low < window.high))
  {
    const auto range = std::minmax_element(values.begin(), values.end());
    window.low = *range.first;
    window.high = std::max(*range.second, window.low + 1e-6f);
  }
  return window;
}

std::string
DrawGray(const Raster & image, const Window & window)
{
  std::vector<unsigned char> pixels(image.values.size());
  std::transform(image.values.begin(), image.values.end(), pixels.begin(), [&](const float value) {
    return ToByte(Normalise(value, window));
  });
  return MakeDataUrl(image.width, image.height, 1, pixels);
}

std::string
DrawCheckerboard(const Raster & a, const Window & windowA, const Raster & b, const Window & windowB)
{
  const int                  tile = std::max(8, std::max(a.width, a.height) / 10);
  std::vector<unsigned char> pixels(a.values.size());
  for (int i = 0; i < static_cast<int>(pixels.size()); ++i)
  {
    const bool first = ((i % a.width) / tile + (i / a.width) / tile) % 2 == 0;
    pixels[i] = ToByte(first ? Normalise(a.values[i], windowA) : Normalise(b.values[i], windowB));
  }
  return MakeDataUrl(a.width, a.height, 1, pixels);
}

std::string
DrawDifference(const Raster & a, const Window & windowA, const Raster & b, const Window & windowB)
{
  std::vector<unsigned char> pixels(a.values.size());
  for (std::size_t i = 0; i < pixels.size(); ++i)
  {
    pixels[i] = ToByte(0.5 + 0.5 * (Normalise(a.values[i], windowA) - Normalise(b.values[i], windowB)));
  }
  return MakeDataUrl(a.width, a.height, 1, pixels);
}

std::string
DrawGrid(const Raster & image, const Window & window, const std::array<Raster, 2> & map, const double pixelSize,
         const double step)
{
  const int                  width = image.width;
  const int                  height = image.height;
  const double               color[3] = { 1.0, 0.82, 0.25 };
  std::vector<unsigned char> pixels(3 * image.values.size());
  for (int row = 0; row < height; ++row)
  {
    for (int column = 0; column < width; ++column)
    {
      const int    i = row * width + column;
      const double gray = 0.75 * Normalise(image.values[i], window);
      double       cover = 0.0;
      for (const auto & side : map)
      {
        // Distance in pixels to the line where the map crosses a multiple of the step.
        const auto   at = [&](const int r, const int c) { return static_cast<double>(side.values[r * width + c]); };
        const int    up = std::max(0, row - 1);
        const int    down = std::min(height - 1, row + 1);
        const int    left = std::max(0, column - 1);
        const int    right = std::min(width - 1, column + 1);
        const double gradientRow = (at(down, column) - at(up, column)) / std::max(1, down - up);
        const double gradientColumn = (at(row, right) - at(row, left)) / std::max(1, right - left);
        const double slope = std::max(0.2 * pixelSize, std::hypot(gradientRow, gradientColumn));
        const double phase = at(row, column) / step;
        const double distance = std::abs(phase - std::round(phase)) * step / slope;
        cover = std::max(cover, std::clamp(1.1 - distance, 0.0, 1.0));
      }
      for (int c = 0; c < 3; ++c)
      {
        pixels[3 * i + c] = ToByte((1.0 - 0.9 * cover) * gray + 0.9 * cover * color[c]);
      }
    }
  }
  return MakeDataUrl(width, height, 3, pixels);
}

std::array<unsigned char, 3>
DivergingColor(const double value)
{
  // Blue - light grey - red, each arm darkening evenly; legible to the colour-blind and in print.
  const double                 low[3] = { 0.13, 0.27, 0.62 };
  const double                 middle[3] = { 0.94, 0.94, 0.93 };
  const double                 high[3] = { 0.70, 0.09, 0.13 };
  const double                 weight = std::min(1.0, std::abs(value));
  std::array<unsigned char, 3> color{};
  for (int c = 0; c < 3; ++c)
  {
    color[c] = ToByte((1.0 - weight) * middle[c] + weight * (value < 0.0 ? low[c] : high[c]));
  }
  return color;
}

std::string
DrawLogJacobian(const Raster & determinant, const double range)
{
  std::vector<unsigned char> pixels(3 * determinant.values.size());
  for (std::size_t i = 0; i < determinant.values.size(); ++i)
  {
    const std::array<unsigned char, 3> folded{ { 0, 160, 60 } };
    const float                        value = determinant.values[i];
    const auto                         color = value > 0.0f ? DivergingColor(std::log(value) / range) : folded;
    std::copy(color.begin(), color.end(), pixels.begin() + static_cast<std::ptrdiff_t>(3 * i));
  }
  return MakeDataUrl(determinant.width, determinant.height, 3, pixels);
}

#define gdregInstantiate(dimension)                                                                                    \
  template std::vector<Plane>    ListPlanes<dimension>(const itk::ImageBase<dimension> *,                              \
                                                    const itk::Point<double, dimension> &);                         \
  template Raster                Sample<dimension>(const ScalarImage<dimension> *, const Plane &);                     \
  template std::array<Raster, 2> SampleMap<dimension>(const FieldImage<dimension> *, const Plane &);                   \
  template Window                FindWindow<dimension>(const ScalarImage<dimension> *, const MaskImage<dimension> *)
gdregInstantiate(2);
gdregInstantiate(3);
#undef gdregInstantiate
} // namespace gdreg
