// SPDX-License-Identifier: Apache-2.0
#ifndef itkGPUDiffeomorphicEngineTransfer_h
#define itkGPUDiffeomorphicEngineTransfer_h

#include "itkGPUDiffeomorphicEngine.h"

#include "Core/Buffer.h"
#include "Core/Error.h"
#include "Core/Field.h"
#include "Math/Affine.h"

#include "itkMacro.h"
#include "itkMultiThreaderBase.h"

#include <algorithm>
#include <cstdint>
#include <vector>

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

/** Calls task(begin, end) for pieces of [0, count) on ITK's threads. */
template <typename TTask>
void
ForPieces(std::int64_t count, const TTask & task)
{
  constexpr std::int64_t piece = std::int64_t{ 1 } << 18;
  const auto             threader = MultiThreaderBase::New();
  threader->ParallelizeArray(
    0,
    static_cast<SizeValueType>((count + piece - 1) / piece),
    [&](SizeValueType i) {
      const auto begin = static_cast<std::int64_t>(i) * piece;
      task(begin, std::min(count, begin + piece));
    },
    nullptr);
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

/** Interleaved vectors on the host -> component planes on the device. */
inline engine::Buffer<float>
UploadVectors(const engine::Device & device, const float * vectors, const engine::Lattice & lattice)
{
  const std::int64_t voxels = lattice.NumberOfVoxels();
  std::vector<float> planes(3 * voxels);
  ForPieces(voxels, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
    {
      for (int c = 0; c < 3; ++c)
      {
        planes[i + c * voxels] = vectors[3 * i + c];
      }
    }
  });
  engine::Buffer<float> buffer(device, 3 * voxels);
  device.CopyFromHost(buffer.Data(), planes.data(), buffer.Bytes());
  return buffer;
}

inline void
DownloadVectors(const engine::Device & device, const engine::Field & field, float * vectors)
{
  const std::int64_t voxels = field.lattice.NumberOfVoxels();
  std::vector<float> planes(3 * voxels);
  device.CopyToHost(planes.data(), field.data, sizeof(float) * planes.size());
  ForPieces(voxels, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
    {
      for (int c = 0; c < 3; ++c)
      {
        vectors[3 * i + c] = planes[i + c * voxels];
      }
    }
  });
}
} // namespace facade
} // namespace itk

#endif
