// SPDX-License-Identifier: Apache-2.0
// Box windows: a task takes a band of rows and a slab of planes, and its coefficients stay in a ring of planes in the
// cache until the adjoint has summed them, so that memory sees the images and the gradients alone. Floor, forward and
// gradient to the displacement: F, M, u in, gradient out, 32 bytes and about 300 flops per voxel.
// Gaussian windows: products, coefficients and their smoothed versions in whole planes, 200 bytes per voxel.
// Images of 16 bits are converted to float32 before, 6 bytes per voxel each.
#include "../Operators/Lncc.h"

#include "BoxSlider.h"
#include "Chain.h"
#include "LnccRows.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
/** Where the derivative of one component goes. */
struct Target
{
  Field                gradient; ///< absent: not wanted
  const MetricInputs * chain;
  float                scale;
  bool                 accumulate; ///< add to what is there
};

/** A component's problem. */
struct Problem
{
  const LnccParameters &    parameters;
  const LnccWindowWeights & weights;
  Lattice                   lattice;
  LnccImages                images;
  Target                    moving;
  Target                    fixed;

  bool
  Both() const
  {
    return static_cast<bool>(fixed.gradient);
  }
};

/** Sums over the rows of a volume, joined in a fixed order. */
class RowSums
{
public:
  RowSums(const Lattice & lattice)
    : m_Rows(lattice.own.size[1])
    , m_Sums(static_cast<std::size_t>(m_Rows) * lattice.own.size[2], 0.0)
    , m_Numbers(m_Sums.size(), 0)
  {}
  void
  Set(int y, int z, double sum, int number)
  {
    m_Sums[static_cast<std::size_t>(z) * m_Rows + y] = sum;
    m_Numbers[static_cast<std::size_t>(z) * m_Rows + y] = number;
  }
  void
  AddTo(double * energy, double scale) const
  {
    double sum = 0.0;
    double number = 0.0;
    for (std::size_t i = 0; i < m_Sums.size(); ++i)
    {
      sum += m_Sums[i];
      number += m_Numbers[i];
    }
    energy[0] += scale * sum;
    energy[1] = number;
  }

private:
  int                 m_Rows;
  std::vector<double> m_Sums;
  std::vector<int>    m_Numbers;
};

/** Evaluates a row of window sums. `mine`: whether its correlations belong into the energy. */
void
EvaluateRow(const Problem &          problem,
            int                      y,
            int                      z,
            const float *            sums,
            std::int64_t             sumStride,
            float *                  coefficients,
            std::int64_t             stride,
            LnccWindowWeights::Row & weights,
            float *                  correlations,
            bool                     mine,
            RowSums &                energy)
{
  const int          nx = problem.lattice.own.size[0];
  const LnccImages & images = problem.images;
  if (images.valid)
  {
    problem.weights.Set(y, z, sums + NumberOfMoments * sumStride, weights);
  }
  else
  {
    problem.weights.Set(y, z, weights);
  }
  const bool both = problem.Both();
  EvaluateWindows(problem.parameters, sums, sumStride, weights, both, coefficients, stride, correlations, nx);
  int number = nx;
  if (images.valid)
  {
    const unsigned char * const valid = images.valid + problem.lattice.Offset(0, y, z);
    number = ClearInvalid(
      valid, both ? NumberOfCoefficientsForBoth : NumberOfCoefficients, coefficients, stride, correlations, nx);
  }
  if (mine)
  {
    energy.Set(y, z, SumRow(correlations, nx), number);
  }
}

/** From summed coefficients, `stride` apart, to a row of the gradients. `slope` is a row of scratch. */
void
FinishRow(const Problem & problem, int y, int z, const float * sums, std::int64_t stride, float * slope)
{
  const std::int64_t offset = problem.lattice.Offset(0, y, z);
  const int          nx = problem.lattice.own.size[0];
  for (const bool toFixed : { false, true })
  {
    const Target & target = toFixed ? problem.fixed : problem.moving;
    if (!target.gradient)
    {
      continue;
    }
    float * const       row = target.chain ? slope : target.gradient.data + offset;
    const float * const a = toFixed ? sums + 3 * stride : sums;
    const float * const b = a + stride;
    GradientRow(problem.images.At(offset), toFixed, target.scale, a, b, sums + 2 * stride, row, nx);
    if (target.chain)
    {
      ChainRow(*target.chain, y, z, row, target.gradient, target.accumulate);
    }
  }
}

