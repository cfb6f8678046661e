// SPDX-License-Identifier: Apache-2.0
#ifndef itkEnginePyramid_h
#define itkEnginePyramid_h

#include "../Core/Dispatch.h"

#include <vector>

namespace itk
{
namespace engine
{
/** Grid of a resolution level. Full-resolution index = factor * level index + offset, along each axis.
 * As in itk::ShrinkImageFilter the level has floor(n / factor) points, at least 1, and its centre is the full grid's. */
struct LevelGeometry
{
  Lattice lattice;
  double  factor[3] = { 1, 1, 1 };
  double  offset[3] = { 0, 0, 0 };
};

LevelGeometry
MakeLevelGeometry(const Lattice & full, const int (&shrinkFactors)[3]);

/** A linear map from the samples of one axis to another, each output a weighted sum of `taps` consecutive inputs:
 * output[o] = sum_t weight[o * taps + t] input[first[o] + t]. Edges are already folded into the weights. */
struct AxisResampling
{
  int                inputSize = 1;
  int                outputSize = 1;
  int                taps = 1;
  std::vector<int>   first;
  std::vector<float> weight;
};

/** Discrete Gaussian of this variance (input voxels^2; ITK's kernel, edge value continued), then linear interpolation
 * at position factor * o + offset for o in [0, outputSize). Positions outside are clamped. Variance 0 only interpolates. */
AxisResampling
MakeAxisResampling(int inputSize, int outputSize, double factor, double offset, double variance);

/** Applies one AxisResampling per axis to every component, x first, and multiplies component c by scale[c % 3].
 * Down or up between levels, images and fields alike.
 *
 * \param workspace device floats: ResampleSeparableWorkspace(input.lattice, output.lattice).
 * Copies the small tables to the device (synchronously): for use between levels, not inside an iteration.
 * Deterministic. `output` must not alias `input`. */
ITK_ENGINE_DECLARE(void ResampleSeparable(const Device &         device,
                                          const AxisResampling (&axes)[3],
                                          const float (&scale)[3],
                                          const ConstField & input,
                                          const Field &      output,
                                          float *            workspace))

void
ResampleSeparable(const Device &         device,
                  const AxisResampling (&axes)[3],
                  const float (&scale)[3],
                  const ConstField & input,
                  const Field &      output,
                  float *            workspace);

/** Floats that ResampleSeparable needs: the volume with x resampled and the one with x and y resampled. */
std::int64_t
ResampleSeparableWorkspace(const Lattice & input, const Lattice & output);

/** Image of a level from the full-resolution image: Gaussian of `variance` (voxels^2 of the full grid, per axis) and
 * sampling at the level's points. Workspace as ResampleSeparable. */
void
Downsample(const Device &        device,
           const LevelGeometry & level,
           const double (&variance)[3],
           const ConstField & image,
           const Field &      output,
           float *            workspace);

/** A displacement field of one level on the grid of another, linearly interpolated (edge value outside) and rescaled
 * from voxels of the first to voxels of the second. Workspace as ResampleSeparable. */
void
Upsample(const Device &        device,
         const LevelGeometry & from,
         const LevelGeometry & to,
         const ConstField &    displacement,
         const Field &         output,
         float *               workspace);
} // namespace engine
} // namespace itk

#endif
