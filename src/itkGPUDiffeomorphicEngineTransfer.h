// SPDX-License-Identifier: Apache-2.0
#ifndef itkGPUDiffeomorphicEngineTransfer_h
#define itkGPUDiffeomorphicEngineTransfer_h

#include "itkGPUDiffeomorphicEngine.h"

#include "Core/Error.h"
#include "Core/Field.h"
#include "Math/Affine.h"
#include "Operators/ImportExport.h"
#include "Transfer/HostMemory.h"

#include "itkMacro.h"

#include <algorithm>
#include <cstdint>

// What the functions of the facade share: its types as the engine's, its arrays to the device and back.
namespace itk
{
namespace facade
{
/** Runs `work` and turns the engine's errors into ITK's. */
template <typename TWork>
auto
Guard(const TWork & work) -> decltype(work())
{
  try
  {
    return work();
  }
  catch (const engine::Error & error)
  {
    itkGenericExceptionMacro(<< error.what());
  }
}

inline engine::Lattice
ToLattice(const GPUDiffeomorphicEngine::SizeType & size, const char * name)
{
  for (const int n : size)
  {
    if (n < 1)
    {
      engine::ThrowError(name, " has size ", size[0], 'x', size[1], 'x', size[2]);
    }
  }
  return engine::Lattice(size[0], size[1], size[2]);
}

inline engine::AffineMap
ToAffineMap(const GPUDiffeomorphicEngine::AffineType & affine)
{
  double rows[3][4];
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 4; ++j)
    {
      rows[i][j] = affine[i][j];
    }
  }
  return engine::AffineMap(rows);
}

inline engine::Matrix3
ToMatrix(const GPUDiffeomorphicEngine::MatrixType & matrix)
{
  engine::Matrix3 result;
  for (int i = 0; i < 3; ++i)
  {
    for (int j = 0; j < 3; ++j)
    {
      result.m[i][j] = static_cast<float>(matrix[i][j]);
    }
  }
  return result;
}

inline engine::DoubleMatrix
ToDoubleMatrix(const GPUDiffeomorphicEngine::MatrixType & matrix)
{
  engine::DoubleMatrix result;
  for (int i = 0; i < 3; ++i)
  {
    std::copy_n(matrix[i].begin(), 3, result.m[i]);
  }
  return result;
}

/** The engine's view of pixels or vectors on the host or on a device. */
template <typename TVoid, typename TOther>
engine::PixelView<TVoid>
ToPixelView(TVoid *                                          data,
            const GPUDiffeomorphicEngine::PixelsOf<TOther> & pixels,
            const engine::Lattice &                          lattice,
            int                                              components = 1)
{
  static_assert(static_cast<int>(GPUDiffeomorphicEngine::GetPixelEnum<double>()) ==
                    static_cast<int>(engine::PixelTypeOf<double>()) &&
                  static_cast<int>(GPUDiffeomorphicEngine::GetPixelEnum<unsigned short>()) ==
                    static_cast<int>(engine::PixelTypeOf<unsigned short>()),
                "the same order of types");
  return engine::PixelView<TVoid>(data, static_cast<engine::PixelType>(pixels.type), lattice, components);
}

/** Scalar pixels of the host for reading on the device. */
inline engine::HostInput
Upload(const engine::Device &                      device,
       const GPUDiffeomorphicEngine::InputPixels & pixels,
       const engine::Lattice &                     lattice)
{
  return engine::HostInput(device, pixels.data, ToPixelView(pixels.data, pixels, lattice).Bytes());
}

/** A scalar image as it is, in float32: the host's own memory on the CPU, if it is of float. */
class UploadedImage
{
public:
  UploadedImage(const engine::Device &                      device,
                const GPUDiffeomorphicEngine::InputPixels & pixels,
                const engine::Lattice &                     lattice)
    : m_Input(Upload(device, pixels, lattice))
    , m_Image(static_cast<const float *>(m_Input.Data()), lattice)
  {
    if (pixels.type != GPUDiffeomorphicEngine::PixelEnum::Float32)
    {
      m_Converted = engine::Buffer<float>(device, lattice.NumberOfVoxels());
      const engine::Field image(m_Converted.Data(), lattice);
      engine::ImportImage(device, ToPixelView(m_Input.Data(), pixels, lattice), 0.0f, 1.0f, image);
      m_Image = image;
    }
  }

