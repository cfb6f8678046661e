// SPDX-License-Identifier: Apache-2.0
#include "ImportExport.h"

namespace itk
{
namespace engine
{
namespace
{
/** Throws unless the block of this size at `start` is within the lattice. */
void
RequireBlock(const Lattice & lattice, const int (&start)[3], const Lattice & block, const char * name)
{
  for (int d = 0; d < 3; ++d)
  {
    if (start[d] < 0 || start[d] > lattice.size[d] - block.size[d])
    {
      ThrowError(name, ": a block of ", block.size[d], " voxels at ", start[d], " along axis ", d,
                 " is not within a grid of ", lattice.size[d]);
    }
  }
}

template <typename TVoid>
void
RequireVectors(const PixelView<TVoid> & vectors)
{
  if (vectors.components < 2 || vectors.components > 3)
  {
    ThrowError("vectors have ", vectors.components, " component(s), where 2 or 3 are needed");
  }
  RequireField(vectors, vectors.lattice, vectors.components, "vectors");
  if (vectors.type != PixelType::Float32 && vectors.type != PixelType::Float64)
  {
    ThrowError("vectors are of pixel type ", static_cast<int>(vectors.type), ", where float32 or float64 is needed");
  }
}
} // namespace

void
ImportImage(const Device & device, const ConstPixels & pixels, float shift, float scale, const Field & output)
{
  RequireField(pixels, pixels.lattice, 1, "image");
  RequireField(output, pixels.lattice, 1, "output");
  ITK_ENGINE_DISPATCH(device, ImportImage(device, pixels, shift, scale, output));
}

void
ExportImage(const Device & device, const ConstField & image, const int (&start)[3], const Pixels & pixels)
{
  RequireField(image, image.lattice, 1, "image");
  RequireField(pixels, pixels.lattice, 1, "pixels");
  RequireBlock(image.lattice, start, pixels.lattice, "ExportImage");
  ITK_ENGINE_DISPATCH(device, ExportImage(device, image, start, pixels));
}

void
ImportVectors(const Device &       device,
              const DoubleMatrix & matrix,
              const ConstPixels &  vectors,
              const int (&start)[3],
              const Field & output)
{
  RequireVectors(vectors);
  RequireField(output, output.lattice, 3, "output");
  RequireBlock(vectors.lattice, start, output.lattice, "ImportVectors");
  ITK_ENGINE_DISPATCH(device, ImportVectors(device, matrix, vectors, start, output));
}

void
ExportVectors(const Device & device, const DoubleMatrix & matrix, const ConstField & field, const Pixels & vectors)
{
  RequireVectors(vectors);
  RequireField(field, vectors.lattice, 3, "field");
  ITK_ENGINE_DISPATCH(device, ExportVectors(device, matrix, field, vectors));
}
} // namespace engine
} // namespace itk
