// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineImportExport_h
#define itkEngineImportExport_h

#include "../Core/Dispatch.h"
#include "../Core/PixelType.h"
#include "../Math/PixelConversion.h"

namespace itk
{
namespace engine
{
// Between images as programs hold them (any type of pixel, vectors interleaved, in physical units) and fields of the
// engine (float32, components in planes, in voxels): what would be passes over memory on the host. Everything is in
// device memory, and on the CPU that is the program's own. Deterministic, no workspace, nothing waits. Conversions round
// to the nearest float32; export to integers rounds halves up and ends at the least and the largest of the type, NaN
// giving the least. Inputs and outputs must not overlap.

/** output(x) = (pixels(x) - shift) scale, computed in float32 after the conversion. `pixels`: scalar, on the lattice of
 * `output`. */
ITK_ENGINE_DECLARE(
  void ImportImage(const Device & device, const ConstPixels & pixels, float shift, float scale, const Field & output))

/** pixels(x) = image(x + start). `pixels`: scalar, a block of the image's lattice that begins at `start`. */
ITK_ENGINE_DECLARE(
  void ExportImage(const Device & device, const ConstField & image, const int (&start)[3], const Pixels & pixels))

/** output(x) = matrix vectors(x + start), in float64. `vectors`: 2 or 3 components of float32 or float64; `output`: 3, a
 * block of their lattice that begins at `start`. A third component that they do not have is 0, and then rows and columns
 * of the matrix for it are not looked at. */
ITK_ENGINE_DECLARE(void ImportVectors(const Device &       device,
                                      const DoubleMatrix & matrix,
                                      const ConstPixels &  vectors,
                                      const int (&start)[3],
                                      const Field & output))

/** vectors(x) = matrix field(x), likewise, on the field's lattice. */
ITK_ENGINE_DECLARE(void ExportVectors(const Device &       device,
                                      const DoubleMatrix & matrix,
                                      const ConstField &   field,
                                      const Pixels &       vectors))

void
ImportImage(const Device & device, const ConstPixels & pixels, float shift, float scale, const Field & output);
void
ExportImage(const Device & device, const ConstField & image, const int (&start)[3], const Pixels & pixels);
void
ImportVectors(const Device &       device,
              const DoubleMatrix & matrix,
              const ConstPixels &  vectors,
              const int (&start)[3],
              const Field & output);
void
ExportVectors(const Device & device, const DoubleMatrix & matrix, const ConstField & field, const Pixels & vectors);
} // namespace engine
} // namespace itk

#endif