  const engine::ConstField &
  View() const
  {
    return m_Image;
  }

private:
  engine::HostInput     m_Input;
  engine::Buffer<float> m_Converted;
  engine::ConstField    m_Image;
};

/** Runs compute(field), which fills a float32 field on the lattice, and gives the block at `start` to the host. A whole
 * image of float on the CPU is filled where it is. */
template <typename TCompute>
void
DownloadImage(const engine::Device &                       device,
              const engine::Lattice &                      lattice,
              const GPUDiffeomorphicEngine::OutputPixels & pixels,
              const GPUDiffeomorphicEngine::SizeType &     start,
              const engine::Lattice &                      block,
              const TCompute &                             compute)
{
  if (!pixels)
  {
    engine::ThrowError("the output is missing");
  }
  const engine::HostOutput output(device, { pixels.data, ToPixelView(pixels.data, pixels, block).Bytes() });
  if (pixels.type == GPUDiffeomorphicEngine::PixelEnum::Float32 && block == lattice)
  {
    compute(engine::Field(static_cast<float *>(output.Data()), lattice));
  }
  else
  {
    const engine::Buffer<float> buffer(device, lattice.NumberOfVoxels());
    const engine::Field         field(buffer.Data(), lattice);
    const int                   first[3] = { start[0], start[1], start[2] };
    compute(field);
    engine::ExportImage(device, field, first, ToPixelView(output.Data(), pixels, block));
    device.Synchronize();
  }
  output.Download();
}

/** Vectors of the host -> component planes on the device, on the lattice. */
inline engine::Buffer<float>
UploadVectors(const engine::Device &                       device,
              const GPUDiffeomorphicEngine::InputVectors & vectors,
              const engine::Lattice &                      lattice)
{
  if (!vectors)
  {
    engine::ThrowError("a displacement field is missing");
  }
  int               start[3] = { vectors.blockStart[0], vectors.blockStart[1], vectors.blockStart[2] };
  const auto        bytesOf = [&](const engine::Lattice & grid) {
    return ToPixelView(vectors.data, vectors, grid, vectors.components).Bytes();
  };
  engine::Lattice   whole = lattice;
  engine::HostInput input;
  if (vectors.fieldSize[0] > 0)
  {
    // Only the planes that are needed travel.
    const engine::Lattice field = ToLattice(vectors.fieldSize, "the larger field");
    if (start[2] < 0 || start[2] > field.size[2] - lattice.size[2])
    {
      engine::ThrowError("a block of ", lattice.size[2], " planes at ", start[2], " is not within a field of ",
                         field.size[2]);
    }
    whole = engine::Lattice(field.size[0], field.size[1], lattice.size[2]);
    const std::size_t planeBytes = bytesOf(engine::Lattice(field.size[0], field.size[1], 1));
    input = engine::HostInput(device, vectors.data, bytesOf(field), planeBytes * start[2], bytesOf(whole));
    start[2] = 0;
  }
  else
  {
    input = engine::HostInput(device, vectors.data, bytesOf(lattice));
  }
  engine::Buffer<float> buffer(device, 3 * lattice.NumberOfVoxels());
  engine::ImportVectors(device,
                        ToDoubleMatrix(vectors.matrix),
                        ToPixelView(input.Data(), vectors, whole, vectors.components),
                        start,
                        engine::Field(buffer.Data(), lattice, 3));
  device.Synchronize();
  return buffer;
}

/** The memory that vectors of this lattice fill. */
inline engine::HostBlock
ToHostBlock(const GPUDiffeomorphicEngine::OutputVectors & vectors, const engine::Lattice & lattice)
{
  return { vectors.data, ToPixelView(vectors.data, vectors, lattice, vectors.components).Bytes() };
}

inline void
DownloadVectors(const engine::Device &                        device,
                const engine::ConstField &                    field,
                const GPUDiffeomorphicEngine::OutputVectors & vectors)
{
  if (!vectors)
  {
    engine::ThrowError("the output is missing");
  }
  const engine::HostOutput output(device, ToHostBlock(vectors, field.lattice));
  engine::ExportVectors(device,
                        ToDoubleMatrix(vectors.matrix),
                        field,
                        ToPixelView(output.Data(), vectors, field.lattice, vectors.components));
  output.Download();
}
} // namespace facade
} // namespace itk

#endif
