// SPDX-License-Identifier: Apache-2.0
#include "RunRecord.h"

#include <cstdio>

namespace gdreg
{
void
RunRecord::AddNewton(const itk::GPUGaussNewtonDiffeomorphicEngine::Result & result, unsigned int axes)
{
  relativeMismatch = result.relativeMismatch;
  domainSize.assign(result.domainSize.begin(), result.domainSize.begin() + axes);
  for (std::size_t i = 0; i < levels.size() && i < result.newton.size(); ++i)
  {
    levels[i].gradientNorms = result.newton[i].gradientNorms;
    levels[i].initialGradientNorm = result.newton[i].initialGradientNorm;
    levels[i].beta = result.newton[i].weight;
    levels[i].hessianProducts = result.newton[i].hessianProducts;
    levels[i].innerProducts = result.newton[i].innerProducts;
    levels[i].evaluations = result.newton[i].evaluations;
  }
}

void
PrintSummary(const RunRecord & record)
{
  std::printf("device            %s (%s)\n", record.device.c_str(), record.deviceDescription.c_str());
  std::printf("correlation       %.4f before, %.4f after the linear stage, %.4f after\n",
              record.correlationBefore,
              record.correlationLinear,
              record.correlationAfter);
  if (record.hasDeformable)
  {
    std::printf("%-18s%.6g before, %.6g after the deformable stage\n",
                (record.metricName == "local correlation" ? "local corr." : record.metricName).c_str(),
                record.initialMetricValue,
                record.finalMetricValue);
    if (!record.domainSize.empty())
    {
      int newtonSteps = 0;
      int hessianProducts = 0;
      for (const auto & level : record.levels)
      {
        newtonSteps += level.gradientNorms.empty() ? 0 : static_cast<int>(level.gradientNorms.size()) - 1;
        hessianProducts += level.hessianProducts;
      }
      std::printf("Newton            %d steps, %d Hessian products, mismatch %.4f of the one before\n",
                  newtonSteps,
                  hessianProducts,
                  record.relativeMismatch);
    }
    std::printf("Jacobian          %.3f to %.3f, %zu folded voxels\n",
                record.minimumJacobian,
                record.maximumJacobian,
                record.foldedVoxels);
    std::printf("inverse           %.4f voxels mean residual, %.4f at most\n",
                record.inverseMeanResidual,
                record.inverseMaximumResidual);
  }
  std::printf(
    "time              %.1f s: read %.1f, linear %.1f, deformable %.1f, resample %.1f, write %.1f, report %.1f\n",
    record.totalSeconds,
    record.readSeconds,
    record.linearSeconds,
    record.deformableSeconds,
    record.resampleSeconds,
    record.writeSeconds,
    record.reportSeconds);
  for (const auto & output : record.outputs)
  {
    std::printf("%-17s %s\n", output.first.c_str(), output.second.c_str());
  }
}
} // namespace gdreg