struct ProductSource
{
  LnccImages images;
  Lattice    lattice;

  void
  Add(int y, int z, float sign, float * sums, std::int64_t stride) const
  {
    AccumulateProducts(images.At(lattice.Offset(0, y, z)), sign, sums, stride, lattice.own.size[0]);
  }

  void
  Exchange(int y, int z, int zOld, float * sums, std::int64_t stride) const
  {
    if (images.valid)
    {
      Add(y, z, 1.0f, sums, stride);
      Add(y, zOld, -1.0f, sums, stride);
      return;
    }
    ExchangeProducts(images.At(lattice.Offset(0, y, z)),
                     images.At(lattice.Offset(0, y, zOld)),
                     sums,
                     stride,
                     lattice.own.size[0]);
  }
};

/** The coefficients of the last planes of a band, each plane's fields one after another. */
template <int VFields>
struct CoefficientRing
{
  float *      data;
  int          planes;
  int          nx;
  int          lowY;
  std::int64_t fieldStride;

  float *
  Row(int y, int z) const
  {
    return data + z % planes * VFields * fieldStride + static_cast<std::int64_t>(y - lowY) * nx;
  }

  void
  Add(int y, int z, float sign, float * sums, std::int64_t stride) const
  {
    for (int f = 0; f < VFields; ++f)
    {
      AddScaledRow(Row(y, z) + f * fieldStride, sign, sums + f * stride, nx);
    }
  }

  void
  Exchange(int y, int z, int zOld, float * sums, std::int64_t stride) const
  {
    for (int f = 0; f < VFields; ++f)
    {
      ExchangeRow(Row(y, z) + f * fieldStride, Row(y, zOld) + f * fieldStride, sums + f * stride, nx);
    }
  }
};

/** The part of a volume that one task computes: planes and rows, growing with the window, whose halo is computed twice.
 * Depends on the sizes alone, since running sums start anew in each. */
struct Tiles
{
  int planes;
  int rows;
  int slabs;
  int bands;

  Tiles(const Lattice & lattice, const int (&radius)[3])
    : planes(Length(lattice.own.size[2], radius[2], 32))
    , rows(Length(lattice.own.size[1], radius[1], 64))
    , slabs((lattice.own.size[2] + planes - 1) / planes)
    , bands((lattice.own.size[1] + rows - 1) / rows)
  {}

private:
  static int
  Length(int size, int radius, int shortest)
  {
    const int length = std::max(shortest, radius > size ? size : 6 * radius);
    const int pieces = std::max(1, size / length);
    return (size + pieces - 1) / pieces;
  }
};

/** Box windows, one task. */
template <int VMoments, int VCoefficients>
void
RunTile(const Problem & problem, int yBegin, int yEnd, int zBegin, int zEnd, RowSums & energy)
{
  const Lattice & lattice = problem.lattice;
  const int (&radius)[3] = problem.parameters.radius;
  const int  nx = lattice.own.size[0];
  const int  ny = lattice.own.size[1];
  const int  nz = lattice.own.size[2];
  const bool wantsGradient = VCoefficients > 0;
  // the windows of the halo hold voxels of the tile
  const int haloY = wantsGradient ? std::min(radius[1], ny - 1) : 0;
  const int haloZ = wantsGradient ? std::min(radius[2], nz - 1) : 0;
  const int firstY = std::max(0, yBegin - haloY);
  const int lastY = std::min(ny, yEnd + haloY);
  const int firstZ = std::max(0, zBegin - haloZ);
  const int lastZ = std::min(nz, zEnd + haloZ);

  BoxSlider<VMoments>                        windows(lattice, radius, firstY, lastY);
  BoxSlider<std::max(1, VCoefficients)>      adjoint(lattice, radius, yBegin, yEnd);
  CoefficientRing<std::max(1, VCoefficients)> ring{};
  ring.planes = std::min(2 * haloZ + 2, lastZ - firstZ);
  ring.nx = nx;
  ring.lowY = firstY;
  ring.fieldStride = static_cast<std::int64_t>(lastY - firstY) * nx;
  const std::int64_t ringSize = wantsGradient ? ring.planes * VCoefficients * ring.fieldStride : 0;
  float *            scratch =
    ThreadScratch<float>(windows.ScratchSize() + (wantsGradient ? adjoint.ScratchSize() + ringSize : 0) + 2 * nx);
  float * const correlations = scratch;
  float * const slope = correlations + nx;
  scratch = slope + nx;
  windows.Start(scratch);
  scratch += windows.ScratchSize();
  if (wantsGradient)
  {
    ring.data = scratch;
    adjoint.Start(scratch + ringSize);
  }

  const ProductSource    products{ problem.images, lattice };
  LnccWindowWeights::Row weights = problem.weights.MakeRow();
  for (int z = firstZ; z < lastZ + haloZ; ++z)
  {
    if (z < lastZ)
    {
      windows.Step(z, products, [&](int y, const float * sums) {
        const bool    mine = z >= zBegin && z < zEnd && y >= yBegin && y < yEnd;
        float * const coefficients = wantsGradient ? ring.Row(y, z) : nullptr;
        EvaluateRow(
          problem, y, z, sums, nx, coefficients, ring.fieldStride, weights, correlations, mine, energy);
      });
    }
    const int complete = z - haloZ;
    if (wantsGradient && complete >= zBegin && complete < zEnd)
    {
      adjoint.Step(complete, ring, [&](int y, const float * sums) { FinishRow(problem, y, complete, sums, nx, slope); });
    }
  }
}

