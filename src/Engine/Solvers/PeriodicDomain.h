// SPDX-License-Identifier: Apache-2.0
#ifndef itkEnginePeriodicDomain_h
#define itkEnginePeriodicDomain_h

#include "PyramidLevel.h"

#include <vector>

namespace itk
{
namespace engine
{
/** A lattice that a solver may take for periodic, and where the fixed image lies in it. */
struct PeriodicDomain
{
  Lattice original;
  Lattice lattice;                ///< the enlarged one, or the original
  int     before[3] = { 0, 0, 0 }; ///< index of the lattice = index of the original + before

  bool
  IsEnlarged() const
  {
    return lattice != original;
  }
};

/** How many voxels at least are added to both faces of each axis of more than one voxel. */
struct PeriodicPadding
{
  static constexpr int None = 0;       ///< and no better sizes either
  static constexpr int Automatic = -1; ///< see PlanPeriodicDomain

  int margin = Automatic;
};

/** The domain for a problem. A periodic velocity is the same on opposite faces, and what pulls at one face pulls at the
 * other. So, by the rule for Automatic, an axis gets a tenth more voxels, half of them at each face, if an image touches
 * one of its faces: if the intensities of the fixed image, or of the moving image as the affine map shows it, vary on these two faces
 * together by more than TouchDeviation (standard deviation; images are scaled to [0, 1]). Faces that the fixed mask leaves out
 * altogether do not count. Sizes are then the next that have no prime factors but 2, 3, 5 and 7, on each of the levels with
 * these shrink factors. An axis that is not touched and has such a size at full resolution stays as it is.
 * Reads the device. Throws for a margin less than -1. */
PeriodicDomain
PlanPeriodicDomain(const Device &                    device,
                   const RegistrationProblem &       problem,
                   const PeriodicPadding &           padding,
                   const std::vector<PyramidLevel> & levels);

constexpr double TouchDeviation = 0.05;

/** A registration problem on an enlarged domain: the fixed image continued by its edge values, the padding left out of the
 * metric by a mask, the affine map from the new indices. On a domain that is not enlarged it is the problem itself. */
class EnlargedProblem
{
public:
  EnlargedProblem(const Device & device, const RegistrationProblem & problem, const PeriodicDomain & domain);

  const RegistrationProblem &
  Get() const
  {
    return m_Problem;
  }

  /** Of the enlarged image and mask. */
  static std::size_t
  Bytes(const RegistrationProblem & problem, const PeriodicDomain & domain);

private:
  Buffer<float>         m_Fixed;
  Buffer<unsigned char> m_Mask;
  RegistrationProblem   m_Problem;
};

/** output(x) = field(x + domain.before) on the original lattice. */
void
CropToOriginal(const Device & device, const PeriodicDomain & domain, const ConstField & field, const Field & output);
} // namespace engine
} // namespace itk

#endif
