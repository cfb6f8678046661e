// SPDX-License-Identifier: Apache-2.0
// Box sums by running sums along z and y and by doubling along x, so the cost hardly depends on the window.
// Floor, forward and gradient to the displacement: F, M, the three coefficients out and in, u in, gradient out, 56 bytes
// and about 300 flops per voxel.
#include "../Operators/Lncc.h"

#include "../Math/Lncc.h"
#include "Chain.h"
#include "Parallel.h"
#include "Rows.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
/** Rows between restarts of the running sum along y: rounding cannot build up further than this. */
constexpr int RestartRows = 16;
/** Windows this narrow along an axis are summed anew at each step: hardly more work, and their few products leave no
 * room for the rounding of a running sum. */
constexpr int NarrowRadius = 1;

/** Planes of one task. Depends on the image alone, since the running sum along z starts anew in each. */
int
SlabPlanes(int nz)
{
  return std::min(32, std::max(8, nz / 16));
}

/** Products of one row of the two images, added to (sign 1) or taken from (sign -1) the column sums F, M, FF, MM, FM. */
ITK_ENGINE_ROW void
AccumulateProducts(const float * fixed,
                   const float * moving,
                   float         fixedShift,
                   float         movingShift,
                   float         sign,
                   float *       sums,
                   std::int64_t  stride,
                   int           count)
{
  for (int x = 0; x < count; ++x)
  {
    const float f = fixed[x] - fixedShift;
    const float m = moving[x] - movingShift;
    const float sf = sign * f;
    const float sm = sign * m;
    sums[x] += sf;
    sums[x + stride] += sm;
    sums[x + 2 * stride] += sf * f;
    sums[x + 3 * stride] += sm * m;
    sums[x + 4 * stride] += sf * m;
  }
}

/** The row that enters and the row that leaves the window at once. Differences of products are formed from the
 * differences of the intensities, so the running sums never see the products themselves. */
ITK_ENGINE_ROW void
ExchangeProducts(const float * fixed,
                 const float * moving,
                 const float * fixedOld,
                 const float * movingOld,
                 float         fixedShift,
                 float         movingShift,
                 float *       sums,
                 std::int64_t  stride,
                 int           count)
{
  for (int x = 0; x < count; ++x)
  {
    const float f = fixed[x] - fixedShift;
    const float m = moving[x] - movingShift;
    const float fo = fixedOld[x] - fixedShift;
    const float mo = movingOld[x] - movingShift;
    const float df = f - fo;
    const float dm = m - mo;
    sums[x] += df;
    sums[x + stride] += dm;
    sums[x + 2 * stride] += df * (f + fo);
    sums[x + 3 * stride] += dm * (m + mo);
    sums[x + 4 * stride] += df * m + fo * dm;
  }
}

ITK_ENGINE_ROW void
ExchangeRow(const float * row, const float * old, float * sum, int count)
{
  for (int x = 0; x < count; ++x)
  {
    sum[x] += row[x] - old[x];
  }
}

/** out[x] = sum of padded[x .. x + width): sums over 2^b values are built by doubling and those that make up `width`
 * are added. `padded` has count + width - 1 values and is overwritten. */
ITK_ENGINE_ROW void
SumWindows(float * padded, int width, float * out, int count)
{
  int length = count + width - 1;
  int offset = 0;
  int size = 1;
  for (int x = 0; x < count; ++x)
  {
    out[x] = 0.0f;
  }
  while (true)
  {
    if (width & size)
    {
      for (int x = 0; x < count; ++x)
      {
        out[x] += padded[x + offset];
      }
      offset += size;
    }
    if (2 * size > width)
    {
      return;
    }
    length -= size;
    for (int x = 0; x < length; ++x)
    {
      padded[x] += padded[x + size];
    }
    size *= 2;
  }
}

ITK_ENGINE_ROW void
EvaluateRow(const float * sums, const float * counts, float varianceFloor, float * a, float * b, float * c, float * cc, std::int64_t stride, int count)
{
  for (int x = 0; x < count; ++x)
  {
    const LnccWindow window = EvaluateLnccWindow(
      sums[x], sums[x + stride], sums[x + 2 * stride], sums[x + 3 * stride], sums[x + 4 * stride], counts[x], varianceFloor);
    a[x] = window.a;
    b[x] = window.b;
    c[x] = window.c;
    cc[x] = window.correlation;
  }
}

