// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineFourierPlans_h
#define itkEngineFourierPlans_h

#include "FourierTransform.h"

namespace itk
{
namespace engine
{
/** What FourierTransform asks of a backend: one component at a time. */
class FourierPlans
{
public:
  virtual ~FourierPlans() = default;
  /** Floats. */
  virtual std::int64_t
  Workspace() const = 0;
  virtual void
  Forward(const float * field, Complex * spectrum, float * workspace) const = 0;
  /** May change the spectrum. */
  virtual void
  Inverse(Complex * spectrum, float * field, float * workspace) const = 0;
};

ITK_ENGINE_DECLARE(std::unique_ptr<FourierPlans> MakeFourierPlans(const Device & device, const Lattice & lattice))
} // namespace engine
} // namespace itk

#endif
