// SPDX-License-Identifier: Apache-2.0
#include "Benchmark.h"

#include "../engine/ReferenceInformation.h"
#include "../engine/ReferenceLncc.h"

#include "Operators/MeanSquares.h"

#include <algorithm>
#include <cmath>

namespace benchmark
{
namespace
{
using test::RelativeError;

/** What of a metric is computed: its value, with the gradient to the moving image, to both, or to the displacement. */
enum class Wanted
{
  Value,
  Moving,
  Both,
  Displacement
};

const char *
Name(Wanted wanted)
{
  switch (wanted)
  {
    case Wanted::Value:
      return "value";
    case Wanted::Moving:
      return "moving";
    case Wanted::Both:
      return "both";
    case Wanted::Displacement:
      break;
  }
  return "displacement";
}

/** The floor of a metric whose gradient at a voxel needs a neighbourhood at most. */
Case
LocalFloor(Wanted wanted)
{
  switch (wanted)
  {
    case Wanted::Value:
      return Case{ 4 + 4, "read F 4, M 4" };
    case Wanted::Moving:
      return Case{ 4 + 4 + 4, "read F 4, M 4; write 4" };
    case Wanted::Both:
      return Case{ 4 + 4 + 4 + 4, "read F 4, M 4; write 4 + 4" };
    case Wanted::Displacement:
      break;
  }
  return Case{ 4 + 4 + 12 + 12, "read F 4, M 4, u 12; write 12" };
}

/** The floor of mutual information: the whole histogram is needed before the first gradient. */
Case
HistogramFloor(Wanted wanted)
{
  switch (wanted)
  {
    case Wanted::Value:
      return Case{ 4 + 4, "read F 4, M 4" };
    case Wanted::Moving:
      return Case{ 2 * (4 + 4) + 4, "read F 4, M 4 for the histogram and again for the gradient; write 4" };
    case Wanted::Both:
      return Case{ 2 * (4 + 4) + 4 + 4, "read F 4, M 4 for the histogram and again for the gradients; write 4 + 4" };
    case Wanted::Displacement:
      break;
  }
  return Case{ 2 * (4 + 4 + 12) + 12, "read F 4, M 4, u 12 for the histogram and again for the gradient; write 12" };
}

MetricInputs
Inputs(const Problem & p)
{
  MetricInputs inputs;
  inputs.fixed = p.fixed;
  inputs.moving = p.moving;
  inputs.displacement = p.displacement;
  return inputs;
}

Field
Image(const Field & field)
{
  return Field(field.data, field.lattice);
}

/** The error of a metric: of its value, and of the gradients that were wanted. `reference(fixed, moving)` is its double. */
template <typename TReference>
double
MetricError(const Problem & p, Wanted wanted, const TReference & reference)
{
  test::MetricProblem host;
  host.fixed = p.Download(p.fixed);
  host.moving = p.Download(p.moving);
  host.displacement = p.Download(p.displacement);
  const bool                  warps = wanted == Wanted::Displacement;
  const test::WarpedReference warped = warps ? test::WarpInDouble(host) : test::WarpedReference();
  const HostDoubles           moving = warps ? warped.image : test::ToDoubles(host.moving);
  const auto                  expected = reference(host.fixed, moving);
  double                      error = std::abs(p.Number() - expected.sum) / std::abs(expected.sum);
  if (warps)
  {
    error = std::max(error,
                     RelativeError(p.Download(p.vector[0]),
                                   test::ChainInDouble(expected.gradient, warped.gradient),
                                   warped.smooth));
  }
  else if (wanted != Wanted::Value)
  {
    error = std::max(error, RelativeError(p.Download(Image(p.vector[0])), expected.gradient));
  }
  if (wanted == Wanted::Both)
  {
    error = std::max(error, RelativeError(p.Download(Image(p.vector[1])), expected.fixedGradient));
  }
  return error;
}

Case
MakeLncc(Problem & p, const LnccParameters & parameters, Wanted wanted)
{
  Case               one = LocalFloor(wanted);
  const std::int64_t floats = wanted == Wanted::Displacement
                                ? LnccToDisplacementWorkspace(p.device, parameters, Inputs(p))
                                : LnccWorkspace(p.device, parameters, p.lattice, 1, wanted == Wanted::Both);
  p.workspace.Reserve(floats);
  one.workspaceBytes = 4 * floats;
  one.work = [&p, parameters, wanted] {
    if (wanted == Wanted::Displacement)
    {
      LnccToDisplacement(p.device, parameters, Inputs(p), p.numbers, p.vector[0], p.workspace.Data());
      return;
    }
    LnccGradients gradients;
    gradients.moving = wanted == Wanted::Value ? Field() : Image(p.vector[0]);
    gradients.fixed = wanted == Wanted::Both ? Image(p.vector[1]) : Field();
    Lncc(p.device, parameters, p.fixed, p.moving, ConstMask(), p.numbers, gradients, p.workspace.Data());
  };
  one.error = [&p, parameters, wanted] {
    return MetricError(p, wanted, [&](const HostField & fixed, const HostDoubles & moving) {
      return test::LnccInDouble(parameters, fixed, moving, HostMask());
    });
  };
  return one;
}

/** The volumes of a batch as the components of one call. */
Case
MakeLnccOfComponents(const std::vector<std::unique_ptr<Problem>> & problems,
                     const LnccParameters &                        parameters,
                     Wanted                                        wanted)
{
  Problem &          p = *problems.front();
  const auto         components = static_cast<int>(problems.size());
  const std::int64_t voxels = p.lattice.NumberOfVoxels();
  Case               one = LocalFloor(wanted);
  const std::int64_t floats = LnccWorkspace(p.device, parameters, p.lattice, components);
  p.workspace.Reserve(floats);
  one.workspaceBytes = 4 * floats;
  const auto take = [&] { return std::make_shared<Buffer<float>>(p.device, components * voxels); };
  const auto fixed = take();
  const auto moving = take();
  const auto gradient = wanted == Wanted::Value ? nullptr : take();
  for (int c = 0; c < components; ++c)
  {
    p.device.Copy(fixed->Data() + c * voxels, problems[c]->fixed.data, sizeof(float) * voxels);
    p.device.Copy(moving->Data() + c * voxels, problems[c]->moving.data, sizeof(float) * voxels);
  }
  one.work = [&p, parameters, components, fixed, moving, gradient] {
    Lncc(p.device,
         parameters,
         ConstField(fixed->Data(), p.lattice, components),
         ConstField(moving->Data(), p.lattice, components),
         ConstMask(),
         p.numbers,
         gradient ? LnccGradients(Field(gradient->Data(), p.lattice, components)) : LnccGradients(),
         p.workspace.Data());
  };
  return one;
}

/** Float images as 16 bits in device memory, and those as float again, for the reference. */
template <typename TPixel>
class StoredImage
{
public:
  StoredImage(const Problem & p, const ConstField & image)
    : m_Widened(p.Download(image))
    , m_Buffer(p.device, image.NumberOfValues())
  {
    std::vector<TPixel> stored;
    for (float & value : m_Widened.values)
    {
      stored.push_back(FromFloat<TPixel>(value));
      value = ToFloat(stored.back());
    }
    p.device.CopyFromHost(m_Buffer.Data(), stored.data(), m_Buffer.Bytes());
  }

