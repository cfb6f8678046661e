// SPDX-License-Identifier: Apache-2.0
// Floor: 16 bytes in per voxel with the scalar gradient, 4 out; with the gradient to the displacement 28 in, 12 out and the
// corners of the moving image. In fact bound by the chain of additions into one bin where many neighbours are alike.
#include "../Operators/MutualInformation.h"

#include "Chain.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
using Axis = HistogramAxis;

constexpr int BlockSize = 256;

/** Tasks, each with a histogram of its own, that the rows are dealt to: few enough that joining the histograms costs
 * little beside filling them. */
std::int64_t
NumberOfTasks(const Lattice & lattice, int bins)
{
  const std::int64_t rows = static_cast<std::int64_t>(lattice.own.size[1]) * lattice.own.size[2];
  const std::int64_t affordable = lattice.NumberOfVoxels() / (8 * static_cast<std::int64_t>(bins) * bins);
  return std::max<std::int64_t>(1, std::min<std::int64_t>({ affordable, rows, 64 }));
}

constexpr int HistogramsOfTask = 2;

/** What invalid voxels count into: the four values behind the histogram. */
constexpr int SpareBins = 4;

std::int64_t
PaddedCells(int bins)
{
  return static_cast<std::int64_t>(bins) * bins + 64;
}
static_assert(SpareBins <= 64, "spare bins exceed the padding");

/** Marginals and logarithms of one histogram, and what the gradient is read from. */
struct Tables
{
  InformationTerms    terms;
  std::vector<double> fixed;
  std::vector<double> moving;
  float *             logarithms;
  float *             polynomials; ///< three planes, times toMoving
  float               toMoving;    ///< d t / d intensity and the channel's share of the loss
  float               toFixed;
};

/** The workspace, cut up. */
struct Pieces
{
  double * histograms;
  float *  logarithms;
  float *  polynomials;

  Pieces(float * workspace, std::int64_t count, std::int64_t cells)
    : histograms(reinterpret_cast<double *>(workspace))
    , logarithms(workspace + 2 * count * cells)
    , polynomials(logarithms + cells)
  {}
};

ITK_ENGINE_ROW void
LocateRow(const Axis & axis, const float * values, int * cell, float * fraction, int count)
{
  const Axis local = axis;
  for (int x = 0; x < count; ++x)
  {
    const HistogramPosition position = local.Locate(values[x]);
    cell[x] = position.cell;
    fraction[x] = position.fraction;
  }
}

/** index = of the first of the four bins of each voxel; `spare` where valid is 0. */
ITK_ENGINE_ROW void
IndexRow(const int * fixedCell, const int * movingCell, const unsigned char * valid, int bins, int * index, int count)
{
  const int spare = bins * bins;
  if (valid)
  {
    for (int x = 0; x < count; ++x)
    {
      const int bin = (fixedCell[x] + HistogramPadding) * bins + movingCell[x] + HistogramPadding - 1;
      index[x] = valid[x] ? bin : spare;
    }
    return;
  }
  for (int x = 0; x < count; ++x)
  {
    index[x] = (fixedCell[x] + HistogramPadding) * bins + movingCell[x] + HistogramPadding - 1;
  }
}

/** The cubic B-spline's four weights. */
ITK_ENGINE_ROW void
WeighRow(const float * fraction, double * w0, double * w1, double * w2, double * w3, int count)
{
  for (int x = 0; x < count; ++x)
  {
    const double s = fraction[x];
    const double t = 1.0 - s;
    w0[x] = t * t * t * (1.0 / 6.0);
    w1[x] = (4.0 + 3.0 * s * s * (s - 2.0)) * (1.0 / 6.0);
    w2[x] = (4.0 + 3.0 * t * t * (t - 2.0)) * (1.0 / 6.0);
    w3[x] = s * s * s * (1.0 / 6.0);
  }
}

/** slope = the B-spline's derivative at each voxel within the range, from the polynomials of its bins. */
ITK_ENGINE_ROW void
PolynomialRow(const int *   index,
              const float * values,
              float         minimum,
              float         maximum,
              const float * fraction,
              const float * c0,
              const float * c1,
              const float * c2,
              float *       slope,
              int           count)
{
#pragma GCC ivdep
  for (int x = 0; x < count; ++x)
  {
    const int   i = index[x];
    const float s = fraction[x];
    const float value = (c2[i] * s + c1[i]) * s + c0[i];
    slope[x] = (values[x] >= minimum) & (values[x] <= maximum) ? value : 0.0f;
  }
}