void
RunBox(const Problem & problem, RowSums & energy)
{
  const Lattice & lattice = problem.lattice;
  const bool      wantsGradient = static_cast<bool>(problem.moving.gradient);
  const Tiles     tiles(lattice, problem.parameters.radius);
  const auto      run = problem.images.valid ? (!wantsGradient    ? RunTile<6, 0>
                                                : problem.Both() ? RunTile<6, NumberOfCoefficientsForBoth>
                                                                 : RunTile<6, NumberOfCoefficients>)
                                             : (!wantsGradient    ? RunTile<5, 0>
                                                : problem.Both() ? RunTile<5, NumberOfCoefficientsForBoth>
                                                                 : RunTile<5, NumberOfCoefficients>);
  ParallelFor(tiles.slabs * tiles.bands, [&](std::int64_t task) {
    const int z = static_cast<int>(task / tiles.bands) * tiles.planes;
    const int y = static_cast<int>(task % tiles.bands) * tiles.rows;
    run(problem,
        y,
        std::min(lattice.own.size[1], y + tiles.rows),
        z,
        std::min(lattice.own.size[2], z + tiles.planes),
        energy);
  });
}

/** Calls function(y, z) for all rows. */
template <typename TFunction>
void
ForEachRow(const Lattice & lattice, const TFunction & function)
{
  ParallelFor(lattice.own.size[2], [&](std::int64_t z) {
    for (int y = 0; y < lattice.own.size[1]; ++y)
    {
      function(y, static_cast<int>(z));
    }
  });
}

void
RunGaussian(const Device & device, const Problem & problem, RowSums & energy, float * workspace)
{
  const Lattice &      lattice = problem.lattice;
  const LnccImages &   images = problem.images;
  const std::int64_t   voxels = lattice.NumberOfVoxels();
  const int            nx = lattice.own.size[0];
  const int            moments = images.valid ? 6 : 5;
  const int            coefficients = problem.Both() ? NumberOfCoefficientsForBoth : NumberOfCoefficients;
  const Field          sums(workspace, lattice, moments);
  const Field          other(workspace + moments * voxels, lattice, moments);
  const Field          adjoint(other.data, lattice, coefficients);
  const bool           padded = problem.parameters.boundary == LnccBoundary::ZeroPadding;
  SymmetricKernel      kernels[3];
  MakeLnccKernels(problem.parameters, lattice, kernels);

  ForEachRow(lattice, [&](int y, int z) {
    const std::int64_t offset = lattice.Offset(0, y, z);
    float * const      row = sums.data + offset;
    for (int f = 0; f < moments; ++f)
    {
      std::fill_n(row + f * voxels, nx, 0.0f);
    }
    AccumulateProducts(images.At(offset), 1.0f, row, voxels, nx);
    for (int x = 0; images.valid && padded && x < nx; ++x)
    {
      row[x + NumberOfMoments * voxels] = 1.0f - row[x + NumberOfMoments * voxels];
    }
  });
  cpu::GaussianSmooth(device, kernels, SmoothBoundary::Zero, sums, sums, other);
  ParallelFor(lattice.own.size[2], [&](std::int64_t z) {
    LnccWindowWeights::Row weights = problem.weights.MakeRow();
    float * const          correlations = ThreadScratch<float>(nx);
    for (int y = 0; y < lattice.own.size[1]; ++y)
    {
      const std::int64_t offset = lattice.Offset(0, y, static_cast<int>(z));
      EvaluateRow(problem,
                  y,
                  static_cast<int>(z),
                  sums.data + offset,
                  voxels,
                  problem.moving.gradient ? adjoint.data + offset : nullptr,
                  voxels,
                  weights,
                  correlations,
                  true,
                  energy);
    }
  });
  if (!problem.moving.gradient)
  {
    return;
  }
  cpu::GaussianSmooth(device, kernels, SmoothBoundary::Zero, adjoint, adjoint, Field(sums.data, lattice, coefficients));
  ForEachRow(lattice, [&](int y, int z) {
    FinishRow(problem, y, z, adjoint.data + lattice.Offset(0, y, z), voxels, ThreadScratch<float>(nx));
  });
}
/** Of the windows. */
std::int64_t
Planes(const LnccParameters & parameters)
{
  return parameters.weights == LnccWeights::Gaussian ? 12 : 0;
}

