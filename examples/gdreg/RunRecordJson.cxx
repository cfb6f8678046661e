// SPDX-License-Identifier: Apache-2.0
#include "RunRecord.h"

#include <nlohmann/json.hpp>

namespace gdreg
{
namespace
{
using Json = nlohmann::ordered_json;

Json
ImageToJson(const RunRecord::ImageFacts & image)
{
  return { { "path", image.path },
           { "size", image.size },
           { "spacing", image.spacing },
           { "origin", image.origin },
           { "direction", image.direction } };
}
} // namespace

std::string
MakeJson(const RunRecord & record)
{
  Json settings = Json::object();
  for (const auto & setting : record.settings)
  {
    settings[setting.first] = setting.second;
  }
  Json steps = Json::array();
  for (const auto & step : record.linearSteps)
  {
    steps.push_back({ { "step", step.description },
                      { "iterations", step.iterations },
                      { "mattes_mutual_information", step.metricValue },
                      { "seconds", step.seconds } });
  }
  Json levels = Json::array();
  for (const auto & level : record.levels)
  {
    levels.push_back({ { "shrink_factor", level.shrinkFactor },
                       { "smoothing_sigma", level.smoothingSigma },
                       { "size", level.size },
                       { "maximum_iterations", level.maximumIterations },
                       { "iterations", level.metricValues.size() },
                       { "converged", level.converged },
                       { "seconds", level.seconds },
                       { "metric", level.metricValues } });
    if (!level.gradientNorms.empty())
    {
      levels.back()["newton_steps"] = level.gradientNorms.size() - 1;
      levels.back()["hessian_products"] = level.hessianProducts;
      levels.back()["preconditioner_products"] = level.innerProducts;
      levels.back()["evaluations"] = level.evaluations;
      levels.back()["beta"] = level.beta;
      levels.back()["gradient_norm_without_velocity"] = level.initialGradientNorm;
      levels.back()["gradient_norm"] = level.gradientNorms;
    }
  }
  Json outputs = Json::object();
  for (const auto & output : record.outputs)
  {
    outputs[output.first] = output.second;
  }

  Json json;
  json["program"] = "gdreg register";
  json["dimension"] = record.dimension;
  json["fixed"] = ImageToJson(record.fixed);
  json["moving"] = ImageToJson(record.moving);
  json["settings"] = settings;
  json["device"] = { { "name", record.device },
                     { "description", record.deviceDescription },
                     { "peak_bytes", record.peakDeviceBytes } };
  json["linear"] = { { "start", record.linearStart },
                     { "steps", steps },
                     { "matrix", record.linearMatrix },
                     { "offset", record.linearOffset },
                     { "determinant", record.linearDeterminant } };
  if (record.hasDeformable)
  {
    json["deformable"] = { { "metric", record.metricName },
                           { "levels", levels },
                           { "metric_before", record.initialMetricValue },
                           { "metric_after", record.finalMetricValue },
                           { "maximum_displacement", record.maximumDisplacement } };
    if (!record.domainSize.empty())
    {
      json["deformable"]["periodic_domain"] = record.domainSize;
    }
    if (record.relativeMismatch > 0.0)
    {
      json["deformable"]["relative_mismatch"] = record.relativeMismatch;
    }
  }
  json["ncc"] = { { "before", record.correlationBefore },
                  { "after_linear", record.correlationLinear },
                  { "after", record.correlationAfter } };
  json["jacobian"] = { { "minimum", record.minimumJacobian },
                       { "maximum", record.maximumJacobian },
                       { "folded_voxels", record.foldedVoxels } };
  json["inverse_consistency_voxels"] = { { "mean", record.inverseMeanResidual },
                                         { "maximum", record.inverseMaximumResidual } };
  json["seconds"] = { { "read", record.readSeconds },
                      { "linear", record.linearSeconds },
                      { "deformable", record.deformableSeconds },
                      { "deformable_prepare", record.deformablePrepareSeconds },
                      { "deformable_upload", record.deformableUploadSeconds },
                      { "deformable_on_device", record.deformableDeviceSeconds },
                      { "deformable_download", record.deformableDownloadSeconds },
                      { "resample", record.resampleSeconds },
                      { "report", record.reportSeconds },
                      { "write", record.writeSeconds },
                      { "total", record.totalSeconds } };
  json["outputs"] = outputs;
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}
} // namespace gdreg