/** One channel: both images and their windows. */
class Channel
{
public:
  Channel(const MutualInformationParameters & parameters,
          const Lattice &                     lattice,
          const float *                       fixed,
          const float *                       warped,
          const ConstMask &                   valid)
    : m_Bins(parameters.numberOfBins)
    , m_Lattice(lattice)
    , m_Fixed(fixed)
    , m_Warped(warped)
    , m_Valid(valid)
    , m_FixedAxis(parameters.fixed.minimum, parameters.fixed.maximum, m_Bins)
    , m_MovingAxis(parameters.moving.minimum, parameters.moving.maximum, m_Bins)
    , m_FixedShape(parameters.fixed.window, parameters.fixed.sigma)
    , m_MovingShape(parameters.moving.window, parameters.moving.sigma)
  {}

  /** Mattes' windows, for which the gradient is a polynomial of the moving intensity in each bin. */
  bool
  IsMattes() const
  {
    return m_FixedShape.window == ParzenWindow::ZeroOrder && m_MovingShape.window == ParzenWindow::CubicBSpline;
  }

  /** Fills the histogram from rows begin .. end - 1; returns the number of valid voxels. */
  std::int64_t
  Accumulate(std::int64_t begin, std::int64_t end, double * histogram) const
  {
    std::fill_n(histogram, HistogramsOfTask * PaddedCells(m_Bins), 0.0);
    const int    nx = m_Lattice.own.size[0];
    std::int64_t number = (end - begin) * nx;
    int          fixedCell[BlockSize];
    int          movingCell[BlockSize];
    int          index[BlockSize];
    float        fraction[BlockSize];
    double       weight[4][BlockSize];
    for (std::int64_t offset = begin * nx; offset < end * nx; offset += BlockSize)
    {
      const int                   count = static_cast<int>(std::min<std::int64_t>(BlockSize, end * nx - offset));
      const unsigned char * const valid = m_Valid ? m_Valid.data + offset : nullptr;
      if (valid)
      {
        number -= std::count(valid, valid + count, static_cast<unsigned char>(0));
      }
      if (IsMattes())
      {
        LocateRow(m_FixedAxis, m_Fixed + offset, fixedCell, fraction, count);
        LocateRow(m_MovingAxis, m_Warped + offset, movingCell, fraction, count);
        IndexRow(fixedCell, movingCell, valid, m_Bins, index, count);
        WeighRow(fraction, weight[0], weight[1], weight[2], weight[3], count);
        for (int x = 0; x < count; ++x)
        {
          // Neighbours are often alike: with two histograms they need not wait for each other's sums.
          double * const bin = histogram + (x % 2) * PaddedCells(m_Bins) + index[x];
          bin[0] += weight[0][x];
          bin[1] += weight[1][x];
          bin[2] += weight[2][x];
          bin[3] += weight[3][x];
        }
        continue;
      }
      ParzenWeights fixed;
      ParzenWeights moving;
      for (int x = 0; x < count; ++x)
      {
        if (!valid || valid[x])
        {
          EvaluateParzenWindow(m_FixedShape, m_Bins, m_FixedAxis.Locate(m_Fixed[offset + x]), fixed);
          EvaluateParzenWindow(m_MovingShape, m_Bins, m_MovingAxis.Locate(m_Warped[offset + x]), moving);
          for (int f = 0; f < fixed.count; ++f)
          {
            const double   weight = fixed.weight[f];
            double * const bins = histogram + (fixed.first + f) * m_Bins + moving.first;
            for (int m = 0; m < moving.count; ++m)
            {
              bins[m] += weight * moving.weight[m];
            }
          }
        }
      }
    }
    return number;
  }