ITK_ENGINE_ROW void
GradientRow(const float * fixed,
            const float * moving,
            float         fixedShift,
            float         movingShift,
            const float * a,
            const float * b,
            const float * c,
            float *       gradient,
            int           count)
{
  for (int x = 0; x < count; ++x)
  {
    gradient[x] = -(a[x] + 2.0f * (moving[x] - movingShift) * b[x] + (fixed[x] - fixedShift) * c[x]);
  }
}

/** Slides a box over the planes of one slab. TSource fills column sums of a plane's rows; `emit(y, z, sums)` receives,
 * row by row, the complete window sums of all fields, `stride` apart. */
template <int VFields>
class BoxSlider
{
public:
  BoxSlider(const Lattice & lattice, const int (&radius)[3])
  {
    for (int d = 0; d < 3; ++d)
    {
      m_Size[d] = lattice.own.size[d];
      m_Radius[d] = std::min(radius[d], m_Size[d] - 1);
    }
  }

  std::size_t
  ScratchSize() const
  {
    const std::size_t row = m_Size[0];
    return VFields * row * m_Size[1] + 2 * VFields * row + row + 2 * m_Radius[0];
  }

  /** source.Add(y, z, sign, columns, stride) and source.Exchange(y, z, zOld, columns, stride) update one row. */
  template <typename TSource, typename TEmit>
  void
  Run(int zBegin, int zEnd, float * scratch, const TSource & source, const TEmit & emit) const
  {
    const int          nx = m_Size[0];
    const int          ny = m_Size[1];
    const int          nz = m_Size[2];
    const std::int64_t plane = static_cast<std::int64_t>(nx) * ny;
    float * const      columns = scratch;
    float * const      rows = columns + VFields * plane;
    float * const      windows = rows + VFields * nx;
    float * const      padded = windows + VFields * nx;

    for (int z = zBegin; z < zEnd; ++z)
    {
      if (z == zBegin || m_Radius[2] <= NarrowRadius)
      {
        std::fill(columns, columns + VFields * plane, 0.0f);
        for (int k = std::max(0, z - m_Radius[2]); k <= std::min(nz - 1, z + m_Radius[2]); ++k)
        {
          for (int y = 0; y < ny; ++y)
          {
            source.Add(y, k, 1.0f, columns + static_cast<std::int64_t>(y) * nx, plane);
          }
        }
      }
      else
      {
        const int enter = z + m_Radius[2];
        const int leave = z - m_Radius[2] - 1;
        for (int y = 0; y < ny; ++y)
        {
          float * const row = columns + static_cast<std::int64_t>(y) * nx;
          if (enter < nz && leave >= 0)
          {
            source.Exchange(y, enter, leave, row, plane);
          }
          else if (enter < nz)
          {
            source.Add(y, enter, 1.0f, row, plane);
          }
          else if (leave >= 0)
          {
            source.Add(y, leave, -1.0f, row, plane);
          }
        }
      }
      for (int y = 0; y < ny; ++y)
      {
        for (int f = 0; f < VFields; ++f)
        {
          UpdateRowSum(columns + f * plane, rows + f * nx, y);
          std::fill(padded, padded + m_Radius[0], 0.0f);
          std::copy_n(rows + f * nx, nx, padded + m_Radius[0]);
          std::fill_n(padded + m_Radius[0] + nx, m_Radius[0], 0.0f);
          SumWindows(padded, 2 * m_Radius[0] + 1, windows + f * nx, nx);
        }
        emit(y, z, windows);
      }
    }
  }

private:
  /** Sum of the columns' rows y - radius .. y + radius. */
  void
  UpdateRowSum(const float * columns, float * sum, int y) const
  {
    const int nx = m_Size[0];
    const int ny = m_Size[1];
    const int enter = y + m_Radius[1];
    const int leave = y - m_Radius[1] - 1;
    if (y % RestartRows == 0 || m_Radius[1] <= NarrowRadius)
    {
      std::fill_n(sum, nx, 0.0f);
      for (int k = std::max(0, y - m_Radius[1]); k <= std::min(ny - 1, enter); ++k)
      {
        AddScaledRow(columns + static_cast<std::int64_t>(k) * nx, 1.0f, sum, nx);
      }
      return;
    }
    if (enter < ny && leave >= 0)
    {
      ExchangeRow(columns + static_cast<std::int64_t>(enter) * nx, columns + static_cast<std::int64_t>(leave) * nx, sum, nx);
    }
    else if (enter < ny)
    {
      AddScaledRow(columns + static_cast<std::int64_t>(enter) * nx, 1.0f, sum, nx);
    }
    else if (leave >= 0)
    {
      AddScaledRow(columns + static_cast<std::int64_t>(leave) * nx, -1.0f, sum, nx);
    }
  }

