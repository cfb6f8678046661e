// SPDX-License-Identifier: Apache-2.0
#include "LinearSampling.h"

#include "../Math/Interpolation.h"
#include "Parallel.h"

#include <limits>

#if defined(__SSE2__)
#  include <emmintrin.h>
#endif

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
/** What locating a row needs, by value: nothing that the row writes can change it. */
struct RowGeometry
{
  AffineMap affine;
  Matrix3   matrix;
  float     scale;
  int       size[3];
  int       x0;
  int       y;
  int       z;
};

/** Positions of a row in one pass; displace(i, d) adds the field's part to the displacement d of voxel i. */
template <typename TDisplace>
ITK_ENGINE_HOST_DEVICE void
LocateVoxels(const RowGeometry & row, const TDisplace & displace, SamplingBlock & block)
{
  const int count = block.count;
  const int strideY = row.size[0];
  const int strideZ = row.size[0] * row.size[1];
#pragma GCC ivdep
  for (int i = 0; i < count; ++i)
  {
    float d[3];
    row.affine.Displacement(row.x0 + i, row.y, row.z, d);
    displace(i, d);
    const AxisPosition px = LocateOnAxis(row.x0 + i, d[0]);
    const AxisPosition py = LocateOnAxis(row.y, d[1]);
    const AxisPosition pz = LocateOnAxis(row.z, d[2]);
    const LinearAxis   x = ClampLinearAxis(px, row.size[0]);
    const LinearAxis   y = ClampLinearAxis(py, row.size[1]);
    const LinearAxis   z = ClampLinearAxis(pz, row.size[2]);
    block.offset[i] = x.lower + y.lower * strideY + z.lower * strideZ;
    block.step[0][i] = x.upper - x.lower;
    block.step[1][i] = (y.upper - y.lower) * strideY;
    block.step[2][i] = (z.upper - z.lower) * strideZ;
    block.weight[0][i] = x.weight;
    block.weight[1][i] = y.weight;
    block.weight[2][i] = z.weight;
    block.inside[i] = (IsInsideAxis(px, row.size[0]) ? 1 : 0) & (IsInsideAxis(py, row.size[1]) ? 1 : 0) &
                      (IsInsideAxis(pz, row.size[2]) ? 1 : 0);
  }
}

ITK_ENGINE_ROW void
LocateAffine(const RowGeometry row, SamplingBlock & block)
{
  LocateVoxels(row, [](int, float(&)[3]) {}, block);
}

ITK_ENGINE_ROW void
LocateScaled(const RowGeometry row, const float * u0, const float * u1, const float * u2, SamplingBlock & block)
{
  LocateVoxels(
    row,
    [=](int i, float (&d)[3]) {
      d[0] += row.scale * u0[i];
      d[1] += row.scale * u1[i];
      d[2] += row.scale * u2[i];
    },
    block);
}

ITK_ENGINE_ROW void
LocateMapped(const RowGeometry row, const float * u0, const float * u1, const float * u2, SamplingBlock & block)
{
  LocateVoxels(
    row,
    [=](int i, float (&d)[3]) {
      const float u[3] = { u0[i], u1[i], u2[i] };
      float       v[3];
      row.matrix.Multiply(u, v);
      d[0] += v[0];
      d[1] += v[1];
      d[2] += v[2];
    },
    block);
}

/** The eight corners of one voxel. */
ITK_ENGINE_HOST_DEVICE void
GatherCorners(const float * volume, const SamplingBlock & block, int i, float (&v)[8])
{
  const float * rows[4];
  rows[0] = volume + block.offset[i];
  rows[1] = rows[0] + block.step[1][i];
  rows[2] = rows[0] + block.step[2][i];
  rows[3] = rows[1] + block.step[2][i];
  for (int k = 0; k < 4; ++k)
  {
    v[2 * k] = rows[k][0];
    v[2 * k + 1] = rows[k][block.step[0][i]];
  }
}

#if defined(__SSE2__)
// Gather instructions fetch one number at a time. The two neighbours along x lie side by side, so a load of 64 bits
// brings both; four voxels' pairs are then sorted into registers of lower and of upper neighbours.
constexpr int lanes = 4;
using FloatLanes = __m128;

struct __attribute__((packed, may_alias)) Pair
{
  double bits;
};

ITK_ENGINE_HOST_DEVICE __m128
LoadPairs(const float * first, const float * second)
{
  const __m128d pairs = { reinterpret_cast<const Pair *>(first)->bits, reinterpret_cast<const Pair *>(second)->bits };
  return _mm_castpd_ps(pairs);
}

/** True unless one of the voxels is clamped along x and has no second neighbour. */
ITK_ENGINE_HOST_DEVICE bool
HavePairs(const SamplingBlock & block, int i)
{
  const __m128i steps = _mm_loadu_si128(reinterpret_cast<const __m128i *>(block.step[0] + i));
  return _mm_movemask_epi8(_mm_cmpeq_epi32(steps, _mm_set1_epi32(1))) == 0xffff;
}