  /** Entropies of the joined histogram, and the table that the gradients are read from. */
  void
  Evaluate(const double * histogram, bool normalized, bool withGradient, double share, Tables & tables) const
  {
    const int           bins = m_Bins;
    std::vector<double> rows(bins);
    tables.fixed.assign(bins, 0.0);
    tables.moving.assign(bins, 0.0);
    double total = 0.0;
    for (int f = 0; f < bins; ++f)
    {
      for (int m = 0; m < bins; ++m)
      {
        tables.fixed[f] += histogram[f * bins + m];
        tables.moving[m] += histogram[f * bins + m];
      }
      total += tables.fixed[f];
    }
    const double toProbability = total > 0.0 ? 1.0 / total : 0.0;
    double       entropies[3] = { 0.0, 0.0, 0.0 };
    for (int b = 0; b < bins; ++b)
    {
      tables.fixed[b] *= toProbability;
      tables.moving[b] *= toProbability;
      entropies[0] += EntropyTerm(tables.fixed[b]);
      entropies[1] += EntropyTerm(tables.moving[b]);
    }
    ParallelFor(bins, [&](std::int64_t f) {
      double sum = 0.0;
      for (int m = 0; m < bins; ++m)
      {
        sum += EntropyTerm(histogram[f * bins + m] * toProbability);
      }
      rows[f] = sum;
    });
    for (const double sum : rows)
    {
      entropies[2] += sum;
    }
    tables.terms = CombineEntropies(entropies[0], entropies[1], entropies[2], normalized);
    if (!withGradient)
    {
      return;
    }
    const std::int64_t cells = PaddedCells(bins);
    if (IsMattes())
    {
      std::fill_n(tables.polynomials, 3 * cells, 0.0f);
    }
    ParallelFor(bins, [&](std::int64_t f) {
      double logarithms[MaximumHistogramBins];
      for (int m = 0; m < bins; ++m)
      {
        logarithms[m] =
          LogarithmTerm(tables.terms, histogram[f * bins + m] * toProbability, tables.fixed[f], tables.moving[m]);
        tables.logarithms[f * bins + m] = static_cast<float>(logarithms[m]);
      }
      for (int m = 0; IsMattes() && m + 3 < bins; ++m)
      {
        float c[3];
        CombineBSplineDerivatives(logarithms[m],
                                  logarithms[m + 1],
                                  logarithms[m + 2],
                                  logarithms[m + 3],
                                  -share * m_MovingAxis.scale,
                                  c);
        for (int k = 0; k < 3; ++k)
        {
          tables.polynomials[k * cells + f * bins + m] = c[k];
        }
      }
    });
    tables.toMoving = static_cast<float>(-share * m_MovingAxis.scale);
    tables.toFixed = static_cast<float>(-share * m_FixedAxis.scale);
  }

  /** d/dM of one row (`fixedRow` null), or with the roles exchanged d/dF. */
  void
  Differentiate(const Tables & tables, std::int64_t row, bool toFixed, float * slope) const
  {
    const int          nx = m_Lattice.own.size[0];
    const std::int64_t offset = row * nx;
    if (IsMattes() && !toFixed)
    {
      DifferentiateBSpline(tables, offset, slope);
      return;
    }
    ParzenWeights fixed;
    ParzenWeights moving;
    for (int x = 0; x < nx; ++x)
    {
      slope[x] = 0.0f;
      const float f = m_Fixed[offset + x];
      const float m = m_Warped[offset + x];
      if ((m_Valid && !m_Valid.data[offset + x]) || !(toFixed ? m_FixedAxis.IsInside(f) : m_MovingAxis.IsInside(m)))
      {
        continue;
      }
      EvaluateParzenWindow(m_FixedShape, m_Bins, m_FixedAxis.Locate(f), fixed);
      EvaluateParzenWindow(m_MovingShape, m_Bins, m_MovingAxis.Locate(m), moving);
      const float * const movingWeight = toFixed ? moving.weight : moving.derivative;
      const float * const fixedWeight = toFixed ? fixed.derivative : fixed.weight;
      for (int a = 0; a < fixed.count; ++a)
      {
        const float * const bins = tables.logarithms + (fixed.first + a) * m_Bins + moving.first;
        float               sum = 0.0f;
        for (int b = 0; b < moving.count; ++b)
        {
          sum += movingWeight[b] * bins[b];
        }
        slope[x] += fixedWeight[a] * sum;
      }
      slope[x] *= toFixed ? tables.toFixed : tables.toMoving;
    }
  }

private:
  void
  DifferentiateBSpline(const Tables & tables, std::int64_t offset, float * slope) const
  {
    const int           nx = m_Lattice.own.size[0];
    const float * const c0 = tables.polynomials;
    const float * const c1 = c0 + PaddedCells(m_Bins);
    const float * const c2 = c1 + PaddedCells(m_Bins);
    int                 fixedCell[BlockSize];
    int                 movingCell[BlockSize];
    int                 index[BlockSize];
    float               fraction[BlockSize];
    for (int x = 0; x < nx; x += BlockSize)
    {
      const int count = std::min(BlockSize, nx - x);
      LocateRow(m_FixedAxis, m_Fixed + offset + x, fixedCell, fraction, count);
      LocateRow(m_MovingAxis, m_Warped + offset + x, movingCell, fraction, count);
      IndexRow(fixedCell, movingCell, m_Valid ? m_Valid.data + offset + x : nullptr, m_Bins, index, count);
      PolynomialRow(index,
                    m_Warped + offset + x,
                    static_cast<float>(m_MovingAxis.minimum),
                    static_cast<float>(m_MovingAxis.maximum),
                    fraction,
                    c0,
                    c1,
                    c2,
                    slope + x,
                    count);
    }
  }

