// SPDX-License-Identifier: Apache-2.0
#include "BadInput.h"
#include "Commands.h"
#include "OutputFiles.h"
#include "PointFile.h"
#include "Resample.h"
#include "TransformIO.h"

#include "itkMultiThreaderBase.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>

namespace gdreg
{
namespace
{
using Json = nlohmann::ordered_json;

template <unsigned int VDimension>
Json
ScorePoints(const ScoreSettings & settings, const PointMap<VDimension> & map)
{
  const auto fixed = ReadPointFile<VDimension>("--fixed-points", settings.fixedPoints).points;
  const auto moving = ReadPointFile<VDimension>("--moving-points", settings.movingPoints).points;
  if (fixed.size() != moving.size())
  {
    throw BadInput("--moving-points",
                   "there are " + std::to_string(moving.size()) + " points for the " + std::to_string(fixed.size()) +
                     " of --fixed-points");
  }
  std::vector<double> errors;
  double              sum = 0.0;
  for (std::size_t i = 0; i < fixed.size(); ++i)
  {
    errors.push_back(map.TransformPoint(fixed[i]).EuclideanDistanceTo(moving[i]));
    sum += errors.back();
  }
  std::sort(errors.begin(), errors.end());
  // Between the two ranks next to 95 %, as numpy's percentile.
  const double position = 0.95 * static_cast<double>(errors.size() - 1);
  const auto   rank = static_cast<std::size_t>(position);
  const double next = errors[std::min(rank + 1, errors.size() - 1)];
  const double p95 = errors[rank] + (position - static_cast<double>(rank)) * (next - errors[rank]);
  return { { "points", errors.size() },
           { "tre_mean", sum / static_cast<double>(errors.size()) },
           { "tre_p95", p95 },
           { "tre_max", errors.back() } };
}

template <unsigned int VDimension>
Json
ScoreLabels(const ScoreSettings & settings, const PointMap<VDimension> & map)
{
  const auto fixed = ReadLabels<VDimension>("--fixed-labels", settings.fixedLabels);
  const auto moving = ReadLabels<VDimension>("--moving-labels", settings.movingLabels);
  struct Counts
  {
    double fixed{ 0.0 };
    double moving{ 0.0 };
    double both{ 0.0 };
  };
  std::map<double, Counts> counts;
  Counts                   all;
  // The matching moving label of each fixed voxel, row by row on all threads; then the counts.
  std::vector<double> matches(fixed->GetBufferedRegion().GetNumberOfPixels(), 0.0);
  const std::size_t   row = fixed->GetBufferedRegion().GetSize()[0];
  itk::MultiThreaderBase::New()->ParallelizeArray(
    0,
    matches.size() / row,
    [&](const itk::SizeValueType line) {
      for (std::size_t i = line * row; i < (line + 1) * row; ++i)
      {
        itk::Point<double, VDimension> point;
        itk::Index<VDimension>         index;
        fixed->TransformIndexToPhysicalPoint(fixed->ComputeIndex(static_cast<itk::OffsetValueType>(i)), point);
        if (moving->TransformPhysicalPointToIndex(map.TransformPoint(point), index))
        {
          matches[i] = moving->GetPixel(index);
        }
      }
    },
    nullptr);
  for (std::size_t i = 0; i < matches.size(); ++i)
  {
    const double a = fixed->GetBufferPointer()[i];
    const double b = matches[i];
    if (a != 0.0)
    {
      counts[a].fixed += 1.0;
      all.fixed += 1.0;
    }
    if (b != 0.0)
    {
      counts[b].moving += 1.0;
      all.moving += 1.0;
    }
    if (a != 0.0 && a == b)
    {
      counts[a].both += 1.0;
    }
    all.both += a != 0.0 && b != 0.0 ? 1.0 : 0.0;
  }
  // A label that only the moving image has, and that maps nowhere, counts too.
  for (std::size_t i = 0; i < moving->GetBufferedRegion().GetNumberOfPixels(); ++i)
  {
    if (moving->GetBufferPointer()[i] != 0.0)
    {
      counts[moving->GetBufferPointer()[i]];
    }
  }
  if (counts.empty())
  {
    throw BadInput("--fixed-labels", "'" + settings.fixedLabels + "' and the moving labels hold no label but 0");
  }
  const auto dice = [](const Counts & count) {
    return count.fixed + count.moving > 0.0 ? 2.0 * count.both / (count.fixed + count.moving) : 0.0;
  };
  Json   labels = Json::object();
  double sum = 0.0;
  double lowest = 1.0;
  for (const auto & count : counts)
  {
    char name[40];
    std::snprintf(name, sizeof(name), "%.15g", count.first);
    const double value = dice(count.second);
    labels[name] = value;
    sum += value;
    lowest = std::min(lowest, value);
  }
  return { { "mean_dice", sum / static_cast<double>(counts.size()) },
           { "min_dice", lowest },
           { "union_dice", dice(all) },
           { "labels", labels } };
}

template <unsigned int VDimension>
Json
ScoreJacobian(const ScoreSettings & settings, const PointMap<VDimension> & map, const std::string & device)
{
  typename itk::ImageBase<VDimension>::ConstPointer grid = map.FindGrid();
  if (!settings.fixedLabels.empty())
  {
    grid = ReadGrid<VDimension>("--fixed-labels", settings.fixedLabels);
  }
  if (!grid)
  {
    const double determinant = vnl_determinant(map.MakeAffine()->GetMatrix().GetVnlMatrix().as_matrix());
    return { { "min", determinant }, { "max", determinant }, { "folded_voxels", determinant > 0.0 ? 0 : 1 } };
  }
  const auto    determinant = JacobianDeterminant<VDimension>(device, map.MakeField(grid));
  const float * begin = determinant->GetBufferPointer();
  const float * end = begin + determinant->GetBufferedRegion().GetNumberOfPixels();
  const auto    range = std::minmax_element(begin, end);
  return { { "min", *range.first },
           { "max", *range.second },
           { "folded_voxels", std::count_if(begin, end, [](const float value) { return !(value > 0.0f); }) } };
}

template <unsigned int VDimension>
Json
ScoreInDimension(const ScoreSettings & settings, const std::string & device)
{
  const auto map = ReadPointMap<VDimension>("--transform", settings.transforms);
  Json       result = Json::object();
  if (!settings.fixedLabels.empty())
  {
    result["labels"] = ScoreLabels<VDimension>(settings, map);
  }
  if (!settings.fixedPoints.empty())
  {
    result["points"] = ScorePoints<VDimension>(settings, map);
  }
  if (!settings.transforms.empty())
  {
    result["jacobian"] = ScoreJacobian<VDimension>(settings, map, device);
  }
  return result;
}

void
Print(const Json & result)
{
  if (result.contains("labels"))
  {
    const auto & labels = result["labels"];
    if (labels["labels"].size() > 1)
    {
      for (const auto & label : labels["labels"].items())
      {
        std::printf("label %-12s Dice %.4f\n", label.key().c_str(), label.value().get<double>());
      }
    }
    std::printf("Dice      mean %.4f, min %.4f, union %.4f\n",
                labels["mean_dice"].get<double>(),
                labels["min_dice"].get<double>(),
                labels["union_dice"].get<double>());
  }
  if (result.contains("points"))
  {
    std::printf("TRE       mean %.4f, 95 %% %.4f, max %.4f mm\n",
                result["points"]["tre_mean"].get<double>(),
                result["points"]["tre_p95"].get<double>(),
                result["points"]["tre_max"].get<double>());
  }
  if (result.contains("jacobian"))
  {
    std::printf("Jacobian  min %.4f, max %.4f, %ld folded voxels\n",
                result["jacobian"]["min"].get<double>(),
                result["jacobian"]["max"].get<double>(),
                result["jacobian"]["folded_voxels"].get<long>());
  }
}
} // namespace

void
RunScore(const ScoreSettings & settings)
{
  const auto device = ResolveDevice(settings.device);
  if (settings.fixedLabels.empty() && settings.fixedPoints.empty())
  {
    throw BadInput("--fixed-labels", "labels or points (--fixed-points) are needed");
  }
  if (settings.fixedLabels.empty() != settings.movingLabels.empty())
  {
    throw BadInput(settings.fixedLabels.empty() ? "--fixed-labels" : "--moving-labels", "is missing");
  }
  if (settings.fixedPoints.empty() != settings.movingPoints.empty())
  {
    throw BadInput(settings.fixedPoints.empty() ? "--fixed-points" : "--moving-points", "is missing");
  }
  unsigned int dimension = 0;
  const auto   agree = [&dimension](const std::string & argument, const std::string & path, const unsigned int other) {
    if (dimension != 0 && dimension != other)
    {
      throw BadInput(
        argument, "'" + path + "' is " + std::to_string(other) + "D, the rest is " + std::to_string(dimension) + "D");
    }
    dimension = other;
  };
  if (!settings.fixedLabels.empty())
  {
    agree("--fixed-labels",
          settings.fixedLabels,
          ReadScalarImageInformation("--fixed-labels", settings.fixedLabels).dimension);
    agree("--moving-labels",
          settings.movingLabels,
          ReadScalarImageInformation("--moving-labels", settings.movingLabels).dimension);
  }
  for (const auto & path : settings.transforms)
  {
    agree("--transform", path, ReadTransformDimension("--transform", path));
  }
  OutputFiles       outputs;
  const std::string temporary = settings.json.empty() ? "" : outputs.Add("--json", settings.json);
  const Json result = dimension == 2 ? ScoreInDimension<2>(settings, device) : ScoreInDimension<3>(settings, device);
  if (!temporary.empty())
  {
    std::ofstream file(temporary);
    file << result.dump(1) << "\n";
    file.close();
    if (!file)
    {
      throw std::runtime_error("cannot write '" + settings.json + "'");
    }
  }
  outputs.Commit();
  if (!settings.quiet)
  {
    Print(result);
  }
}
} // namespace gdreg