template <typename TPixel>
ITK_ENGINE_ROW void
ConvertRow(const TPixel * input, float * output, std::int64_t count)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    output[i] = ToFloat(input[i]);
  }
}

/** A component as float32: where it lies, or if it is stored otherwise converted into this plane of the workspace. */
const float *
FloatComponent(const StoredField & field, int c, float * workspace, std::int64_t plane)
{
  const std::int64_t voxels = field.lattice.NumberOfVoxels();
  const float *      component = nullptr;
  field.WithPixel([&](auto pixel) {
    using Pixel = decltype(pixel);
    const Pixel * const stored = field.Component<Pixel>(c);
    if constexpr (std::is_same<Pixel, float>::value)
    {
      component = stored;
    }
    else
    {
      float * const converted = workspace + plane * voxels;
      ParallelForPieces(voxels, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        ConvertRow(stored + begin, converted + begin, end - begin);
      });
      component = converted;
    }
  });
  return component;
}
} // namespace

std::int64_t
LnccWorkspace(const LnccParameters & parameters, const Lattice & lattice, int, bool, bool, Storage storage)
{
  return (Planes(parameters) + (storage == Storage::Float32 ? 0 : 2)) * lattice.NumberOfVoxels();
}

void
Lncc(const Device &         device,
     const LnccParameters & parameters,
     const StoredField &    fixed,
     const StoredField &    warped,
     const ConstMask &      valid,
     double *               energy,
     const LnccGradients &  gradients,
     float *                workspace)
{
  if (gradients.fixed && !gradients.moving)
  {
    // correlation is symmetric: the fixed image takes the place of the moving one
    LnccParameters swapped = parameters;
    std::swap(swapped.fixedShift, swapped.movingShift);
    LnccGradients alone(gradients.fixed);
    alone.movingChain = gradients.fixedChain;
    cpu::Lncc(device, swapped, warped, fixed, valid, energy, alone, workspace);
    return;
  }
  const Lattice &         lattice = fixed.lattice;
  const LnccWindowWeights weights(parameters, lattice);
  const std::int64_t      planes = Planes(parameters);
  energy[0] = energy[1] = 0.0;
  for (int c = 0; c < fixed.components; ++c)
  {
    MetricInputs chains[2];
    const auto   target = [&](const Field & gradient, const MetricInputs * chain, MetricInputs & inputs) {
      const float scale = 1.0f / static_cast<float>(fixed.components);
      if (gradient && chain)
      {
        inputs = ComponentOf(*chain, c, lattice);
        return Target{ gradient, &inputs, scale, c > 0 };
      }
      return Target{ gradient ? Field(gradient.Component(c), lattice) : Field(), nullptr, scale, false };
    };
    const Problem problem{
      parameters,
      weights,
      lattice,
      { FloatComponent(fixed, c, workspace, planes),
        FloatComponent(warped, c, workspace, planes + 1),
        valid.data,
        parameters.fixedShift,
        parameters.movingShift },
      target(gradients.moving, gradients.movingChain, chains[0]),
      target(gradients.fixed, gradients.fixedChain, chains[1])
    };
    RowSums sums(lattice);
    if (parameters.weights == LnccWeights::Gaussian)
    {
      RunGaussian(device, problem, sums, workspace);
    }
    else
    {
      RunBox(problem, sums);
    }
    sums.AddTo(energy, 1.0 / fixed.components);
  }
}
} // namespace cpu
} // namespace engine
} // namespace itk