  int           m_Bins;
  Lattice       m_Lattice;
  const float * m_Fixed;
  const float * m_Warped;
  ConstMask     m_Valid;
  Axis          m_FixedAxis;
  Axis          m_MovingAxis;
  ParzenShape   m_FixedShape;
  ParzenShape   m_MovingShape;
};
} // namespace

std::int64_t
MutualInformationWorkspace(const MutualInformationParameters & parameters, const Lattice & lattice, int)
{
  const std::int64_t tasks = NumberOfTasks(lattice, parameters.numberOfBins);
  return (2 * HistogramsOfTask * tasks + 4) * PaddedCells(parameters.numberOfBins);
}

void
MutualInformation(const Device &,
                  const MutualInformationParameters & parameters,
                  const ConstField &                  fixed,
                  const ConstField &                  warped,
                  const ConstMask &                   valid,
                  double *                            energy,
                  const Field &                       gradient,
                  const Field &                       fixedGradient,
                  const MetricInputs *                chain,
                  float *                             workspace)
{
  const Lattice &           lattice = fixed.lattice;
  const int                 nx = lattice.own.size[0];
  const int                 ny = lattice.own.size[1];
  const std::int64_t        rows = static_cast<std::int64_t>(ny) * lattice.own.size[2];
  const int                 bins = parameters.numberOfBins;
  const std::int64_t        cells = PaddedCells(bins);
  const std::int64_t        tasks = NumberOfTasks(lattice, bins);
  const std::int64_t        histograms = HistogramsOfTask * tasks;
  const Pieces              pieces(workspace, histograms, cells);
  std::vector<std::int64_t> numbers(tasks);
  Tables                    tables;
  tables.logarithms = pieces.logarithms;
  tables.polynomials = pieces.polynomials;
  double information = 0.0;
  for (int c = 0; c < fixed.components; ++c)
  {
    const Channel channel(parameters, lattice, fixed.Component(c), warped.Component(c), valid);
    ParallelFor(tasks, [&](std::int64_t task) {
      numbers[task] =
        channel.Accumulate(task * rows / tasks, (task + 1) * rows / tasks, pieces.histograms + HistogramsOfTask * task * cells);
    });
    ParallelFor(bins, [&](std::int64_t f) {
      for (std::int64_t h = 1; h < histograms; ++h)
      {
        for (std::int64_t i = f * bins; i < (f + 1) * bins; ++i)
        {
          pieces.histograms[i] += pieces.histograms[h * cells + i];
        }
      }
    });
    channel.Evaluate(pieces.histograms,
                     parameters.normalized,
                     gradient.data != nullptr || fixedGradient.data != nullptr,
                     1.0 / fixed.components,
                     tables);
    information += tables.terms.value;
    if (!gradient && !fixedGradient)
    {
      continue;
    }
    constexpr std::int64_t rowsOfTask = 64;
    ParallelFor((rows + rowsOfTask - 1) / rowsOfTask, [&](std::int64_t task) {
      float * const slope = ThreadScratch<float>(nx);
      for (std::int64_t row = task * rowsOfTask; row < std::min(rows, (task + 1) * rowsOfTask); ++row)
      {
        if (gradient && chain)
        {
          channel.Differentiate(tables, row, false, slope);
          ChainRow(*chain, static_cast<int>(row % ny), static_cast<int>(row / ny), slope, gradient);
        }
        else if (gradient)
        {
          channel.Differentiate(tables, row, false, gradient.Component(c) + row * nx);
        }
        if (fixedGradient)
        {
          channel.Differentiate(tables, row, true, fixedGradient.Component(c) + row * nx);
        }
      }
    });
  }
  energy[1] = 0.0;
  for (const std::int64_t number : numbers)
  {
    energy[1] += static_cast<double>(number);
  }
  energy[0] = energy[1] > 0.0 ? energy[1] * (information / fixed.components) : 0.0;
}
} // namespace cpu
} // namespace engine
} // namespace itk
