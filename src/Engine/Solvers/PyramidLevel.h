// SPDX-License-Identifier: Apache-2.0
#ifndef itkEnginePyramidLevel_h
#define itkEnginePyramidLevel_h

#include "../Operators/MetricInputs.h"
#include "../Operators/Pyramid.h"

namespace itk
{
namespace engine
{
/** The images of a registration, on the device, intensities scaled to about [0, 1]. */
struct RegistrationProblem
{
  ConstField fixed;  ///< each component is to match ...
  ConstField moving; ///< ... that of the moving image, of which there are as many
  ConstMask  fixedMask;  ///< optional
  ConstMask  movingMask; ///< optional
  double     affine[3][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 } }; ///< fixed index -> moving index
  float      fixedMean = 0.0f;
  float      movingMean = 0.0f;
};

struct PyramidLevel
{
  int    shrinkFactors[3] = { 1, 1, 1 };
  double fixedVariance[3] = { 0, 0, 0 };  ///< of the pyramid's Gaussian, voxels^2 of the full fixed grid
  double movingVariance[3] = { 0, 0, 0 }; ///< likewise of the full moving grid
};

/** The images of one level. A level at full resolution without smoothing uses the originals. */
class LevelImages
{
public:
  /** Smooths and shrinks the problem's images and masks. */
  LevelImages(const Device & device, const RegistrationProblem & problem, const PyramidLevel & level);

  /** Sizes only: what the constructor would make, without making it. The views must not be read. */
  static LevelImages
  Plan(const RegistrationProblem & problem, const PyramidLevel & level);

  /** Bytes of device memory that the images and masks of the level take beside the originals. */
  std::size_t
  Bytes() const;

  /** What a metric compares on this level: F(x) and M(A x + B u(x)), u in voxels of the level. Leaves out what maps
   * outside the moving image if the affine map alone leads there. */
  MetricInputs
  MakeInputs(const RegistrationProblem & problem, const ConstField & displacement) const;

  const LevelGeometry &
  Geometry() const
  {
    return m_FixedGeometry;
  }

  const Lattice &
  FixedLattice() const
  {
    return m_FixedGeometry.lattice;
  }

private:
  LevelImages() = default;

  void
  SetGeometry(const RegistrationProblem & problem, const PyramidLevel & level);

  LevelGeometry         m_FixedGeometry;
  LevelGeometry         m_MovingGeometry;
  bool                  m_OwnsFixed = false;
  bool                  m_OwnsMoving = false;
  Buffer<float>         m_FixedBuffer;
  Buffer<float>         m_MovingBuffer;
  Buffer<unsigned char> m_FixedMaskBuffer;
  Buffer<unsigned char> m_MovingMaskBuffer;
  ConstField            m_Fixed;
  ConstField            m_Moving;
  ConstMask             m_FixedMask;
  ConstMask             m_MovingMask;
};
} // namespace engine
} // namespace itk

#endif
