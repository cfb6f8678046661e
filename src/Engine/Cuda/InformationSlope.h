// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineCudaInformationSlope_h
#define itkEngineCudaInformationSlope_h

#include "InformationAxis.h"
#include "InformationWindows.h"

namespace itk
{
namespace engine
{
namespace cuda
{
// The derivative of the loss with respect to one voxel is a function of its two intensities alone,
//   G(f, m) = sum over the bins a, b of w_a(f) w_b'(m) L(a, b), L the table of logarithms,
// and within a cell of both axes it is smooth. There it is a polynomial of the places within the cell, whose coefficients
// the kernels look up, instead of all pairs of bins:
//   Mattes' windows       quadratic in m; exact
//   two cubic B-splines   cubic in one, quadratic in the other; exact
//   two Gaussians         of total degree 4, on cells of at most sigma / 4: interpolated at 25 Chebyshev nodes. For
//                         sigma >= 0.5 the root mean square of its error is 1e-6 of that of G, whatever the histogram
//                         (measured for random L, and for L that jumps by e^11 between neighbouring bins).
// Cells do not cross borders of bins, where the set of bins that a window covers changes.

enum class SlopeShape
{
  Mattes,
  Splines,
  Gaussians,
  Windows ///< none of these, or too few voxels for a table: the sum over the bins itself
};

constexpr int          SlopeNodes = 5;
constexpr int          QuadsPerSlopeCell = 4; ///< float4 with the coefficients of Splines and Gaussians: 64 bytes
constexpr std::int64_t MostSlopeCells = 65536; ///< 4 MiB
constexpr int          LeastVoxelsPerSlopeCell = 2;
constexpr double       CellsPerSigma = 4.0;
constexpr double       LeastTabulatedSigma = 0.5;

/** How G is evaluated, and the axes of its cells; goes to kernels by value. */
struct SlopePlan
{
  SlopeShape  shape;
  CellAxis    fixedAxis;
  CellAxis    movingAxis;
  ParzenShape fixedShape;
  ParzenShape movingShape;
  int         bins;
  int         refinement[2]; ///< cells of a bin, fixed and moving

  /** `toFixed`: of the derivative to the fixed intensity. */
  SlopePlan(const MutualInformationParameters & parameters, std::int64_t voxels, bool toFixed)
    : shape(SlopeShape::Windows)
    , fixedAxis(parameters.fixed, parameters.numberOfBins)
    , movingAxis(parameters.moving, parameters.numberOfBins)
    , fixedShape(parameters.fixed.window, parameters.fixed.sigma)
    , movingShape(parameters.moving.window, parameters.moving.sigma)
    , bins(parameters.numberOfBins)
    , refinement{ 1, 1 }
  {
    const auto refine = [&](SlopeShape kind, const int (&cells)[2]) {
      const std::int64_t inside = bins - 2 * HistogramPadding;
      const std::int64_t number = inside * cells[0] * inside * cells[1];
      if (number <= MostSlopeCells && voxels >= LeastVoxelsPerSlopeCell * number)
      {
        shape = kind;
        refinement[0] = cells[0];
        refinement[1] = cells[1];
        fixedAxis = CellAxis(parameters.fixed, bins, cells[0]);
        movingAxis = CellAxis(parameters.moving, bins, cells[1]);
      }
    };
    if (IsMattes(parameters) && !toFixed)
    {
      shape = SlopeShape::Mattes;
    }
    else if (parameters.fixed.window == ParzenWindow::CubicBSpline && parameters.moving.window == ParzenWindow::CubicBSpline)
    {
      refine(SlopeShape::Splines, { 1, 1 });
    }
    else if (parameters.fixed.window == ParzenWindow::Gaussian && parameters.moving.window == ParzenWindow::Gaussian &&
             parameters.fixed.sigma >= LeastTabulatedSigma && parameters.moving.sigma >= LeastTabulatedSigma)
    {
      refine(SlopeShape::Gaussians,
             { static_cast<int>(std::ceil(CellsPerSigma / parameters.fixed.sigma)),
               static_cast<int>(std::ceil(CellsPerSigma / parameters.moving.sigma)) });
    }
  }