  int m_Size[3];
  int m_Radius[3];
};

/** Products of the two images, every voxel valid. */
struct ProductSource
{
  ConstField fixed;
  ConstField warped;
  float      fixedShift;
  float      movingShift;

  void
  Add(int y, int z, float sign, float * columns, std::int64_t stride) const
  {
    const std::int64_t o = fixed.lattice.Offset(0, y, z);
    AccumulateProducts(
      fixed.data + o, warped.data + o, fixedShift, movingShift, sign, columns, stride, fixed.lattice.own.size[0]);
  }

  void
  Exchange(int y, int z, int zOld, float * columns, std::int64_t stride) const
  {
    const std::int64_t o = fixed.lattice.Offset(0, y, z);
    const std::int64_t old = fixed.lattice.Offset(0, y, zOld);
    ExchangeProducts(fixed.data + o,
                     warped.data + o,
                     fixed.data + old,
                     warped.data + old,
                     fixedShift,
                     movingShift,
                     columns,
                     stride,
                     fixed.lattice.own.size[0]);
  }
};

ITK_ENGINE_ROW void
AccumulateValidProducts(const float *         fixed,
                        const float *         moving,
                        const unsigned char * valid,
                        float                 fixedShift,
                        float                 movingShift,
                        float                 sign,
                        float *               sums,
                        std::int64_t          stride,
                        int                   count)
{
  for (int x = 0; x < count; ++x)
  {
    const float f = valid[x] ? fixed[x] - fixedShift : 0.0f;
    const float m = valid[x] ? moving[x] - movingShift : 0.0f;
    sums[x] += sign * f;
    sums[x + stride] += sign * m;
    sums[x + 2 * stride] += sign * f * f;
    sums[x + 3 * stride] += sign * m * m;
    sums[x + 4 * stride] += sign * f * m;
    sums[x + 5 * stride] += valid[x] ? sign : 0.0f;
  }
}

/** Products of the two images where valid, and the number of valid voxels as a sixth field. */
struct ValidProductSource
{
  ConstField fixed;
  ConstField warped;
  ConstMask  valid;
  float      fixedShift;
  float      movingShift;

  void
  Add(int y, int z, float sign, float * columns, std::int64_t stride) const
  {
    const std::int64_t o = fixed.lattice.Offset(0, y, z);
    AccumulateValidProducts(fixed.data + o,
                            warped.data + o,
                            valid.data + o,
                            fixedShift,
                            movingShift,
                            sign,
                            columns,
                            stride,
                            fixed.lattice.own.size[0]);
  }

  void
  Exchange(int y, int z, int zOld, float * columns, std::int64_t stride) const
  {
    Add(y, z, 1.0f, columns, stride);
    Add(y, zOld, -1.0f, columns, stride);
  }
};

/** The three coefficient fields of the adjoint. */
struct CoefficientSource
{
  Lattice       lattice;
  const float * coefficients;

  void
  Add(int y, int z, float sign, float * columns, std::int64_t stride) const
  {
    const std::int64_t o = lattice.Offset(0, y, z);
    for (int f = 0; f < 3; ++f)
    {
      AddScaledRow(coefficients + f * lattice.NumberOfVoxels() + o, sign, columns + f * stride, lattice.own.size[0]);
    }
  }

  void
  Exchange(int y, int z, int zOld, float * columns, std::int64_t stride) const
  {
    const std::int64_t o = lattice.Offset(0, y, z);
    const std::int64_t old = lattice.Offset(0, y, zOld);
    for (int f = 0; f < 3; ++f)
    {
      const float * const plane = coefficients + f * lattice.NumberOfVoxels();
      ExchangeRow(plane + o, plane + old, columns + f * stride, lattice.own.size[0]);
    }
  }
};

