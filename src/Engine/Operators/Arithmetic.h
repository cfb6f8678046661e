// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineArithmetic_h
#define itkEngineArithmetic_h

#include "../Core/Dispatch.h"

namespace itk
{
namespace engine
{
/** output = a x + b y, value by value; y absent: output = a x. `output` may be x or y. Deterministic.
 * \param largest optional, in device memory: b / max(1, *largest) is taken for b, so that a step y of largest norm
 *                *largest is limited without the host knowing the norm (as ComposeParameters::innerMaximum). */
ITK_ENGINE_DECLARE(void LinearCombination(const Device &     device,
                                          float              a,
                                          const ConstField & x,
                                          float              b,
                                          const ConstField & y,
                                          const Field &      output,
                                          const double *     largest))

void
LinearCombination(const Device &     device,
                  float              a,
                  const ConstField & x,
                  float              b,
                  const ConstField & y,
                  const Field &      output,
                  const double *     largest = nullptr);

/** output = x y, value by value. `output` may be x or y. Deterministic. */
ITK_ENGINE_DECLARE(void Multiply(const Device & device, const ConstField & x, const ConstField & y, const Field & output))

void
Multiply(const Device & device, const ConstField & x, const ConstField & y, const Field & output);

/** What each of a few energies counts. */
struct EnergyWeights
{
  static constexpr int Maximum = 16;

  int    count = 0; ///< 1 .. Maximum
  double weight[Maximum] = {};
};

/** Energies are pairs of a sum and a number of points, in device memory: result[0] = sum over c of weight[c] energies[2 c],
 * added in this order, result[1] = energies[1]. The result must not overlap the energies. Deterministic. */
ITK_ENGINE_DECLARE(void CombineEnergies(const Device &        device,
                                        const EnergyWeights & weights,
                                        const double *        energies,
                                        double *              result))

void
CombineEnergies(const Device & device, const EnergyWeights & weights, const double * energies, double * result);
} // namespace engine
} // namespace itk

#endif