  static bool
  IsMattes(const MutualInformationParameters & parameters)
  {
    return parameters.fixed.window == ParzenWindow::ZeroOrder && parameters.moving.window == ParzenWindow::CubicBSpline;
  }

  __host__ __device__ __forceinline__ bool
  HasTable() const
  {
    return shape == SlopeShape::Splines || shape == SlopeShape::Gaussians;
  }

  std::int64_t
  TableQuads() const
  {
    return HasTable() ? static_cast<std::int64_t>(fixedAxis.cells) * movingAxis.cells * QuadsPerSlopeCell : 0;
  }

  __host__ __device__ __forceinline__ int
  NumberOfBorders() const
  {
    return fixedAxis.NumberOfBorders() + movingAxis.NumberOfBorders();
  }

  std::size_t
  BorderBytes() const
  {
    return (NumberOfBorders() * sizeof(CellBorder) + 15) / 16 * 16;
  }
};

/** Weight i of the cubic B-spline at s, or its derivative, in float64. */
__device__ __forceinline__ double
SplineWeight(int i, double s, bool derivative)
{
  const double t = 1.0 - s;
  switch (i)
  {
    case 0:
      return derivative ? -0.5 * t * t : t * t * t / 6.0;
    case 1:
      return derivative ? 0.5 * s * (3.0 * s - 4.0) : (4.0 + 3.0 * s * s * (s - 2.0)) / 6.0;
    case 2:
      return derivative ? -0.5 * t * (3.0 * t - 4.0) : (4.0 + 3.0 * t * t * (t - 2.0)) / 6.0;
    default:
      return derivative ? 0.5 * s * s : s * s * s / 6.0;
  }
}

constexpr int NodeTableThreads = 128;

/** cos(pi n / (2 SlopeNodes)), n >= 0. */
__host__ __device__ constexpr double
NodeCosine(int n)
{
  constexpr double quarter[SlopeNodes + 1] = { 1.0,
                                               0.95105651629515357,
                                               0.80901699437494742,
                                               0.58778525229247313,
                                               0.30901699437494742,
                                               0.0 };
  const int        period = n % (4 * SlopeNodes);
  const int        half = period > 2 * SlopeNodes ? 4 * SlopeNodes - period : period;
  return half > SlopeNodes ? -quarter[2 * SlopeNodes - half] : quarter[half];
}

/** Place of Chebyshev node k within a cell. */
__device__ __forceinline__ double
NodePlace(int k)
{
  return 0.5 + 0.5 * NodeCosine(2 * k + 1);
}

/** The table of weights at the nodes of an axis: of tap i at node k of a cell it is [(k taps + i) cells + cell]. */
__host__ __device__ __forceinline__ int
NodeTableSize(const CellAxis & axis, const ParzenShape & shape)
{
  return SlopeNodes * shape.taps * axis.cells;
}

inline std::int64_t
NodeDoubles(const SlopePlan & plan)
{
  return plan.HasTable() ? static_cast<std::int64_t>(NodeTableSize(plan.fixedAxis, plan.fixedShape)) +
                             NodeTableSize(plan.movingAxis, plan.movingShape)
                         : 0;
}

/** The weights at all nodes, or their derivatives: of the fixed axis for blockIdx.y = 0, of the moving for 1; a thread per
 * node. */
__global__ void
__launch_bounds__(NodeTableThreads) NodeTableKernel(const __grid_constant__ SlopePlan plan, bool toFixed, double * nodes)
{
  const bool          moving = blockIdx.y == 1;
  const bool          derivative = moving != toFixed;
  const CellAxis &    axis = moving ? plan.movingAxis : plan.fixedAxis;
  const ParzenShape & shape = moving ? plan.movingShape : plan.fixedShape;
  const int           refinement = plan.refinement[moving ? 1 : 0];
  const int           cell = blockIdx.x * NodeTableThreads + threadIdx.x;
  const int           node = blockIdx.z;
  if (cell >= axis.cells)
  {
    return;
  }
  double * const weights =
    nodes + (moving ? NodeTableSize(plan.fixedAxis, plan.fixedShape) : 0) + node * shape.taps * axis.cells + cell;
  const int    bin = cell / refinement;
  const double s = (cell - bin * refinement + NodePlace(node)) / refinement;
  const int    lowest = bin + HistogramPadding - shape.before;
  const int    first = max(lowest, 0);
  const int    count = min(lowest + shape.taps, plan.bins) - first;
  double       sum = 0.0;
  double       mean = 0.0;
  for (int i = 0; i < count; ++i)
  {
    const double u = first - lowest + i - shape.before - s;
    const double w = shape.window == ParzenWindow::Gaussian ? exp(-0.5 * u * u * shape.inverseVariance)
                                                            : SplineWeight(i, s, derivative);
    weights[i * axis.cells] = w;
    sum += w;
    mean += w * u;
  }
  for (int i = count; i < shape.taps; ++i)
  {
    weights[i * axis.cells] = 0.0;
  }
  if (shape.window == ParzenWindow::Gaussian)
  {
    mean /= sum;
    for (int i = 0; i < count; ++i)
    {
      const double u = first - lowest + i - shape.before - s;
      weights[i * axis.cells] *= (derivative ? shape.inverseVariance * (u - mean) : 1.0) / sum;
    }
  }
}

/** Coefficient of the power q in the Chebyshev polynomial T_p(2 s - 1). */
__device__ __forceinline__ double
ShiftedChebyshev(int p, int q)
{
  constexpr double coefficients[SlopeNodes][SlopeNodes] = {
    { 1.0, 0.0, 0.0, 0.0, 0.0 },      { -1.0, 2.0, 0.0, 0.0, 0.0 },       { 1.0, -8.0, 8.0, 0.0, 0.0 },
    { -1.0, 18.0, -48.0, 32.0, 0.0 }, { 1.0, -32.0, 160.0, -256.0, 128.0 }
  };
  return coefficients[p][q];
}

/** values at the nodes -> coefficients of the powers, along both axes, without the terms above total degree `degree`. */
__device__ __forceinline__ void
InterpolateNodes(double (&values)[SlopeNodes][SlopeNodes], int degree)
{
  double terms[SlopeNodes][SlopeNodes];
#pragma unroll
  for (int i = 0; i < SlopeNodes; ++i)
  {
#pragma unroll
    for (int q = 0; q < SlopeNodes; ++q)
    {
      double sum = 0.0;
#pragma unroll
      for (int k = 0; k < SlopeNodes; ++k)
      {
        sum += values[i][k] * NodeCosine(q * (2 * k + 1));
      }
      terms[i][q] = sum * (q > 0 ? 2.0 : 1.0) / SlopeNodes;
    }
  }
#pragma unroll
  for (int p = 0; p < SlopeNodes; ++p)
  {
#pragma unroll
    for (int q = 0; q < SlopeNodes; ++q)
    {
      double sum = 0.0;
#pragma unroll
      for (int k = 0; k < SlopeNodes; ++k)
      {
        sum += terms[k][q] * NodeCosine(p * (2 * k + 1));
      }
      values[p][q] = p + q <= degree ? sum * (p > 0 ? 2.0 : 1.0) / SlopeNodes : 0.0;
    }
  }
#pragma unroll
  for (int i = 0; i < SlopeNodes; ++i)
  {
#pragma unroll
    for (int q = 0; q < SlopeNodes; ++q)
    {
      terms[i][q] = 0.0;
#pragma unroll
      for (int k = q; k < SlopeNodes; ++k)
      {
        terms[i][q] += values[i][k] * ShiftedChebyshev(k, q);
      }
    }
  }
#pragma unroll
  for (int p = 0; p < SlopeNodes; ++p)
  {
#pragma unroll
    for (int q = 0; q < SlopeNodes; ++q)
    {
      values[p][q] = 0.0;
#pragma unroll
      for (int k = p; k < SlopeNodes; ++k)
      {
        values[p][q] += terms[k][q] * ShiftedChebyshev(k, p);
      }
    }
  }
}

/** The table of Splines or Gaussians: a thread per moving cell (x), a block row per fixed cell (y). The coefficients of the
 * powers (p, q) of (fixed, moving): Gaussians (0, 0..4) (1, 0..3) (2, 0..2) (3, 0..1) (4, 0); Splines a float4 for each
 * power of the intensity that is differentiated, with those of the other one. */
__global__ void
__launch_bounds__(NodeTableThreads) SlopeTableKernel(const __grid_constant__ SlopePlan plan,
                                                     bool   toFixed,
                                                     double scale,
                                                     const double * __restrict__ nodes,
                                                     const float * __restrict__ logarithms,
                                                     float4 * __restrict__ table)
{
  const int fixedCell = blockIdx.y;
  const int movingCell = blockIdx.x * NodeTableThreads + threadIdx.x;
  if (movingCell >= plan.movingAxis.cells)
  {
    return;
  }
  const int     fixedFirst = max(fixedCell / plan.refinement[0] + HistogramPadding - plan.fixedShape.before, 0);
  const int     movingFirst = max(movingCell / plan.refinement[1] + HistogramPadding - plan.movingShape.before, 0);
  const int     fixedCount = min(plan.fixedShape.taps, plan.bins - fixedFirst);
  const int     movingCount = min(plan.movingShape.taps, plan.bins - movingFirst);
  const double * const inFixed = nodes + fixedCell;
  const double * const inMoving = nodes + NodeTableSize(plan.fixedAxis, plan.fixedShape) + movingCell;
  double values[SlopeNodes][SlopeNodes] = {};
  for (int a = 0; a < fixedCount; ++a)
  {
    const float * const row = logarithms + (fixedFirst + a) * plan.bins + movingFirst;
    double              sums[SlopeNodes] = {};
    for (int b = 0; b < movingCount; ++b)
    {
      const double l = __ldg(row + b);
#pragma unroll
      for (int k = 0; k < SlopeNodes; ++k)
      {
        sums[k] += __ldg(inMoving + (k * plan.movingShape.taps + b) * plan.movingAxis.cells) * l;
      }
    }
#pragma unroll
    for (int i = 0; i < SlopeNodes; ++i)
    {
      const double w = __ldg(inFixed + (i * plan.fixedShape.taps + a) * plan.fixedAxis.cells) * scale;
#pragma unroll
      for (int k = 0; k < SlopeNodes; ++k)
      {
        values[i][k] += w * sums[k];
      }
    }
  }
  const bool splines = plan.shape == SlopeShape::Splines;
  InterpolateNodes(values, splines ? 2 * SlopeNodes : SlopeNodes - 1);
  float4 * const cell =
    table + (static_cast<std::int64_t>(fixedCell) * plan.movingAxis.cells + movingCell) * QuadsPerSlopeCell;
  const auto quad = [](double x, double y, double z, double w) {
    return make_float4(static_cast<float>(x), static_cast<float>(y), static_cast<float>(z), static_cast<float>(w));
  };
  const double(&c)[SlopeNodes][SlopeNodes] = values;
  if (!splines)
  {
    cell[0] = quad(c[0][0], c[0][1], c[0][2], c[0][3]);
    cell[1] = quad(c[0][4], c[1][0], c[1][1], c[1][2]);
    cell[2] = quad(c[1][3], c[2][0], c[2][1], c[2][2]);
    cell[3] = quad(c[3][0], c[3][1], c[4][0], 0.0);
    return;
  }
#pragma unroll
  for (int q = 0; q < 3; ++q)
  {
    cell[q] = toFixed ? quad(c[q][0], c[q][1], c[q][2], c[q][3]) : quad(c[0][q], c[1][q], c[2][q], c[3][q]);
  }
}

/** What a thread evaluates G with. */
struct SlopePlace
{
  const CellBorder * fixedBorders;
  const CellBorder * movingBorders;
  const float4 *     table;
  const float *      logarithms;
  float              scale; ///< of Windows: d t / d intensity and the channel's share of the loss
};

/** The sum over the bins itself. */
template <bool toFixed>
__device__ __forceinline__ float
WindowsSlope(const SlopePlan & plan, const SlopePlace & place, const HistogramPosition & f, const HistogramPosition & m)
{
  ParzenWeights inFixed;
  ParzenWeights inMoving;
  EvaluateParzenWindow(plan.fixedShape, plan.bins, f, inFixed);
  EvaluateParzenWindow(plan.movingShape, plan.bins, m, inMoving);
  float slope = 0.0f;
  for (int a = 0; a < inFixed.count; ++a)
  {
    const float * const row = place.logarithms + (inFixed.first + a) * plan.bins + inMoving.first;
    float               sum = 0.0f;
    for (int b = 0; b < inMoving.count; ++b)
    {
      sum += (toFixed ? inMoving.weight[b] : inMoving.derivative[b]) * __ldg(row + b);
    }
    slope += (toFixed ? inFixed.derivative[a] : inFixed.weight[a]) * sum;
  }
  return place.scale * slope;
}

/** d loss / d intensity of one voxel. `inShared`: the table of Mattes' windows lies in shared memory. */
template <SlopeShape shape, bool toFixed, bool inShared>
__device__ __forceinline__ float
EvaluateSlope(const SlopePlan & plan, const SlopePlace & place, float fixed, float moving)
{
  const HistogramPosition f = plan.fixedAxis.Locate(fixed, place.fixedBorders);
  const HistogramPosition m = plan.movingAxis.Locate(moving, place.movingBorders);
  float                   slope;
  if (shape == SlopeShape::Mattes)
  {
    const float4 * const cell =
      place.table + ((f.cell + HistogramPadding) * plan.bins + m.cell + HistogramPadding - 1);
    const float4 c = inShared ? *cell : __ldg(cell);
    slope = fmaf(fmaf(c.z, m.fraction, c.y), m.fraction, c.x);
  }
  else if (shape == SlopeShape::Windows)
  {
    slope = WindowsSlope<toFixed>(plan, place, f, m);
  }
  else
  {
    const float4 * const cell =
      place.table + (static_cast<std::int64_t>(f.cell) * plan.movingAxis.cells + m.cell) * QuadsPerSlopeCell;
    const float4 c0 = __ldg(cell);
    const float4 c1 = __ldg(cell + 1);
    const float4 c2 = __ldg(cell + 2);
    if (shape == SlopeShape::Splines)
    {
      const float x = toFixed ? m.fraction : f.fraction;
      const float y = toFixed ? f.fraction : m.fraction;
      const float r0 = fmaf(fmaf(fmaf(c0.w, x, c0.z), x, c0.y), x, c0.x);
      const float r1 = fmaf(fmaf(fmaf(c1.w, x, c1.z), x, c1.y), x, c1.x);
      const float r2 = fmaf(fmaf(fmaf(c2.w, x, c2.z), x, c2.y), x, c2.x);
      slope = fmaf(fmaf(r2, y, r1), y, r0);
    }
    else
    {
      const float4 c3 = __ldg(cell + 3);
      const float  x = f.fraction;
      const float  y = m.fraction;
      const float  r0 = fmaf(fmaf(fmaf(fmaf(c1.x, y, c0.w), y, c0.z), y, c0.y), y, c0.x);
      const float  r1 = fmaf(fmaf(fmaf(c2.x, y, c1.w), y, c1.z), y, c1.y);
      const float  r2 = fmaf(fmaf(c2.w, y, c2.z), y, c2.y);
      const float  r3 = fmaf(c3.y, y, c3.x);
      slope = fmaf(fmaf(fmaf(fmaf(c3.z, x, r3), x, r2), x, r1), x, r0);
    }
  }
  return (toFixed ? plan.fixedAxis.IsInside(fixed) : plan.movingAxis.IsInside(moving)) ? slope : 0.0f;
}
} // namespace cuda
} // namespace engine
} // namespace itk

#endif
