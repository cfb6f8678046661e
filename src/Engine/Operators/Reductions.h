// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineReductions_h
#define itkEngineReductions_h

#include "../Core/Dispatch.h"

namespace itk
{
namespace engine
{
// All reductions: float64 accumulation in an order that depends on the size alone, so the same input gives the same
// bits on the same device. Results are written to device memory; nothing waits. NaN values give NaN (Sum, norms) and
// NaN bounds (MinimumMaximum).

/** result[0] = sum of all values of all components. */
ITK_ENGINE_DECLARE(void Sum(const Device & device, const ConstField & field, double * result))

/** result[0] = sum over the voxels, result[1] = maximum over the voxels, of the Euclidean norm across components. */
ITK_ENGINE_DECLARE(void Norms(const Device & device, const ConstField & field, double * result))

/** result[0] = smallest, result[1] = largest value; with a mask (of a scalar field) those where it is not 0. */
ITK_ENGINE_DECLARE(
  void MinimumMaximum(const Device & device, const ConstField & field, double * result, const ConstMask & mask))

/** result[0] = sum over all values of a b, result[1] = sum of a^2: with a residual a and its preconditioned b, what an
 * iteration of conjugate gradients needs of both. The fields are alike. */
ITK_ENGINE_DECLARE(
  void InnerProduct(const Device & device, const ConstField & a, const ConstField & b, double * result))

void
Sum(const Device & device, const ConstField & field, double * result);
void
Norms(const Device & device, const ConstField & field, double * result);
void
MinimumMaximum(const Device & device, const ConstField & field, double * result, const ConstMask & mask = ConstMask());
void
InnerProduct(const Device & device, const ConstField & a, const ConstField & b, double * result);
} // namespace engine
} // namespace itk

#endif