/** Evaluates the windows: coefficients to memory, correlations to per-plane sums. */
template <int VFields, typename TSource>
void
EvaluateWindows(const LnccParameters & parameters,
                const ConstMask &      valid,
                const Lattice &        lattice,
                const TSource &        source,
                float *                coefficients,
                double *               energy)
{
  const int                nx = lattice.own.size[0];
  const int                nz = lattice.own.size[2];
  const int                slab = SlabPlanes(nz);
  const BoxSlider<VFields> slider(lattice, parameters.radius);
  std::vector<double>      sums(nz, 0.0);
  std::vector<double>      numbers(nz, 0.0);
  ParallelFor((nz + slab - 1) / slab, [&](std::int64_t task) {
    const int     begin = static_cast<int>(task) * slab;
    float * const scratch = ThreadScratch<float>(slider.ScratchSize() + 2 * nx);
    float * const counts = scratch + slider.ScratchSize();
    float * const correlations = counts + nx;
    slider.Run(begin, std::min(nz, begin + slab), scratch, source, [&](int y, int z, const float * windows) {
      const std::int64_t offset = lattice.Offset(0, y, z);
      const std::int64_t voxels = lattice.NumberOfVoxels();
      float * const      a = coefficients + offset;
      if (VFields == 6)
      {
        for (int x = 0; x < nx; ++x)
        {
          counts[x] = std::max(1.0f, windows[5 * nx + x]);
        }
      }
      else
      {
        const float rows = static_cast<float>(WindowCount(y, lattice.own.size[1], parameters.radius[1])) *
                           static_cast<float>(WindowCount(z, nz, parameters.radius[2]));
        for (int x = 0; x < nx; ++x)
        {
          counts[x] = rows * static_cast<float>(WindowCount(x, nx, parameters.radius[0]));
        }
      }
      EvaluateRow(windows, counts, parameters.varianceFloor, a, a + voxels, a + 2 * voxels, correlations, nx, nx);
      double       sum = 0.0;
      std::int64_t number = nx;
      if (VFields == 6)
      {
        number = 0;
        for (int x = 0; x < nx; ++x)
        {
          if (valid.data[offset + x])
          {
            sum += correlations[x];
            ++number;
          }
          else
          {
            a[x] = a[x + voxels] = a[x + 2 * voxels] = 0.0f;
          }
        }
      }
      else
      {
        for (int x = 0; x < nx; ++x)
        {
          sum += correlations[x];
        }
      }
      sums[z] += sum;
      numbers[z] += static_cast<double>(number);
    });
  });
  energy[0] = energy[1] = 0.0;
  for (int z = 0; z < nz; ++z)
  {
    energy[0] += sums[z];
    energy[1] += numbers[z];
  }
}
} // namespace

std::int64_t
LnccWorkspace(const Lattice & lattice)
{
  return 3 * lattice.NumberOfVoxels();
}

void
Lncc(const Device &,
     const LnccParameters & parameters,
     const ConstField &     fixed,
     const ConstField &     warped,
     const ConstMask &      valid,
     double *               energy,
     const Field &          gradient,
     const MetricInputs *   chain,
     float *                workspace)
{
  const Lattice & lattice = fixed.lattice;
  if (valid)
  {
    const ValidProductSource source{ fixed, warped, valid, parameters.fixedShift, parameters.movingShift };
    EvaluateWindows<6>(parameters, valid, lattice, source, workspace, energy);
  }
  else
  {
    const ProductSource source{ fixed, warped, parameters.fixedShift, parameters.movingShift };
    EvaluateWindows<5>(parameters, valid, lattice, source, workspace, energy);
  }
  if (!gradient)
  {
    return;
  }
  const int               nx = lattice.own.size[0];
  const int               nz = lattice.own.size[2];
  const int               slab = SlabPlanes(nz);
  const BoxSlider<3>      slider(lattice, parameters.radius);
  const CoefficientSource source{ lattice, workspace };
  ParallelFor((nz + slab - 1) / slab, [&](std::int64_t task) {
    const int     begin = static_cast<int>(task) * slab;
    float * const scratch = ThreadScratch<float>(slider.ScratchSize() + nx);
    float * const slope = scratch + slider.ScratchSize();
    slider.Run(begin, std::min(nz, begin + slab), scratch, source, [&](int y, int z, const float * windows) {
      const std::int64_t offset = lattice.Offset(0, y, z);
      float * const      row = chain ? slope : gradient.data + offset;
      GradientRow(fixed.data + offset,
                  warped.data + offset,
                  parameters.fixedShift,
                  parameters.movingShift,
                  windows,
                  windows + nx,
                  windows + 2 * nx,
                  row,
                  nx);
      for (int x = 0; valid && x < nx; ++x)
      {
        row[x] = valid.data[offset + x] ? row[x] : 0.0f;
      }
      if (chain)
      {
        ChainRow(*chain, y, z, row, gradient);
      }
    });
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