  FieldView<const TPixel>
  View() const
  {
    return FieldView<const TPixel>(m_Buffer.Data(), m_Widened.lattice);
  }
  const HostField &
  Widened() const
  {
    return m_Widened;
  }

private:
  HostField      m_Widened;
  Buffer<TPixel> m_Buffer;
};

/** The gradient to the moving image from images of 16 bits. */
template <typename TPixel>
Case
MakeStoredLncc(Problem & p, const LnccParameters & parameters)
{
  Case               one(2 + 2 + 4, "read F 2, M 2; write 4");
  const std::int64_t floats = LnccWorkspace(p.device, parameters, p.lattice, 1, false, false, StorageOf<TPixel>);
  p.workspace.Reserve(floats);
  one.workspaceBytes = 4 * floats;
  const auto fixed = std::make_shared<StoredImage<TPixel>>(p, p.fixed);
  const auto moving = std::make_shared<StoredImage<TPixel>>(p, p.moving);
  one.work = [&p, parameters, fixed, moving] {
    Lncc(p.device,
         parameters,
         fixed->View(),
         moving->View(),
         ConstMask(),
         p.numbers,
         LnccGradients(Image(p.vector[0])),
         p.workspace.Data());
  };
  one.error = [&p, parameters, fixed, moving] {
    const auto expected =
      test::LnccInDouble(parameters, fixed->Widened(), test::ToDoubles(moving->Widened()), HostMask());
    return std::max(std::abs(p.Number() - expected.sum) / std::abs(expected.sum),
                    RelativeError(p.Download(Image(p.vector[0])), expected.gradient));
  };
  return one;
}

struct InformationReference : test::MetricReference
{
  HostDoubles fixedGradient;
};

Case
MakeInformation(Problem & p, const MutualInformationParameters & parameters, Wanted wanted)
{
  Case               one = HistogramFloor(wanted);
  const std::int64_t floats = wanted == Wanted::Displacement
                                ? MutualInformationToDisplacementWorkspace(p.device, parameters, Inputs(p))
                                : MutualInformationWorkspace(p.device, parameters, p.lattice);
  p.workspace.Reserve(floats);
  one.workspaceBytes = 4 * floats;
  one.work = [&p, parameters, wanted] {
    if (wanted == Wanted::Displacement)
    {
      MutualInformationToDisplacement(p.device, parameters, Inputs(p), p.numbers, p.vector[0], p.workspace.Data());
      return;
    }
    MutualInformation(p.device,
                      parameters,
                      p.fixed,
                      p.moving,
                      ConstMask(),
                      p.numbers,
                      wanted == Wanted::Value ? Field() : Image(p.vector[0]),
                      wanted == Wanted::Both ? Image(p.vector[1]) : Field(),
                      p.workspace.Data());
  };
  one.error = [&p, parameters, wanted] {
    return MetricError(p, wanted, [&](const HostField & fixed, const HostDoubles & moving) {
      const auto information =
        test::InformationInDouble(parameters, test::ToDoubles(fixed), moving, HostMask(), wanted != Wanted::Value);
      InformationReference reference;
      reference.sum = information.count * information.information;
      reference.gradient = information.gradient;
      reference.fixedGradient = information.fixedGradient;
      return reference;
    });
  };
  return one;
}

Case
MakeMeanSquares(Problem & p, Wanted wanted)
{
  Case               one = LocalFloor(wanted);
  const std::int64_t floats = wanted == Wanted::Displacement ? MeanSquaresToDisplacementWorkspace(Inputs(p)) : 0;
  p.workspace.Reserve(floats);
  one.workspaceBytes = 4 * floats;
  one.work = [&p, wanted] {
    if (wanted == Wanted::Displacement)
    {
      MeanSquaresToDisplacement(p.device, Inputs(p), p.numbers, p.vector[0], p.workspace.Data());
      return;
    }
    MeanSquares(p.device,
                p.fixed,
                p.moving,
                ConstMask(),
                p.numbers,
                wanted == Wanted::Value ? Field() : Image(p.vector[0]));
  };
  one.error = [&p, wanted] {
    return MetricError(p, wanted, [&](const HostField & fixed, const HostDoubles & moving) {
      InformationReference reference;
      static_cast<test::MetricReference &>(reference) = test::MeanSquaresInDouble(fixed, moving, HostMask());
      return reference;
    });
  };
  return one;
}

std::vector<std::pair<std::string, LnccParameters>>
LnccWindows()
{
  std::vector<std::pair<std::string, LnccParameters>> windows;
  for (const LnccBoundary boundary : { LnccBoundary::Truncated, LnccBoundary::ZeroPadding })
  {
    LnccParameters parameters;
    parameters.boundary = boundary;
    parameters.fixedShift = parameters.movingShift = 0.25f;
    const char * const edge = boundary == LnccBoundary::Truncated ? "truncated" : "padded";
    for (const int radius : { 1, 2, 3, 4, 10 })
    {
      std::fill_n(parameters.radius, 3, radius);
      windows.emplace_back("box" + std::to_string(radius) + "/" + edge, parameters);
    }
    parameters.weights = LnccWeights::Gaussian;
    windows.emplace_back(std::string("gaussian1.5/") + edge, parameters);
  }
  return windows;
}
} // namespace

void
AddMetricCases(std::vector<Entry> & entries)
{
  const Wanted all[] = { Wanted::Value, Wanted::Moving, Wanted::Both, Wanted::Displacement };
  for (const auto & window : LnccWindows())
  {
    for (const Wanted wanted : all)
    {
      entries.push_back({ "Lncc/" + window.first + "/" + Name(wanted),
                          [window, wanted](Problem & p) { return MakeLncc(p, window.second, wanted); } });
      if (wanted == Wanted::Value || wanted == Wanted::Moving)
      {
        entries.back().makeTogether = [window, wanted](const std::vector<std::unique_ptr<Problem>> & problems) {
          return MakeLnccOfComponents(problems, window.second, wanted);
        };
      }
    }
  }
  LnccParameters parameters;
  parameters.boundary = LnccBoundary::ZeroPadding;
  parameters.fixedShift = parameters.movingShift = 0.25f;
  entries.push_back({ "Lncc/box3/padded/moving/bfloat16",
                      [parameters](Problem & p) { return MakeStoredLncc<BFloat16>(p, parameters); } });
  entries.push_back({ "Lncc/box3/padded/moving/float16",
                      [parameters](Problem & p) { return MakeStoredLncc<Float16>(p, parameters); } });
  for (const bool gaussian : { false, true })
  {
    for (const int bins : { 32, 64 })
    {
      MutualInformationParameters parameters;
      parameters.numberOfBins = bins;
      if (gaussian)
      {
        parameters.fixed.window = parameters.moving.window = ParzenWindow::Gaussian;
      }
      for (const Wanted wanted : all)
      {
        if (wanted == Wanted::Both && !gaussian)
        {
          continue; // Mattes' window of the fixed image has no derivative
        }
        const std::string name = gaussian ? "gaussian" : "mattes";
        entries.push_back({ "MutualInformation/" + name + std::to_string(bins) + "/" + Name(wanted),
                            [parameters, wanted](Problem & p) { return MakeInformation(p, parameters, wanted); } });
      }
    }
  }
  for (const Wanted wanted : { Wanted::Value, Wanted::Moving, Wanted::Displacement })
  {
    entries.push_back(
      { std::string("MeanSquares/") + Name(wanted), [wanted](Problem & p) { return MakeMeanSquares(p, wanted); } });
  }
}
} // namespace benchmark