ITK_ENGINE_HOST_DEVICE void
GatherCorners(const float * volume, const SamplingBlock & block, int i, FloatLanes (&v)[8])
{
  for (int k = 0; k < 4; ++k)
  {
    const float * rows[lanes];
    for (int j = 0; j < lanes; ++j)
    {
      rows[j] = volume + block.offset[i + j] + ((k & 1) != 0 ? block.step[1][i + j] : 0) +
                ((k & 2) != 0 ? block.step[2][i + j] : 0);
    }
    const __m128 low = LoadPairs(rows[0], rows[1]);
    const __m128 high = LoadPairs(rows[2], rows[3]);
    v[2 * k] = _mm_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0));
    v[2 * k + 1] = _mm_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 3, 1));
  }
}
#endif

ITK_ENGINE_ROW void
GatherValues(const float * volume, const SamplingBlock & block, float * values)
{
  int i = 0;
  while (i < block.count)
  {
#if defined(__SSE2__)
    if (i + lanes <= block.count && HavePairs(block, i))
    {
      FloatLanes corners[8];
      GatherCorners(volume, block, i, corners);
      _mm_storeu_ps(values + i,
                    LinearValue(corners,
                                _mm_loadu_ps(block.weight[0] + i),
                                _mm_loadu_ps(block.weight[1] + i),
                                _mm_loadu_ps(block.weight[2] + i)));
      i += lanes;
      continue;
    }
#endif
    float corners[8];
    GatherCorners(volume, block, i, corners);
    values[i] = LinearValue(corners, block.weight[0][i], block.weight[1][i], block.weight[2][i]);
    ++i;
  }
}

ITK_ENGINE_ROW void
GatherGradients(const float * volume, const SamplingBlock & block, float * const (&to)[3])
{
  int i = 0;
  while (i < block.count)
  {
#if defined(__SSE2__)
    if (i + lanes <= block.count && HavePairs(block, i))
    {
      FloatLanes corners[8];
      FloatLanes gradient[3];
      GatherCorners(volume, block, i, corners);
      LinearGradient(corners,
                     _mm_loadu_ps(block.weight[0] + i),
                     _mm_loadu_ps(block.weight[1] + i),
                     _mm_loadu_ps(block.weight[2] + i),
                     gradient);
      for (int c = 0; c < 3; ++c)
      {
        _mm_storeu_ps(to[c] + i, gradient[c]);
      }
      i += lanes;
      continue;
    }
#endif
    float corners[8];
    float gradient[3];
    GatherCorners(volume, block, i, corners);
    LinearGradient(corners, block.weight[0][i], block.weight[1][i], block.weight[2][i], gradient);
    for (int c = 0; c < 3; ++c)
    {
      to[c][i] = gradient[c];
    }
    ++i;
  }
}

ITK_ENGINE_ROW void
ReplaceOutside(const int * inside, float outsideValue, float * values, int count)
{
  for (int i = 0; i < count; ++i)
  {
    values[i] = inside[i] ? values[i] : outsideValue;
  }
}
} // namespace

void
RequireSamplingSize(const Lattice & lattice)
{
  if (lattice.NumberOfVoxels() > std::numeric_limits<int>::max())
  {
    ThrowError("a volume of ", lattice.size[0], 'x', lattice.size[1], 'x', lattice.size[2],
               " is too large for the CPU: it takes up to 2^31 - 1 voxels");
  }
}

void
Locate(SamplingBlock &     block,
       const AffineMap &   affine,
       const Matrix3 *     matrix,
       const float * const (&u)[3],
       float       scale,
       const int (&size)[3],
       int x0,
       int y,
       int z,
       int count)
{
  block.count = count;
  const RowGeometry row{ affine, matrix ? *matrix : Matrix3(), scale, { size[0], size[1], size[2] }, x0, y, z };
  if (!u[0])
  {
    LocateAffine(row, block);
  }
  else if (matrix)
  {
    LocateMapped(row, u[0], u[1], u[2], block);
  }
  else
  {
    LocateScaled(row, u[0], u[1], u[2], block);
  }
}

void
SampleValues(const SamplingBlock & block, const float * volume, bool clamp, float outsideValue, float * values)
{
  GatherValues(volume, block, values);
  if (!clamp)
  {
    ReplaceOutside(block.inside, outsideValue, values, block.count);
  }
}

void
SampleGradients(const SamplingBlock & block, const float * volume, bool clamp, float * const (&gradient)[3])
{
  GatherGradients(volume, block, gradient);
  for (int c = 0; !clamp && c < 3; ++c)
  {
    ReplaceOutside(block.inside, 0.0f, gradient[c], block.count);
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
