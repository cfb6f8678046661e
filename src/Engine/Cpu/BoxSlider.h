// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineBoxSlider_h
#define itkEngineBoxSlider_h

#include "../Core/Lattice.h"
#include "Rows.h"

#include <algorithm>

namespace itk
{
namespace engine
{
namespace cpu
{
/** Sums of VFields fields over boxes, cut off at the image, for a band of whole rows and one plane after another. Running
 * sums along z and y and trees along x, so the cost hardly depends on the box.
 *
 * A source adds rows of values to sums: source.Add(y, z, sign, sums, stride), and
 * source.Exchange(y, z, zOld, sums, stride) for a row that enters and one that leaves. */
template <int VFields>
class BoxSlider
{
public:
  BoxSlider(const Lattice & lattice, const int (&radius)[3], int yBegin, int yEnd)
    : m_YBegin(yBegin)
    , m_YEnd(yEnd)
  {
    for (int d = 0; d < 3; ++d)
    {
      m_Size[d] = lattice.own.size[d];
      m_Radius[d] = std::min(radius[d], m_Size[d] - 1);
    }
    m_LowY = std::max(0, yBegin - m_Radius[1]);
    m_HighY = std::min(m_Size[1], yEnd + m_Radius[1]);
  }

  /** Floats of memory that it works in, from Start to the last Step. */
  std::int64_t
  ScratchSize() const
  {
    return VFields * (ColumnStride() + RowStride() + m_Size[0]) + RowStride();
  }

  void
  Start(float * scratch)
  {
    m_Columns = scratch;
    m_Rows = m_Columns + VFields * ColumnStride();
    m_Windows = m_Rows + VFields * RowStride();
    m_Scratch = m_Windows + VFields * m_Size[0];
    std::fill_n(m_Rows, VFields * RowStride(), 0.0f);
    m_Fresh = true;
  }

  /** The boxes around plane z, where z is the first after Start or follows the one before. Calls emit(y, sums) for each
   * row of the band; the sums of the fields are a row's length apart. */
  template <typename TSource, typename TEmit>
  void
  Step(int z, const TSource & source, const TEmit & emit)
  {
    int next = m_LowY;
    for (int y = m_YBegin; y < m_YEnd; ++y)
    {
      for (; next < m_HighY && next <= y + m_Radius[1]; ++next)
      {
        UpdateColumns(next, z, source);
      }
      for (int f = 0; f < VFields; ++f)
      {
        float * const row = m_Rows + f * RowStride();
        UpdateRow(m_Columns + f * ColumnStride(), row + m_Radius[0], y);
        SumWindows(row, 2 * m_Radius[0] + 1, m_Windows + f * m_Size[0], m_Size[0], m_Scratch);
      }
      emit(y, m_Windows);
    }
    m_Fresh = false;
  }

private:
  /** Rows between restarts of the running sum along y: rounding cannot build up further than this. */
  static constexpr int RestartRows = 16;
  /** Boxes this narrow along an axis are summed anew at each step: hardly more work, and their few values leave no room
   * for the rounding of a running sum. */
  static constexpr int NarrowRadius = 1;

  std::int64_t
  ColumnStride() const
  {
    return static_cast<std::int64_t>(m_HighY - m_LowY) * m_Size[0];
  }

  /** Sums along y with a margin of zeros at both ends. */
  std::int64_t
  RowStride() const
  {
    return m_Size[0] + 2 * m_Radius[0];
  }

  template <typename TSource>
  void
  UpdateColumns(int y, int z, const TSource & source) const
  {
    const int          nx = m_Size[0];
    const std::int64_t stride = ColumnStride();
    float * const      row = m_Columns + static_cast<std::int64_t>(y - m_LowY) * nx;
    const int          enter = z + m_Radius[2];
    const int          leave = z - m_Radius[2] - 1;
    if (m_Fresh || m_Radius[2] <= NarrowRadius)
    {
      for (int f = 0; f < VFields; ++f)
      {
        std::fill_n(row + f * stride, nx, 0.0f);
      }
      for (int k = std::max(0, leave + 1); k <= std::min(m_Size[2] - 1, enter); ++k)
      {
        source.Add(y, k, 1.0f, row, stride);
      }
    }
    else if (enter < m_Size[2] && leave >= 0)
    {
      source.Exchange(y, enter, leave, row, stride);
    }
    else if (enter < m_Size[2])
    {
      source.Add(y, enter, 1.0f, row, stride);
    }
    else if (leave >= 0)
    {
      source.Add(y, leave, -1.0f, row, stride);
    }
  }

  /** Sum of the columns' rows y - radius .. y + radius. */
  void
  UpdateRow(const float * columns, float * sum, int y) const
  {
    const int  nx = m_Size[0];
    const int  enter = y + m_Radius[1];
    const int  leave = y - m_Radius[1] - 1;
    const auto row = [&](int k) { return columns + static_cast<std::int64_t>(k - m_LowY) * nx; };
    if (y == m_YBegin || y % RestartRows == 0 || m_Radius[1] <= NarrowRadius)
    {
      std::fill_n(sum, nx, 0.0f);
      for (int k = std::max(0, leave + 1); k <= std::min(m_Size[1] - 1, enter); ++k)
      {
        AddScaledRow(row(k), 1.0f, sum, nx);
      }
    }
    else if (enter < m_Size[1] && leave >= 0)
    {
      ExchangeRow(row(enter), row(leave), sum, nx);
    }
    else if (enter < m_Size[1])
    {
      AddScaledRow(row(enter), 1.0f, sum, nx);
    }
    else if (leave >= 0)
    {
      AddScaledRow(row(leave), -1.0f, sum, nx);
    }
  }

  int     m_Size[3];
  int     m_Radius[3];
  int     m_YBegin;
  int     m_YEnd;
  int     m_LowY;
  int     m_HighY;
  float * m_Columns = nullptr;
  float * m_Rows = nullptr;
  float * m_Windows = nullptr;
  float * m_Scratch = nullptr;
  bool    m_Fresh = true;
};
} // namespace cpu
} // namespace engine
} // namespace itk

#endif
