// SPDX-License-Identifier: Apache-2.0
#include "../Operators/ImportExport.h"

#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
template <int components, typename T>
void
ImportRow(const DoubleMatrix & matrix, const T * vectors, float * const (&planes)[3], int count)
{
  for (int x = 0; x < count; ++x)
  {
    for (int i = 0; i < components; ++i)
    {
      planes[i][x] = static_cast<float>(MultiplyRow<components>(matrix, i, vectors + components * x));
    }
  }
  for (int i = components; i < 3; ++i)
  {
    std::fill_n(planes[i], count, 0.0f);
  }
}

template <int components, typename T>
void
ExportRow(const DoubleMatrix & matrix, const float * const (&planes)[3], T * vectors, int count)
{
  for (int x = 0; x < count; ++x)
  {
    const float vector[3] = { planes[0][x], planes[1][x], planes[2][x] };
    for (int i = 0; i < components; ++i)
    {
      vectors[components * x + i] = static_cast<T>(MultiplyRow<components>(matrix, i, vector));
    }
  }
}
} // namespace

void
ImportImage(const Device &, const ConstPixels & pixels, float shift, float scale, const Field & output)
{
  WithPixelType(pixels.type, [&](auto pixel) {
    const auto * const source = static_cast<const decltype(pixel) *>(pixels.data);
    ParallelForPieces(output.NumberOfValues(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
      for (std::int64_t i = begin; i < end; ++i)
      {
        output.data[i] = ScalePixel(source[i], shift, scale);
      }
    });
  });
}

void
ExportImage(const Device &, const ConstField & image, const int (&start)[3], const Pixels & pixels)
{
  const int width = pixels.lattice.size[0];
  WithPixelType(pixels.type, [&](auto pixel) {
    using TPixel = decltype(pixel);
    ParallelForRows(pixels.lattice, [&](int y, int z, std::int64_t) {
      const float * const row = image.data + image.lattice.Offset(start[0], start[1] + y, start[2] + z);
      TPixel * const      target = static_cast<TPixel *>(pixels.data) + pixels.lattice.Offset(0, y, z);
      for (int x = 0; x < width; ++x)
      {
        target[x] = ToPixel<TPixel>(row[x]);
      }
    });
  });
}

void
ImportVectors(const Device &,
              const DoubleMatrix & matrix,
              const ConstPixels &  vectors,
              const int (&start)[3],
              const Field & output)
{
  const auto importAs = [&](auto component) {
    const auto * const data = static_cast<const decltype(component) *>(vectors.data);
    ParallelForRows(output.lattice, [&](int y, int z, std::int64_t) {
      const auto * const row =
        data + vectors.components * vectors.lattice.Offset(start[0], start[1] + y, start[2] + z);
      const std::int64_t offset = output.lattice.Offset(0, y, z);
      float * const      planes[3] = { output.Component(0) + offset,
                                       output.Component(1) + offset,
                                       output.Component(2) + offset };
      const auto         importRow = vectors.components == 2 ? ImportRow<2, decltype(component)>
                                                             : ImportRow<3, decltype(component)>;
      importRow(matrix, row, planes, output.lattice.size[0]);
    });
  };
  vectors.type == PixelType::Float32 ? importAs(float()) : importAs(double());
}

void
ExportVectors(const Device &, const DoubleMatrix & matrix, const ConstField & field, const Pixels & vectors)
{
  const auto exportAs = [&](auto component) {
    auto * const data = static_cast<decltype(component) *>(vectors.data);
    ParallelForRows(field.lattice, [&](int y, int z, std::int64_t) {
      const std::int64_t  offset = field.lattice.Offset(0, y, z);
      const float * const planes[3] = { field.Component(0) + offset,
                                        field.Component(1) + offset,
                                        field.Component(2) + offset };
      const auto          exportRow = vectors.components == 2 ? ExportRow<2, decltype(component)>
                                                              : ExportRow<3, decltype(component)>;
      exportRow(matrix, planes, data + vectors.components * offset, field.lattice.size[0]);
    });
  };
  vectors.type == PixelType::Float32 ? exportAs(float()) : exportAs(double());
}
} // namespace cpu
} // namespace engine
} // namespace itk
