// SPDX-License-Identifier: Apache-2.0
// Floor: 24 bytes per voxel.
#include "../Operators/NormalizeStep.h"

#include "../Math/LimitedScale.h"
#include "Parallel.h"

namespace itk
{
namespace engine
{
namespace cpu
{
namespace
{
ITK_ENGINE_ROW void
ScaleVectors(float scale, const Matrix3 & matrix, float * x, float * y, float * z, std::int64_t count)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    const float v[3] = { scale * x[i], scale * y[i], scale * z[i] };
    float       w[3];
    matrix.Multiply(v, w);
    x[i] = w[0];
    y[i] = w[1];
    z[i] = w[2];
  }
}
} // namespace

void
NormalizeStep(const Device &, const NormalizeStepParameters & parameters, const double * largest, const Field & step)
{
  const float scale =
    parameters.limitOnly ? LimitedScale(parameters.scale, largest) : NormalizedScale(parameters.scale, largest);
  ParallelForPieces(step.lattice.NumberOfVoxels(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    ScaleVectors(scale,
                 parameters.matrix,
                 step.Component(0) + begin,
                 step.Component(1) + begin,
                 step.Component(2) + begin,
                 end - begin);
  });
}
} // namespace cpu
} // namespace engine
} // namespace itk
